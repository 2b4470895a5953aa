// SPDX-License-Identifier: GPL-2.0
/* What requests look like, and what is drawn how often. */
#include <linux/io_uring_fused.h>
#include <linux/ublk_cmd.h>
#include <string.h>

#include "crowd.h"
#include "crowd_bytes.h"
#include "crowd_ring.h"
#include "lender.h"
#include "ublkraw.h"

#define PAGES(r, n)	(rng_below((r), (n)) * 4096U)

static void add_held(struct cring *c, unsigned int slot, u64 what)
{
	/* a slot that io_uring picks may be any */
	for (unsigned int i = 0; i < CRING_SLOTS; i++)
		if (slot == i || slot == ~0U)
			c->held[i] |= what;
}

/* Which slot suits. */
static bool is_empty(const struct guess *g)
{
	return !g->used;
}

static bool is_used(const struct guess *g)
{
	return g->used;
}

static bool is_source(const struct guess *g)
{
	return g->used && g->source;
}

static bool is_dest(const struct guess *g)
{
	return g->used && g->dest;
}

/* One that suits, if one is easily found; now and then any, or one beyond the table. */
static unsigned int a_slot(const struct cring *c, struct rng *r,
			   bool (*suits)(const struct guess *))
{
	unsigned int slot = rng_below(r, CRING_SLOTS);

	if (rng_chance(r, 2))
		return CRING_SLOTS + rng_below(r, 3);
	for (unsigned int i = 0; i < CRING_SLOTS && rng_chance(r, 97); i++) {
		if (suits(&c->guess[slot]))
			break;
		slot = (slot + 1) % CRING_SLOTS;
	}
	return slot;
}

static void set_guess(struct cring *c, unsigned int slot, struct guess guess)
{
	if (slot < CRING_SLOTS)
		c->guess[slot] = guess;
}

static void lend(struct cring *c, struct rng *r, struct io_uring_sqe *sqe, struct cop *op,
		 int fd, u64 cookie, u64 held)
{
	bool pick = rng_chance(r, 15);

	lent_prep_register(sqe, fd, cookie, op->kind == C_REGISTER_UBLK ? 0 : op->len,
			   pick ? 0 : op->slot, pick ? IORING_LENT_BUF_PICK_SLOT : 0);
	add_held(c, pick ? ~0U : op->slot, held);
}

static void prep_register(struct cring *c, struct rng *r, struct io_uring_sqe *sqe,
			  struct cop *op)
{
	unsigned int b = rng_below(r, BUF_SINK);
	u32 off = rng_chance(r, 40) ? 0 : PAGES(r, BUF_LEN / 4096);

	op->kind = C_REGISTER;
	op->len = rng_chance(r, 50) ? BUF_LEN - off : 8 * rng_range(r, 1, (BUF_LEN - off) / 8);
	op->slot = a_slot(c, r, is_empty);
	lend(c, r, sqe, op, c->files->lender, LEND_TEST_POS(b, off), 1ULL << b);
	set_guess(c, op->slot, (struct guess){ true, b < BUF_DEST, b >= BUF_MUTABLE, op->len });
}

static void prep_register_bad(struct cring *c, struct rng *r, struct io_uring_sqe *sqe,
			      struct cop *op)
{
	static const u64 cookies[] = {
		LEND_TEST_POS(0, BUF_LEN), LEND_TEST_POS(NR_BUFS, 0), LEND_TEST_POS(64, 0),
		LEND_TEST_POS(0xffffffff, 0xffffffff),
	};
	unsigned int which = rng_below(r, 6);
	int fd = c->files->lender;
	u64 cookie = which < 4 ? cookies[which] : 0;

	op->kind = C_REGISTER_BAD;
	op->len = rng_below(r, 4096);
	op->slot = a_slot(c, r, is_empty);
	if (which == 4) {
		op->kind = C_REGISTER_ERROR;
		cookie = LEND_TEST_POS(BUF_ERROR, 0);
	} else if (which == 5) {
		op->kind = C_REGISTER_NOBODY;
		fd = c->files->null;
	}
	lend(c, r, sqe, op, fd, cookie, 0);
}

