// SPDX-License-Identifier: GPL-2.0
/*
 * The record of a mirror's set at work: what is on the legs when, and what becomes of it when
 * legs fail.  Legs are files in memory.  Order is seen from inside wake() and dropped(), which
 * read the legs; these run in the record's thread, so they note what they see.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "targets/mirror/record.h"
#include "tmpfile.h"

#define CHUNK		(1ULL << 20)
#define CHUNKS		100
#define LEGS		3
#define A		(1U << 0)
#define B		(1U << 1)
#define C		(1U << 2)
#define NONE		FORMAT_NO_SOURCE

static const u8 uuid[16] = { 1 };

/*
 * struct rig - a set and its record
 * @files: the legs; @fds: their numbers for the record, which fail() and mend() make others
 * @degraded: legs may be missing
 * @dropped: as told, with @err; @told: how often
 * @at_drop: called in dropped()
 */
struct rig {
	unsigned int nr;
	int files[FORMAT_LEGS], fds[FORMAT_LEGS];
	bool degraded;
	struct assembly assembly;
	struct record r;
	_Atomic u32 dropped, told;
	_Atomic int err;
	void (*at_drop)(struct rig *g);
	bool seen;
};

/* struct waiter - a request; @look: called in wake(), its answer is @seen */
struct waiter {
	struct record_wait w;
	struct rig *g;
	sem_t woken;
	bool (*look)(struct rig *g);
	bool seen;
};

/* The legs as they are now. */

static u64 copy_at(unsigned int copy)
{
	return copy ? FORMAT_COPY1 : FORMAT_COPY0;
}

static int leg_read(const struct rig *g, unsigned int leg, struct super *s)
{
	u8 bufs[2][FORMAT_COPY_BYTES];
	struct super_why why;

	for (unsigned int i = 0; i < 2; i++)
		if (pread(g->files[leg], bufs[i], FORMAT_COPY_BYTES, copy_at(i)) != FORMAT_COPY_BYTES)
			return -EIO;
	return super_read(s, (const void *[]){ bufs[0], bufs[1] }, "?", 0, &why);
}

static int leg_read_copy(const struct rig *g, unsigned int leg, unsigned int copy, struct super *s)
{
	struct super_place p = { .leg = "?", .copy = copy };
	u8 buf[FORMAT_COPY_BYTES];
	struct super_why why;

	if (pread(g->files[leg], buf, sizeof(buf), copy_at(copy)) != sizeof(buf))
		return -EIO;
	return super_decode(s, buf, &p, &why);
}

/* 0 or 1; -1: the sector is damaged. */
static int leg_bit_once(const struct rig *g, unsigned int leg, u32 chunk)
{
	u32 index = chunk / FORMAT_SECTOR_BITS, bit = chunk % FORMAT_SECTOR_BITS;
	u8 sector[SECTOR_SIZE], bits[504];

	if (pread(g->files[leg], sector, SECTOR_SIZE, FORMAT_BITMAP + index * SECTOR_SIZE) != SECTOR_SIZE)
		return -1;
	if (super_bits_decode(uuid, index, sector, bits))
		return -1;
	return bits[bit / 8] >> bit % 8 & 1;
}

/* A file in memory may be seen half-written. */
static int leg_bit(const struct rig *g, unsigned int leg, u32 chunk)
{
	int bit = -1;

	for (unsigned int i = 0; bit < 0 && i < 1000; i++)
		bit = leg_bit_once(g, leg, chunk);
	return bit;
}

static bool bit_on(const struct rig *g, u32 legs, u32 chunk)
{
	for (unsigned int i = 0; i < g->nr; i++)
		if (legs >> i & 1 && leg_bit(g, i, chunk) != 1)
			return false;
	return true;
}

static bool bits_off(const struct rig *g, u32 legs)
{
	for (unsigned int i = 0; i < g->nr; i++)
		for (u32 chunk = 0; legs >> i & 1 && chunk < CHUNKS; chunk++)
			if (leg_bit(g, i, chunk))
				return false;
	return true;
}

/* What the leg's record says of @slot. */
static enum format_state leg_says(const struct rig *g, unsigned int leg, unsigned int slot)
{
	struct super s;

	return leg_read(g, leg, &s) ? FORMAT_STATES : s.set.legs[slot].state;
}

/* Making a set, and legs that fail. */

static void leg_create(struct rig *g, unsigned int leg, const struct super *s)
{
	u8 buf[FORMAT_COPY_BYTES], sector[SECTOR_SIZE], bits[504] = { 0 };

	g->files[leg] = file_mem(FORMAT_AREA_BYTES + s->set.size);
	super_encode(&s->set, &s->own, buf);
	file_write(g->files[leg], buf, sizeof(buf), copy_at(0));
	for (u32 i = 0; i < s->own.bitmap_bytes / SECTOR_SIZE; i++) {
		super_bits_encode(uuid, i, bits, sector);
		file_write(g->files[leg], sector, SECTOR_SIZE, FORMAT_BITMAP + i * SECTOR_SIZE);
	}
}

