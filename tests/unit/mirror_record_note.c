// SPDX-License-Identifier: GPL-2.0
/*
 * Blocks of the bitmap that a queue writes itself, for the write that waits for its bit: who writes a
 * block, what it has, who waits for it, and what comes of a leg that has not got it.
 */
#include <criterion/criterion.h>
#include <pthread.h>
#include <string.h>

#include "rig.h"

#define A	(1U << 0)
#define B	(1U << 1)
#define C	(1U << 2)

#define MANY	31U

/* struct asker - a write of a queue's that may bring its bit itself */
struct asker {
	struct rig_waiter wt;
	struct record_note note;
	u32 chunk, epoch;
	u8 buf[1U << FORMAT_LBS_MAX];
};

static void asker(struct asker *a, struct rig *g, u32 chunk)
{
	memset(a, 0, sizeof(*a));
	rig_waiter(&a->wt, g, NULL);
	a->chunk = chunk;
	a->note = (struct record_note){ .files = (1U << g->nr) - 1, .buf = a->buf };
}

static int ask_for(struct asker *a, u32 len)
{
	return rig_ask(a->wt.g, &a->wt, &a->note, a->chunk * RIG_CHUNK, len, &a->epoch);
}

static int ask(struct asker *a)
{
	return ask_for(a, 512);
}

/* Behind the others of the batch. */
static int ask_last(struct asker *a)
{
	a->note.last = true;
	return ask(a);
}

/* The first to ask: its queue is to write the block. */
static void gets_block(struct asker *a, struct rig *g, u32 chunk)
{
	asker(a, g, chunk);
	cr_assert_eq(ask_last(a), RECORD_NOTE);
}

/* It writes its block, to @legs of those that it should. */
static void write_note(struct asker *a, u32 legs)
{
	record_noted(&a->wt.g->r, &a->note, rig_note(a->wt.g, &a->note, legs));
}

static void goes_ahead(struct asker *a)
{
	cr_assert_eq(ask(a), 0, "chunk %u", a->chunk);
	rig_wrote(a->wt.g, a->epoch);
}

/* It is woken when another one has brought its bit. */
static void is_woken_and_goes(struct asker *a)
{
	rig_wait(&a->wt);
	goes_ahead(a);
}

static bool in_note(const struct asker *a, u32 chunk)
{
	u8 bits[FORMAT_SECTOR_BITS / 8];

	cr_assert_eq(super_bits_decode(a->wt.g->r.set.uuid, 0, a->buf, bits), 0);
	return bits[chunk / 8] >> chunk % 8 & 1;
}

/* The thread was not asked for anything. */
static bool is_asleep(struct rig *g)
{
	bool kicked;

	pthread_mutex_lock(&g->r.lock);
	kicked = g->r.kicked;
	pthread_mutex_unlock(&g->r.lock);
	return !kicked;
}

/* Of two legs, and bits are cleared later anyway: the thread is not woken for that. */
static void serve(struct rig *g)
{
	u32 epoch;

	rig_serve(g, 2);
	cr_assert_eq(rig_write(g, 50, &epoch), 0);
	rig_wrote(g, epoch);
	/* One that is still awake would write the first bit that somebody wants. */
	cr_assert(wait_until(rig_rests, g, SOON_MS));
}

/* @a's queue writes the block, for which @b's comes too late. */
static void two_ask(struct rig *g, struct asker *a, struct asker *b)
{
	asker(b, g, 6);
	gets_block(a, g, 5);
	cr_assert_eq(ask_last(b), RECORD_PARKED);
}

Test(mirror_record_note, a_queue_brings_its_bit_itself, .timeout = 60)
{
	struct asker a;
	struct rig g;
	u64 before;

	serve(&g);
	before = rig_blocks(&g);
	asker(&a, &g, 5);
	cr_assert_eq(ask(&a), RECORD_LATER);
	cr_assert_eq(ask_last(&a), RECORD_NOTE);
	cr_assert_eq(a.note.slots, A | B);
	cr_assert(in_note(&a, 5) && in_note(&a, 50) && !in_note(&a, 4));
	cr_assert_eq(rig_bit(&g, 0, 5), 0, "nobody else writes it");
	write_note(&a, A | B);
	cr_assert(rig_bit_on(&g, A | B, 5));
	goes_ahead(&a);
	cr_assert_eq(rig_blocks(&g), before + 1);
	cr_assert(is_asleep(&g));
	rig_end(&g);
	cr_assert(rig_bits_off(&g, A | B));
}

Test(mirror_record_note, one_block_has_the_bits_of_all_that_asked, .timeout = 60)
{
	static struct asker all[MANY];
	struct rig g;
	u64 before;

	serve(&g);
	before = rig_blocks(&g);
	for (u32 i = 0; i < MANY; i++) {
		asker(&all[i], &g, i);
		cr_assert_eq(ask(&all[i]), RECORD_LATER);
	}
	cr_assert_eq(ask_last(&all[0]), RECORD_NOTE);
	for (u32 i = 1; i < MANY; i++) {
		cr_assert(in_note(&all[0], i));
		cr_assert_eq(ask_last(&all[i]), RECORD_PARKED);
	}
	cr_assert(is_asleep(&g), "who writes the block wakes them");
	write_note(&all[0], A | B);
	goes_ahead(&all[0]);
	for (u32 i = 1; i < MANY; i++)
		is_woken_and_goes(&all[i]);
	cr_assert_eq(rig_blocks(&g), before + 1);
	rig_end(&g);
}

