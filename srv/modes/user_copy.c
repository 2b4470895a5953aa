// SPDX-License-Identifier: GPL-2.0
/*
 * Mode user-copy: the server moves the data itself, by reading and writing the
 * char device at the request's position, before the legs' I/O of a write and
 * behind that of a read.
 *
 * These go through the ring too, so that a batch is still one system call; the
 * price is one more round through it per request.
 */
#include <errno.h>
#include <string.h>

#include "../log.h"
#include "../queue.h"
#include "bufs.h"
#include "modes.h"

enum user_copy_phase {
	UC_NEW,		/* also between two requests */
	UC_FETCHING,	/* a write's data is on its way into the buffer */
	UC_FETCHED,
	UC_STORING,	/* a read's data is on its way to the client */
};

/* of each request */
struct user_copy_io {
	u8 phase;	/* enum user_copy_phase */
};

static void user_copy_move(struct queue *q, struct io *io, int op, unsigned int phase)
{
	struct user_copy_io *u = io->mio;
	struct io_uring_sqe *sqe = queue_sqe(q);

	/* The buffer is the tag's until COMMIT. */
	io_uring_prep_rw(op, sqe, FILE_UBLKC, bufs_of(q, io), io->len, queue_cookie(q, io, 0));
	sqe->flags = IOSQE_FIXED_FILE;
	sqe->user_data = udata(UD_MODE, io->index, 0);
	u->phase = phase;
	io->pending++;
}

static void user_copy_issue(struct queue *q, struct io *io)
{
	struct user_copy_io *u = io->mio;

	if (io->op == UBLK_IO_OP_WRITE && u->phase == UC_NEW)
		user_copy_move(q, io, IORING_OP_READ, UC_FETCHING);
	else
		bufs_issue(q, io);
}

static bool user_copy_finish(struct queue *q, struct io *io)
{
	struct user_copy_io *u = io->mio;

	if (io->op == UBLK_IO_OP_READ && io->result > 0) {
		user_copy_move(q, io, IORING_OP_WRITE, UC_STORING);
		return true;
	}
	u->phase = UC_NEW;
	return false;
}

static void user_copy_cqe(struct queue *q, struct io *io, unsigned int index, int res)
{
	struct user_copy_io *u = io->mio;
	bool whole = res == (s32)io->len;

	io->pending--;
	if (unlikely(!whole)) {
		log_err("queue %u tag %u: moving %u bytes of data: %s", q->qid, io->tag, io->len,
			res < 0 ? strerror(-res) : "short");
		io->result = -EIO;
	}
	if (u->phase == UC_FETCHING && whole) {
		u->phase = UC_FETCHED;
		bufs_issue(q, io);
	} else {
		u->phase = UC_NEW;
		queue_commit(q, io);
	}
}

const struct mode_ops mode_user_copy = {
	.name		= "user-copy",
	.summary	= "the server copies every byte with read and write",
	.ublk_flags	= UBLK_F_USER_COPY,
	.has_bufs	= true,
	.extra_sqes	= 1,
	.queue_size	= sizeof(struct bufs),
	.io_size	= sizeof(struct user_copy_io),
	.init		= bufs_init,
	.deinit		= bufs_deinit,
	.issue		= user_copy_issue,
	.stand_in	= bufs_stand_in,
	.finish		= user_copy_finish,
	.cqe		= user_copy_cqe,
};