static void prep_register_ublk(struct cring *c, struct rng *r, struct io_uring_sqe *sqe,
			       struct cop *op)
{
	unsigned int queue = rng_chance(r, 3) ? rng_below(r, 70000) : 0;
	unsigned int tag = rng_chance(r, 3) ? rng_below(r, 70000) : rng_below(r, 8);
	u64 cookie = raw_pos(queue & 0xfff, tag & 0xffff, rng_chance(r, 75) ? 0 : PAGES(r, 20));

	op->kind = C_REGISTER_UBLK;
	op->len = 65536;
	op->slot = a_slot(c, r, is_empty);
	lend(c, r, sqe, op, c->files->cdev, rng_chance(r, 2) ? rng_next(r) & 0xfffff000 : cookie,
	     HELD_UBLK);
	set_guess(c, op->slot, (struct guess){ true, true, true, 32768 });
}

/* As the server does, which this task is not. */
static void prep_commit(struct cring *c, struct rng *r, struct io_uring_sqe *sqe, struct cop *op)
{
	const struct ublksrv_io_cmd cmd = { .tag = rng_below(r, 8), .result = rng_below(r, 65536) };

	op->kind = C_NOT_DAEMON;
	sqe->opcode = IORING_OP_URING_CMD;
	sqe->fd = c->files->cdev;
	sqe->cmd_op = UBLK_U_IO_COMMIT_AND_FETCH_REQ;
	sqe->uring_cmd_flags = rng_chance(r, 30) ? IORING_URING_CMD_FIXED : 0;
	sqe->buf_index = op->slot;
	memcpy(sqe->cmd, &cmd, sizeof(cmd));
}

static void prep_unregister(struct cring *c, struct rng *r, struct io_uring_sqe *sqe,
			    struct cop *op)
{
	op->kind = C_UNREGISTER;
	op->slot = a_slot(c, r, is_used);
	set_guess(c, op->slot, (struct guess){});
	lent_prep_unregister(sqe, op->slot);
}

/* A range that is probably inside the slot's buffer, for a request in one direction. */
static void a_range(struct cring *c, struct rng *r, struct cop *op, bool dest)
{
	u32 len;

	op->slot = a_slot(c, r, dest ? is_dest : is_source);
	len = op->slot < CRING_SLOTS ? c->guess[op->slot].len : 0;
	len = rng_chance(r, 90) && len ? len : BUF_LEN;
	op->addr = rng_chance(r, 30) ? 8 * rng_below(r, len / 8) : PAGES(r, (len + 4095) / 4096);
	len = op->addr < len ? len - op->addr : BUF_LEN;
	op->len = rng_chance(r, 30) ? 8 * rng_below(r, CRING_LEN / 8) : 512U << rng_below(r, 6);
	if (op->len > len)
		op->len = len;
	if (rng_chance(r, 5))
		op->addr = (uintptr_t)c->area + op->addr;
	else if (rng_chance(r, 2))
		op->addr = rng_next(r) & ~7ULL;
}

/* The same bytes, in two parts. */
static void maybe_vector(struct cring *c, struct rng *r, struct io_uring_sqe *sqe,
			 const struct cop *op, unsigned int index)
{
	struct iovec *iov = c->vecs[index];
	u32 first = op->len / 2 & ~7U;

	/* the vector is in use until nobody can submit the request any more */
	if (index >= CRING_OPS || !first || !rng_chance(r, 25))
		return;
	iov[0] = (struct iovec){ (void *)(uintptr_t)op->addr, first };
	iov[1] = (struct iovec){ (void *)(uintptr_t)(op->addr + first), op->len - first };
	prep_rwv_fixed(sqe, op->kind == C_READ ? RING_OP_READV_FIXED : RING_OP_WRITEV_FIXED,
		       sqe->fd, iov, 2, sqe->off, op->slot);
}

static void prep_read(struct cring *c, struct rng *r, struct io_uring_sqe *sqe, struct cop *op,
		      unsigned int index)
{
	int fd = rng_chance(r, 70) ? c->files->source : c->files->disk;

	a_range(c, r, op, true);
	op->kind = C_READ;
	prep_rw_fixed(sqe, IORING_OP_READ_FIXED, fd, op->addr, op->len,
		      op->addr % 4096 + PAGES(r, 8), op->slot);
	maybe_vector(c, r, sqe, op, index);
}

