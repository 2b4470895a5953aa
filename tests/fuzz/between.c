// SPDX-License-Identifier: GPL-2.0
/* What is done between batches: the table as a whole, parked requests, the ring's end. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "lender.h"
#include "seq.h"

static void is(struct seq *s, struct op *op, int got, int want, const char *what)
{
	op->done = true;
	op->got = got;
	op->res = want;
	if (got != want)
		seq_fail(s, op, "%s: result %s, not %s", what, res_str(got), res_str(want));
}

static void park(struct seq *s, struct rng *r, struct op *op)
{
	unsigned int index = 0;

	while (index < MODEL_PARKED && s->m.parked[index].used)
		index++;
	if (index == MODEL_PARKED)
		return;
	op->pos = index;	/* which pipe: it has no position */
	if (!model_park(&s->m, op, index)) {
		seq_prep(s, op, ring_sqe(&s->ring));
		seq_submit(s);
		is(s, op, seq_next(s, op).res, op->res, "a read that cannot wait");
		return;
	}
	seq_prep(s, op, ring_sqe(&s->ring));
	seq_submit(s);
}

static void unpark(struct seq *s, struct op *op, unsigned int index, int res, const char *what)
{
	struct model_parked *p = &s->m.parked[index];
	struct done done = seq_next(s, op);

	if (done.data != p->op.nr)
		seq_fail(s, op, "user_data %#llx instead of that of operation %llu",
			 (unsigned long long)done.data, (unsigned long long)p->op.nr);
	is(s, op, done.res, res, what);
	model_unpark(&s->m, index, res);
}

static void feed(struct seq *s, struct rng *r, struct op *op)
{
	struct model_parked *p = &s->m.parked[op->slot];

	if (!p->used)
		return;
	op->move.dst = p->dst;
	op->move.len = op->len < p->op.len ? op->len : p->op.len;
	world_feed(&s->w, op->slot, op->move.len, &op->move.src);
	unpark(s, op, op->slot, op->move.len, "the read that waited");
	seq_check_move(s, op);
}

static void cancel_index(struct seq *s, struct op *op, unsigned int index)
{
	struct model_parked *p = &s->m.parked[index];
	struct io_uring_sqe *sqe = ring_sqe(&s->ring);
	struct done done;

	sqe->opcode = IORING_OP_ASYNC_CANCEL;
	sqe->fd = -1;
	sqe->addr = p->used ? p->op.nr : SEQ_OTHER + 1;
	sqe->user_data = SEQ_OTHER;
	seq_submit(s);
	if (s->m.iopoll || !p->used) {
		is(s, op, seq_next(s, op).res, s->m.iopoll ? -EINVAL : -ENOENT, "cancelling nothing");
		return;
	}
	/* in either order */
	done = seq_next(s, op);
	if (done.data == SEQ_OTHER) {
		is(s, op, done.res, 0, "the cancelling");
		unpark(s, op, index, -ECANCELED, "what was cancelled");
		return;
	}
	is(s, op, done.res, -ECANCELED, "what was cancelled");
	is(s, op, seq_next(s, op).res, 0, "the cancelling");
	model_unpark(&s->m, index, -ECANCELED);
}

static void cancel(struct seq *s, struct rng *r, struct op *op)
{
	cancel_index(s, op, op->slot);
}

static void expect_tag(struct seq *s, u64 tag)
{
	unsigned int i = 0;

	if (!tag)
		return;
	while (s->tags[i])
		i++;
	must(i < SEQ_TAGS, "too many tags outstanding");
	s->tags[i] = tag;
}

static void update(struct seq *s, struct rng *r, struct op *op)
{
	u64 new_tag = op->pick ? SEQ_TAG | op->nr : 0, tag;
	struct iovec iov = { .iov_base = s->w.area[op->buf] + op->off, .iov_len = op->len };
	int want = model_update(&s->m, op, new_tag, &tag);

	if (!op->len)
		iov.iov_base = NULL;
	expect_tag(s, tag);
	is(s, op, ring_update(&s->ring, op->slot, &iov, &new_tag, 1), want, "update");
}

/* Requests on buffers of user space are waited for by who unregisters a table. */
static void unpark_areas(struct seq *s, struct op *op)
{
	for (unsigned int i = 0; i < MODEL_PARKED; i++) {
		if (s->m.parked[i].used && s->m.parked[i].op.loan < 0)
			cancel_index(s, op, i);
	}
}

static void table(struct seq *s, struct rng *r, struct op *op)
{
	unsigned int nr = s->m.nr_slots;
	struct model *m = &s->m;

	if (nr && rng_chance(r, 30)) {
		is(s, op, io_uring_register_buffers_sparse(&s->ring, 4), -EBUSY, "a second table");
		return;
	}
	unpark_areas(s, op);
	is(s, op, io_uring_unregister_buffers(&s->ring), nr ? 0 : -ENXIO, "unregister");
	model_drop_lent(m);
	memset(m->slot, 0, sizeof(m->slot));
	m->nr_slots = 0;
	seq_check_loans(s, op);
	if (rng_chance(r, 10))
		return;
	m->nr_slots = rng_range(r, 1, MODEL_SLOTS);
	is(s, op, io_uring_register_buffers_sparse(&s->ring, m->nr_slots), 0, "a new table");
}

/* The uapi's struct is of later headers than liburing's. */
struct clone_arg {
	u32 src_fd, flags, pad[6];
};

