/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The write-intent bitmap in memory: which regions (chunks) may differ between legs, which
 * bits are durable, and what has to be written.  No I/O, no clock, no lock of its own.
 *
 * A write may go to the legs when the bits of its chunks are durable on all of them.  Bits
 * are cleared long after, so most writes find theirs set.  What a write then pays is one
 * compare: of the chunk's stamp with the queue's epoch.
 *
 * An epoch is a span of time between two looks for bits to clear, a few seconds.  The stamp
 * of a chunk is the epoch of the latest write that began there, 0 when its bit is not to be
 * relied on.  A bit may be cleared when no write of that epoch is under way any more, and no
 * queue compares with that epoch any more.
 *
 * Why not a count of writes in each chunk, as md has: every write would change a shared
 * counter twice.  The price: a bit stays set for as long as the longest write of its epoch.
 *
 * Who calls what:
 *  - a queue's thread: what has "queue" in its name, bitmap_ready(), bitmap_stamp(); no lock;
 *  - whoever holds the record's lock: all below the line.
 */
#ifndef SRV_BITMAP_H
#define SRV_BITMAP_H

#include <stdatomic.h>

#include "format.h"

#define BITMAP_UNSTAMPED	0U
#define BITMAP_FIRST_EPOCH	1U
#define BITMAP_AWAY		UINT32_MAX

/* So many epochs may have writes under way; a power of two. */
#define BITMAP_EPOCHS		4U

/*
 * struct bitmap_queue - the writes of one queue
 * Zeroed before; written by the queue's thread, read by the record's.
 * @seen: the epoch that its writes begin in; BITMAP_AWAY: none begins now
 * @writes: under way, by the epoch in which they began, modulo BITMAP_EPOCHS
 */
struct bitmap_queue {
	_Atomic u32 seen;
	_Atomic u32 writes[BITMAP_EPOCHS];
};

/*
 * struct bitmap - of one set
 * bitmap_init() to bitmap_deinit().
 * @stamps: by chunk; queues stamp what has a stamp, under the lock it gets its first one, and
 *	loses it
 * @epoch: grows, by the lock's holder
 *
 * Bit arrays by chunk, under the lock:
 * @wanted: what shall be on the legs
 * @durable: what is there for sure, whatever becomes of a write under way
 * @flying: what such a write brings
 * @differ: the legs in sync may differ, until resynchronised
 * @missed: a leg that is not in sync lacks it
 *
 * By block, the unit of writing, under the lock: @work, BITMAP_* below.
 * @keep: a leg is not in sync: what is written is missed by it
 *
 * Invariants: a stamp means wanted and durable; differ and missed mean wanted; a block whose
 * wanted is not durable, or the reverse, has work or is flying.
 */
struct bitmap {
	u8 uuid[16];
	u8 shift;
	u32 nr, nr_blocks;
	u32 block_bytes, block_bits;
	_Atomic u32 epoch;
	_Atomic u32 *stamps;
	u8 *wanted, *durable, *flying, *differ, *missed;
	u8 *work;
	bool keep;
};

/* Bit arrays: those above, and others by chunk. */
static inline bool bitmap_test(const u8 *bits, u64 i)
{
	return bits[i / 8] >> i % 8 & 1;
}

static inline void bitmap_set(u8 *bits, u64 i)
{
	bits[i / 8] |= 1U << i % 8;
}

static inline void bitmap_clear(u8 *bits, u64 i)
{
	bits[i / 8] &= ~(1U << i % 8);
}

/*
 * A queue takes up the present epoch, before a batch of requests, and puts it down before it
 * waits for the next one: so an idle queue holds up nothing.  Writes may be under way meanwhile.
 */
static inline u32 bitmap_queue_enter(const struct bitmap *b, struct bitmap_queue *q)
{
	u32 epoch = atomic_load_explicit(&b->epoch, memory_order_acquire), seen;

	do {
		seen = epoch;
		atomic_store_explicit(&q->seen, seen, memory_order_relaxed);
		/* Pairs with bitmap_done(): it sees that we are here, or we see its epoch. */
		atomic_thread_fence(memory_order_seq_cst);
		epoch = atomic_load_explicit(&b->epoch, memory_order_acquire);
	} while (unlikely(epoch != seen));
	return epoch;
}

static inline void bitmap_queue_leave(struct bitmap_queue *q)
{
	atomic_store_explicit(&q->seen, BITMAP_AWAY, memory_order_release);
}

/* A write begins, before bitmap_ready(); what ends it gets the same epoch. */
static inline void bitmap_queue_begin(struct bitmap_queue *q, u32 epoch)
{
	_Atomic u32 *writes = &q->writes[epoch % BITMAP_EPOCHS];

	atomic_store_explicit(writes, atomic_load_explicit(writes, memory_order_relaxed) + 1,
			      memory_order_relaxed);
}