/* Stopped, @chunks of 1 MiB.  The last leg is in @last. */
static void create_with(struct rig *g, unsigned int nr, u64 chunks, enum format_state last)
{
	struct super s = {
		.set = { .name = "set", .event = { 1, 1 }, .size = chunks * CHUNK,
			 .lbs_shift = 9, .chunk_shift = 20, .clean = true, .source = NONE, .nr = nr },
		.own = { .seq = 1, .data_offset = FORMAT_AREA_BYTES, .bitmap_offset = FORMAT_BITMAP },
	};

	memset(g, 0, sizeof(*g));
	memcpy(s.set.uuid, uuid, sizeof(uuid));
	g->nr = nr;
	s.own.bitmap_bytes = super_bitmap_bytes(&s.set);
	for (unsigned int i = 0; i < nr; i++)
		s.set.legs[i] = (struct super_leg){ .uuid = { i + 1 }, .state = FORMAT_IN_SYNC,
						    .held = { 1, 1 }, .sent = { 1, 1 } };
	s.set.legs[nr - 1].state = last;
	for (unsigned int i = 0; i < nr; i++) {
		s.own.self = i;
		leg_create(g, i, &s);
	}
}

static void create(struct rig *g, unsigned int nr, u64 chunks)
{
	create_with(g, nr, chunks, FORMAT_IN_SYNC);
}

/* The same legs, as they are, with no server: as after a kill. */
static void kill_and_copy(struct rig *g, const struct rig *of)
{
	static u8 area[FORMAT_AREA_BYTES];

	memset(g, 0, sizeof(*g));
	g->nr = of->nr;
	for (unsigned int i = 0; i < of->nr; i++) {
		g->files[i] = file_mem(FORMAT_AREA_BYTES + of->r.set.size);
		file_read(of->files[i], area, sizeof(area), 0);
		file_write(g->files[i], area, sizeof(area), 0);
	}
}

static void told_dropped(void *arg, unsigned int slot, int err)
{
	struct rig *g = arg;

	if (g->at_drop)
		g->at_drop(g);
	g->err = err;
	g->told++;
	g->dropped |= 1U << slot;
}

/* What assemble() says of the legs in @present. */
static void look_at(struct rig *g, u32 present, struct candidate *c, int *cand)
{
	unsigned int nr = 0;

	for (unsigned int i = 0; i < g->nr; i++) {
		if (!(present >> i & 1))
			continue;
		c[nr] = (struct candidate){ .path = "?", .bytes = 1ULL << 40, .lbs = 512 };
		c[nr].err = leg_read(g, i, &c[nr].super);
		cand[nr++] = i;
	}
	assemble(c, nr, g->degraded, &g->assembly);
}

/* As an owner does before it forks. */
static void prepare(struct rig *g, u32 present)
{
	struct super_own own[FORMAT_LEGS] = { 0 };
	struct candidate c[LEGS];
	int cand[LEGS];

	look_at(g, present, c, cand);
	cr_assert_leq(g->assembly.verdict, ASSEMBLE_RESYNC, "%s", g->assembly.text);
	for (unsigned int slot = 0; slot < FORMAT_LEGS; slot++) {
		int i = g->assembly.leg[slot];

		g->fds[slot] = -1;
		if (i < 0 || !((g->assembly.serve | g->assembly.rebuilding | g->assembly.spare) >> slot & 1))
			continue;
		own[slot] = c[i].super.own;
		g->fds[slot] = dup(g->files[cand[i]]);
	}
	cr_assert_eq(record_init(&g->r, &g->assembly, own, g->fds), 0);
	g->r.dropped = told_dropped;
	g->r.arg = g;
	g->r.retry_ms = 50;
}

static void begin(struct rig *g, u32 present)
{
	prepare(g, present);
	cr_assert_eq(record_begin(&g->r, 2), 0);
}

/* Two legs, or three, being served. */
static void serve(struct rig *g, unsigned int nr)
{
	create(g, nr, CHUNKS);
	begin(g, A | B | C);
}

static void end(struct rig *g)
{
	record_end(&g->r);
	record_deinit(&g->r);
	for (unsigned int i = 0; i < g->nr; i++)
		close(g->fds[i]);
}

/* Writes to the leg are errors: it is open for reading only.  A flush succeeds. */
static void fail(struct rig *g, u32 legs)
{
	for (unsigned int i = 0; i < g->nr; i++) {
		char path[32];
		int fd;

		if (!(legs >> i & 1))
			continue;
		snprintf(path, sizeof(path), "/proc/self/fd/%d", g->files[i]);
		fd = file_open(path, O_RDONLY);
		dup2(fd, g->fds[i]);
		close(fd);
	}
}

/* Writes seem to succeed, and a flush is an error. */
static void fail_flush(struct rig *g, unsigned int leg)
{
	int fd = file_open("/dev/null", O_WRONLY);

	dup2(fd, g->fds[leg]);
	close(fd);
}

static void mend(struct rig *g, u32 legs)
{
	for (unsigned int i = 0; i < g->nr; i++)
		if (legs >> i & 1)
			dup2(g->files[i], g->fds[i]);
}

/* Requests. */

static void woken(struct record_wait *w)
{
	struct waiter *wt = (struct waiter *)w;

	wt->seen = !wt->look || wt->look(wt->g);
	sem_post(&wt->woken);
}

static void waiter(struct waiter *wt, struct rig *g, bool (*look)(struct rig *g))
{
	*wt = (struct waiter){ .w.wake = woken, .g = g, .look = look };
	sem_init(&wt->woken, 0, 0);
}

static void wait_woken(struct waiter *wt)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	ts.tv_sec += SOON_MS / 1000;
	cr_assert_eq(sem_timedwait(&wt->woken, &ts), 0, "it was not woken");
}

static struct record_queue *queue(struct rig *g)
{
	return &g->r.queues[0];
}

/* One look of the first queue at a write to @chunk. */
static int try(struct rig *g, struct waiter *wt, u32 chunk, u32 *epoch)
{
	int ret;

	record_enter(&g->r, queue(g));
	ret = record_write(&g->r, queue(g), &wt->w, chunk * CHUNK, 4096, epoch);
	record_leave(queue(g));
	return ret;
}