Test(mirror_record_note, what_comes_meanwhile_is_in_the_next_block, .timeout = 60)
{
	struct asker a, b;
	struct rig g;

	serve(&g);
	two_ask(&g, &a, &b);
	cr_assert_not(in_note(&a, 6));
	write_note(&a, A | B);
	rig_wait(&b.wt);
	cr_assert_eq(ask(&b), RECORD_NOTE);
	cr_assert(in_note(&b, 5) && in_note(&b, 6));
	write_note(&b, A | B);
	goes_ahead(&a);
	goes_ahead(&b);
	rig_end(&g);
}

/* An older one of two would land last. */
Test(mirror_record_note, nobody_writes_a_block_that_a_queue_is_writing, .timeout = 60)
{
	struct rig_waiter wt;
	struct asker a;
	struct rig g;
	u64 blocks;
	u32 epoch;

	serve(&g);
	gets_block(&a, &g, 5);
	blocks = rig_blocks(&g);
	rig_waiter(&wt, &g, NULL);
	cr_assert_eq(rig_try(&g, &wt, 6, &epoch), RECORD_PARKED);
	/* an event: the thread looks for what there is to do */
	cr_assert_eq(record_mark(&g.r, 0, true), 0);
	sleep_ms(NEVER_MS);
	cr_assert_eq(rig_blocks(&g), blocks);
	cr_assert_eq(rig_bit(&g, 0, 6), 0);
	write_note(&a, A | B);
	rig_wait(&wt);
	cr_assert_eq(rig_write(&g, 6, &epoch), 0);
	cr_assert(rig_bit_on(&g, A | B, 5) && rig_bit_on(&g, A | B, 6));
	rig_wrote(&g, epoch);
	rig_end(&g);
}

/* For want of memory, say. */
Test(mirror_record_note, what_a_leg_has_not_got_the_thread_writes, .timeout = 60)
{
	struct asker a, b;
	struct rig g;

	serve(&g);
	two_ask(&g, &a, &b);
	write_note(&a, A);
	is_woken_and_goes(&b);
	goes_ahead(&a);
	cr_assert(rig_bit_on(&g, A | B, 5) && rig_bit_on(&g, A | B, 6));
	cr_assert_eq(g.told, 0);
	asker(&a, &g, 7);
	cr_assert_eq(ask_last(&a), RECORD_NOTE, "the next one is a queue's again");
	write_note(&a, A | B);
	goes_ahead(&a);
	rig_end(&g);
}

/* Else it would be tried for ever, and nobody would say what comes of it. */
Test(mirror_record_note, meanwhile_no_queue_writes_a_block, .timeout = 60)
{
	struct asker a, b;
	struct rig g;

	serve(&g);
	rig_hold(&g);
	asker(&a, &g, 5);
	asker(&b, &g, 6);
	cr_assert_eq(ask_last(&a), RECORD_NOTE);
	write_note(&a, B);
	cr_assert_eq(ask(&a), RECORD_PARKED);
	cr_assert_eq(ask_last(&b), RECORD_PARKED);
	rig_let_go();
	is_woken_and_goes(&a);
	is_woken_and_goes(&b);
	rig_end(&g);
}

Test(mirror_record_note, a_leg_that_does_not_take_it_is_dropped_before_the_bit_counts, .timeout = 60)
{
	struct asker a;
	struct rig g;

	serve(&g);
	rig_fail(&g, B);
	gets_block(&a, &g, 5);
	write_note(&a, A);
	if (ask(&a) == RECORD_PARKED)
		rig_wait(&a.wt);
	cr_assert_eq(ask(&a), 0);
	cr_assert_eq(g.dropped, B);
	cr_assert(rig_bit_on(&g, A, 5));
	cr_assert_eq(rig_may_end(&g), 0);
	cr_assert_eq(rig_says(&g, 0, 1), FORMAT_FAILED);
	rig_wrote(&g, a.epoch);
	rig_end(&g);
}

Test(mirror_record_note, all_fail_when_no_leg_takes_it_and_it_is_tried_again, .timeout = 60)
{
	struct asker a;
	struct rig g;
	int ret;

	serve(&g);
	rig_fail(&g, A | B);
	gets_block(&a, &g, 5);
	write_note(&a, 0);
	while ((ret = ask(&a)) == RECORD_PARKED)
		rig_wait(&a.wt);
	cr_assert_eq(ret, -EIO);
	cr_assert_eq(g.told, 0, "which of them is to stay, nobody knows");
	rig_mend(&g, A | B);
	cr_assert(wait_until(rig_is_mended, &g, SOON_MS));
	goes_ahead(&a);
	cr_assert(rig_bit_on(&g, A | B, 5));
	rig_end(&g);
}

