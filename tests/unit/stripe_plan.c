// SPDX-License-Identifier: GPL-2.0
/*
 * Where each byte of a stripe is, against a model that is dealt out a chunk at a time.
 * Bytes stand for blocks: nothing in the plan knows their size.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "targets/stripe_plan.h"

#define BYTES	240	/* of a device */

/* Of each byte of the device: where it is. */
struct place {
	unsigned int leg;
	u64 off;
};

static struct place places[BYTES];
static const u64 chunks[] = { 1, 2, 3, 5, 8, 16, 100 };

static void deal(const struct stripe *s)
{
	u64 filled[MAX_LEGS] = { 0 };
	unsigned int leg = 0, left = s->chunk;

	for (unsigned int b = 0; b < BYTES; b++) {
		if (!left) {
			leg = leg + 1 == s->nr ? 0 : leg + 1;
			left = s->chunk;
		}
		places[b] = (struct place){ leg, filled[leg]++ };
		left--;
	}
}

/* The bytes of a part are at their places; marks them as seen. */
static void part_is_right(const struct stripe *s, const struct stripe_part *p, u64 off, u8 *seen)
{
	for (u64 i = 0; i < p->len; i++) {
		u64 b = off + p->data + i;

		cr_assert_lt(b, BYTES);
		cr_assert_eq(places[b].leg, p->leg, "%u legs, chunk %lu: byte %lu", s->nr,
			     (unsigned long)s->chunk, (unsigned long)b);
		cr_assert_eq(places[b].off, p->off + i, "%u legs, chunk %lu: byte %lu", s->nr,
			     (unsigned long)s->chunk, (unsigned long)b);
		cr_assert_eq(seen[b]++, 0, "byte %lu twice", (unsigned long)b);
	}
}

/* Sorted by leg, and those of one leg touch: else they are no one I/O of the disk. */
static void parts_touch(const struct stripe_part *parts, unsigned int nr)
{
	u32 legs = 0;

	for (unsigned int i = 0; i < nr; i++) {
		if (i && parts[i].leg == parts[i - 1].leg) {
			cr_assert_eq(parts[i].off, parts[i - 1].off + parts[i - 1].len);
			continue;
		}
		cr_assert_eq(legs >> parts[i].leg & 1, 0, "leg %u in two places", parts[i].leg);
		legs |= 1U << parts[i].leg;
	}
}

static void cut_is_right(const struct stripe *s, u64 off, u64 len)
{
	struct stripe_part parts[STRIPE_PARTS];
	u8 seen[BYTES] = { 0 };

	for (u64 done = 0, covered; done < len; done += covered) {
		unsigned int nr = stripe_cut(s, off + done, len - done, parts, &covered);
		u64 sum = 0;

		cr_assert(nr >= 1 && nr <= STRIPE_PARTS, "%u parts", nr);
		cr_assert(done + covered == len || nr == STRIPE_PARTS, "a round of %u parts", nr);
		parts_touch(parts, nr);
		for (unsigned int i = 0; i < nr; i++) {
			part_is_right(s, &parts[i], off + done, seen);
			sum += parts[i].len;
		}
		cr_assert_eq(sum, covered);
	}
	for (u64 b = 0; b < BYTES; b++)
		cr_assert_eq(seen[b], b >= off && b < off + len);
}

Test(stripe_plan, every_cut_has_every_byte_in_its_place)
{
	static const unsigned int legs[] = { 2, 3, 4, 7, MAX_LEGS };

	for (unsigned int n = 0; n < ARRAY_SIZE(legs); n++) {
		for (unsigned int c = 0; c < ARRAY_SIZE(chunks); c++) {
			const struct stripe s = { .chunk = chunks[c], .nr = legs[n] };

			deal(&s);
			for (u64 off = 0; off < BYTES; off += off < 20 ? 1 : 7)
				for (u64 len = 1; len <= BYTES - off; len += len < 40 ? 1 : 11)
					cut_is_right(&s, off, len);
		}
	}
}

