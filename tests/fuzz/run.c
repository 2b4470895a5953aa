// SPDX-License-Identifier: GPL-2.0
/* The loop over operations: which go into one submission, and which wait for the last one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "seq.h"

#define SEND_MAX	65536	/* bytes in a batch, which the socket takes at once */
#define HANG_SECONDS	120	/* for CHECK_OPS operations, which take one */
#define CHECK_OPS	512	/* loans are counted each so many */

/* What @op would read and write, as far as two could meet there. */
static bool shares(const struct place *a, u32 a_len, const struct place *b, u32 b_len)
{
	if (a->kind != b->kind || a->index != b->index)
		return false;
	if (a->kind != PLACE_LENT && a->kind != PLACE_USER)
		return false;
	return a->off < b->off + b_len && b->off < a->off + a_len;
}

/* One writes to what the other reads or writes: the result would be either's. */
static bool conflict(const struct move *a, const struct move *b)
{
	return shares(&a->dst, a->len, &b->dst, b->len) ||
	       shares(&a->dst, a->len, &b->src, b->len) ||
	       shares(&a->src, a->len, &b->dst, b->len);
}

static bool conflicts(const struct op *op, const struct op *others, unsigned int n)
{
	if (!op->move.len)
		return false;
	for (unsigned int i = 0; i < n; i++) {
		if (others[i].move.len && conflict(&op->move, &others[i].move))
			return true;
	}
	return shares(&op->move.src, op->move.len, &op->move.dst, op->move.len);
}

/* The results, with requests that would meet in a buffer made to move nothing. */
static void predict(struct seq *s, struct op *ops, unsigned int n)
{
	const struct model before = s->m;
	unsigned int i = 0;

	model_chain(&s->m, ops, n);
	while (i < n) {
		if (!conflicts(&ops[i], ops, i)) {
			i++;
			continue;
		}
		ops[i].len = 0;
		s->m = before;
		model_chain(&s->m, ops, n);
		i = 0;
	}
}

/* Each writing request has a place of its own in the files, for as long as a batch lasts. */
static void place_write(struct seq *s, struct op *op)
{
	if (op->kind == OP_WRITE && op->file != FILE_LENDER)
		op->pos = WORLD_SINK + s->nr_writes++ % MODEL_BATCH * WORLD_STRIDE;
}

/* Goes on with what the one before it in the chain borrows. */
static void follow(struct rng *r, const struct op *before, struct op *op)
{
	if (before->kind != OP_REGISTER || before->pick || op->spoil || op->kind == OP_REGISTER ||
	    !rng_chance(r, 70))
		return;
	op->slot = before->slot;
	op->addr = rng_below(r, 8) * 512;
	op->len = op->kind == OP_UNREGISTER ? 0 : rng_range(r, 1, 2) * 512;
	if (op->kind == OP_UNREGISTER)
		op->addr = 0;
	if (op->parts)
		op->parts = op->len / 512;
}

static u64 numbers(const char *list, u64 nr)
{
	char *end;

	while (list && *list) {
		u64 from = strtoull(list, &end, 10), to = from;

		if (*end == '-')
			to = strtoull(end + 1, &end, 10);
		if (nr >= from && nr <= to)
			return true;
		list = *end ? end + 1 : end;
	}
	return false;
}

struct chain {
	struct op ops[MODEL_CHAIN];
	unsigned int nr;
};

/* Makes @op the head of a chain, which takes the numbers after it.  Returns how many. */
static u64 make_chain(struct seq *s, struct rng *r, struct op *op, struct chain *c)
{
	static const u8 links[] = { IOSQE_IO_LINK, IOSQE_IO_LINK, IOSQE_IO_HARDLINK };
	unsigned int n = rng_chance(r, 5) && !op->pick ? rng_range(r, 2, 6) : 1, i;

	c->ops[0] = *op;
	c->nr = 1;
	for (i = 1; i < n; i++) {
		struct op *next = &c->ops[c->nr];
		struct rng own;

		rng_seed(&own, s->opts->seed, op->nr + i);
		do {
			gen_op(&own, &s->m, op->nr + i, next);
		} while (next->kind >= NR_REQUESTS || next->kind == OP_FUSED || next->pick);
		follow(&own, next - 1, next);
		if (!numbers(s->opts->skip, next->nr))
			c->nr++;
	}
	for (i = 0; i < c->nr; i++) {
		c->ops[i].flags = gen_flags(r, &s->m, &c->ops[i], c->nr > 1, i + 1 < c->nr,
					    rng_pick(r, links));
	}
	return n;
}

