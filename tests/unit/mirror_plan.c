// SPDX-License-Identifier: GPL-2.0
#include <criterion/criterion.h>
#include <errno.h>

#include "targets/mirror/plan.h"

#define A	(1U << 0)
#define B	(1U << 1)
#define C	(1U << 2)

/* Reads. */

Test(mirror_preferred, a_write_mostly_leg_is_read_only_if_no_other_one_can_be)
{
	for (u32 legs = 1; legs < 8; legs++)
		for (u32 write_mostly = 0; write_mostly < 8; write_mostly++) {
			u32 read = mirror_preferred(legs, write_mostly);
			bool others = false;

			for (unsigned int leg = 0; leg < 3; leg++)
				others |= legs >> leg & 1 && !(write_mostly >> leg & 1);
			cr_assert_neq(read, 0);
			for (unsigned int leg = 0; leg < 3; leg++)
				cr_assert_eq(read >> leg & 1, legs >> leg & 1 && (!others || !(write_mostly >> leg & 1)),
					     "legs %x, write-mostly %x: %x", legs, write_mostly, read);
		}
}

/* Writes: the legs' results, the legs that are live then, what must follow. */

struct write_case {
	const char *what;
	enum step_op op;
	int res[3];	/* 1: no step on this leg */
	u32 live;
	int result;
	u32 drop;
	bool differ;
};

static const struct write_case cases[] = {
	{ "all have it",
	  STEP_WRITE, { 0, 0, 0 }, A | B | C, 0, 0, false },
	{ "one fails",
	  STEP_WRITE, { 0, -EIO, 0 }, A | B | C, 0, B, false },
	{ "two of three fail",
	  STEP_WRITE, { -EIO, -EIO, 0 }, A | B | C, 0, A | B, false },
	{ "all fail: all but one go, so that what stays agrees",
	  STEP_WRITE, { -EIO, -EIO, -EIO }, A | B | C, -EIO, B | C, false },
	{ "the last leg's failure is the client's",
	  STEP_WRITE, { 1, -EIO, 1 }, B, -EIO, 0, false },
	{ "the last leg fills up",
	  STEP_WRITE, { 1, -ENOSPC, 1 }, B, -ENOSPC, 0, false },
	{ "all are full: the client's error, and nobody's fault",
	  STEP_WRITE, { -ENOSPC, -ENOSPC, -EDQUOT }, A | B | C, -ENOSPC, 0, true },
	{ "one is full, the other holds nothing of it",
	  STEP_WRITE, { -ENOSPC, -EFAULT, 1 }, A | B, -ENOSPC, 0, true },
	{ "one is full, the other has it",
	  STEP_WRITE, { -ENOSPC, 0, 1 }, A | B, 0, A, false },
	{ "one had it, but was dropped meanwhile",
	  STEP_WRITE, { 0, -EIO, 1 }, B, -EIO, 0, false },
	{ "one failed, and was dropped meanwhile by another request",
	  STEP_WRITE, { 0, -EIO, 1 }, A, 0, 0, false },
	{ "the data could not be reached on any leg",
	  STEP_WRITE, { -EFAULT, -EFAULT, -EFAULT }, A | B | C, -EFAULT, 0, false },
	{ "the data could not be reached on one: it lacks it all the same",
	  STEP_WRITE, { 0, -EFAULT, 1 }, A | B, 0, B, false },
	{ "one may hold a part, the other holds nothing of it",
	  STEP_WRITE, { -EIO, -EFAULT, 1 }, A | B, -EIO, A, false },
	{ "the first error is told",
	  STEP_WRITE, { -ENOSPC, -EIO, 1 }, A | B, -ENOSPC, B, false },
	{ "a flush that fails means data that is not durable",
	  STEP_SYNC, { -EIO, 0, 1 }, A | B, 0, A, false },
	{ "a flush that no leg does",
	  STEP_SYNC, { -EIO, -EIO, 1 }, A | B, -EIO, B, false },
	{ "a flush is never refused: that is a failure",
	  STEP_SYNC, { -EOPNOTSUPP, 0, 1 }, A | B, 0, A, false },
	{ "a discard that one leg cannot do is done",
	  STEP_DISCARD, { -EOPNOTSUPP, 0, 1 }, A | B, 0, 0, false },
	{ "a discard that no leg can do",
	  STEP_DISCARD, { -EOPNOTSUPP, -EOPNOTSUPP, 1 }, A | B, -EOPNOTSUPP, 0, false },
	{ "a discard that fails for real",
	  STEP_DISCARD, { -EIO, 0, 1 }, A | B, 0, A, false },
	{ "a zeroing that one leg cannot do is the client's to write",
	  STEP_ZERO, { -EOPNOTSUPP, 0, 1 }, A | B, -EOPNOTSUPP, 0, false },
	{ "a zeroing that fails on one leg and is refused by the other",
	  STEP_ZERO, { -EIO, -EOPNOTSUPP, 1 }, A | B, -EOPNOTSUPP, A, false },
	{ "a zeroing that all legs do",
	  STEP_ZERO, { 0, 0, 0 }, A | B | C, 0, 0, false },
};

