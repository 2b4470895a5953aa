// SPDX-License-Identifier: GPL-2.0
/*
 * Copying between legs, which are files in memory: what is copied, what is not, what becomes of it
 * when legs fail, when it is stopped, and when clients write there.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "targets/mirror/resync.h"
#include "tmpfile.h"

#define SHIFT	16
#define CHUNK	(1ULL << SHIFT)
#define CHUNKS	256			/* 16 MiB */
#define SIZE	(CHUNKS * CHUNK)
#define AT	FORMAT_AREA_BYTES	/* of the data */
#define LEGS	3
#define A	(1U << 0)
#define B	(1U << 1)
#define C	(1U << 2)

static const u8 uuid[16] = { 1 };
static u8 data[LEGS][SIZE];

/* struct rig - a set, served; @failed, @rebuilt: as told */
struct rig {
	unsigned int nr;
	int files[LEGS], fds[FORMAT_LEGS];
	u64 at[FORMAT_LEGS];
	struct super_own own[FORMAT_LEGS];
	struct assembly assembly;
	struct record r;
	struct regions g;
	struct resync s;
	_Atomic u32 failed, rebuilt;
};

static struct rig g;

/* Legs. */

static void leg_create(unsigned int leg, const struct super *s, const u8 *bits)
{
	u8 buf[FORMAT_COPY_BYTES], sector[SECTOR_SIZE];

	g.files[leg] = file_mem(AT + SIZE);
	super_encode(&s->set, &s->own, buf);
	file_write(g.files[leg], buf, sizeof(buf), FORMAT_COPY0);
	super_bits_encode(uuid, 0, bits, sector);
	file_write(g.files[leg], sector, sizeof(sector), FORMAT_BITMAP);
}

/* Killed while it was served, with a bit for each chunk in @dirty (-1: the end). */
static void create(unsigned int nr, const int *dirty)
{
	struct super s = {
		.set = { .name = "set", .event = { 1, 1 }, .size = SIZE, .lbs_shift = 9, .chunk_shift = SHIFT,
			 .source = FORMAT_NO_SOURCE, .nr = nr },
		.own = { .seq = 1, .data_offset = AT, .bitmap_offset = FORMAT_BITMAP },
	};
	u8 bits[504] = { 0 };

	memset(&g, 0, sizeof(g));
	g.nr = nr;
	memcpy(s.set.uuid, uuid, sizeof(uuid));
	s.own.bitmap_bytes = super_bitmap_bytes(&s.set);
	for (; *dirty >= 0; dirty++)
		bits[*dirty / 8] |= 1U << *dirty % 8;
	for (unsigned int i = 0; i < nr; i++)
		s.set.legs[i] = (struct super_leg){ .uuid = { i + 1 }, .state = FORMAT_IN_SYNC,
						    .held = { 1, 1 }, .sent = { 1, 1 } };
	for (unsigned int i = 0; i < nr; i++) {
		s.own.self = i;
		leg_create(i, &s, bits);
	}
}

static void leg_super(unsigned int leg, struct super *s)
{
	u8 bufs[2][FORMAT_COPY_BYTES];
	struct super_why why;

	file_read(g.files[leg], bufs[0], FORMAT_COPY_BYTES, FORMAT_COPY0);
	file_read(g.files[leg], bufs[1], FORMAT_COPY_BYTES, FORMAT_COPY1);
	cr_assert_eq(super_read(s, (const void *[]){ bufs[0], bufs[1] }, "?", 0, &why), 0, "%s", why.text);
}

/* All of the leg's data in the chunk is @byte. */
static void fill(unsigned int leg, u32 chunk, int byte)
{
	u8 buf[CHUNK];

	memset(buf, byte, sizeof(buf));
	file_write(g.files[leg], buf, sizeof(buf), AT + chunk * CHUNK);
}

static int byte_at(unsigned int leg, u64 off)
{
	u8 byte;

	file_read(g.files[leg], &byte, 1, AT + off);
	return byte;
}

