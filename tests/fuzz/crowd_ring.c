// SPDX-License-Identifier: GPL-2.0
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "crowd.h"
#include "crowd_bytes.h"
#include "crowd_ring.h"
#include "tmpfile.h"

/* user_data: 1 + the index in @ops, or, of those that need not complete, what they are */
#define SKIPPED		(1ULL << 62)
#define TIMEOUT		(1ULL << 61)

static const struct __kernel_timespec park_time = { .tv_nsec = 20000000 };

static int self_socket(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(at);

	must(fd >= 0 && !bind(fd, (void *)&at, len) && !getsockname(fd, (void *)&at, &len) &&
	     !connect(fd, (void *)&at, len), "a socket: %s", strerror(errno));
	return fd;
}

void cring_init(struct cring *c, const struct cring_files *files, u32 nr)
{
	memset(c, 0, sizeof(*c));
	c->files = files;
	c->nr = nr;
	c->mem = c->sock = -1;
	must(!pipe2(c->pipe, O_CLOEXEC), "pipe: %s", strerror(errno));
	c->area = page_alloc(CRING_AREA);
	bytes_source(c->area, CRING_AREA, 0);
	c->tmp = page_alloc(65536);
	pthread_rwlock_init(&c->open, NULL);
	pthread_mutex_init(&c->lock, NULL);
}

void cring_open(struct cring *c, struct rng *r, bool shared)
{
	static const unsigned int kinds[] = {
		0, 0, IORING_SETUP_SUBMIT_ALL, IORING_SETUP_COOP_TASKRUN, IORING_SETUP_SQPOLL,
		/* from here on not for many threads */
		IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
		IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SUBMIT_ALL,
		IORING_SETUP_SINGLE_ISSUER,
	};
	unsigned int flags = kinds[rng_below(r, shared ? 5 : 8)];

	ring_init(&c->ring, 64, flags);
	/* workers of the ring that was here before may still write to its own */
	if (c->mem >= 0)
		close(c->mem);
	if (c->sock >= 0)
		close(c->sock);
	c->mem = file_mem((CRING_OPS + 1) * CRING_LEN);
	c->sock = self_socket();
	c->drains = rng_chance(r, 30);
	ring_table(&c->ring, CRING_SLOTS);
	memset(c->ops, 0, sizeof(c->ops));
	memset(c->held, 0, sizeof(c->held));
	memset(c->guess, 0, sizeof(c->guess));
	c->inflight = 0;
	crowd_began("a ring is opened, with flags", c->nr, flags, 0);
}

void cring_close(struct cring *c)
{
	crowd_began("a ring is closed, with so many in flight", c->nr, c->inflight, 0);
	io_uring_queue_exit(&c->ring);
	crowd_ended("a ring is closed", c->nr, 0, 0);
}

static u64 any_held(const struct cring *c)
{
	u64 held = 0;

	for (unsigned int i = 0; i < CRING_SLOTS; i++)
		held |= c->held[i];
	return held;
}

static void check_bytes(struct cring *c, const struct cop *op, unsigned int index, int res)
{
	u64 held = op->secondary ? op->held : op->slot < CRING_SLOTS ? c->held[op->slot] : 0;
	ssize_t n = pread(c->mem, c->tmp, res, (u64)index * CRING_LEN);

	must(n == res, "pread of %d bytes: %zd", res, n);
	/* of user space: addresses count from the area */
	if (!bytes_of_slot(c->tmp, res, held, op->addr))
		crowd_fail("%d bytes that came from %s %u, addr %#llx, are of no buffer that it can have held (%#llx); the first: %#llx",
			   res, op->secondary ? "a fused command's buffer, request" : "slot",
			   op->secondary ? index : op->slot, (unsigned long long)op->addr,
			   (unsigned long long)held,
			   *(unsigned long long *)c->tmp);
}

static void check_datagrams(struct cring *c)
{
	ssize_t n;

	while ((n = recv(c->sock, c->tmp, 65536, MSG_DONTWAIT)) >= 0)
		if (!bytes_of_slot(c->tmp, n, any_held(c), 0))
			crowd_fail("a datagram of %zd bytes is of no buffer that the ring can have held (%#llx); the first: %#llx",
				   n, (unsigned long long)any_held(c),
				   *(unsigned long long *)c->tmp);
}

static void judge(struct cring *c, enum crowd_kind kind, u32 len, u64 a, int res)
{
	crowd_ended(crowd_kind_name(kind), c->nr, a, res);
	if (!crowd_legal(kind, len, res, crowd->wrong))
		crowd_fail("%s of %u bytes: %s, which is not legal", crowd_kind_name(kind), len,
			   res_str(res));
}

static void completed(struct cring *c, unsigned int index, int res, u32 flags)
{
	struct cop *op = &c->ops[index];

	if (index >= CRING_OPS || !op->used)
		crowd_fail("a completion of request %u, which is not in flight: %s, flags %#x", index,
			   res_str(res), flags);
	if (!!(flags & IORING_CQE_F_NOTIF) != op->notif)
		crowd_fail("%s of %s, number %u, at the wrong time: %s, flags %#x",
			   op->notif ? "a second completion" : "a notification",
			   crowd_kind_name(op->kind), index, res_str(res), flags);
	if (!op->notif) {
		judge(c, op->kind, op->len, index, res);
		if (op->file && res > 0)
			check_bytes(c, op, index, res);
		/* Linux 6.12 does not announce it with F_MORE if a chain that broke cancels */
		op->notif = op->kind == C_SEND;
		if ((flags & IORING_CQE_F_MORE) && !op->notif)
			crowd_fail("%s, number %u, is to complete again", crowd_kind_name(op->kind),
				   index);
		if (op->notif)
			return;
	}
	op->used = false;
	c->inflight--;
}

