/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Which leg of a mirror a read goes to.  No I/O, no locks, no clock, so that every rule can be
 * tested.
 *
 * A set of legs is a bitmap, bit N for leg N.
 *
 * The rules:
 *  - A read goes to the leg with the fewest reads of this queue under way; among equals to the one
 *    behind the latest, if that is one of them.
 *  - On a leg that takes twice as long as the fastest one a read counts double, and so on.  So such
 *    a leg gets fewer reads, and none while a faster one has nothing to do.
 *  - But it is tried now and then, the more seldom the slower it is.  So one that is fast again is
 *    known to be.
 *  - A stream stays on its leg, where requests are merged and read ahead: as long as that leg is not
 *    slower than the one above, and has not much more to do.  A stream that comes between two reads
 *    of another one on the same leg ends its stay: so two of them do not share a leg for long.
 *
 * How long a leg takes is a mean of a few of its reads: reader_start() says which are to be timed.  A
 * read counts at most twice as much with each of them.
 */
#ifndef SRV_READER_H
#define SRV_READER_H

#include "../../types.h"

/* A stream stays on its leg until that has so many reads more to do than another. */
#define READER_STREAM_WORTH	8

/* One in so many reads of a leg is timed. */
#define READER_TIMED		32

/* A slow leg is tried when so many reads have been timed, times what a read counts there. */
#define READER_PATIENCE		2

/* No read counts for more. */
#define READER_SLOWEST		4096

/*
 * struct reader_leg - what a queue knows of a leg
 * @next: where the latest read on it ends, bytes
 * @load: reads of this queue that are under way, and one more, times @weight
 * @weight: what a read counts: 1, or the power of two that is nearest to how many times longer it
 *	takes than on the fastest leg
 * @ns: what a read takes, about; 0: nobody knows
 * @seen: what reader.timed was at its latest one that was timed
 * @countdown: the read that brings it to 0 is timed
 */
struct reader_leg {
	u64 next;
	u32 load;
	u32 weight;
	u32 ns;
	u32 seen;
	u32 countdown;
};

static inline u32 reader_inflight(const struct reader_leg *l)
{
	return l->load / l->weight - 1;
}

/*
 * struct reader - the reads of one queue
 * Owned by the queue's thread; reader_init() before.
 * @due: legs that are to be tried
 * @timed: reads that were timed, of all legs
 * @last: leg of the latest read
 */
struct reader {
	u32 due;
	u32 timed;
	u8 last;
	struct reader_leg legs[MAX_LEGS];
};

/* @last: the first read goes to the leg behind that one. */
void reader_init(struct reader *r, unsigned int last);

/*
 * The leg of @candidates (not empty) for a read at @off.  The caller counts it in with
 * reader_start() and out with reader_end().
 */
unsigned int reader_pick(const struct reader *r, u32 candidates, u64 off);

/* @end: where the read ends.  True: it is to be timed, for reader_timed(). */
static inline bool reader_start(struct reader *r, unsigned int leg, u64 end)
{
	struct reader_leg *l = &r->legs[leg];

	l->load += l->weight;
	l->next = end;
	r->last = leg;
	if (likely(--l->countdown))
		return false;
	l->countdown = READER_TIMED;
	r->due &= ~(1U << leg);
	return true;
}

static inline void reader_end(struct reader *r, unsigned int leg)
{
	struct reader_leg *l = &r->legs[leg];

	l->load -= l->weight;
}

/*
 * Behind reader_end(): a read of @len bytes on @leg has taken @ns.  @legs: those that are read, with
 * which it is compared.
 */
void reader_timed(struct reader *r, u32 legs, unsigned int leg, u32 len, u64 ns);

/* It is back, or another disk: how long it takes is not known any more. */
void reader_forget(struct reader *r, unsigned int leg);

#endif
