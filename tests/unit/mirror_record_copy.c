// SPDX-License-Identifier: GPL-2.0
/*
 * The record of a mirror's set while data is copied: what there is to copy, legs that come and go, and
 * what is durable when.
 */
#include <criterion/criterion.h>
#include <errno.h>

#include "rig.h"

#define A	(1U << 0)
#define B	(1U << 1)
#define NONE	FORMAT_NO_SOURCE

/* Copying. */

static const u8 leg_uuid[16] = { 9 };
static const _Atomic bool go_on;

static bool sync_now(struct rig *g)
{
	return record_sync(&g->r, &go_on, 20);
}

Test(mirror_record_copy, a_sync_waits_for_writes_that_began_before, .timeout = 60)
{
	_Atomic bool stop = true;
	struct rig g;
	u32 old, new;

	rig_serve(&g, 2);
	cr_assert(sync_now(&g), "nothing is under way");
	cr_assert_eq(rig_write(&g, 5, &old), 0);
	cr_assert_not(sync_now(&g));
	cr_assert_not(record_sync(&g.r, &stop, 60000));
	cr_assert_eq(rig_write(&g, 6, &new), 0);
	cr_assert_neq(old, new, "it began behind the first one");
	rig_wrote(&g, old);
	rig_wrote(&g, new);
	/* a batch that has begun, and may have looked already */
	record_enter(&g.r, &g.r.queues[0]);
	cr_assert_not(sync_now(&g));
	record_leave(&g.r.queues[0]);
	cr_assert(sync_now(&g));
	rig_end(&g);
}

/* The queue has not heard of the end of its writes before it looks; what it is asked for. */
static _Atomic unsigned int looked, looked_elsewhere;
static _Atomic u32 unheard;

static void hears_of_its_end(void *arg, unsigned int queue)
{
	struct rig *g = arg;
	u32 epoch = atomic_exchange(&unheard, 0);

	looked++;
	looked_elsewhere += queue != 0;
	if (epoch)
		record_wrote(&g->r.queues[0], epoch);
}

static void serve_silently(struct rig *g, unsigned int age_ms)
{
	rig_create(g, 2, RIG_CHUNKS);
	rig_prepare(g, A | B);
	g->r.look = hears_of_its_end;
	g->r.age_ms = age_ms;
	cr_assert_eq(record_begin(&g->r, 2), 0);
}

static void writes_in_silence(struct rig *g, u32 chunk)
{
	u32 epoch;

	cr_assert_eq(rig_write(g, chunk, &epoch), 0);
	unheard = epoch;
}

Test(mirror_record_copy, a_sync_has_queues_look_that_have_not_heard, .timeout = 60)
{
	struct rig g;

	serve_silently(&g, 60000);
	cr_assert(record_sync(&g.r, &go_on, SOON_MS));
	cr_expect_eq(looked, 0, "nothing is under way");
	writes_in_silence(&g, 5);
	cr_assert(record_sync(&g.r, &go_on, SOON_MS));
	cr_expect_eq(unheard, 0);
	cr_expect_eq(looked_elsewhere, 0, "the other queue has nothing under way");
	rig_end(&g);
}

/* One that has not ended when it is looked for, and is not looked for without end. */
Test(mirror_record_copy, a_sync_looks_again, .timeout = 60)
{
	struct rig g;
	u32 epoch;

	serve_silently(&g, 60000);
	cr_assert_eq(rig_write(&g, 5, &epoch), 0);
	cr_assert_not(record_sync(&g.r, &go_on, 100));
	cr_expect(looked > 1 && looked <= 21, "%u looks in 100 ms", looked);
	rig_wrote(&g, epoch);
	rig_end(&g);
}

Test(mirror_record_copy, bits_of_which_no_queue_has_heard_are_cleared, .timeout = 60)
{
	struct rig g;

	serve_silently(&g, 20);
	writes_in_silence(&g, 5);
	cr_assert(wait_until(rig_all_aged, &g, SOON_MS));
	cr_expect_eq(looked_elsewhere, 0);
	rig_end(&g);
}

