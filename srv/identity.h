/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The number by which a device is known again: its ublksrv_flags, which the driver keeps
 * for the server, without a look at them.
 *
 *   bits 48..63  "rb": a regbuf made it
 *   bits 24..47  what it is made of: a hash of the target's name and of its legs, or of the
 *		  UUID that its legs have a record of
 *   bits  0..23  its launch: what no other launch is likely to have
 *
 * Why not a file beside the server's socket: it would have to go exactly when the device
 * goes, and the device outlives every process.  The price: 24 bits, so one set of legs in
 * 16 million is taken for another one.  That is enough against a mistake, which is what
 * it is for.
 */
#ifndef SRV_IDENTITY_H
#define SRV_IDENTITY_H

#include "leg.h"
#include "types.h"

struct target;

/* FNV-1a: what the numbers here, and those of target_ops.arrangement, are made with. */
u32 identity_hash(const void *data, size_t len);

/*
 * A hash of @target's name and of what its open legs are, in whatever order: the
 * same as long as they are the same files or devices, by whatever names.
 */
u32 identity_of_legs(const char *target, const struct leg *legs, unsigned int nr);

/*
 * Of a device of @t, whose legs are open, and of how it lays data on them
 * (target_ops.arrangement); of @launch the low bits count.
 */
u64 identity_make(const struct target *t, u64 launch);

/* Did a regbuf make the device? */
bool identity_is_ours(u64 identity);

/* Are two devices of ours made of different things?  false also when one is not ours. */
bool identity_is_of_others(u64 a, u64 b);

#endif
