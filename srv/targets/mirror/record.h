/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The record of a set that is served: it keeps what format.h describes on the legs, before
 * the set relies on it.  change.h says how the set changes and bitmap.h which bits are wanted;
 * here is the I/O for both, in a thread and a ring of its own.
 *
 * Why a thread of its own, and not the queues: a change of the set is waited for by requests of any
 * queue, and nobody else looks after what is to be done later, or again.
 *
 * A bit that a write waits for is another matter.  Through the thread it would cost two changes of
 * threads.  So the queue of that write puts the block on the legs itself, as a round of the request
 * before its data (struct record_note), if nobody is writing that block yet.  One write of a block
 * brings the bits of all that wait, whichever queue's they are.  A queue has one answer only: every
 * leg has it.  All else is the thread's, which then writes the block itself: who has failed, and what
 * to do without memory.  So are two blocks at once, and legs that the queue does not know yet.
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
	atomic_store_explicit(&rq->epoch, bitmap_queue_enter(&r->bits, &rq->bits), memory_order_relaxed);
}

static inline void record_leave(struct record_queue *rq)
{
	bitmap_queue_leave(&rq->bits);
}

/* What record_write() and record_may_end() return for a request that is parked. */
#define RECORD_PARKED	(-EINPROGRESS)

/* What record_write_slow() returns for one that is not. */
#define RECORD_LATER	(-EAGAIN)
#define RECORD_NOTE	(-EALREADY)

/*
 * A queue's thread, between record_enter() and record_leave(): @len (not 0) bytes at @off are to
 * be changed.  true: go ahead, and call record_wrote() with *epoch when that has ended on every
 * leg.  Else ask record_write_slow(), at once.
 */
static inline bool record_write_now(struct record *r, struct record_queue *rq, u64 off, u32 len, u32 *epoch)
{
	*epoch = atomic_load_explicit(&rq->epoch, memory_order_relaxed);
	bitmap_queue_begin(&rq->bits, *epoch);
	return likely(bitmap_ready(&r->bits, *epoch, off, len));
}

/*
 * 0: go ahead, the same; RECORD_PARKED: @w will be woken, then ask again; -EIO: no record can be
 * written.
 *
 * With @n, of which files, last and buf are filled in, there are two more.  RECORD_LATER: ask again with
 * n->last, behind the other requests of the batch, so that one block has all their bits.  RECORD_NOTE:
 * the block n->block in n->buf is to be written to every leg of n->slots, durably, at bitmap_at and its
 * number times block_bytes; then call record_noted(), and ask again.
 */
int record_write_slow(struct record *r, struct record_queue *rq, struct record_wait *w, struct record_note *n,
		      u64 off, u32 len);

/* @ok: those of n->slots that have the block. */
void record_noted(struct record *r, const struct record_note *n, u32 ok);

