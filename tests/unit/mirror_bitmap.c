// SPDX-License-Identifier: GPL-2.0
/* The write-intent bitmap: what is durable before a write, what is cleared, what is copied. */
#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "targets/mirror/bitmap.h"
#include "targets/mirror/super.h"

#define CHUNK		(1ULL << 20)
#define MAX_BLOCK	4096

static const u8 uuid[16] = { 7 };

static struct bitmap bitmap_of(u64 chunks, u8 lbs_shift)
{
	struct bitmap b;

	cr_assert_eq(bitmap_init(&b, uuid, chunks * CHUNK, 20, lbs_shift), 0);
	return b;
}

/* All that is to be written reaches the legs.  Returns the number of blocks. */
static unsigned int write_all(struct bitmap *b, bool lazy)
{
	u8 buf[MAX_BLOCK];
	unsigned int nr = 0;
	int block;

	for (; (block = bitmap_take(b, lazy, buf)) >= 0; nr++)
		bitmap_wrote(b, block, true);
	return nr;
}

/* Is @chunk's bit in the block that was taken? */
static bool in_block(const struct bitmap *b, const u8 *buf, unsigned int block, u32 chunk)
{
	u32 index = chunk / FORMAT_SECTOR_BITS, first = block * (b->block_bytes / SECTOR_SIZE);
	u8 bits[FORMAT_SECTOR_BITS / 8];

	cr_assert_eq(super_bits_decode(uuid, index, buf + (index - first) * SECTOR_SIZE, bits), 0);
	return bits[chunk % FORMAT_SECTOR_BITS / 8] >> chunk % 8 & 1;
}

static u32 now(const struct bitmap *b)
{
	return atomic_load(&b->epoch);
}

/* An epoch passes, with no write under way. */
static void pass(struct bitmap *b)
{
	cr_assert(bitmap_advance(b, bitmap_done(b, NULL, 0)));
}

Test(mirror_bitmap, a_write_waits_until_its_bit_is_durable)
{
	struct bitmap b = bitmap_of(100, 9);
	u8 buf[MAX_BLOCK];
	int block;

	cr_assert_not(bitmap_ready(&b, now(&b), 5 * CHUNK, 4096));
	cr_assert_not(bitmap_stamp(&b, now(&b), 5 * CHUNK, 4096));
	cr_assert_not(bitmap_want(&b, now(&b), 5 * CHUNK, 4096));
	block = bitmap_take(&b, false, buf);
	cr_assert_eq(block, 0);
	cr_assert(in_block(&b, buf, block, 5));
	cr_assert_not(in_block(&b, buf, block, 4));
	/* under way is not there */
	cr_assert_not(bitmap_want(&b, now(&b), 5 * CHUNK, 4096));
	cr_assert_eq(bitmap_take(&b, true, buf), -1);
	bitmap_wrote(&b, block, true);
	cr_assert(bitmap_ready(&b, now(&b), 5 * CHUNK, 4096));
	cr_assert_not(bitmap_ready(&b, now(&b), 6 * CHUNK, 4096));
	bitmap_deinit(&b);
}

Test(mirror_bitmap, a_write_of_the_bitmap_that_failed_is_done_again)
{
	struct bitmap b = bitmap_of(100, 9);
	u8 buf[MAX_BLOCK];

	bitmap_want(&b, now(&b), 0, 512);
	bitmap_wrote(&b, bitmap_take(&b, false, buf), false);
	cr_assert_not(bitmap_want(&b, now(&b), 0, 512));
	cr_assert_eq(write_all(&b, false), 1);
	cr_assert(bitmap_want(&b, now(&b), 0, 512));
	bitmap_deinit(&b);
}

Test(mirror_bitmap, many_bits_are_one_write)
{
	struct bitmap b = bitmap_of(10000, 9);

	for (u32 chunk = 0; chunk < FORMAT_SECTOR_BITS; chunk++)
		bitmap_want(&b, now(&b), chunk * CHUNK, 512);
	cr_assert_eq(write_all(&b, false), 1);
	for (u32 chunk = 0; chunk < FORMAT_SECTOR_BITS; chunk++)
		cr_assert(bitmap_ready(&b, now(&b), chunk * CHUNK, 512));
	bitmap_deinit(&b);
}

