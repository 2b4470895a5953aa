/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Which leg of a mirror a read goes to.  No I/O, no locks, no clock, so that every rule can be
 * tested.
 *
 * A set of legs is a bitmap, bit N for leg N.
 *
 * The rules:
 *  - A read goes to the leg with the fewest reads of this queue under way; among equals to the one
 *    behind the latest.
 *  - On rotational legs a stream stays where it is, as long as that leg has not many more reads
 *    than another one.
 */
#ifndef SRV_READER_H
#define SRV_READER_H

#include "../../types.h"

/* A stream stays on its leg until that has so many reads more than another. */
#define READER_STREAM_WORTH	8

/*
 * struct reader_leg - what a queue knows of a leg
 * @next: where the latest read on it ends, bytes
 * @inflight: reads of this queue that are under way
 */
struct reader_leg {
	u64 next;
	u16 inflight;
};

/*
 * struct reader - the reads of one queue
 * Owned by the queue's thread; zeroed, and seek set, before.
 * @seek: legs are rotational
 * @last: leg of the latest read
 */
struct reader {
	bool seek;
	u8 last;
	struct reader_leg legs[MAX_LEGS];
};

/*
 * The leg of @candidates (not empty) for a read at @off.  The caller counts it in with
 * reader_start() and out with reader_end().
 */
unsigned int reader_pick(const struct reader *r, u32 candidates, u64 off);

static inline void reader_start(struct reader *r, unsigned int leg, u64 end)
{
	struct reader_leg *l = &r->legs[leg];

	l->inflight++;
	l->next = end;
	r->last = leg;
}

static inline void reader_end(struct reader *r, unsigned int leg)
{
	r->legs[leg].inflight--;
}

#endif
