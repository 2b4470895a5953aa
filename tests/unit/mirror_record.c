// SPDX-License-Identifier: GPL-2.0
/*
 * The record of a mirror's set at work, while legs do what they are told: what is on the legs
 * when.  Order is seen from inside wake(), which reads the legs.
 */
#include <criterion/criterion.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rig.h"

#define A	(1U << 0)
#define B	(1U << 1)
#define C	(1U << 2)

/* Beginning. */

Test(mirror_record, serving_begins_with_an_event_and_the_bitmap_on_every_leg, .timeout = 60)
{
	u8 zeroes[SECTOR_SIZE] = { 0 };
	struct super s;
	struct rig g;

	rig_create(&g, 3, RIG_CHUNKS);
	/* one leg's bitmap is damaged */
	file_write(g.files[1], zeroes, sizeof(zeroes), FORMAT_BITMAP);
	rig_begin(&g, A | B | C);
	for (unsigned int i = 0; i < 3; i++) {
		cr_assert_eq(rig_read(&g, i, &s), 0);
		cr_assert_eq(s.set.event.nr, 2);
		cr_assert_eq(s.set.event.tag, g.r.set.event.tag);
		cr_assert_not(s.set.clean);
		cr_assert_eq(rig_bit(&g, i, 0), 0, "leg %u", i);
	}
	cr_assert_neq(g.r.set.event.tag, 0);
	cr_assert_not(g.r.differs);
	cr_assert_not(g.r.bits.keep);
	rig_end(&g);
}

Test(mirror_record, the_other_copy_follows, .timeout = 60)
{
	struct super s[2];
	struct rig g;

	rig_serve(&g, 2);
	cr_assert(wait_until(rig_copies_agree, &g, SOON_MS));
	for (unsigned int i = 0; i < 2; i++) {
		rig_read_copy(&g, i, 0, &s[0]);
		rig_read_copy(&g, i, 1, &s[1]);
		cr_assert_eq(s[1].own.seq, 2, "first the copy that was older");
		cr_assert_eq(s[0].own.seq, 3);
	}
	rig_end(&g);
}

Test(mirror_record, a_torn_copy_leaves_the_other_one, .timeout = 60)
{
	struct super s;
	struct rig g;
	u32 noise = 0x5a5a5a5a;

	rig_serve(&g, 2);
	cr_assert(wait_until(rig_copies_agree, &g, SOON_MS));
	for (unsigned int i = 0; i < 2; i++) {
		rig_read(&g, i, &s);
		file_write(g.files[i], &noise, sizeof(noise), rig_copy_at(s.own.copy) + 512);
	}
	rig_assemble(&g, A | B);
	cr_assert_eq(g.assembly.verdict, ASSEMBLE_RESYNC, "%s", g.assembly.text);
	cr_assert(super_event_same(g.assembly.set.event, g.r.set.event));
	rig_end(&g);
}

Test(mirror_record, legs_that_are_not_here_are_stale_and_miss_what_is_written, .timeout = 60)
{
	struct super_set set;
	u64 differ, missed;
	struct rig g;
	u32 epoch;

	rig_create(&g, 2, RIG_CHUNKS);
	g.degraded = true;
	rig_begin_ageing(&g, A, 20);
	cr_assert_eq(rig_says(&g, 0, 1), FORMAT_STALE);
	cr_assert_eq(rig_write(&g, 5, &epoch), 0);
	rig_wrote(&g, epoch);
	cr_assert(wait_until(rig_ageing_rests, &g, SOON_MS));
	record_tell(&g.r, &set, &differ, &missed);
	cr_assert_eq(set.legs[1].state, FORMAT_STALE);
	cr_assert_eq(differ, 0);
	cr_assert_eq(missed, RIG_CHUNK);
	rig_end(&g);
	cr_assert_eq(rig_bit(&g, 0, 5), 1, "a clean stop keeps it");
	cr_assert_eq(rig_bit(&g, 0, 4), 0);
}

/* Bits. */

static bool bit_5_is_on_both(struct rig *g)
{
	return rig_bit_on(g, A | B, 5);
}

