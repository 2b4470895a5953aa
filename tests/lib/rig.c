// SPDX-License-Identifier: GPL-2.0
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rig.h"

static const u8 uuid[16] = { 1 };

/* The legs as they are now. */

u64 rig_copy_at(unsigned int copy)
{
	return copy ? FORMAT_COPY1 : FORMAT_COPY0;
}

int rig_read(const struct rig *g, unsigned int leg, struct super *s)
{
	u8 bufs[2][FORMAT_COPY_BYTES];
	struct super_why why;

	for (unsigned int i = 0; i < 2; i++)
		if (pread(g->files[leg], bufs[i], FORMAT_COPY_BYTES, rig_copy_at(i)) !=
		    FORMAT_COPY_BYTES)
			return -EIO;
	return super_read(s, (const void *[]){ bufs[0], bufs[1] }, "?", 0, &why);
}

int rig_read_copy(const struct rig *g, unsigned int leg, unsigned int copy, struct super *s)
{
	struct super_place p = { .leg = "?", .copy = copy };
	u8 buf[FORMAT_COPY_BYTES];
	struct super_why why;

	if (pread(g->files[leg], buf, sizeof(buf), rig_copy_at(copy)) != sizeof(buf))
		return -EIO;
	return super_decode(s, buf, &p, &why);
}

/* 0 or 1; -1: the sector is damaged. */
static int leg_bit_once(const struct rig *g, unsigned int leg, u32 chunk)
{
	u32 index = chunk / FORMAT_SECTOR_BITS, bit = chunk % FORMAT_SECTOR_BITS;
	u8 sector[SECTOR_SIZE], bits[504];

	if (pread(g->files[leg], sector, SECTOR_SIZE, FORMAT_BITMAP + index * SECTOR_SIZE) !=
	    SECTOR_SIZE)
		return -1;
	if (super_bits_decode(uuid, index, sector, bits))
		return -1;
	return bits[bit / 8] >> bit % 8 & 1;
}

/* A file in memory may be seen half-written. */
int rig_bit(const struct rig *g, unsigned int leg, u32 chunk)
{
	int bit = -1;

	for (unsigned int i = 0; bit < 0 && i < 1000; i++)
		bit = leg_bit_once(g, leg, chunk);
	return bit;
}

bool rig_bit_on(const struct rig *g, u32 legs, u32 chunk)
{
	for (unsigned int i = 0; i < g->nr; i++)
		if (legs >> i & 1 && rig_bit(g, i, chunk) != 1)
			return false;
	return true;
}

bool rig_bits_off(const struct rig *g, u32 legs)
{
	for (unsigned int i = 0; i < g->nr; i++)
		for (u32 chunk = 0; legs >> i & 1 && chunk < RIG_CHUNKS; chunk++)
			if (rig_bit(g, i, chunk))
				return false;
	return true;
}

enum format_state rig_says(const struct rig *g, unsigned int leg, unsigned int slot)
{
	struct super s;

	return rig_read(g, leg, &s) ? FORMAT_STATES : s.set.legs[slot].state;
}

/* Making a set, and legs that fail. */

static void leg_create(struct rig *g, unsigned int leg, const struct super *s)
{
	u8 buf[FORMAT_COPY_BYTES], sector[SECTOR_SIZE], bits[504] = { 0 };

	g->files[leg] = file_mem(FORMAT_AREA_BYTES + s->set.size);
	super_encode(&s->set, &s->own, buf);
	file_write(g->files[leg], buf, sizeof(buf), rig_copy_at(0));
	for (u32 i = 0; i < s->own.bitmap_bytes / SECTOR_SIZE; i++) {
		super_bits_encode(uuid, i, bits, sector);
		file_write(g->files[leg], sector, SECTOR_SIZE, FORMAT_BITMAP + i * SECTOR_SIZE);
	}
}