/* What is not data is one range of a leg, with just the bytes that the request has there. */
static void ranges_are_right(const struct stripe *s, u64 off, u64 len)
{
	struct stripe_part parts[MAX_LEGS];
	unsigned int nr = stripe_ranges(s, off, len, parts);
	u64 sum = 0;
	u32 legs = 0;

	cr_assert_leq(nr, s->nr);
	for (unsigned int i = 0; i < nr; i++) {
		cr_assert_eq(legs >> parts[i].leg & 1, 0, "leg %u twice", parts[i].leg);
		legs |= 1U << parts[i].leg;
		sum += parts[i].len;
	}
	cr_assert_eq(sum, len);
	for (u64 b = off; b < off + len; b++) {
		unsigned int in = 0;

		for (unsigned int i = 0; i < nr; i++)
			in += parts[i].leg == places[b].leg && places[b].off >= parts[i].off &&
			      places[b].off < parts[i].off + parts[i].len;
		cr_assert_eq(in, 1, "%u legs, chunk %lu: byte %lu", s->nr, (unsigned long)s->chunk,
			     (unsigned long)b);
	}
}

Test(stripe_plan, without_data_each_leg_has_one_range)
{
	for (unsigned int n = 2; n <= MAX_LEGS; n++) {
		for (unsigned int c = 0; c < ARRAY_SIZE(chunks); c++) {
			const struct stripe s = { .chunk = chunks[c], .nr = n };

			deal(&s);
			for (u64 off = 0; off < BYTES; off += 3)
				for (u64 len = 1; len <= BYTES - off; len += 5)
					ranges_are_right(&s, off, len);
		}
	}
}

Test(stripe_plan, a_request_within_a_chunk_is_one_part)
{
	const struct stripe s = { .chunk = 65536, .nr = 3 };
	struct stripe_part p[STRIPE_PARTS];
	u64 covered;

	cr_assert_eq(stripe_cut(&s, 7 * 65536 + 4096, 8192, p, &covered), 1);
	cr_assert_eq(p[0].leg, 1);
	cr_assert_eq(p[0].off, 2 * 65536 + 4096);
	cr_assert_eq(p[0].len, 8192);
	cr_assert_eq(p[0].data, 0);
	cr_assert_eq(covered, 8192);
}

/* Behind what 32 bits count. */
Test(stripe_plan, the_end_of_a_large_device_is_found)
{
	const struct stripe s = { .chunk = 1536, .nr = 2 };
	u64 row = (1ULL << 50) / 3072;
	struct stripe_part p[STRIPE_PARTS];
	u64 covered;

	cr_assert_eq(stripe_cut(&s, row * 3072 + 1536 - 512, 1024, p, &covered), 2);
	cr_assert_eq(p[0].leg, 0);
	cr_assert_eq(p[0].off, row * 1536 + 1024);
	cr_assert_eq(p[0].len, 512);
	cr_assert_eq(p[1].leg, 1);
	cr_assert_eq(p[1].off, row * 1536);
	cr_assert_eq(p[1].data, 512);
}

Test(stripe_plan, a_device_is_whole_chunks_of_each_leg)
{
	const struct stripe s = { .chunk = 3072, .nr = 3 };

	cr_assert_eq(stripe_size(&s, 10 * 3072), 30 * 3072);
	cr_assert_eq(stripe_size(&s, 11 * 3072 - 1), 30 * 3072);
	cr_assert_eq(stripe_size(&s, 3071), 0);
}

Test(stripe_plan, a_device_that_is_too_large_is_not_a_small_one)
{
	for (unsigned int n = 2; n <= MAX_LEGS; n++) {
		const struct stripe s = { .chunk = 4096, .nr = n };
		u64 most = STRIPE_MAX_SIZE / n / 4096 * 4096;

		cr_assert_eq(stripe_size(&s, most), most * n);
		for (u64 leg = most + 4096; leg < (u64)INT64_MAX; leg += leg / 2 + 4096)
			cr_assert_gt(stripe_size(&s, leg), STRIPE_MAX_SIZE, "%u legs of %lu", n,
				     (unsigned long)leg);
	}
}
