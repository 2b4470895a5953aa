/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Regions of the data that are being copied: writes to them wait.
 *
 * Why writes wait, and are not copied again: a copy that chases writes need not end.  And why
 * no lock of each region for each write: only one thread locks, and it waits for writes that began
 * before by their epoch (record_sync()), which the record counts anyway.  The price: it waits for
 * all writes, not only for those to its region.
 *
 * The order that makes it right:
 *	resync: region_lock(), then record_sync(), then copy
 *	a queue: record_enter(), then region_free(), then record_write()
 * A write that does not see the lock is of an older epoch, and record_sync() waits for its end.
 *
 * @lock is the last one: nothing is called with it held.
 */
#ifndef SRV_REGION_H
#define SRV_REGION_H

#include "record_state.h"

#define REGIONS		4U

/*
 * struct region - one that may be locked
 * @off, @end: bytes; @end is 0 when it is not locked.  Written under the lock, read by queues
 *	without it: who sees one of them old is of an older epoch, or asks again under the lock.
 * @waits: writes that are parked on it; under the lock
 */
struct region {
	_Atomic u64 off, end;
	struct record_list waits;
};

/*
 * struct regions - of one set
 * The owner's; regions_init() before it is used, regions_deinit() when nothing is locked.
 * @nr: locked now
 */
struct regions {
	_Atomic u32 nr;
	pthread_mutex_t lock;
	struct region of[REGIONS];
};

void regions_init(struct regions *g);
void regions_deinit(struct regions *g);

/*
 * The thread that copies: locks @len (not 0) bytes at @off.  Returns what region_unlock() gets, or
 * -EBUSY: all REGIONS are locked, or it overlaps one.
 */
int region_lock(struct regions *g, u64 off, u64 len);

/* Wakes all that are parked on it. */
void region_unlock(struct regions *g, int index);

/* Without the lock: see struct region. */
bool region_overlaps(const struct regions *g, u64 off, u64 len);

/* A queue's thread, as described above: may @len (not 0) bytes at @off be changed? */
static inline bool region_free(const struct regions *g, u64 off, u32 len)
{
	return likely(!atomic_load_explicit(&g->nr, memory_order_acquire)) ||
	       !region_overlaps(g, off, len);
}

/*
 * A queue's thread, when it is not free: 0: it is free after all, ask again; RECORD_PARKED: @w
 * will be woken by the thread that copies, then ask again.
 */
int region_wait(struct regions *g, struct record_wait *w, u64 off, u32 len);

#endif