Test(mirror_bitmap, what_comes_while_a_block_is_written_is_in_the_next_write)
{
	struct bitmap b = bitmap_of(100, 9);
	u8 buf[MAX_BLOCK];
	int block;

	bitmap_want(&b, now(&b), 0, 512);
	block = bitmap_take(&b, false, buf);
	for (u32 chunk = 1; chunk < 50; chunk++)
		cr_assert_not(bitmap_want(&b, now(&b), chunk * CHUNK, 512));
	bitmap_wrote(&b, block, true);
	cr_assert(bitmap_ready(&b, now(&b), 0, 512));
	cr_assert_not(bitmap_ready(&b, now(&b), CHUNK, 512));
	cr_assert_eq(write_all(&b, false), 1);
	cr_assert(bitmap_ready(&b, now(&b), 49 * CHUNK, 512));
	bitmap_deinit(&b);
}

Test(mirror_bitmap, a_block_is_taken_alone_when_writes_wait_for_it)
{
	struct bitmap b = bitmap_of(3 * FORMAT_SECTOR_BITS, 9);
	u64 second = FORMAT_SECTOR_BITS * CHUNK;
	u8 buf[MAX_BLOCK];

	cr_assert_eq(bitmap_block(&b, second - 512, 512), 0);
	cr_assert_eq(bitmap_block(&b, second, 1U << 30), 1);
	cr_assert_eq(bitmap_block(&b, second - 512, 1024), -1);
	cr_assert_not(bitmap_take_block(&b, 1, buf), "nobody waits");
	bitmap_want(&b, now(&b), 0, 512);
	bitmap_want(&b, now(&b), second, 512);
	cr_assert(bitmap_take_block(&b, 1, buf));
	cr_assert(in_block(&b, buf, 1, FORMAT_SECTOR_BITS));
	cr_assert(bitmap_is_flying(&b, 1) && !bitmap_is_flying(&b, 0));
	bitmap_want(&b, now(&b), second + CHUNK, 512);
	cr_assert_not(bitmap_take_block(&b, 1, buf), "it is being written");
	bitmap_wrote(&b, 1, true);
	cr_assert_not(bitmap_is_flying(&b, 1));
	cr_assert(bitmap_ready(&b, now(&b), second, 512));
	cr_assert(bitmap_take_block(&b, 1, buf));
	cr_assert(in_block(&b, buf, 1, FORMAT_SECTOR_BITS + 1));
	bitmap_wrote(&b, 1, true);
	cr_assert_eq(bitmap_take(&b, false, buf), 0);
	bitmap_deinit(&b);
}

Test(mirror_bitmap, bits_to_clear_wait_for_nobody_and_are_known)
{
	struct bitmap b = bitmap_of(100, 9);
	u8 buf[MAX_BLOCK];

	bitmap_want(&b, now(&b), 0, 512);
	write_all(&b, false);
	pass(&b);
	cr_assert_not(bitmap_has_lazy(&b));
	cr_assert_eq(bitmap_age(&b, bitmap_done(&b, NULL, 0)), 1);
	cr_assert(bitmap_has_lazy(&b));
	cr_assert_not(bitmap_take_block(&b, 0, buf));
	write_all(&b, true);
	cr_assert_not(bitmap_has_lazy(&b));
	bitmap_deinit(&b);
}

Test(mirror_bitmap, a_write_over_the_edge_wants_every_chunk)
{
	struct bitmap b = bitmap_of(3 * FORMAT_SECTOR_BITS, 9);
	u64 edge = FORMAT_SECTOR_BITS * CHUNK;

	cr_assert_not(bitmap_want(&b, now(&b), edge - 512, 1024));
	cr_assert_eq(write_all(&b, false), 2);
	cr_assert(bitmap_stamp(&b, now(&b), edge - 512, 1024));
	cr_assert(bitmap_ready(&b, now(&b), edge - 512, 512));
	cr_assert(bitmap_ready(&b, now(&b), edge, 512));
	/* one compare does not tell of two */
	cr_assert_not(bitmap_ready(&b, now(&b), edge - 512, 1024));
	bitmap_deinit(&b);
}

