// SPDX-License-Identifier: GPL-2.0
/*
 * The bitmap on the legs.  Blocks are written independently of each other, of events, and of
 * the flush before bits are cleared, which may take long: a write that waits for its bit waits
 * for one write of its block, or two.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../clock.h"
#include "record_bits.h"
#include "record_io.h"

/* The next pass of ageing, if there is to be one.  Under the lock. */
static void record_age_later(struct record *r)
{
	r->ageing = record_age_due(r);
	r->age_at = clock_ms() + r->age_ms;
}

/* Loading. */

/* A leg's bitmap.  What cannot be read is 0, which is no whole sector: it has no opinion. */
static void record_bits_read(const struct record_leg *leg, u8 *buf, size_t bytes, size_t block)
{
	memset(buf, 0, bytes);
	if (pread(leg->fd, buf, bytes, leg->own.bitmap_offset) == (ssize_t)bytes)
		return;
	for (size_t at = 0; at < bytes; at += block)
		if (pread(leg->fd, buf + at, block, leg->own.bitmap_offset + at) != (ssize_t)block)
			memset(buf + at, 0, block);
}

/* @nr bitmaps, @stride bytes apart. */
static void record_bits_load_sectors(struct record *r, const u8 *bufs, unsigned int nr,
				     size_t stride)
{
	u32 nr_sectors = r->bits.nr_blocks * (r->bits.block_bytes / SECTOR_SIZE);
	const void *sectors[FORMAT_LEGS];

	for (u32 index = 0; index < nr_sectors; index++) {
		for (unsigned int i = 0; i < nr; i++)
			sectors[i] = bufs + i * stride + index * SECTOR_SIZE;
		bitmap_load(&r->bits, index, sectors, nr);
	}
}

/* Legs that are here, and are being rebuilt: no write has passed them by yet.  Under the lock. */
static int record_bits_rebuilding(struct record *r)
{
	u32 slots = super_slots(&r->set, FORMAT_REBUILDING) & r->here & ~r->gone;
	int ret = 0;

	r->sent = slots;
	for (; slots && !ret; slots &= slots - 1)
		ret = record_find_lacks(r, __builtin_ctz(slots));
	return ret;
}

int record_bits_load(struct record *r)
{
	size_t stride = round_up_u64((u64)r->bits.nr_blocks * r->bits.block_bytes, FORMAT_ALIGN);
	u32 from = record_in_sync(r), away;
	u8 *bufs = aligned_alloc(FORMAT_ALIGN, stride * __builtin_popcount(from));
	unsigned int nr = 0;
	int ret;

	if (!bufs)
		return -ENOMEM;
	for (; from; from &= from - 1)
		record_bits_read(&r->legs[__builtin_ctz(from)], bufs + nr++ * stride, stride,
				 r->bits.block_bytes);
	pthread_mutex_lock(&r->lock);
	away = super_slots(&r->set, FORMAT_STALE) | super_slots(&r->set, FORMAT_FAILED) |
	       super_slots(&r->set, FORMAT_REBUILDING);
	record_bits_load_sectors(r, bufs, nr, stride);
	bitmap_loaded(&r->bits, r->set.source != FORMAT_NO_SOURCE, away);
	ret = record_bits_rebuilding(r);
	record_keep(r);
	r->differs = bitmap_count_differ(&r->bits);
	record_age_later(r);
	pthread_mutex_unlock(&r->lock);
	free(bufs);
	return ret;
}

/* Blocks. */

static void record_bits_block_done(struct record *r, struct record_op *op)
{
	/* Dropped before the bit counts: no write goes to a leg that does not have its bit. */
	u32 stay = op->failed ? record_drop(r, op->failed, op->err) : 0;

	pthread_mutex_lock(&r->lock);
	bitmap_wrote(&r->bits, op->block, !stay);
	r->thread_writes = false;
	pthread_mutex_unlock(&r->lock);
	r->wake_writes = true;
	if (stay)
		record_break(r, op->err[__builtin_ctz(stay)]);
}

void record_bits_start(struct record *r)
{
	for (unsigned int i = RECORD_BLOCK0; i < RECORD_OPS; i++) {
		struct record_op *op = &r->ops[i];
		int block;

		if (op->left)
			continue;
		pthread_mutex_lock(&r->lock);
		block = bitmap_take(&r->bits, r->lazy, op->buf);
		r->blocks += block >= 0;
		/* One that is being written is cleared behind that. */
		r->lazy &= block >= 0 || bitmap_has_lazy(&r->bits);
		pthread_mutex_unlock(&r->lock);
		if (block < 0)
			return;
		op->block = block;
		record_io_send(r, i, change_writers(&r->set) & record_usable(r),
			       record_bits_block_done);
	}
}

/* Ageing. */

/* Queues stand apart from each other. */
u32 record_bits_done(const struct record *r)
{
	u32 done = bitmap_done(&r->bits, NULL, 0);

	for (unsigned int i = 0; i < r->nr_queues; i++)
		done = min_u64(done, bitmap_done(&r->bits, &r->queues[i].bits, 1));
	return done;
}

static bool record_queue_quiet(const struct bitmap_queue *q)
{
	for (unsigned int i = 0; i < BITMAP_EPOCHS; i++)
		if (atomic_load_explicit(&q->writes[i], memory_order_acquire))
			return false;
	return true;
}

bool record_bits_quiet(const struct record *r)
{
	for (unsigned int i = 0; i < r->nr_queues; i++)
		if (!record_queue_quiet(&r->queues[i].bits))
			return false;
	return true;
}

void record_bits_look(struct record *r)
{
	for (unsigned int i = 0; r->look && i < r->nr_queues; i++)
		if (!record_queue_quiet(&r->queues[i].bits))
			r->look(r->arg, i);
}

/* The end of a pass.  Under the lock.  @flushed: every leg was, or nothing will be cleared. */
static void record_age_pass(struct record *r, bool flushed)
{
	if (flushed && bitmap_age(&r->bits, r->done))
		r->lazy = true;
	bitmap_advance(&r->bits, record_bits_done(r));
	record_age_later(r);
}

static void record_age_flushed(struct record *r, struct record_op *op)
{
	u32 stay = op->failed ? record_drop(r, op->failed, op->err) : 0;

	pthread_mutex_lock(&r->lock);
	record_age_pass(r, !stay);
	pthread_mutex_unlock(&r->lock);
}

void record_bits_age(struct record *r)
{
	bool flush = false, due;

	if (r->ops[RECORD_FLUSH].left || r->broken)
		return;
	pthread_mutex_lock(&r->lock);
	due = r->ageing && clock_ms() >= r->age_at;
	if (due) {
		r->done = record_bits_done(r);
		flush = bitmap_can_age(&r->bits, r->done);
		if (!flush)
			record_age_pass(r, true);
	}
	pthread_mutex_unlock(&r->lock);
	/* What has ended without a word is seen in the next pass. */
	if (due)
		record_bits_look(r);
	if (flush)
		record_io_send(r, RECORD_FLUSH, record_with_data(r), record_age_flushed);
}
