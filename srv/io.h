/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A block request on its way through the server, and the steps that it is
 * made of.
 *
 * The target cuts a request into steps: one operation on one leg each, all in
 * parallel.  The queue runs them, with the mode's help where data moves, and
 * hands them back with a result each.  The target then settles the request, or
 * plans other steps.
 */
#ifndef SRV_IO_H
#define SRV_IO_H

#include <linux/ublk_cmd.h>

#include "types.h"

enum step_op {
	STEP_READ,	/* leg -> the request's data */
	STEP_WRITE,	/* the request's data -> leg */
	STEP_SYNC,	/* what was written is durable */
	STEP_DISCARD,
	STEP_ZERO,
	STEP_DELAY,	/* nothing, for a while; succeeds with -ETIME */
};

static inline bool step_op_has_data(enum step_op op)
{
	return op <= STEP_WRITE;
}

enum step_state {
	STEP_TODO,	/* planned, or to be continued */
	STEP_BUSY,	/* its SQE is queued, the CQE not yet reaped */
	STEP_DONE,	/* res is final */
};

/* Of one request at once; a target that needs more plans them in rounds. */
#define MAX_STEPS	32

/*
 * struct step - one operation on one leg
 * Part of struct io.  Written by the queue's thread only.
 *
 * TODO -> BUSY -> DONE, and back from BUSY to TODO for the rest after a short
 * result, or after a failure that was not the leg's.
 */
struct step {
	u64 off;	/* bytes, on the leg */
	u32 len;	/* bytes, of the whole step */
	u32 data;	/* where its data begins, bytes from the first one of the request */
	u32 done;	/* bytes that earlier rounds have moved */
	s32 want;	/* result of the SQE that means: all of it */
	s32 res;	/* DONE: 0 or -errno */
	u8 op;		/* enum step_op */
	u8 leg;
	u8 state;	/* enum step_state */
	u8 tries;	/* repetitions so far */
	u8 how;		/* enum step_how, or what nodata.c has for steps without data */
};

/*
 * A step is repeated so often when its failure was not the leg's: no memory
 * for an asynchronous retry, a lent buffer that was gone by then.
 */
#define STEP_TRIES	8

/* How a step's data gets to its leg and back. */
enum step_how {
	HOW_MODE,	/* as the mode does it */
	HOW_COPY,	/* through a buffer of the server's, bounce.h */
};

/*
 * struct io - one tag of one queue
 * Allocated with the queue, in one piece with all that its pointers lead to; reused for
 * every request with its tag.  Written by the queue's thread only.
 *
 * Invariants: pending is the number of BUSY steps plus the mode's own
 * operations that the request waits for; the request is committed only with
 * pending == 0, so no SQE that uses this tag's buffer or slot is outstanding
 * when the tag's next request arrives.
 */
struct io {
	/* the request, set when it arrives */
	u64 off;	/* bytes, on the device */
	u32 len;	/* bytes */
	s32 result;	/* what COMMIT reports: bytes or 0, or -errno */
	u16 tag;
	u8 op;		/* UBLK_IO_OP_* */
	bool fua;

	u8 nr_steps;	/* at most MAX_STEPS */
	bool redo;	/* a step went back to TODO */
	u16 pending;

	u64 cmd_addr;	/* addr of FETCH and COMMIT; 0, or what the mode says */
	void *tio;	/* the target's own, see target_ops.io_size */
	void *mio;	/* the mode's own, mode_ops.io_size bytes */
	struct step *steps;	/* room for the target's max_steps */
};

/* For targets: a step for @len bytes of the request, from its @data on, at @off of the leg. */
static inline void io_add_part(struct io *io, enum step_op op, unsigned int leg, u64 off, u32 len,
			       u32 data)
{
	struct step *s = &io->steps[io->nr_steps++];

	s->off = off;
	s->len = len;
	s->data = data;
	s->done = 0;
	s->want = step_op_has_data(op) ? (s32)len : 0;
	s->op = op;
	s->leg = leg;
	s->state = STEP_TODO;
	s->tries = 0;
	s->how = 0;
}

/* For targets: a step that covers the whole request. */
static inline void io_add_step(struct io *io, enum step_op op, unsigned int leg)
{
	io_add_part(io, op, leg, io->off, io->len, 0);
}

/* The step operation of a block request, or -EOPNOTSUPP. */
int io_step_op(u8 ublk_op);

/*
 * struct step_rules - what becomes of a step that went another way than planned
 * In struct queue; read-only once the queue runs.
 */
struct step_rules {
	u32 block;	/* bytes: a step goes on behind whole ones */
	s32 lost_errno;	/* the mode's: the data could not be reached, 0: there is none */
	bool lends;	/* the leg got the client's pages, and may refuse their shape */
};

/*
 * The SQE of step @s gave @res, and not s->want.  The step is then DONE, or TODO for what
 * is left.  No I/O, and nothing but *s is looked at or changed.
 */
void io_step_odd(struct step *s, int res, const struct step_rules *rules);

/* For targets: what COMMIT reports when all of the request was done. */
static inline s32 io_success(const struct io *io)
{
	return io->op <= UBLK_IO_OP_WRITE ? (s32)io->len : 0;
}

#endif
