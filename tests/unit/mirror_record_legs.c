// SPDX-License-Identifier: GPL-2.0
/*
 * The record of a mirror's set when legs fail: who is dropped, who stays, who waits for what, and
 * what the other legs say then.
 */
#include <criterion/criterion.h>
#include <errno.h>

#include "rig.h"

#define A	(1U << 0)
#define B	(1U << 1)
#define C	(1U << 2)

/* Beginning and ending. */

Test(mirror_record_legs, a_leg_that_fails_at_the_begin_is_dropped, .timeout = 60)
{
	struct rig g;

	rig_create(&g, 2, RIG_CHUNKS);
	rig_prepare(&g, A | B);
	rig_fail(&g, B);
	cr_assert_eq(record_begin(&g.r, 1), 0);
	cr_assert_eq(g.dropped, B);
	cr_assert_eq(g.err, -EBADF);
	cr_assert_eq(rig_says(&g, 0, 1), FORMAT_FAILED);
	cr_assert_eq(rig_says(&g, 1, 1), FORMAT_IN_SYNC, "it was not told");
	cr_assert_eq(rig_may_end(&g), 0);
	rig_end(&g);
}

Test(mirror_record_legs, serving_does_not_begin_when_no_leg_takes_the_event, .timeout = 60)
{
	struct rig g;

	rig_create(&g, 2, RIG_CHUNKS);
	rig_prepare(&g, A | B);
	rig_fail(&g, A | B);
	cr_assert_eq(record_begin(&g.r, 1), -EIO);
	cr_assert_eq(g.told, 0);
	record_deinit(&g.r);
}

Test(mirror_record_legs, a_leg_that_fails_at_the_end_is_dropped_and_the_set_is_clean, .timeout = 60)
{
	struct super s;
	struct rig g;

	rig_serve(&g, 2);
	cr_assert(wait_until(rig_copies_agree, &g, SOON_MS));
	rig_fail(&g, B);
	rig_end(&g);
	cr_assert_eq(g.dropped, B);
	cr_assert_eq(rig_read(&g, 0, &s), 0);
	cr_assert(s.set.clean);
	cr_assert_eq(s.set.legs[1].state, FORMAT_FAILED);
}

Test(mirror_record_legs, a_set_whose_legs_all_fail_at_the_end_is_not_clean, .timeout = 60)
{
	struct super s;
	struct rig g;
	u32 epoch;

	rig_serve(&g, 2);
	cr_assert(wait_until(rig_copies_agree, &g, SOON_MS));
	cr_assert_eq(rig_write(&g, 5, &epoch), 0);
	rig_wrote(&g, epoch);
	rig_fail(&g, A | B);
	rig_end(&g);
	for (unsigned int i = 0; i < 2; i++) {
		cr_assert_eq(rig_read(&g, i, &s), 0);
		cr_assert_not(s.set.clean);
	}
	cr_assert(rig_bit_on(&g, A | B, 5));
}

/* At work. */

static bool others_call_leg_1_failed(struct rig *g)
{
	return rig_says(g, 0, 1) == FORMAT_FAILED && rig_says(g, 2, 1) == FORMAT_FAILED;
}

/* M1 */
Test(mirror_record_legs, a_write_that_a_leg_missed_waits_for_the_event, .timeout = 60)
{
	struct rig_waiter wt;
	struct rig g;
	u32 epoch;

	rig_serve(&g, 3);
	cr_assert_eq(rig_write(&g, 5, &epoch), 0);
	rig_hold(&g);
	cr_assert_eq(record_failed(&g.r, B, -EIO), 0);
	cr_assert_eq(g.dropped, B);
	cr_assert(g.r.bits.keep);
	rig_wrote(&g, epoch);
	rig_waiter(&wt, &g, others_call_leg_1_failed);
	cr_assert_eq(record_may_end(&g.r, &wt.w), RECORD_PARKED);
	cr_assert_eq(rig_says(&g, 0, 1), FORMAT_IN_SYNC);
	rig_let_go();
	rig_wait(&wt);
	cr_assert(wt.seen);
	cr_assert_eq(record_may_end(&g.r, &wt.w), 0);
	cr_assert_eq(rig_says(&g, 1, 1), FORMAT_IN_SYNC, "who was dropped is not told");
	/* once more, by a request that was under way */
	cr_assert_eq(record_failed(&g.r, B, -EIO), 0);
	cr_assert_eq(record_may_end(&g.r, &wt.w), 0);
	cr_assert_eq(g.told, 1);
	rig_end(&g);
}

