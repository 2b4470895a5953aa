// SPDX-License-Identifier: GPL-2.0
/* See model.h; design.md's table of results, and the order in which they are found. */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include <liburing.h>
#include <linux/io_uring_fused.h>

#include "model.h"

const char *const wrong_names[] = {
	"none", "direction", "range", "busy", "data", "link", "release", "fused", "sum", NULL
};

void model_reset(struct model *m, unsigned int nr_slots)
{
	memset(m->slot, 0, sizeof(m->slot));
	memset(m->parked, 0, sizeof(m->parked));
	m->nr_slots = nr_slots;
	m->drain_disabled = false;
}

void model_buf_shape(struct model_buf *buf)
{
	buf->len = 0;
	for (unsigned int i = 0; i < buf->nr_segs; i++)
		buf->len += buf->segs[i].len;
	buf->len -= buf->skip;
}

u64 model_buf_held(const struct model_buf *buf)
{
	return buf->lent - buf->released;
}

static void loan_put(struct model *m, unsigned int index)
{
	struct model_loan *loan = &m->loan[index];
	struct model_buf *buf = &m->buf[loan->buf];

	if (--loan->refs)
		return;
	buf->released++;
	loan->learned.full += m->wrong == WRONG_SUM;
	learned_back(&buf->learned, &loan->learned);
}

static unsigned int loan_new(struct model *m, unsigned int buf, u32 len)
{
	unsigned int i = 0;

	while (m->loan[i].refs)
		i++;
	m->loan[i].refs = 1;
	m->loan[i].buf = buf;
	learned_init(&m->loan[i].learned, m->buf[buf].learn, len);
	m->buf[buf].lent++;
	return i;
}

static void slot_lend(struct model *m, unsigned int slot, const struct op *op)
{
	u32 len = op->len ?: m->buf[op->buf].len - op->off;

	m->slot[slot] = (struct model_slot){
		.kind = SLOT_LENT, .buf = op->buf, .off = op->off, .len = len,
		.loan = loan_new(m, op->buf, len),
	};
}

static void slot_clear(struct model *m, unsigned int slot)
{
	if (m->slot[slot].kind == SLOT_LENT)
		loan_put(m, m->slot[slot].loan);
	m->slot[slot] = (struct model_slot){ .kind = SLOT_EMPTY };
}

static bool op_dest(const struct op *op)
{
	return op->kind == OP_READ || op->kind == OP_FILL || op->kind == OP_PARK;
}

/* The request has its slot's buffer from here on, if one is lent there. */
static void hold(const struct model *m, struct op *op)
{
	if (op->slot < m->nr_slots && m->slot[op->slot].kind == SLOT_LENT)
		op->loan = m->slot[op->slot].loan;
}

/* The range of the slot's buffer, which the request has from here on.  0 or -EFAULT; *p is where it begins. */
static int import(const struct model *m, struct op *op, struct place *p)
{
	const struct model_slot *s;
	u64 end;

	if (!op->secondary && op->slot >= m->nr_slots)
		return -EFAULT;
	s = op->secondary ? &m->fused : &m->slot[op->slot];
	if (s->kind == SLOT_EMPTY)
		return -EFAULT;
	if (s->kind == SLOT_LENT)
		op->loan = s->loan;
	if (s->kind == SLOT_LENT && m->wrong != WRONG_DIRECTION &&
	    !(m->buf[s->buf].dir & (op_dest(op) ? LEND_TEST_DEST : LEND_TEST_SOURCE)))
		return -EFAULT;
	if (s->kind == SLOT_LENT && op->len > MODEL_MAX_RW)
		return -EFAULT;
	if (__builtin_add_overflow(op->addr, op->len, &end) || op->addr < s->base)
		return -EFAULT;
	if (end > s->base + s->len + (m->wrong == WRONG_RANGE))
		return -EFAULT;
	p->kind = s->kind == SLOT_LENT ? PLACE_LENT : PLACE_USER;
	p->index = s->buf;
	p->off = s->off + (op->addr - s->base);
	return 0;
}

