// SPDX-License-Identifier: GPL-2.0
/* What servers and commands tell each other of a set: all of it comes back, and nothing else is taken. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "targets/mirror/status.h"

static const struct mirror_status full = {
	.name = "home", .uuid = "the set", .state = "degraded", .whole = 1, .work = "resync",
	.done = 1, .total = UINT64_MAX, .kib_s = 3, .eta_s = -1, .mismatches = 4,
	.resync_min = 7, .resync_max = 8, .leg_timeout = 9, .max_read_errors = 10,
	.nr_legs = 2,
	.legs = {
		{ .slot = 3, .path = "/dev/a b\n\xff", .uuid = "a", .state = "in-sync", .read_errors = 5,
		  .write_mostly = 1, .oldest_ms = 6 },
		{ .slot = 15, .uuid = "b", .state = "failed", .error = "write: EIO" },
	},
};

static char *text;
static size_t len;

static void encode(const struct mirror_status *s)
{
	FILE *out = open_memstream(&text, &len);

	mirror_status_write(s, out);
	cr_assert_eq(fclose(out), 0);
}

static void same_text(const char *a, const char *b, const char *what)
{
	cr_assert_eq(!a, !b, "%s", what);
	if (a)
		cr_assert_str_eq(a, b, "%s", what);
}

static void comes_back(const struct mirror_status *want)
{
	struct mirror_status s;

	encode(want);
	cr_assert_eq(mirror_status_read(&s, text, len), 0);
	same_text(s.name, want->name, "name");
	same_text(s.uuid, want->uuid, "uuid");
	same_text(s.state, want->state, "state");
	same_text(s.work, want->work, "work");
	same_text(s.device, NULL, "device");
	cr_assert_eq(s.whole, want->whole);
	cr_assert(s.done == want->done && s.total == want->total && s.kib_s == want->kib_s);
	cr_assert_eq(s.eta_s, want->eta_s);
	cr_assert_eq(s.mismatches, want->mismatches);
	cr_assert(s.resync_min == want->resync_min && s.resync_max == want->resync_max);
	cr_assert(s.leg_timeout == want->leg_timeout && s.max_read_errors == want->max_read_errors);
	cr_assert_eq(s.nr_legs, want->nr_legs);
	for (unsigned int i = 0; i < s.nr_legs; i++) {
		const struct mirror_leg_status *a = &s.legs[i], *b = &want->legs[i];

		same_text(a->path, b->path, "path");
		same_text(a->uuid, b->uuid, "leg's uuid");
		same_text(a->state, b->state, "leg's state");
		same_text(a->error, b->error, "error");
		cr_assert(a->slot == b->slot && a->read_errors == b->read_errors && a->oldest_ms == b->oldest_ms);
		cr_assert_eq(a->write_mostly, b->write_mostly);
	}
	free(text);
}

Test(mirror_status, comes_back_as_it_was)
{
	struct mirror_status s = full;

	comes_back(&full);
	s.work = NULL;
	s.nr_legs = 0;
	comes_back(&s);
	for (s.nr_legs = 0; s.nr_legs < FORMAT_LEGS; s.nr_legs++)
		s.legs[s.nr_legs] = full.legs[s.nr_legs % 2];
	comes_back(&s);
}

/* What is left of it is one as well only where a leg, or a value that may be left out, ends. */
Test(mirror_status, that_is_cut_is_none_or_has_what_there_was)
{
	struct mirror_status s;
	unsigned int whole = 0;

	encode(&full);
	for (size_t at = 0; at < len; at++) {
		char *cut = calloc(1, at + 1);

		memcpy(cut, text, at);
		if (!mirror_status_read(&s, cut, at)) {
			whole++;
			cr_assert_str_eq(s.name, "home");
			cr_assert_str_eq(s.state, "degraded");
			cr_assert(!s.nr_legs || !strcmp(s.legs[0].state, "in-sync"), "cut at %zu", at);
		}
		free(cut);
	}
	/* behind state and the eleven that follow, and behind each leg's state and what follows */
	cr_assert_eq(whole, 12 + 4 + 4, "%u", whole);
	free(text);
}

static void is_none(const char *bytes, size_t nr)
{
	struct mirror_status s;

	cr_assert_eq(mirror_status_read(&s, bytes, nr), -EPROTO, "%s", bytes);
}

#define SET "name\0n\0uuid\0u\0state\0s\0"
#define IS_NONE(text) is_none(text, sizeof(text) - 1)

Test(mirror_status, that_is_wrong_is_none)
{
	struct mirror_status s;

	IS_NONE("");
	IS_NONE("name\0n\0uuid\0u\0");
	IS_NONE("not found");
	IS_NONE(SET "whole\0yes\0");
	IS_NONE(SET "whole\0-1\0");
	IS_NONE(SET "done\099999999999999999999\0");
	IS_NONE(SET "leg\0x\0uuid\0u\0state\0s\0");
	IS_NONE(SET "leg\0000\0uuid\0u\0");
	IS_NONE(SET "whole\0");
	cr_assert_eq(mirror_status_read(&s, SET, sizeof(SET) - 1), 0);
	cr_assert_eq(s.eta_s, -1);
}

Test(mirror_status, has_no_more_legs_than_a_set)
{
	struct mirror_status s = full;
	char *more;

	for (s.nr_legs = 0; s.nr_legs < FORMAT_LEGS; s.nr_legs++)
		s.legs[s.nr_legs] = full.legs[0];
	encode(&s);
	more = malloc(len + 32);
	memcpy(more, text, len);
	memcpy(more + len, "leg\0001\0uuid\0u\0state\0s\0", 22);
	is_none(more, len + 22);
	free(more);
	free(text);
}

/* A server of a later version tells more. */
Test(mirror_status, may_have_more_than_is_known)
{
	static const char more[] = SET "colour\0red\0leg\0007\0uuid\0u\0smell\0none\0state\0s\0";
	struct mirror_status s;

	cr_assert_eq(mirror_status_read(&s, more, sizeof(more) - 1), 0);
	cr_assert_eq(s.nr_legs, 1);
	cr_assert_eq(s.legs[0].slot, 7);
	cr_assert_str_eq(s.legs[0].state, "s");
}
