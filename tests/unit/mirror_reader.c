// SPDX-License-Identifier: GPL-2.0
#include <criterion/criterion.h>

#include "targets/mirror/reader.h"

#define A	(1U << 0)
#define B	(1U << 1)
#define C	(1U << 2)
#define LEGS	3
#define BLOCK	4096

static unsigned int start_read(struct reader *r, u32 candidates, u64 off)
{
	unsigned int leg = reader_pick(r, candidates, off);

	reader_start(r, leg, off + BLOCK);
	return leg;
}

/* Random reads. */

Test(reader_pick, reads_are_shared_evenly)
{
	struct reader r;
	unsigned int got[3] = { 0 };

	reader_init(&r, 0);
	for (unsigned int i = 0; i < 300; i++)
		got[start_read(&r, A | B | C, (u64)i << 20)]++;
	cr_assert_eq(got[0], 100);
	cr_assert_eq(got[1], 100);
	cr_assert_eq(got[2], 100);
}

Test(reader_pick, one_read_at_a_time_goes_round)
{
	struct reader r;
	unsigned int got[2] = { 0 };

	reader_init(&r, 0);
	for (unsigned int i = 0; i < 100; i++) {
		unsigned int leg = start_read(&r, A | B, (u64)i << 20);

		got[leg]++;
		reader_end(&r, leg);
	}
	cr_assert_eq(got[0], 50);
	cr_assert_eq(got[1], 50);
}

Test(reader_pick, a_leg_that_does_not_answer_gets_less)
{
	struct reader r;
	unsigned int got[2] = { 0 };

	reader_init(&r, 0);
	/* Leg 0 never finishes anything, leg 1 always does. */
	for (unsigned int i = 0; i < 1000; i++) {
		unsigned int leg = start_read(&r, A | B, (u64)i << 20);

		got[leg]++;
		if (leg == 1) {
			reader_end(&r, leg);
			reader_timed(&r, A | B, leg, BLOCK, 1000);
		}
	}
	cr_assert_leq(got[0], 1);
}

/* What is said in reader.h, in other words than in reader.c. */

static unsigned int wanted(const struct reader *r, u32 candidates, u64 off)
{
	unsigned int best = LEGS, stream = LEGS, behind = r->last;
	u32 least = UINT32_MAX;

	for (unsigned int leg = 0; leg < LEGS; leg++)
		if (candidates & r->due & 1U << leg)
			return leg;
	do
		behind = (behind + 1) % LEGS;
	while (!(candidates & 1U << behind));
	for (unsigned int leg = 0; leg < LEGS; leg++)
		if (candidates & 1U << leg && r->legs[leg].load < least)
			least = r->legs[leg].load;
	for (unsigned int leg = 0; leg < LEGS; leg++) {
		if (!(candidates & 1U << leg))
			continue;
		if (r->legs[leg].load == least && (best == LEGS || leg == behind))
			best = leg;
		if (r->legs[leg].next == off)
			stream = leg;
	}
	if (stream < LEGS && r->legs[stream].weight <= r->legs[best].weight)
		return stream;
	return best;
}

/* The digits of *n in base @base, one after the other. */
static unsigned int digit(unsigned int *n, unsigned int base)
{
	unsigned int d = *n % base;

	*n /= base;
	return d;
}

/* Reads under way, what each counts, and where the latest one ends. */
static struct reader_leg leg_with(unsigned int inflight, u32 weight, u64 next)
{
	return (struct reader_leg){ .load = (inflight + 1) * weight, .weight = weight, .next = next };
}