/* A write may be sent, or cannot be. */
static int write_begin(struct rig *g, u32 chunk, u32 *epoch)
{
	struct waiter wt;
	int ret;

	waiter(&wt, g, NULL);
	while ((ret = try(g, &wt, chunk, epoch)) == RECORD_PARKED)
		wait_woken(&wt);
	return ret;
}

static void write_end(struct rig *g, u32 epoch)
{
	record_wrote(queue(g), epoch);
}

static int may_end(struct rig *g)
{
	struct waiter wt;
	int ret;

	waiter(&wt, g, NULL);
	while ((ret = record_may_end(&g->r, &wt.w)) == RECORD_PARKED)
		wait_woken(&wt);
	return ret;
}

/*
 * The record's thread is held in a wake(), so that what comes meanwhile is all there when it goes
 * on.  A write to one of the last chunks is what waits there.
 */
static struct hold {
	struct record_wait w;
	unsigned int nr;
	sem_t in, out;
} hold;

static void hold_woken(struct record_wait *w)
{
	sem_post(&hold.in);
	sem_wait(&hold.out);
}

static void hold_thread(struct rig *g)
{
	u32 epoch;

	hold.w.wake = hold_woken;
	sem_init(&hold.in, 0, 0);
	sem_init(&hold.out, 0, 0);
	record_enter(&g->r, queue(g));
	cr_assert_eq(record_write(&g->r, queue(g), &hold.w, (g->r.bits.nr - ++hold.nr) * CHUNK, 512, &epoch),
		     RECORD_PARKED);
	record_leave(queue(g));
	sem_wait(&hold.in);
}

static void let_go(void)
{
	sem_post(&hold.out);
}

/* Waiting for what the thread does. */

static bool all_aged(void *arg)
{
	struct rig *g = arg;
	bool due;

	pthread_mutex_lock(&g->r.lock);
	due = g->r.ageing;
	pthread_mutex_unlock(&g->r.lock);
	return !due && bits_off(g, (1U << g->nr) - 1);
}

static bool ageing_rests(void *arg)
{
	struct rig *g = arg;
	bool due;

	pthread_mutex_lock(&g->r.lock);
	due = g->r.ageing;
	pthread_mutex_unlock(&g->r.lock);
	return !due;
}

static bool is_mended(void *arg)
{
	struct rig *g = arg;

	return !g->r.broken;
}

static bool both_copies_are_of_one_event(void *arg)
{
	struct rig *g = arg;

	for (unsigned int i = 0; i < g->nr; i++) {
		struct super copies[2];

		if (leg_read_copy(g, i, 0, &copies[0]) || leg_read_copy(g, i, 1, &copies[1]) ||
		    !super_event_same(copies[0].set.event, copies[1].set.event))
			return false;
	}
	return true;
}

/* Beginning. */

Test(mirror_record, serving_begins_with_an_event_and_the_bitmap_on_every_leg, .timeout = 60)
{
	u8 zeroes[SECTOR_SIZE] = { 0 };
	struct super s;
	struct rig g;

	create(&g, 3, CHUNKS);
	/* one leg's bitmap is damaged */
	file_write(g.files[1], zeroes, sizeof(zeroes), FORMAT_BITMAP);
	begin(&g, A | B | C);
	for (unsigned int i = 0; i < 3; i++) {
		cr_assert_eq(leg_read(&g, i, &s), 0);
		cr_assert_eq(s.set.event.nr, 2);
		cr_assert_eq(s.set.event.tag, g.r.set.event.tag);
		cr_assert_not(s.set.clean);
		cr_assert_eq(leg_bit(&g, i, 0), 0, "leg %u", i);
	}
	cr_assert_neq(g.r.set.event.tag, 0);
	cr_assert_not(g.r.differs);
	cr_assert_not(g.r.bits.keep);
	end(&g);
}

Test(mirror_record, the_other_copy_follows, .timeout = 60)
{
	struct super s[2];
	struct rig g;

	serve(&g, 2);
	cr_assert(wait_until(both_copies_are_of_one_event, &g, SOON_MS));
	for (unsigned int i = 0; i < 2; i++) {
		leg_read_copy(&g, i, 0, &s[0]);
		leg_read_copy(&g, i, 1, &s[1]);
		cr_assert_eq(s[1].own.seq, 2, "first the copy that was older");
		cr_assert_eq(s[0].own.seq, 3);
	}
	end(&g);
}

Test(mirror_record, a_torn_copy_leaves_the_other_one, .timeout = 60)
{
	struct candidate c[LEGS];
	struct super s;
	struct rig g;
	u32 noise = 0x5a5a5a5a;
	int cand[LEGS];

	serve(&g, 2);
	cr_assert(wait_until(both_copies_are_of_one_event, &g, SOON_MS));
	for (unsigned int i = 0; i < 2; i++) {
		leg_read(&g, i, &s);
		file_write(g.files[i], &noise, sizeof(noise), copy_at(s.own.copy) + 512);
	}
	look_at(&g, A | B, c, cand);
	cr_assert_eq(g.assembly.verdict, ASSEMBLE_RESYNC, "%s", g.assembly.text);
	cr_assert(super_event_same(g.assembly.set.event, g.r.set.event));
	end(&g);
}