Test(mirror_bitmap, blocks_are_those_of_the_set)
{
	struct bitmap b = bitmap_of(3 * 8 * FORMAT_SECTOR_BITS, 12);
	u32 chunk = 8 * FORMAT_SECTOR_BITS + 3 * FORMAT_SECTOR_BITS + 1;
	u8 buf[MAX_BLOCK];

	cr_assert_eq(b.nr_blocks, 3);
	bitmap_want(&b, now(&b), chunk * CHUNK, 512);
	cr_assert_eq(bitmap_take(&b, false, buf), 1);
	cr_assert(in_block(&b, buf, 1, chunk));
	bitmap_deinit(&b);
}

Test(mirror_bitmap, bits_are_cleared_later)
{
	struct bitmap b = bitmap_of(100, 9);
	u8 buf[MAX_BLOCK];
	int block;

	bitmap_want(&b, now(&b), 0, 512);
	write_all(&b, false);
	cr_assert_eq(bitmap_age(&b, bitmap_done(&b, NULL, 0)), 0, "in the same epoch");
	pass(&b);
	cr_assert_eq(bitmap_age(&b, bitmap_done(&b, NULL, 0)), 1);
	cr_assert_eq(bitmap_take(&b, false, buf), -1, "nobody waits for it");
	block = bitmap_take(&b, true, buf);
	cr_assert_eq(block, 0);
	cr_assert_not(in_block(&b, buf, block, 0));
	bitmap_wrote(&b, block, true);
	cr_assert_not(bitmap_want(&b, now(&b), 0, 512));
	bitmap_deinit(&b);
}

Test(mirror_bitmap, what_is_written_all_the_time_stays)
{
	struct bitmap b = bitmap_of(100, 9);

	bitmap_want(&b, now(&b), 0, 512);
	write_all(&b, false);
	for (unsigned int i = 0; i < 10; i++) {
		pass(&b);
		cr_assert_not(bitmap_ready(&b, now(&b), 0, 512), "not with the old epoch's stamp");
		cr_assert(bitmap_stamp(&b, now(&b), 0, 512));
		cr_assert_eq(bitmap_age(&b, bitmap_done(&b, NULL, 0)), 0);
	}
	cr_assert_eq(write_all(&b, true), 0);
	bitmap_deinit(&b);
}

/* Cleared in memory, and still on the legs: no need to write it again. */
Test(mirror_bitmap, a_bit_that_was_not_cleared_yet_is_taken_back)
{
	struct bitmap b = bitmap_of(100, 9);
	u8 buf[MAX_BLOCK];

	bitmap_want(&b, now(&b), 0, 512);
	write_all(&b, false);
	pass(&b);
	cr_assert_eq(bitmap_age(&b, bitmap_done(&b, NULL, 0)), 1);
	cr_assert(bitmap_want(&b, now(&b), 0, 512));
	cr_assert_eq(bitmap_take(&b, false, buf), -1);
	bitmap_deinit(&b);
}

/* M2, in its simplest form */
Test(mirror_bitmap, a_bit_that_is_being_cleared_is_not_relied_on)
{
	struct bitmap b = bitmap_of(100, 9);
	u8 buf[MAX_BLOCK];
	int block;

	bitmap_want(&b, now(&b), 0, 512);
	write_all(&b, false);
	pass(&b);
	bitmap_age(&b, bitmap_done(&b, NULL, 0));
	block = bitmap_take(&b, true, buf);
	cr_assert_not(bitmap_want(&b, now(&b), 0, 512));
	bitmap_wrote(&b, block, true);
	cr_assert_not(bitmap_want(&b, now(&b), 0, 512));
	cr_assert_eq(write_all(&b, false), 1);
	cr_assert(bitmap_want(&b, now(&b), 0, 512));
	bitmap_deinit(&b);
}