Test(mirror_record_copy, a_queue_at_work_is_seen, .timeout = 60)
{
	struct rig g;
	u32 epoch;

	rig_serve(&g, 2);
	cr_assert(sync_now(&g));
	epoch = record_epoch(&g.r);
	cr_assert_not(record_is_busy(&g.r, epoch));
	record_enter(&g.r, &g.r.queues[0]);
	record_leave(&g.r.queues[0]);
	cr_assert(record_is_busy(&g.r, epoch));
	rig_end(&g);
}

/* After a kill: a write to chunk 5 was under way. */
static void begin_after_kill(struct rig *g, struct rig *before)
{
	u32 epoch;

	rig_serve(before, 2);
	cr_assert_eq(rig_write(before, 5, &epoch), 0);
	rig_kill(g, before);
	rig_begin_ageing(g, A | B, 20);
}

Test(mirror_record_copy, when_all_is_copied_the_source_goes, .timeout = 60)
{
	struct rig before, g;
	struct record_work w;
	struct super s;

	begin_after_kill(&g, &before);
	cr_assert_eq(record_todo(&g.r), RIG_CHUNK);
	cr_assert(record_next(&g.r, 0, &w));
	cr_assert(w.chunk == 5 && w.src == 0 && w.dst == B && w.off == 5 * RIG_CHUNK && w.len == RIG_CHUNK);
	cr_assert_not(record_next(&g.r, 6, &w));
	cr_assert_eq(record_agree(&g.r), -EAGAIN);
	cr_assert(record_has_source(&g.r));
	cr_assert(record_next(&g.r, 0, &w));
	record_copied(&g.r, &w);
	cr_assert_not(record_next(&g.r, 0, &w));
	cr_assert_eq(rig_bit(&g, 1, 5), 1);
	cr_assert_eq(record_agree(&g.r), 0);
	cr_assert_not(record_has_source(&g.r));
	cr_assert_not(g.r.differs);
	for (unsigned int i = 0; i < 2; i++) {
		cr_assert_eq(rig_read(&g, i, &s), 0);
		cr_assert_eq(s.set.source, NONE, "leg %u", i);
	}
	cr_assert(wait_until(rig_all_aged, &g, SOON_MS));
	rig_end(&g);
}

Test(mirror_record_copy, what_comes_to_differ_during_the_copy_is_copied_again, .timeout = 60)
{
	struct rig before, g;
	struct record_work w;
	struct rig_waiter wt;

	begin_after_kill(&g, &before);
	cr_assert(record_next(&g.r, 0, &w));
	rig_waiter(&wt, &g, NULL);
	cr_assert_eq(record_differ(&g.r, &wt.w, 5 * RIG_CHUNK, 512), 0);
	record_copied(&g.r, &w);
	cr_assert(record_next(&g.r, 0, &w));
	record_copied(&g.r, &w);
	cr_assert_not(record_next(&g.r, 0, &w));
	rig_end(&g);
}

/* Between the moment that nothing differs and its event. */
Test(mirror_record_copy, what_comes_to_differ_behind_the_copy_has_a_source, .timeout = 60)
{
	struct rig before, g;
	struct record_work w;
	struct rig_waiter wt;
	struct super s;

	begin_after_kill(&g, &before);
	cr_assert(record_next(&g.r, 0, &w));
	record_copied(&g.r, &w);
	cr_assert_eq(record_agree(&g.r), 0);
	rig_waiter(&wt, &g, NULL);
	if (record_differ(&g.r, &wt.w, 7 * RIG_CHUNK, 512) == RECORD_PARKED)
		rig_wait(&wt);
	cr_assert_eq(rig_may_end(&g), 0);
	cr_assert_eq(record_source(&g.r, 7 * RIG_CHUNK, 512), 0);
	cr_assert_eq(rig_read(&g, 1, &s), 0);
	cr_assert_eq(s.set.source, 0);
	rig_end(&g);
}

/* Legs that come and go. */