Test(mirror_record, a_leg_that_fails_at_the_begin_is_dropped, .timeout = 60)
{
	struct rig g;

	create(&g, 2, CHUNKS);
	prepare(&g, A | B);
	fail(&g, B);
	cr_assert_eq(record_begin(&g.r, 1), 0);
	cr_assert_eq(g.dropped, B);
	cr_assert_eq(g.err, -EBADF);
	cr_assert_eq(leg_says(&g, 0, 1), FORMAT_FAILED);
	cr_assert_eq(leg_says(&g, 1, 1), FORMAT_IN_SYNC, "it was not told");
	cr_assert_eq(may_end(&g), 0);
	end(&g);
}

Test(mirror_record, serving_does_not_begin_when_no_leg_takes_the_event, .timeout = 60)
{
	struct rig g;

	create(&g, 2, CHUNKS);
	prepare(&g, A | B);
	fail(&g, A | B);
	cr_assert_eq(record_begin(&g.r, 1), -EIO);
	cr_assert_eq(g.told, 0);
	record_deinit(&g.r);
}

Test(mirror_record, legs_that_are_not_here_are_stale_and_miss_what_is_written, .timeout = 60)
{
	struct super_set set;
	u64 differ, missed;
	struct rig g;
	u32 epoch;

	create(&g, 2, CHUNKS);
	g.degraded = true;
	prepare(&g, A);
	g.r.age_ms = 20;
	cr_assert_eq(record_begin(&g.r, 2), 0);
	cr_assert_eq(leg_says(&g, 0, 1), FORMAT_STALE);
	cr_assert_eq(write_begin(&g, 5, &epoch), 0);
	write_end(&g, epoch);
	cr_assert(wait_until(ageing_rests, &g, SOON_MS));
	record_tell(&g.r, &set, &differ, &missed);
	cr_assert_eq(set.legs[1].state, FORMAT_STALE);
	cr_assert_eq(differ, 0);
	cr_assert_eq(missed, CHUNK);
	end(&g);
	cr_assert_eq(leg_bit(&g, 0, 5), 1, "a clean stop keeps it");
	cr_assert_eq(leg_bit(&g, 0, 4), 0);
}

/* Later landings have such legs at work. */
Test(mirror_record, a_leg_being_rebuilt_gets_events_and_bits_and_is_dropped_when_it_fails, .timeout = 60)
{
	struct super s;
	struct rig g;
	u32 epoch;

	create_with(&g, 3, CHUNKS, FORMAT_REBUILDING);
	begin(&g, A | B | C);
	cr_assert_eq(leg_read(&g, 2, &s), 0);
	cr_assert(super_event_same(s.set.event, g.r.set.event));
	cr_assert(g.r.bits.keep);
	cr_assert_eq(write_begin(&g, 5, &epoch), 0);
	cr_assert(bit_on(&g, A | B | C, 5));
	cr_assert(wait_until(both_copies_are_of_one_event, &g, SOON_MS));
	fail(&g, C);
	/* alone in failing, it does not stay */
	cr_assert_eq(record_failed(&g.r, B, -EIO), 0);
	cr_assert_eq(may_end(&g), 0);
	cr_assert_eq(g.dropped, B | C);
	cr_assert_eq(leg_says(&g, 0, 1), FORMAT_FAILED);
	cr_assert_eq(leg_says(&g, 0, 2), FORMAT_FAILED);
	write_end(&g, epoch);
	end(&g);
}

Test(mirror_record, a_spare_that_fails_is_left_alone, .timeout = 60)
{
	struct super s;
	struct rig g;
	u32 epoch;

	create_with(&g, 3, CHUNKS, FORMAT_SPARE);
	begin(&g, A | B | C);
	cr_assert_eq(leg_read(&g, 2, &s), 0);
	cr_assert(super_event_same(s.set.event, g.r.set.event));
	cr_assert(wait_until(both_copies_are_of_one_event, &g, SOON_MS));
	fail(&g, C);
	cr_assert_eq(write_begin(&g, 5, &epoch), 0);
	cr_assert_eq(g.dropped, C);
	cr_assert_eq(may_end(&g), 0);
	cr_assert_not(g.r.bits.keep);
	write_end(&g, epoch);
	end(&g);
	cr_assert_eq(leg_read(&g, 0, &s), 0);
	cr_assert(s.set.clean);
	cr_assert(bits_off(&g, A | B));
}

/* Bits. */

static bool bit_5_is_on_both(struct rig *g)
{
	return bit_on(g, A | B, 5);
}

Test(mirror_record, a_first_write_waits_until_its_bit_is_on_every_leg, .timeout = 60)
{
	struct waiter wt;
	struct rig g;
	u32 epoch;

	serve(&g, 2);
	waiter(&wt, &g, bit_5_is_on_both);
	cr_assert_eq(try(&g, &wt, 5, &epoch), RECORD_PARKED);
	wait_woken(&wt);
	cr_assert(wt.seen);
	cr_assert_eq(try(&g, &wt, 5, &epoch), 0);
	write_end(&g, epoch);
	/* the next one to the chunk */
	cr_assert_eq(try(&g, &wt, 5, &epoch), 0);
	write_end(&g, epoch);
	cr_assert_eq(leg_bit(&g, 0, 4), 0);
	end(&g);
}

static u64 blocks_written(struct rig *g)
{
	u64 nr;

	pthread_mutex_lock(&g->r.lock);
	nr = g->r.blocks;
	pthread_mutex_unlock(&g->r.lock);
	return nr;
}

static unsigned int turns;

static bool take_turn(struct rig *g)
{
	turns++;
	return true;
}