Test(mirror_record, a_first_write_waits_until_its_bit_is_on_every_leg, .timeout = 60)
{
	struct rig_waiter wt;
	struct rig g;
	u32 epoch;

	rig_serve(&g, 2);
	rig_waiter(&wt, &g, bit_5_is_on_both);
	cr_assert_eq(rig_try(&g, &wt, 5, &epoch), RECORD_PARKED);
	rig_wait(&wt);
	cr_assert(wt.seen);
	cr_assert_eq(rig_try(&g, &wt, 5, &epoch), 0);
	rig_wrote(&g, epoch);
	/* the next one to the chunk */
	cr_assert_eq(rig_try(&g, &wt, 5, &epoch), 0);
	rig_wrote(&g, epoch);
	cr_assert_eq(rig_bit(&g, 0, 4), 0);
	rig_end(&g);
}

/* struct queued - one of many, the @nr-th that was parked */
struct queued {
	struct record_wait w;
	unsigned int nr;
};

#define WAITERS		4000

static _Atomic unsigned int woken, out_of_turn;

static void wake_in_turn(struct record_wait *w)
{
	out_of_turn += ((struct queued *)w)->nr != woken;
	woken++;
}

static bool all_are_woken(void *arg)
{
	return woken == WAITERS;
}

Test(mirror_record, many_writes_wait_for_few_blocks_and_are_woken_in_order, .timeout = 60)
{
	static struct queued all[WAITERS];
	struct record_queue *rq;
	struct rig g;
	u64 before;
	u32 epoch;

	rig_create(&g, 2, 10000);
	rig_begin(&g, A | B);
	rig_hold(&g);
	before = rig_blocks(&g);
	rq = &g.r.queues[0];
	record_enter(&g.r, rq);
	for (unsigned int i = 0; i < WAITERS; i++) {
		all[i] = (struct queued){ .w.wake = wake_in_turn, .nr = i };
		cr_assert_eq(record_write(&g.r, rq, &all[i].w, i * RIG_CHUNK, 512, &epoch),
			     RECORD_PARKED);
	}
	record_leave(rq);
	rig_let_go();
	cr_assert(wait_until(all_are_woken, NULL, SOON_MS));
	cr_assert_eq(out_of_turn, 0);
	cr_assert_eq(rig_blocks(&g) - before, 1);
	record_enter(&g.r, rq);
	for (unsigned int i = 0; i < WAITERS; i++) {
		cr_assert_eq(record_write(&g.r, rq, &all[i].w, i * RIG_CHUNK, 512, &epoch), 0);
		record_wrote(rq, epoch);
	}
	record_leave(rq);
	rig_end(&g);
}

Test(mirror_record, bits_age_and_are_cleared, .timeout = 60)
{
	struct rig g;
	u32 epoch;

	rig_serve_ageing(&g, 2, 20);
	for (u32 chunk = 0; chunk < RIG_CHUNKS; chunk += 7) {
		cr_assert_eq(rig_write(&g, chunk, &epoch), 0);
		rig_wrote(&g, epoch);
	}
	cr_assert(wait_until(rig_all_aged, &g, SOON_MS));
	/* and can be set again */
	cr_assert_eq(rig_write(&g, 7, &epoch), 0);
	cr_assert(rig_bit_on(&g, A | B, 7));
	rig_wrote(&g, epoch);
	cr_assert(wait_until(rig_all_aged, &g, SOON_MS));
	rig_end(&g);
}

Test(mirror_record, bits_that_were_damaged_on_every_leg_are_cleared_by_and_by, .timeout = 60)
{
	u8 zeroes[SECTOR_SIZE] = { 0 };
	struct rig g;

	rig_create(&g, 2, RIG_CHUNKS);
	for (unsigned int i = 0; i < 2; i++)
		file_write(g.files[i], zeroes, sizeof(zeroes), FORMAT_BITMAP);
	rig_begin_ageing(&g, A | B, 20);
	cr_assert_not(g.r.differs, "the set was clean");
	cr_assert(wait_until(rig_all_aged, &g, SOON_MS));
	rig_end(&g);
}

/* How often the threads beside this one have slept; those of io_uring have names of their own. */
static unsigned long sleeps(void)
{
	unsigned long nr = 0;
	DIR *dir = opendir("/proc/self/task");
	struct dirent *e;

	while ((e = readdir(dir))) {
		char path[300], line[100], name[20] = "";
		unsigned long one;
		FILE *f;

		snprintf(path, sizeof(path), "/proc/self/task/%s/status", e->d_name);
		f = atoi(e->d_name) && atoi(e->d_name) != getpid() ? fopen(path, "r") : NULL;
		while (f && fgets(line, sizeof(line), f)) {
			sscanf(line, "Name: %19s", name);
			if (sscanf(line, "voluntary_ctxt_switches: %lu", &one) == 1 &&
			    strncmp(name, "iou-", 4))
				nr += one;
		}
		if (f)
			fclose(f);
	}
	closedir(dir);
	return nr;
}