/* Every state in which a leg has 0 to 2 reads, is 1, 2 or 4 times as slow, is where the stream was or not. */
Test(reader_pick, follows_the_rules_in_every_state)
{
	const u64 off = 1 << 20;

	for (unsigned int n = 0; n < 7 * 3 * 8 * 18 * 18 * 18; n++) {
		unsigned int rest = n, leg;
		u32 candidates = digit(&rest, 7) + 1;
		struct reader r = { .last = digit(&rest, 3), .due = digit(&rest, 8) };

		for (unsigned int i = 0; i < LEGS; i++) {
			unsigned int inflight = digit(&rest, 3), slow = digit(&rest, 3);

			r.legs[i] = leg_with(inflight, 1U << slow, digit(&rest, 2) ? off : 0);
		}
		leg = reader_pick(&r, candidates, off);
		cr_assert_eq(leg, wanted(&r, candidates, off), "state %u: leg %u of candidates %x, not %u", n, leg,
			     candidates, wanted(&r, candidates, off));
	}
}

Test(reader_pick, never_a_leg_that_is_no_candidate)
{
	struct reader r;

	reader_init(&r, 0);
	for (u32 candidates = 1; candidates < 8; candidates++)
		for (unsigned int i = 0; i < 500; i++) {
			unsigned int leg = start_read(&r, candidates, i * BLOCK);

			cr_assert(candidates >> leg & 1, "leg %u of candidates %x", leg, candidates);
			/* Others have become much slower, or were never seen. */
			reader_timed(&r, A | B | C, leg, BLOCK, 1000 << i % 8);
			if (i % 2)
				reader_end(&r, leg);
		}
}

/* Streams. */

Test(reader_pick, a_stream_stays_on_its_leg)
{
	struct reader r;
	unsigned int first;

	reader_init(&r, 0);
	first = start_read(&r, A | B, 0);
	/* One read at a time, then many at once. */
	for (u64 off = BLOCK; off < 100 * BLOCK; off += BLOCK) {
		reader_end(&r, first);
		cr_assert_eq(start_read(&r, A | B, off), first);
	}
	for (u64 off = 100 * BLOCK; off < (100 + READER_STREAM_WORTH) * BLOCK; off += BLOCK)
		cr_assert_eq(start_read(&r, A | B, off), first);
}

Test(reader_pick, a_stream_leaves_a_leg_that_is_far_behind)
{
	for (unsigned int more = 0; more < 2 * READER_STREAM_WORTH; more++) {
		struct reader r;

		reader_init(&r, 0);
		r.legs[0] = leg_with(3 + more, 1, BLOCK);
		r.legs[1] = leg_with(3, 1, 0);
		cr_assert_eq(reader_pick(&r, A | B, BLOCK), more > READER_STREAM_WORTH, "%u more", more);
	}
}

Test(reader_pick, a_deep_stream_uses_both_legs)
{
	struct reader r;
	unsigned int got[2] = { 0 };

	reader_init(&r, 0);
	for (u64 off = 0; off < 64 * BLOCK; off += BLOCK)
		got[start_read(&r, A | B, off)]++;
	cr_assert_gt(got[0], 16);
	cr_assert_gt(got[1], 16);
}

/* Two streams take turns, @depth reads of each at once. */
static void two_streams(struct reader *r, unsigned int depth)
{
	unsigned int got[2][2] = { 0 };
	u64 off[2] = { 0, 1 << 30 };

	for (unsigned int i = 0; i < 100; i++) {
		unsigned int legs[2][16];

		for (unsigned int n = 0; n < depth; n++)
			for (unsigned int s = 0; s < 2; s++) {
				legs[s][n] = start_read(r, A | B, off[s]);
				got[s][legs[s][n]] += i >= 50;
				off[s] += BLOCK;
			}
		for (unsigned int n = 0; n < 2 * depth; n++)
			reader_end(r, legs[n % 2][n / 2]);
	}
	cr_assert(!got[0][0] != !got[0][1] && !got[1][0] != !got[1][1], "depth %u: a stream goes to and fro", depth);
	cr_assert(!got[0][0] != !got[1][0], "depth %u: both streams are on one leg", depth);
}

