// SPDX-License-Identifier: GPL-2.0
#include <criterion/criterion.h>

#include "burst.h"

#define T0	5000000ULL

Test(burst, one_event_is_one_line)
{
	struct burst b = { 0 };

	cr_assert_eq(burst_due(&b, T0), -1);
	cr_assert(burst_event(&b, T0));
	cr_assert_eq(burst_due(&b, T0), BURST_QUIET_MS);
	cr_assert_eq(burst_sum(&b, T0 + BURST_QUIET_MS), 0);
	cr_assert_eq(burst_due(&b, T0 + BURST_QUIET_MS), -1);
}

Test(burst, the_rest_is_summed_up_when_it_is_over)
{
	struct burst b = { 0 };

	cr_assert(burst_event(&b, T0));
	for (unsigned int i = 1; i <= 1000; i++)
		cr_assert(!burst_event(&b, T0 + i));
	cr_assert_eq(burst_sum(&b, T0 + 1000 + BURST_QUIET_MS - 1), 0);
	cr_assert_eq(burst_due(&b, T0 + 1000 + BURST_QUIET_MS - 1), 1);
	cr_assert_eq(burst_sum(&b, T0 + 1000 + BURST_QUIET_MS), 1000);
	cr_assert_eq(burst_sum(&b, T0 + 1000 + BURST_QUIET_MS), 0);
}

Test(burst, one_that_does_not_end_is_told_now_and_then)
{
	struct burst b = { 0 };
	unsigned int lines = 0;
	u64 told = 0;

	cr_assert(burst_event(&b, T0));
	for (u64 t = T0 + 1000; t <= T0 + 10 * BURST_SUM_MS; t += 1000) {
		u64 nr = burst_sum(&b, t);

		lines += !!nr;
		told += nr;
		cr_assert(!burst_event(&b, t), "a second first line");
	}
	cr_assert_eq(lines, 10);
	cr_assert_eq(told + burst_end(&b), 600);
}

Test(burst, the_next_one_begins_with_a_line)
{
	struct burst b = { 0 };
	u64 t = T0;

	for (unsigned int i = 0; i < 3; i++) {
		cr_assert(burst_event(&b, t));
		cr_assert(!burst_event(&b, t + 1));
		t += 1 + BURST_QUIET_MS;
		cr_assert_eq(burst_sum(&b, t), 1);
	}
}

Test(burst, the_end_tells_what_is_left)
{
	struct burst b = { 0 };

	cr_assert_eq(burst_end(&b), 0);
	burst_event(&b, T0);
	burst_event(&b, T0);
	cr_assert_eq(burst_end(&b), 1);
	cr_assert_eq(burst_due(&b, T0), -1);
}

Test(burst, a_clock_at_zero_is_no_special_case)
{
	struct burst b = { 0 };

	cr_assert(burst_event(&b, 0));
	cr_assert(!burst_event(&b, 0));
}
