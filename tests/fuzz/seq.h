/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One thread, one ring, one operation after the other: every result is known before.
 */
#ifndef FUZZ_SEQ_H
#define FUZZ_SEQ_H

#include "gen.h"
#include "ring.h"
#include "world.h"

#define SEQ_LOG		64	/* operations that are remembered */
#define SEQ_TAG		(1ULL << 62)	/* in user_data: a slot's tag */
#define SEQ_OTHER	(1ULL << 61)	/* one that belongs to no operation */
#define SEQ_TAGS	1024

/* What the user asks for. */
struct fuzz_opts {
	u32 seed, ops, until;
	const char *skip, *wrong;
	bool quiet;
};

struct seq {
	const struct fuzz_opts *opts;
	struct model m;
	struct world w;
	struct io_uring ring, other;	/* @other: takes clones of the table */
	unsigned int ring_flags;

	/* what goes in with the next submission */
	struct op batch[MODEL_BATCH];
	unsigned int nr_batch;
	u32 batch_send;		/* bytes */
	u64 nr_writes;
	struct iovec vecs[MODEL_BATCH][OP_PARTS];	/* of requests with parts, in a circle */
	u64 nr_vecs;

	struct op log[SEQ_LOG];	/* in a circle */
	u64 nr_log;
	u64 tags[SEQ_TAGS];	/* that are still to be posted; 0 is free */
	u64 nr_done;
	u64 released[MODEL_BUFS];	/* of each buffer, when its loans were looked at */
	u64 count[NR_OPS], good[NR_OPS];
};

/* Runs opts->ops operations.  A mismatch ends the process, with a report. */
void seq_run(const struct fuzz_opts *opts);

/* For seq.c, run.c and between.c. */
void seq_flush(struct seq *s);
/* The same of a batch that is not empty, when the model has seen more than that. */
void seq_flush_early(struct seq *s);
void seq_log(struct seq *s, const struct op *op);
void seq_fail(struct seq *s, const struct op *op, const char *fmt, ...)
	__attribute__((format(printf, 3, 4), noreturn));
/* The next CQE that is no tag.  It is an error if none comes. */
struct done seq_next(struct seq *s, const struct op *op);
void seq_take_tag(struct seq *s, const struct op *op, const struct done *done);
void seq_submit(struct seq *s);
void seq_prep(struct seq *s, const struct op *op, struct io_uring_sqe *sqe);
/* What @op moved is where it belongs; gives the destination its pattern back. */
void seq_check_move(struct seq *s, const struct op *op);
/* Every loan that has to be back is back, and none besides. */
void seq_check_loans(struct seq *s, const struct op *op);
/* All that is done between batches: the batch is empty. */
void seq_between(struct seq *s, struct rng *r, struct op *op);
void seq_new_ring(struct seq *s, struct rng *r);
void seq_close_ring(struct seq *s, struct rng *r, const struct op *op);

#endif
