// SPDX-License-Identifier: GPL-2.0
/*
 * Modes register-cmd, auto and handoff: the request's own pages are lent in mainline's ways, into the slot
 * that has the tag's number (slots.h).
 *
 * In mode register-cmd, a command to the driver puts them there and another one takes them out, around
 * the legs' I/O of each round.
 *
 * In mode auto the driver does both by itself: it lends when it hands the request over, and COMMIT
 * takes the buffer out.  All rounds of the request find it there, and nothing is queued but the
 * legs' I/O.  When the driver could not lend, it says so with the request, and that one is done as in
 * mode register-cmd.  A request that was lent is never registered a second time.
 *
 * In mode handoff the driver ends the request as well, when all of the I/O was done (handoff.h); one that
 * it gives back is as in mode auto.
 *
 * Mainline reads and writes the char device only if it is asked for that: bounce.h needs it.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "../mainline.h"
#include "modes.h"
#include "slots.h"

static void register_cmd_table_op(struct queue *q, struct io *io, u32 cmd_op, unsigned int index)
{
	struct io_uring_sqe *sqe = queue_sqe(q);

	queue_prep_cmd(q, io, sqe, FILE_UBLKC, cmd_op, 0, io->tag);
	sqe->flags = IOSQE_FIXED_FILE | IOSQE_CQE_SKIP_SUCCESS;
	sqe->user_data = udata(UD_MODE, io->index, index);
}

static void register_cmd_issue(struct queue *q, struct io *io)
{
	assert(io->pending == 0);
	register_cmd_table_op(q, io, UBLK_U_IO_REGISTER_IO_BUF, SLOT_PUT);
	slots_steps(q, io, io->tag, 0);
	register_cmd_table_op(q, io, UBLK_U_IO_UNREGISTER_IO_BUF, SLOT_TAKE);
}

static int auto_init(struct queue *q)
{
	/* For tests: of every other tag a slot behind the end of the table, where the driver cannot lend. */
	unsigned int miss = getenv("REGBUF_AUTO_MISS") ? q->device->depth : 0;

	for (unsigned int tag = 0; tag < q->device->depth; tag++)
		queue_io(q, tag)->lend_addr = mainline_lend_addr(tag + (tag & 1) * miss, UBLK_AUTO_BUF_REG_FALLBACK);
	return slots_init_tags(q);
}

/* What the driver says of the request stands until COMMIT. */
static bool auto_is_lent(const struct queue *q, const struct io *io)
{
	return !(q->descs[io->tag].op_flags & UBLK_IO_F_NEED_REG_BUF);
}

static void auto_issue(struct queue *q, struct io *io)
{
	assert(io->pending == 0);
	if (likely(auto_is_lent(q, io)))
		slots_steps(q, io, io->tag, 0);
	else
		register_cmd_issue(q, io);
}

const struct mode_ops mode_register_cmd = {
	.name		= "register-cmd",
	.summary	= "the same, by mainline's commands to the driver",
	.ublk_flags	= UBLK_F_SUPPORT_ZERO_COPY | UBLK_F_USER_COPY,
	.lends		= LENDS_BY_COMMAND,
	.extra_sqes	= 2,
	.lost_errno	= -EFAULT,
	.io_size	= sizeof(struct slots_io),
	.init		= slots_init_tags,
	.issue		= register_cmd_issue,
	.cqe		= slots_cqe,
};

/* What the two modes have in common in which the driver lends. */
#define AUTO_FLAGS	(UBLK_F_SUPPORT_ZERO_COPY | UBLK_F_USER_COPY | UBLK_F_AUTO_BUF_REG)
#define AUTO_OPS \
	.lends		= LENDS_BY_COMMAND, \
	.extra_sqes	= 2, \
	.lost_errno	= -EFAULT, \
	.io_size	= sizeof(struct slots_io), \
	.init		= auto_init, \
	.issue		= auto_issue, \
	.cqe		= slots_cqe

const struct mode_ops mode_auto = {
	.name		= "auto",
	.summary	= "the same, by the driver when it hands a request over",
	.ublk_flags	= AUTO_FLAGS,
	AUTO_OPS,
};

const struct mode_ops mode_handoff = {
	.name		= "handoff",
	.summary	= "the same, and the driver ends what has been done",
	.ublk_flags	= AUTO_FLAGS | UBLK_F_HANDOFF,
	.hands_off	= true,
	AUTO_OPS,
};
