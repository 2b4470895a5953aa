// SPDX-License-Identifier: GPL-2.0
/* How the record of a mirror's set changes. */
#include <criterion/criterion.h>
#include <errno.h>

#include "targets/mirror/change.h"

#define A	(1U << 0)
#define B	(1U << 1)
#define C	(1U << 2)
#define GIB	(1ULL << 30)
#define NONE	FORMAT_NO_SOURCE

/*
 * A set after event 5, stopped, of which each leg has kept event 4 for sure.  @states: a letter
 * for each leg: in Sync, sTale, Rebuilding, reMoved, or - for an empty slot.
 */
static struct super_set three(const char *states)
{
	static const enum format_state of[] = { ['S'] = FORMAT_IN_SYNC, ['T'] = FORMAT_STALE,
						['R'] = FORMAT_REBUILDING, ['M'] = FORMAT_REMOVED, ['-'] = FORMAT_EMPTY };
	struct super_set s = { .event = { 5, 105 }, .size = 10 * GIB, .lbs_shift = 9, .chunk_shift = 20,
			       .clean = true, .source = NONE };

	for (; *states; states++, s.nr++)
		if (*states != '-')
			s.legs[s.nr] = (struct super_leg){ .uuid = { 0x10 + s.nr }, .state = of[(u8)*states],
							   .held = { 4, 104 }, .sent = { 5, 105 } };
	return s;
}

Test(mirror_change, every_change_is_an_event_that_its_legs_are_sent)
{
	struct super_set s = three("SRT");

	change_start(&s, 77, 0, 0, NONE);
	cr_assert(s.event.nr == 6 && s.event.tag == 77 && !s.clean);
	cr_assert(super_event_same(s.legs[0].sent, s.event) && super_event_same(s.legs[1].sent, s.event));
	cr_assert_eq(s.legs[2].sent.nr, 5);
	cr_assert_eq(s.legs[0].held.nr, 4);
	change_kept(&s, 0);
	cr_assert_eq(s.legs[0].held.nr, 6);
	change_stop(&s, 78);
	cr_assert(s.clean && s.event.nr == 7);
}

Test(mirror_change, a_set_without_its_missing_legs_says_so_first)
{
	struct super_set s = three("SSR");

	change_start(&s, 77, B, C, 0);
	cr_assert(s.legs[0].state == FORMAT_IN_SYNC && s.legs[1].state == FORMAT_STALE &&
		  s.legs[2].state == FORMAT_STALE);
	cr_assert_eq(change_writers(&s), A);
}

/* M16 */
Test(mirror_change, the_last_leg_is_not_dropped)
{
	struct super_set s = three("SST");

	cr_assert_eq(change_drop(&s, 1, A | B, FORMAT_FAILED), -EBUSY);
	cr_assert(s.event.nr == 5 && change_writers(&s) == (A | B));
	cr_assert_eq(change_drop(&s, 1, B, FORMAT_FAILED), 0);
	cr_assert_eq(s.legs[1].state, FORMAT_FAILED);
	cr_assert_eq(change_drop(&s, 1, A, FORMAT_FAILED), -EBUSY);
	cr_assert_eq(change_remove(&s, 1, 0), -EBUSY);
}

Test(mirror_change, the_source_goes_with_its_leg)
{
	struct super_set s = three("SSS");

	change_differ(&s, 1, 0);
	cr_assert_eq(s.source, 0);
	cr_assert_eq(change_drop(&s, 2, A, FORMAT_FAILED), 0);
	cr_assert_eq(s.source, 1);
	cr_assert_eq(change_remove(&s, 3, 1), 0);
	cr_assert_eq(s.source, 2);
	change_agree(&s, 4);
	cr_assert_eq(s.source, NONE);
}

