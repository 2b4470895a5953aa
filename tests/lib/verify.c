// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "pattern.h"
#include "proc.h"
#include "ring.h"
#include "tmpfile.h"
#include "verify.h"

#define SECTOR		512
#define MAX_LEN		(64 << 10)

struct disk_model *disk_model_alloc(u64 size)
{
	struct disk_model *m = shared_alloc(sizeof(*m) + size / SECTOR * sizeof(m->sectors[0]));

	m->nr = size / SECTOR;
	return m;
}

static bool is_zero(const u8 *p)
{
	return !p[0] && !memcmp(p, p + 1, SECTOR - 1);
}

static bool is_write(const u8 *p, u32 nr, u64 pos)
{
	u8 want[SECTOR];

	if (!nr)
		return is_zero(p);
	pat_fill(want, 8, nr, pos);
	if (memcmp(p, want, 8))
		return false;
	pat_fill(want, SECTOR, nr, pos);
	return !memcmp(p, want, SECTOR);
}

static bool sector_has(const struct disk_model_sector *s, const u8 *p, u64 pos)
{
	if (is_write(p, s->acked, pos))
		return true;
	for (u32 nr = s->failed_first; nr && nr <= s->failed_last; nr++)
		if (is_write(p, nr, pos))
			return true;
	return false;
}

bool disk_model_has(const struct disk_model *m, const u8 *buf, u64 off, u32 len,
		    char *why, size_t size)
{
	for (u32 i = 0; i < len / SECTOR; i++) {
		u64 pos = off + (u64)i * SECTOR;
		const struct disk_model_sector *s = &m->sectors[pos / SECTOR];
		const u8 *p = buf + (size_t)i * SECTOR;
		u32 found = 0;

		if (sector_has(s, p, pos))
			continue;
		while (found <= m->writes && !is_write(p, found, pos))
			found++;
		snprintf(why, size, "sector %llu, of %u bytes at %llu: found %s %u, not write %u, nor failed ones %u to %u",
			 (unsigned long long)(pos / SECTOR), len, (unsigned long long)off,
			 found <= m->writes ? "write" : "none of the writes up to",
			 found <= m->writes ? found : m->writes, s->acked, s->failed_first,
			 s->failed_last);
		return false;
	}
	return true;
}

bool disk_model_is_exact(const struct disk_model *m)
{
	for (u32 i = 0; i < m->nr; i++)
		if (m->sectors[i].failed_first)
			return false;
	return true;
}

void disk_model_is(const struct disk_model *m, const char *path, const char *what)
{
	size_t size = (size_t)m->nr * SECTOR;
	int fd = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC);
	u8 *buf = page_alloc(size);
	char why[256];

	must(fd >= 0, "%s: %s: %s", what, path, strerror(errno));
	file_read(fd, buf, size, 0);
	close(fd);
	must(disk_model_has(m, buf, 0, size, why, sizeof(why)), "%s: %s: %s", what, path, why);
	munmap(buf, size);
}

/* The client: each lane has a part of the disk, and one operation in flight. */
struct lane {
	u64 from, size;
	u64 off;
	u32 len;
	u32 write;	/* number of the write, 0: a read */
	u8 *buf;
};

struct run {
	struct verify *v;
	struct io_uring ring;
	int fd;
	unsigned int busy;
	u32 rnd;
	struct lane lanes[VERIFY_LANES];
};

static u32 rnd(struct run *r, u32 below)
{
	r->rnd ^= r->rnd << 13;
	r->rnd ^= r->rnd >> 17;
	r->rnd ^= r->rnd << 5;
	return r->rnd % below;
}

static void set_broken(struct run *r, const char *why)
{
	if (!r->v->broken[0])
		snprintf(r->v->broken, sizeof(r->v->broken), "%s", why);
	r->v->stop = 1;
}