/* Epochs and queues. */

Test(mirror_bitmap, a_write_under_way_keeps_its_bit)
{
	struct bitmap b = bitmap_of(100, 9);
	struct bitmap_queue q = { 0 };
	u32 epoch = bitmap_queue_enter(&b, &q);

	bitmap_queue_begin(&q, epoch);
	bitmap_want(&b, epoch, 0, 512);
	write_all(&b, false);
	bitmap_queue_leave(&q);
	for (unsigned int i = 0; i < 10; i++) {
		bitmap_advance(&b, bitmap_done(&b, &q, 1));
		cr_assert_eq(bitmap_age(&b, bitmap_done(&b, &q, 1)), 0);
	}
	bitmap_queue_end(&q, epoch);
	cr_assert_eq(bitmap_age(&b, bitmap_done(&b, &q, 1)), 1);
	bitmap_deinit(&b);
}

Test(mirror_bitmap, a_queue_that_compares_with_an_epoch_keeps_it)
{
	struct bitmap b = bitmap_of(100, 9);
	struct bitmap_queue q[2] = { 0 };
	u32 epoch = bitmap_queue_enter(&b, &q[0]);

	bitmap_queue_enter(&b, &q[1]);
	bitmap_want(&b, epoch, 0, 512);
	write_all(&b, false);
	bitmap_advance(&b, bitmap_done(&b, q, 2));
	bitmap_queue_leave(&q[0]);
	cr_assert_eq(bitmap_done(&b, q, 2), epoch - 1, "queue 1 is still there");
	bitmap_queue_enter(&b, &q[1]);
	cr_assert_eq(bitmap_done(&b, q, 2), epoch);
	bitmap_deinit(&b);
}

Test(mirror_bitmap, an_idle_queue_holds_up_nothing)
{
	struct bitmap b = bitmap_of(100, 9);
	struct bitmap_queue q = { 0 };

	bitmap_queue_enter(&b, &q);
	bitmap_queue_leave(&q);
	for (unsigned int i = 0; i < 10; i++) {
		cr_assert(bitmap_advance(&b, bitmap_done(&b, &q, 1)));
		cr_assert_eq(bitmap_done(&b, &q, 1), now(&b) - 1);
	}
	bitmap_deinit(&b);
}

/* Else its writes would be counted with those of another epoch. */
Test(mirror_bitmap, epochs_wait_for_a_write_that_takes_too_long)
{
	struct bitmap b = bitmap_of(100, 9);
	struct bitmap_queue q = { 0 };
	u32 epoch = bitmap_queue_enter(&b, &q), steps = 0;

	bitmap_queue_begin(&q, epoch);
	bitmap_queue_leave(&q);
	while (bitmap_advance(&b, bitmap_done(&b, &q, 1)))
		cr_assert_lt(++steps, BITMAP_EPOCHS);
	cr_assert_eq(steps, BITMAP_EPOCHS - 1);
	cr_assert_eq(bitmap_done(&b, &q, 1), epoch - 1);
	bitmap_queue_end(&q, epoch);
	cr_assert(bitmap_advance(&b, bitmap_done(&b, &q, 1)));
	bitmap_deinit(&b);
}

/* What is loaded, and what it means. */

static void load(struct bitmap *b, u32 chunk, bool a_whole, bool b_whole, bool differ, bool missed)
{
	u8 sectors[2][SECTOR_SIZE], bits[FORMAT_SECTOR_BITS / 8] = { 0 };
	const void *both[] = { sectors[0], sectors[1] };

	super_bits_encode(uuid, 0, bits, sectors[0]);
	bits[chunk / 8] = 1U << chunk % 8;
	super_bits_encode(uuid, 0, bits, sectors[1]);
	sectors[0][100] ^= !a_whole;
	sectors[1][100] ^= !b_whole;
	cr_assert_eq(bitmap_load(b, 0, both, 2), (unsigned int)a_whole + b_whole);
	bitmap_loaded(b, differ, missed);
}