static bool leg_0_calls_both_failed(struct rig *g)
{
	return rig_says(g, 0, 1) == FORMAT_FAILED && rig_says(g, 0, 2) == FORMAT_FAILED;
}

Test(mirror_record_legs, a_leg_that_does_not_take_the_event_is_dropped_by_the_next, .timeout = 60)
{
	struct rig_waiter wt;
	struct rig g;

	rig_serve(&g, 3);
	cr_assert(wait_until(rig_copies_agree, &g, SOON_MS));
	rig_hold(&g);
	rig_fail(&g, C);
	record_failed(&g.r, B, -EIO);
	rig_waiter(&wt, &g, leg_0_calls_both_failed);
	cr_assert_eq(record_may_end(&g.r, &wt.w), RECORD_PARKED);
	rig_let_go();
	rig_wait(&wt);
	cr_assert(wt.seen);
	cr_assert_eq(record_may_end(&g.r, &wt.w), 0);
	cr_assert_eq(g.dropped, B | C);
	rig_end(&g);
}

/* In dropped(): no write may be acknowledged any more. */
static void see_changing(struct rig *g)
{
	g->seen = g->r.changing;
}

Test(mirror_record_legs, a_leg_that_does_not_take_the_bitmap_is_dropped, .timeout = 60)
{
	struct rig g;
	u32 epoch;

	rig_serve(&g, 2);
	cr_assert(wait_until(rig_copies_agree, &g, SOON_MS));
	g.at_drop = see_changing;
	rig_fail(&g, B);
	cr_assert_eq(rig_write(&g, 5, &epoch), 0);
	cr_assert_eq(g.dropped, B, "before the write is sent");
	cr_assert(g.seen);
	cr_assert(rig_bit_on(&g, A, 5));
	cr_assert_eq(rig_may_end(&g), 0);
	cr_assert_eq(rig_says(&g, 0, 1), FORMAT_FAILED);
	rig_wrote(&g, epoch);
	rig_end(&g);
}

/* M16: two queues, each of which has seen another leg fail. */
Test(mirror_record_legs, the_last_leg_is_not_dropped, .timeout = 60)
{
	struct rig g;

	rig_serve(&g, 2);
	cr_assert_eq(record_failed(&g.r, B, -EIO), 0);
	cr_assert_eq(record_failed(&g.r, A, -EIO), A);
	cr_assert_eq(g.dropped, B);
	cr_assert_eq(rig_may_end(&g), 0);
	cr_assert_eq(record_failed(&g.r, A, -EIO), A);
	cr_assert_eq(rig_says(&g, 0, 0), FORMAT_IN_SYNC);
	rig_end(&g);
}

/* struct failer - a queue that has seen @slots fail; @stay: what it was told */
struct failer {
	struct rig *g;
	u32 slots, stay;
	pthread_barrier_t *start;
	bool told_early;
};

static void *failer(void *arg)
{
	struct failer *f = arg;
	struct rig_waiter wt;
	u32 left;

	rig_waiter(&wt, f->g, NULL);
	pthread_barrier_wait(f->start);
	f->stay = record_failed(&f->g->r, f->slots, -EIO);
	while (record_may_end(&f->g->r, &wt.w) == RECORD_PARKED)
		sem_wait(&wt.woken);
	/* One of the two has gone, and the other one says so. */
	left = f->stay ? f->slots : (A | B) & ~f->slots;
	f->told_early = rig_says(f->g, __builtin_ctz(left), !__builtin_ctz(left)) != FORMAT_FAILED;
	return NULL;
}

