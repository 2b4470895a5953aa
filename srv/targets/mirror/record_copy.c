// SPDX-License-Identifier: GPL-2.0
/*
 * What is to be copied.  A leg that is being rebuilt has a bit array of what it lacks (r->lacks):
 * the bitmap's missed bits are for all legs that are away, of which it is one no more.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../../clock.h"
#include "record.h"
#include "record_bits.h"

#define RECORD_SYNC_US	200
#define RECORD_ASK_MS	5	/* queues that may not know what has ended are asked so often */

/* Epochs. */

static void record_sync_pause(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = RECORD_SYNC_US * 1000 }, NULL);
}

bool record_sync(struct record *r, const _Atomic bool *stop, unsigned int ms)
{
	u32 began = atomic_load_explicit(&r->bits.epoch, memory_order_acquire);
	u64 look = clock_ms(), end = look + ms;
	bool done;

	for (;;) {
		pthread_mutex_lock(&r->lock);
		if (atomic_load_explicit(&r->bits.epoch, memory_order_relaxed) == began)
			bitmap_advance(&r->bits, record_bits_done(r));
		done = record_bits_done(r) >= began;
		pthread_mutex_unlock(&r->lock);
		if (done)
			return true;
		if (*stop || clock_ms() >= end)
			return false;
		if (clock_ms() >= look) {
			record_bits_look(r);
			look = clock_ms() + RECORD_ASK_MS;
		}
		record_sync_pause();
	}
}

u32 record_epoch(struct record *r)
{
	return atomic_load_explicit(&r->bits.epoch, memory_order_acquire);
}

bool record_is_busy(struct record *r, u32 since)
{
	for (unsigned int i = 0; i < r->nr_queues; i++)
		if (atomic_load_explicit(&r->queues[i].epoch, memory_order_relaxed) >= since)
			return true;
	return false;
}

/* Legs that join. */

bool record_has_bitmap(struct record *r, unsigned int slot)
{
	bool ret;

	pthread_mutex_lock(&r->lock);
	ret = !(r->unwritten & r->here & ~r->gone & 1U << slot);
	pthread_mutex_unlock(&r->lock);
	return ret;
}

void record_joined(struct record *r, unsigned int slot)
{
	pthread_mutex_lock(&r->lock);
	r->sent |= 1U << slot;
	pthread_mutex_unlock(&r->lock);
}

/* Those that get writes.  Under the lock. */
static u32 record_rebuilding(const struct record *r)
{
	return super_slots(&r->set, FORMAT_REBUILDING) & r->sent & r->here & ~r->gone;
}

/* Of these, those of which it is not known yet what they lack. */
static u32 record_taken_up_next(const struct record *r)
{
	u32 slots = record_rebuilding(r);

	for (u32 rest = slots; rest; rest &= rest - 1)
		if (r->lacks[__builtin_ctz(rest)])
			slots &= ~(rest & -rest);
	return slots;
}

int record_take_up(struct record *r, const _Atomic bool *stop, unsigned int ms)
{
	int ret = 0;
	u32 slots;

	pthread_mutex_lock(&r->lock);
	slots = record_taken_up_next(r);
	pthread_mutex_unlock(&r->lock);
	if (!slots)
		return 0;
	if (!record_sync(r, stop, ms))
		return -EBUSY;
	pthread_mutex_lock(&r->lock);
	/* Whatever was written before, wherever it is by now. */
	bitmap_miss_all(&r->bits);
	for (slots &= record_taken_up_next(r); slots && !ret; slots &= slots - 1)
		ret = record_find_lacks(r, __builtin_ctz(slots));
	record_keep(r);
	pthread_mutex_unlock(&r->lock);
	return ret;
}

/* What is to be copied. */

static u32 record_lacking(const struct record *r, u32 slots, u32 chunk)
{
	u32 lacking = 0;

	for (; slots; slots &= slots - 1) {
		unsigned int slot = __builtin_ctz(slots);

		if (r->lacks[slot] && bitmap_test(r->lacks[slot], chunk))
			lacking |= 1U << slot;
	}
	return lacking;
}