Test(mirror_bitmap, a_bit_on_one_leg_is_enough)
{
	struct bitmap b = bitmap_of(100, 9);

	load(&b, 3, true, true, true, false);
	cr_assert(bitmap_test(b.differ, 3));
	cr_assert_eq(bitmap_count_differ(&b), 1);
	cr_assert_eq(bitmap_count_missed(&b), 0);
	bitmap_deinit(&b);
}

Test(mirror_bitmap, a_damaged_sector_is_left_to_the_other_leg)
{
	struct bitmap b = bitmap_of(100, 9);

	load(&b, 3, false, true, true, false);
	cr_assert_eq(bitmap_count_differ(&b), 1);
	bitmap_deinit(&b);
}

Test(mirror_bitmap, a_sector_that_is_damaged_on_all_legs_is_all_set)
{
	struct bitmap b = bitmap_of(100, 9);

	load(&b, 3, false, false, true, true);
	cr_assert_eq(bitmap_count_differ(&b), 100);
	cr_assert_eq(bitmap_count_missed(&b), 100);
	bitmap_deinit(&b);
}

Test(mirror_bitmap, what_was_loaded_is_written_to_all_and_stays_until_it_is_copied)
{
	struct bitmap b = bitmap_of(100, 9);

	load(&b, 3, true, true, true, false);
	cr_assert_not(bitmap_want(&b, now(&b), 3 * CHUNK, 512), "one leg may not have it");
	cr_assert_eq(write_all(&b, false), 1);
	cr_assert(bitmap_want(&b, now(&b), 3 * CHUNK, 512));
	pass(&b);
	cr_assert_eq(bitmap_age(&b, bitmap_done(&b, NULL, 0)), 0);
	bitmap_agreed(&b, 3);
	cr_assert_eq(bitmap_age(&b, bitmap_done(&b, NULL, 0)), 1);
	bitmap_deinit(&b);
}

Test(mirror_bitmap, bits_without_a_meaning_go)
{
	struct bitmap b = bitmap_of(100, 9);

	load(&b, 3, true, true, false, false);
	write_all(&b, false);
	pass(&b);
	cr_assert_eq(bitmap_age(&b, bitmap_done(&b, NULL, 0)), 1);
	bitmap_deinit(&b);
}

Test(mirror_bitmap, what_a_leg_misses_stays)
{
	struct bitmap b = bitmap_of(100, 9);

	b.keep = true;
	bitmap_want(&b, now(&b), 7 * CHUNK, 512);
	write_all(&b, false);
	pass(&b);
	cr_assert_eq(bitmap_age(&b, bitmap_done(&b, NULL, 0)), 0);
	cr_assert(bitmap_test(b.missed, 7));
	cr_assert_eq(bitmap_count_missed(&b), 1);
	bitmap_caught_up(&b, 7);
	b.keep = false;
	cr_assert_eq(bitmap_age(&b, bitmap_done(&b, NULL, 0)), 1);
	bitmap_deinit(&b);
}

Test(mirror_bitmap, a_whole_set_misses_nothing)
{
	struct bitmap b = bitmap_of(100, 9);

	load(&b, 3, true, true, false, true);
	b.keep = true;
	write_all(&b, false);
	bitmap_whole(&b);
	cr_assert_eq(bitmap_count_missed(&b), 0);
	cr_assert_eq(bitmap_age_all(&b), 1);
	cr_assert_eq(write_all(&b, true), 1);
	bitmap_deinit(&b);
}

/* M16 */
Test(mirror_bitmap, a_write_that_failed_everywhere_keeps_its_bit)
{
	struct bitmap b = bitmap_of(100, 9);

	bitmap_want(&b, now(&b), 7 * CHUNK, 512);
	write_all(&b, false);
	bitmap_differ(&b, 7 * CHUNK, 512);
	cr_assert_eq(bitmap_age_all(&b), 0);
	cr_assert(bitmap_test(b.differ, 7));
	bitmap_deinit(&b);
}

