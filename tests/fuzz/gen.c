// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <string.h>

#include <liburing.h>

#include "gen.h"

static unsigned int any_slot(struct rng *r, const struct model *m)
{
	static const unsigned int far[] = { 0x7fff, 0x8000, 0xffff, 0x4000 };

	if (rng_chance(r, 96))
		return rng_below(r, m->nr_slots ?: 1);
	return rng_chance(r, 50) ? m->nr_slots + rng_below(r, 2) : rng_pick(r, far);
}

/* One of some that hold @kind, if there is any near. */
static unsigned int slot_with(struct rng *r, const struct model *m, enum slot_kind kind)
{
	unsigned int slot = any_slot(r, m);

	if (slot >= m->nr_slots || rng_chance(r, 12))
		return slot;
	for (unsigned int i = 0; i < m->nr_slots; i++) {
		unsigned int at = (slot + i) % m->nr_slots;

		if (m->slot[at].kind == kind)
			return at;
	}
	return slot;
}

static unsigned int full_slot(struct rng *r, const struct model *m)
{
	return slot_with(r, m, rng_chance(r, 80) ? SLOT_LENT : SLOT_USER);
}

static void wrong_range(struct rng *r, const struct model_slot *s, struct op *op)
{
	static const u64 addrs[] = { 1ULL << 31, 1ULL << 32, 1ULL << 63, -1ULL, -4096ULL };
	static const u32 lens[] = { 0x7ffff000, 0x7ffff001, 0x80000000, 0xffffffff };

	switch (rng_below(r, 5)) {
	case 0:
		op->len = s->len - (op->addr - s->base) + 1;
		break;
	case 1:
		op->addr = s->base + s->len + rng_below(r, 2);
		break;
	case 2:
		op->addr = rng_pick(r, addrs);
		break;
	case 3:
		op->len = rng_pick(r, lens);
		break;
	default:
		/* right for a buffer of the other kind */
		op->addr = s->base ? op->addr - s->base : 0x7f0000000000;
	}
}

/* A range of the buffer in @s; @grid: all multiples of it. */
static void range_of(struct rng *r, const struct model_slot *s, struct op *op, u32 grid)
{
	static const struct model_slot none = { .len = 4096 };
	u32 off, max;

	if (!s->len)
		s = &none;
	off = rng_below(r, s->len) / grid * grid;
	max = s->len - off < GEN_MOVE_MAX ? s->len - off : GEN_MOVE_MAX;
	/* most are short, as bytes are what takes time */
	if (rng_chance(r, 85) && max > 1024)
		max = 1024;
	op->addr = s->base + off;
	op->len = rng_range(r, 1, max);
	if (op->len >= grid)
		op->len = op->len / grid * grid;
	if (rng_chance(r, 3))
		op->len = 0;
	if (rng_chance(r, 3)) {
		op->addr = s->base;
		op->len = s->len;
	}
	if (rng_chance(r, 10))
		wrong_range(r, s, op);
}

static void gen_range(struct rng *r, const struct model *m, struct op *op, u32 grid)
{
	static const struct model_slot none;

	range_of(r, op->slot < m->nr_slots ? &m->slot[op->slot] : &none, op, grid);
}

/* What is borrowed. */
static void gen_loan(struct rng *r, const struct model *m, struct op *op)
{
	const struct model_buf *buf;

	op->buf = rng_chance(r, 97) ? rng_below(r, MODEL_BUFS) : MODEL_BUFS + rng_below(r, 100);
	buf = &m->buf[op->buf % MODEL_BUFS];
	if (rng_chance(r, 50)) {
		op->off = rng_below(r, buf->len + 1);
		if (rng_chance(r, 70))
			op->off &= ~511U;
		if (rng_chance(r, 50) && op->off < buf->len)
			op->len = rng_range(r, 1, buf->len - op->off + rng_below(r, 2));
	}
	if (rng_chance(r, 4))
		op->off += buf->len;
	if (rng_chance(r, 4))
		op->file = rng_chance(r, 50) ? FILE_BAD : FILE_MEM;
	op->fixed = rng_chance(r, 40);
}