/* It hangs, say, and its request goes on without it. */
Test(mirror_record_note, a_leg_that_was_dropped_meanwhile_is_the_threads, .timeout = 60)
{
	struct asker a;
	struct rig g;
	u64 before;

	serve(&g);
	before = rig_blocks(&g);
	gets_block(&a, &g, 5);
	cr_assert_eq(record_failed(&g.r, B, -ETIMEDOUT), 0);
	write_note(&a, A);
	if (ask_last(&a) == RECORD_PARKED)
		is_woken_and_goes(&a);
	else
		rig_wrote(&g, a.epoch);
	cr_assert_eq(rig_blocks(&g), before + 2, "the thread has not written it again");
	gets_block(&a, &g, 6);
	cr_assert_eq(a.note.slots, A);
	write_note(&a, A);
	goes_ahead(&a);
	cr_assert_eq(rig_may_end(&g), 0);
	rig_end(&g);
}

Test(mirror_record_note, a_leg_that_the_queue_does_not_know_is_the_threads, .timeout = 60)
{
	struct asker a;
	struct rig g;

	serve(&g);
	asker(&a, &g, 5);
	a.note.files = A;
	cr_assert_eq(ask_last(&a), RECORD_PARKED);
	is_woken_and_goes(&a);
	cr_assert(rig_bit_on(&g, A | B, 5));
	rig_end(&g);
}

Test(mirror_record_note, two_blocks_at_once_are_the_threads, .timeout = 60)
{
	struct asker a;
	struct rig g;
	int ret;

	rig_create(&g, 2, 10000);
	rig_begin(&g, A | B);
	asker(&a, &g, FORMAT_SECTOR_BITS - 1);
	a.note.last = true;
	cr_assert_eq(ask_for(&a, RIG_CHUNK + 512), RECORD_PARKED);
	/* woken for either block */
	do {
		rig_wait(&a.wt);
		ret = ask_for(&a, RIG_CHUNK + 512);
	} while (ret == RECORD_PARKED);
	cr_assert_eq(ret, 0);
	cr_assert(rig_bit_on(&g, A | B, FORMAT_SECTOR_BITS - 1) && rig_bit_on(&g, A | B, FORMAT_SECTOR_BITS));
	rig_wrote(&g, a.epoch);
	rig_end(&g);
}

static bool third_has_the_bitmap(void *arg)
{
	struct rig *g = arg;

	return record_has_bitmap(&g->r, 2);
}

Test(mirror_record_note, a_leg_that_joins_meanwhile_gets_the_bit, .timeout = 60)
{
	struct super s;
	struct asker a;
	struct rig g;

	rig_create_with(&g, 3, RIG_CHUNKS, FORMAT_STALE);
	/* so that the thread does not look because of that */
	rig_begin_ageing(&g, A | B, 10 * SOON_MS);
	asker(&a, &g, 5);
	a.note.files = A | B;
	cr_assert_eq(ask_last(&a), RECORD_NOTE);
	cr_assert_eq(a.note.slots, A | B);
	cr_assert_eq(rig_read(&g, 2, &s), 0);
	cr_assert_eq(record_join(&g.r, 2, g.files[2], &s.own, s.set.event, false), 0);
	sleep_ms(NEVER_MS);
	cr_assert_not(third_has_the_bitmap(&g), "a block is being written that it does not get");
	write_note(&a, A | B);
	cr_assert(wait_until(third_has_the_bitmap, &g, SOON_MS));
	cr_assert(rig_bit_on(&g, A | B | C, 5));
	goes_ahead(&a);
	rig_end(&g);
}

static bool bit_5_is_off(void *arg)
{
	return !rig_bit(arg, 0, 5) && !rig_bit(arg, 1, 5);
}

static bool bit_5_is_lazy(void *arg)
{
	struct rig *g = arg;
	bool wanted;

	pthread_mutex_lock(&g->r.lock);
	wanted = bitmap_test(g->r.bits.wanted, 5);
	pthread_mutex_unlock(&g->r.lock);
	return !wanted;
}

Test(mirror_record_note, bits_of_a_block_that_is_being_written_are_cleared_behind_that, .timeout = 60)
{
	struct asker a;
	struct rig g;
	u32 epoch;

	rig_serve_ageing(&g, 2, 20);
	cr_assert_eq(rig_write(&g, 5, &epoch), 0);
	gets_block(&a, &g, 6);
	rig_wrote(&g, epoch);
	cr_assert(wait_until(bit_5_is_lazy, &g, SOON_MS));
	sleep_ms(50);
	cr_assert(rig_bit_on(&g, A | B, 5));
	write_note(&a, A | B);
	/* under way, so that no other bit makes the block be written */
	cr_assert_eq(ask(&a), 0);
	cr_assert(wait_until(bit_5_is_off, &g, SOON_MS));
	cr_assert(rig_bit_on(&g, A | B, 6));
	rig_wrote(&g, a.epoch);
	cr_assert(wait_until(rig_all_aged, &g, SOON_MS));
	rig_end(&g);
}