Test(mirror_record_legs, of_two_legs_that_two_queues_see_fail_one_stays, .timeout = 60)
{
	for (unsigned int round = 0; round < 100; round++) {
		pthread_barrier_t start;
		pthread_t threads[2];
		struct failer f[2];
		struct rig g;

		rig_serve(&g, 2);
		pthread_barrier_init(&start, NULL, 2);
		for (unsigned int i = 0; i < 2; i++) {
			f[i] = (struct failer){ .g = &g, .slots = 1U << i, .start = &start };
			cr_assert_eq(pthread_create(&threads[i], NULL, failer, &f[i]), 0);
		}
		for (unsigned int i = 0; i < 2; i++)
			pthread_join(threads[i], NULL);
		cr_assert_eq(!f[0].stay + !f[1].stay, 1);
		cr_assert_eq(g.told, 1);
		cr_assert_not(f[0].told_early || f[1].told_early, "round %u", round);
		rig_end(&g);
		for (unsigned int i = 0; i < 2; i++)
			close(g.files[i]);
	}
}

Test(mirror_record_legs, all_fail_when_no_leg_takes_the_event_and_it_is_tried_again, .timeout = 60)
{
	struct rig_waiter wt;
	struct rig g;
	u32 epoch;

	rig_serve(&g, 2);
	cr_assert(wait_until(rig_copies_agree, &g, SOON_MS));
	rig_hold(&g);
	rig_fail(&g, A | B);
	record_failed(&g.r, B, -EIO);
	rig_waiter(&wt, &g, NULL);
	cr_assert_eq(record_may_end(&g.r, &wt.w), RECORD_PARKED);
	rig_let_go();
	rig_wait(&wt);
	cr_assert_eq(record_may_end(&g.r, &wt.w), -EIO);
	cr_assert_eq(rig_write(&g, 6, &epoch), -EIO);
	cr_assert(g.r.changing && g.r.broken);
	cr_assert_eq(g.dropped, B);
	sleep_ms(NEVER_MS);
	cr_assert_eq(rig_may_end(&g), -EIO);
	rig_mend(&g, A);
	cr_assert(wait_until(rig_is_mended, &g, SOON_MS));
	cr_assert_eq(rig_may_end(&g), 0);
	cr_assert_eq(rig_says(&g, 0, 1), FORMAT_FAILED);
	cr_assert_eq(rig_write(&g, 6, &epoch), 0);
	cr_assert(rig_bit_on(&g, A, 6));
	rig_wrote(&g, epoch);
	rig_end(&g);
}

Test(mirror_record_legs, all_fail_when_no_leg_takes_the_bitmap_and_it_is_tried_again, .timeout = 60)
{
	struct rig g;
	u32 epoch;

	rig_serve(&g, 2);
	cr_assert(wait_until(rig_copies_agree, &g, SOON_MS));
	rig_fail(&g, A | B);
	cr_assert_eq(rig_write(&g, 5, &epoch), -EIO);
	cr_assert_eq(rig_may_end(&g), -EIO);
	cr_assert_eq(g.told, 0, "which of them is to stay, nobody knows");
	rig_mend(&g, A | B);
	cr_assert(wait_until(rig_is_mended, &g, SOON_MS));
	cr_assert_eq(rig_may_end(&g), 0);
	cr_assert_eq(rig_write(&g, 5, &epoch), 0);
	cr_assert(rig_bit_on(&g, A | B, 5));
	rig_wrote(&g, epoch);
	rig_end(&g);
	cr_assert(rig_bits_off(&g, A | B));
}

/* In dropped(): the flush has just failed. */
static void see_bit_5(struct rig *g)
{
	g->seen = rig_bit_on(g, A, 5);
}