Test(mirror_change, a_leg_that_joins_is_written_last)
{
	struct super_set now = three("SST"), next = now;

	change_rebuild(&next, 1, 2, (struct super_event){ 5, 105 }, false);
	cr_assert_eq(change_writers(&next), A | B | C);
	cr_assert_eq(change_first(&now, &next), A | B);
	cr_assert_eq(next.legs[2].held.nr, 5);
	now = next;
	change_rebuilt(&next, 2, 2);
	cr_assert_eq(change_first(&now, &next), A | B);
	cr_assert_eq(next.legs[2].state, FORMAT_IN_SYNC);
}

Test(mirror_change, a_leg_that_joins_does_not_take_over)
{
	struct super_set now = three("SR"), next = now;

	change_rebuilt(&next, 1, 1);
	cr_assert_eq(change_retry(&now, &next, 2, A), -EBUSY);
	change_give_up(&now, &next);
	cr_assert_eq(now.event.nr, 6);
	cr_assert_eq(now.legs[1].state, FORMAT_REBUILDING);
}

Test(mirror_change, what_a_full_rebuild_has_copied_is_remembered)
{
	struct super_set s = three("ST");

	change_rebuild(&s, 1, 1, s.legs[1].held, true);
	s.legs[1].rebuilt = GIB;
	cr_assert_eq(change_drop(&s, 2, B, FORMAT_FAILED), 0);
	change_rebuild(&s, 3, 1, s.legs[1].held, false);
	cr_assert(s.legs[1].full && s.legs[1].rebuilt == GIB);
	change_rebuilt(&s, 4, 1);
	cr_assert(!s.legs[1].full && !s.legs[1].rebuilt);
}

Test(mirror_change, a_new_leg_gets_the_slot_that_is_free_longest)
{
	struct super_set s = three("S-M");

	cr_assert_eq(change_add(&s, 1, (u8[16]){ 0x50 }, false), 1);
	cr_assert_eq(s.legs[1].state, FORMAT_SPARE);
	for (unsigned int i = 3; i < FORMAT_LEGS; i++)
		cr_assert_eq(change_add(&s, 1, (u8[16]){ 0x50 + i }, false), i);
	cr_assert_eq(change_remove(&s, 2, 7), 0);
	/* slot 2 was left before */
	cr_assert_eq(change_add(&s, 3, (u8[16]){ 0x70 }, false), 2);
	cr_assert_eq(change_add(&s, 4, (u8[16]){ 0x71 }, false), 7);
	cr_assert_eq(change_add(&s, 5, (u8[16]){ 0x72 }, false), -ENOSPC);
}

Test(mirror_change, a_leg_is_write_mostly_until_it_is_said_not_to_be)
{
	struct super_set s = three("SSM");

	cr_assert_eq(change_add(&s, 1, (u8[16]){ 0x50 }, true), 3);
	cr_assert(s.legs[3].write_mostly);
	change_mark(&s, 77, 0, true);
	cr_assert(s.event.nr == 7 && s.event.tag == 77 && super_event_same(s.legs[1].sent, s.event));
	cr_assert(s.legs[0].write_mostly && !s.legs[1].write_mostly);
	/* It may be away meanwhile. */
	cr_assert_eq(change_drop(&s, 2, A, FORMAT_FAILED), 0);
	change_rebuild(&s, 3, 0, s.legs[0].held, false);
	change_rebuilt(&s, 4, 0);
	cr_assert(s.legs[0].write_mostly);
	/* Another one is the source. */
	change_differ(&s, 5, 1);
	cr_assert_eq(change_drop(&s, 6, B, FORMAT_FAILED), 0);
	cr_assert_eq(s.source, 0, "there is no other one");
	change_mark(&s, 7, 0, false);
	cr_assert_not(s.legs[0].write_mostly);
	/* Whoever gets the place of one that was removed is not what that was. */
	change_mark(&s, 8, 2, true);
	s.nr = FORMAT_LEGS;
	for (unsigned int i = 4; i < FORMAT_LEGS; i++)
		s.legs[i] = s.legs[1];
	cr_assert_eq(change_add(&s, 9, (u8[16]){ 0x51 }, false), 2);
	cr_assert_not(s.legs[2].write_mostly);
}
