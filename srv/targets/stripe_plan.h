/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How the bytes of a stripe lie on its legs, and how a request is cut.  No I/O, no state,
 * so that every cut can be tested.
 *
 * Chunk K of the device is on leg K % N, as that leg's chunk K / N:
 *
 *	leg 0   0  3  6  9
 *	leg 1   1  4  7  ..
 *	leg 2   2  5  8
 *
 * What a request has of one leg is one range there, whatever its length.  Of its data that
 * range is pieces, a chunk each with those of the other legs between: so without data a leg
 * has one part, and with data one for each chunk.
 */
#ifndef SRV_STRIPE_PLAN_H
#define SRV_STRIPE_PLAN_H

#include "../io.h"
#include "../types.h"

/* struct stripe - the arrangement; read-only once the queues run */
struct stripe {
	u64 chunk;		/* bytes */
	unsigned int nr;	/* legs */
};

/* struct stripe_part - what a request has in one place of one leg; bytes */
struct stripe_part {
	u64 off;		/* on the leg */
	u64 len;
	u64 data;		/* from the first byte of the request */
	unsigned int leg;
};

#define STRIPE_PARTS	MAX_STEPS

_Static_assert(STRIPE_PARTS >= MAX_LEGS, "each leg can have a part");

/* What the kernel counts the bytes of a block device with. */
#define STRIPE_MAX_SIZE	((u64)INT64_MAX)

/*
 * Bytes of a device whose smallest leg has @leg; 0: that is less than a chunk.  More than
 * STRIPE_MAX_SIZE: no device can have so many.
 */
u64 stripe_size(const struct stripe *s, u64 leg);

/*
 * Cut @len bytes of data, at @off of the device, into at most STRIPE_PARTS.  They are sorted
 * by leg, and those of one leg touch there.  Returns how many; *covered is how many bytes,
 * from the first one on, they are together: less than @len when there are too many.
 */
unsigned int stripe_cut(const struct stripe *s, u64 off, u64 len, struct stripe_part *parts,
			u64 *covered);

/* The same for what has no data: a part for each leg that it touches, at most MAX_LEGS. */
unsigned int stripe_ranges(const struct stripe *s, u64 off, u64 len, struct stripe_part *parts);

#endif
