/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a mirror decides: what becomes of a request and of the legs when some
 * of them failed.  No I/O, no locks, no clock, so that every rule can be
 * tested.  Which leg a read goes to is reader.h's.
 *
 * A set of legs is a bitmap, bit N for leg N.
 *
 * The rules:
 *  - A write that one live leg has and another one has not: the other one is
 *    dropped, and never read again.  The request succeeds.
 *  - A write that no live leg has fails.  Legs that may hold part of it are
 *    dropped but for one, so that those that stay agree.
 *  - But when all of them have no room for it, none is dropped: the fault is not in the
 *    legs, and would be there with any one of them.  They may differ then.
 *  - The last live leg is never dropped; its failures are the client's.
 *  - A failed read is tried on every other live leg.  It drops nothing: what
 *    else is on that leg is as good as before.
 *  - A leg that is write-mostly is read when no other one can be.
 *  - A discard that a leg cannot do is none; a zeroing that a leg cannot do is
 *    given back to the client, which then writes zeroes.
 */
#ifndef SRV_PLAN_H
#define SRV_PLAN_H

#include "../../io.h"
#include "../../types.h"

/* Of the legs that can be read, those that are: @write_mostly only when there is no other one. */
static inline u32 mirror_preferred(u32 legs, u32 write_mostly)
{
	if (likely(!write_mostly))
		return legs;
	return legs & ~write_mostly ? legs & ~write_mostly : legs;
}

/*
 * Is it the leg that is at fault, and may it hold part of the write?  Not when
 * the data could not be reached, or the operation was refused.
 */
bool mirror_leg_fault(int err);

/*
 * struct mirror_tally - how the steps of one write ended
 * @ok: legs that have it
 * @failed: legs that have it not
 * @fault: those of them that may have part of it
 * @full: those of them that had no room
 * @refused: legs that do not know the operation, and did nothing
 * @err: of the first failed leg, or 0
 */
struct mirror_tally {
	u32 ok, failed, fault, full, refused;
	int err;
};

/* Count one step in. */
void mirror_count(struct mirror_tally *t, enum step_op op, unsigned int leg, int res);

/*
 * What becomes of it.  @live: the legs that are live now, which may be fewer
 * than those that the steps went to.  Returns 0 or -errno for the client; *drop
 * is the legs to drop, never all of @live; *differ: those that stay may differ.
 */
int mirror_outcome(const struct mirror_tally *t, enum step_op op, u32 live, u32 *drop,
		   bool *differ);

/*
 * And of the legs that are being rebuilt, @rebuilding, behind mirror_outcome(), which has said
 * @err.  They do not count: one that failed is dropped as well, and nobody else knows.  Only a
 * zeroing that one of them cannot do is the client's again.  Returns what the client gets.
 */
int mirror_outcome_rebuilding(const struct mirror_tally *t, enum step_op op, u32 rebuilding, int err,
			      u32 *drop, bool *differ);

#endif