Test(reader_pick, two_streams_have_a_leg_each)
{
	for (unsigned int depth = 1; depth <= 8; depth++) {
		struct reader r;

		reader_init(&r, 0);
		/* Both have been on leg 1: the latest read on it is of one of them. */
		r.legs[1].next = 1 << 30;
		r.last = 1;
		two_streams(&r, depth);
	}
}

/* Legs of which each takes its time for a read, however many there are. */

#define DEPTH_MAX	32

/* struct client - @depth random reads at once of two legs that take @ns each; what each leg has done */
struct client {
	struct reader r;
	unsigned int depth;
	u64 ns[2];
	unsigned int got[2];
	u64 now;
	struct client_read {
		unsigned int leg;
		bool timed;
		u64 began, end;
	} reads[DEPTH_MAX];
	u64 off;
};

static void client_start(struct client *c, struct client_read *cr)
{
	c->off += 1 << 20;
	cr->leg = reader_pick(&c->r, A | B, c->off);
	cr->timed = reader_start(&c->r, cr->leg, c->off + BLOCK);
	cr->began = c->now;
	cr->end = c->now + c->ns[cr->leg];
	c->got[cr->leg]++;
}

static void client_init(struct client *c, unsigned int depth, u64 ns0, u64 ns1)
{
	*c = (struct client){ .depth = depth, .ns = { ns0, ns1 } };
	reader_init(&c->r, 0);
	for (unsigned int i = 0; i < depth; i++)
		client_start(c, &c->reads[i]);
}

static void client_run(struct client *c, unsigned int reads)
{
	c->got[0] = c->got[1] = 0;
	while (reads--) {
		struct client_read *cr = &c->reads[0];

		for (unsigned int i = 1; i < c->depth; i++)
			if (c->reads[i].end < cr->end)
				cr = &c->reads[i];
		c->now = cr->end;
		reader_end(&c->r, cr->leg);
		if (cr->timed)
			reader_timed(&c->r, A | B, cr->leg, BLOCK, c->now - cr->began);
		client_start(c, cr);
	}
}

static const unsigned int depths[] = { 1, 2, 8, 32 };

Test(reader_timed, legs_that_are_about_as_fast_have_equal_shares)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(depths); i++) {
		struct client c;

		client_init(&c, depths[i], 100000, 140000);
		client_run(&c, 10000);
		cr_assert_gt(c.got[1], 3500, "depth %u: %u of 10000", depths[i], c.got[1]);
	}
}

Test(reader_timed, a_slow_leg_gets_fewer_reads)
{
	/* How many times slower, and percent of the reads that it may get. */
	static const unsigned int slower[][2] = { { 2, 35 }, { 5, 8 }, { 10, 5 }, { 100, 3 }, { 10000, 2 } };

	for (unsigned int i = 0; i < ARRAY_SIZE(depths); i++)
		for (unsigned int n = 0; n < ARRAY_SIZE(slower); n++) {
			struct client c;

			client_init(&c, depths[i], 50000, 50000 * slower[n][0]);
			client_run(&c, 1000);
			client_run(&c, 10000);
			cr_assert_lt(c.got[1], 100 * slower[n][1], "depth %u, %u times slower: %u of 10000", depths[i],
				     slower[n][0], c.got[1]);
		}
}

Test(reader_timed, looking_whether_a_leg_is_still_slow_takes_little_time)
{
	for (unsigned int slower = 2; slower <= READER_SLOWEST; slower *= 2) {
		struct client c;
		u64 began;

		client_init(&c, 1, 50000, 50000 * slower);
		client_run(&c, 1000);
		began = c.now;
		client_run(&c, 1000000);
		cr_assert_lt(c.now - began, 1000000ULL * 50000 * 105 / 100, "%u times slower", slower);
	}
}