Test(mirror_bitmap, of_a_leg_that_joins_all_is_written)
{
	struct bitmap b = bitmap_of(3 * FORMAT_SECTOR_BITS, 9);

	write_all(&b, true);
	bitmap_write_all(&b);
	cr_assert_eq(write_all(&b, false), 3);
	bitmap_deinit(&b);
}

/*
 * At random: writes on two queues, blocks written and failing, epochs, bits cleared; and at any
 * moment a crash, which leaves of a block under way what was there or what was to come.
 */

#define CHUNKS	24
#define WRITES	12

struct write {
	bool on, sent;
	unsigned int queue;
	u32 epoch, chunk, nr;
};

struct model {
	struct bitmap b;
	struct bitmap_queue queues[2];
	u32 epochs[2];		/* 0: away */
	struct write writes[WRITES];
	bool disk[CHUNKS], flying[CHUNKS], under_way;
	u64 sent, waited, cleared;
	u32 random;
};

static u32 rnd(struct model *m, u32 n)
{
	m->random = m->random * 1664525 + 1013904223;
	return (m->random >> 8) % n;
}

/* Whatever the legs hold after a crash now, it has the bits of all writes that were sent. */
static void crash_now(const struct model *m)
{
	for (unsigned int i = 0; i < WRITES; i++) {
		const struct write *w = &m->writes[i];

		for (u32 c = w->chunk; w->on && w->sent && c < w->chunk + w->nr; c++) {
			cr_assert(m->disk[c], "chunk %u is written, and its bit is not there", c);
			cr_assert(!m->under_way || m->flying[c], "chunk %u is written, and its bit is going", c);
		}
	}
}

static void try_to_send(struct model *m, struct write *w)
{
	u64 off = w->chunk * CHUNK;
	u32 len = w->nr * CHUNK;

	w->sent = bitmap_ready(&m->b, w->epoch, off, len) || bitmap_stamp(&m->b, w->epoch, off, len) ||
		  bitmap_want(&m->b, w->epoch, off, len);
	m->sent += w->sent;
	m->waited += !w->sent;
}

static void random_write(struct model *m)
{
	struct write *w = &m->writes[rnd(m, WRITES)];

	if (w->on && w->sent) {
		bitmap_queue_end(&m->queues[w->queue], w->epoch);
		w->on = false;
	} else if (w->on) {
		try_to_send(m, w);
	} else {
		*w = (struct write){ .on = true, .queue = rnd(m, 2), .chunk = rnd(m, CHUNKS - 2), .nr = 1 + rnd(m, 3) };
		if (!m->epochs[w->queue])
			m->epochs[w->queue] = bitmap_queue_enter(&m->b, &m->queues[w->queue]);
		w->epoch = m->epochs[w->queue];
		bitmap_queue_begin(&m->queues[w->queue], w->epoch);
		try_to_send(m, w);
	}
}

static void random_block(struct model *m)
{
	u8 buf[MAX_BLOCK];

	if (m->under_way) {
		bool ok = rnd(m, 5);

		for (u32 c = 0; c < CHUNKS; c++)
			if (ok || rnd(m, 2))
				m->disk[c] = m->flying[c];
		m->under_way = false;
		bitmap_wrote(&m->b, 0, ok);
	} else if (rnd(m, 2) ? !bitmap_take(&m->b, rnd(m, 2), buf) : bitmap_take_block(&m->b, 0, buf)) {
		for (u32 c = 0; c < CHUNKS; c++)
			m->flying[c] = in_block(&m->b, buf, 0, c);
		m->under_way = true;
	}
}

static void random_queue(struct model *m)
{
	unsigned int q = rnd(m, 2);

	if (m->epochs[q] && rnd(m, 2)) {
		bitmap_queue_leave(&m->queues[q]);
		m->epochs[q] = 0;
	} else {
		m->epochs[q] = bitmap_queue_enter(&m->b, &m->queues[q]);
	}
}