/* Direct I/O wants each segment on the grid of 512 bytes. */
static bool lent_aligned(const struct model_buf *buf, u32 off, u32 len)
{
	const struct lend_test_seg *seg = buf->segs;
	u32 part;

	off += buf->skip;
	while (off >= seg->len)
		off -= (seg++)->len;
	for (; len; len -= part, off = 0, seg++) {
		part = seg->len - off < len ? seg->len - off : len;
		if ((part | (seg->offset + off)) & 511)
			return false;
	}
	return true;
}

static bool disk_aligned(const struct model *m, const struct op *op, const struct place *p)
{
	if (!op->len)
		return true;
	if ((op->pos | op->len) & 511)
		return false;
	if (p->kind == PLACE_LENT)
		return lent_aligned(&m->buf[p->index], p->off, op->len);
	return !(p->off & 511);
}

static u32 at_most(u32 len, u32 whole, u32 off)
{
	u32 left = off < whole ? whole - off : 0;

	return len < left ? len : left;
}

static int moved(struct op *op, const struct place *mem, const struct place *file, u32 len)
{
	op->move.src = op_dest(op) ? *file : *mem;
	op->move.dst = op_dest(op) ? *mem : *file;
	op->move.len = len;
	return len;
}

/* READ and WRITE, the buffer being @mem. */
static int rw_file(const struct model *m, struct op *op, const struct place *mem)
{
	struct place file = { .off = op->pos };

	if (m->iopoll && op->file != FILE_DISK)
		return -EOPNOTSUPP;
	switch (op->file) {
	case FILE_DISK:
		if (!disk_aligned(m, op, mem))
			return -EINVAL;
		file.kind = PLACE_DISK;
		return moved(op, mem, &file, op->len);
	case FILE_MEM:
		file.kind = PLACE_MEM;
		return moved(op, mem, &file, op->len);
	case FILE_NULL:
		return op->kind == OP_READ ? 0 : op->len;
	case FILE_LENDER:
		/* has neither ->read_iter() nor ->write_iter() */
		if (mem->kind == PLACE_LENT)
			return -EFAULT;
		if (op->parts)
			return -EINVAL;
		if (!op->len)
			return 0;
		if (op->buf >= MODEL_BUFS)
			return -EINVAL;
		file = (struct place){ PLACE_LENT, op->buf, op->off };
		return moved(op, mem, &file, at_most(op->len, m->buf[op->buf].len, op->off));
	default:
		return -EBADF;
	}
}

/* A vector whose parts follow each other is one range, but that no part may be empty. */
static bool empty_part(const struct op *op)
{
	for (unsigned int i = 0; i < op->parts; i++) {
		if (!op_part(op, i))
			return true;
	}
	return false;
}

static int issue_rw(struct model *m, struct op *op)
{
	struct place mem;
	int ret;

	if (op->file == FILE_BAD)
		return -EBADF;
	ret = import(m, op, &mem);
	if (!ret && empty_part(op))
		ret = -EFAULT;
	if (ret)
		return ret;
	if (op->spoil && op->spoil->stage == AT_LAST)
		return op->spoil->res;
	return rw_file(m, op, &mem);
}

static int issue_send(struct model *m, struct op *op)
{
	struct place mem, sock = { .kind = PLACE_SOCK };
	int ret;

	if (op->file == FILE_BAD)
		return -EBADF;
	if (op->file != FILE_SOCK)
		return -ENOTSOCK;
	ret = import(m, op, &mem);
	return ret ?: moved(op, &mem, &sock, op->len);
}

static int issue_nop(struct model *m, struct op *op)
{
	if (op->file == FILE_BAD)
		return -EBADF;
	if (op->slot >= m->nr_slots || m->slot[op->slot].kind == SLOT_EMPTY)
		return -EFAULT;
	hold(m, op);
	return op->len;
}

static int issue_cmd(struct model *m, struct op *op)
{
	struct place mem, dev = { PLACE_LENT, op->buf, op->off };
	int ret;

	if (op->file == FILE_BAD)
		return -EBADF;
	/* the lender is the one file here that has commands */
	if (op->file != FILE_LENDER)
		return -EOPNOTSUPP;
	/* the driver asks for it later, if at all */
	hold(m, op);
	if (m->iopoll)
		return -EOPNOTSUPP;
	if (op->spoil && op->spoil->stage == AT_ISSUE)
		return op->spoil->res;
	if (op->buf >= MODEL_BUFS)
		return -EINVAL;
	ret = import(m, op, &mem);
	return ret ?: moved(op, &mem, &dev, at_most(op->len, m->buf[op->buf].len, op->off));
}