/* The same of a primary and its secondaries, of which one at most sends: they have no order. */
static u64 make_fused(struct seq *s, struct rng *r, struct op *op, struct chain *c)
{
	static const u32 odd[] = { 0, 9, 256, 0x101, 0x80000001 };
	unsigned int n = rng_range(r, 1, MODEL_CHAIN - 1);
	bool sends = s->m.drains;

	c->ops[0] = *op;
	c->nr = 1;
	c->ops[0].flags = gen_flags(r, &s->m, op, true, false, 0);
	if (rng_chance(r, 2)) {
		c->ops[0].secondaries = rng_pick(r, odd);
		return 1;
	}
	for (unsigned int i = 1; i <= n; i++) {
		struct op *next = &c->ops[c->nr];
		struct rng own;

		rng_seed(&own, s->opts->seed, op->nr + i);
		do {
			gen_secondary(&own, &s->m, op, op->nr + i, next);
		} while (next->kind == OP_SEND && sends);
		sends |= next->kind == OP_SEND;
		if (!numbers(s->opts->skip, next->nr))
			c->nr++;
	}
	c->ops[0].secondaries = c->nr - 1;
	/* one that is missing */
	if (c->nr < MODEL_CHAIN && rng_chance(r, 2))
		c->ops[0].secondaries++;
	return 1 + n;
}

static void add_chain(struct seq *s, struct chain *c)
{
	unsigned int i;

	/* a primary's completion is to come after all others of its batch */
	if (s->nr_batch + c->nr > MODEL_BATCH || c->ops[0].kind == OP_FUSED)
		seq_flush(s);
	for (i = 0; i < c->nr; i++)
		place_write(s, &c->ops[i]);
	predict(s, c->ops, c->nr);
	for (i = 0; i < c->nr; i++) {
		if (conflicts(&c->ops[i], s->batch, s->nr_batch) ||
		    s->batch_send > SEND_MAX) {
			seq_flush_early(s);
			break;
		}
	}
	for (i = 0; i < c->nr; i++) {
		s->batch[s->nr_batch++] = c->ops[i];
		if (c->ops[i].kind == OP_SEND)
			s->batch_send += c->ops[i].move.len;
	}
	if (model_batch_ends(c->ops, c->nr))
		seq_flush(s);
}

/* One operation, or a chain of them.  Returns how many numbers it took. */
static u64 step(struct seq *s, u64 nr)
{
	struct chain c;
	struct rng r;
	struct op op;

	rng_seed(&r, s->opts->seed, nr);
	gen_op(&r, &s->m, nr, &op);
	if (op.kind < NR_REQUESTS) {
		u64 n = op.kind == OP_FUSED ? make_fused(s, &r, &op, &c) :
					      make_chain(s, &r, &op, &c);

		if (!numbers(s->opts->skip, nr))
			add_chain(s, &c);
		return n;
	}
	if (numbers(s->opts->skip, nr))
		return 1;
	seq_flush(s);
	seq_between(s, &r, &op);
	return 1;
}

static void progress(struct seq *s, u64 began, u64 nr, bool last)
{
	u64 ms = now_ms() - began, rate = nr * 1000 / (ms ?: 1);

	printf("seq: %llu of %u operations in %llu s, %llu a second", (unsigned long long)nr,
	       s->opts->ops, (unsigned long long)ms / 1000, (unsigned long long)rate);
	if (!last)
		printf(", %llu s to go", (unsigned long long)((s->opts->ops - nr) / (rate ?: 1)));
	printf("\n");
	fflush(stdout);
}

static void summary(const struct seq *s)
{
	for (unsigned int i = 0; i < NR_OPS; i++)
		printf("  %9llu  %s, %llu with success\n", (unsigned long long)s->count[i],
		       op_name(i), (unsigned long long)s->good[i]);
}

static void start(struct seq *s, struct rng *r)
{
	world_init(&s->w, &s->m);
	for (unsigned int i = 0; i < MODEL_BUFS; i++) {
		gen_buf(r, &s->m.buf[i]);
		res_is(world_setup(&s->w, &s->m, i), 0, "buffer %u", i);
	}
	ring_init(&s->other, 4, 0);
	seq_new_ring(s, r);
}

void seq_run(const struct fuzz_opts *opts)
{
	struct seq *s = calloc(1, sizeof(*s));
	struct op end = { .kind = OP_EXIT };
	u64 began = now_ms(), told = began, nr = 0;
	struct rng r;

	s->opts = opts;
	for (unsigned int i = 0; wrong_names[i]; i++) {
		if (!strcmp(opts->wrong, wrong_names[i]))
			s->m.wrong = i;
	}
	rng_seed(&r, opts->seed, -1);
	start(s, &r);
	s->w.wrong = s->m.wrong == WRONG_DATA;
	while (nr < opts->ops && (!opts->until || nr <= opts->until)) {
		end.nr = nr;
		nr += step(s, nr);
		if (nr / CHECK_OPS != end.nr / CHECK_OPS) {
			seq_flush(s);
			seq_check_loans(s, &end);
			alarm(HANG_SECONDS);
		}
		if (now_ms() - told >= 10000) {
			progress(s, began, nr, false);
			told = now_ms();
		}
	}
	seq_flush(s);
	seq_close_ring(s, &r, &end);
	progress(s, began, nr, true);
	if (!opts->quiet)
		summary(s);
}
