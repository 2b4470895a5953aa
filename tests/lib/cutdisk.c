// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cutdisk.h"
#include "proc.h"
#include "ublkraw.h"

#define DEPTH	32
#define HOT_ONE_IN	6
#define IDLE_MS	50	/* within which an idle disk sees that it is to stop */

/* Cuts. */

/* What was promised before, and what is sent is noted before it is sent: so either may be old. */
static void take_cut(struct cutdisks *d, const char *when)
{
	static const unsigned int percent[] = { 0, 10, 50, 90, 100 };
	struct cutdisks_cut *cut = &d->cuts[d->nr_cuts];

	promise_copy(cut->promise, d->promise);
	for (unsigned int i = 0; i < d->nr; i++)
		wcache_cut(d->disks[i].cache,
			   &(struct wcache_cut){ percent[wcache_random(&d->rnd, 5)], 25, &d->rnd },
			   cut->image[i]);
	for (u32 i = 0; i < d->promise->nr; i++)
		cut->promise->sectors[i].sent = d->promise->sectors[i].sent;
	snprintf(cut->when, sizeof(cut->when), "%s", when);
	d->nr_cuts++;
}

void cutdisks_cut(struct cutdisks *d, const char *when)
{
	pthread_mutex_lock(&d->lock);
	if (d->nr_cuts < CUTDISKS_CUTS)
		take_cut(d, when);
	pthread_mutex_unlock(&d->lock);
}

void cutdisks_forget(struct cutdisks *d)
{
	pthread_mutex_lock(&d->lock);
	d->armed = false;
	d->nr_cuts = 0;
	d->hot_one_in = HOT_ONE_IN;
	pthread_mutex_unlock(&d->lock);
}

void cutdisks_arm(struct cutdisks *d, unsigned int more, unsigned int every)
{
	pthread_mutex_lock(&d->lock);
	d->hot_left = more / 2;
	d->others_left = more - more / 2;
	d->every = every;
	d->left = 1 + wcache_random(&d->rnd, 2 * every);
	d->armed = true;
	pthread_mutex_unlock(&d->lock);
}

void cutdisks_disarm(struct cutdisks *d)
{
	pthread_mutex_lock(&d->lock);
	d->armed = false;
	pthread_mutex_unlock(&d->lock);
}

static bool is_due(struct cutdisks *d, bool hot)
{
	if (!d->armed || d->nr_cuts == CUTDISKS_CUTS)
		return false;
	if (hot && d->hot_left && !wcache_random(&d->rnd, d->hot_one_in)) {
		d->hot_left--;
		return true;
	}
	if (!d->others_left || --d->left)
		return false;
	d->left = 1 + wcache_random(&d->rnd, 2 * d->every);
	d->others_left--;
	return true;
}

/* One disk.  A request is taken, is held for a while, and is answered. */

/* struct request - @write: the cache's number of it; @flush: the cache's, of a flush */
struct request {
	bool busy, slow;
	unsigned int write;
	u32 flush;
	int res;
};

struct server {
	struct cutdisk *disk;
	struct raw raw;
	struct request requests[DEPTH];
};

static bool is_hot(const struct server *s, unsigned int tag)
{
	return raw_op(&s->raw, tag) == UBLK_IO_OP_WRITE && raw_off(&s->raw, tag) < s->disk->all->hot;
}

/* With the lock.  Reads change nothing. */
static void moment(struct server *s, unsigned int tag, const char *what)
{
	const struct raw *r = &s->raw;
	bool flush = raw_op(r, tag) == UBLK_IO_OP_FLUSH;
	char when[96];

	if ((!flush && raw_op(r, tag) != UBLK_IO_OP_WRITE) || !is_due(s->disk->all, is_hot(s, tag)))
		return;
	if (flush)
		snprintf(when, sizeof(when), "%s a flush of leg %u", what, s->disk->nr);
	else
		snprintf(when, sizeof(when), "%s a write of %u bytes at %llu of leg %u", what,
			 raw_len(r, tag), (unsigned long long)raw_off(r, tag), s->disk->nr);
	take_cut(s->disk->all, when);
}

static u8 *buffer(struct server *s, unsigned int tag)
{
	return s->raw.bufs + (size_t)tag * s->raw.opt.max_io;
}

static bool is_fua(const struct server *s, unsigned int tag)
{
	return s->raw.iods[tag].op_flags & UBLK_IO_F_FUA;
}

/* A broken disk has one half of the writes that it fails. */
static int take_write(struct server *s, unsigned int tag)
{
	struct cutdisk *disk = s->disk;
	struct request *q = &s->requests[tag];

	if (!disk->broken || wcache_random(&disk->rnd, 2))
		q->write = wcache_write(disk->cache, raw_off(&s->raw, tag), raw_len(&s->raw, tag),
					is_fua(s, tag) && !disk->lies && !disk->broken, buffer(s, tag));
	return disk->broken ? -EIO : (int)raw_len(&s->raw, tag);
}

static int take(struct server *s, unsigned int tag)
{
	struct cutdisk *disk = s->disk;

	switch (raw_op(&s->raw, tag)) {
	case UBLK_IO_OP_READ:
		wcache_read(disk->cache, raw_off(&s->raw, tag), raw_len(&s->raw, tag), buffer(s, tag));
		return raw_len(&s->raw, tag);
	case UBLK_IO_OP_WRITE:
		return take_write(s, tag);
	case UBLK_IO_OP_FLUSH:
		s->requests[tag].flush = wcache_flush(disk->cache);
		return disk->broken ? -EIO : 0;
	default:
		return -EOPNOTSUPP;
	}
}

#define NO_WRITE	WCACHE_WRITES

