// SPDX-License-Identifier: GPL-2.0
#include <linux/io_uring_fused.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lender.h"
#include "seq.h"

static void put_field(struct io_uring_sqe *sqe, const struct spoil *spoil)
{
	u64 old = 0;

	memcpy(&old, (u8 *)sqe + spoil->at, spoil->size);
	old |= spoil->value;
	memcpy((u8 *)sqe + spoil->at, &old, spoil->size);
}

void seq_log(struct seq *s, const struct op *op)
{
	s->log[s->nr_log++ % SEQ_LOG] = *op;
}

static void print_op(const struct op *op)
{
	char got[32];

	snprintf(got, sizeof(got), "%s", op->done ? res_str(op->got) : op->cqe ? "-" : "none");
	printf("  %8llu  %s: %s\n", (unsigned long long)op->nr, op_words(op), got);
}

/* Not a must(): there is more to say than one line. */
void seq_fail(struct seq *s, const struct op *op, const char *fmt, ...)
{
	u64 from = s->nr_log > SEQ_LOG ? s->nr_log - SEQ_LOG : 0;
	char what[256];
	va_list ap;

	/* first: what it says may be in memory that is used again */
	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	printf("the last operations, with their results:\n");
	for (u64 i = from; i < s->nr_log; i++)
		print_op(&s->log[i % SEQ_LOG]);
	for (unsigned int i = 0; i < s->nr_batch; i++)
		print_op(&s->batch[i]);
	printf("MISMATCH seed %u ring flags %#x operation %llu: %s\n  %s\n", s->opts->seed,
	       s->ring_flags, (unsigned long long)op->nr, op_words(op), what);
	printf("  again: --seed %u --until %llu, and --skip what is not needed\n",
	       s->opts->seed, (unsigned long long)op->nr);
	fflush(stdout);
	_exit(1);
}

static void prep_fused(const struct op *op, struct io_uring_sqe *sqe, int fd)
{
	sqe->opcode = IORING_OP_FUSED_CMD;
	sqe->fd = fd;
	sqe->off = LEND_TEST_POS(op->buf, op->off);
	sqe->len = op->len;
	sqe->rw_flags = op->secondaries;
}

static void prep_secondary(const struct op *op, struct io_uring_sqe *sqe, int fd, u64 pos)
{
	if (op->kind == OP_READ)
		sqe->opcode = op->alien ? IORING_OP_READ_FIXED : IORING_OP_READ;
	else if (op->kind == OP_WRITE)
		sqe->opcode = op->alien ? IORING_OP_WRITE_FIXED : IORING_OP_WRITE;
	else if (op->alien)
		sqe->opcode = op->plain ? IORING_OP_SENDMSG : IORING_OP_FUSED_CMD;
	else
		sqe->opcode = op->plain ? IORING_OP_SEND : IORING_OP_SEND_ZC;
	sqe->fd = fd;
	sqe->addr = op->addr;
	sqe->len = op->len;
	sqe->off = op->kind == OP_SEND ? 0 : pos;
}

static void prep_rw(struct seq *s, const struct op *op, struct io_uring_sqe *sqe, int fd, u64 pos)
{
	bool write = op->kind == OP_WRITE;
	/* read at submission, so that the next batch may have it */
	struct iovec *iov = s->vecs[s->nr_vecs % MODEL_BATCH];
	u64 addr = op->addr;

	if (!op->parts) {
		prep_rw_fixed(sqe, write ? IORING_OP_WRITE_FIXED : IORING_OP_READ_FIXED, fd, addr,
			      op->len, pos, op->slot);
		return;
	}
	for (unsigned int i = 0; i < op->parts; i++) {
		iov[i] = (struct iovec){ .iov_base = (void *)(uintptr_t)addr,
					 .iov_len = op_part(op, i) };
		addr += op_part(op, i);
	}
	prep_rwv_fixed(sqe, write ? RING_OP_WRITEV_FIXED : RING_OP_READV_FIXED, fd, iov, op->parts,
		       pos, op->slot);
	s->nr_vecs++;
}