Test(mirror_record, many_writes_wait_for_few_blocks_and_are_woken_in_order, .timeout = 60)
{
	static struct waiter wt[4000];
	struct rig g;
	u64 before;
	u32 epoch;

	create(&g, 2, 10000);
	begin(&g, A | B);
	hold_thread(&g);
	before = blocks_written(&g);
	for (unsigned int i = 0; i < ARRAY_SIZE(wt); i++) {
		waiter(&wt[i], &g, take_turn);
		cr_assert_eq(try(&g, &wt[i], i, &epoch), RECORD_PARKED);
	}
	let_go();
	wait_woken(&wt[ARRAY_SIZE(wt) - 1]);
	cr_assert_eq(turns, ARRAY_SIZE(wt), "the last is woken behind all others");
	cr_assert_eq(blocks_written(&g) - before, 1);
	for (unsigned int i = 0; i < ARRAY_SIZE(wt); i++) {
		cr_assert_eq(try(&g, &wt[i], i, &epoch), 0);
		write_end(&g, epoch);
	}
	end(&g);
}

Test(mirror_record, bits_age_and_are_cleared, .timeout = 60)
{
	struct rig g;
	u32 epoch;

	create(&g, 2, CHUNKS);
	prepare(&g, A | B);
	g.r.age_ms = 20;
	cr_assert_eq(record_begin(&g.r, 2), 0);
	for (u32 chunk = 0; chunk < CHUNKS; chunk += 7) {
		cr_assert_eq(write_begin(&g, chunk, &epoch), 0);
		write_end(&g, epoch);
	}
	cr_assert(wait_until(all_aged, &g, SOON_MS));
	/* and can be set again */
	cr_assert_eq(write_begin(&g, 7, &epoch), 0);
	cr_assert(bit_on(&g, A | B, 7));
	write_end(&g, epoch);
	cr_assert(wait_until(all_aged, &g, SOON_MS));
	end(&g);
}

Test(mirror_record, a_write_that_does_not_end_keeps_its_bit, .timeout = 60)
{
	struct rig g;
	u32 epoch;

	create(&g, 2, CHUNKS);
	prepare(&g, A | B);
	g.r.age_ms = 5;
	cr_assert_eq(record_begin(&g.r, 2), 0);
	cr_assert_eq(write_begin(&g, 5, &epoch), 0);
	sleep_ms(NEVER_MS);
	cr_assert(bit_on(&g, A | B, 5));
	write_end(&g, epoch);
	cr_assert(wait_until(all_aged, &g, SOON_MS));
	end(&g);
}

/* In dropped(): the flush has just failed. */
static void see_bit_5(struct rig *g)
{
	g->seen = bit_on(g, A, 5);
}

Test(mirror_record, bits_are_cleared_behind_a_flush_of_every_leg, .timeout = 60)
{
	struct super_set set;
	u64 differ, missed;
	struct rig g;
	u32 epoch;

	create(&g, 2, CHUNKS);
	g.at_drop = see_bit_5;
	prepare(&g, A | B);
	g.r.age_ms = 20;
	cr_assert_eq(record_begin(&g.r, 2), 0);
	cr_assert_eq(write_begin(&g, 5, &epoch), 0);
	fail_flush(&g, 1);
	write_end(&g, epoch);
	cr_assert(wait_until(ageing_rests, &g, SOON_MS));
	cr_assert_eq(g.dropped, B);
	cr_assert_eq(g.err, -EINVAL);
	cr_assert(g.seen);
	cr_assert_eq(may_end(&g), 0);
	cr_assert_eq(leg_says(&g, 0, 1), FORMAT_FAILED);
	record_tell(&g.r, &set, &differ, &missed);
	cr_assert_eq(missed, CHUNK, "the leg may have lost it");
	cr_assert(bit_on(&g, A, 5));
	end(&g);
}

Test(mirror_record, the_last_leg_whose_flush_fails_stays_with_its_bits, .timeout = 60)
{
	struct rig g;
	u32 epoch;

	create(&g, 1, CHUNKS);
	prepare(&g, A);
	g.r.age_ms = 5;
	cr_assert_eq(record_begin(&g.r, 2), 0);
	cr_assert_eq(write_begin(&g, 5, &epoch), 0);
	fail_flush(&g, 0);
	write_end(&g, epoch);
	sleep_ms(NEVER_MS);
	cr_assert_eq(g.told, 0);
	cr_assert_not(ageing_rests(&g));
	mend(&g, A);
	cr_assert(bit_on(&g, A, 5));
	cr_assert(wait_until(all_aged, &g, SOON_MS));
	end(&g);
}

/* Legs that fail. */

static bool others_call_leg_1_failed(struct rig *g)
{
	return leg_says(g, 0, 1) == FORMAT_FAILED && leg_says(g, 2, 1) == FORMAT_FAILED;
}

/* M1 */
Test(mirror_record, a_write_that_a_leg_missed_waits_for_the_event, .timeout = 60)
{
	struct waiter wt;
	struct rig g;
	u32 epoch;

	serve(&g, 3);
	cr_assert_eq(write_begin(&g, 5, &epoch), 0);
	hold_thread(&g);
	cr_assert_eq(record_failed(&g.r, B, -EIO), 0);
	cr_assert_eq(g.dropped, B);
	cr_assert(g.r.bits.keep);
	write_end(&g, epoch);
	waiter(&wt, &g, others_call_leg_1_failed);
	cr_assert_eq(record_may_end(&g.r, &wt.w), RECORD_PARKED);
	cr_assert_eq(leg_says(&g, 0, 1), FORMAT_IN_SYNC);
	let_go();
	wait_woken(&wt);
	cr_assert(wt.seen);
	cr_assert_eq(record_may_end(&g.r, &wt.w), 0);
	cr_assert_eq(leg_says(&g, 1, 1), FORMAT_IN_SYNC, "who was dropped is not told");
	/* once more, by a request that was under way */
	cr_assert_eq(record_failed(&g.r, B, -EIO), 0);
	cr_assert_eq(record_may_end(&g.r, &wt.w), 0);
	cr_assert_eq(g.told, 1);
	end(&g);
}