/* What its record says now. */
static bool all_have_the_bitmap(void *arg)
{
	struct rig *g = arg;

	return record_has_bitmap(&g->r, 0) && record_has_bitmap(&g->r, 1) && record_has_bitmap(&g->r, 2);
}

static int join(struct rig *g, unsigned int slot, bool full)
{
	struct super s;
	int ret;

	cr_assert_eq(rig_read(g, slot, &s), 0);
	ret = record_join(&g->r, slot, g->files[slot], &s.own, s.set.event, full);
	cr_assert(ret || wait_until(all_have_the_bitmap, g, SOON_MS));
	return ret;
}

static int take_up(struct rig *g, unsigned int slot)
{
	record_joined(&g->r, slot);
	return record_take_up(&g->r, &go_on, 20);
}

static void let_leg_go(struct rig *g, unsigned int slot)
{
	for (unsigned int i = 0; i < SOON_MS && !record_let_go(&g->r, slot); i++)
		sleep_ms(1);
	cr_assert(record_let_go(&g->r, slot));
}

/* All that is to be copied.  Returns how many chunks. */
static unsigned int copy_all(struct rig *g)
{
	struct record_work w;
	unsigned int nr = 0;

	while (record_next(&g->r, 0, &w)) {
		record_copied(&g->r, &w);
		nr++;
	}
	return nr;
}

static bool has_the_bitmap(struct rig *g, u32 chunk)
{
	return rig_bit(g, 0, chunk) == 1 && rig_bit(g, 1, chunk) == 1;
}

Test(mirror_record_copy, a_leg_comes_back_and_lacks_what_was_written, .timeout = 60)
{
	struct record_work w;
	struct rig g;
	u32 epoch, during;

	rig_serve_ageing(&g, 2, 20);
	cr_assert_eq(record_drop_slot(&g.r, 1, FORMAT_STALE), 0);
	cr_assert_eq(g.dropped, B);
	cr_assert_eq(rig_says(&g, 0, 1), FORMAT_STALE);
	cr_assert_eq(rig_write(&g, 5, &epoch), 0);
	rig_wrote(&g, epoch);
	cr_assert_eq(join(&g, 1, false), -EBUSY, "it is in use");
	let_leg_go(&g, 1);
	/* sent without the leg, and still under way when that comes back */
	cr_assert_eq(rig_write(&g, 6, &during), 0);
	cr_assert_eq(join(&g, 1, false), 0);
	cr_assert(has_the_bitmap(&g, 5) && has_the_bitmap(&g, 6), "the leg has not got the bitmap");
	cr_assert_eq(rig_says(&g, 1, 1), FORMAT_REBUILDING);
	cr_assert_not(record_next(&g.r, 0, &w), "it is not known yet what it lacks");
	cr_assert_eq(take_up(&g, 1), -EBUSY);
	rig_wrote(&g, during);
	cr_assert_eq(record_rebuilt(&g.r, 1), -EAGAIN);
	cr_assert_eq(take_up(&g, 1), 0);
	cr_assert_not(g.r.bits.keep);
	cr_assert(record_next(&g.r, 0, &w) && w.chunk == 5 && w.dst == B && w.src == 0);
	cr_assert_eq(record_rebuilt(&g.r, 1), -EAGAIN);
	cr_assert_eq(copy_all(&g), 2);
	cr_assert_eq(record_complete(&g.r), B);
	cr_assert_eq(record_rebuilt(&g.r, 1), 0);
	cr_assert_eq(rig_says(&g, 0, 1), FORMAT_IN_SYNC);
	cr_assert(wait_until(rig_all_aged, &g, SOON_MS), "bits stay");
	rig_end(&g);
}