static bool chunk_is(unsigned int leg, u32 chunk, int byte)
{
	u8 buf[CHUNK];

	file_read(g.files[leg], buf, sizeof(buf), AT + chunk * CHUNK);
	return buf[0] == byte && !memcmp(buf, buf + 1, sizeof(buf) - 1);
}

static void legs_agree(u32 legs)
{
	unsigned int first = __builtin_ctz(legs);

	for (u32 rest = legs; rest; rest &= rest - 1)
		file_read(g.files[__builtin_ctz(rest)], data[__builtin_ctz(rest)], SIZE, AT);
	for (u32 rest = legs; rest; rest &= rest - 1)
		cr_assert(!memcmp(data[first], data[__builtin_ctz(rest)], SIZE), "leg %u", __builtin_ctz(rest));
}

/* Serving. */

static void told_dropped(void *arg, unsigned int slot, int err)
{
}

static void told_failed(void *arg, unsigned int slot, int err)
{
	g.failed |= 1U << slot;
	record_failed(&g.r, 1U << slot, err);
}

static void told_rebuilt(void *arg, unsigned int slot)
{
	g.rebuilt |= 1U << slot;
}

static void serve_held(bool hold)
{
	const struct resync_legs legs = { .fds = g.fds, .at = g.at, .size = SIZE, .failed = told_failed,
					  .rebuilt = told_rebuilt };
	struct candidate c[LEGS];

	for (unsigned int i = 0; i < g.nr; i++) {
		c[i] = (struct candidate){ .path = "?", .bytes = 1ULL << 40, .lbs = 512 };
		leg_super(i, &c[i].super);
		g.own[i] = c[i].super.own;
		g.fds[i] = dup(g.files[i]);
		g.at[i] = AT;
	}
	for (unsigned int i = g.nr; i < FORMAT_LEGS; i++)
		g.fds[i] = -1;
	assemble(c, g.nr, false, &g.assembly);
	cr_assert_leq(g.assembly.verdict, ASSEMBLE_RESYNC, "%s", g.assembly.text);
	cr_assert_eq(record_init(&g.r, &g.assembly, g.own, g.fds), 0);
	g.r.dropped = told_dropped;
	g.r.age_ms = 20;
	cr_assert_eq(record_begin(&g.r, 1), 0);
	regions_init(&g.g);
	g.s.hold = hold;
	cr_assert_eq(resync_start(&g.s, &g.r, &g.g, &legs), 0);
}

static void serve(void)
{
	serve_held(false);
}

static void stop(void)
{
	resync_stop(&g.s);
	cr_assert_eq(g.g.nr, 0, "a region is locked");
	record_end(&g.r);
	record_deinit(&g.r);
	memset(&g.s, 0, sizeof(g.s));
	for (unsigned int i = 0; i < g.nr; i++)
		close(g.fds[i]);
}

/* The leg's file is another one for all that is done to it. */
static void replace(unsigned int leg, const char *path, int flags)
{
	int fd = file_open(path, flags);

	dup2(fd, g.fds[leg]);
	close(fd);
}

static bool has_no_source(void *arg)
{
	return !record_has_source(&g.r) && !record_todo(&g.r);
}

static bool is_idle(void *arg)
{
	struct resync_progress p;

	resync_tell(&g.s, &p);
	return p.what == RESYNC_IDLE && !g.s.check && !g.s.nr_rewrites;
}

static void comes_to_agree(void)
{
	cr_assert(wait_until(has_no_source, NULL, SOON_MS));
	cr_assert(wait_until(is_idle, NULL, SOON_MS));
}

/* A chunk that may differ. */

#define DIRTY(...)	((const int[]){ __VA_ARGS__, -1 })