static bool leg_0_calls_both_failed(struct rig *g)
{
	return leg_says(g, 0, 1) == FORMAT_FAILED && leg_says(g, 0, 2) == FORMAT_FAILED;
}

Test(mirror_record, a_leg_that_does_not_take_the_event_is_dropped_by_the_next, .timeout = 60)
{
	struct waiter wt;
	struct rig g;

	serve(&g, 3);
	cr_assert(wait_until(both_copies_are_of_one_event, &g, SOON_MS));
	hold_thread(&g);
	fail(&g, C);
	record_failed(&g.r, B, -EIO);
	waiter(&wt, &g, leg_0_calls_both_failed);
	cr_assert_eq(record_may_end(&g.r, &wt.w), RECORD_PARKED);
	let_go();
	wait_woken(&wt);
	cr_assert(wt.seen);
	cr_assert_eq(record_may_end(&g.r, &wt.w), 0);
	cr_assert_eq(g.dropped, B | C);
	end(&g);
}

/* In dropped(): no write may be acknowledged any more. */
static void see_changing(struct rig *g)
{
	g->seen = g->r.changing;
}

Test(mirror_record, a_leg_that_does_not_take_the_bitmap_is_dropped, .timeout = 60)
{
	struct rig g;
	u32 epoch;

	serve(&g, 2);
	cr_assert(wait_until(both_copies_are_of_one_event, &g, SOON_MS));
	g.at_drop = see_changing;
	fail(&g, B);
	cr_assert_eq(write_begin(&g, 5, &epoch), 0);
	cr_assert_eq(g.dropped, B, "before the write is sent");
	cr_assert(g.seen);
	cr_assert(bit_on(&g, A, 5));
	cr_assert_eq(may_end(&g), 0);
	cr_assert_eq(leg_says(&g, 0, 1), FORMAT_FAILED);
	write_end(&g, epoch);
	end(&g);
}

/* M16: two queues, each of which has seen another leg fail. */
Test(mirror_record, the_last_leg_is_not_dropped, .timeout = 60)
{
	struct rig g;

	serve(&g, 2);
	cr_assert_eq(record_failed(&g.r, B, -EIO), 0);
	cr_assert_eq(record_failed(&g.r, A, -EIO), A);
	cr_assert_eq(g.dropped, B);
	cr_assert_eq(may_end(&g), 0);
	cr_assert_eq(record_failed(&g.r, A, -EIO), A);
	cr_assert_eq(leg_says(&g, 0, 0), FORMAT_IN_SYNC);
	end(&g);
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
	struct waiter wt;
	u32 left;

	waiter(&wt, f->g, NULL);
	pthread_barrier_wait(f->start);
	f->stay = record_failed(&f->g->r, f->slots, -EIO);
	while (record_may_end(&f->g->r, &wt.w) == RECORD_PARKED)
		sem_wait(&wt.woken);
	/* One of the two has gone, and the other one says so. */
	left = f->stay ? f->slots : (A | B) & ~f->slots;
	f->told_early = leg_says(f->g, __builtin_ctz(left), !__builtin_ctz(left)) != FORMAT_FAILED;
	return NULL;
}

Test(mirror_record, of_two_legs_that_two_queues_see_fail_one_stays, .timeout = 60)
{
	for (unsigned int round = 0; round < 100; round++) {
		pthread_barrier_t start;
		pthread_t threads[2];
		struct failer f[2];
		struct rig g;

		serve(&g, 2);
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
		end(&g);
		for (unsigned int i = 0; i < 2; i++)
			close(g.files[i]);
	}
}

Test(mirror_record, all_fail_when_no_leg_takes_the_event_and_it_is_tried_again, .timeout = 60)
{
	struct waiter wt;
	struct rig g;
	u32 epoch;

	serve(&g, 2);
	cr_assert(wait_until(both_copies_are_of_one_event, &g, SOON_MS));
	hold_thread(&g);
	fail(&g, A | B);
	record_failed(&g.r, B, -EIO);
	waiter(&wt, &g, NULL);
	cr_assert_eq(record_may_end(&g.r, &wt.w), RECORD_PARKED);
	let_go();
	wait_woken(&wt);
	cr_assert_eq(record_may_end(&g.r, &wt.w), -EIO);
	cr_assert_eq(write_begin(&g, 6, &epoch), -EIO);
	cr_assert(g.r.changing && g.r.broken);
	cr_assert_eq(g.dropped, B);
	sleep_ms(NEVER_MS);
	cr_assert_eq(may_end(&g), -EIO);
	mend(&g, A);
	cr_assert(wait_until(is_mended, &g, SOON_MS));
	cr_assert_eq(may_end(&g), 0);
	cr_assert_eq(leg_says(&g, 0, 1), FORMAT_FAILED);
	cr_assert_eq(write_begin(&g, 6, &epoch), 0);
	cr_assert(bit_on(&g, A, 6));
	write_end(&g, epoch);
	end(&g);
}

