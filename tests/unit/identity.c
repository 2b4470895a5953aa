// SPDX-License-Identifier: GPL-2.0
/* Which devices are ours, and which are made of the same things. */
#include <criterion/criterion.h>

#include "identity.h"
#include "target.h"

#define LAUNCH	0xabcdefULL

static const struct target_ops mirror = { .name = "mirror" }, loop = { .name = "loop" },
			       fault = { .name = "fault" };
static struct leg legs[] = {
	{ .is_blk = true, .dev = 0x800, .ino = 1 },
	{ .is_blk = true, .dev = 0x810, .ino = 1 },
	{ .is_blk = false, .dev = 0x810, .ino = 1 },
	{ .is_blk = false, .dev = 0x810, .ino = 2 },
};

/* of @ops on legs @a and @b */
static u64 identity(const struct target_ops *ops, unsigned int a, unsigned int b)
{
	struct leg two[] = { legs[a], legs[b] };
	const struct target t = { .ops = ops, .legs = two, .nr_legs = 2 };

	return identity_make(&t, LAUNCH);
}

static void others(u64 a, u64 b)
{
	cr_assert(identity_is_of_others(a, b), "%#llx and %#llx", (unsigned long long)a,
		  (unsigned long long)b);
}

static void the_same(u64 a, u64 b)
{
	cr_assert_not(identity_is_of_others(a, b), "%#llx and %#llx", (unsigned long long)a,
		      (unsigned long long)b);
}

Test(identity, of_a_device_of_ours_is_known)
{
	cr_assert(identity_is_ours(identity(&mirror, 0, 1)));
}

Test(identity, of_another_programs_is_not_ours)
{
	u64 ours = identity(&mirror, 0, 1);

	cr_assert_not(identity_is_ours(0));
	cr_assert_not(identity_is_ours(UINT64_MAX));
	/* every bit of the word counts */
	for (unsigned int bit = 48; bit < 64; bit++)
		cr_assert_not(identity_is_ours(ours ^ 1ULL << bit), "bit %u", bit);
}

Test(identity, legs_may_come_in_any_order)
{
	cr_assert_eq(identity(&mirror, 0, 3), identity(&mirror, 3, 0));
}

Test(identity, other_legs_are_others)
{
	for (unsigned int i = 1; i < 4; i++)
		for (unsigned int j = i + 1; j < 4; j++)
			others(identity(&mirror, 0, i), identity(&mirror, 0, j));
}

Test(identity, one_leg_less_is_another_set)
{
	struct target t = { .ops = &mirror, .legs = legs, .nr_legs = 3 };
	u64 three = identity_make(&t, LAUNCH);

	t.nr_legs = 2;
	others(three, identity_make(&t, LAUNCH));
}

Test(identity, another_target_on_the_same_legs_is_another)
{
	others(identity(&mirror, 0, 1), identity(&loop, 0, 1));
}

static u32 arrangement;

static u32 tell_arrangement(const struct target *t)
{
	return arrangement;
}

/* The same legs, with the data elsewhere on them. */
Test(identity, another_arrangement_of_the_data_is_another)
{
	static const struct target_ops stripe = { .name = "stripe", .arrangement = tell_arrangement };
	u64 first = identity(&stripe, 0, 1);

	the_same(first, identity(&stripe, 0, 1));
	arrangement = 1;
	others(first, identity(&stripe, 0, 1));
}

/* What wraps a target may come and go with a recovery. */
Test(identity, of_a_wrapped_target_is_the_inner_ones)
{
	struct target inner = { .ops = &mirror, .legs = legs, .nr_legs = 2 };
	const struct target outer = { .ops = &fault, .inner = &inner, .legs = legs, .nr_legs = 2 };

	cr_assert_eq(identity_make(&outer, LAUNCH), identity_make(&inner, LAUNCH));
}

Test(identity, launches_differ_and_are_of_the_same_things)
{
	const struct target t = { .ops = &mirror, .legs = legs, .nr_legs = 2 };

	for (unsigned int bit = 0; bit < 24; bit++) {
		u64 a = identity_make(&t, 0), b = identity_make(&t, 1ULL << bit);

		cr_assert_neq(a, b, "bit %u", bit);
		the_same(a, b);
	}
	/* More bits than there is room for touch nothing else. */
	the_same(identity_make(&t, 0), identity_make(&t, UINT64_MAX));
	cr_assert(identity_is_ours(identity_make(&t, UINT64_MAX)));
}

/* Nobody knows what another program's device is made of. */
Test(identity, of_another_programs_device_says_nothing)
{
	u64 ours = identity(&mirror, 0, 1);

	the_same(ours, 0);
	the_same(ours, 0x123456ULL << 24);
	the_same(ours ^ 1ULL << 50, identity(&mirror, 2, 3));
}
