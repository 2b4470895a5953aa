// SPDX-License-Identifier: GPL-2.0
/* How zeroing goes on when a leg does not know the way that was tried. */
#include <criterion/criterion.h>
#include <errno.h>

#include "zero.h"

#define LEN	(1U << 20)

static struct step step(enum step_op op)
{
	return (struct step){ .op = op, .len = LEN };
}

/* From the first way, or from the first one that keeps blocks. */
static unsigned int ways(u8 how)
{
	struct step s = step(STEP_ZERO);
	unsigned int nr = 1;

	s.how = how;
	while (zero_goes_on(&s, -EOPNOTSUPP, 512))
		nr++;
	return nr;
}

Test(zero, zeroing_has_three_ways_and_then_fails)
{
	cr_assert_eq(ways(0), 3);
	cr_assert_eq(ways(1), 2);
}

Test(zero, written_zeroes_are_counted)
{
	struct step s = step(STEP_ZERO);

	s.how = 2;
	cr_assert(zero_goes_on(&s, 4096, 512));
	cr_assert_eq(s.done, 4096);
	cr_assert(zero_goes_on(&s, LEN - 4096, 512));
	cr_assert_eq(s.done, LEN);
}

Test(zero, written_zeroes_go_on_at_a_block)
{
	struct step s = step(STEP_ZERO);

	s.how = 2;
	cr_assert(zero_goes_on(&s, 4196, 512));
	cr_assert_eq(s.done, 4096);
	cr_assert(zero_goes_on(&s, 4196, 4096));
	cr_assert_eq(s.done, 8192);
}

Test(zero, written_zeroes_that_make_no_block_fail_in_the_end)
{
	struct step s = step(STEP_ZERO);
	unsigned int tries = 0;

	s.how = 2;
	while (tries <= STEP_TRIES && zero_goes_on(&s, 100, 512))
		tries++;
	cr_assert_eq(tries, STEP_TRIES);
	cr_assert_eq(s.done, 0);
}

Test(zero, an_error_is_one)
{
	struct step s = step(STEP_ZERO);

	cr_assert(!zero_goes_on(&s, -EIO, 512));
	cr_assert(!zero_goes_on(&s, -ENOSPC, 512));
	cr_assert(!zero_goes_on(&s, 0, 512));
}

Test(zero, only_zeroing_has_other_ways)
{
	struct step discard = step(STEP_DISCARD), write = step(STEP_WRITE), sync = step(STEP_SYNC);

	cr_assert(!zero_goes_on(&discard, -EOPNOTSUPP, 512));
	cr_assert(!zero_goes_on(&sync, -EOPNOTSUPP, 512));
	cr_assert(!zero_goes_on(&write, 512, 512));
}
