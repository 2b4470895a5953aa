/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Random numbers that are the same everywhere for the same seed.
 *
 * Every operation has a stream of its own, made from the run's seed and the operation's
 * number: leaving one out does not change what the others draw.
 */
#ifndef FUZZ_RNG_H
#define FUZZ_RNG_H

#include "check.h"

struct rng {
	u64 state;
};

static inline u64 rng_next(struct rng *r)
{
	u64 z = r->state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

static inline void rng_seed(struct rng *r, u64 seed, u64 stream)
{
	r->state = seed;
	r->state = rng_next(r) + stream * 0xd1342543de82ef95ULL;
}

/* 0 to @n - 1; 0 for @n of 0. */
static inline u32 rng_below(struct rng *r, u32 n)
{
	return n ? (u32)(rng_next(r) >> 32) % n : 0;
}

static inline u32 rng_range(struct rng *r, u32 min, u32 max)
{
	return min + rng_below(r, max - min + 1);
}

/* True @percent times of a hundred. */
static inline bool rng_chance(struct rng *r, u32 percent)
{
	return rng_below(r, 100) < percent;
}

#define rng_pick(r, array)	((array)[rng_below((r), sizeof(array) / sizeof((array)[0]))])

#endif
