// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "pattern.h"
#include "proc.h"
#include "promise.h"
#include "ring.h"
#include "tmpfile.h"
#include "wcache.h"

#define SECTOR	PROMISE_SECTOR

struct promise *promise_alloc(u64 size)
{
	struct promise *p = shared_alloc(sizeof(*p) + size / SECTOR * sizeof(p->sectors[0]));

	p->nr = size / SECTOR;
	return p;
}

void promise_copy(struct promise *to, const struct promise *from)
{
	memcpy(to, from, sizeof(*from) + from->nr * sizeof(from->sectors[0]));
}

/* The contents of a sector. */

/* struct stamp - how a sector begins; behind it is the pattern of the write's number */
struct stamp {
	u32 nr, sector;
};

void promise_fill(u8 *buf, u32 len, u32 nr, u64 off)
{
	pat_fill(buf, len, nr, off);
	for (u32 i = 0; i < len; i += SECTOR)
		memcpy(buf + i, &(struct stamp){ nr, (off + i) / SECTOR }, sizeof(struct stamp));
}

u32 promise_found(const u8 *buf, u64 off)
{
	struct stamp s;

	if (!buf[0] && !memcmp(buf, buf + 1, SECTOR - 1))
		return 0;
	memcpy(&s, buf, sizeof(s));
	if (!s.nr || s.sector != off / SECTOR ||
	    pat_diff(buf + sizeof(s), SECTOR - sizeof(s), s.nr, off + sizeof(s)) >= 0)
		return PROMISE_BAD;
	return s.nr;
}

bool promise_kept(const struct promise *p, const u8 *buf, char *why, size_t size)
{
	for (u32 i = 0; i < p->nr; i++) {
		const struct promise_sector *s = &p->sectors[i];
		u32 found = promise_found(buf + (size_t)i * SECTOR, (u64)i * SECTOR);

		if (found >= s->safe && found <= s->sent)
			continue;
		if (found == PROMISE_BAD)
			snprintf(why, size, "sector %u holds nothing that was written to it", i);
		else
			snprintf(why, size, "sector %u holds write %u; safe was %u, acknowledged %u, sent %u", i,
				 found, s->safe, s->acked, s->sent);
		return false;
	}
	return true;
}

void promise_flushed(struct promise *p)
{
	for (u32 i = 0; i < p->nr; i++)
		p->sectors[i].safe = p->sectors[i].acked;
}

void promise_settle(struct promise *p, const u8 *buf)
{
	for (u32 i = 0; i < p->nr; i++) {
		u32 found = promise_found(buf + (size_t)i * SECTOR, (u64)i * SECTOR);

		p->sectors[i] = (struct promise_sector){ found, found, found };
	}
}

/* The client. */

enum op { OP_WRITE, OP_FUA, OP_FLUSH, OP_READ };

static const char *const op_names[] = {
	[OP_WRITE] = "write", [OP_FUA] = "write with FUA", [OP_FLUSH] = "flush", [OP_READ] = "read",
};

/* One operation in flight. */
struct lane {
	bool busy;
	enum op op;
	unsigned long long off;
	u32 len, nr;
	u8 *buf;
};

/* @acked: by sector, what was acknowledged when the flush was sent */
struct run {
	struct promise_client *c;
	struct promise *p;
	struct io_uring ring;
	int fd;
	unsigned int busy;
	bool flushing;
	u32 rnd;
	u32 *acked;
	struct lane lanes[PROMISE_LANES];
};

static u32 rnd(struct run *r, u32 below)
{
	return wcache_random(&r->rnd, below);
}

/* Of operations that overlap, nobody could say which was last. */
static bool overlaps(const struct run *r, u64 off, u32 len)
{
	for (unsigned int i = 0; i < PROMISE_LANES; i++) {
		const struct lane *l = &r->lanes[i];

		if (l->busy && l->off < off + len && off < l->off + l->len)
			return true;
	}
	return false;
}

/* Half of them in one place, so that writes come to what is in the cache. */
static void choose_range(struct run *r, struct lane *l)
{
	u32 nr, at;

	do {
		u32 within = rnd(r, 2) ? r->p->nr / 16 : r->p->nr;

		nr = 1 + rnd(r, rnd(r, 8) ? 16 : PROMISE_IO_MAX / SECTOR);
		at = rnd(r, within - nr + 1);
	} while (overlaps(r, (u64)at * SECTOR, nr * SECTOR));
	l->off = (u64)at * SECTOR;
	l->len = nr * SECTOR;
}

static enum op choose_op(struct run *r)
{
	if (rnd(r, 100) < r->c->flushes)
		return rnd(r, 100) < r->c->fua ? OP_FUA : r->flushing ? OP_WRITE : OP_FLUSH;
	return rnd(r, 4) ? OP_WRITE : OP_READ;
}

static void send_write(struct run *r, struct lane *l, struct io_uring_sqe *sqe)
{
	l->nr = ++r->p->writes;
	promise_fill(l->buf, l->len, l->nr, l->off);
	for (u32 i = 0; i < l->len / SECTOR; i++)
		r->p->sectors[l->off / SECTOR + i].sent = l->nr;
	io_uring_prep_write(sqe, r->fd, l->buf, l->len, l->off);
	if (l->op == OP_FUA)
		sqe->rw_flags = RWF_DSYNC;
}

