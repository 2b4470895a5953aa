// SPDX-License-Identifier: GPL-2.0
#include <criterion/criterion.h>

#include "targets/mirror/reader.h"

#define A	(1U << 0)
#define B	(1U << 1)
#define C	(1U << 2)

static unsigned int start_read(struct reader *r, u32 candidates, u64 off)
{
	unsigned int leg = reader_pick(r, candidates, off);

	reader_start(r, leg, off + 4096);
	return leg;
}

Test(reader_pick, reads_are_shared_evenly)
{
	struct reader r = { 0 };
	unsigned int got[3] = { 0 };

	for (unsigned int i = 0; i < 300; i++)
		got[start_read(&r, A | B | C, (u64)i << 20)]++;
	cr_assert_eq(got[0], 100);
	cr_assert_eq(got[1], 100);
	cr_assert_eq(got[2], 100);
}

Test(reader_pick, one_read_at_a_time_goes_round)
{
	struct reader r = { 0 };
	unsigned int got[2] = { 0 };

	for (unsigned int i = 0; i < 100; i++) {
		unsigned int leg = start_read(&r, A | B, (u64)i << 20);

		got[leg]++;
		reader_end(&r, leg);
	}
	cr_assert_eq(got[0], 50);
	cr_assert_eq(got[1], 50);
}

Test(reader_pick, a_slow_leg_gets_less)
{
	struct reader r = { 0 };
	unsigned int got[2] = { 0 };

	/* Leg 0 never finishes anything, leg 1 always does. */
	for (unsigned int i = 0; i < 100; i++) {
		unsigned int leg = start_read(&r, A | B, (u64)i << 20);

		got[leg]++;
		if (leg == 1)
			reader_end(&r, leg);
	}
	cr_assert_leq(got[0], 1);
}

Test(reader_pick, never_a_leg_that_is_no_candidate)
{
	struct reader r = { 0 };

	for (u32 candidates = 1; candidates < 8; candidates++)
		for (unsigned int seek = 0; seek < 2; seek++)
			for (unsigned int i = 0; i < 50; i++) {
				unsigned int leg;

				r.seek = seek;
				leg = start_read(&r, candidates, i * 4096);
				cr_assert(candidates >> leg & 1, "leg %u of candidates %x", leg, candidates);
			}
}

Test(reader_pick, a_stream_stays_on_a_rotational_leg)
{
	struct reader r = { .seek = true };
	unsigned int first = start_read(&r, A | B, 0);

	for (u64 off = 4096; off < 8 * 4096; off += 4096)
		cr_assert_eq(start_read(&r, A | B, off), first);
}

Test(reader_pick, a_stream_leaves_a_leg_that_is_far_behind)
{
	struct reader r = { .seek = true };
	unsigned int got[2] = { 0 };

	for (u64 off = 0; off < 64 * 4096; off += 4096)
		got[start_read(&r, A | B, off)]++;
	cr_assert_gt(got[0], 16);
	cr_assert_gt(got[1], 16);
}

Test(reader_pick, a_stream_is_spread_without_seeks)
{
	struct reader r = { 0 };
	unsigned int got[2] = { 0 };

	for (u64 off = 0; off < 64 * 4096; off += 4096)
		got[start_read(&r, A | B, off)]++;
	cr_assert_eq(got[0], got[1]);
}
