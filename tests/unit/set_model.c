// SPDX-License-Identifier: GPL-2.0
/* The model that a storm over a set is judged by: it says what the documents say, and no more. */
#include <criterion/criterion.h>

#include "set_model.h"

#define A	(1U << 0)
#define B	(1U << 1)
#define C	(1U << 2)
#define D	(1U << 3)

static struct set_model m;

static void setup(void)
{
	set_model_init(&m, 5, 3);
}

TestSuite(set_model, .init = setup, .timeout = 60);

Test(set_model, the_last_leg_in_sync_does_not_go)
{
	cr_assert_eq(set_model_may_fail(&m, 0), SET_YES);
	set_model_fail(&m, 0);
	cr_assert_eq(set_model_may_remove(&m, 1), SET_YES);
	set_model_remove(&m, 1);
	cr_assert_eq(set_model_may_fail(&m, 2), SET_NO);
	cr_assert_eq(set_model_may_remove(&m, 2), SET_NO);
	cr_assert_eq(set_model_may_check(&m), SET_NO);
}

/* It may be in sync by now, or not. */
Test(set_model, a_leg_that_is_copied_to_is_in_sync_when_it_is)
{
	set_model_fail(&m, 0);
	set_model_fail(&m, 1);
	set_model_add(&m, 1);
	cr_assert_eq(set_model_may_fail(&m, 2), SET_EITHER);
	cr_assert_not(set_model_see(&m, 1, SET_FAILED));
	cr_assert_not(set_model_see(&m, 0, SET_IN_SYNC));
	cr_assert(set_model_see(&m, 1, SET_IN_SYNC));
	cr_assert_not(set_model_see(&m, 1, SET_REBUILDING));
	cr_assert_eq(set_model_may_fail(&m, 2), SET_YES);
}

Test(set_model, only_what_is_broken_is_dropped)
{
	cr_assert_not(set_model_see(&m, 0, SET_FAILED));
	set_model_break(&m, 0);
	cr_assert_eq(set_model_good(&m), B | C);
	cr_assert(set_model_see(&m, 0, SET_FAILED));
	cr_assert_not(set_model_see(&m, 0, SET_STALE));
	cr_assert_eq(set_model_may_add(&m, 0), SET_NO);
	set_model_mend(&m, 0);
	cr_assert_eq(set_model_may_add(&m, 0), SET_YES);
}

Test(set_model, the_last_leg_stays_broken_or_not)
{
	set_model_fail(&m, 0);
	set_model_fail(&m, 1);
	set_model_break(&m, 2);
	cr_assert_not(set_model_see(&m, 2, SET_FAILED));
	cr_assert(set_model_see(&m, 2, SET_IN_SYNC));
}

Test(set_model, a_leg_is_added_once)
{
	cr_assert_eq(set_model_may_add(&m, 0), SET_NO);
	cr_assert_eq(set_model_may_add(&m, 3), SET_YES);
	set_model_add(&m, 3);
	cr_assert_eq(set_model_may_add(&m, 3), SET_NO);
	set_model_remove(&m, 3);
	cr_assert_eq(set_model_may_add(&m, 3), SET_NO);
	set_model_wipe(&m, 3);
	cr_assert_eq(set_model_may_add(&m, 3), SET_YES);
}

Test(set_model, a_leg_that_is_replaced_goes_when_the_other_one_is_there)
{
	cr_assert_eq(set_model_may_replace(&m, 0, 0), SET_NO);
	cr_assert_eq(set_model_may_replace(&m, 0, 1), SET_NO);
	cr_assert_eq(set_model_may_replace(&m, 4, 3), SET_NO);
	set_model_replace(&m, 0, 3);
	cr_assert_eq(set_model_good(&m), B | C);
	cr_assert_eq(set_model_may_fail(&m, 0), SET_EITHER);
	cr_assert(set_model_see(&m, 3, SET_IN_SYNC));
	cr_assert(set_model_see(&m, 0, SET_NONE));
	cr_assert_not(set_model_see(&m, 1, SET_NONE));
	cr_assert_eq(set_model_are(&m, SET_IN_SYNC), B | C | D);
	cr_assert(set_model_is_whole(&m));
}

Test(set_model, a_server_that_ends_forgets_what_was_to_be_replaced)
{
	set_model_replace(&m, 0, 3);
	set_model_stopped(&m);
	cr_assert(set_model_see(&m, 3, SET_IN_SYNC));
	cr_assert_not(set_model_see(&m, 0, SET_NONE));
}

Test(set_model, legs_in_sync_that_are_missing_want_degraded)
{
	cr_assert_eq(set_model_assemble(&m, A | B | C), SET_SERVES);
	cr_assert_eq(set_model_assemble(&m, A | B), SET_WANTS_DEGRADED);
	cr_assert_eq(set_model_assemble(&m, D), SET_REFUSES);
	set_model_fail(&m, 2);
	cr_assert_eq(set_model_assemble(&m, A | B), SET_SERVES);
}

/* M15: it knows of others that were in sync, and not that it is stale. */
Test(set_model, a_stale_leg_alone_wants_degraded)
{
	set_model_fail(&m, 0);
	cr_assert_eq(set_model_assemble(&m, A), SET_WANTS_DEGRADED);
	cr_assert_eq(set_model_assemble(&m, A | B), SET_WANTS_DEGRADED);
	cr_assert_eq(set_model_assemble(&m, A | B | C), SET_SERVES);
	set_model_fail(&m, 1);
	cr_assert_eq(set_model_assemble(&m, A | B), SET_WANTS_DEGRADED);
	cr_assert_eq(set_model_assemble(&m, A | C), SET_SERVES);
}

/* One that is copied to hears of all that happens, and has not all the data. */
Test(set_model, a_leg_that_is_copied_to_is_not_served_alone)
{
	set_model_fail(&m, 0);
	set_model_add(&m, 0);
	cr_assert_eq(set_model_assemble(&m, A), SET_REFUSES);
	set_model_fail(&m, 1);
	cr_assert_eq(set_model_assemble(&m, A | B), SET_REFUSES);
	cr_assert_eq(set_model_assemble(&m, A | C), SET_SERVES);
	/* It may have been in sync when it was dropped. */
	set_model_fail(&m, 0);
	cr_assert_eq(set_model_assemble(&m, A), SET_UNKNOWN);
}

Test(set_model, who_is_left_out_is_stale)
{
	set_model_add(&m, 3);
	set_model_stopped(&m);
	set_model_assembled(&m, A | B, false);
	cr_assert_eq(set_model_are(&m, SET_IN_SYNC), A | B);
	cr_assert_eq(set_model_are(&m, SET_STALE), C | D);
	cr_assert_eq(set_model_may_add(&m, 2), SET_YES);
}

/* It may have kept an event that the others never heard of. */
Test(set_model, who_is_left_out_after_a_crash_may_be_refused)
{
	set_model_stopped(&m);
	set_model_assembled(&m, A | B, true);
	cr_assert_eq(set_model_may_add(&m, 2), SET_EITHER);
	cr_assert_eq(set_model_assemble(&m, A | B | C), SET_UNKNOWN);
	cr_assert_eq(set_model_assemble(&m, A | B), SET_SERVES);
}

Test(set_model, a_command_that_was_not_waited_for_may_have_been_done)
{
	m.legs[0].pending = m.legs[3].pending = true;
	cr_assert(set_model_see(&m, 0, SET_NONE));
	cr_assert(set_model_see(&m, 3, SET_REBUILDING));
	set_model_stopped(&m);
	cr_assert_not(set_model_see(&m, 3, SET_NONE));
}