/* It has ended on every leg, or was never sent.  Pairs with bitmap_done(). */
static inline void bitmap_queue_end(struct bitmap_queue *q, u32 epoch)
{
	_Atomic u32 *writes = &q->writes[epoch % BITMAP_EPOCHS];

	atomic_store_explicit(writes, atomic_load_explicit(writes, memory_order_relaxed) - 1,
			      memory_order_release);
}

/*
 * May a write be sent now?  true in most cases.  Else ask bitmap_stamp(), and then
 * bitmap_want().
 */
static inline bool bitmap_ready(const struct bitmap *b, u32 epoch, u64 off, u32 len)
{
	u64 chunk = off >> b->shift;

	return likely((off + len - 1) >> b->shift == chunk) &&
	       atomic_load_explicit(&b->stamps[chunk], memory_order_acquire) == epoch;
}

/* The same for any number of chunks, and for those that were stamped in another epoch. */
bool bitmap_stamp(struct bitmap *b, u32 epoch, u64 off, u32 len);

/* -------------------- the record's lock is held below this line -------------------- */

/* @size bytes of data, chunks of 2^@shift, written in blocks of 2^@lbs_shift.  0 or -ENOMEM. */
int bitmap_init(struct bitmap *b, const u8 uuid[16], u64 size, u8 shift, u8 lbs_shift);
void bitmap_deinit(struct bitmap *b);

/*
 * For a write that bitmap_stamp() has refused: true, it may be sent; false, it has to wait
 * until a block has been written, and then ask again.
 */
bool bitmap_want(struct bitmap *b, u32 epoch, u64 off, u32 len);

/*
 * What has to be written: fills block_bytes at @buf and returns the block's number; -1:
 * nothing.  @lazy: also what nobody waits for.  The block is to be written at its number
 * times block_bytes, to every leg that gets events, durably, and then bitmap_wrote() called.
 * Any number of blocks may be under way.
 */
int bitmap_take(struct bitmap *b, bool lazy, void *buf);

/* The same of one block, if writes wait for it; false: nobody does, or it is being written. */
bool bitmap_take_block(struct bitmap *b, unsigned int block, void *buf);

/* The block that has all bits of a write; -1: there are several. */
int bitmap_block(const struct bitmap *b, u64 off, u32 len);

/* It is being written. */
bool bitmap_is_flying(const struct bitmap *b, unsigned int block);

/* It has bits to clear; some block has. */
bool bitmap_is_lazy(const struct bitmap *b, unsigned int block);
bool bitmap_has_lazy(const struct bitmap *b);

/* @ok: on every leg that is left.  If not, it has to be written again. */
void bitmap_wrote(struct bitmap *b, unsigned int block, bool ok);

/* All of it has to be written: a leg has joined. */
void bitmap_write_all(struct bitmap *b);

/* No block waits to be written, but for bits to clear, or is being written. */
bool bitmap_is_written(const struct bitmap *b);

/*
 * Serving begins: sector @index as it was found on each leg in sync, @nr of them.  Where none
 * is whole, all bits are set.  Returns how many were whole.
 */
unsigned int bitmap_load(struct bitmap *b, u32 index, const void *const *sectors, unsigned int nr);

/* After all sectors: what the bits mean.  Both false: nothing, they are cleared by and by. */
void bitmap_loaded(struct bitmap *b, bool differ, bool missed);

/*
 * The latest epoch whose writes have all ended, and that no queue compares with; 0: none.
 */
u32 bitmap_done(const struct bitmap *b, const struct bitmap_queue *queues, unsigned int nr);

/* The next epoch, when @done is bitmap_done() of all queues.  false: writes under way are too old for it. */
bool bitmap_advance(struct bitmap *b, u32 done);

/*
 * Clear the bits of chunks that were written in @done or before, and that nothing else keeps.
 * Returns how many.  With @keep they are missed instead.  Between bitmap_done() and this, every
 * leg is flushed: what is in a cache may be lost on one leg only.
 */
u32 bitmap_age(struct bitmap *b, u32 done);

/* Would it clear any?  If not, no leg need be flushed. */
bool bitmap_can_age(const struct bitmap *b, u32 done);

/* bitmap_age() for a clean stop: no write is under way, none will come, and every leg is flushed. */
u32 bitmap_age_all(struct bitmap *b);

/* A write has failed on every leg: they may differ there.  Its bits are durable. */
void bitmap_differ(struct bitmap *b, u64 off, u32 len);

/* A chunk has been copied, and the leg flushed: legs in sync agree there; nobody lacks it. */
void bitmap_agreed(struct bitmap *b, u32 chunk);
void bitmap_caught_up(struct bitmap *b, u32 chunk);

/* Whatever has a bit is missed: a leg joins that has got none of the writes so far. */
void bitmap_miss_all(struct bitmap *b);

/* Every leg is in sync: nobody lacks anything. */
void bitmap_whole(struct bitmap *b);

/* How many chunks are set, for status. */
u32 bitmap_count_differ(const struct bitmap *b);
u32 bitmap_count_missed(const struct bitmap *b);

#endif