Test(mirror_outcome, follows_the_rules)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct write_case *c = &cases[i];
		struct mirror_tally t = { 0 };
		u32 drop = ~0U;
		bool differ = !c->differ;
		int result;

		for (unsigned int leg = 0; leg < 3; leg++)
			if (c->res[leg] <= 0)
				mirror_count(&t, c->op, leg, c->res[leg]);
		result = mirror_outcome(&t, c->op, c->live, &drop, &differ);
		cr_expect_eq(result, c->result, "%s: result %d, not %d", c->what, result, c->result);
		cr_expect_eq(drop, c->drop, "%s: drops %x, not %x", c->what, drop, c->drop);
		cr_expect_eq(differ, c->differ, "%s: legs %s", c->what, differ ? "may differ" : "agree");
	}
}

/* Leg C is being rebuilt. */
static const struct {
	const char *what;
	enum step_op op;
	int res[3];
	int result;
	u32 drop;
	bool differ;
} rebuilding_cases[] = {
	{ "all have it", STEP_WRITE, { 0, 0, 0 }, 0, 0, false },
	{ "the one has it not", STEP_WRITE, { 0, 0, -EIO }, 0, C, false },
	{ "the one had no room", STEP_WRITE, { 0, 0, -ENOSPC }, 0, C, false },
	{ "one in sync, and the one, have it not", STEP_WRITE, { 0, -EIO, -EIO }, 0, B | C, false },
	{ "only the one has it: it counts for nothing", STEP_WRITE, { -EIO, -EIO, 0 }, -EIO, B, true },
	{ "nobody has it", STEP_WRITE, { -EIO, -EIO, -EIO }, -EIO, B | C, false },
	{ "the one is not flushed", STEP_SYNC, { 0, 0, -EIO }, 0, C, false },
	{ "a flush changes no data", STEP_SYNC, { -EIO, -EIO, 0 }, -EIO, B, false },
	{ "the one cannot zero: it is the client's to write", STEP_ZERO, { 0, 0, -EOPNOTSUPP }, -EOPNOTSUPP, 0, false },
	{ "the one cannot discard", STEP_DISCARD, { 0, 0, -EOPNOTSUPP }, 0, 0, false },
};

Test(mirror_outcome, a_leg_that_is_being_rebuilt_does_not_count)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(rebuilding_cases); i++) {
		const char *what = rebuilding_cases[i].what;
		enum step_op op = rebuilding_cases[i].op;
		struct mirror_tally t = { 0 };
		bool differ;
		int result;
		u32 drop;

		for (unsigned int leg = 0; leg < 3; leg++)
			mirror_count(&t, op, leg, rebuilding_cases[i].res[leg]);
		result = mirror_outcome(&t, op, A | B, &drop, &differ);
		result = mirror_outcome_rebuilding(&t, op, C, result, &drop, &differ);
		cr_expect_eq(result, rebuilding_cases[i].result, "%s: result %d", what, result);
		cr_expect_eq(drop, rebuilding_cases[i].drop, "%s: drops %x", what, drop);
		cr_expect_eq(differ, rebuilding_cases[i].differ, "%s: differ %d", what, differ);
	}
}

/* The invariants, over every combination of results and live legs. */
Test(mirror_outcome, keeps_the_invariants_whatever_happens)
{
	static const int res[] = { 0, -EIO, -EFAULT, -EOPNOTSUPP, -ENOMEM, -ENOSPC };
	static const enum step_op ops[] = { STEP_WRITE, STEP_SYNC, STEP_DISCARD, STEP_ZERO };
	unsigned int nr = ARRAY_SIZE(res);

	for (unsigned int o = 0; o < ARRAY_SIZE(ops); o++)
		for (unsigned int n = 0; n < nr * nr * nr; n++)
			for (u32 live = 1; live < 8; live++) {
				int r[3] = { res[n % nr], res[n / nr % nr], res[n / nr / nr] };
				struct mirror_tally t = { 0 };
				u32 drop, have = 0, part = 0;
				bool differ;
				int result;

				for (unsigned int leg = 0; leg < 3; leg++) {
					mirror_count(&t, ops[o], leg, r[leg]);
					have |= (u32)!r[leg] << leg;
					part |= (u32)mirror_leg_fault(r[leg]) << leg;
				}
				result = mirror_outcome(&t, ops[o], live, &drop, &differ);
				cr_assert_eq(drop & ~live, 0, "drops a leg that is not live");
				cr_assert_neq(drop, live, "drops the last leg");
				cr_assert_eq(drop & have, 0, "drops a leg that has it");
				/* what stays agrees, all with a part of it or none, or it is said */
				if (result && !(live & have) && !differ)
					cr_assert(!(live & ~drop & part) || !(live & ~drop & ((live & ~drop) - 1)),
						  "legs that may differ stay, and it is not said");
				if (ops[o] <= STEP_SYNC && !result) {
					cr_assert(live & have, "success, and no live leg has it");
					cr_assert_eq(live & ~have & ~drop, 0,
						     "success, and a live leg that has it not stays");
				}
			}
}

Test(mirror_leg_fault, tells_media_from_everything_else)
{
	static const int leg[] = { -EIO, -ENOSPC, -ENODEV, -ENXIO, -EREMOTEIO, -ETIMEDOUT, -EBADE, -EROFS };
	static const int other[] = { 0, -EFAULT, -EINVAL, -ENOMEM, -EAGAIN, -EINTR, -EOPNOTSUPP };

	for (unsigned int i = 0; i < ARRAY_SIZE(leg); i++)
		cr_expect(mirror_leg_fault(leg[i]), "%d", leg[i]);
	for (unsigned int i = 0; i < ARRAY_SIZE(other); i++)
		cr_expect(!mirror_leg_fault(other[i]), "%d", other[i]);
}