static void request_comes(struct server *s, unsigned int tag)
{
	struct request *q = &s->requests[tag];

	pthread_mutex_lock(&s->disk->all->lock);
	moment(s, tag, "before");
	/* the record's are held longer, as there are few */
	*q = (struct request){ .busy = true, .write = NO_WRITE,
			       .slow = is_hot(s, tag) };
	q->res = take(s, tag);
	s->disk->pending++;
	moment(s, tag, "in");
	pthread_mutex_unlock(&s->disk->all->lock);
}

static void answer(struct server *s, unsigned int tag)
{
	struct cutdisk *disk = s->disk;
	struct request *q = &s->requests[tag];

	pthread_mutex_lock(&disk->all->lock);
	moment(s, tag, "at the end of");
	if (q->write != NO_WRITE)
		wcache_answer(disk->cache, q->write);
	if (raw_op(&s->raw, tag) == UBLK_IO_OP_FLUSH && !q->res && !disk->lies)
		wcache_flushed(disk->cache, q->flush);
	moment(s, tag, "after");
	q->busy = false;
	disk->pending--;
	raw_commit(&s->raw, tag, q->res);
	pthread_mutex_unlock(&disk->all->lock);
}

static bool may_answer(struct server *s, const struct request *q)
{
	if (q->slow && s->disk->all->hold)
		return false;
	return !wcache_random(&s->disk->rnd, q->slow ? 3 : 2);
}

static void turn(struct server *s)
{
	int tag = raw_request(&s->raw, s->disk->pending ? 1 : IDLE_MS);

	while (tag >= 0) {
		request_comes(s, tag);
		tag = raw_request(&s->raw, 0);
	}
	for (unsigned int i = 0; i < DEPTH; i++)
		if (s->requests[i].busy && may_answer(s, &s->requests[i]))
			answer(s, i);
}

static void serve(void *arg)
{
	static struct server s;
	struct cutdisk *disk = arg;

	s.disk = disk;
	raw_up(&s.raw, &(struct raw_opt){
		.flags = UBLK_F_CMD_IOCTL_ENCODE, .depth = DEPTH, .size = disk->all->size,
		.max_io = WCACHE_WRITE_MAX, .attrs = UBLK_ATTR_VOLATILE_CACHE | UBLK_ATTR_FUA,
	});
	disk->id = s.raw.id;
	while (!disk->all->stop)
		turn(&s);
	raw_down(&s.raw);
	_exit(0);
}

/* All of them. */

static void lock_init(pthread_mutex_t *lock)
{
	pthread_mutexattr_t attr;

	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	pthread_mutex_init(lock, &attr);
	pthread_mutexattr_destroy(&attr);
}

static void cuts_alloc(struct cutdisks *d)
{
	for (unsigned int i = 0; i < CUTDISKS_CUTS; i++) {
		d->cuts[i].promise = promise_alloc((u64)d->promise->nr * PROMISE_SECTOR);
		for (unsigned int j = 0; j < d->nr; j++)
			d->cuts[i].image[j] = shared_alloc(d->size);
	}
}

static bool is_there(void *arg)
{
	return ((struct cutdisk *)arg)->id >= 0;
}

struct cutdisks *cutdisks_start(unsigned int nr, u64 size, u64 hot, const struct promise *promise,
				u32 seed)
{
	struct cutdisks *d = shared_alloc(sizeof(*d));

	raw_need();
	must(nr <= CUTDISKS, "%u disks", nr);
	*d = (struct cutdisks){ .size = size, .hot = hot, .nr = nr, .promise = promise, .rnd = seed ?: 1 };
	lock_init(&d->lock);
	cuts_alloc(d);
	/* Each process needs all of the memory, as each may take a cut. */
	for (unsigned int i = 0; i < nr; i++)
		d->disks[i] = (struct cutdisk){ .all = d, .nr = i, .id = -1, .rnd = d->rnd + i + 1,
						.cache = wcache_alloc(size) };
	for (unsigned int i = 0; i < nr; i++) {
		struct cutdisk *disk = &d->disks[i];

		disk->pid = proc_start(serve, disk);
		must(wait_until(is_there, disk, SOON_MS), "disk %u is not there", i);
	}
	return d;
}

void cutdisks_stop(struct cutdisks *d)
{
	d->stop = true;
	for (unsigned int i = 0; i < d->nr; i++)
		must(proc_gone(d->disks[i].pid, SOON_MS), "disk %u does not go", i);
}

const char *cutdisk_path(const struct cutdisks *d, unsigned int nr)
{
	static char path[32];

	snprintf(path, sizeof(path), "/dev/ublkb%d", d->disks[nr].id);
	return path;
}

void cutdisks_flush(struct cutdisks *d)
{
	pthread_mutex_lock(&d->lock);
	for (unsigned int i = 0; i < d->nr; i++)
		wcache_flushed(d->disks[i].cache, wcache_flush(d->disks[i].cache));
	pthread_mutex_unlock(&d->lock);
}

/* struct unused - a disk that is waited for */
struct unused {
	struct cutdisks *d;
	unsigned int nr;
};

static bool is_unused(void *arg)
{
	const struct unused *u = arg;
	int fd = open(cutdisk_path(u->d, u->nr), O_RDWR | O_EXCL | O_CLOEXEC);

	if (fd >= 0)
		close(fd);
	return fd >= 0 && !u->d->disks[u->nr].pending;
}

void cutdisks_load(struct cutdisks *d, unsigned int nr)
{
	for (unsigned int i = 0; i < d->nr; i++)
		must(wait_until(is_unused, &(struct unused){ d, i }, SOON_MS), "disk %u is in use", i);
	pthread_mutex_lock(&d->lock);
	for (unsigned int i = 0; i < d->nr; i++)
		wcache_load(d->disks[i].cache, d->cuts[nr].image[i]);
	pthread_mutex_unlock(&d->lock);
}