Test(mirror_record_legs, bits_are_cleared_behind_a_flush_of_every_leg, .timeout = 60)
{
	struct super_set set;
	u64 differ, missed;
	struct rig g;
	u32 epoch;

	rig_create(&g, 2, RIG_CHUNKS);
	g.at_drop = see_bit_5;
	rig_begin_ageing(&g, A | B, 20);
	cr_assert_eq(rig_write(&g, 5, &epoch), 0);
	rig_fail_flush(&g, 1);
	rig_wrote(&g, epoch);
	cr_assert(wait_until(rig_ageing_rests, &g, SOON_MS));
	cr_assert_eq(g.dropped, B);
	cr_assert_eq(g.err, -EINVAL);
	cr_assert(g.seen);
	cr_assert_eq(rig_may_end(&g), 0);
	cr_assert_eq(rig_says(&g, 0, 1), FORMAT_FAILED);
	record_tell(&g.r, &set, &differ, &missed);
	cr_assert_eq(missed, RIG_CHUNK, "the leg may have lost it");
	cr_assert(rig_bit_on(&g, A, 5));
	rig_end(&g);
}

Test(mirror_record_legs, the_last_leg_whose_flush_fails_stays_with_its_bits, .timeout = 60)
{
	struct rig g;
	u32 epoch;

	rig_serve_ageing(&g, 1, 5);
	cr_assert_eq(rig_write(&g, 5, &epoch), 0);
	rig_fail_flush(&g, 0);
	rig_wrote(&g, epoch);
	sleep_ms(NEVER_MS);
	cr_assert_eq(g.told, 0);
	cr_assert_not(rig_ageing_rests(&g));
	rig_mend(&g, A);
	cr_assert(rig_bit_on(&g, A, 5));
	cr_assert(wait_until(rig_all_aged, &g, SOON_MS));
	rig_end(&g);
}

/* Later landings have such legs at work. */
Test(mirror_record_legs, a_leg_being_rebuilt_is_told_all_and_dropped_when_it_fails, .timeout = 60)
{
	struct super s;
	struct rig g;
	u32 epoch;

	rig_create_with(&g, 3, RIG_CHUNKS, FORMAT_REBUILDING);
	rig_begin(&g, A | B | C);
	cr_assert_eq(rig_read(&g, 2, &s), 0);
	cr_assert(super_event_same(s.set.event, g.r.set.event));
	cr_assert_not(g.r.bits.keep, "it gets what is written");
	cr_assert_eq(rig_write(&g, 5, &epoch), 0);
	cr_assert(rig_bit_on(&g, A | B | C, 5));
	cr_assert(wait_until(rig_copies_agree, &g, SOON_MS));
	rig_fail(&g, C);
	/* alone in failing, it does not stay */
	cr_assert_eq(record_failed(&g.r, B, -EIO), 0);
	cr_assert_eq(rig_may_end(&g), 0);
	cr_assert_eq(g.dropped, B | C);
	cr_assert_eq(rig_says(&g, 0, 1), FORMAT_FAILED);
	cr_assert_eq(rig_says(&g, 0, 2), FORMAT_FAILED);
	rig_wrote(&g, epoch);
	rig_end(&g);
}

Test(mirror_record_legs, a_spare_that_fails_is_left_alone, .timeout = 60)
{
	struct super s;
	struct rig g;
	u32 epoch;

	rig_create_with(&g, 3, RIG_CHUNKS, FORMAT_SPARE);
	rig_begin(&g, A | B | C);
	cr_assert_eq(rig_read(&g, 2, &s), 0);
	cr_assert(super_event_same(s.set.event, g.r.set.event));
	cr_assert(wait_until(rig_copies_agree, &g, SOON_MS));
	rig_fail(&g, C);
	cr_assert_eq(rig_write(&g, 5, &epoch), 0);
	cr_assert_eq(g.dropped, C);
	cr_assert_eq(rig_may_end(&g), 0);
	cr_assert_not(g.r.bits.keep);
	rig_wrote(&g, epoch);
	rig_end(&g);
	cr_assert_eq(rig_read(&g, 0, &s), 0);
	cr_assert(s.set.clean);
	cr_assert(rig_bits_off(&g, A | B));
}

