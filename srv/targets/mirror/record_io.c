// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../../log.h"
#include "record_io.h"

/* So often an I/O is repeated for which the kernel had no memory. */
#define RECORD_TRIES	100

/* How often it is looked whether legs answer. */
#define RECORD_LOOK_MS	500

/* user_data of the read of kick_fd; of others it is below this */
#define RECORD_KICK	(RECORD_OPS * FORMAT_LEGS)

static void record_io_queue(struct record *r, unsigned int nr, unsigned int slot)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&r->ring);
	const struct record_leg *leg = &r->legs[slot];
	const struct super_own *next = &r->next_own[slot];
	struct record_op *op = &r->ops[nr];

	/* The buffers live until record_deinit(), or as r->old. */
	if (nr == RECORD_FLUSH)
		io_uring_prep_fsync(sqe, leg->fd, IORING_FSYNC_DATASYNC);
	else if (nr == RECORD_EVENT)
		io_uring_prep_write(sqe, leg->fd, op->buf + slot * FORMAT_COPY_BYTES, op->len,
				    super_copy_offset(next->area_offset, next->copy));
	else
		io_uring_prep_write(sqe, leg->fd, op->buf, op->len,
				    leg->own.bitmap_offset + (u64)op->block * r->bits.block_bytes);
	if (nr != RECORD_FLUSH)
		sqe->rw_flags = RWF_DSYNC;
	sqe->user_data = nr * FORMAT_LEGS + slot;
}

void record_io_send(struct record *r, unsigned int nr, u32 slots,
		    void (*done)(struct record *r, struct record_op *op))
{
	struct record_op *op = &r->ops[nr];

	op->slots = op->left = slots;
	op->failed = 0;
	op->tries = 0;
	op->done = done;
	if (nr == RECORD_FLUSH)
		op->len = 0;
	else
		op->len = nr == RECORD_EVENT ? FORMAT_COPY_BYTES : r->bits.block_bytes;
	for (; slots; slots &= slots - 1, r->inflight++) {
		pending_begin(&r->pending[__builtin_ctz(slots)]);
		record_io_queue(r, nr, __builtin_ctz(slots));
	}
}

size_t record_io_room(unsigned int nr)
{
	return nr == RECORD_EVENT ? FORMAT_LEGS * FORMAT_COPY_BYTES : 1U << FORMAT_LBS_MAX;
}

/* Another buffer, while a leg may still read the old one.  false: no memory, the leg is waited for. */
static bool record_io_renew(struct record *r, struct record_op *op, size_t room)
{
	u8 *before = op->buf, *buf = late_renew(&r->old, before, room);

	if (!buf)
		return false;
	/* It may have to be sent to another leg once more. */
	memcpy(buf, before, room);
	op->buf = buf;
	return true;
}

static void record_io_leave_op(struct record *r, struct record_op *op, u32 slots)
{
	op->left &= ~slots;
	op->failed |= slots;
	for (; slots; slots &= slots - 1, r->inflight--)
		op->err[__builtin_ctz(slots)] = -ETIMEDOUT;
	if (!op->left)
		op->done(r, op);
}

void record_io_leave(struct record *r)
{
	u32 usable = record_usable(r);

	/* What other legs have yet may be in an old buffer as well. */
	if (!r->late && !r->inflight)
		late_free(&r->old);
	for (unsigned int i = 0; i < RECORD_OPS; i++) {
		struct record_op *op = &r->ops[i];
		u32 slots = op->left & ~usable;

		/* Each leg has its own part of an event's, and gets no other event. */
		if (!slots || (i != RECORD_EVENT && !record_io_renew(r, op, record_io_room(i))))
			continue;
		r->late |= slots;
		record_io_leave_op(r, op, slots);
	}
}

/* I/O has ended that was not waited for. */
static void record_io_late(struct record *r, unsigned int slot)
{
	if (!r->pending[slot].nr)
		r->late &= ~(1U << slot);
}

s64 record_io_patience(const struct record *r)
{
	return r->timeout_ms && r->inflight ? RECORD_LOOK_MS : -1;
}

u32 record_io_silent(const struct record *r)
{
	u64 now = clock_ms();
	u32 slots = 0;

	for (unsigned int slot = 0; r->timeout_ms && slot < FORMAT_LEGS; slot++)
		if (pending_ms(&r->pending[slot], now) >= r->timeout_ms)
			slots |= 1U << slot;
	return slots & ~r->late;
}

static void record_io_listen(struct record *r)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&r->ring);

	/* r->kicks lives as long as the ring: record_io_deinit() waits for this read. */
	io_uring_prep_read(sqe, r->kick_fd, &r->kicks, sizeof(r->kicks), 0);
	sqe->user_data = RECORD_KICK;
	r->listening = true;
}

static void record_io_answer(struct record *r, unsigned int nr, unsigned int slot, int res)
{
	struct record_op *op = &r->ops[nr];
	bool waited = op->left >> slot & 1;

	if (waited && (res == -EAGAIN || res == -EINTR) && op->tries < RECORD_TRIES) {
		op->tries++;
		record_io_queue(r, nr, slot);
		return;
	}
	pending_end(&r->pending[slot]);
	if (!waited) {
		record_io_late(r, slot);
		return;
	}
	if (res != op->len) {
		op->failed |= 1U << slot;
		op->err[slot] = res < 0 ? res : -EIO;
	}
	op->left &= ~(1U << slot);
	r->inflight--;
	if (!op->left)
		op->done(r, op);
}

static void record_io_cqe(struct record *r, const struct io_uring_cqe *cqe)
{
	if (cqe->user_data < RECORD_KICK) {
		record_io_answer(r, cqe->user_data / FORMAT_LEGS, cqe->user_data % FORMAT_LEGS,
				 cqe->res);
	} else if (cqe->user_data == RECORD_KICK) {
		r->listening = false;
		if (!r->closing)
			record_io_listen(r);
	}
}

void record_io_turn(struct record *r, s64 ms)
{
	struct __kernel_timespec ts = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };
	struct io_uring_cqe *cqe;
	unsigned int head, nr = 0;
	int ret = io_uring_submit_and_wait_timeout(&r->ring, &cqe, 1, ms < 0 ? NULL : &ts, NULL);

	/* No memory: what is queued stays, and is submitted the next time. */
	if (ret < 0 && ret != -ETIME && ret != -EINTR)
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	io_uring_for_each_cqe(&r->ring, head, cqe) {
		record_io_cqe(r, cqe);
		nr++;
	}
	io_uring_cq_advance(&r->ring, nr);
}

int record_io_init(struct record *r)
{
	/* An SQE for all that may be under way, also when legs have joined: io_uring_get_sqe() always has one. */
	unsigned int entries = RECORD_OPS * FORMAT_LEGS + 1;
	int ret = io_uring_queue_init(entries, &r->ring, IORING_SETUP_CLAMP);

	if (ret) {
		log_err("set %s: io_uring of %u entries: %s", r->set.name, entries, strerror(-ret));
		return ret;
	}
	r->closing = false;
	record_io_listen(r);
	return 0;
}

void record_io_deinit(struct record *r)
{
	const u64 one = 1;

	/* What the read of kick_fd waits for; 8 bytes are taken whole. */
	r->closing = true;
	while (write(r->kick_fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
	while (r->listening)
		record_io_turn(r, -1);
	io_uring_queue_exit(&r->ring);
}
