// SPDX-License-Identifier: GPL-2.0
/* What the fuzzer expects loans to have learned. */
#include <criterion/criterion.h>
#include <errno.h>

#include "learned.h"

static struct learned loan;
static struct learned_all all;

static void setup(void)
{
	learned_init(&loan, 512, 1300);
	all = (struct learned_all){ 0 };
}

TestSuite(learned, .init = setup);

static bool is(u32 full, u32 not_full, int error, u32 filled, u32 units)
{
	const struct lend_test_sum sum = {
		.nr_full = full, .nr_short = not_full, .error = error, .filled = filled, .units = units,
	};
	char why[200];

	return learned_is(&all, &sum, why, sizeof(why));
}

Test(learned, who_moves_all_is_full)
{
	learned_used(&loan, 512, 512);
	learned_used(&loan, 0, 0);
	learned_used(&loan, 512, 511);
	learned_used(&loan, 512, -EIO);
	learned_back(&all, &loan);
	cr_expect(is(2, 2, -EIO, 0, 0));
	cr_expect_not(is(2, 2, 0, 0, 0), "the error stays");
}

Test(learned, what_is_ahead_of_a_gap_is_known_by_whole_units)
{
	learned_fill(&loan, 500, 524, 1);
	learned_fill(&loan, 1024, 276, 2);
	learned_fill(&loan, 0, 511, 3);
	cr_expect_eq(loan.filled, 511);
	learned_fill(&loan, 511, 1, 4);
	learned_back(&all, &loan);
	cr_expect(is(0, 0, 0, 1300, 2), "the last unit is a small one");
}

Test(learned, without_units_only_what_is_in_order)
{
	learned_init(&loan, LEND_TEST_NO_MAP, 1300);
	learned_fill(&loan, 512, 512, 1);
	learned_fill(&loan, 0, 512, 2);
	learned_back(&all, &loan);
	cr_expect(is(0, 0, 0, 512, 0));
}

Test(learned, the_order_of_what_runs_together_is_open)
{
	learned_fill(&loan, 0, 100, 1);
	learned_fill(&loan, 100, 412, 1);
	learned_back(&all, &loan);
	cr_expect(is(0, 0, 0, 100, 0));
	cr_expect(is(0, 0, 0, 512, 0));
	cr_expect_not(is(0, 0, 0, 513, 0), "nobody has written that");
	cr_expect_not(is(0, 0, 0, 512, 1), "no unit was written by one");
}

/* All tell how many there were, the last one what was filled. */
Test(learned, which_loan_was_the_last_is_open)
{
	learned_fill(&loan, 0, 512, 1);
	learned_used(&loan, 512, -EIO);
	learned_back(&all, &loan);
	learned_init(&loan, 512, 1300);
	learned_used(&loan, 512, -ENXIO);
	learned_back(&all, &loan);
	cr_expect(is(0, 2, -EIO, 512, 0));
	learned_init(&loan, 512, 1300);
	learned_back(&all, &loan);
	cr_expect(is(0, 2, -EIO, 0, 0), "without an error that of one before stays");
	cr_expect_not(is(0, 2, -ENXIO, 0, 0));
}

Test(learned, who_does_not_ask_learns_nothing)
{
	learned_init(&loan, 0, 1300);
	learned_fill(&loan, 0, 512, 1);
	learned_used(&loan, 512, -EIO);
	learned_back(&all, &loan);
	cr_expect(is(0, 0, 0, 0, 0));
}