Test(reader_timed, a_leg_that_is_fast_again_gets_its_share_back)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(depths); i++)
		for (unsigned int slower = 2; slower <= 1000; slower *= 2) {
			struct client c;

			client_init(&c, depths[i], 50000, 50000 * slower);
			client_run(&c, 10000);
			c.ns[1] = c.ns[0];
			/* Each step down is as long as all that follow. */
			client_run(&c, 2 * READER_TIMED * READER_PATIENCE * slower + 1000);
			client_run(&c, 10000);
			cr_assert_gt(c.got[1], 4900, "depth %u, was %u times slower: %u of 10000", depths[i], slower,
				     c.got[1]);
		}
}

Test(reader_timed, a_leg_that_becomes_slow_is_known_soon)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(depths); i++) {
		struct client c;

		client_init(&c, depths[i], 50000, 50000);
		client_run(&c, 10000);
		c.ns[1] = 100 * c.ns[0];
		client_run(&c, 1000);
		client_run(&c, 1000);
		cr_assert_lt(c.got[1], 40, "depth %u: %u of 1000", depths[i], c.got[1]);
	}
}

/* One stream of one read at a time sees one leg only, unless it looks at the other one. */
Test(reader_timed, a_stream_leaves_a_leg_that_becomes_slow)
{
	struct reader r;
	u64 ns[2] = { 50000, 50000 }, off = 0;
	unsigned int leg, slow = 0, got = 0;

	reader_init(&r, 0);
	for (unsigned int i = 0; i < 2000; i++, off += BLOCK) {
		bool timed;

		leg = reader_pick(&r, A | B, off);
		if (i == 1000) {
			slow = leg;
			ns[slow] *= 20;
		}
		got += i >= 1100 && leg == slow;
		timed = reader_start(&r, leg, off + BLOCK);
		reader_end(&r, leg);
		if (timed)
			reader_timed(&r, A | B, leg, BLOCK, ns[leg]);
	}
	cr_assert_leq(got, 5, "%u", got);
}

/* So often that it counts what it is to count. */
static void timed_until_weighed(struct reader *r, unsigned int leg, u64 ns)
{
	for (u32 weight = 1; weight <= READER_SLOWEST; weight *= 2)
		reader_timed(r, A | B, leg, BLOCK, ns);
}

/* Every relation of the times of two legs: to the nearest power of two. */
Test(reader_timed, says_how_many_times_slower_a_leg_is)
{
	for (u32 fast = 1; fast < 200; fast++)
		for (u32 slow = fast; slow < 200; slow++)
			for (unsigned int leg = 0; leg < 2; leg++) {
				struct reader r;
				u32 want = 1;

				reader_init(&r, 0);
				while (slow * 2 >= fast * 3 * want)
					want *= 2;
				reader_timed(&r, A | B, leg, BLOCK, fast);
				timed_until_weighed(&r, !leg, slow);
				cr_assert_eq(r.legs[leg].weight, 1);
				cr_assert_eq(r.legs[!leg].weight, want, "%u against %u: %u, not %u", slow, fast,
					     r.legs[!leg].weight, want);
			}
}

/* What is under way when it is weighed again ends as what it counts then. */
Test(reader_timed, reads_under_way_are_counted_anew)
{
	struct reader r;

	reader_init(&r, 0);
	reader_timed(&r, A | B, 0, BLOCK, 1000);
	for (unsigned int i = 0; i < 5; i++)
		reader_start(&r, 1, 0);
	timed_until_weighed(&r, 1, 8000);
	cr_assert_eq(r.legs[1].load, 6 * 8);
	for (unsigned int i = 0; i < 3; i++)
		reader_end(&r, 1);
	cr_assert_eq(reader_inflight(&r.legs[1]), 2);
	timed_until_weighed(&r, 1, 1000);
	cr_assert_eq(r.legs[1].load, 3);
}

/* Two of its reads are under way. */
Test(reader_timed, a_leg_that_was_slow_and_is_another_disk_is_not_slow)
{
	struct reader r;

	reader_init(&r, 0);
	reader_timed(&r, A | B, 0, BLOCK, 1000);
	timed_until_weighed(&r, 1, 1000000);
	reader_start(&r, 1, 0);
	reader_start(&r, 1, 0);
	reader_forget(&r, 1);
	cr_assert_eq(reader_inflight(&r.legs[1]), 2);
	cr_assert_eq(r.legs[1].weight, 1);
	reader_end(&r, 1);
	cr_assert(reader_start(&r, 1, 0), "its first read is timed");
	reader_timed(&r, A | B, 1, BLOCK, 1000);
	cr_assert_eq(r.legs[1].weight, 1);
}