static int find_slot(const struct model *m, const struct op *op)
{
	if (op->pick) {
		for (unsigned int i = 0; i < m->nr_slots; i++) {
			if (m->slot[i].kind == SLOT_EMPTY)
				return 0;
		}
		return m->nr_slots ? -ENFILE : -EINVAL;
	}
	if (op->slot >= m->nr_slots)
		return -EINVAL;
	if (m->slot[op->slot].kind != SLOT_EMPTY)
		return m->wrong == WRONG_BUSY ? -EINVAL : -EBUSY;
	return 0;
}

/* How many bytes the exporter lends. */
static int export(const struct model *m, const struct op *op)
{
	const struct model_buf *buf = &m->buf[op->buf];

	if (op->buf >= MODEL_BUFS)
		return -EINVAL;
	if (buf->error)
		return buf->error == EAGAIN ? -EBUSY : -(int)buf->error;
	if (op->off >= buf->len || op->len > buf->len - op->off)
		return -EINVAL;
	return op->len ?: buf->len - op->off;
}

static int issue_register(struct model *m, struct op *op)
{
	int ret;

	if (op->file == FILE_BAD)
		return -EBADF;
	if (op->file != FILE_LENDER)
		return -EOPNOTSUPP;
	ret = find_slot(m, op);
	if (ret)
		return ret;
	ret = export(m, op);
	/* which slot is known only when it is done: model_picked() */
	if (ret >= 0 && !op->pick)
		slot_lend(m, op->slot, op);
	return ret;
}

/* Given back when its secondaries are done: model_fused(). */
static int issue_fused(struct model *m, struct op *op)
{
	int ret;

	if (op->file == FILE_BAD)
		return -EBADF;
	if (op->file != FILE_LENDER)
		return -EOPNOTSUPP;
	ret = export(m, op);
	if (ret < 0)
		return ret;
	m->fused = (struct model_slot){
		.kind = SLOT_LENT, .buf = op->buf, .off = op->off, .len = ret,
		.loan = loan_new(m, op->buf, ret),
	};
	return ret;
}

static int issue_unregister(struct model *m, struct op *op)
{
	if (op->slot >= m->nr_slots || m->slot[op->slot].kind == SLOT_EMPTY)
		return -EINVAL;
	if (m->slot[op->slot].kind == SLOT_USER)
		return -EBUSY;
	slot_clear(m, op->slot);
	if (m->wrong == WRONG_RELEASE)
		m->buf[0].released--, m->buf[0].lent--;
	return 0;
}

static int (*const issue[NR_REQUESTS])(struct model *m, struct op *op) = {
	[OP_REGISTER] = issue_register,
	[OP_UNREGISTER] = issue_unregister,
	[OP_READ] = issue_rw,
	[OP_WRITE] = issue_rw,
	[OP_SEND] = issue_send,
	[OP_FILL] = issue_cmd,
	[OP_DRAIN] = issue_cmd,
	[OP_NOP] = issue_nop,
	[OP_FUSED] = issue_fused,
};

/* What fails before anything of the chain has begun. */
static int prep(struct model *m, struct op *op)
{
	bool rw = op->kind == OP_READ || op->kind == OP_WRITE;
	struct place mem;

	if (op->spoil && op->spoil->stage == AT_FLAGS)
		return op->spoil->res;
	if (op->flags & IOSQE_CQE_SKIP_SUCCESS)
		m->drain_disabled = true;
	if ((op->flags & IOSQE_IO_DRAIN) && m->drain_disabled)
		return -EOPNOTSUPP;
	if (op->spoil && op->spoil->stage == AT_INIT)
		return op->spoil->res;
	if (op->alien || (op->kind == OP_SEND && m->iopoll))
		return -EINVAL;
	if (op->kind == OP_SEND && !op->plain && (!op->spoil || op->spoil->notif)) {
		if (op->flags & IOSQE_CQE_SKIP_SUCCESS)
			return -EINVAL;
		op->notif = true;
	}
	if (op->spoil && op->spoil->stage == AT_PREP)
		return op->spoil->res;
	/* SEND has a length with a sign, SEND_ZC has not */
	if (op->plain && op->len > INT_MAX)
		return -EINVAL;
	if (op->kind == OP_REGISTER || op->kind == OP_FUSED || op->secondary)
		return 0;
	if (op->kind == OP_UNREGISTER)
		return op->fixed ? -EINVAL : 0;
	/* these find any buffer at issue */
	if (op->kind == OP_NOP || op->plain || op->parts)
		return 0;
	if (op->slot >= m->nr_slots)
		return -EFAULT;
	/* a buffer of user space is taken here */
	if (rw && m->slot[op->slot].kind == SLOT_USER)
		return import(m, op, &mem);
	return 0;
}

