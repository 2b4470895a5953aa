/* SPDX-License-Identifier: GPL-2.0 */
/*
 * For modes that have lent buffers in slots of the ring's table: the table, the legs' I/O on a
 * slot, and what becomes of a loan that failed.
 *
 * Who puts a buffer into its slot and takes it out with SQEs of its own, does it in one
 * submission with the legs' I/O, and without waiting:
 *
 *   PUT slot, WRITE_FIXED leg 0, ... WRITE_FIXED leg N-1, TAKE slot
 *
 * The kernel takes SQEs in order, and I/O that was issued keeps the buffer by itself, so TAKE need
 * not wait for it.  PUT and TAKE post no CQE unless they fail; then the I/O between them fails with
 * -EFAULT, which queue.c takes as "once more".
 *
 * The rule that makes this safe: a slot belongs to one tag, and the next round of that tag is queued
 * only when every CQE of the I/O before has been reaped.
 */
#ifndef SRV_SLOTS_H
#define SRV_SLOTS_H

#include "../queue.h"

/* The numbers of the two SQEs among those of the mode. */
enum { SLOT_PUT, SLOT_TAKE };

/* struct slots_io - of each tag: the mode's state of a request, or its beginning */
struct slots_io {
	u8 lost;	/* PUTs that failed, whose TAKE is due to fail */
};

/* A table of @nr empty slots.  0, or -errno after a message. */
int slots_init(struct queue *q, unsigned int nr);

/* mode_ops.init, for a slot for each tag. */
int slots_init_tags(struct queue *q);

/* The legs' I/O of the steps that are TODO.  @link: flags of each SQE. */
static inline void slots_steps(struct queue *q, struct io *io, unsigned int slot, unsigned int link)
{
	for (unsigned int i = 0; i < io->nr_steps; i++) {
		const struct step *s = &io->steps[i];
		int op = s->op == STEP_READ ? IORING_OP_READ_FIXED : IORING_OP_WRITE_FIXED;

		if (s->state == STEP_TODO)
			queue_rw_step(q, io, i, op, 0, slot)->flags |= link;
	}
}

/* mode_ops.cqe: a PUT or TAKE that failed. */
void slots_cqe(struct queue *q, struct io *io, unsigned int index, int res);

#endif