Test(mirror_record_copy, what_another_leg_misses_is_not_forgotten, .timeout = 60)
{
	struct super_set set;
	u64 differ, missed;
	struct rig g;
	u32 epoch;

	rig_serve(&g, 3);
	cr_assert_eq(record_drop_slot(&g.r, 1, FORMAT_FAILED), 0);
	cr_assert_eq(record_drop_slot(&g.r, 2, FORMAT_FAILED), 0);
	cr_assert_eq(record_drop_slot(&g.r, 0, FORMAT_FAILED), -EBUSY, "the last one");
	cr_assert_eq(rig_write(&g, 5, &epoch), 0);
	rig_wrote(&g, epoch);
	let_leg_go(&g, 1);
	cr_assert_eq(join(&g, 1, false), 0);
	cr_assert_eq(take_up(&g, 1), 0);
	cr_assert_eq(copy_all(&g), 1);
	cr_assert_eq(record_rebuilt(&g.r, 1), 0);
	record_tell(&g.r, &set, &differ, &missed);
	cr_assert_eq(missed, RIG_CHUNK);
	cr_assert(g.r.bits.keep);
	/* until that is of the set no more */
	cr_assert_eq(record_remove(&g.r, 2), 0);
	cr_assert_eq(rig_says(&g, 0, 2), FORMAT_REMOVED);
	record_tell(&g.r, &set, &differ, &missed);
	cr_assert_eq(missed, 0);
	rig_end(&g);
}

Test(mirror_record_copy, a_full_rebuild_goes_on_where_it_had_got_to, .timeout = 60)
{
	struct record_work w;
	struct super s;
	struct rig g, after;

	rig_serve(&g, 2);
	cr_assert_eq(record_drop_slot(&g.r, 1, FORMAT_FAILED), 0);
	let_leg_go(&g, 1);
	cr_assert_eq(join(&g, 1, true), 0);
	cr_assert_eq(take_up(&g, 1), 0);
	cr_assert_eq(record_todo(&g.r), RIG_CHUNKS * RIG_CHUNK);
	for (u32 i = 0; i < 40; i++) {
		cr_assert(record_next(&g.r, 0, &w) && w.chunk == i);
		record_copied(&g.r, &w);
	}
	cr_assert_eq(record_progress(&g.r), 0);
	cr_assert_eq(rig_read(&g, 0, &s), 0);
	cr_assert_eq(s.set.legs[1].rebuilt, 40 * RIG_CHUNK);
	rig_kill(&after, &g);
	rig_begin(&after, A | B);
	cr_assert(record_next(&after.r, 0, &w) && w.chunk == 40, "chunk %u", w.chunk);
	cr_assert_eq(copy_all(&after), 60);
	cr_assert_eq(record_rebuilt(&after.r, 1), 0);
	cr_assert_eq(rig_says(&after, 1, 1), FORMAT_IN_SYNC);
	rig_end(&after);
}

Test(mirror_record_copy, a_full_rebuild_does_not_forget_what_was_written_behind_it, .timeout = 60)
{
	struct record_work w;
	struct rig g, after;
	u32 epoch;

	rig_serve(&g, 2);
	cr_assert_eq(record_drop_slot(&g.r, 1, FORMAT_FAILED), 0);
	let_leg_go(&g, 1);
	cr_assert_eq(join(&g, 1, true), 0);
	cr_assert_eq(take_up(&g, 1), 0);
	for (u32 i = 0; i < 40; i++) {
		cr_assert(record_next(&g.r, 0, &w) && w.chunk == i);
		record_copied(&g.r, &w);
	}
	cr_assert_eq(rig_write(&g, 5, &epoch), 0);
	cr_assert_eq(record_progress(&g.r), 0);
	rig_kill(&after, &g);
	rig_begin(&after, A | B);
	for (u32 i = 0; i < RIG_CHUNKS; i++)
		cr_assert_eq(bitmap_test(after.r.lacks[1], i), i == 5 || i >= 40, "chunk %u", i);
	rig_end(&after);
}

Test(mirror_record_copy, a_leg_that_does_not_take_the_event_does_not_join, .timeout = 60)
{
	struct super s;
	struct rig g;

	rig_serve(&g, 2);
	cr_assert_eq(record_drop_slot(&g.r, 1, FORMAT_FAILED), 0);
	let_leg_go(&g, 1);
	cr_assert_eq(rig_read(&g, 1, &s), 0);
	rig_fail(&g, B);
	cr_assert_eq(record_join(&g.r, 1, g.fds[1], &s.own, s.set.event, false), -EIO);
	cr_assert_eq(rig_says(&g, 0, 1), FORMAT_FAILED);
	cr_assert_eq(record_join(&g.r, 0, g.fds[0], &s.own, s.set.event, false), -EINVAL);
	rig_end(&g);
}

