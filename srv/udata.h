/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What an SQE carries in user_data, so that its CQE finds its way back.
 *
 *   bits  0..15  index of its struct io in the queue
 *   bits 16..23  index: which step of the request, or the mode's own number
 *   bits 24..31  kind
 *   bits 32..63  0
 *
 * One encoder, here; nobody shifts by hand.
 */
#ifndef SRV_UDATA_H
#define SRV_UDATA_H

#include <linux/ublk_cmd.h>

#include "io.h"
#include "types.h"

enum udata_kind {
	UD_FETCH,	/* FETCH or COMMIT_AND_FETCH: a new request, or the end */
	UD_STEP,	/* a step of a request, on a leg */
	UD_MODE,	/* an operation of the mode's own */
	UD_BOUNCE,	/* a step, or data of it, through the server's buffer (bounce.h) */
	UD_LINKED,	/* COMMIT_AND_FETCH behind the request's step: the same */
	UD_HANDED,	/* HANDOFF_AND_FETCH: the same, or the request that was handed off again */
	UD_INBOX,	/* the read of the inbox's eventfd; no io */
	UD_KINDS,
};

#define UD_IO_BITS	16
#define UD_INDEX_BITS	8
#define UD_KIND_BITS	8

_Static_assert(2 * UBLK_MAX_QUEUE_DEPTH <= 1U << UD_IO_BITS, "an io does not fit");
_Static_assert(MAX_STEPS <= 1U << UD_INDEX_BITS, "a step does not fit");
_Static_assert(UD_KINDS <= 1U << UD_KIND_BITS, "a kind does not fit");

static inline u64 udata(enum udata_kind kind, unsigned int io, unsigned int index)
{
	return (u64)kind << (UD_IO_BITS + UD_INDEX_BITS) |
	       (u64)index << UD_IO_BITS | io;
}

static inline unsigned int udata_io(u64 ud)
{
	return ud & ((1U << UD_IO_BITS) - 1);
}

static inline unsigned int udata_index(u64 ud)
{
	return ud >> UD_IO_BITS & ((1U << UD_INDEX_BITS) - 1);
}

static inline enum udata_kind udata_kind(u64 ud)
{
	return ud >> (UD_IO_BITS + UD_INDEX_BITS) & ((1U << UD_KIND_BITS) - 1);
}

#endif
