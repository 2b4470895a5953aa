// SPDX-License-Identifier: GPL-2.0
#include <inttypes.h>

#include "json.h"

void json_init(struct json *j, FILE *out)
{
	j->out = out;
	j->first = true;
}

static void json_quote(FILE *out, const char *s)
{
	fputc('"', out);
	for (; *s; s++) {
		unsigned char c = *s;

		if (c == '"' || c == '\\')
			fprintf(out, "\\%c", c);
		else if (c < 0x20)
			fprintf(out, "\\u%04x", c);
		else
			fputc(c, out);
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

void json_str(struct json *j, const char *key, const char *value)
{
	json_key(j, key);
	json_quote(j->out, value);
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

void json_raw(struct json *j, const char *key, const char *text)
{
	json_key(j, key);
	fputs(text && *text ? text : "null", j->out);
}