Test(mirror_resync, what_may_differ_is_copied_and_the_source_goes, .timeout = 60)
{
	struct super s;

	create(3, DIRTY(0, 3, 4, CHUNKS - 1));
	for (u32 chunk = 0; chunk < CHUNKS; chunk++)
		fill(0, chunk, 7);
	fill(1, 3, 1);
	fill(2, CHUNKS - 1, 2);
	serve();
	comes_to_agree();
	for (unsigned int leg = 1; leg < 3; leg++) {
		cr_assert(chunk_is(leg, 0, 7) && chunk_is(leg, 3, 7) && chunk_is(leg, 4, 7));
		cr_assert(chunk_is(leg, CHUNKS - 1, 7));
		cr_assert(chunk_is(leg, 5, 0), "it had no bit");
		leg_super(leg, &s);
		cr_assert_eq(s.set.source, FORMAT_NO_SOURCE);
	}
	cr_assert_not(g.r.differs);
	stop();
	leg_super(1, &s);
	cr_assert(s.set.clean);
}

Test(mirror_resync, a_leg_that_was_away_gets_what_it_lacks, .timeout = 60)
{
	struct super s;

	create(2, DIRTY(0));
	serve();
	comes_to_agree();
	cr_assert_eq(record_drop_slot(&g.r, 1, FORMAT_STALE), 0);
	for (u32 chunk = 0; chunk < CHUNKS; chunk++)
		fill(0, chunk, 9);
	for (unsigned int i = 0; i < SOON_MS && !(record_let_go(&g.r, 1) && resync_let_go(&g.s, 1)); i++)
		sleep_ms(1);
	leg_super(1, &s);
	cr_assert_eq(record_join(&g.r, 1, g.fds[1], &s.own, s.set.event, true), 0);
	record_joined(&g.r, 1);
	resync_kick(&g.s);
	for (unsigned int i = 0; i < SOON_MS && !g.rebuilt; i++)
		sleep_ms(1);
	cr_assert_eq(g.rebuilt, B);
	legs_agree(A | B);
	leg_super(0, &s);
	cr_assert_eq(s.set.legs[1].state, FORMAT_IN_SYNC);
	stop();
}

Test(mirror_resync, a_leg_that_fails_is_dropped_and_the_others_are_copied, .timeout = 60)
{
	create(3, DIRTY(3, 100));
	fill(0, 3, 7);
	fill(0, 100, 8);
	serve_held(true);
	replace(1, "/dev/zero", O_RDONLY);
	g.s.hold = false;
	resync_kick(&g.s);
	comes_to_agree();
	cr_assert_eq(g.failed, B);
	cr_assert(chunk_is(2, 3, 7) && chunk_is(2, 100, 8));
	stop();
}

/* M10 */
Test(mirror_resync, a_leg_without_room_stays_and_is_tried_again, .timeout = 60)
{
	create(2, DIRTY(3));
	fill(0, 3, 7);
	serve_held(true);
	dup2(file_open("/dev/full", O_RDWR), g.fds[1]);
	g.s.hold = false;
	resync_kick(&g.s);
	sleep_ms(NEVER_MS);
	cr_assert_eq(g.failed, 0);
	cr_assert(record_has_source(&g.r));
	dup2(g.files[1], g.fds[1]);
	comes_to_agree();
	cr_assert(chunk_is(1, 3, 7));
	stop();
}

/* A leg that ends before the chunk cannot be read there. */
static void cannot_read(unsigned int leg)
{
	cr_assert_eq(ftruncate(g.files[leg], AT + 100 * CHUNK), 0);
}

Test(mirror_resync, what_the_source_cannot_read_comes_from_another_leg, .timeout = 60)
{
	create(2, DIRTY(3, 200));
	fill(0, 3, 7);
	fill(1, 200, 8);
	cannot_read(0);
	serve();
	comes_to_agree();
	cr_assert(chunk_is(1, 3, 7));
	cr_assert(chunk_is(1, 200, 8));
	cr_assert(chunk_is(0, 200, 8), "and is written there");
	cr_assert_eq(g.failed, 0);
	stop();
}