/* Does a chain break here, and is there a CQE even with SKIP? */
static bool op_failed(const struct model *m, const struct op *op)
{
	bool whole = op->kind == OP_READ || op->kind == OP_WRITE || op->kind == OP_SEND;

	/* Linux 6.12 takes what ->write_iter() refuses for success if it is to be polled */
	if (m->iopoll && op->kind == OP_WRITE && op->res == -EINVAL && !op->spoil)
		return false;
	return op->res < 0 || (whole && (u32)op->res != op->len);
}

static void cancel_from(struct op *ops, unsigned int i, unsigned int n, bool skip)
{
	for (; i < n; i++) {
		/* one that failed at prep has told its own result */
		if (!ops[i].res)
			ops[i].res = -ECANCELED;
		ops[i].cqe = !skip;
		ops[i].move.len = 0;
	}
}

static void begin(struct op *op)
{
	op->cqe = true;
	op->notif = false;
	op->move.len = 0;
	op->loan = -1;
}

/* What the loan learns from a request's end.  Nobody knows what a command has done. */
static void tell(struct model *m, const struct op *op, int res)
{
	bool moves = op->kind == OP_READ || op->kind == OP_WRITE || op->kind == OP_SEND || op->kind == OP_PARK;
	struct learned *l;
	u64 at = op->addr;

	if (op->loan < 0)
		return;
	l = &m->loan[op->loan].learned;
	learned_used(l, moves ? op->len : UINT64_MAX, moves || res < 0 ? res : 0);
	if (!moves || !op_dest(op))
		return;
	for (unsigned int i = 0, left = res > 0 ? res : 0; left; i++) {
		u32 part = op->parts ? op_part(op, i) : op->len;

		part = part < left ? part : left;
		learned_fill(l, at, part, m->batch);
		at += part;
		left -= part;
	}
}

/* A chain of which a part could not be prepared: nothing of it is done. */
static bool chain_prep(struct model *m, struct op *ops, unsigned int n)
{
	bool bad = false;

	for (unsigned int i = 0; i < n; i++) {
		begin(&ops[i]);
		ops[i].res = prep(m, &ops[i]);
		bad |= ops[i].res < 0;
	}
	if (!bad)
		return true;
	cancel_from(ops, 0, 1, false);
	cancel_from(ops, 1, n, ops[0].flags & IOSQE_CQE_SKIP_SUCCESS);
	return false;
}

/* What a primary is refused with before it borrows anything, or 0. */
static int fused_prep(struct model *m, struct op *ops, unsigned int n)
{
	int res = prep(m, &ops[0]);
	bool bad = false;

	/* so what follows would not be its secondaries */
	if (!ops[0].secondaries || ops[0].secondaries > IORING_FUSED_MAX_SECONDARIES)
		return -EINVAL;
	for (unsigned int i = 1; i < n; i++) {
		ops[i].res = prep(m, &ops[i]);
		bad |= ops[i].res < 0;
	}
	if (!res && bad && m->wrong != WRONG_FUSED)
		res = -ECANCELED;
	if (!res && ops[0].secondaries >= n)
		res = -EINVAL;
	return res;
}