static void prep_fields(struct seq *s, const struct op *op, struct io_uring_sqe *sqe, int fd)
{
	const struct lend_move mv = {
		.op = op->kind == OP_FILL ? LEND_TEST_CMD_FILL : LEND_TEST_CMD_DRAIN,
		.index = op->buf, .offset = op->off, .addr = op->addr, .len = op->len,
		.slot = op->slot,
	};
	/* of the lender, the position says which buffer */
	u64 pos = op->file == FILE_LENDER ? LEND_TEST_POS(op->buf, op->off) : op->pos;

	if (op->secondary) {
		prep_secondary(op, sqe, fd, pos);
		return;
	}
	switch (op->kind) {
	case OP_FUSED:
		prep_fused(op, sqe, fd);
		break;
	case OP_REGISTER:
		lent_prep_register(sqe, fd, LEND_TEST_POS(op->buf, op->off), op->len, op->slot,
				   op->pick ? IORING_LENT_BUF_PICK_SLOT : 0);
		break;
	case OP_UNREGISTER:
		lent_prep_unregister(sqe, op->slot);
		break;
	case OP_SEND:
		if (op->plain)
			prep_copy_fixed(sqe, fd, op->addr, op->len, op->slot);
		else
			prep_send_fixed(sqe, fd, op->addr, op->len, op->slot);
		break;
	case OP_NOP:
		prep_nop(sqe, RING_NOP_INJECT_RESULT | RING_NOP_FILE | RING_NOP_FIXED_BUFFER |
			 (op->fixed ? RING_NOP_FIXED_FILE : 0), fd, op->slot, op->len);
		break;
	case OP_FILL:
	case OP_DRAIN:
		lender_prep_move(sqe, fd, &mv);
		break;
	default:
		prep_rw(s, op, sqe, fd, pos);
	}
}

void seq_prep(struct seq *s, const struct op *op, struct io_uring_sqe *sqe)
{
	int fds[NR_FILES], fd;

	world_files(&s->w, &s->m, fds);
	fds[FILE_PIPE] = s->w.pipe[op->pos % MODEL_PARKED][0];
	if (op->file == FILE_BAD)
		fd = op->fixed ? 1000 : -1;
	else
		fd = op->fixed ? (int)op->file : fds[op->file];
	prep_fields(s, op, sqe, fd);
	sqe->flags |= op->flags | (op->fixed ? IOSQE_FIXED_FILE : 0);
	sqe->user_data = op->nr;
	if (op->spoil)
		put_field(sqe, op->spoil);
}

void seq_submit(struct seq *s)
{
	ring_submit(&s->ring);
	/* taken by SQPOLL's thread, which holds the ring's lock until all of it is issued */
	while (io_uring_sq_ready(&s->ring))
		sched_yield();
}

void seq_take_tag(struct seq *s, const struct op *op, const struct done *done)
{
	for (unsigned int i = 0; i < SEQ_TAGS; i++) {
		if (s->tags[i] == done->data) {
			s->tags[i] = 0;
			return;
		}
	}
	seq_fail(s, op, "tag %#llx was posted, which was not to be, or twice",
		 (unsigned long long)done->data);
}

struct done seq_next(struct seq *s, const struct op *op)
{
	struct done done;

	for (;;) {
		if (!ring_next(&s->ring, &done, SOON_MS))
			seq_fail(s, op, "nothing more completes");
		if (!(done.data & SEQ_TAG) || (done.data & RING_NOTIF))
			return done;
		seq_take_tag(s, op, &done);
	}
}

static struct op *find(struct seq *s, u64 nr)
{
	for (unsigned int i = 0; i < s->nr_batch; i++) {
		if (s->batch[i].nr == nr)
			return &s->batch[i];
	}
	return NULL;
}

/* Nobody uses its buffer any more; what is skipped is known to be done by that only. */
static void after_all(struct seq *s, const struct op *primary, int res)
{
	for (unsigned int i = 0; i < s->nr_batch; i++) {
		const struct op *op = &s->batch[i];

		if (op->secondary && ((op->cqe && !op->done) || (res >= 0 && op->notif)))
			seq_fail(s, primary, "%s, before that of operation %llu", res_str(res),
				 (unsigned long long)op->nr);
	}
}

static void take_cqe(struct seq *s, const struct done *done)
{
	struct op *op = find(s, done->data & ~RING_NOTIF);
	bool notif = done->data & RING_NOTIF;

	if (!op)
		seq_fail(s, &s->batch[0], "a CQE of something else: user_data %#llx, %s",
			 (unsigned long long)done->data, res_str(done->res));
	if (notif && op->notif) {
		op->notif = false;
		return;
	}
	if (notif || op->done || !op->cqe)
		seq_fail(s, op, "a %s that was not to come: %s", notif ? "notification" : "CQE",
			 res_str(done->res));
	if (op->kind == OP_FUSED)
		after_all(s, op, done->res);
	op->done = true;
	op->got = done->res;
	op->got_flags = done->flags;
}

/* What is sent is in use until it is acknowledged, which the other end does not hurry to do. */
static void acknowledge(struct seq *s)
{
	int on = 1;

	if (s->batch_send)
		setsockopt(s->w.tcp.rx, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof(on));
}