Test(mirror_resync, what_no_leg_can_read_keeps_the_source, .timeout = 60)
{
	create(2, DIRTY(3, 200));
	fill(0, 3, 7);
	cannot_read(0);
	cannot_read(1);
	serve();
	for (unsigned int i = 0; i < SOON_MS && !chunk_is(1, 3, 7); i++)
		sleep_ms(1);
	sleep_ms(NEVER_MS);
	cr_assert(record_has_source(&g.r));
	cr_assert_eq(record_todo(&g.r), CHUNK);
	cr_assert(is_idle(NULL), "it does not try all the time");
	stop();
}

/* Being stopped, and how fast. */

static u64 done(void)
{
	struct resync_progress p;

	resync_tell(&g.s, &p);
	return p.done;
}

/* M6 */
Test(mirror_resync, a_stop_in_the_middle_comes_soon_and_another_server_goes_on, .timeout = 120)
{
	const struct resync_conf slow = { .max = 1 << 20 };
	int all[CHUNKS + 1];

	for (int i = 0; i < CHUNKS; i++)
		all[i] = i;
	all[CHUNKS] = -1;
	create(2, all);
	for (u32 chunk = 0; chunk < CHUNKS; chunk++)
		fill(0, chunk, 1 + chunk % 100);
	for (unsigned int run = 0; run < 20; run++) {
		u64 began;

		serve_held(true);
		resync_limits(&g.s, &slow);
		g.s.hold = false;
		resync_kick(&g.s);
		sleep_ms(run * 3);
		began = now_ms();
		resync_stop(&g.s);
		cr_assert_lt(now_ms() - began, 1000, "run %u", run);
		cr_assert_eq(g.g.nr, 0, "run %u: a region is locked", run);
		cr_assert(record_has_source(&g.r), "run %u: it was not in the middle", run);
		record_end(&g.r);
		record_deinit(&g.r);
		memset(&g.s, 0, sizeof(g.s));
	}
	serve();
	comes_to_agree();
	legs_agree(A | B);
	stop();
}

Test(mirror_resync, the_most_that_is_asked_for_is_kept, .timeout = 60)
{
	const struct resync_conf slow = { .max = 4 << 20 }, none = { 0 };
	int all[CHUNKS + 1];
	u64 bytes;

	for (int i = 0; i < CHUNKS; i++)
		all[i] = i;
	all[CHUNKS] = -1;
	create(2, all);
	serve_held(true);
	resync_limits(&g.s, &slow);
	g.s.hold = false;
	resync_kick(&g.s);
	sleep_ms(1500);
	bytes = done();
	/* a round is 256 KiB: four windows of one chunk each */
	cr_assert_leq(bytes, 7 << 20);
	cr_assert_geq(bytes, 2 << 20);
	/* and other limits count at once */
	resync_limits(&g.s, &none);
	comes_to_agree();
	stop();
}

/* Clients. */

struct client {
	pthread_t thread;
	_Atomic bool stop;
	unsigned int writes, waits;
	u8 model[SIZE];
	sem_t woken;
	struct record_wait w;
};

static struct client client;

static void client_woken(struct record_wait *w)
{
	sem_post(&client.woken);
}

static void client_parked(struct record_queue *rq)
{
	record_leave(rq);
	client.waits++;
	sem_wait(&client.woken);
	record_enter(&g.r, rq);
}

/* As a queue does it: first the region, then the bit, then both legs, which take their time. */
static void client_write(struct record_queue *rq, u64 off, int byte)
{
	u32 epoch;
	u8 buf[4096];

	memset(buf, byte, sizeof(buf));
	record_enter(&g.r, rq);
	for (;;) {
		if (!region_free(&g.g, off, sizeof(buf))) {
			if (region_wait(&g.g, &client.w, off, sizeof(buf)) == RECORD_PARKED)
				client_parked(rq);
			continue;
		}
		if (record_write(&g.r, rq, &client.w, off, sizeof(buf), &epoch) != RECORD_PARKED)
			break;
		client_parked(rq);
	}
	record_leave(rq);
	file_write(g.files[1], buf, sizeof(buf), AT + off);
	sleep_ms(1);
	file_write(g.files[0], buf, sizeof(buf), AT + off);
	memcpy(client.model + off, buf, sizeof(buf));
	record_wrote(rq, epoch);
	client.writes++;
}

