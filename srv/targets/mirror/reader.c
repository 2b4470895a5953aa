// SPDX-License-Identifier: GPL-2.0
#include "reader.h"

/* Up to so many bytes a read is one; a larger one takes longer with no fault of the leg. */
#define READER_UNIT_SHIFT	16

void reader_init(struct reader *r, unsigned int last)
{
	*r = (struct reader){ .last = last };
	/* A read at 0 goes on where no other one has ended. */
	for (unsigned int i = 0; i < MAX_LEGS; i++)
		r->legs[i] = (struct reader_leg){ .next = UINT64_MAX, .load = 1, .weight = 1, .countdown = 1 };
}

/* The leg of @candidates behind the latest one. */
static const struct reader_leg *reader_behind(const struct reader *r, u32 candidates)
{
	u32 behind = candidates & ~1U << r->last;

	return &r->legs[__builtin_ctz(behind ? behind : candidates)];
}

/* @l has had the latest read of a stream: does that stay, although @best has less to do? */
static bool reader_stays(const struct reader_leg *l, const struct reader_leg *best)
{
	return l->weight <= best->weight && l->load <= best->load + READER_STREAM_WORTH * l->weight;
}

unsigned int reader_pick(const struct reader *r, u32 candidates, u64 off)
{
	const struct reader_leg *best, *stream = NULL, *l = r->legs;

	if (unlikely(r->due & candidates))
		return __builtin_ctz(r->due & candidates);
	best = reader_behind(r, candidates);
	for (; candidates; candidates >>= 1, l++) {
		if (unlikely(!(candidates & 1)))
			continue;
		if (l->load < best->load)
			best = l;
		if (l->next == off)
			stream = l;
	}
	if (unlikely(stream) && reader_stays(stream, best))
		best = stream;
	return best - r->legs;
}

/*
 * Faster reads count at once, slower ones little by little: a single one that took long says nothing,
 * and a leg that is fast again is known to be after a few.
 */
static u32 reader_mean(u32 mean, u32 ns)
{
	if (!mean)
		return ns;
	return ns < mean ? ns + (mean - ns) / 2 : mean + (ns - mean) / 8;
}

static u32 reader_fastest(const struct reader *r, u32 legs)
{
	u32 fastest = UINT32_MAX;

	for (; legs; legs &= legs - 1) {
		const struct reader_leg *l = &r->legs[__builtin_ctz(legs)];

		if (l->ns && l->ns < fastest)
			fastest = l->ns;
	}
	return fastest;
}

/* To the nearest power of two: half as long again is double. */
static u32 reader_weight(u32 ns, u64 fastest)
{
	u32 weight = 1;

	while (weight < READER_SLOWEST && 2ULL * ns >= 3 * fastest * weight)
		weight *= 2;
	return weight;
}

/* One that does not answer is not asked again. */
static bool reader_is_due(const struct reader *r, const struct reader_leg *l)
{
	return (l->weight > 1 || !l->ns) && !reader_inflight(l) &&
	       r->timed - l->seen >= READER_PATIENCE * l->weight;
}

static void reader_set_weight(struct reader_leg *l, u32 weight)
{
	l->load = l->load / l->weight * weight;
	l->weight = weight;
}

/* @most: what it may be now.  When that is not enough the next read is timed. */
static void reader_weigh(struct reader *r, unsigned int leg, u32 fastest, u32 most)
{
	struct reader_leg *l = &r->legs[leg];
	u32 weight = reader_weight(l->ns, fastest);

	if (weight > most) {
		weight = most;
		l->countdown = 1;
	}
	reader_set_weight(l, weight);
	if (reader_is_due(r, l)) {
		l->countdown = 1;
		r->due |= 1U << leg;
	}
}

void reader_timed(struct reader *r, u32 legs, unsigned int leg, u32 len, u64 ns)
{
	struct reader_leg *l = &r->legs[leg];
	u32 fastest, most;

	ns /= 1 + (len >> READER_UNIT_SHIFT);
	/* A single read that took long makes no leg very slow. */
	most = ns >= l->ns ? 2 * l->weight : l->weight;
	l->ns = reader_mean(l->ns, ns < UINT32_MAX ? ns + !ns : UINT32_MAX);
	l->seen = ++r->timed;
	fastest = reader_fastest(r, legs);
	for (; legs; legs &= legs - 1) {
		unsigned int i = __builtin_ctz(legs);

		reader_weigh(r, i, fastest, i == leg ? most : r->legs[i].weight);
	}
}

void reader_forget(struct reader *r, unsigned int leg)
{
	r->legs[leg].ns = 0;
	r->legs[leg].countdown = 1;
	reader_set_weight(&r->legs[leg], 1);
}
