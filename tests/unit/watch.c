// SPDX-License-Identifier: GPL-2.0
#include <criterion/criterion.h>

#include "watch.h"

static struct watch w;
static struct step steps[4];
static struct io io = { .tag = 3, .steps = steps };
static struct watch_ages ages;

static void setup(void)
{
	cr_assert_eq(watch_init(&w, 8), 0);
}

static void teardown(void)
{
	watch_deinit(&w);
}

TestSuite(watch, .init = setup, .fini = teardown, .timeout = 10);

/* A request with a step on @leg, and one on the leg behind it that is done. */
static void under_way(u32 round, unsigned int leg)
{
	io.round = round;
	io.pending = 1;
	io.nr_steps = 2;
	steps[0] = (struct step){ .leg = leg, .state = STEP_BUSY };
	steps[1] = (struct step){ .leg = leg + 1, .state = STEP_DONE };
}

static void look(u64 now)
{
	for (unsigned int i = 0; i < MAX_LEGS; i++)
		ages.sure[i] = ages.maybe[i] = 0;
	watch_look(&w, 3, &io, now, &ages);
}

Test(watch, a_step_gets_older_from_when_it_was_first_seen)
{
	under_way(7, 1);
	look(5000);
	cr_assert_eq(ages.sure[1], 0);
	look(6000);
	cr_assert_eq(ages.sure[1], 1000);
	look(65000);
	cr_assert_eq(ages.sure[1], 60000);
}

Test(watch, only_the_leg_that_is_waited_for_is_old)
{
	under_way(7, 1);
	look(0);
	look(1000);
	for (unsigned int i = 0; i < MAX_LEGS; i++)
		cr_assert_eq(ages.sure[i], i == 1 ? 1000 : 0, "leg %u: %llu", i, (unsigned long long)ages.sure[i]);
}

Test(watch, another_request_of_the_tag_is_young)
{
	under_way(7, 1);
	look(0);
	look(1000);
	under_way(8, 1);
	look(2000);
	cr_assert_eq(ages.sure[1], 0);
	look(3000);
	cr_assert_eq(ages.sure[1], 1000);
}

Test(watch, an_idle_tag_is_not_old)
{
	under_way(7, 1);
	look(0);
	io.pending = 0;
	look(1000);
	cr_assert_eq(ages.sure[1], 0);
	/* the same number once more, after four billion rounds */
	under_way(7, 1);
	look(2000);
	cr_assert_eq(ages.sure[1], 0);
}

Test(watch, what_is_under_way_on_a_disk_that_was_there_before_is_not_the_legs)
{
	under_way(7, 1);
	look(0);
	steps[0].old = true;
	look(5000);
	cr_assert_eq(ages.sure[1], 0);
}

/* Nothing is heard of the steps that are done. */
Test(watch, which_leg_one_waits_for_that_was_handed_off_to_several_is_not_known)
{
	under_way(7, 1);
	io.handed_off = true;
	look(0);
	look(1000);
	cr_expect_eq(ages.sure[1], 0);
	cr_expect_eq(ages.maybe[1], 1000);
	io.nr_steps = 1;
	look(2000);
	cr_expect_eq(ages.sure[1], 2000);
}

Test(watch, the_oldest_of_many_counts)
{
	under_way(7, 1);
	look(0);
	ages.sure[1] = 90000;
	watch_look(&w, 3, &io, 1000, &ages);
	cr_assert_eq(ages.sure[1], 90000);
}