static void send_flush(struct run *r, struct lane *l, struct io_uring_sqe *sqe)
{
	l->off = l->len = 0;
	r->flushing = true;
	for (u32 i = 0; i < r->p->nr; i++)
		r->acked[i] = r->p->sectors[i].acked;
	io_uring_prep_fsync(sqe, r->fd, IORING_FSYNC_DATASYNC);
}

static void lane_send(struct run *r, unsigned int i)
{
	struct io_uring_sqe *sqe = ring_sqe(&r->ring);
	struct lane *l = &r->lanes[i];

	l->op = choose_op(r);
	if (l->op != OP_FLUSH)
		choose_range(r, l);
	if (l->op == OP_FLUSH)
		send_flush(r, l, sqe);
	else if (l->op == OP_READ)
		io_uring_prep_read(sqe, r->fd, l->buf, l->len, l->off);
	else
		send_write(r, l, sqe);
	sqe->user_data = i;
	l->busy = true;
	r->busy++;
}

static void write_acked(struct run *r, const struct lane *l)
{
	for (u32 i = 0; i < l->len / SECTOR; i++) {
		struct promise_sector *s = &r->p->sectors[l->off / SECTOR + i];

		s->acked = l->nr;
		if (l->op == OP_FUA)
			s->safe = l->nr;
	}
}

static void flush_acked(struct run *r)
{
	r->flushing = false;
	for (u32 i = 0; i < r->p->nr; i++)
		if (r->p->sectors[i].safe < r->acked[i])
			r->p->sectors[i].safe = r->acked[i];
}

__attribute__((format(printf, 2, 3)))
static void set_broken(struct promise_client *c, const char *fmt, ...)
{
	va_list args;

	c->stop = true;
	if (c->broken[0])
		return;
	va_start(args, fmt);
	vsnprintf(c->broken, sizeof(c->broken), fmt, args);
	va_end(args);
}

static void read_ended(struct run *r, const struct lane *l)
{
	struct promise_client *c = r->c;

	for (u32 i = 0; i < l->len; i += SECTOR) {
		u32 found = promise_found(l->buf + i, l->off + i), at = (l->off + i) / SECTOR;

		if (found == r->p->sectors[at].acked)
			continue;
		set_broken(c, "sector %u was read as write %d, and is %u", at, (int)found,
			   r->p->sectors[at].acked);
	}
}

static void lane_ended(struct run *r, unsigned int i, int res)
{
	struct lane *l = &r->lanes[i];

	l->busy = false;
	r->busy--;
	if (res != (l->op == OP_FLUSH ? 0 : (int)l->len)) {
		set_broken(r->c, "%s of %u bytes at %llu: %s", op_names[l->op], l->len, l->off, res_str(res));
		return;
	}
	r->c->ops++;
	if (l->op == OP_FLUSH)
		flush_acked(r);
	else if (l->op == OP_READ)
		read_ended(r, l);
	else
		write_acked(r, l);
}

static void run_init(struct run *r, struct promise_client *c)
{
	char path[32];

	snprintf(path, sizeof(path), "/dev/ublkb%d", c->id);
	*r = (struct run){ .c = c, .p = c->promise, .rnd = c->seed ?: 1 };
	r->fd = file_open(path, O_RDWR | O_DIRECT);
	r->acked = page_alloc(r->p->nr * sizeof(*r->acked));
	ring_init(&r->ring, 2 * PROMISE_LANES, 0);
	for (unsigned int i = 0; i < PROMISE_LANES; i++)
		r->lanes[i].buf = page_alloc(PROMISE_IO_MAX);
}

static void client(void *arg)
{
	struct promise_client *c = arg;
	struct done done;
	struct run r;

	run_init(&r, c);
	while (!c->stop || r.busy) {
		for (unsigned int i = 0; i < PROMISE_LANES && !c->stop && !c->rest; i++)
			if (!r.lanes[i].busy)
				lane_send(&r, i);
		ring_submit(&r.ring);
		if (ring_next(&r.ring, &done, 10))
			lane_ended(&r, done.data, done.res);
	}
	__sync_synchronize();
	c->done = true;
	_exit(0);
}

struct promise_client *promise_start(int id, struct promise *p, unsigned int flushes, unsigned int fua, u32 seed)
{
	struct promise_client *c = shared_alloc(sizeof(*c));

	c->id = id;
	c->seed = seed;
	c->promise = p;
	c->flushes = flushes;
	c->fua = fua;
	c->pid = proc_start(client, c);
	return c;
}

static bool is_done(void *arg)
{
	struct promise_client *c = arg;

	return c->done;
}

void promise_stop(struct promise_client *c, const char *what)
{
	c->stop = true;
	must(wait_until(is_done, c, 2 * SOON_MS), "%s: requests of the client hang", what);
	must(proc_gone(c->pid, SOON_MS), "%s: the client does not end", what);
	must(!c->broken[0], "%s: %s", what, c->broken);
	munmap(c, sizeof(*c));
}
