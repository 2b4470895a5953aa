// SPDX-License-Identifier: GPL-2.0
/*
 * Modes fused and fused-n: the request's own pages are lent to the I/O that stands
 * directly behind the command which asks for them, without a slot.
 *
 *   fused     FUSED_CMD, WRITE leg 0, FUSED_CMD, WRITE leg 1, ...
 *   fused-n   FUSED_CMD, WRITE leg 0, WRITE leg 1, ...
 *
 * The primary posts no CQE unless it fails; its secondaries then fail with -ECANCELED,
 * which queue.c takes as "once more".
 *
 * The rule that makes this safe: a command and its secondaries go in one submission.  A
 * secondary by itself would be an ordinary write from an address that is an offset,
 * where nothing is mapped: it fails.
 */
#include <assert.h>
#include <string.h>

#include <linux/io_uring_fused.h>

#include "../log.h"
#include "../queue.h"
#include "modes.h"

/* The command for the next @nr data steps, with room for them behind it. */
static void fused_primary(struct queue *q, struct io *io, unsigned int nr)
{
	struct io_uring_sqe *sqe;

	queue_room(q, nr + 1);
	sqe = queue_sqe(q);
	io_uring_prep_rw(IORING_OP_FUSED_CMD, sqe, FILE_UBLKC, NULL, 0, queue_cookie(q, io, 0));
	sqe->flags = IOSQE_FIXED_FILE | IOSQE_CQE_SKIP_SUCCESS;
	sqe->rw_flags = nr;
	sqe->user_data = udata(UD_MODE, io->index, 0);
}

static void fused_issue_by(struct queue *q, struct io *io, unsigned int at_once)
{
	unsigned int todo = 0, room = 0;

	assert(io->pending == 0);
	for (unsigned int i = 0; i < io->nr_steps; i++)
		todo += io->steps[i].state == STEP_TODO;

	for (unsigned int i = 0; i < io->nr_steps; i++) {
		const struct step *s = &io->steps[i];

		if (s->state != STEP_TODO)
			continue;
		if (!room) {
			room = min_u64(todo, at_once);
			fused_primary(q, io, room);
		}
		queue_rw_step(q, io, i, s->op == STEP_READ ? IORING_OP_READ : IORING_OP_WRITE, 0, 0);
		room--;
		todo--;
	}
}

static void fused_issue(struct queue *q, struct io *io)
{
	fused_issue_by(q, io, 1);
}

static void fused_n_issue(struct queue *q, struct io *io)
{
	fused_issue_by(q, io, IORING_FUSED_MAX_SECONDARIES);
}

/* Only failures come here. */
static void fused_cqe(struct queue *q, struct io *io, unsigned int index, int res)
{
	log_err("queue %u tag %u: FUSED_CMD: %s", q->qid, io->tag, strerror(-res));
}

const struct mode_ops mode_fused = {
	.name		= "fused",
	.summary	= "the client's pages, one fused command for each leg: no copy",
	.ublk_flags	= UBLK_F_SUPPORT_ZERO_COPY,
	.lends		= LENDS_BY_FUSED,
	.sqes_per_step	= 1,
	.lost_errno	= -ECANCELED,
	.issue		= fused_issue,
	.cqe		= fused_cqe,
};

const struct mode_ops mode_fused_n = {
	.name		= "fused-n",
	.summary	= "the client's pages, one fused command for all legs: no copy",
	.ublk_flags	= UBLK_F_SUPPORT_ZERO_COPY,
	.lends		= LENDS_BY_FUSED,
	.extra_sqes	= 1,
	.lost_errno	= -ECANCELED,
	.issue		= fused_n_issue,
	.cqe		= fused_cqe,
};