static void gen_register(struct rng *r, const struct model *m, struct op *op)
{
	op->slot = slot_with(r, m, SLOT_EMPTY);
	gen_loan(r, m, op);
	op->pick = rng_chance(r, 5);
	if (op->pick)
		op->slot = 0;
}

static void gen_unregister(struct rng *r, const struct model *m, struct op *op)
{
	op->slot = slot_with(r, m, SLOT_LENT);
	op->file = FILE_BAD;
	op->fixed = rng_chance(r, 1);
}

/* Of which file, and where in it. */
static void gen_rw_file(struct rng *r, const struct model *m, struct op *op)
{
	static const enum op_file slow[] = { FILE_MEM, FILE_LENDER, FILE_BAD };

	op->file = rng_chance(r, 80) ? FILE_DISK : FILE_NULL;
	/* those that a worker does take a hundred times as long */
	if (rng_chance(r, 5))
		op->file = rng_pick(r, slow);
	op->fixed = rng_chance(r, 30);
	/* where writes go is the driver's choice: two must not meet */
	op->pos = op->kind == OP_READ ? rng_below(r, GEN_FILE_LEN - MODEL_LEN_MAX) & ~511U : 0;
	op->buf = rng_chance(r, 95) ? rng_below(r, MODEL_BUFS) : MODEL_BUFS + rng_below(r, 100);
	op->off = rng_below(r, m->buf[op->buf % MODEL_BUFS].len + 64);
}

static u32 rw_grid(struct rng *r, const struct op *op)
{
	return op->file == FILE_DISK && rng_chance(r, 90) ? 512 : 1;
}

/* Mostly no more than there are sectors or bytes: the others are refused. */
static void gen_parts(struct rng *r, struct op *op)
{
	u32 max = op->len % 512 ? op->len : op->len / 512;

	if (!max || max > OP_PARTS || rng_chance(r, 5))
		max = OP_PARTS;
	op->parts = rng_range(r, 1, max);
}

/* Goes on where the loan is filled up to, or leaves a gap there: by chance alone hardly any read does. */
static void gen_on(struct rng *r, const struct model *m, struct op *op)
{
	const struct model_slot *s = &m->slot[op->slot];
	u32 off;

	if (op->kind != OP_READ || op->slot >= m->nr_slots || s->kind != SLOT_LENT || rng_chance(r, 50))
		return;
	off = m->loan[s->loan].learned.filled;
	if (rng_chance(r, 40))
		off += 512 * rng_range(r, 1, 4);
	if (off >= s->len)
		return;
	op->addr = off;
	op->len = 512 * rng_range(r, 1, 4);
	if (op->len > s->len - off)
		op->len = s->len - off;
}

static void gen_rw(struct rng *r, const struct model *m, struct op *op)
{
	gen_rw_file(r, m, op);
	op->slot = full_slot(r, m);
	gen_range(r, m, op, rw_grid(r, op));
	gen_on(r, m, op);
	if (rng_chance(r, 20))
		gen_parts(r, op);
}

static void gen_send(struct rng *r, const struct model *m, struct op *op)
{
	op->file = FILE_SOCK;
	if (rng_chance(r, 3))
		op->file = rng_chance(r, 50) ? FILE_BAD : FILE_MEM;
	op->slot = full_slot(r, m);
	gen_range(r, m, op, 1);
	op->fixed = rng_chance(r, 30);
	op->plain = rng_chance(r, 40);
}

static void gen_nop(struct rng *r, const struct model *m, struct op *op)
{
	static const enum op_file files[] = { FILE_LENDER, FILE_DISK, FILE_SOCK, FILE_MEM };

	op->file = rng_chance(r, 5) ? FILE_BAD : rng_pick(r, files);
	op->slot = full_slot(r, m);
	op->len = rng_below(r, 4096);
	op->fixed = rng_chance(r, 50);
}

static void gen_cmd(struct rng *r, const struct model *m, struct op *op)
{
	if (rng_chance(r, 3))
		op->file = rng_chance(r, 50) ? FILE_BAD : FILE_MEM;
	op->slot = full_slot(r, m);
	gen_range(r, m, op, 1);
	op->buf = rng_chance(r, 97) ? rng_below(r, MODEL_BUFS) : MODEL_BUFS + rng_below(r, 100);
	op->off = rng_below(r, m->buf[op->buf % MODEL_BUFS].len + 64);
	op->fixed = rng_chance(r, 30);
}

