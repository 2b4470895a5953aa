// SPDX-License-Identifier: GPL-2.0
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bitmap.h"
#include "super.h"

/* A block's work. */
#define BITMAP_LAZY	(1U << 0)	/* bits to clear */
#define BITMAP_URGENT	(1U << 1)	/* bits to set, which writes wait for */
#define BITMAP_FLYING	(1U << 2)	/* is being written */

/* Room for whole sectors, so that these are copied without a look at the end. */
static u8 *bitmap_bits(const struct bitmap *b)
{
	return calloc(b->nr_blocks, b->block_bits / 8);
}

int bitmap_init(struct bitmap *b, const u8 uuid[16], u64 size, u8 shift, u8 lbs_shift)
{
	memset(b, 0, sizeof(*b));
	memcpy(b->uuid, uuid, sizeof(b->uuid));
	b->shift = shift;
	b->nr = ((size - 1) >> shift) + 1;
	b->block_bytes = 1U << lbs_shift;
	b->block_bits = (b->block_bytes / SECTOR_SIZE) * FORMAT_SECTOR_BITS;
	b->nr_blocks = (b->nr - 1) / b->block_bits + 1;
	b->epoch = BITMAP_FIRST_EPOCH + 1;
	b->stamps = calloc(b->nr, sizeof(*b->stamps));
	b->wanted = bitmap_bits(b);
	b->durable = bitmap_bits(b);
	b->flying = bitmap_bits(b);
	b->differ = bitmap_bits(b);
	b->missed = bitmap_bits(b);
	b->work = calloc(b->nr_blocks, 1);
	if (b->stamps && b->wanted && b->durable && b->flying && b->differ && b->missed && b->work)
		return 0;
	bitmap_deinit(b);
	return -ENOMEM;
}

void bitmap_deinit(struct bitmap *b)
{
	free(b->stamps);
	free(b->wanted);
	free(b->durable);
	free(b->flying);
	free(b->differ);
	free(b->missed);
	free(b->work);
	memset(b, 0, sizeof(*b));
}

/* 64 bits, which a block has any number of: what is done with all of one is done by words, as a write waits for it. */
static u64 bitmap_word(const u8 *bits, u32 nr)
{
	u64 word;

	memcpy(&word, bits + nr * sizeof(word), sizeof(word));
	return le64toh(word);
}

static void bitmap_set_word(u8 *bits, u32 nr, u64 word)
{
	word = htole64(word);
	memcpy(bits + nr * sizeof(word), &word, sizeof(word));
}

static bool bitmap_stamp_chunk(struct bitmap *b, u32 epoch, u64 chunk)
{
	u32 stamp = atomic_load_explicit(&b->stamps[chunk], memory_order_acquire);

	/* Who clears the bit takes the stamp away first: one of the two comes too late. */
	while (stamp != BITMAP_UNSTAMPED && stamp < epoch)
		if (atomic_compare_exchange_weak_explicit(&b->stamps[chunk], &stamp, epoch,
							  memory_order_acq_rel, memory_order_acquire))
			return true;
	return stamp != BITMAP_UNSTAMPED;
}

bool bitmap_stamp(struct bitmap *b, u32 epoch, u64 off, u32 len)
{
	u64 last = (off + len - 1) >> b->shift;

	for (u64 chunk = off >> b->shift; chunk <= last; chunk++)
		if (!bitmap_stamp_chunk(b, epoch, chunk))
			return false;
	return true;
}

static void bitmap_want_chunk(struct bitmap *b, u32 epoch, u32 chunk)
{
	if (bitmap_stamp_chunk(b, epoch, chunk))
		return;
	bitmap_set(b->wanted, chunk);
	if (bitmap_test(b->durable, chunk))
		atomic_store_explicit(&b->stamps[chunk], epoch, memory_order_release);
	else if (!(b->work[chunk / b->block_bits] & BITMAP_FLYING) || !bitmap_test(b->flying, chunk))
		b->work[chunk / b->block_bits] |= BITMAP_URGENT;
}

bool bitmap_want(struct bitmap *b, u32 epoch, u64 off, u32 len)
{
	u64 last = (off + len - 1) >> b->shift;

	/* All of them, so that one block written serves them all. */
	for (u64 chunk = off >> b->shift; chunk <= last; chunk++)
		bitmap_want_chunk(b, epoch, chunk);
	return bitmap_stamp(b, epoch, off, len);
}

static void bitmap_encode(const struct bitmap *b, unsigned int block, u8 *buf)
{
	u32 sectors = b->block_bytes / SECTOR_SIZE;

	for (u32 i = 0; i < sectors; i++) {
		u32 index = block * sectors + i;

		super_bits_encode(b->uuid, index, b->flying + index * (FORMAT_SECTOR_BITS / 8),
				  buf + i * SECTOR_SIZE);
	}
}