Test(mirror_record, all_fail_when_no_leg_takes_the_bitmap_and_it_is_tried_again, .timeout = 60)
{
	struct rig g;
	u32 epoch;

	serve(&g, 2);
	cr_assert(wait_until(both_copies_are_of_one_event, &g, SOON_MS));
	fail(&g, A | B);
	cr_assert_eq(write_begin(&g, 5, &epoch), -EIO);
	cr_assert_eq(may_end(&g), -EIO);
	cr_assert_eq(g.told, 0, "which of them is to stay, nobody knows");
	mend(&g, A | B);
	cr_assert(wait_until(is_mended, &g, SOON_MS));
	cr_assert_eq(may_end(&g), 0);
	cr_assert_eq(write_begin(&g, 5, &epoch), 0);
	cr_assert(bit_on(&g, A | B, 5));
	write_end(&g, epoch);
	end(&g);
	cr_assert(bits_off(&g, A | B));
}

/* Legs that may differ. */

static bool both_name_a_source(struct rig *g)
{
	struct super s[2];

	return !leg_read(g, 0, &s[0]) && !leg_read(g, 1, &s[1]) && s[0].set.source == 0 &&
	       s[1].set.source == 0;
}

Test(mirror_record, a_write_that_failed_everywhere_has_a_source_from_then_on, .timeout = 60)
{
	struct rig g, after;
	struct waiter wt;
	u32 epoch;

	create(&g, 2, CHUNKS);
	prepare(&g, A | B);
	g.r.age_ms = 5;
	cr_assert_eq(record_begin(&g.r, 2), 0);
	cr_assert_eq(write_begin(&g, 5, &epoch), 0);
	hold_thread(&g);
	waiter(&wt, &g, both_name_a_source);
	cr_assert_eq(record_differ(&g.r, &wt.w, 5 * CHUNK, 4096), RECORD_PARKED);
	cr_assert(g.r.differs);
	cr_assert_eq(record_source(&g.r, 5 * CHUNK, 512), 0);
	let_go();
	wait_woken(&wt);
	cr_assert(wt.seen);
	cr_assert_eq(record_may_end(&g.r, &wt.w), 0);
	write_end(&g, epoch);
	cr_assert_eq(record_source(&g.r, 5 * CHUNK, 512), 0);
	cr_assert_eq(record_source(&g.r, 6 * CHUNK, 512), -1);
	cr_assert_eq(record_source(&g.r, 6 * CHUNK - 512, 1024), 0, "only in part");
	cr_assert(wait_until(ageing_rests, &g, SOON_MS));
	cr_assert(bit_on(&g, A | B, 5), "it is not cleared");
	/* the next one there needs no event */
	cr_assert_eq(record_differ(&g.r, &wt.w, 5 * CHUNK, 4096), 0);

	kill_and_copy(&after, &g);
	begin(&after, A | B);
	cr_assert_eq(after.assembly.verdict, ASSEMBLE_RESYNC);
	cr_assert(after.r.differs);
	cr_assert_eq(record_source(&after.r, 5 * CHUNK, 512), 0);
	cr_assert_eq(record_source(&after.r, 6 * CHUNK, 512), -1);
	end(&after);
	end(&g);
	/* stopped by its owner, and still to be resynchronised */
	begin(&g, A | B);
	cr_assert_eq(g.assembly.set.clean, true);
	cr_assert_eq(record_source(&g.r, 5 * CHUNK, 512), 0);
	end(&g);
}

Test(mirror_record, the_source_that_goes_is_replaced_by_the_next, .timeout = 60)
{
	struct waiter wt;
	struct rig g;
	u32 epoch;

	serve(&g, 3);
	cr_assert_eq(write_begin(&g, 5, &epoch), 0);
	hold_thread(&g);
	waiter(&wt, &g, NULL);
	cr_assert_eq(record_differ(&g.r, &wt.w, 5 * CHUNK, 4096), RECORD_PARKED);
	cr_assert_eq(record_failed(&g.r, A, -EIO), 0);
	cr_assert_eq(record_source(&g.r, 5 * CHUNK, 512), 1);
	write_end(&g, epoch);
	let_go();
	wait_woken(&wt);
	cr_assert_eq(may_end(&g), 0);
	cr_assert_eq(g.r.set.source, 1);
	/* and of one that is on the legs */
	hold_thread(&g);
	cr_assert_eq(record_failed(&g.r, B, -EIO), 0);
	cr_assert_eq(record_source(&g.r, 5 * CHUNK, 512), 2);
	let_go();
	cr_assert_eq(may_end(&g), 0);
	cr_assert_eq(g.r.set.source, 2);
	end(&g);
}

/* The end. */

Test(mirror_record, a_set_that_was_ended_is_clean_and_has_no_bits, .timeout = 60)
{
	struct super s;
	struct rig g;
	u32 epoch;

	serve(&g, 2);
	for (u32 chunk = 0; chunk < 10; chunk++) {
		cr_assert_eq(write_begin(&g, chunk, &epoch), 0);
		write_end(&g, epoch);
	}
	cr_assert(bit_on(&g, A | B, 9));
	end(&g);
	for (unsigned int i = 0; i < 2; i++) {
		cr_assert_eq(leg_read(&g, i, &s), 0);
		cr_assert(s.set.clean);
		cr_assert_eq(s.set.source, NONE);
	}
	cr_assert(bits_off(&g, A | B));
	cr_assert(both_copies_are_of_one_event(&g));
	begin(&g, A | B);
	cr_assert_eq(g.assembly.verdict, ASSEMBLE_SERVE);
	cr_assert_not(g.r.differs);
	cr_assert(bits_off(&g, A | B));
	end(&g);
}