void rig_create_with(struct rig *g, unsigned int nr, u64 chunks, enum format_state last)
{
	struct super s = {
		.set = { .name = "set", .event = { 1, 1 }, .size = chunks * RIG_CHUNK,
			 .lbs_shift = 9, .chunk_shift = 20, .clean = true,
			 .source = FORMAT_NO_SOURCE, .nr = nr },
		.own = { .seq = 1, .data_offset = FORMAT_AREA_BYTES,
			 .bitmap_offset = FORMAT_BITMAP },
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

void rig_create(struct rig *g, unsigned int nr, u64 chunks)
{
	rig_create_with(g, nr, chunks, FORMAT_IN_SYNC);
}

void rig_kill(struct rig *g, const struct rig *of)
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

void rig_assemble(struct rig *g, u32 present)
{
	unsigned int nr = 0;

	for (unsigned int i = 0; i < g->nr; i++) {
		struct candidate *c = &g->candidates[nr];

		if (!(present >> i & 1))
			continue;
		*c = (struct candidate){ .path = "?", .bytes = 1ULL << 40, .lbs = 512 };
		c->err = rig_read(g, i, &c->super);
		nr++;
	}
	assemble(g->candidates, nr, g->degraded, &g->assembly);
}

void rig_prepare(struct rig *g, u32 present)
{
	struct super_own own[FORMAT_LEGS] = { 0 };
	u32 here;

	rig_assemble(g, present);
	must(g->assembly.verdict <= ASSEMBLE_RESYNC, "%s", g->assembly.text);
	here = g->assembly.serve | g->assembly.rebuilding | g->assembly.spare;
	for (unsigned int slot = 0; slot < FORMAT_LEGS; slot++) {
		int i = g->assembly.leg[slot];

		g->fds[slot] = -1;
		if (i < 0 || !(here >> slot & 1))
			continue;
		own[slot] = g->candidates[i].super.own;
		/* Legs were made in the order of slots. */
		g->fds[slot] = dup(g->files[slot]);
	}
	must(!record_init(&g->r, &g->assembly, own, g->fds), "no memory");
	g->r.dropped = told_dropped;
	g->r.arg = g;
	g->r.retry_ms = 50;
}

static void begin_prepared(struct rig *g)
{
	int ret = record_begin(&g->r, 2);

	must(!ret, "%s", strerror(-ret));
}

void rig_begin(struct rig *g, u32 present)
{
	rig_prepare(g, present);
	begin_prepared(g);
}

void rig_begin_ageing(struct rig *g, u32 present, unsigned int age_ms)
{
	rig_prepare(g, present);
	g->r.age_ms = age_ms;
	begin_prepared(g);
}

void rig_serve(struct rig *g, unsigned int nr)
{
	rig_create(g, nr, RIG_CHUNKS);
	rig_begin(g, (1U << nr) - 1);
}

void rig_serve_ageing(struct rig *g, unsigned int nr, unsigned int age_ms)
{
	rig_create(g, nr, RIG_CHUNKS);
	rig_begin_ageing(g, (1U << nr) - 1, age_ms);
}

void rig_end(struct rig *g)
{
	record_end(&g->r);
	record_deinit(&g->r);
	for (unsigned int i = 0; i < g->nr; i++)
		close(g->fds[i]);
}

void rig_fail(struct rig *g, u32 legs)
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

void rig_fail_flush(struct rig *g, unsigned int leg)
{
	int fd = file_open("/dev/null", O_WRONLY);

	dup2(fd, g->fds[leg]);
	close(fd);
}

void rig_mend(struct rig *g, u32 legs)
{
	for (unsigned int i = 0; i < g->nr; i++)
		if (legs >> i & 1)
			dup2(g->files[i], g->fds[i]);
}

/* Requests. */

static void woken(struct record_wait *w)
{
	struct rig_waiter *wt = (struct rig_waiter *)w;

	wt->seen = !wt->look || wt->look(wt->g);
	sem_post(&wt->woken);
}

void rig_waiter(struct rig_waiter *wt, struct rig *g, bool (*look)(struct rig *g))
{
	*wt = (struct rig_waiter){ .w.wake = woken, .g = g, .look = look };
	sem_init(&wt->woken, 0, 0);
}

void rig_wait(struct rig_waiter *wt)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	ts.tv_sec += SOON_MS / 1000;
	must(!sem_timedwait(&wt->woken, &ts), "it was not woken: %s", strerror(errno));
}

static struct record_queue *rig_queue(struct rig *g)
{
	return &g->r.queues[0];
}

int rig_try(struct rig *g, struct rig_waiter *wt, u32 chunk, u32 *epoch)
{
	int ret;

	record_enter(&g->r, rig_queue(g));
	ret = record_write(&g->r, rig_queue(g), &wt->w, chunk * RIG_CHUNK, 4096, epoch);
	record_leave(rig_queue(g));
	return ret;
}

int rig_ask(struct rig *g, struct rig_waiter *wt, struct record_note *n, u64 off, u32 len, u32 *epoch)
{
	struct record_queue *rq = rig_queue(g);
	int ret = 0;

	record_enter(&g->r, rq);
	if (!record_write_now(&g->r, rq, off, len, epoch))
		ret = record_write_slow(&g->r, rq, &wt->w, n, off, len);
	record_leave(rq);
	return ret;
}

u32 rig_note(struct rig *g, const struct record_note *n, u32 legs)
{
	u32 bytes = g->r.bits.block_bytes, has = 0;

	for (u32 slots = n->slots & legs; slots; slots &= slots - 1) {
		unsigned int slot = __builtin_ctz(slots);

		if (pwrite(g->fds[slot], n->buf, bytes, g->r.bitmap_at[slot] + n->block * bytes) == bytes)
			has |= 1U << slot;
	}
	return has;
}

u64 rig_blocks(struct rig *g)
{
	u64 nr;

	pthread_mutex_lock(&g->r.lock);
	nr = g->r.blocks;
	pthread_mutex_unlock(&g->r.lock);
	return nr;
}

int rig_write(struct rig *g, u32 chunk, u32 *epoch)
{
	struct rig_waiter wt;
	int ret;

	rig_waiter(&wt, g, NULL);
	while ((ret = rig_try(g, &wt, chunk, epoch)) == RECORD_PARKED)
		rig_wait(&wt);
	return ret;
}

void rig_wrote(struct rig *g, u32 epoch)
{
	record_wrote(rig_queue(g), epoch);
}

int rig_may_end(struct rig *g)
{
	struct rig_waiter wt;
	int ret;

	rig_waiter(&wt, g, NULL);
	while ((ret = record_may_end(&g->r, &wt.w)) == RECORD_PARKED)
		rig_wait(&wt);
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

void rig_hold(struct rig *g)
{
	u64 at = (g->r.bits.nr - ++hold.nr) * RIG_CHUNK;
	u32 epoch;
	int ret;

	hold.w.wake = hold_woken;
	sem_init(&hold.in, 0, 0);
	sem_init(&hold.out, 0, 0);
	record_enter(&g->r, rig_queue(g));
	ret = record_write(&g->r, rig_queue(g), &hold.w, at, 512, &epoch);
	record_leave(rig_queue(g));
	must(ret == RECORD_PARKED, "it returned %d", ret);
	sem_wait(&hold.in);
}

void rig_let_go(void)
{
	sem_post(&hold.out);
}

/* Waiting for what the thread does. */

bool rig_all_aged(void *arg)
{
	struct rig *g = arg;
	bool due;

	pthread_mutex_lock(&g->r.lock);
	due = g->r.ageing;
	pthread_mutex_unlock(&g->r.lock);
	return !due && rig_bits_off(g, (1U << g->nr) - 1);
}

bool rig_ageing_rests(void *arg)
{
	struct rig *g = arg;
	bool due;

	pthread_mutex_lock(&g->r.lock);
	due = g->r.ageing;
	pthread_mutex_unlock(&g->r.lock);
	return !due;
}

bool rig_is_mended(void *arg)
{
	struct rig *g = arg;

	return !g->r.broken;
}

bool rig_copies_agree(void *arg)
{
	struct rig *g = arg;

	for (unsigned int i = 0; i < g->nr; i++) {
		struct super copies[2];

		if (rig_read_copy(g, i, 0, &copies[0]) || rig_read_copy(g, i, 1, &copies[1]) ||
		    !super_event_same(copies[0].set.event, copies[1].set.event))
			return false;
	}
	return true;
}

/* In state S: /proc/TID/stat has it behind the name, which may hold anything. */
static bool thread_sleeps(const char *tid)
{
	char path[64], line[256] = "", *name_ends;
	int fd;

	snprintf(path, sizeof(path), "/proc/self/task/%s/stat", tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return true;
	if (read(fd, line, sizeof(line) - 1) < 0)
		line[0] = '\0';
	close(fd);
	name_ends = strrchr(line, ')');
	return name_ends && name_ends[1] == ' ' && name_ends[2] == 'S';
}

bool rig_rests(void *arg)
{
	struct rig *g = arg;
	DIR *tasks = opendir("/proc/self/task");
	struct dirent *d;
	bool rests = true;

	must(tasks, "/proc/self/task: %s", strerror(errno));
	while ((d = readdir(tasks)))
		if (d->d_name[0] != '.' && atoi(d->d_name) != gettid())
			rests &= thread_sleeps(d->d_name);
	closedir(tasks);
	return rests && rig_copies_agree(g);
}
