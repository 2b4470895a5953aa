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

#include "step.h"
#include "types.h"

/* Of one request at once; a target that needs more plans them in rounds. */
#define MAX_STEPS	32

/*
 * struct io - the request of one tag of one queue, or what was left behind of one
 * Allocated with the queue, in one piece with all that its pointers lead to; reused for every
 * request with its tag, unless another one stands in for it.  Written by the queue's thread only.
 *
 * Invariants: pending is the number of BUSY steps plus the mode's own
 * operations that the request waits for; the request is committed only with
 * pending == 0, so no SQE that uses this io's buffer or the tag's slot is outstanding
 * when the tag's next request arrives.  A linked one is committed by the kernel, behind its step, and
 * nothing is heard of that: the step stays BUSY, also while the tag is the driver's, until the CQE of
 * COMMIT brings the next request.  One that is handed off is the same until its queue has seen that it has
 * ended, and has no steps from then on; pending counts the command too.
 */
struct io {
	/* the request, set when it arrives */
	u64 off;	/* bytes, on the device */
	u32 len;	/* bytes */
	s32 result;	/* what COMMIT reports: bytes or 0, or -errno */
	u16 tag;
	u8 op;		/* UBLK_IO_OP_* */
	bool fua;
	bool copied;	/* its data takes the way through a buffer of the server's, stable.h */

	u8 nr_steps;	/* at most MAX_STEPS */
	bool redo;	/* a step went back to TODO */
	u16 pending;
	u32 round;	/* counts what was started; for who watches (watch.h) */
	u16 index;	/* where it is in its queue: what user_data has */
	bool linked;	/* COMMIT is linked behind its step, queue_link() */
	bool left_behind;	/* another io has taken over its tag: standin.h */
	bool handed_off;	/* the driver has it, and may end it by itself: handoff.h */
	u16 handed_prev, handed_next;	/* of those, by index: handoff.h */
	u32 nr_ended;		/* what the driver had ended of the tag before */

	u64 cmd_addr;	/* addr of FETCH and COMMIT; 0, or what the mode says, */
	u64 lend_addr;	/* and of their SQEs: mainline_lend_addr() of the tag's slot */
	void *tio;	/* the target's own, see target_ops.io_size */
	void *mio;	/* the mode's own, mode_ops.io_size bytes */
	struct step *steps;	/* room for the target's max_steps */
	void *note;	/* what STEP_NOTE writes: the target's note_bytes, aligned for direct I/O */
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
	s->old = 0;
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

/* Has a write data that is to be moved yet: a rest, or all behind a note? */
static inline bool io_data_is_due(const struct io *io)
{
	return io->op == UBLK_IO_OP_WRITE && (io->redo || io->steps[0].op == STEP_NOTE);
}

/* For targets: what COMMIT reports when all of the request was done. */
static inline s32 io_success(const struct io *io)
{
	return io->op <= UBLK_IO_OP_WRITE ? (s32)io->len : 0;
}

#endif