static void prep_write(struct cring *c, struct rng *r, struct io_uring_sqe *sqe, struct cop *op,
		       unsigned int index)
{
	a_range(c, r, op, false);
	op->kind = C_WRITE;
	op->file = index < CRING_OPS && rng_chance(r, 70);
	if (op->file)
		prep_rw_fixed(sqe, IORING_OP_WRITE_FIXED, c->mem, op->addr, op->len,
			      (u64)index * CRING_LEN, op->slot);
	else
		prep_rw_fixed(sqe, IORING_OP_WRITE_FIXED, c->files->disk, op->addr, op->len,
			      (1U << 20) + PAGES(r, 64), op->slot);
	maybe_vector(c, r, sqe, op, index);
}

/* Receivers do not know where the bytes begin: always on a page. */
static void prep_send(struct cring *c, struct rng *r, struct io_uring_sqe *sqe, struct cop *op)
{
	a_range(c, r, op, false);
	op->kind = C_SEND;
	op->addr &= 0xf000;
	op->len = op->len ?: 8;
	if (rng_chance(r, 40)) {
		op->kind = C_COPY;
		prep_copy_fixed(sqe, c->sock, op->addr, op->len, op->slot);
	} else {
		prep_send_fixed(sqe, c->sock, op->addr, op->len, op->slot);
	}
	sqe->msg_flags = MSG_DONTWAIT;
}

static void prep_a_nop(struct cring *c, struct rng *r, struct io_uring_sqe *sqe, struct cop *op)
{
	op->kind = C_NOP;
	op->slot = a_slot(c, r, is_used);
	op->len = rng_below(r, 4096);
	prep_nop(sqe, RING_NOP_INJECT_RESULT | RING_NOP_FILE | RING_NOP_FIXED_BUFFER,
		 c->files->lender, op->slot, op->len);
}

static void prep_move(struct cring *c, struct rng *r, struct io_uring_sqe *sqe, struct cop *op)
{
	struct lend_move move;

	op->kind = rng_chance(r, 50) ? C_FILL : C_DRAIN;
	a_range(c, r, op, op->kind == C_FILL);
	move = (struct lend_move){
		.op = op->kind == C_FILL ? LEND_TEST_CMD_FILL : LEND_TEST_CMD_DRAIN,
		.index = op->kind == C_FILL ? rng_range(r, BUF_SOURCE, BUF_ERROR - 1) :
					      rng_range(r, BUF_SINK, BUF_SOURCE - 1),
		.offset = op->addr % 4096,
		.delay_ms = rng_chance(r, 30) ? rng_range(r, 1, 8) : 0,
		.addr = op->addr, .len = op->len, .slot = op->slot,
	};
	lender_prep_move(sqe, c->files->lender, &move);
}

static void prep_cancel(struct cring *c, struct rng *r, struct io_uring_sqe *sqe, struct cop *op)
{
	op->kind = C_CANCEL;
	sqe->opcode = IORING_OP_ASYNC_CANCEL;
	sqe->fd = -1;
	if (rng_chance(r, 30))
		sqe->cancel_flags = IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_ALL;
	else
		sqe->addr = 1 + rng_below(r, CRING_OPS);
}

/* What is borrowed, with the bits of what that may be. */
static u64 borrow(struct cring *c, struct rng *r, struct io_uring_sqe *sqe, struct cop *op)
{
	unsigned int b = rng_below(r, BUF_SINK);
	u32 off = rng_chance(r, 40) ? 0 : PAGES(r, BUF_LEN / 4096);

	if (c->files->cdev >= 0 && rng_chance(r, 30)) {
		op->kind = C_FUSED_UBLK;
		op->len = 65536;
		sqe->fd = c->files->cdev;
		sqe->off = raw_pos(0, rng_below(r, 8), rng_chance(r, 75) ? 0 : PAGES(r, 20));
		return HELD_UBLK;
	}
	op->kind = rng_chance(r, 4) ? C_FUSED_BAD : C_FUSED;
	op->len = BUF_LEN - off;
	sqe->fd = c->files->lender;
	sqe->off = LEND_TEST_POS(op->kind == C_FUSED_BAD ? BUF_ERROR : b, off);
	return 1ULL << b;
}