/* A primary, and its secondaries, which run in parallel if all of it can begin. */
static void model_fused(struct model *m, struct op *ops, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		begin(&ops[i]);
	ops[0].res = fused_prep(m, ops, n);
	if (!ops[0].res)
		ops[0].res = issue_fused(m, &ops[0]);
	for (unsigned int i = 1; i < n; i++) {
		struct op *op = &ops[i];

		if (ops[0].res < 0) {
			op->res = op->res ?: -ECANCELED;
			continue;
		}
		/* from the beginning, whatever comes of it */
		op->loan = m->fused.loan;
		op->res = issue[op->kind](m, op);
		op->cqe = !(op->flags & IOSQE_CQE_SKIP_SUCCESS) || op_failed(m, op);
		tell(m, op, op->res);
	}
	if (ops[0].res >= 0)
		loan_put(m, m->fused.loan);
}

void model_chain(struct model *m, struct op *ops, unsigned int n)
{
	if (ops[0].kind == OP_FUSED) {
		model_fused(m, ops, n);
		return;
	}
	if (!chain_prep(m, ops, n))
		return;
	for (unsigned int i = 0; i < n; i++) {
		struct op *op = &ops[i];
		bool skip = op->flags & IOSQE_CQE_SKIP_SUCCESS;

		op->res = issue[op->kind](m, op);
		op->cqe = !skip || op_failed(m, op);
		tell(m, op, op->res);
		if (op_failed(m, op) && !(op->flags & IOSQE_IO_HARDLINK) &&
		    m->wrong != WRONG_LINK) {
			cancel_from(ops, i + 1, n, skip);
			return;
		}
	}
}

bool model_batch_ends(const struct op *ops, unsigned int n)
{
	return n > 1 || ops[0].kind == OP_FUSED || ops[0].pick || (ops[0].flags & (IOSQE_ASYNC | IOSQE_IO_DRAIN));
}

bool model_picked(struct model *m, const struct op *op, unsigned int slot)
{
	if (slot >= m->nr_slots || m->slot[slot].kind != SLOT_EMPTY)
		return false;
	slot_lend(m, slot, op);
	return true;
}

bool model_park(struct model *m, struct op *op, unsigned int index)
{
	struct model_parked *p = &m->parked[index];

	begin(op);
	op->res = import(m, op, &p->dst);
	if (!op->res && m->iopoll)
		op->res = -EOPNOTSUPP;
	if (op->res || !op->len) {
		tell(m, op, op->res);
		return false;
	}
	p->used = true;
	p->op = *op;
	if (op->loan >= 0)
		m->loan[op->loan].refs++;
	return true;
}

void model_unpark(struct model *m, unsigned int index, int res)
{
	struct model_parked *p = &m->parked[index];

	p->used = false;
	tell(m, &p->op, res);
	if (p->op.loan >= 0)
		loan_put(m, p->op.loan);
}

void model_leave(struct model *m, unsigned int slot)
{
	const struct model_slot *s = &m->slot[slot];

	tell(m, &(struct op){ .kind = OP_DRAIN, .loan = s->loan },
	     m->buf[s->buf].dir & LEND_TEST_SOURCE ? 0 : -EFAULT);
}

int model_update(struct model *m, const struct op *op, u64 new_tag, u64 *tag)
{
	struct model_slot *s = &m->slot[op->slot];

	*tag = 0;
	if (!m->nr_slots)
		return -ENXIO;
	if (op->slot >= m->nr_slots)
		return -EINVAL;
	if (s->kind == SLOT_LENT)
		return -EBUSY;
	if (!op->len && new_tag)
		return -EINVAL;
	*tag = s->tag;
	*s = (struct model_slot){ .kind = SLOT_EMPTY };
	if (op->len)
		*s = (struct model_slot){
			.kind = SLOT_USER, .buf = op->buf, .off = op->off, .len = op->len,
			.base = m->area[op->buf] + op->off, .tag = new_tag,
		};
	return 1;
}

void model_drop_lent(struct model *m)
{
	for (unsigned int i = 0; i < m->nr_slots; i++) {
		if (m->slot[i].kind == SLOT_LENT)
			slot_clear(m, i);
	}
}

bool model_has_lent(const struct model *m)
{
	for (unsigned int i = 0; i < m->nr_slots; i++) {
		if (m->slot[i].kind == SLOT_LENT)
			return true;
	}
	return false;
}

void model_exit(struct model *m)
{
	model_drop_lent(m);
	for (unsigned int i = 0; i < MODEL_PARKED; i++) {
		if (m->parked[i].used)
			model_unpark(m, i, -ECANCELED);
	}
}