/* Has it @kinds of work?  Then it is being written from now on. */
static bool bitmap_take_for(struct bitmap *b, unsigned int block, u8 kinds, void *buf)
{
	u32 bytes = b->block_bits / 8;
	u8 *durable = b->durable + block * bytes, *wanted = b->wanted + block * bytes;
	u8 work = b->work[block];

	if (!(work & kinds) || work & BITMAP_FLYING)
		return false;
	b->work[block] = BITMAP_FLYING;
	memcpy(b->flying + block * bytes, wanted, bytes);
	/* A bit that this write clears cannot be relied on from now. */
	for (u32 nr = 0; work & BITMAP_LAZY && nr < bytes / sizeof(u64); nr++)
		bitmap_set_word(durable, nr, bitmap_word(durable, nr) & bitmap_word(wanted, nr));
	bitmap_encode(b, block, buf);
	return true;
}

int bitmap_take(struct bitmap *b, bool lazy, void *buf)
{
	u8 kinds = BITMAP_URGENT | (lazy ? BITMAP_LAZY : 0);

	for (unsigned int block = 0; block < b->nr_blocks; block++)
		if (bitmap_take_for(b, block, kinds, buf))
			return block;
	return -1;
}

bool bitmap_take_block(struct bitmap *b, unsigned int block, void *buf)
{
	return bitmap_take_for(b, block, BITMAP_URGENT, buf);
}

int bitmap_block(const struct bitmap *b, u64 off, u32 len)
{
	u64 first = (off >> b->shift) / b->block_bits, last = ((off + len - 1) >> b->shift) / b->block_bits;

	return first == last ? (int)first : -1;
}

bool bitmap_is_flying(const struct bitmap *b, unsigned int block)
{
	return b->work[block] & BITMAP_FLYING;
}

bool bitmap_is_lazy(const struct bitmap *b, unsigned int block)
{
	return b->work[block] & BITMAP_LAZY;
}

bool bitmap_has_lazy(const struct bitmap *b)
{
	for (unsigned int block = 0; block < b->nr_blocks; block++)
		if (bitmap_is_lazy(b, block))
			return true;
	return false;
}

static void bitmap_chunk_wrote(struct bitmap *b, u32 chunk)
{
	u32 epoch = atomic_load_explicit(&b->epoch, memory_order_relaxed);

	bitmap_set(b->durable, chunk);
	/* So that it is cleared one day, even if who wanted it does not come back. */
	if (atomic_load_explicit(&b->stamps[chunk], memory_order_relaxed) == BITMAP_UNSTAMPED)
		atomic_store_explicit(&b->stamps[chunk], epoch, memory_order_release);
}

void bitmap_wrote(struct bitmap *b, unsigned int block, bool ok)
{
	u32 words = b->block_bits / 64, first = block * words;
	const u8 *flying = b->flying, *durable = b->durable;

	b->work[block] &= ~BITMAP_FLYING;
	if (!ok) {
		b->work[block] |= BITMAP_URGENT;
		return;
	}
	/* Behind the end there is nothing, see bitmap_loaded(). */
	for (u32 nr = first; nr < first + words; nr++)
		for (u64 more = bitmap_word(flying, nr) & ~bitmap_word(durable, nr); more; more &= more - 1)
			bitmap_chunk_wrote(b, nr * 64 + __builtin_ctzll(more));
}

void bitmap_write_all(struct bitmap *b)
{
	for (unsigned int block = 0; block < b->nr_blocks; block++)
		b->work[block] |= BITMAP_URGENT;
}

bool bitmap_is_written(const struct bitmap *b)
{
	for (unsigned int block = 0; block < b->nr_blocks; block++)
		if (b->work[block] & (BITMAP_URGENT | BITMAP_FLYING))
			return false;
	return true;
}

unsigned int bitmap_load(struct bitmap *b, u32 index, const void *const *sectors, unsigned int nr)
{
	u8 *wanted = b->wanted + index * (FORMAT_SECTOR_BITS / 8);
	u8 bits[FORMAT_SECTOR_BITS / 8];
	unsigned int whole = 0;

	for (unsigned int i = 0; i < nr; i++) {
		if (super_bits_decode(b->uuid, index, sectors[i], bits))
			continue;
		whole++;
		for (u32 j = 0; j < sizeof(bits); j++)
			wanted[j] |= bits[j];
	}
	if (!whole)
		memset(wanted, 0xff, sizeof(bits));
	return whole;
}

void bitmap_loaded(struct bitmap *b, bool differ, bool missed)
{
	/* Behind the end there is nothing. */
	for (u32 i = b->nr; i < b->nr_blocks * b->block_bits; i++)
		bitmap_clear(b->wanted, i);
	for (u32 i = 0; i < b->nr; i++) {
		if (!bitmap_test(b->wanted, i))
			continue;
		if (differ)
			bitmap_set(b->differ, i);
		if (missed)
			bitmap_set(b->missed, i);
	}
	/* Not every leg need have had them all; written, they are stamped, and cleared one day. */
	bitmap_write_all(b);
}

