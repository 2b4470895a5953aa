/* SPDX-License-Identifier: GPL-2.0 */
/*
 * UUIDs of sets and legs: 16 random bytes, and the text that people see.
 *
 * Why not libuuid: it would be one more library to install, for 40 lines.
 */
#ifndef SRV_UUID_H
#define SRV_UUID_H

#include "types.h"

#define UUID_BYTES	16
#define UUID_TEXT	37	/* 32 digits, 4 dashes, the 0 at the end */

/* A new one, of version 4.  0, or -errno after a message. */
int uuid_make(u8 uuid[UUID_BYTES]);

void uuid_text(const u8 uuid[UUID_BYTES], char text[UUID_TEXT]);

/* The reverse: digits of any case, dashes where they belong.  false: it is none. */
bool uuid_parse(const char *text, u8 uuid[UUID_BYTES]);

/* Is it this one's text, in whatever case? */
bool uuid_is(const char *text, const u8 uuid[UUID_BYTES]);

#endif
