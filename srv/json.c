// SPDX-License-Identifier: GPL-2.0
#include <inttypes.h>
#include <string.h>

#include "json.h"

/* U+FFFD, which stands for what is no character. */
#define REPLACEMENT	"\xef\xbf\xbd"

void json_init(struct json *j, FILE *out)
{
	j->out = out;
	j->first = true;
}

/* How many bytes follow the first one of a character; 0 behind what begins none. */
static unsigned int utf8_rest(unsigned char first)
{
	if (first < 0xc2 || first > 0xf4)
		return 0;
	return first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;
}

/*
 * Is there a character at @s?  *len: its bytes, or those that one replacement stands
 * for, which is how Python and browsers count them.  The second byte's range keeps
 * out what is longer than need be, surrogates, and what is behind U+10FFFF.
 */
static bool utf8_char(const char *text, unsigned int *len)
{
	const unsigned char *s = (const unsigned char *)text;
	unsigned char min = 0x80, max = 0xbf;
	unsigned int rest = utf8_rest(*s);

	*len = 1;
	if (*s < 0x80)
		return true;
	if (*s == 0xe0)
		min = 0xa0;
	else if (*s == 0xed)
		max = 0x9f;
	else if (*s == 0xf0)
		min = 0x90;
	else if (*s == 0xf4)
		max = 0x8f;
	for (unsigned int i = 1; i <= rest; i++) {
		/* also at the end of the string */
		if (s[i] < min || s[i] > max)
			return false;
		++*len;
		min = 0x80;
		max = 0xbf;
	}
	return rest;
}

bool json_is_utf8(const char *s)
{
	unsigned int len;

	for (; *s; s += len)
		if (!utf8_char(s, &len))
			return false;
	return true;
}

static void json_quote(FILE *out, const char *s)
{
	unsigned int len;

	fputc('"', out);
	for (; *s; s += len) {
		if (!utf8_char(s, &len))
			fputs(REPLACEMENT, out);
		else if (*s == '"' || *s == '\\')
			fprintf(out, "\\%c", *s);
		else if ((unsigned char)*s < 0x20 || *s == 0x7f)
			fprintf(out, "\\u%04x", *s);
		else
			fwrite(s, 1, len, out);
	}
	fputc('"', out);
}

static void json_key(struct json *j, const char *key)
{
	if (!j->first)
		fputs(", ", j->out);
	j->first = false;
	if (key) {
		json_quote(j->out, key);
		fputs(": ", j->out);
	}
}

void json_open(struct json *j, const char *key, char bracket)
{
	json_key(j, key);
	fputc(bracket, j->out);
	j->first = true;
}

void json_close(struct json *j, char bracket)
{
	fputc(bracket, j->out);
	j->first = false;
}

void json_null(struct json *j, const char *key)
{
	json_key(j, key);
	fputs("null", j->out);
}

void json_str(struct json *j, const char *key, const char *value)
{
	if (!value) {
		json_null(j, key);
		return;
	}
	json_key(j, key);
	json_quote(j->out, value);
}

void json_name(struct json *j, const char *key, const char *value)
{
	char hex_key[64];

	json_str(j, key, value);
	if (!value || json_is_utf8(value))
		return;
	snprintf(hex_key, sizeof(hex_key), "%s_hex", key);
	json_key(j, hex_key);
	fputc('"', j->out);
	for (; *value; value++)
		fprintf(j->out, "%02x", (unsigned char)*value);
	fputc('"', j->out);
}

void json_u64(struct json *j, const char *key, u64 value)
{
	json_key(j, key);
	fprintf(j->out, "%" PRIu64, value);
}

void json_s64(struct json *j, const char *key, s64 value)
{
	json_key(j, key);
	fprintf(j->out, "%" PRId64, value);
}

void json_bool(struct json *j, const char *key, bool value)
{
	json_key(j, key);
	fputs(value ? "true" : "false", j->out);
}

/* Behind the string that begins at @s, or at the end of the text. */
static const char *json_skip_string(const char *s)
{
	for (s++; *s && *s != '"'; s++)
		if (*s == '\\' && s[1])
			s++;
	return *s ? s + 1 : s;
}

bool json_is_whole(const char *text)
{
	const char *s = text;
	int depth = 0;

	while (*s) {
		const char *at = s;

		s = *s == '"' ? json_skip_string(s) : s + 1;
		if (*at == '{' || *at == '[')
			depth++;
		else if (*at == '}' || *at == ']')
			depth--;
		if (depth <= 0)
			break;
	}
	return !depth && !*s && s != text && strchr("}]\"", s[-1]) && json_is_utf8(text);
}

void json_raw(struct json *j, const char *key, const char *text)
{
	json_key(j, key);
	fputs(text && json_is_whole(text) ? text : "null", j->out);
}
