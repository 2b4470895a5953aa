// SPDX-License-Identifier: GPL-2.0
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "log.h"
#include "uuid.h"

int uuid_make(u8 uuid[UUID_BYTES])
{
	if (getrandom(uuid, UUID_BYTES, 0) != UUID_BYTES) {
		log_err("getrandom: %s", strerror(errno));
		return -EIO;
	}
	uuid[6] = (uuid[6] & 0x0f) | 0x40;
	uuid[8] = (uuid[8] & 0x3f) | 0x80;
	return 0;
}

/* Where the text has a dash. */
static bool uuid_is_dash(unsigned int at)
{
	return at == 8 || at == 13 || at == 18 || at == 23;
}

void uuid_text(const u8 uuid[UUID_BYTES], char text[UUID_TEXT])
{
	unsigned int byte = 0;

	for (unsigned int at = 0; at < UUID_TEXT - 1; ) {
		if (uuid_is_dash(at))
			text[at++] = '-';
		snprintf(text + at, 3, "%02x", uuid[byte++]);
		at += 2;
	}
}

bool uuid_parse(const char *text, u8 uuid[UUID_BYTES])
{
	unsigned int digits = 0;

	if (strlen(text) != UUID_TEXT - 1)
		return false;
	for (unsigned int at = 0; at < UUID_TEXT - 1; at++) {
		unsigned char c = tolower((unsigned char)text[at]);

		if (uuid_is_dash(at)) {
			if (c != '-')
				return false;
			continue;
		}
		if (!isxdigit(c))
			return false;
		c = isdigit(c) ? c - '0' : c - 'a' + 10;
		if (digits % 2)
			uuid[digits / 2] |= c;
		else
			uuid[digits / 2] = c << 4;
		digits++;
	}
	return true;
}

bool uuid_is(const char *text, const u8 uuid[UUID_BYTES])
{
	u8 parsed[UUID_BYTES];

	return uuid_parse(text, parsed) && !memcmp(parsed, uuid, UUID_BYTES);
}
