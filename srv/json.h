/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A JSON emitter: commas and quoting are done here, nesting is the caller's.
 * A NULL key means "an element of an array" or the top.  Why no library: it would be the
 * second one that a user has to install, for 180 lines.
 *
 * What comes out is UTF-8, whatever goes in: a byte that is no part of a character
 * becomes U+FFFD.  Not surrogates like Python's own, which other parsers refuse, and
 * not Latin-1, which would make two names one.
 */
#ifndef SRV_JSON_H
#define SRV_JSON_H

#include <stdio.h>

#include "types.h"

/*
 * struct json - one text being written.
 * On the writer's stack, set up by json_init(); nothing to free.
 * @first: nothing was written yet at this level, so no comma is due
 */
struct json {
	FILE *out;
	bool first;
};

void json_init(struct json *j, FILE *out);
void json_open(struct json *j, const char *key, char bracket);	/* '{' or '[' */
void json_close(struct json *j, char bracket);			/* '}' or ']' */
void json_null(struct json *j, const char *key);
/* NULL: null, here and in json_name(). */
void json_str(struct json *j, const char *key, const char *value);
/*
 * The name of something that can have any bytes, a file.  Where it is no UTF-8 a
 * second member KEY_hex has the bytes, so that a program can open it.
 */
void json_name(struct json *j, const char *key, const char *value);
void json_u64(struct json *j, const char *key, u64 value);
void json_s64(struct json *j, const char *key, s64 value);
void json_bool(struct json *j, const char *key, bool value);
/*
 * One value with all its brackets and quotes?  What json_*() have written is, unless
 * its end is missing.
 */
bool json_is_whole(const char *text);
/* @text is an object, array or string that another process wrote; null when it is not whole. */
void json_raw(struct json *j, const char *key, const char *text);

/* No overlong forms, no surrogates, nothing behind U+10FFFF. */
bool json_is_utf8(const char *s);

#endif