Test(reader_timed, a_single_read_that_took_long_says_little)
{
	struct reader r;

	reader_init(&r, 0);
	for (unsigned int i = 0; i < 20; i++)
		reader_timed(&r, A | B, i % 2, BLOCK, 50000);
	reader_timed(&r, A | B, 0, BLOCK, 50000 * 4);
	cr_assert_eq(r.legs[0].weight, 1);
	/* Very long, and even the first one. */
	reader_timed(&r, A | B, 0, BLOCK, 50000 * 1000);
	cr_assert_eq(r.legs[0].weight, 2);
	reader_init(&r, 0);
	reader_timed(&r, A | B, 0, BLOCK, 50000);
	reader_timed(&r, A | B, 1, BLOCK, 50000 * 1000);
	cr_assert_eq(r.legs[1].weight, 2);
	/* One that is not slow says no more of it. */
	reader_timed(&r, A | B, 1, BLOCK, 50000);
	cr_assert_eq(r.legs[1].weight, 2);
}

/* Its own reads say so, when it gets some. */
Test(reader_timed, a_leg_is_not_slow_because_another_one_has_become_fast)
{
	struct reader r;

	reader_init(&r, 0);
	for (unsigned int i = 0; i < 20; i++)
		reader_timed(&r, A | B, i % 2, BLOCK, 50000);
	for (unsigned int i = 0; i < 20; i++)
		reader_timed(&r, A | B, 0, BLOCK, 1000);
	cr_assert_eq(r.legs[1].weight, 1);
	reader_timed(&r, A | B, 1, BLOCK, 50000);
	cr_assert_eq(r.legs[1].weight, 2);
}

Test(reader_timed, a_leg_of_which_not_enough_is_known_is_timed_again)
{
	struct reader r;

	reader_init(&r, 0);
	reader_timed(&r, A | B, 0, BLOCK, 50000);
	cr_assert(reader_start(&r, 1, 0));
	reader_end(&r, 1);
	cr_assert_not(reader_start(&r, 1, 0), "the next one is not timed");
	reader_end(&r, 1);
	reader_timed(&r, A | B, 1, BLOCK, 50000 * 1000);
	cr_assert(reader_start(&r, 1, 0), "it may be slower than twice");
}

Test(reader_timed, a_large_read_may_take_longer)
{
	struct reader r;

	reader_init(&r, 0);
	reader_timed(&r, A | B, 0, BLOCK, 50000);
	reader_timed(&r, A | B, 1, 1 << 20, 16 * 50000);
	cr_assert_eq(r.legs[1].weight, 1);
	reader_timed(&r, A | B, 1, 65535, 16 * 50000);
	cr_assert_gt(r.legs[1].weight, 1);
}

Test(reader_timed, bounds_are_no_surprise)
{
	struct reader r;

	reader_init(&r, 0);
	reader_timed(&r, A | B, 0, 0, 0);
	cr_assert_gt(r.legs[0].ns, 0, "it is known now");
	timed_until_weighed(&r, 1, UINT64_MAX);
	cr_assert_eq(r.legs[1].ns, UINT32_MAX);
	cr_assert_eq(r.legs[1].weight, READER_SLOWEST);
	/* The fastest one is read no more: the next one is not slow. */
	reader_timed(&r, B, 1, BLOCK, UINT64_MAX);
	cr_assert_eq(r.legs[1].weight, 1);
	/* None that is compared is known. */
	reader_timed(&r, C, 1, BLOCK, 1000);
	cr_assert_eq(r.legs[2].weight, 1);
}