static void one_cqe(struct cring *c, const struct io_uring_cqe *cqe)
{
	if (cqe->user_data & SKIPPED)
		judge(c, (u8)(cqe->user_data >> 32), (u32)cqe->user_data, SKIPPED, cqe->res);
	else if (cqe->user_data & TIMEOUT)
		judge(c, C_PARK_TIMEOUT, 0, TIMEOUT, cqe->res);
	else
		completed(c, cqe->user_data - 1, cqe->res, cqe->flags);
}

static void reap(struct cring *c)
{
	struct io_uring_cqe *cqe;

	io_uring_get_events(&c->ring);
	while (!io_uring_peek_cqe(&c->ring, &cqe)) {
		one_cqe(c, cqe);
		io_uring_cqe_seen(&c->ring, cqe);
	}
	check_datagrams(c);
}

void cring_reap(struct cring *c)
{
	pthread_mutex_lock(&c->lock);
	reap(c);
	pthread_mutex_unlock(&c->lock);
}

static unsigned int free_op(const struct cring *c)
{
	unsigned int i = 0;

	while (i < CRING_OPS && c->ops[i].used)
		i++;
	return i;
}

/* A read that waits until its timeout, or for a cancellation. */
static void park(struct cring *c, struct rng *r, unsigned int index)
{
	struct io_uring_sqe *sqe = ring_sqe(&c->ring);
	struct cop *op = &c->ops[index];

	*op = (struct cop){ .used = true, .kind = C_PARK, .slot = rng_below(r, CRING_SLOTS),
			    .len = 512 };
	prep_rw_fixed(sqe, IORING_OP_READ_FIXED, c->pipe[0], 0, op->len, 0, op->slot);
	sqe->user_data = 1 + index;
	c->inflight++;
	/* on purpose: for ever */
	if (crowd->wrong == CROWD_WRONG_HANG)
		return;
	sqe->flags = IOSQE_IO_LINK;
	sqe = ring_sqe(&c->ring);
	sqe->opcode = IORING_OP_LINK_TIMEOUT;
	sqe->fd = -1;
	sqe->addr = (uintptr_t)&park_time;
	sqe->len = 1;
	sqe->user_data = TIMEOUT;
}

static void one_sqe(struct cring *c, struct rng *r, bool skip, bool last)
{
	unsigned int index = skip ? CRING_OPS : free_op(c);
	struct io_uring_sqe *sqe = ring_sqe(&c->ring);
	struct cop skipped, *op = index < CRING_OPS ? &c->ops[index] : &skipped;

	cring_prep(c, r, sqe, op, index);
	/* a thread of the kernel's may take the next batch along */
	if (last)
		sqe->flags &= ~(IOSQE_IO_LINK | IOSQE_IO_HARDLINK);
	sqe->user_data = index < CRING_OPS ? 1 + index :
					     SKIPPED | (u64)op->kind << 32 | op->len;
	c->inflight += index < CRING_OPS;
	crowd_began(crowd_kind_name(op->kind), c->nr,
		    (u64)sqe->flags << 40 | (u64)op->slot << 32 | index, op->addr);
}

static void send_off(struct cring *c, struct io_uring_sqe *sqe, const struct cop *op,
		     unsigned int index)
{
	sqe->user_data = 1 + index;
	c->inflight++;
	crowd_began(crowd_kind_name(op->kind), c->nr,
		    (u64)sqe->flags << 40 | (u64)sqe->opcode << 32 | index, op->addr);
}

static void fused(struct cring *c, struct rng *r)
{
	unsigned int nr = rng_range(r, 1, CRING_SECONDARIES), index = free_op(c);
	struct io_uring_sqe *sqe = ring_sqe(&c->ring);
	struct cop *primary = &c->ops[index];

	cring_prep_primary(c, r, sqe, primary, nr);
	send_off(c, sqe, primary, index);
	for (unsigned int i = 0; i < nr; i++) {
		index = free_op(c);
		sqe = ring_sqe(&c->ring);
		cring_prep_secondary(c, r, sqe, primary, &c->ops[index], index);
		send_off(c, sqe, &c->ops[index], index);
	}
}

static bool has_room(const struct cring *c, unsigned int nr)
{
	return io_uring_sq_space_left(&c->ring) > nr && c->inflight + nr < CRING_OPS;
}

/*
 * All requests skip their CQEs or none: if one that does fails, no other of its chain
 * has one, which would be waited for.
 */
void cring_batch(struct cring *c, struct rng *r)
{
	bool skip = !c->drains && rng_chance(r, 12), fuse;

	pthread_mutex_lock(&c->lock);
	fuse = !skip && rng_chance(r, 15) && has_room(c, 12 + CRING_SECONDARIES);
	for (unsigned int n = rng_range(r, 1, 8); n && has_room(c, 2); n--)
		one_sqe(c, r, skip, (n == 1 && !fuse) || !has_room(c, 3));
	/* what was linked before it goes first */
	if (fuse)
		fused(c, r);
	if (!skip && rng_chance(r, 5) && has_room(c, 2))
		park(c, r, free_op(c));
	ring_submit(&c->ring);
	reap(c);
	pthread_mutex_unlock(&c->lock);
}

void cring_drain(struct cring *c)
{
	u64 end = now_ms() + (crowd->wrong == CROWD_WRONG_HANG ? 3000 : CROWD_HANG_MS / 2);

	for (cring_reap(c); c->inflight; cring_reap(c)) {
		if (now_ms() > end)
			crowd_fail("%u requests do not complete", c->inflight);
		if (crowd->stop)
			return;
		crowd_beat();
		sleep_ms(1);
	}
}