static void clone_table(struct seq *s, struct rng *r, struct op *op)
{
	struct clone_arg arg = { .src_fd = s->ring.ring_fd };
	int want = !s->m.nr_slots ? -ENXIO : model_has_lent(&s->m) ? -EBUSY : 0;

	is(s, op, ring_register(&s->other, RING_REGISTER_CLONE_BUFFERS, &arg, 1), want, "clone");
	is(s, op, io_uring_unregister_buffers(&s->other), want ? -ENXIO : 0, "the clone's end");
}

static void setup(struct seq *s, struct rng *r, struct op *op)
{
	struct model_buf old = s->m.buf[op->buf], *buf = &s->m.buf[op->buf];
	static const struct learned_all none;

	seq_check_loans(s, op);
	gen_buf(r, buf);
	is(s, op, world_setup(&s->w, &s->m, op->buf), model_buf_held(&old) ? -EBUSY : 0, "setup");
	if (op->res)
		*buf = old;
	else
		buf->learned = none;
}

/* Commands that are still under way when the ring is closed. */
static void leave_in_flight(struct seq *s, struct rng *r)
{
	for (unsigned int i = 0; i < s->m.nr_slots && !s->m.iopoll; i++) {
		const struct model_slot *slot = &s->m.slot[i];
		const struct lend_move mv = {
			.op = LEND_TEST_CMD_DRAIN, .index = rng_below(r, MODEL_BUFS),
			.len = slot->len, .slot = i, .delay_ms = rng_range(r, 1, 30),
		};
		struct io_uring_sqe *sqe;

		if (slot->kind != SLOT_LENT || rng_chance(r, 50))
			continue;
		sqe = ring_sqe(&s->ring);
		lender_prep_move(sqe, s->w.lender, &mv);
		sqe->user_data = SEQ_OTHER;
		model_leave(&s->m, i);
	}
	seq_submit(s);
}

static void refill_all(struct seq *s)
{
	for (unsigned int i = 0; i < MODEL_BUFS; i++)
		world_refill(&s->w, &(struct place){ .kind = PLACE_LENT, .index = i },
			     s->m.buf[i].len);
}

static bool tags_due(const struct seq *s)
{
	for (unsigned int i = 0; i < MODEL_PARKED; i++) {
		/* holds back all tags that are younger */
		if (s->m.parked[i].used && s->m.parked[i].op.loan < 0)
			return false;
	}
	for (unsigned int i = 0; i < SEQ_TAGS; i++) {
		if (s->tags[i])
			return true;
	}
	return false;
}

/* Tags of slots that were emptied are posted, if late: a worker's reference goes last. */
static void wait_tags(struct seq *s, const struct op *op)
{
	struct done done;

	while (tags_due(s)) {
		if (!ring_next(&s->ring, &done, SOON_MS) || !(done.data & SEQ_TAG))
			seq_fail(s, op, "a tag was not posted");
		seq_take_tag(s, op, &done);
	}
}

void seq_close_ring(struct seq *s, struct rng *r, const struct op *op)
{
	struct place bad = world_damage(&s->w, &s->m);
	struct io_uring dead = { .ring_fd = -1 };

	if (bad.kind)
		seq_fail(s, op, "%s was written to by somebody: %s", place_words(&bad),
			 world_found(&s->w, bad.off));
	wait_tags(s, op);
	leave_in_flight(s, r);
	io_uring_queue_exit(&s->ring);
	s->ring = dead;
	model_exit(&s->m);
	seq_check_loans(s, op);
	refill_all(s);
	memset(s->tags, 0, sizeof(s->tags));
}

void seq_new_ring(struct seq *s, struct rng *r)
{
	static const unsigned int kinds[] = {
		0, IORING_SETUP_SUBMIT_ALL, IORING_SETUP_COOP_TASKRUN,
		IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
		IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SUBMIT_ALL,
		IORING_SETUP_IOPOLL,
	};
	int fds[NR_FILES];

	s->ring_flags = rng_chance(r, 5) ? IORING_SETUP_SQPOLL : rng_pick(r, kinds);
	s->m.iopoll = s->ring_flags & IORING_SETUP_IOPOLL;
	s->m.drains = rng_chance(r, 25);
	model_reset(&s->m, rng_range(r, 1, MODEL_SLOTS));
	ring_init(&s->ring, 128, s->ring_flags);
	ring_table(&s->ring, s->m.nr_slots);
	must(!io_uring_register_files(&s->ring, fds, world_files(&s->w, &s->m, fds)), "files");
}

static void exit_ring(struct seq *s, struct rng *r, struct op *op)
{
	seq_close_ring(s, r, op);
	seq_new_ring(s, r);
}

static void (*const kinds[NR_OPS])(struct seq *s, struct rng *r, struct op *op) = {
	[OP_PARK] = park,
	[OP_FEED] = feed,
	[OP_CANCEL] = cancel,
	[OP_UPDATE] = update,
	[OP_TABLE] = table,
	[OP_CLONE] = clone_table,
	[OP_SETUP] = setup,
	[OP_EXIT] = exit_ring,
};

void seq_between(struct seq *s, struct rng *r, struct op *op)
{
	kinds[op->kind](s, r, op);
	s->count[op->kind]++;
	s->good[op->kind] += op->res >= 0;
	s->nr_done++;
	seq_log(s, op);
}
