// SPDX-License-Identifier: GPL-2.0
/*
 * Mode register: the request's own pages are lent to the ring, as a registered
 * buffer in the slot that has the tag's number, and the legs' I/O uses them there.
 *
 * One round is, in one submission and without links:
 *
 *   REGISTER slot, WRITE_FIXED leg 0, ... WRITE_FIXED leg N-1, UNREGISTER slot
 *
 * The kernel takes SQEs in order, and I/O that was issued keeps the buffer by
 * itself, so UNREGISTER need not wait for it.  REGISTER and UNREGISTER post no
 * CQE unless they fail; then the I/O between them fails with -EFAULT, which
 * queue.c takes as "once more".
 *
 * The rule that makes this safe: a slot belongs to one tag, and the next round
 * of that tag is queued only when every CQE of the I/O before has been reaped.
 *
 * Mode register-chain is the same as a chain of links, one after the other, which is
 * what registered buffers were objected to for: for comparison.  The links are hard
 * ones, so that a leg that fails breaks neither the others nor UNREGISTER.  The last leg's
 * CQE is there before UNREGISTER was begun, so the next round of the tag has another slot.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include <linux/io_uring_lend.h>

#include "../log.h"
#include "../queue.h"
#include "modes.h"

enum { REG_REGISTER, REG_UNREGISTER };

/* of each tag */
struct register_io {
	u8 lost;	/* failed registrations whose UNREGISTER is due to fail */
	bool odd;	/* register-chain: the next round has the second one of two slots */
};

static int register_slots(struct queue *q, unsigned int nr)
{
	int ret = io_uring_register_buffers_sparse(&q->ring, nr);

	if (ret)
		log_err("queue %u: buffer table of %u slots: %s", q->qid, nr, strerror(-ret));
	return ret;
}

static int register_init(struct queue *q)
{
	return register_slots(q, q->device->depth);
}

static int register_chain_init(struct queue *q)
{
	return register_slots(q, 2 * q->device->depth);
}

static void register_table_op(struct queue *q, struct io *io, int op, unsigned int index,
			      unsigned int slot, unsigned int flags)
{
	struct io_uring_sqe *sqe = queue_sqe(q);

	if (op == IORING_OP_LENT_BUF_REGISTER) {
		io_uring_prep_rw(op, sqe, FILE_UBLKC, NULL, 0, queue_cookie(q, io, 0));
		sqe->flags = IOSQE_FIXED_FILE | IOSQE_CQE_SKIP_SUCCESS | flags;
	} else {
		io_uring_prep_rw(op, sqe, -1, NULL, 0, 0);
		sqe->flags = IOSQE_CQE_SKIP_SUCCESS | flags;
	}
	sqe->buf_index = slot;
	sqe->user_data = udata(UD_MODE, io->index, index);
}

/* @link: what each SQE but the last has to be told about the next one */
static void register_issue_linked(struct queue *q, struct io *io, unsigned int slot,
				  unsigned int link)
{
	assert(io->pending == 0);
	register_table_op(q, io, IORING_OP_LENT_BUF_REGISTER, REG_REGISTER, slot, link);
	for (unsigned int i = 0; i < io->nr_steps; i++) {
		const struct step *s = &io->steps[i];
		int op = s->op == STEP_READ ? IORING_OP_READ_FIXED : IORING_OP_WRITE_FIXED;

		if (s->state == STEP_TODO)
			queue_rw_step(q, io, i, op, 0, slot)->flags |= link;
	}
	register_table_op(q, io, IORING_OP_LENT_BUF_UNREGISTER, REG_UNREGISTER, slot, 0);
}

static void register_issue(struct queue *q, struct io *io)
{
	register_issue_linked(q, io, io->tag, 0);
}

/* A chain ends where a submission does. */
static void register_chain_issue(struct queue *q, struct io *io)
{
	struct register_io *r = io->mio;
	unsigned int slot = io->tag + (r->odd ? q->device->depth : 0);

	queue_room(q, io->nr_steps + 2);
	register_issue_linked(q, io, slot, IOSQE_IO_HARDLINK);
	r->odd = !r->odd;
}

/* Only failures come here. */
static void register_cqe(struct queue *q, struct io *io, unsigned int index, int res)
{
	struct register_io *r = io->mio;

	if (index == REG_REGISTER) {
		/* The round's I/O and its UNREGISTER fail too, and are waited for. */
		r->lost++;
		log_err("queue %u tag %u: REGISTER: %s", q->qid, io->tag, strerror(-res));
	} else if (r->lost) {
		r->lost--;
	} else {
		log_err("queue %u tag %u: UNREGISTER: %s", q->qid, io->tag, strerror(-res));
	}
}

const struct mode_ops mode_register = {
	.name		= "register",
	.summary	= "the client's pages are lent to io_uring: no copy",
	.ublk_flags	= UBLK_F_SUPPORT_ZERO_COPY,
	.lends		= LENDS_BY_OPERATION,
	.extra_sqes	= 2,
	.lost_errno	= -EFAULT,
	.io_size	= sizeof(struct register_io),
	.init		= register_init,
	.issue		= register_issue,
	.cqe		= register_cqe,
};

const struct mode_ops mode_register_chain = {
	.name		= "register-chain",
	.summary	= "the same, one leg after the other: for comparison",
	.ublk_flags	= UBLK_F_SUPPORT_ZERO_COPY,
	.lends		= LENDS_BY_OPERATION,
	.extra_sqes	= 2,
	.lost_errno	= -EFAULT,
	.io_size	= sizeof(struct register_io),
	.init		= register_chain_init,
	.issue		= register_chain_issue,
	.cqe		= register_cqe,
};
