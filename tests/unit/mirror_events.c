// SPDX-License-Identifier: GPL-2.0
/* What `mirror monitor` tells of two looks at a set.  Events are written as "ID", or "ID:LEG". */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "mirror_events.h"

static char told[1024];

static void emit(void *arg, const struct mirror_event *e)
{
	size_t len = strlen(told);

	cr_assert_str_eq(e->set->name, "home");
	snprintf(told + len, sizeof(told) - len, "%s%s%s%s", len ? " " : "", e->id, e->leg ? ":" : "",
		 e->leg ? e->leg->uuid : "");
}

static void tells(const struct mirror_status *before, const struct mirror_status *now, const char *want)
{
	told[0] = '\0';
	mirror_events(before, now, emit, NULL);
	cr_assert_str_eq(told, want);
}

static const struct mirror_status whole = {
	.name = "home", .whole = 1, .nr_legs = 2,
	.legs = { { .uuid = "a", .state = "in-sync" }, { .uuid = "b", .state = "in-sync" } },
};

static struct mirror_status with(const char *state)
{
	struct mirror_status s = whole;

	s.legs[1].state = state;
	s.whole = !strcmp(state, "in-sync");
	return s;
}

Test(mirror_events, nothing_is_told_of_what_has_not_changed)
{
	const struct mirror_status failed = with("failed");

	tells(&whole, &whole, "");
	tells(&failed, &failed, "");
	tells(NULL, NULL, "");
}

Test(mirror_events, a_set_that_comes_is_told_with_all_that_is_wrong)
{
	struct mirror_status s = with("failed");

	tells(NULL, &whole, "started");
	tells(NULL, &s, "started leg-failed:b degraded");
	s.work = "check";
	s.legs[0].read_errors = 1;
	tells(NULL, &s, "started leg-read-error:a leg-failed:b degraded check-started");
}

Test(mirror_events, a_set_that_goes_is_told)
{
	const struct mirror_status failed = with("failed");

	tells(&whole, NULL, "stopped");
	tells(&failed, NULL, "stopped");
}

Test(mirror_events, every_state_of_a_leg_has_its_name)
{
	static const char *const states[] = { "stale", "failed", "missing", "rebuilding", "spare" };

	for (unsigned int i = 0; i < ARRAY_SIZE(states); i++) {
		const struct mirror_status s = with(states[i]);
		char want[64];

		snprintf(want, sizeof(want), "leg-%s:b degraded", states[i]);
		tells(&whole, &s, want);
		tells(&s, &whole, "leg-in-sync:b whole");
	}
}

/* Slots and places change: a leg is its UUID. */
Test(mirror_events, a_leg_that_comes_or_goes_is_told_and_the_others_are_not)
{
	struct mirror_status s = whole;

	s.legs[0] = whole.legs[1];
	s.nr_legs = 1;
	tells(&whole, &s, "leg-removed:a");
	tells(&s, &whole, "leg-added:a");
	s = whole;
	s.whole = 0;
	s.legs[2] = (struct mirror_leg_status){ .uuid = "c", .state = "rebuilding" };
	s.nr_legs = 3;
	tells(&whole, &s, "leg-added:c leg-rebuilding:c degraded");
}

Test(mirror_events, read_errors_are_told_when_there_are_more)
{
	struct mirror_status s = whole, more;

	s.legs[1].read_errors = 3;
	more = s;
	more.legs[1].read_errors = 9;
	tells(&whole, &s, "leg-read-error:b");
	tells(&s, &s, "");
	tells(&s, &more, "leg-read-error:b");
}

Test(mirror_events, work_is_told_when_it_starts_and_when_it_ends)
{
	struct mirror_status resync = whole, check = whole, repair = whole;

	resync.work = "resync";
	check.work = "check";
	repair.work = "repair";
	tells(&whole, &resync, "resync-started");
	tells(&resync, &whole, "resync-finished");
	tells(&resync, &check, "resync-finished check-started");
	tells(&check, &repair, "check-finished repair-started");
	tells(&repair, &whole, "repair-finished");
	resync.done = 7;
	check.work = "resync";
	tells(&check, &resync, "");
}