/* Does it differ, or is it lacked?  If so, in *dst by whom. */
static bool record_wants_copy(const struct record *r, u32 chunk, u32 *dst)
{
	u32 rebuilding = record_rebuilding(r);

	*dst = record_lacking(r, rebuilding, chunk);
	if (!bitmap_test(r->bits.differ, chunk))
		return *dst;
	/* A write that failed everywhere may have left any of them with a part of it. */
	*dst = (record_in_sync_locked(r) | rebuilding) & ~(1U << record_source_slot(r));
	return true;
}

bool record_next(struct record *r, u32 from, struct record_work *w)
{
	u32 dst, chunk;

	pthread_mutex_lock(&r->lock);
	for (chunk = from; chunk < r->bits.nr; chunk++)
		if (record_wants_copy(r, chunk, &dst))
			break;
	if (chunk < r->bits.nr) {
		w->chunk = chunk;
		w->off = (u64)chunk << r->bits.shift;
		w->len = min_u64(1ULL << r->bits.shift, r->set.size - w->off);
		w->src = record_source_slot(r);
		w->dst = dst;
		w->sources = record_in_sync_locked(r);
		w->differed = r->differed;
	}
	pthread_mutex_unlock(&r->lock);
	return chunk < r->bits.nr;
}

u64 record_todo(struct record *r)
{
	u64 bytes = 0;
	u32 dst;

	pthread_mutex_lock(&r->lock);
	for (u32 chunk = 0; chunk < r->bits.nr; chunk++)
		if (record_wants_copy(r, chunk, &dst))
			bytes += 1ULL << r->bits.shift;
	bytes = min_u64(bytes, r->set.size);
	pthread_mutex_unlock(&r->lock);
	return bytes;
}

/* Nobody lacks it any more, and nobody is away who may. */
static bool record_nobody_lacks(const struct record *r, u32 chunk)
{
	return !r->bits.keep && !record_lacking(r, record_rebuilding(r), chunk);
}

void record_copied(struct record *r, const struct record_work *w)
{
	u32 others;

	pthread_mutex_lock(&r->lock);
	for (u32 rest = w->dst; rest; rest &= rest - 1)
		if (r->lacks[__builtin_ctz(rest)])
			bitmap_clear(r->lacks[__builtin_ctz(rest)], w->chunk);
	others = (record_in_sync_locked(r) | record_rebuilding(r)) & ~(1U << w->src) & ~w->dst;
	/* If another write has failed everywhere meanwhile, it may have been in this chunk. */
	if (!others && w->differed == r->differed)
		bitmap_agreed(&r->bits, w->chunk);
	if (record_nobody_lacks(r, w->chunk))
		bitmap_caught_up(&r->bits, w->chunk);
	record_age_soon(r);
	record_unlock_kick(r);
}

u32 record_complete(struct record *r)
{
	u32 slots = 0;

	pthread_mutex_lock(&r->lock);
	for (u32 rest = record_rebuilding(r); rest; rest &= rest - 1)
		if (record_lacks_nothing(r, __builtin_ctz(rest)))
			slots |= rest & -rest;
	pthread_mutex_unlock(&r->lock);
	return slots;
}

bool record_has_source(struct record *r)
{
	bool has;

	pthread_mutex_lock(&r->lock);
	has = r->set.source != FORMAT_NO_SOURCE;
	pthread_mutex_unlock(&r->lock);
	return has;
}

u32 record_readable(struct record *r, u64 off, u64 len)
{
	u32 slots;

	pthread_mutex_lock(&r->lock);
	slots = record_in_sync_locked(r);
	if (record_may_differ(&r->bits, off, len))
		slots = 0;
	pthread_mutex_unlock(&r->lock);
	return slots;
}
