/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The record of a set that is served: it keeps what format.h describes on the legs, before
 * the set relies on it.  change.h says how the set changes and bitmap.h which bits are wanted;
 * here is the I/O for both, in a thread and a ring of its own.
 *
 * Why a thread of its own, and not the queues: a change of the set, or a bit, is waited for by
 * requests of any queue, and one write of a block brings the bits of all of them.  The price:
 * the first write to a chunk waits for two changes of threads, as well as for the legs.
 *
 * Legs are told by slot, and a set of legs is a bitmap of slots.
 *
 * struct record and struct record_wait are in record_state.h.
 *
 * Order of locks: the record's is the only one; @dropped and record_wait.wake are called
 * without it.
 */
#ifndef SRV_RECORD_H
#define SRV_RECORD_H

#include <errno.h>

#include "record_state.h"

/*
 * Before the server is forked: what assemble() has found, and the legs' descriptors, by slot
 * (-1: not here; all of a->serve are).  No I/O.  0 or -ENOMEM.
 */
int record_init(struct record *r, const struct assembly *a, const struct super_own own[FORMAT_LEGS],
		const int fds[FORMAT_LEGS]);
void record_deinit(struct record *r);

/*
 * Serving begins, in the server, before its queues do: the event of the start is written, the
 * bitmap loaded and written, and the thread started.  A leg that fails is dropped.  0; -EIO
 * after a message when no leg in sync takes the record; or -errno after one.
 */
int record_begin(struct record *r, unsigned int nr_queues);

/*
 * After record_begin() that succeeded.  All queues have ended: every leg is flushed, bits are
 * cleared, and the set is recorded as clean, unless something failed, which is logged.  The
 * thread ends.
 */
void record_end(struct record *r);

/* A queue's thread: before a batch of requests, and behind it. */
static inline void record_enter(struct record *r, struct record_queue *rq)
{
	rq->epoch = bitmap_queue_enter(&r->bits, &rq->bits);
}

static inline void record_leave(struct record_queue *rq)
{
	bitmap_queue_leave(&rq->bits);
}

/* What record_write() and record_may_end() return for a request that is parked. */
#define RECORD_PARKED	(-EINPROGRESS)

/* The same, when the bit was not there at once. */
int record_write_slow(struct record *r, struct record_queue *rq, struct record_wait *w, u64 off,
		      u32 len);

/*
 * A queue's thread, between record_enter() and record_leave(): @len (not 0) bytes at @off are to
 * be changed.  0: go ahead, and call record_wrote() with *epoch when that has ended on every
 * leg; RECORD_PARKED: @w will be woken, then ask again; -EIO: no record can be written.
 */
static inline int record_write(struct record *r, struct record_queue *rq, struct record_wait *w,
			       u64 off, u32 len, u32 *epoch)
{
	*epoch = rq->epoch;
	bitmap_queue_begin(&rq->bits, rq->epoch);
	if (likely(bitmap_ready(&r->bits, rq->epoch, off, len)))
		return 0;
	/* undoes bitmap_queue_begin(), unless it returns 0 */
	return record_write_slow(r, rq, w, off, len);
}

static inline void record_wrote(struct record_queue *rq, u32 epoch)
{
	bitmap_queue_end(&rq->bits, epoch);
}

/*
 * A queue's thread, before record_wrote(): @slots have failed a write (with @err each), which
 * others have.  They are dropped, and @dropped is called for each that was not yet.  The caller
 * then looks at record_may_end().  Returns those that stay: others that were in sync have been
 * dropped meanwhile, so these are the last.  When it is not 0, the write has failed: see
 * record_differ().
 */
u32 record_failed(struct record *r, u32 slots, int err);

/*
 * A queue's thread: may what has changed data be acknowledged?  0; RECORD_PARKED: @w will be
 * woken, then ask again; -EIO: @broken.
 */
int record_may_end_slow(struct record *r, struct record_wait *w);

static inline int record_may_end(struct record *r, struct record_wait *w)
{
	if (likely(!atomic_load_explicit(&r->changing, memory_order_acquire)))
		return 0;
	return record_may_end_slow(r, w);
}

/*
 * A queue's thread, before record_wrote(): a write has failed on every leg in sync, all of which
 * stay: they may differ there.  As record_may_end(), which is also what to ask when @w is woken:
 * then an event names the source.
 */
int record_differ(struct record *r, struct record_wait *w, u64 off, u32 len);

/*
 * A queue's thread: the leg to read @len bytes at @off from, where the legs may differ; -1: any
 * in sync.  Only to be asked while @differs; takes the lock.
 */
int record_source(struct record *r, u64 off, u32 len);

/* For status: what the set is, and how much of it may differ and is missed; bytes. */
void record_tell(struct record *r, struct super_set *set, u64 *differ, u64 *missed);

#endif
