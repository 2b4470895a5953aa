// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "status.h"

/*
 * struct status_field - a value, and where it is
 * @must: without it a status, or a leg, is none
 */
struct status_field {
	const char *key;
	enum { STATUS_TEXT, STATUS_NUMBER } type;
	size_t offset;
	bool must;
};

#define TEXT(of, field)	.key = #field, .type = STATUS_TEXT, .offset = offsetof(struct of, field)
#define NUMBER(of, field)	.key = #field, .type = STATUS_NUMBER, .offset = offsetof(struct of, field)

static const struct status_field set_fields[] = {
	{ TEXT(mirror_status, name), .must = true },
	{ TEXT(mirror_status, uuid), .must = true },
	{ TEXT(mirror_status, state), .must = true },
	{ NUMBER(mirror_status, whole) },
	{ TEXT(mirror_status, work) },
	{ NUMBER(mirror_status, done) },
	{ NUMBER(mirror_status, total) },
	{ NUMBER(mirror_status, kib_s) },
	{ NUMBER(mirror_status, eta_s) },
	{ NUMBER(mirror_status, mismatches) },
	{ NUMBER(mirror_status, resync_min) },
	{ NUMBER(mirror_status, resync_max) },
	{ NUMBER(mirror_status, leg_timeout) },
	{ NUMBER(mirror_status, max_read_errors) },
	{ 0 }
};

static const struct status_field leg_fields[] = {
	{ TEXT(mirror_leg_status, path) },
	{ TEXT(mirror_leg_status, uuid), .must = true },
	{ TEXT(mirror_leg_status, state), .must = true },
	{ TEXT(mirror_leg_status, error) },
	{ NUMBER(mirror_leg_status, read_errors) },
	{ NUMBER(mirror_leg_status, write_mostly) },
	{ NUMBER(mirror_leg_status, oldest_ms) },
	{ 0 }
};

/* Writing. */

static void status_put(FILE *out, const char *key, const char *value)
{
	fprintf(out, "%s%c%s%c", key, 0, value, 0);
}

/* Numbers with a sign are of the same size: the reverse gives them back. */
static void status_put_number(FILE *out, const char *key, u64 value)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, value);
	status_put(out, key, text);
}

static void status_put_fields(FILE *out, const struct status_field *f, const void *base)
{
	for (; f->key; f++) {
		const char *at = (const char *)base + f->offset;

		if (f->type == STATUS_NUMBER)
			status_put_number(out, f->key, *(const u64 *)at);
		else if (*(const char *const *)at)
			status_put(out, f->key, *(const char *const *)at);
	}
}

void mirror_status_write(const struct mirror_status *s, FILE *out)
{
	status_put_fields(out, set_fields, s);
	for (unsigned int i = 0; i < s->nr_legs; i++) {
		status_put_number(out, "leg", s->legs[i].slot);
		status_put_fields(out, leg_fields, &s->legs[i]);
	}
}

/* Reading. */

static bool status_number(const char *text, u64 *value)
{
	char *end;

	errno = 0;
	*value = strtoull(text, &end, 10);
	return *text >= '0' && *text <= '9' && !*end && !errno;
}

static int status_get(const struct status_field *f, void *base, const char *key, const char *value)
{
	for (; f->key; f++) {
		char *at = (char *)base + f->offset;

		if (strcmp(f->key, key))
			continue;
		if (f->type == STATUS_NUMBER)
			return status_number(value, (u64 *)at) ? 0 : -EPROTO;
		*(const char **)at = value;
		return 0;
	}
	return 0;
}

static bool status_has_all(const struct status_field *f, const void *base)
{
	for (; f->key; f++)
		if (f->must && !*(const char *const *)((const char *)base + f->offset))
			return false;
	return true;
}

static int status_get_leg(struct mirror_status *s, const char *slot)
{
	if (s->nr_legs == FORMAT_LEGS || !status_number(slot, &s->legs[s->nr_legs].slot))
		return -EPROTO;
	s->nr_legs++;
	return 0;
}

static int status_get_pair(struct mirror_status *s, const char *key, const char *value)
{
	if (!strcmp(key, "leg"))
		return status_get_leg(s, value);
	if (s->nr_legs)
		return status_get(leg_fields, &s->legs[s->nr_legs - 1], key, value);
	return status_get(set_fields, s, key, value);
}

int mirror_status_read(struct mirror_status *s, const char *text, size_t len)
{
	const char *end = text + len;

	*s = (struct mirror_status){ .eta_s = -1 };
	while (text < end) {
		const char *value = text + strlen(text) + 1;

		/* The 0 behind the whole may end a word that is not whole: there is no room for one. */
		if (value >= end || value + strlen(value) >= end ||
		    status_get_pair(s, text, value))
			return -EPROTO;
		text = value + strlen(value) + 1;
	}
	if (!status_has_all(set_fields, s))
		return -EPROTO;
	for (unsigned int i = 0; i < s->nr_legs; i++)
		if (!status_has_all(leg_fields, &s->legs[i]))
			return -EPROTO;
	return 0;
}