static void lane_start(struct run *r, unsigned int i)
{
	struct lane *l = &r->lanes[i];
	struct io_uring_sqe *sqe = ring_sqe(&r->ring);
	/* small ones, and some that are large */
	u32 max = rnd(r, 4) ? 8192 : MAX_LEN;

	l->len = (1 + rnd(r, max / SECTOR)) * SECTOR;
	l->off = l->from + rnd(r, (l->size - l->len) / SECTOR + 1) * SECTOR;
	l->write = rnd(r, 5) < 3 ? ++r->v->model->writes : 0;
	if (l->write) {
		pat_fill(l->buf, l->len, l->write, l->off);
		io_uring_prep_write(sqe, r->fd, l->buf, l->len, l->off);
	} else {
		io_uring_prep_read(sqe, r->fd, l->buf, l->len, l->off);
	}
	sqe->user_data = i;
	r->busy++;
}

static void write_ended(struct disk_model *m, const struct lane *l, bool ok)
{
	for (u32 i = 0; i < l->len / SECTOR; i++) {
		struct disk_model_sector *s = &m->sectors[l->off / SECTOR + i];

		if (ok)
			*s = (struct disk_model_sector){ .acked = l->write };
		else
			s->failed_last = l->write;
		if (!ok && !s->failed_first)
			s->failed_first = l->write;
	}
}

static void lane_failed(struct run *r, const struct lane *l, int res)
{
	char why[128];

	r->v->errors++;
	if (r->v->errors_are == VERIFY_END)
		r->v->stop = 1;
	if (r->v->errors_are != VERIFY_NO_ERROR)
		return;
	snprintf(why, sizeof(why), "%s of %u bytes at %llu: %s", l->write ? "write" : "read",
		 l->len, (unsigned long long)l->off, res_str(res));
	set_broken(r, why);
}

static void lane_ended(struct run *r, unsigned int i, int res)
{
	struct verify *v = r->v;
	struct lane *l = &r->lanes[i];
	bool ok = res == (int)l->len;
	char why[sizeof(v->broken)];

	r->busy--;
	if (l->write)
		write_ended(v->model, l, ok);
	else if (ok && !disk_model_has(v->model, l->buf, l->off, l->len, why, sizeof(why)))
		set_broken(r, why);
	if (ok)
		v->ops++;
	else
		lane_failed(r, l, res);
	if (!v->stop)
		lane_start(r, i);
}

static void run_init(struct run *r, struct verify *v)
{
	u64 size = (u64)v->model->nr * SECTOR / VERIFY_LANES;
	char path[32];

	snprintf(path, sizeof(path), "/dev/ublkb%d", v->id);
	*r = (struct run){ .v = v, .rnd = v->seed ?: 1 };
	r->fd = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
	must(r->fd >= 0, "%s: %s", path, strerror(errno));
	ring_init(&r->ring, 2 * VERIFY_LANES, 0);
	for (unsigned int i = 0; i < VERIFY_LANES; i++)
		r->lanes[i] = (struct lane){ .from = i * size, .size = size,
					     .buf = page_alloc(MAX_LEN) };
}

static void client(void *arg)
{
	struct verify *v = arg;
	struct done done;
	struct run r;

	run_init(&r, v);
	for (unsigned int i = 0; i < VERIFY_LANES; i++)
		lane_start(&r, i);
	while (r.busy) {
		ring_submit(&r.ring);
		if (ring_next(&r.ring, &done, 1000))
			lane_ended(&r, done.data, done.res);
	}
	__sync_synchronize();
	v->done = 1;
	_exit(0);
}

struct verify *verify_start(int id, struct disk_model *m, u32 seed, enum verify_errors errors_are)
{
	struct verify *v = shared_alloc(sizeof(*v));

	v->id = id;
	v->seed = seed;
	v->errors_are = errors_are;
	v->model = m;
	v->pid = proc_start(client, v);
	return v;
}

static bool runs(void *arg)
{
	struct verify *v = arg;

	return v->ops + v->errors || v->done;
}

void verify_runs(struct verify *v, const char *what)
{
	must(wait_until(runs, v, SOON_MS), "%s: the client does nothing", what);
}

static bool is_done(void *arg)
{
	struct verify *v = arg;

	return v->done;
}

u32 verify_stop(struct verify *v, const char *what)
{
	u32 ops;

	v->stop = 1;
	must(wait_until(is_done, v, 2 * SOON_MS), "%s: requests of the client hang", what);
	must(proc_gone(v->pid, SOON_MS), "%s: the client does not end", what);
	must(!v->broken[0], "%s: %s", what, v->broken);
	ops = v->ops;
	munmap(v, sizeof(*v));
	return ops;
}
