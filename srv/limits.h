/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a block device can do, and what a device made of several can: the rules
 * of merging, without any system call, so that they can be tested.
 */
#ifndef SRV_LIMITS_H
#define SRV_LIMITS_H

#include <linux/ublk_cmd.h>

#include "types.h"

/* ublk takes logical blocks of at most one page. */
#define LIMITS_MAX_LBS		4096U
#define LIMITS_MAX_SEGS		65535U	/* which ublk has when it is told nothing */
#define LIMITS_MAX_IO		(32U << 20)
#define LIMITS_DEF_IO		(512U << 10)

/*
 * struct limits - of a leg, or of the device made of legs
 * Plain data, in whatever it describes; written before the queues start.
 */
struct limits {
	u64 size;		/* bytes */
	u32 lbs, pbs;		/* logical, physical block, bytes */
	u32 dma_align;		/* of memory in direct I/O, bytes, a power of two */
	u32 virt_boundary;	/* mask: a segment begins and ends there, but for the first and last */
	u32 max_segs;		/* pieces of memory in one request */
	u32 max_seg_size;	/* bytes of each, UINT32_MAX: no limit */
	u32 io_min, io_opt;	/* bytes, 0: nothing to say */
	u64 discard_max;	/* bytes, 0: cannot */
	u32 discard_gran;	/* bytes */
	u64 zeroes_max;		/* bytes, 0: cannot */
	bool rotational;
	bool volatile_cache;	/* needs FLUSH */
	bool stable;		/* pages must not change while they are written */
};

/* The identity of limits_merge(): a device without legs. */
void limits_init(struct limits *l);

/*
 * Narrow *l to what @leg can do too.  Sizes are not compared: the smaller one
 * wins; who wants equal sizes looks before.
 */
void limits_merge(struct limits *l, const struct limits *leg);

/*
 * Make *l something that ublk accepts: the logical block covers the memory
 * alignment of direct I/O, as file systems align their buffers to blocks and
 * nobody checks those; the size is whole blocks.  Returns 0; -EINVAL when the block is
 * larger than ublk takes; -ENOSPC when not one block is left.
 */
int limits_finish(struct limits *l);

/*
 * The parameters for SET_PARAMS.  @max_io: bytes of the largest request.  @lends:
 * the legs get the client's own pages, which must have the shape that they want.
 *
 * Each piece of memory in direct I/O must then begin at a whole block, not only at
 * the legs' own alignment: a piece is cut where a page ends, and a leg refuses
 * what comes out of that when it is no whole number of its blocks.
 */
void limits_to_params(const struct limits *l, u32 max_io, bool lends, struct ublk_params *p);

#endif