/* To what is copied in one round. */
#define HOT	(REGIONS * CHUNK)

static void *client_main(void *arg)
{
	unsigned int *seed = arg;

	while (!client.stop)
		client_write(&g.r.queues[0], rand_r(seed) % (HOT / 4096) * 4096, 1 + rand_r(seed) % 200);
	return NULL;
}

/* Legs are compared behind each one: the next would make them equal. */
static void copied_under_writes(unsigned int run)
{
	unsigned int seed = run;

	client.stop = false;
	pthread_mutex_lock(&g.r.lock);
	bitmap_differ(&g.r.bits, 0, HOT);
	pthread_mutex_unlock(&g.r.lock);
	pthread_create(&client.thread, NULL, client_main, &seed);
	sleep_ms(run % 5);
	g.s.hold = false;
	resync_kick(&g.s);
	for (unsigned int i = 0; i < SOON_MS && record_todo(&g.r); i++)
		sleep_ms(1);
	cr_assert_eq(record_todo(&g.r), 0);
	client.stop = true;
	pthread_join(client.thread, NULL);
	legs_agree(A | B);
	cr_assert(!memcmp(data[0], client.model, SIZE), "run %u: an older write came back", run);
}

/* M4 */
Test(mirror_resync, what_is_written_meanwhile_is_on_both_legs, .timeout = 120)
{
	create(2, DIRTY(0, 1, 2, 3));
	serve_held(true);
	client.w.wake = client_woken;
	sem_init(&client.woken, 0, 0);
	for (unsigned int run = 0; run < 50; run++)
		copied_under_writes(run);
	cr_assert_gt(client.waits, 10, "few writes met a copy, of %u", client.writes);
	comes_to_agree();
	stop();
}

/* Comparing. */

static u64 compared(bool repair)
{
	struct resync_progress p;

	cr_assert_eq(resync_check(&g.s, repair), 0);
	cr_assert(wait_until(is_idle, NULL, SOON_MS));
	resync_tell(&g.s, &p);
	return p.mismatches;
}

Test(mirror_resync, a_check_counts_what_differs_and_a_repair_ends_it, .timeout = 60)
{
	create(3, DIRTY(0));
	serve();
	comes_to_agree();
	cr_assert_eq(compared(false), 0);
	fill(1, 9, 1);
	fill(2, 9, 2);
	fill(2, CHUNKS - 1, 2);
	cr_assert_eq(compared(false), 2 * CHUNK / 4096);
	cr_assert(chunk_is(1, 9, 1), "it was to be counted only");
	cr_assert_eq(compared(true), 2 * CHUNK / 4096);
	legs_agree(A | B | C);
	cr_assert_eq(compared(false), 0);
	stop();
}

Test(mirror_resync, a_block_that_could_not_be_read_is_written_again, .timeout = 60)
{
	create(2, DIRTY(0));
	serve();
	comes_to_agree();
	fill(0, 9, 7);
	resync_rewrite(&g.s, 1, 9 * CHUNK + 4096, 8192);
	cr_assert(wait_until(is_idle, NULL, SOON_MS));
	for (unsigned int i = 0; i < SOON_MS && byte_at(1, 9 * CHUNK + 4096) != 7; i++)
		sleep_ms(1);
	cr_assert_eq(byte_at(1, 9 * CHUNK + 4096 + 8191), 7);
	cr_assert_eq(byte_at(1, 9 * CHUNK + 4095), 0);
	cr_assert_eq(byte_at(1, 9 * CHUNK + 4096 + 8192), 0);
	/* more than fit are forgotten, and what cannot be written drops nobody */
	replace(1, "/dev/full", O_RDWR);
	for (unsigned int i = 0; i < 100; i++)
		resync_rewrite(&g.s, 1, i * 4096, 4096);
	cr_assert(wait_until(is_idle, NULL, SOON_MS));
	cr_assert_eq(g.failed, 0);
	stop();
}