/* Its secondaries are made by gen_secondary(). */
static void gen_fused(struct rng *r, const struct model *m, struct op *op)
{
	gen_loan(r, m, op);
}

static void gen_park(struct rng *r, const struct model *m, struct op *op)
{
	op->file = FILE_PIPE;
	op->slot = full_slot(r, m);
	gen_range(r, m, op, 1);
}

static void gen_update(struct rng *r, const struct model *m, struct op *op)
{
	op->slot = any_slot(r, m);
	op->buf = rng_below(r, MODEL_AREAS);
	op->off = rng_below(r, MODEL_AREA_LEN / 2);
	if (rng_chance(r, 60))
		op->off &= ~511U;
	if (rng_chance(r, 70))
		op->len = rng_range(r, 1, MODEL_AREA_LEN - op->off);
	/* with a tag */
	op->pick = rng_chance(r, 40);
}

static void gen_setup(struct rng *r, const struct model *m, struct op *op)
{
	op->buf = rng_below(r, MODEL_BUFS);
}

static void gen_other(struct rng *r, const struct model *m, struct op *op)
{
	op->slot = rng_below(r, MODEL_PARKED);
	op->len = rng_range(r, 1, 4096);
}

/* Each in how many of a thousand, and how. */
static const struct {
	unsigned int weight;
	void (*gen)(struct rng *r, const struct model *m, struct op *op);
} kinds[NR_OPS] = {
	[OP_REGISTER]	= { 260, gen_register },
	[OP_UNREGISTER]	= { 195, gen_unregister },
	[OP_READ]	= { 115, gen_rw },
	[OP_WRITE]	= { 160, gen_rw },
	[OP_SEND]	= { 30, gen_send },
	[OP_FILL]	= { 90, gen_cmd },
	[OP_DRAIN]	= { 90, gen_cmd },
	[OP_NOP]	= { 15, gen_nop },
	[OP_FUSED]	= { 20, gen_fused },
	[OP_PARK]	= { 4, gen_park },
	[OP_FEED]	= { 2, gen_other },
	[OP_CANCEL]	= { 2, gen_other },
	[OP_UPDATE]	= { 12, gen_update },
	[OP_TABLE]	= { 1, gen_other },
	[OP_CLONE]	= { 1, gen_other },
	[OP_SETUP]	= { 3, gen_setup },
	[OP_EXIT]	= { 0, gen_other },
};

static enum op_kind gen_kind(struct rng *r, u64 nr)
{
	u32 at = rng_below(r, 1000);
	unsigned int kind = 0;

	/* a ring's end takes as long as some thousand others: often in short runs only */
	if (rng_below(r, nr < GEN_SHORT ? 3000 : 30000) == 0)
		return OP_EXIT;

	while (at >= kinds[kind].weight)
		at -= kinds[kind++].weight;
	return kind;
}

static const struct spoil *gen_spoil(struct rng *r, enum op_kind kind)
{
	const struct spoil *s = &op_spoils[rng_below(r, op_nr_spoils)];

	return s->kinds & (1U << kind) ? s : NULL;
}

void gen_op(struct rng *r, const struct model *m, u64 nr, struct op *op)
{
	memset(op, 0, sizeof(*op));
	op->nr = nr;
	do {
		op->kind = gen_kind(r, nr);
	} while (op->kind == OP_SEND && m->drains);
	kinds[op->kind].gen(r, m, op);
	/* what is wrong with SEND_ZC's is not with SEND's */
	if (op->kind < NR_REQUESTS && !op->plain && rng_chance(r, 10))
		op->spoil = gen_spoil(r, op->kind);
	/* wrong where it would be right otherwise, not beside */
	if (op->spoil && op->kind <= OP_UNREGISTER)
		op->pick = false;
}

/* One that suits the direction, mostly. */
static enum op_kind secondary_kind(struct rng *r, u32 dir)
{
	if (rng_chance(r, 10) || dir == (LEND_TEST_SOURCE | LEND_TEST_DEST))
		return rng_chance(r, 50) ? OP_READ : OP_WRITE;
	if (dir == LEND_TEST_DEST)
		return OP_READ;
	return rng_chance(r, 85) ? OP_WRITE : OP_SEND;
}

