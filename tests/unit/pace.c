// SPDX-License-Identifier: GPL-2.0
#include <criterion/criterion.h>
#include <sched.h>

#include "opts.h"
#include "pace.h"

static struct pace p;

/* A window of requests, of which @depth are in work at once. */
static void window(unsigned int depth)
{
	for (unsigned int i = 0; i < PACE_WINDOW; i += depth) {
		for (unsigned int d = 0; d < depth; d++)
			pace_begin(&p);
		for (unsigned int d = 0; d < depth; d++)
			pace_end(&p);
		pace_submitted(&p);
	}
}

Test(pace, a_single_request_is_served_at_once)
{
	pace_start(&p, PACE_AUTO);
	for (unsigned int i = 0; i < 10; i++)
		window(1);
	cr_assert_eq(sched_getscheduler(0), SCHED_OTHER);
}

Test(pace, many_requests_are_served_together)
{
	pace_start(&p, PACE_AUTO);
	window(32);
	window(32);
	cr_assert_eq(sched_getscheduler(0), SCHED_BATCH);
	cr_assert_eq(p.inflight, 0);
}

Test(pace, comes_back_when_the_load_is_gone)
{
	pace_start(&p, PACE_AUTO);
	window(32);
	window(32);
	window(1);
	window(1);
	cr_assert_eq(sched_getscheduler(0), SCHED_OTHER);
}

Test(pace, three_change_nothing)
{
	pace_start(&p, PACE_AUTO);
	window(3);
	window(3);
	cr_assert(!p.batch);
	window(8);
	window(8);
	cr_assert(p.batch);
	window(3);
	window(3);
	cr_assert(p.batch);
}

Test(pace, what_was_asked_for_stays)
{
	pace_start(&p, PACE_NORMAL);
	window(32);
	window(32);
	cr_assert_eq(sched_getscheduler(0), SCHED_OTHER);
	pace_start(&p, PACE_BATCH);
	cr_assert_eq(sched_getscheduler(0), SCHED_BATCH);
	window(1);
	window(1);
	cr_assert_eq(sched_getscheduler(0), SCHED_BATCH);
}

Test(pace, every_name_is_found)
{
	for (unsigned int i = 0; pace_names[i]; i++)
		cr_assert_eq(opts_choice(pace_names, pace_names[i]), i);
}