static void reap(struct seq *s)
{
	unsigned int left = 0;
	struct io_uring_cqe *cqe;
	struct done done;

	for (unsigned int i = 0; i < s->nr_batch; i++)
		left += s->batch[i].cqe + s->batch[i].notif;
	for (; left; left--) {
		acknowledge(s);
		done = seq_next(s, &s->batch[0]);
		take_cqe(s, &done);
	}
	/* tags may be there, nothing else */
	while (!io_uring_peek_cqe(&s->ring, &cqe)) {
		ring_next(&s->ring, &done, 0);
		if (!(done.data & SEQ_TAG))
			take_cqe(s, &done);
		else
			seq_take_tag(s, &s->batch[0], &done);
	}
}

static void check_op(struct seq *s, struct op *op)
{
	if (!op->cqe)
		return;
	if (op->got != op->res)
		seq_fail(s, op, "result %s, not %s", res_str(op->got), res_str(op->res));
	if (!op->pick || op->res < 0)
		return;
	if (!(op->got_flags & IORING_CQE_F_BUFFER) ||
	    !model_picked(&s->m, op, op->got_flags >> IORING_CQE_BUFFER_SHIFT))
		seq_fail(s, op, "flags %#x name no empty slot", op->got_flags);
}

void seq_check_move(struct seq *s, const struct op *op)
{
	long at;

	if (!op->move.len)
		return;
	at = world_differs(&s->w, &s->m, &op->move);
	if (at >= 0)
		seq_fail(s, op, "byte %ld of %u, from %s to %s, is another: %s", at, op->move.len,
			 place_words(&op->move.src), place_words(&op->move.dst),
			 world_found(&s->w, at));
	world_refill(&s->w, &op->move.dst, op->move.len);
}

static void check_batch(struct seq *s)
{
	for (unsigned int i = 0; i < s->nr_batch; i++)
		check_op(s, &s->batch[i]);
	for (unsigned int i = 0; i < s->nr_batch; i++) {
		seq_check_move(s, &s->batch[i]);
		s->count[s->batch[i].kind]++;
		s->good[s->batch[i].kind] += s->batch[i].res >= 0;
	}
}

/*
 * The first request after one that drained is put off too, past those that come with it:
 * let it be one of ours.
 */
static void after_drain(struct seq *s)
{
	struct io_uring_sqe *sqe;
	bool drained = false;

	for (unsigned int i = 0; i < s->nr_batch; i++)
		drained |= s->batch[i].flags & IOSQE_IO_DRAIN;
	if (!drained)
		return;
	sqe = ring_sqe(&s->ring);
	sqe->opcode = IORING_OP_NOP;
	sqe->user_data = SEQ_OTHER;
	seq_submit(s);
	if (seq_next(s, &s->batch[0]).data != SEQ_OTHER)
		seq_fail(s, &s->batch[0], "a CQE too many");
}

static void check_back(struct seq *s, const struct op *op, unsigned int index)
{
	struct model_buf *buf = &s->m.buf[index];
	struct lend_test_stats st = lender_stats(s->w.lender, index);
	u64 end = now_ms() + SOON_MS;
	struct lend_test_sum sum;
	char why[200];

	/* a worker's last reference goes when the ring's task runs */
	while (st.released < buf->released && now_ms() < end) {
		io_uring_get_events(&s->ring);
		sched_yield();
		st = lender_stats(s->w.lender, index);
	}
	if (st.lent != buf->lent || st.released != buf->released)
		seq_fail(s, op, "buffer %u was lent %llu times and came back %llu times, not %llu and %llu",
			 index, st.lent, st.released, (unsigned long long)buf->lent,
			 (unsigned long long)buf->released);
	s->released[index] = buf->released;
	sum = lender_sum(s->w.lender, index);
	if (!learned_is(&buf->learned, &sum, why, sizeof(why)))
		seq_fail(s, op, "what loans of buffer %u have learned: %s", index, why);
}

/* Those of which loans have come back, so that it is known which was the last. */
static void check_those_back(struct seq *s)
{
	for (unsigned int i = 0; i < MODEL_BUFS; i++)
		if (s->m.buf[i].released != s->released[i])
			check_back(s, &s->batch[0], i);
}

void seq_flush_early(struct seq *s)
{
	for (unsigned int i = 0; i < s->nr_batch; i++)
		seq_prep(s, &s->batch[i], ring_sqe(&s->ring));
	seq_submit(s);
	reap(s);
	after_drain(s);
	check_batch(s);
	for (unsigned int i = 0; i < s->nr_batch; i++)
		seq_log(s, &s->batch[i]);
	s->nr_done += s->nr_batch;
	s->nr_batch = 0;
	s->batch_send = 0;
}

void seq_flush(struct seq *s)
{
	if (!s->nr_batch)
		return;
	seq_flush_early(s);
	check_those_back(s);
	s->m.batch++;
}

void seq_check_loans(struct seq *s, const struct op *op)
{
	for (unsigned int i = 0; i < MODEL_BUFS; i++)
		check_back(s, op, i);
}