Test(mirror_record_copy, a_new_leg_is_a_spare_and_then_joins, .timeout = 60)
{
	struct super s = { .own = { .self = 1, .seq = 1, .data_offset = FORMAT_AREA_BYTES,
				    .bitmap_offset = FORMAT_BITMAP } };
	unsigned int slot;
	struct rig g;

	rig_serve(&g, 1);
	cr_assert_eq(record_add(&g.r, leg_uuid, false, &slot), 0);
	cr_assert_eq(slot, 1);
	cr_assert_eq(rig_says(&g, 0, 1), FORMAT_SPARE);
	g.files[1] = file_mem(FORMAT_AREA_BYTES + RIG_CHUNKS * RIG_CHUNK);
	s.own.bitmap_bytes = super_bitmap_bytes(&g.r.set);
	cr_assert_eq(record_join(&g.r, 1, g.files[1], &s.own, g.r.set.event, true), 0);
	cr_assert_eq(rig_says(&g, 1, 1), FORMAT_REBUILDING);
	cr_assert_eq(take_up(&g, 1), 0);
	cr_assert_eq(copy_all(&g), RIG_CHUNKS);
	cr_assert_eq(record_rebuilt(&g.r, 1), 0);
	rig_end(&g);
	g.nr = 2;
	cr_assert_eq(rig_read(&g, 1, &s), 0);
	cr_assert(s.set.clean && s.set.nr == 2 && s.set.legs[1].state == FORMAT_IN_SYNC);
}

/* Is @slot write-mostly, as each leg says? */
static bool is_marked(const struct rig *g, unsigned int slot)
{
	struct super s[2];

	for (unsigned int i = 0; i < 2; i++)
		cr_assert_eq(rig_read(g, i, &s[i]), 0);
	cr_assert_eq(s[0].set.legs[slot].write_mostly, s[1].set.legs[slot].write_mostly);
	return s[0].set.legs[slot].write_mostly;
}

Test(mirror_record_copy, a_leg_is_marked_durably, .timeout = 60)
{
	struct rig g, after;

	rig_serve(&g, 2);
	cr_assert_eq(record_mark(&g.r, 1, true), 0);
	cr_assert(is_marked(&g, 1) && !is_marked(&g, 0));
	cr_assert_eq(record_mark(&g.r, 1, true), 0, "once more");
	cr_assert_eq(record_mark(&g.r, 2, true), -EINVAL, "there is no such leg");
	rig_kill(&after, &g);
	rig_begin(&after, A | B);
	cr_assert(after.r.set.legs[1].write_mostly);
	cr_assert_eq(record_mark(&after.r, 1, false), 0);
	cr_assert_not(is_marked(&after, 1));
	rig_end(&after);
	rig_end(&g);
}

Test(mirror_record_copy, no_change_is_made_while_no_leg_takes_the_record, .timeout = 60)
{
	unsigned int slot;
	struct rig g;
	u32 epoch;

	rig_serve(&g, 2);
	rig_fail(&g, A | B);
	cr_assert_eq(rig_write(&g, 5, &epoch), -EIO);
	cr_assert_eq(record_add(&g.r, leg_uuid, false, &slot), -EIO);
	rig_mend(&g, A);
	cr_assert(wait_until(rig_is_mended, &g, SOON_MS));
	cr_assert_eq(record_add(&g.r, leg_uuid, false, &slot), 0);
	rig_fail(&g, A);
	cr_assert_eq(record_progress(&g.r), 0, "nothing to write");
	cr_assert_eq(record_remove(&g.r, slot), -EIO);
	rig_mend(&g, A);
	cr_assert(wait_until(rig_is_mended, &g, SOON_MS));
	rig_end(&g);
}
