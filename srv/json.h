/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A JSON emitter: commas and quoting are done here, nesting is the caller's.
 * A NULL key means "an element of an array" or the top.
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
void json_str(struct json *j, const char *key, const char *value);
void json_u64(struct json *j, const char *key, u64 value);
void json_s64(struct json *j, const char *key, s64 value);
void json_bool(struct json *j, const char *key, bool value);
/* @text is JSON already; empty or NULL becomes null. */
void json_raw(struct json *j, const char *key, const char *text);

#endif
