// SPDX-License-Identifier: GPL-2.0
/*
 * Fused commands, see uapi/linux/io_uring_fused.h.
 *
 * The primary makes a lent buffer of its own out of the exporter's, with the same
 * pages, and gives it to its secondaries as they start: they are ordinary fixed-buffer
 * requests from then on, but for the slot that they never look into.  The reference
 * that each of them has is dropped when it is cleaned up, which is after its CQE;
 * the last one returns the exporter's buffer and completes the primary.
 *
 * So the primary lives as long as any of its secondaries, and its buffer with it.
 * Before they start, the secondaries are the primary's: it fails them with itself.
 */
#include <linux/kernel.h>
#include <linux/errno.h>
#include <linux/fs.h>
#include <linux/bvec.h>
#include <linux/io_uring.h>

#include <uapi/linux/io_uring.h>

#include "io_uring.h"
#include "opdef.h"
#include "rsrc.h"
#include "lend.h"
#include "fused.h"

/*
 * struct io_fused - the primary
 * Written by who submits it, then by who issues it; never by both at a time.
 */
struct io_fused {
	struct file			*file;
	union {
		/* until it is issued */
		struct {
			u64		cookie;
			u32		len;
			u8		nr;	/* secondaries announced */
			u8		nr_added;
		};
		/* from then on */
		struct io_lent_buf	buf;
	};
	union {
		/* by ->link, until they are started */
		struct io_kiocb		*secondaries;
		/* the exporter's, from then on */
		struct io_lent_buf	*lent;
	};
};

int io_fused_prep(struct io_kiocb *req, const struct io_uring_sqe *sqe)
{
	struct io_fused *fused = io_kiocb_to_cmd(req, struct io_fused);

	if (sqe->ioprio || sqe->addr || sqe->buf_index || sqe->splice_fd_in ||
	    sqe->addr3 || sqe->__pad2[0])
		return -EINVAL;

	fused->cookie = READ_ONCE(sqe->off);
	fused->len = READ_ONCE(sqe->len);
	return 0;
}

/* It will complete with @res without having been issued. */
static void io_fused_refuse(struct io_kiocb *req, int res)
{
	req_set_fail(req);
	io_req_set_res(req, res, 0);
}

/*
 * A primary has been prepared, or refused with @ret.  Returns 0 if the SQEs behind it
 * are its secondaries, which have to be added before it can go on: also those of one
 * that is refused, because by themselves they would be something else.
 */
int io_fused_begin(struct io_kiocb *req, const struct io_uring_sqe *sqe, int ret)
	__must_hold(&req->ctx->uring_lock)
{
	struct io_fused *fused = io_kiocb_to_cmd(req, struct io_fused);
	u32 nr = READ_ONCE(sqe->rw_flags);

	fused->secondaries = NULL;
	fused->nr_added = 0;
	if (!nr || nr > IORING_FUSED_MAX_SECONDARIES)
		return -EINVAL;
	fused->nr = nr;
	if (ret)
		io_fused_refuse(req, ret);
	req->ctx->submit_state.fused = req;
	return 0;
}

/* Before a secondary's own prep: -errno if it cannot be one. */
int io_fused_secondary_init(struct io_kiocb *req)
	__must_hold(&req->ctx->uring_lock)
{
	struct io_kiocb *primary = req->ctx->submit_state.fused;
	struct io_fused *fused = io_kiocb_to_cmd(primary, struct io_fused);

	if (req->flags & (REQ_F_BUFFER_SELECT | REQ_F_IO_DRAIN))
		return -EINVAL;
	/* only the last one's is the primary's */
	if ((req->flags & (REQ_F_LINK | REQ_F_HARDLINK)) && fused->nr_added + 1 < fused->nr)
		return -EINVAL;

	switch (req->opcode) {
	case IORING_OP_READ:
		req->opcode = IORING_OP_READ_FIXED;
		break;
	case IORING_OP_WRITE:
		req->opcode = IORING_OP_WRITE_FIXED;
		break;
	case IORING_OP_SEND:
	case IORING_OP_RECV:
	case IORING_OP_SEND_ZC:
		break;
	default:
		return -EINVAL;
	}
	req->imu = NULL;
	req->flags |= REQ_F_FUSED;
	return 0;
}

/* No more secondaries come: returns the primary, which is ready to be queued. */
struct io_kiocb *io_fused_end(struct io_ring_ctx *ctx)
	__must_hold(&ctx->uring_lock)
{
	struct io_kiocb *primary = ctx->submit_state.fused;
	struct io_fused *fused = io_kiocb_to_cmd(primary, struct io_fused);

	ctx->submit_state.fused = NULL;
	if (fused->nr_added < fused->nr && !(primary->flags & REQ_F_FAIL))
		io_fused_refuse(primary, -EINVAL);
	return primary;
}

/*
 * Adds a secondary that has been prepared, or refused with @ret.  Returns the primary
 * with the last one, otherwise NULL.
 */
