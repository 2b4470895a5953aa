// SPDX-License-Identifier: GPL-2.0
/*
 * Mode register: the request's own pages are lent to the ring by operations of io_uring's,
 * IORING_OP_LENT_BUF_*, into the slot that has the tag's number (slots.h).
 *
 * Mode register-chain is the same as a chain of links, one after the other, which is
 * what registered buffers were objected to for: for comparison.  The links are hard
 * ones, so that a leg that fails breaks neither the others nor UNREGISTER.  The last leg's
 * CQE is there before UNREGISTER was begun, so the next round of the tag has another slot.
 */
#include <assert.h>
#include <errno.h>

#include <linux/io_uring_lend.h>

#include "modes.h"
#include "slots.h"

/* of each tag */
struct register_io {
	struct slots_io slots;
	bool odd;	/* register-chain: the next round has the second one of two slots */
};

static int register_chain_init(struct queue *q)
{
	return slots_init(q, 2 * q->device->depth);
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
	register_table_op(q, io, IORING_OP_LENT_BUF_REGISTER, SLOT_PUT, slot, link);
	slots_steps(q, io, slot, link);
	register_table_op(q, io, IORING_OP_LENT_BUF_UNREGISTER, SLOT_TAKE, slot, 0);
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

const struct mode_ops mode_register = {
	.name		= "register",
	.summary	= "the client's pages are lent to io_uring: no copy",
	.ublk_flags	= UBLK_F_SUPPORT_ZERO_COPY,
	.lends		= LENDS_BY_OPERATION,
	.extra_sqes	= 2,
	.lost_errno	= -EFAULT,
	.io_size	= sizeof(struct slots_io),
	.init		= slots_init_tags,
	.issue		= register_issue,
	.cqe		= slots_cqe,
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
	.cqe		= slots_cqe,
};