static void random_run(u32 seed)
{
	struct model m = { .random = seed };

	m.b = bitmap_of(CHUNKS, 9);
	for (unsigned int i = 0; i < 400000; i++) {
		switch (rnd(&m, 8)) {
		case 0 ... 3:
			random_write(&m);
			break;
		case 4 ... 5:
			random_block(&m);
			break;
		case 6:
			random_queue(&m);
			break;
		case 7:
			bitmap_advance(&m.b, bitmap_done(&m.b, m.queues, 2));
			m.cleared += bitmap_age(&m.b, bitmap_done(&m.b, m.queues, 2));
		}
		crash_now(&m);
	}
	cr_assert_gt(m.sent, 20000);
	cr_assert_gt(m.waited, 2000);
	cr_assert_gt(m.cleared, 2000);
	bitmap_deinit(&m.b);
}

Test(mirror_bitmap, no_crash_finds_a_write_without_its_bit)
{
	/* Some faults are rare. */
	for (u32 seed = 1; seed <= 8; seed++)
		random_run(seed);
}

/*
 * The same with threads, as the server has them: two stamp, one clears.  What is stamped has
 * its bit durable as long as the write is under way.
 */

#define MANY	4000	/* chunks, so that not all are written in each epoch */
#define ENOUGH	1000	/* bits that were cleared meanwhile */

static struct bitmap shared;
static struct bitmap_queue shared_queues[2];
static pthread_mutex_t record = PTHREAD_MUTEX_INITIALIZER;
static atomic_uint under_way[MANY];
static atomic_bool over;
static atomic_uint failures, cleared;

static void *one_queue(void *arg)
{
	struct bitmap_queue *q = arg;
	u32 random = q - shared_queues + 1;

	while (!atomic_load(&over)) {
		u32 epoch = bitmap_queue_enter(&shared, q), chunk;
		bool ready;

		random = random * 1664525 + 1013904223;
		/* one in a hundred goes anywhere */
		chunk = random >> 16 & 127 ? 0 : (random >> 8) % MANY;
		bitmap_queue_begin(q, epoch);
		ready = bitmap_ready(&shared, epoch, chunk * CHUNK, 512) ||
			bitmap_stamp(&shared, epoch, chunk * CHUNK, 512);
		while (!ready) {
			pthread_mutex_lock(&record);
			ready = bitmap_want(&shared, epoch, chunk * CHUNK, 512);
			if (!ready)
				write_all(&shared, false);
			pthread_mutex_unlock(&record);
		}
		atomic_fetch_add(&under_way[chunk], 1);
		/* nobody may have taken the stamp away */
		if (!atomic_load(&shared.stamps[chunk]))
			atomic_fetch_add(&failures, 1);
		atomic_fetch_sub(&under_way[chunk], 1);
		bitmap_queue_end(q, epoch);
		bitmap_queue_leave(q);
	}
	return NULL;
}

static void *one_clearer(void *arg)
{
	while (!atomic_load(&over)) {
		pthread_mutex_lock(&record);
		bitmap_advance(&shared, bitmap_done(&shared, shared_queues, 2));
		atomic_fetch_add(&cleared, bitmap_age(&shared, bitmap_done(&shared, shared_queues, 2)));
		write_all(&shared, true);
		for (u32 c = 0; c < MANY; c++)
			if (!atomic_load(&shared.stamps[c]) && atomic_load(&under_way[c]))
				atomic_fetch_add(&failures, 1);
		pthread_mutex_unlock(&record);
	}
	return NULL;
}

static bool is_enough(void *arg)
{
	return atomic_load(&cleared) >= ENOUGH;
}

Test(mirror_bitmap, threads_do_not_lose_a_bit_to_each_other)
{
	pthread_t threads[3];

	shared = bitmap_of(MANY, 9);
	for (unsigned int i = 0; i < 2; i++)
		pthread_create(&threads[i], NULL, one_queue, &shared_queues[i]);
	pthread_create(&threads[2], NULL, one_clearer, NULL);
	wait_until(is_enough, NULL, 60000);
	atomic_store(&over, true);
	for (unsigned int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	cr_assert_eq(atomic_load(&failures), 0);
	cr_assert(is_enough(NULL), "%u bits were cleared in a minute", atomic_load(&cleared));
	bitmap_deinit(&shared);
}