/* Whether writes of @epoch or before are over on one queue. */
static bool bitmap_queue_done(const struct bitmap_queue *q, u32 epoch)
{
	return atomic_load_explicit(&q->seen, memory_order_acquire) > epoch &&
	       !atomic_load_explicit(&q->writes[epoch % BITMAP_EPOCHS], memory_order_acquire);
}

u32 bitmap_done(const struct bitmap *b, const struct bitmap_queue *queues, unsigned int nr)
{
	u32 epoch = atomic_load_explicit(&b->epoch, memory_order_relaxed);
	u32 oldest = epoch >= BITMAP_EPOCHS ? epoch - BITMAP_EPOCHS + 1 : BITMAP_FIRST_EPOCH;

	/* Pairs with bitmap_queue_enter(). */
	atomic_thread_fence(memory_order_seq_cst);
	/* Before the oldest that has a count of its own, all is over: bitmap_advance() sees to it. */
	for (u32 e = oldest; e < epoch; e++)
		for (unsigned int i = 0; i < nr; i++)
			if (!bitmap_queue_done(&queues[i], e))
				return e - 1;
	return epoch - 1;
}

bool bitmap_advance(struct bitmap *b, u32 done)
{
	u32 epoch = atomic_load_explicit(&b->epoch, memory_order_relaxed);

	/* The next one takes the count of the one that is BITMAP_EPOCHS before. */
	if (epoch + 1 > BITMAP_EPOCHS && done < epoch + 1 - BITMAP_EPOCHS)
		return false;
	atomic_store_explicit(&b->epoch, epoch + 1, memory_order_release);
	return true;
}

/* Has it a stamp, @done or older?  In *stamp. */
static bool bitmap_is_old(const struct bitmap *b, u32 chunk, u32 done, u32 *stamp)
{
	*stamp = atomic_load_explicit(&b->stamps[chunk], memory_order_relaxed);
	return *stamp != BITMAP_UNSTAMPED && *stamp <= done;
}

static bool bitmap_is_kept(const struct bitmap *b, u32 chunk)
{
	return bitmap_test(b->differ, chunk) || bitmap_test(b->missed, chunk);
}

bool bitmap_can_age(const struct bitmap *b, u32 done)
{
	u32 stamp;

	for (u32 chunk = 0; !b->keep && chunk < b->nr; chunk++)
		if (bitmap_is_old(b, chunk, done, &stamp) && !bitmap_is_kept(b, chunk))
			return true;
	return false;
}

static bool bitmap_age_chunk(struct bitmap *b, u32 chunk, u32 done)
{
	u32 stamp;

	if (!bitmap_is_old(b, chunk, done, &stamp))
		return false;
	if (b->keep)
		bitmap_set(b->missed, chunk);
	if (bitmap_is_kept(b, chunk))
		return false;
	/* A queue that stamps it just now has it: it stays. */
	if (!atomic_compare_exchange_strong_explicit(&b->stamps[chunk], &stamp, BITMAP_UNSTAMPED,
						     memory_order_acq_rel, memory_order_relaxed))
		return false;
	bitmap_clear(b->wanted, chunk);
	b->work[chunk / b->block_bits] |= BITMAP_LAZY;
	return true;
}

u32 bitmap_age(struct bitmap *b, u32 done)
{
	u32 nr = 0;

	for (u32 chunk = 0; chunk < b->nr; chunk++)
		nr += bitmap_age_chunk(b, chunk, done);
	return nr;
}

u32 bitmap_age_all(struct bitmap *b)
{
	return bitmap_age(b, UINT32_MAX);
}

void bitmap_differ(struct bitmap *b, u64 off, u32 len)
{
	u64 last = (off + len - 1) >> b->shift;

	for (u64 chunk = off >> b->shift; chunk <= last; chunk++)
		bitmap_set(b->differ, chunk);
}

void bitmap_agreed(struct bitmap *b, u32 chunk)
{
	bitmap_clear(b->differ, chunk);
}

void bitmap_caught_up(struct bitmap *b, u32 chunk)
{
	bitmap_clear(b->missed, chunk);
}

void bitmap_miss_all(struct bitmap *b)
{
	for (u32 i = 0; i < b->nr_blocks * (b->block_bits / 8); i++)
		b->missed[i] |= b->wanted[i];
}

void bitmap_whole(struct bitmap *b)
{
	memset(b->missed, 0, b->nr_blocks * (b->block_bits / 8));
	b->keep = false;
}

static u32 bitmap_count(const struct bitmap *b, const u8 *bits)
{
	u32 nr = 0;

	for (u32 i = 0; i < b->nr_blocks * (b->block_bits / 8); i++)
		nr += __builtin_popcount(bits[i]);
	return nr;
}

u32 bitmap_count_differ(const struct bitmap *b)
{
	return bitmap_count(b, b->differ);
}

u32 bitmap_count_missed(const struct bitmap *b)
{
	return bitmap_count(b, b->missed);
}