void cring_prep_primary(struct cring *c, struct rng *r, struct io_uring_sqe *sqe, struct cop *op,
			unsigned int nr)
{
	*op = (struct cop){ .used = true };
	sqe->opcode = IORING_OP_FUSED_CMD;
	op->held = borrow(c, r, sqe, op);
	sqe->rw_flags = nr;
	if (rng_chance(r, 20))
		sqe->flags |= IOSQE_ASYNC;
	if (c->drains && rng_chance(r, 4))
		sqe->flags |= IOSQE_IO_DRAIN;
	/* and is refused */
	if (rng_chance(r, 3)) {
		op->kind = C_FUSED_BAD;
		sqe->ioprio = 1;
	}
}

void cring_prep_secondary(struct cring *c, struct rng *r, struct io_uring_sqe *sqe,
			  const struct cop *primary, struct cop *op, unsigned int index)
{
	bool read = primary->held & ~((1ULL << BUF_MUTABLE) - 1);

	if (primary->held < 1ULL << BUF_DEST || primary->held == HELD_UBLK || rng_chance(r, 5))
		read = rng_chance(r, 50) && read;
	*op = (struct cop){ .used = true, .secondary = true, .held = primary->held };
	op->kind = read ? C_READ : C_WRITE;
	op->file = !read;
	op->addr = rng_chance(r, 30) ? 8 * rng_below(r, primary->len / 8) :
				       PAGES(r, primary->len / 4096);
	op->len = rng_chance(r, 30) ? 8 * rng_below(r, CRING_LEN / 8) : 512U << rng_below(r, 6);
	/* a READ_FIXED cannot be one, and fails the others, too */
	sqe->opcode = read ? rng_chance(r, 2) ? IORING_OP_READ_FIXED : IORING_OP_READ :
			     IORING_OP_WRITE;
	sqe->fd = !read ? c->mem : rng_chance(r, 70) ? c->files->source : c->files->disk;
	sqe->addr = op->addr;
	sqe->len = op->len;
	sqe->off = read ? op->addr % 4096 + PAGES(r, 8) : (u64)index * CRING_LEN;
	if (rng_chance(r, 20))
		sqe->flags |= IOSQE_ASYNC;
}

static void some_flags(const struct cring *c, struct rng *r, struct io_uring_sqe *sqe,
		       const struct cop *op, bool skip)
{
	if (rng_chance(r, 25))
		sqe->flags |= rng_chance(r, 80) ? IOSQE_IO_LINK : IOSQE_IO_HARDLINK;
	/* those that wait would wait in a worker */
	if (rng_chance(r, 20) && op->kind != C_CANCEL)
		sqe->flags |= IOSQE_ASYNC;
	if (skip)
		sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
	else if (c->drains && rng_chance(r, 4))
		sqe->flags |= IOSQE_IO_DRAIN;
}

void cring_prep(struct cring *c, struct rng *r, struct io_uring_sqe *sqe, struct cop *op,
		unsigned int index)
{
	unsigned int draw = rng_below(r, 100);
	bool skip = index >= CRING_OPS;

	*op = (struct cop){ .used = true, .slot = rng_below(r, CRING_SLOTS) };
	if (draw < 1 && c->files->cdev >= 0)
		prep_commit(c, r, sqe, op);
	else if (draw < 8 && c->files->cdev >= 0)
		prep_register_ublk(c, r, sqe, op);
	else if (draw < 26)
		prep_register(c, r, sqe, op);
	else if (draw < 28)
		prep_register_bad(c, r, sqe, op);
	else if (draw < 40)
		prep_unregister(c, r, sqe, op);
	else if (draw < 60)
		prep_read(c, r, sqe, op, index);
	else if (draw < 78)
		prep_write(c, r, sqe, op, index);
	else if (draw < 85 && !skip)
		prep_send(c, r, sqe, op);
	else if (draw < 88)
		prep_a_nop(c, r, sqe, op);
	else if (draw < 97 || skip)
		prep_move(c, r, sqe, op);
	else
		prep_cancel(c, r, sqe, op);
	some_flags(c, r, sqe, op, skip);
}