/* Legs that may differ. */

static bool both_name_a_source(struct rig *g)
{
	struct super s[2];

	return !rig_read(g, 0, &s[0]) && !rig_read(g, 1, &s[1]) && s[0].set.source == 0 &&
	       s[1].set.source == 0;
}

Test(mirror_record_legs, a_write_that_failed_everywhere_has_a_source_from_then_on, .timeout = 60)
{
	struct rig g, after;
	struct rig_waiter wt;
	u32 epoch;

	rig_serve_ageing(&g, 2, 5);
	cr_assert_eq(rig_write(&g, 5, &epoch), 0);
	rig_hold(&g);
	rig_waiter(&wt, &g, both_name_a_source);
	cr_assert_eq(record_differ(&g.r, &wt.w, 5 * RIG_CHUNK, 4096), RECORD_PARKED);
	cr_assert(g.r.differs);
	cr_assert_eq(record_source(&g.r, 5 * RIG_CHUNK, 512), 0);
	rig_let_go();
	rig_wait(&wt);
	cr_assert(wt.seen);
	cr_assert_eq(record_may_end(&g.r, &wt.w), 0);
	rig_wrote(&g, epoch);
	cr_assert_eq(record_source(&g.r, 5 * RIG_CHUNK, 512), 0);
	cr_assert_eq(record_source(&g.r, 6 * RIG_CHUNK, 512), -1);
	cr_assert_eq(record_source(&g.r, 6 * RIG_CHUNK - 512, 1024), 0, "only in part");
	cr_assert(wait_until(rig_ageing_rests, &g, SOON_MS));
	cr_assert(rig_bit_on(&g, A | B, 5), "it is not cleared");
	/* the next one there needs no event */
	cr_assert_eq(record_differ(&g.r, &wt.w, 5 * RIG_CHUNK, 4096), 0);

	rig_kill(&after, &g);
	rig_begin(&after, A | B);
	cr_assert_eq(after.assembly.verdict, ASSEMBLE_RESYNC);
	cr_assert(after.r.differs);
	cr_assert_eq(record_source(&after.r, 5 * RIG_CHUNK, 512), 0);
	cr_assert_eq(record_source(&after.r, 6 * RIG_CHUNK, 512), -1);
	rig_end(&after);
	rig_end(&g);
	/* stopped by its owner, and still to be resynchronised */
	rig_begin(&g, A | B);
	cr_assert_eq(g.assembly.set.clean, true);
	cr_assert_eq(record_source(&g.r, 5 * RIG_CHUNK, 512), 0);
	rig_end(&g);
}

Test(mirror_record_legs, the_source_that_goes_is_replaced_by_the_next, .timeout = 60)
{
	struct rig_waiter wt;
	struct rig g;
	u32 epoch;

	rig_serve(&g, 3);
	cr_assert_eq(rig_write(&g, 5, &epoch), 0);
	rig_hold(&g);
	rig_waiter(&wt, &g, NULL);
	cr_assert_eq(record_differ(&g.r, &wt.w, 5 * RIG_CHUNK, 4096), RECORD_PARKED);
	cr_assert_eq(record_failed(&g.r, A, -EIO), 0);
	cr_assert_eq(record_source(&g.r, 5 * RIG_CHUNK, 512), 1);
	rig_wrote(&g, epoch);
	rig_let_go();
	rig_wait(&wt);
	cr_assert_eq(rig_may_end(&g), 0);
	cr_assert_eq(g.r.set.source, 1);
	/* and of one that is on the legs */
	rig_hold(&g);
	cr_assert_eq(record_failed(&g.r, B, -EIO), 0);
	cr_assert_eq(record_source(&g.r, 5 * RIG_CHUNK, 512), 2);
	rig_let_go();
	cr_assert_eq(rig_may_end(&g), 0);
	cr_assert_eq(g.r.set.source, 2);
	rig_end(&g);
}