Test(mirror_record, nobody_wakes_up_when_nothing_is_to_be_cleared, .timeout = 60)
{
	unsigned long before;
	struct rig g;
	u32 epoch;

	rig_serve_ageing(&g, 2, 5);
	cr_assert_eq(rig_write(&g, 5, &epoch), 0);
	before = sleeps();
	cr_assert_gt(before, 0);
	sleep_ms(NEVER_MS);
	cr_assert_gt(sleeps(), before, "while a write is under way, the thread looks");
	rig_wrote(&g, epoch);
	cr_assert(wait_until(rig_all_aged, &g, SOON_MS));
	sleep_ms(50);
	before = sleeps();
	sleep_ms(NEVER_MS);
	cr_assert_eq(sleeps(), before);
	rig_end(&g);
}

Test(mirror_record, a_write_that_does_not_end_keeps_its_bit, .timeout = 60)
{
	struct rig g;
	u32 epoch;

	rig_serve_ageing(&g, 2, 5);
	cr_assert_eq(rig_write(&g, 5, &epoch), 0);
	sleep_ms(NEVER_MS);
	cr_assert(rig_bit_on(&g, A | B, 5));
	rig_wrote(&g, epoch);
	cr_assert(wait_until(rig_all_aged, &g, SOON_MS));
	rig_end(&g);
}

/* The end. */

Test(mirror_record, a_set_that_was_ended_is_clean_and_has_no_bits, .timeout = 60)
{
	struct super s;
	struct rig g;
	u32 epoch;

	rig_serve(&g, 2);
	for (u32 chunk = 0; chunk < 10; chunk++) {
		cr_assert_eq(rig_write(&g, chunk, &epoch), 0);
		rig_wrote(&g, epoch);
	}
	cr_assert(rig_bit_on(&g, A | B, 9));
	rig_end(&g);
	for (unsigned int i = 0; i < 2; i++) {
		cr_assert_eq(rig_read(&g, i, &s), 0);
		cr_assert(s.set.clean);
		cr_assert_eq(s.set.source, FORMAT_NO_SOURCE);
	}
	cr_assert(rig_bits_off(&g, A | B));
	cr_assert(rig_copies_agree(&g));
	rig_begin(&g, A | B);
	cr_assert_eq(g.assembly.verdict, ASSEMBLE_SERVE);
	cr_assert_not(g.r.differs);
	cr_assert(rig_bits_off(&g, A | B));
	rig_end(&g);
}

Test(mirror_record, writes_under_way_at_the_end_are_dirty, .timeout = 60)
{
	struct super s;
	struct rig g;
	u32 epoch;

	rig_serve(&g, 2);
	cr_assert_eq(rig_write(&g, 5, &epoch), 0);
	rig_end(&g);
	cr_assert_eq(rig_read(&g, 0, &s), 0);
	cr_assert_not(s.set.clean);
	cr_assert(rig_bit_on(&g, A | B, 5));
}

/* M3 */
Test(mirror_record, after_a_kill_what_was_under_way_may_differ, .timeout = 60)
{
	struct super_set set;
	u64 differ, missed;
	struct rig g, after;
	u32 epoch;

	rig_serve(&g, 2);
	cr_assert_eq(rig_write(&g, 5, &epoch), 0);
	cr_assert_eq(rig_write(&g, 50, &epoch), 0);
	rig_kill(&after, &g);
	rig_begin(&after, A | B);
	cr_assert_eq(after.assembly.verdict, ASSEMBLE_RESYNC);
	cr_assert(after.r.differs);
	record_tell(&after.r, &set, &differ, &missed);
	cr_assert_eq(differ, 2 * RIG_CHUNK);
	cr_assert_eq(missed, 0);
	cr_assert_eq(set.source, 0);
	cr_assert_eq(record_source(&after.r, 50 * RIG_CHUNK, 512), 0);
	cr_assert_eq(record_source(&after.r, 49 * RIG_CHUNK, 512), -1);
	cr_assert(rig_bit_on(&after, A | B, 5) && rig_bit_on(&after, A | B, 50));
	rig_end(&after);
	cr_assert(rig_bit_on(&after, A | B, 5), "a stop does not make legs equal");
	rig_end(&g);
}