/* Both, for who writes no block. */
static inline int record_write(struct record *r, struct record_queue *rq, struct record_wait *w,
			       u64 off, u32 len, u32 *epoch)
{
	if (record_write_now(r, rq, off, len, epoch))
		return 0;
	return record_write_slow(r, rq, w, NULL, off, len);
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

static inline bool record_nothing_changes(const struct record *r)
{
	return !atomic_load_explicit(&r->changing, memory_order_acquire);
}

static inline int record_may_end(struct record *r, struct record_wait *w)
{
	return likely(record_nothing_changes(r)) ? 0 : record_may_end_slow(r, w);
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

/*
 * What follows is of any thread but a queue's and the record's.
 *
 * Copying.  The thread that copies takes the steps in this order: it locks the region, so that no
 * write begins; record_sync(); it copies, and unlocks; it flushes the legs; record_copied().
 */

/*
 * struct record_work - a chunk that is to be copied
 * @off, @len: bytes
 * @src, @dst: the leg to read, and those to write, which may be none
 * @sources: legs in sync, to read when @src cannot be
 * @differed: the record's
 */
struct record_work {
	u32 chunk, dst, sources, differed;
	unsigned int src;
	u64 off, len;
};

/* The first chunk from @from on that is to be copied; false: none. */
bool record_next(struct record *r, u32 from, struct record_work *w);

/* It has been copied, and is durable on w->dst. */
void record_copied(struct record *r, const struct record_work *w);

/* How many bytes record_next() would name. */
u64 record_todo(struct record *r);

/* Legs being rebuilt that lack nothing any more: for record_rebuilt(). */
u32 record_complete(struct record *r);

bool record_has_source(struct record *r);

/* Legs in sync that agree in @len bytes at @off; 0: they may differ there. */
u32 record_readable(struct record *r, u64 off, u64 len);

/*
 * Waits until all writes that have begun before have ended, on every leg.  false: *stop became true,
 * or @ms have passed.
 */
bool record_sync(struct record *r, const _Atomic bool *stop, unsigned int ms);

/* The present epoch; has a queue had anything to do since an epoch began? */
u32 record_epoch(struct record *r);
bool record_is_busy(struct record *r, u32 since);

/*
 * A leg joins in these steps:
 *  1. record_join(): it is recorded as being rebuilt;
 *  2. once record_has_bitmap(), which does not block, and is also true of a leg that was dropped, the
 *     owner sends it every write from now on, and calls record_joined();
 *  3. record_take_up(), by the thread that copies: once all older writes have ended, whatever has a
 *     bit is what the leg lacks.  0; -EBUSY: as record_sync() has returned false; or -ENOMEM.
 */
bool record_has_bitmap(struct record *r, unsigned int slot);
void record_joined(struct record *r, unsigned int slot);
int record_take_up(struct record *r, const _Atomic bool *stop, unsigned int ms);

/*
 * Changes of the set.  They return when the event is on the legs, so no lock may be held that
 * @dropped takes.  0, or
 *   -EIO	no leg in sync takes the record, serving ends, or the leg did not take it
 *   -EBUSY	no leg in sync would be left
 *   -EAGAIN	there is something to copy yet
 *   -EINVAL	the leg is not in a state for it
 */

/* Nothing differs any more. */
int record_agree(struct record *r);

/*
 * A leg that is stale, has failed or is a spare, is copied to from now on: see above.  @fd: the
 * caller's, open until record_let_go().  @own, @holds: what its record says, just read; super_knows()
 * it.  @full: copy everything.  -EBUSY: I/O to the file that it had before is under way.
 */
int record_join(struct record *r, unsigned int slot, int fd, const struct super_own *own,
		struct super_event holds, bool full);

/* It has everything: it is in sync. */
int record_rebuilt(struct record *r, unsigned int slot);

/* How far full rebuilds have got is written down, so that another server can go on there. */
int record_progress(struct record *r);

/*
 * A new leg, as a spare, on which the caller has written nothing yet; record_join() follows.
 * -ENOSPC: the set has FORMAT_LEGS; -EBUSY: I/O to a leg that had the slot is under way.
 */
int record_add(struct record *r, const u8 uuid[16], bool write_mostly, unsigned int *slot);

/* A leg is write-mostly from now on, or no more. */
int record_mark(struct record *r, unsigned int slot, bool write_mostly);

/* @dropped is called, with -ECANCELED, if the leg is in use.  It is of the set no more. */
int record_remove(struct record *r, unsigned int slot);

/* The same, but that it stays of the set, as FORMAT_FAILED or FORMAT_STALE. */
int record_drop_slot(struct record *r, unsigned int slot, enum format_state state);

/*
 * May the descriptor of a leg that was dropped be closed?  If not, ask again later.  Does not
 * block.
 */
bool record_let_go(struct record *r, unsigned int slot);

/* For status: what the set is, and how much of it may differ and is missed; bytes. */
void record_tell(struct record *r, struct super_set *set, u64 *differ, u64 *missed);

#endif