Test(mirror_record, a_leg_that_fails_at_the_end_is_dropped_and_the_set_is_clean, .timeout = 60)
{
	struct super s;
	struct rig g;

	serve(&g, 2);
	cr_assert(wait_until(both_copies_are_of_one_event, &g, SOON_MS));
	fail(&g, B);
	end(&g);
	cr_assert_eq(g.dropped, B);
	cr_assert_eq(leg_read(&g, 0, &s), 0);
	cr_assert(s.set.clean);
	cr_assert_eq(s.set.legs[1].state, FORMAT_FAILED);
}

Test(mirror_record, a_set_whose_legs_all_fail_at_the_end_is_not_clean, .timeout = 60)
{
	struct super s;
	struct rig g;
	u32 epoch;

	serve(&g, 2);
	cr_assert(wait_until(both_copies_are_of_one_event, &g, SOON_MS));
	cr_assert_eq(write_begin(&g, 5, &epoch), 0);
	write_end(&g, epoch);
	fail(&g, A | B);
	end(&g);
	for (unsigned int i = 0; i < 2; i++) {
		cr_assert_eq(leg_read(&g, i, &s), 0);
		cr_assert_not(s.set.clean);
	}
	cr_assert(bit_on(&g, A | B, 5));
}

Test(mirror_record, writes_under_way_at_the_end_are_dirty, .timeout = 60)
{
	struct super s;
	struct rig g;
	u32 epoch;

	serve(&g, 2);
	cr_assert_eq(write_begin(&g, 5, &epoch), 0);
	end(&g);
	cr_assert_eq(leg_read(&g, 0, &s), 0);
	cr_assert_not(s.set.clean);
	cr_assert(bit_on(&g, A | B, 5));
}

/* M3 */
Test(mirror_record, after_a_kill_what_was_under_way_may_differ, .timeout = 60)
{
	struct super_set set;
	u64 differ, missed;
	struct rig g, after;
	u32 epoch;

	serve(&g, 2);
	cr_assert_eq(write_begin(&g, 5, &epoch), 0);
	cr_assert_eq(write_begin(&g, 50, &epoch), 0);
	kill_and_copy(&after, &g);
	begin(&after, A | B);
	cr_assert_eq(after.assembly.verdict, ASSEMBLE_RESYNC);
	cr_assert(after.r.differs);
	record_tell(&after.r, &set, &differ, &missed);
	cr_assert_eq(differ, 2 * CHUNK);
	cr_assert_eq(missed, 0);
	cr_assert_eq(set.source, 0);
	cr_assert_eq(record_source(&after.r, 50 * CHUNK, 512), 0);
	cr_assert_eq(record_source(&after.r, 49 * CHUNK, 512), -1);
	cr_assert(bit_on(&after, A | B, 5) && bit_on(&after, A | B, 50));
	end(&after);
	cr_assert(bit_on(&after, A | B, 5), "a stop does not make legs equal");
	end(&g);
}

/* All at once: two queues, ageing all the time, and a look at the legs for each write. */

struct hammer {
	struct rig *g;
	unsigned int nr;
	u64 until;
	u64 writes, waits, bad;
};

static u32 hammer_rnd(u32 *state, u32 n)
{
	*state = *state * 1664525 + 1013904223;
	return (*state >> 8) % n;
}

static int hammer_begin(struct hammer *h, struct waiter *wt, u32 chunk, u32 len, u32 *epoch)
{
	struct record_queue *rq = &h->g->r.queues[h->nr];
	int ret;

	for (;;) {
		record_enter(&h->g->r, rq);
		ret = record_write(&h->g->r, rq, &wt->w, chunk * CHUNK + CHUNK - 512, len, epoch);
		if (ret != RECORD_PARKED)
			return ret;
		record_leave(rq);
		sem_wait(&wt->woken);
		h->waits++;
	}
}

static void hammer_look(struct hammer *h, u32 chunk, u32 len)
{
	if (!bit_on(h->g, A | B, chunk) || (len > 512 && !bit_on(h->g, A | B, chunk + 1)))
		h->bad++;
}

static void *hammer(void *arg)
{
	struct hammer *h = arg;
	struct record_queue *rq = &h->g->r.queues[h->nr];
	u32 state = h->nr + 1, epoch;
	struct waiter wt;

	waiter(&wt, h->g, NULL);
	while (now_ms() < h->until) {
		u32 chunk = hammer_rnd(&state, CHUNKS - 1), len = hammer_rnd(&state, 2) ? 512 : 1024;

		if (hammer_begin(h, &wt, chunk, len, &epoch))
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

Test(mirror_record, bits_are_durable_while_writes_are_under_way, .timeout = 60)
{
	struct hammer h[2];
	pthread_t threads[2];
	struct rig g;

	create(&g, 2, CHUNKS);
	prepare(&g, A | B);
	g.r.age_ms = 2;
	cr_assert_eq(record_begin(&g.r, 2), 0);
	for (unsigned int i = 0; i < 2; i++) {
		h[i] = (struct hammer){ .g = &g, .nr = i, .until = now_ms() + 2000 };
		cr_assert_eq(pthread_create(&threads[i], NULL, hammer, &h[i]), 0);
	}
	for (unsigned int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	for (unsigned int i = 0; i < 2; i++) {
		cr_assert_eq(h[i].bad, 0, "queue %u: %llu of %llu", i, (unsigned long long)h[i].bad,
			     (unsigned long long)h[i].writes);
		cr_assert_gt(h[i].writes, 100);
		cr_assert_gt(h[i].waits, 10, "bits were cleared meanwhile");
	}
	cr_assert(wait_until(all_aged, &g, SOON_MS));
	end(&g);
}
