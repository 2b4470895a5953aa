// SPDX-License-Identifier: GPL-2.0
/* Clients of a ublk disk, see ublkraw.h. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "pattern.h"
#include "proc.h"
#include "ublkraw.h"

#define MAX_IOVS	64

/* Cuts @len bytes at @p into @nr segments of whole and unequal numbers of sectors. */
static unsigned int cut(u8 *p, u32 len, unsigned int nr, struct iovec *iov)
{
	unsigned int i;

	for (i = 0; i + 1 < nr && len > (i % 3 + 1) * 512; i++) {
		iov[i].iov_base = p;
		iov[i].iov_len = (i % 3 + 1) * 512;
		p += iov[i].iov_len;
		len -= iov[i].iov_len;
	}
	iov[i].iov_base = p;
	iov[i].iov_len = len;
	return i + 1;
}

static long move(int fd, const struct client_job *job, u8 *buf)
{
	static struct iovec iov[RAW_DEPTH_MAX][MAX_IOVS];
	unsigned int nr = job->nr ?: 1, iovs = job->iovs ?: 1;
	int res[RAW_DEPTH_MAX];
	struct io_uring ring;
	u32 len = job->len / nr;
	long sum = 0;

	must(nr <= RAW_DEPTH_MAX && iovs <= MAX_IOVS, "%u requests, %u segments", nr, iovs);
	ring_init(&ring, RAW_DEPTH_MAX, 0);
	for (unsigned int i = 0; i < nr; i++) {
		struct io_uring_sqe *sqe = ring_sqe(&ring);
		unsigned int n = cut(buf + (size_t)i * len, len, iovs, iov[i]);

		if (job->op == CLIENT_READ)
			io_uring_prep_readv(sqe, fd, iov[i], n, job->off + (u64)i * len);
		else
			io_uring_prep_writev(sqe, fd, iov[i], n, job->off + (u64)i * len);
		sqe->user_data = i;
	}
	ring_submit(&ring);
	for (unsigned int left = nr; left;) {
		struct done done;

		if (!ring_next(&ring, &done, 1000))
			continue;
		res[done.data] = done.res;
		left--;
	}
	for (unsigned int i = 0; i < nr; i++) {
		if (res[i] < 0)
			return res[i];
		sum += res[i];
	}
	if (job->op == CLIENT_WRITE && job->buffered && fsync(fd))
		return -errno;
	return sum;
}

static long run(struct client *c)
{
	const struct client_job *job = &c->job;
	u64 range[2] = { job->off, job->len };
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "/dev/ublkb%d", job->id);
	fd = open(path, O_RDWR | O_CLOEXEC | (job->buffered ? 0 : O_DIRECT));
	if (fd < 0)
		return -errno;
	switch (job->op) {
	case CLIENT_WRITE:
		pat_fill(c->buf, job->len, job->seed, job->off);
		return move(fd, job, c->buf);
	case CLIENT_READ:
		return move(fd, job, c->buf);
	case CLIENT_FLUSH:
		return fsync(fd) ? -errno : 0;
	case CLIENT_DISCARD:
		return ioctl(fd, BLKDISCARD, range) ? -errno : 0;
	case CLIENT_ZERO:
		return ioctl(fd, BLKZEROOUT, range) ? -errno : 0;
	}
	return -EINVAL;
}

static void client(void *arg)
{
	struct client *c = arg;

	c->res = run(c);
	c->done_at = now_ms();
	__sync_synchronize();
	c->done = 1;
	/* not before: closing the disk may need the server */
	_exit(0);
}

struct client *client_start(const struct client_job *job)
{
	struct client *c = shared_alloc(sizeof(*c));

	c->job = *job;
	c->buf = shared_alloc(job->len ?: 4096);
	c->pid = proc_start(client, c);
	return c;
}

struct client *client_comes(struct raw *r, const struct client_job *job, unsigned int *tag)
{
	struct client *c = client_start(job);

	*tag = raw_expect(r, job->op == CLIENT_READ ? UBLK_IO_OP_READ : UBLK_IO_OP_WRITE, job->len);
	return c;
}

void client_without_data(struct raw *r, void (*look)(unsigned int tag, const char *name))
{
	static const struct { const char *name; enum client_op job; unsigned int op; } cases[] = {
		{ "flush", CLIENT_FLUSH, UBLK_IO_OP_FLUSH },
		{ "discard", CLIENT_DISCARD, UBLK_IO_OP_DISCARD },
		{ "write zeroes", CLIENT_ZERO, UBLK_IO_OP_WRITE_ZEROES },
	};

	for (unsigned int i = 0; i < 3; i++) {
		const struct client_job job = { .id = r->id, .op = cases[i].job, .len = 16384 };
		struct client *c = client_start(&job);
		int tag = raw_request(r, SOON_MS);

		must(tag >= 0 && raw_op(r, tag) == cases[i].op, "%s: no request", cases[i].name);
		look(tag, cases[i].name);
		raw_serve(r, tag);
		res_is(client_serve(c, r), 0, "%s", cases[i].name);
	}
}

static bool is_done(void *arg)
{
	struct client *c = arg;

	return c->done;
}

bool client_done(struct client *c, unsigned int ms)
{
	return wait_until(is_done, c, ms);
}

long client_wait(struct client *c)
{
	must(client_done(c, SOON_MS), "operation %d at %llu is not done", c->job.op,
	     (unsigned long long)c->job.off);
	return c->res;
}

long client_wait_in_ring(struct client *c, struct raw *r)
{
	u64 end = now_ms() + SOON_MS;

	while (!c->done && now_ms() < end)
		raw_pump(r, 5);
	return client_wait(c);
}

long client_serve(struct client *c, struct raw *r)
{
	u64 end = now_ms() + SOON_MS;

	while (!c->done) {
		must(now_ms() < end, "operation %d at %llu is not done", c->job.op,
		     (unsigned long long)c->job.off);
		raw_serve_all(r, 2);
	}
	return c->res;
}