/* All at once: two queues, ageing all the time, and a look at the legs for each write. */

/*
 * @brings: the queue writes blocks itself, @notes of them: one in four does not reach a leg, and some take
 *	long
 */
struct hammer {
	struct rig *g;
	unsigned int nr;
	bool brings;
	u64 until;
	u64 writes, waits, notes, bad;
};

static u32 hammer_rnd(u32 *state, u32 n)
{
	*state = *state * 1664525 + 1013904223;
	return (*state >> 8) % n;
}

static void hammer_note(struct hammer *h, const struct record_note *n, u32 *state)
{
	if (!hammer_rnd(state, 8))
		sleep_ms(hammer_rnd(state, 5));
	record_noted(&h->g->r, n, rig_note(h->g, n, hammer_rnd(state, 4) ? A | B : A));
	h->notes++;
}

static int hammer_begin(struct hammer *h, struct rig_waiter *wt, u32 chunk, u32 len, u32 *state, u32 *epoch)
{
	struct record_queue *rq = &h->g->r.queues[h->nr];
	u8 buf[1U << FORMAT_LBS_MAX];
	struct record_note n = { .files = A | B, .last = true, .buf = buf };
	u64 off = (chunk + 1) * RIG_CHUNK - 512;
	int ret;

	for (;;) {
		record_enter(&h->g->r, rq);
		if (record_write_now(&h->g->r, rq, off, len, epoch))
			return 0;
		ret = record_write_slow(&h->g->r, rq, &wt->w, h->brings ? &n : NULL, off, len);
		if (ret == RECORD_NOTE)
			hammer_note(h, &n, state);
		else if (ret != RECORD_PARKED)
			return ret;
		record_leave(rq);
		if (ret == RECORD_PARKED)
			sem_wait(&wt->woken);
		h->waits++;
	}
}

static void hammer_look(struct hammer *h, u32 chunk, u32 len)
{
	if (!rig_bit_on(h->g, A | B, chunk) || (len > 512 && !rig_bit_on(h->g, A | B, chunk + 1)))
		h->bad++;
}

static void *hammer(void *arg)
{
	struct hammer *h = arg;
	struct record_queue *rq = &h->g->r.queues[h->nr];
	u32 state = h->nr + 1, epoch;
	struct rig_waiter wt;

	rig_waiter(&wt, h->g, NULL);
	while (now_ms() < h->until) {
		u32 chunk = hammer_rnd(&state, RIG_CHUNKS - 1);
		u32 len = hammer_rnd(&state, 2) ? 512 : 1024;

		if (hammer_begin(h, &wt, chunk, len, &state, &epoch))
			break;
		hammer_look(h, chunk, len);
		record_leave(rq);
		/* some take long, over several epochs */
		if (!hammer_rnd(&state, 16))
			sleep_ms(hammer_rnd(&state, 20));
		hammer_look(h, chunk, len);
		record_wrote(rq, epoch);
		h->writes++;
		if (!hammer_rnd(&state, 4))
			sleep_ms(1);
	}
	return NULL;
}

static void bits_are_durable(bool brings)
{
	struct hammer h[2];
	pthread_t threads[2];
	struct rig g;

	rig_serve_ageing(&g, 2, 2);
	for (unsigned int i = 0; i < 2; i++) {
		h[i] = (struct hammer){ .g = &g, .nr = i, .brings = brings, .until = now_ms() + 2000 };
		cr_assert_eq(pthread_create(&threads[i], NULL, hammer, &h[i]), 0);
	}
	for (unsigned int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	for (unsigned int i = 0; i < 2; i++) {
		cr_assert_eq(h[i].bad, 0, "queue %u: %llu of %llu", i, (unsigned long long)h[i].bad,
			     (unsigned long long)h[i].writes);
		cr_assert_gt(h[i].writes, 100);
		cr_assert_gt(h[i].waits, 10, "bits were cleared meanwhile");
		cr_assert(!brings || h[i].notes > 10);
	}
	cr_assert_eq(g.told, 0);
	cr_assert(wait_until(rig_all_aged, &g, SOON_MS));
	rig_end(&g);
}

Test(mirror_record, bits_are_durable_while_writes_are_under_way, .timeout = 60)
{
	bits_are_durable(false);
}

Test(mirror_record, bits_that_queues_bring_are_durable_while_writes_are_under_way, .timeout = 60)
{
	bits_are_durable(true);
}