void gen_secondary(struct rng *r, const struct model *m, const struct op *primary, u64 nr,
		   struct op *op)
{
	const struct model_buf *buf = &m->buf[primary->buf % MODEL_BUFS];
	struct model_slot s = { .kind = SLOT_LENT, .len = primary->len };

	if (!s.len && primary->off < buf->len)
		s.len = buf->len - primary->off;
	*op = (struct op){ .nr = nr, .secondary = true, .kind = secondary_kind(r, buf->dir) };
	op->alien = rng_chance(r, 2);
	if (op->kind == OP_SEND) {
		op->file = rng_chance(r, 3) ? FILE_BAD : FILE_SOCK;
		op->fixed = rng_chance(r, 30);
		op->plain = rng_chance(r, 40);
	} else {
		gen_rw_file(r, m, op);
	}
	range_of(r, &s, op, op->kind == OP_SEND ? 1 : rw_grid(r, op));
	if (rng_chance(r, 4) && !op->alien && !op->plain)
		op->spoil = gen_spoil(r, op->kind);
	if (rng_chance(r, 5))
		op->flags |= IOSQE_ASYNC;
	/* that all is done is told by the primary */
	if (!m->drains && rng_chance(r, 15))
		op->flags |= IOSQE_CQE_SKIP_SUCCESS;
}

static bool any_parked(const struct model *m)
{
	for (unsigned int i = 0; i < MODEL_PARKED; i++) {
		if (m->parked[i].used)
			return true;
	}
	return false;
}

u8 gen_flags(struct rng *r, const struct model *m, const struct op *op, bool chained, bool more,
	     u8 link)
{
	bool inside = op->kind == OP_REGISTER || op->kind == OP_UNREGISTER;
	u8 flags = more ? link : 0;

	if (rng_chance(r, chained ? 5 : 1))
		flags |= IOSQE_ASYNC;
	/* a drained request would wait for parked ones */
	if ((m->drains || m->drain_disabled) && !any_parked(m) && rng_chance(r, 2))
		flags |= IOSQE_IO_DRAIN;
	/* nobody would tell that one is done, unless it is done at once or followed */
	if (!m->drains && rng_chance(r, 20) && !(flags & IOSQE_ASYNC) &&
	    (more || (inside && !chained && !op->pick)))
		flags |= IOSQE_CQE_SKIP_SUCCESS;
	return flags;
}

void gen_buf(struct rng *r, struct model_buf *buf)
{
	static const u32 dirs[] = {
		LEND_TEST_SOURCE, LEND_TEST_DEST, LEND_TEST_SOURCE | LEND_TEST_DEST,
		LEND_TEST_SOURCE | LEND_TEST_DEST,
	};
	static const u32 errors[] = { ENODEV, EAGAIN, EIO, EBUSY, EPERM };
	static const u32 learns[] = { 0, LEND_TEST_NO_MAP, 16, 512, 4096, LEND_TEST_SEG_MAX };
	bool grid = rng_chance(r, 70);

	buf->nr_segs = rng_range(r, 1, MODEL_SEGS);
	for (unsigned int i = 0; i < buf->nr_segs; i++) {
		u32 offset = rng_chance(r, 50) ? rng_below(r, 4096) : 0;
		u32 len = rng_range(r, 1, rng_chance(r, 50) ? 4096 : 1024);

		if (rng_chance(r, 10))
			len = 4096 * rng_range(r, 1, 2);
		if (grid) {
			offset &= ~511U;
			len = (len + 511) & ~511U;
		}
		buf->segs[i] = (struct lend_test_seg){ .offset = offset, .len = len };
	}
	buf->skip = rng_chance(r, 30) ? rng_below(r, buf->segs[0].len) : 0;
	if (grid)
		buf->skip &= ~511U;
	buf->dir = rng_pick(r, dirs);
	buf->error = rng_chance(r, 6) ? rng_pick(r, errors) : 0;
	buf->learn = rng_pick(r, learns);
	model_buf_shape(buf);
}