struct io_kiocb *io_fused_add(struct io_kiocb *req, int ret)
	__must_hold(&req->ctx->uring_lock)
{
	struct io_kiocb *primary = req->ctx->submit_state.fused;
	struct io_fused *fused = io_kiocb_to_cmd(primary, struct io_fused);

	if (ret) {
		io_fused_refuse(req, ret);
		if (!(primary->flags & REQ_F_FAIL))
			io_fused_refuse(primary, -ECANCELED);
	}
	/* another's was refused, and leads nowhere */
	if (fused->nr_added + 1 == fused->nr)
		primary->flags |= req->flags & (REQ_F_LINK | REQ_F_HARDLINK);
	req->flags &= ~(REQ_F_LINK | REQ_F_HARDLINK);

	/* newest first: io_fused() turns them round */
	req->link = fused->secondaries;
	fused->secondaries = req;
	return ++fused->nr_added < fused->nr ? NULL : io_fused_end(req->ctx);
}

/* Before it is issued: how many SQEs a request has brought beside its own. */
unsigned int io_fused_nr_secondaries(const struct io_kiocb *req)
{
	const struct io_fused *fused = io_kiocb_to_cmd((struct io_kiocb *)req,
						       struct io_fused);

	return req->opcode == IORING_OP_FUSED_CMD ? fused->nr_added : 0;
}

/* Takes the secondaries off, in the order of their SQEs. */
static struct io_kiocb *io_fused_take_secondaries(struct io_fused *fused)
{
	struct io_kiocb *sec, *first = NULL;

	while ((sec = fused->secondaries)) {
		fused->secondaries = sec->link;
		sec->link = first;
		first = sec;
	}
	return first;
}

static int io_fused_sec_result(const struct io_kiocb *sec)
{
	return sec->flags & REQ_F_FAIL ? sec->cqe.res : -ECANCELED;
}

/*
 * The primary fails and has not started, or a request of its chain before it has:
 * before its CQE come its secondaries', if there is to be one.
 */
void io_fused_fail(struct io_kiocb *req)
	__must_hold(&req->ctx->uring_lock)
{
	struct io_fused *fused = io_kiocb_to_cmd(req, struct io_fused);
	io_req_flags_t skip = req->flags & REQ_F_CQE_SKIP;
	struct io_kiocb *sec, *next;

	for (sec = io_fused_take_secondaries(fused); sec; sec = next) {
		next = sec->link;
		sec->link = NULL;
		io_req_defer_failed(sec, io_fused_sec_result(sec));
		sec->flags |= skip;
	}
}

/* The last secondary has been cleaned up: runs in any task, must not sleep */
static void io_fused_release(struct io_lent_buf *buf)
{
	struct io_fused *fused = container_of(buf, struct io_fused, buf);
	struct io_kiocb *primary = cmd_to_io_kiocb(fused);

	io_lent_buf_put(fused->lent);
	io_req_queue_tw_complete(primary, primary->cqe.res);
}

/* The exporter's buffer, and ours made of it; or ERR_PTR(), and nothing has changed */
static struct io_lent_buf *io_fused_borrow(struct io_fused *fused)
{
	const struct io_export_args args = {
		.cookie	= fused->cookie,
		.len	= fused->len,
	};
	struct io_lent_buf *buf;

	if (!fused->file->f_op->export_buf)
		return ERR_PTR(-EOPNOTSUPP);
	buf = io_lent_buf_borrow(fused->file, &args);
	if (IS_ERR(buf))
		return buf;

	fused->buf = (struct io_lent_buf) {
		.bvec		= buf->bvec,
		.nr_bvecs	= buf->nr_bvecs,
		.offset		= buf->offset,
		.len		= buf->len,
		.dir		= buf->dir,
		/* the primary's CQE comes behind its secondaries' */
		.in_task	= true,
		.sum		= buf->sum,
		.sum_pos	= buf->sum_pos,
		.release	= io_fused_release,
	};
	/* ours, until all have started */
	refcount_set(&fused->buf.refs, 1);
	return buf;
}

static void io_fused_start(struct io_fused *fused, struct io_kiocb *sec,
			   bool queue)
{
	struct io_tw_state ts = {};

	refcount_inc(&fused->buf.refs);
	sec->imu = io_lent_to_slot(&fused->buf);
	sec->flags |= REQ_F_LENT_BUF;
	if (queue)
		io_req_task_queue(sec);
	else
		io_req_task_submit(sec, &ts);
}

int io_fused(struct io_kiocb *req, unsigned int issue_flags)
{
	struct io_fused *fused = io_kiocb_to_cmd(req, struct io_fused);
	/* not from a worker, nor with the personality of the primary */
	bool queue = issue_flags & IO_URING_F_UNLOCKED || req->flags & REQ_F_CREDS;
	struct io_kiocb *sec, *next;
	struct io_lent_buf *lent;

	lent = io_fused_borrow(fused);
	if (IS_ERR(lent))
		return PTR_ERR(lent);
	sec = io_fused_take_secondaries(fused);
	fused->lent = lent;

	io_req_set_res(req, fused->buf.len, 0);
	for (; sec; sec = next) {
		next = sec->link;
		sec->link = NULL;
		io_fused_start(fused, sec, queue);
	}
	/* may complete it: nothing of it is to be touched after */
	io_lent_buf_put(&fused->buf);
	return IOU_ISSUE_SKIP_COMPLETE;
}
