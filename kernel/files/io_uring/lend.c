// SPDX-License-Identifier: GPL-2.0
/*
 * Lent buffers in the registered buffer table, see linux/io_uring/lend.h.
 *
 * Lifetime.  The buffers of user space are protected by ctx->rsrc_node: a queue
 * in which the oldest unfinished request, whatever it does, holds back every
 * buffer that was removed after it.  For a lent buffer that would be a circular
 * wait: a driver's command that waits on a registered file for the next event
 * would hold back the very buffer whose release is that event.  So a lent buffer
 * is counted by itself, one reference for the slot and one for each request,
 * taken when the request is issued and dropped when its I/O has ended, or with
 * the request.  For SEND_ZC it is the notification's.
 *
 * Lookup.  Requests find their buffer when they are issued, not when they are
 * prepared, because an earlier request of the same chain may have registered it.
 * They do so before anything that can make them start over in another context,
 * and once: what a request has found it keeps.  A buffer of user space that
 * stands in the slot already at prep is taken there, as it always was.
 */
#include <linux/kernel.h>
#include <linux/errno.h>
#include <linux/fs.h>
#include <linux/bvec.h>
#include <linux/nospec.h>
#include <linux/printk.h>
#include <linux/security.h>
#include <linux/io_uring.h>
#include <linux/io_uring/cmd.h>

#include <uapi/linux/io_uring.h>
#include <uapi/linux/io_uring_lend.h>

#include "io_uring.h"
#include "opdef.h"
#include "rsrc.h"
#include "lend.h"

struct io_lend {
	struct file			*file;
	struct io_export_args		args;
	u32				flags;
};

static bool io_lend_slot_empty(const struct io_ring_ctx *ctx, unsigned int index)
{
	return ctx->user_bufs[index] == &dummy_ubuf;
}

int io_lent_buf_register_prep(struct io_kiocb *req, const struct io_uring_sqe *sqe)
{
	struct io_lend *lend = io_kiocb_to_cmd(req, struct io_lend);

	if (sqe->addr || sqe->splice_fd_in || sqe->addr3 || sqe->__pad2[0])
		return -EINVAL;

	lend->args.cookie = READ_ONCE(sqe->off);
	lend->args.len = READ_ONCE(sqe->len);
	lend->flags = READ_ONCE(sqe->rw_flags);
	req->buf_index = READ_ONCE(sqe->buf_index);

	if (lend->flags & ~IORING_LENT_BUF_PICK_SLOT)
		return -EINVAL;
	if ((lend->flags & IORING_LENT_BUF_PICK_SLOT) && req->buf_index)
		return -EINVAL;
	return 0;
}

/* Starts behind the slot picked last: slots come free in about that order. */
static int io_lend_pick_slot(struct io_ring_ctx *ctx)
{
	unsigned int nr = ctx->nr_user_bufs;
	unsigned int i, index = ctx->lent_slot_hint;

	if (!nr)
		return -EINVAL;
	for (i = 0; i < nr; i++, index++) {
		if (index >= nr)
			index = 0;
		if (io_lend_slot_empty(ctx, index)) {
			ctx->lent_slot_hint = index + 1;
			return index;
		}
	}
	return -ENFILE;
}

/* An empty slot, @index unless one is to be picked, or -errno */
static inline int io_lend_find_slot(struct io_ring_ctx *ctx, unsigned int index,
				    bool pick)
	__must_hold(&ctx->uring_lock)
{
	/*
	 * The slots have been emptied, because the ring is closed or its last
	 * task has gone, and nobody would do it again in time.
	 */
	if (percpu_ref_is_dying(&ctx->refs) ||
	    (list_empty(&ctx->tctx_list) && !ctx->sq_data))
		return -ECANCELED;
	/* the end of the wait would take it away again */
	if (unlikely(io_table_going(ctx)))
		return -EINVAL;
	if (pick)
		return io_lend_pick_slot(ctx);
	if (index >= ctx->nr_user_bufs)
		return -EINVAL;
	index = array_index_nospec(index, ctx->nr_user_bufs);
	return io_lend_slot_empty(ctx, index) ? index : -EBUSY;
}

/* The error of a driver's function, as user space and the rest of io_uring may see it */
static int io_lend_error(const void *func, int err)
{
	/* io_uring's own meaning of -EAGAIN is not the driver's */
	if (err == -EAGAIN)
		return -EBUSY;
	/* the last one of user space's, but for MIPS's EDQUOT */
	if (likely(err >= -EHWPOISON || err == -EDQUOT))
		return err;
	pr_err_ratelimited("io_uring: %ps() returned %d, which is no errno for user space\n",
			   func, err);
	return -EIO;
}

/* Why @buf, lent to who asked for @len bytes, is not to be used; or NULL */
static const char *io_lend_fault(const struct io_lent_buf *buf, u32 len)
{
	if (!buf)
		return "nothing, NULL";
	if (!buf->release)
		return "a buffer without release()";
	if (!buf->bvec || !buf->nr_bvecs)
		return "a buffer without segments";
	if (buf->offset >= buf->bvec->bv_len)
		return "a buffer that begins behind its first segment";
	if (!buf->len || buf->len > INT_MAX)
		return "a buffer of 0 bytes, or of more than INT_MAX";
	if (len && buf->len > len)
		return "more bytes than asked for";
	if (!buf->dir || buf->dir & ~(IO_LENT_SOURCE | IO_LENT_DEST))
		return "a buffer for no direction, or for an unknown one";
	return NULL;
}

/* Reading what is lent is reading @file, and writing to it is writing to @file. */
static int io_lend_permission(struct file *file, u8 dir, const void *func)
{
	int ret, mask = 0;

	if (dir & IO_LENT_SOURCE) {
		if (unlikely(!(file->f_mode & FMODE_READ)))
			return -EBADF;
		mask |= MAY_READ;
	}
	if (dir & IO_LENT_DEST) {
		if (unlikely(!(file->f_mode & FMODE_WRITE)))
			return -EBADF;
		mask |= MAY_WRITE;
	}
	ret = security_file_permission(file, mask);
	return likely(!ret) ? 0 : io_lend_error(func, ret);
}

/*
 * What comes from a driver is looked at here, and nowhere else: @buf of @file, by
 * the driver's function @func, which was asked for @len bytes.  Returns 0, -EIO for
 * a driver that breaks its contract, -EBADF for a file that is not open for what may
 * be done with the buffer.
 */
static inline int io_lend_check(struct file *file, const struct io_lent_buf *buf,
				u32 len, const void *func)
{
	const char *fault = io_lend_fault(buf, len);

	if (likely(!fault))
		return io_lend_permission(file, buf->dir, func);
	pr_err_ratelimited("io_uring: %ps() lent %s\n", func, fault);
	return -EIO;
}

/*
 * Borrows a buffer of @file, which must have ->export_buf(), with a reference for
 * the caller.  Returns ERR_PTR() of what io_lend_check() or the exporter says.
 */
struct io_lent_buf *io_lent_buf_borrow(struct file *file,
				       const struct io_export_args *args)
{
	struct io_lent_buf *buf;
	int ret;

	buf = file->f_op->export_buf(file, args);
	if (IS_ERR(buf))
		return ERR_PTR(io_lend_error(file->f_op->export_buf, PTR_ERR(buf)));

	ret = io_lend_check(file, buf, args->len, file->f_op->export_buf);
	if (likely(!ret))
		return buf;
	if (buf && buf->release)
		io_lent_buf_put(buf);
	return ERR_PTR(ret);
}

/* Returns IOU_OK with the request's result set, or -errno. */
static int io_lend_install(struct io_kiocb *req)
	__must_hold(&req->ctx->uring_lock)
{
	struct io_lend *lend = io_kiocb_to_cmd(req, struct io_lend);
	struct io_ring_ctx *ctx = req->ctx;
	bool pick = lend->flags & IORING_LENT_BUF_PICK_SLOT;
	struct io_lent_buf *buf;
	u32 cflags = 0;
	int index;

	index = io_lend_find_slot(ctx, req->buf_index, pick);
	if (index < 0)
		return index;
	buf = io_lent_buf_borrow(req->file, &lend->args);
	if (IS_ERR(buf))
		return PTR_ERR(buf);

	/* the slot's reference is the one that the exporter has counted */
	ctx->user_bufs[index] = io_lent_to_slot(buf);
	if (pick)
		cflags = IORING_CQE_F_BUFFER | index << IORING_CQE_BUFFER_SHIFT;
	io_req_set_res(req, buf->len, cflags);
	return IOU_OK;
}

int io_lent_buf_register(struct io_kiocb *req, unsigned int issue_flags)
{
	struct io_ring_ctx *ctx = req->ctx;
	int ret;

	if (!req->file->f_op->export_buf)
		return -EOPNOTSUPP;

	io_ring_submit_lock(ctx, issue_flags);
	ret = io_lend_install(req);
	io_ring_submit_unlock(ctx, issue_flags);
	return ret;
}

int io_lent_buf_unregister_prep(struct io_kiocb *req, const struct io_uring_sqe *sqe)
{
	if (req->flags & REQ_F_FIXED_FILE)
		return -EINVAL;
	if (sqe->off || sqe->addr || sqe->len || sqe->rw_flags ||
	    sqe->splice_fd_in || sqe->addr3 || sqe->__pad2[0])
		return -EINVAL;
	req->buf_index = READ_ONCE(sqe->buf_index);
	return 0;
}

/* Takes the buffer out of its slot: the caller has the slot's reference. */
static struct io_lent_buf *io_lend_remove(struct io_ring_ctx *ctx, unsigned int index)
	__must_hold(&ctx->uring_lock)
{
	struct io_mapped_ubuf *slot;

	if (index >= ctx->nr_user_bufs)
		return ERR_PTR(-EINVAL);
	index = array_index_nospec(index, ctx->nr_user_bufs);
	slot = ctx->user_bufs[index];
	if (slot == &dummy_ubuf)
		return ERR_PTR(-EINVAL);
	if (!io_slot_is_lent(slot))
		return ERR_PTR(-EBUSY);

	ctx->user_bufs[index] = (struct io_mapped_ubuf *)&dummy_ubuf;
	return io_slot_to_lent(slot);
}

static int io_lend_unregister(struct io_ring_ctx *ctx, unsigned int index,
			      unsigned int issue_flags)
{
	struct io_lent_buf *buf;

	io_ring_submit_lock(ctx, issue_flags);
	buf = io_lend_remove(ctx, index);
	io_ring_submit_unlock(ctx, issue_flags);
	if (IS_ERR(buf))
		return PTR_ERR(buf);

	io_lent_buf_put(buf);
	return 0;
}

int io_lent_buf_unregister(struct io_kiocb *req, unsigned int issue_flags)
{
	int ret = io_lend_unregister(req->ctx, req->buf_index, issue_flags);

	if (ret)
		return ret;
	io_req_set_res(req, 0, 0);
	return IOU_OK;
}

int io_uring_cmd_lend(struct io_uring_cmd *cmd, struct io_lent_buf *buf,
		      unsigned int index, unsigned int issue_flags)
{
	struct io_ring_ctx *ctx = cmd_to_io_kiocb(cmd)->ctx;
	int ret;

	ret = io_lend_check(cmd->file, buf, 0, cmd->file->f_op->uring_cmd);
	if (unlikely(ret))
		return ret;

	io_ring_submit_lock(ctx, issue_flags);
	ret = io_lend_find_slot(ctx, index, false);
	if (likely(ret >= 0))
		ctx->user_bufs[ret] = io_lent_to_slot(buf);
	io_ring_submit_unlock(ctx, issue_flags);
	return min(ret, 0);
}
EXPORT_SYMBOL_GPL(io_uring_cmd_lend);

bool io_uring_cmd_take_back(struct io_uring_cmd *cmd, struct io_lent_buf *buf,
			    unsigned int index, unsigned int issue_flags)
{
	struct io_ring_ctx *ctx = cmd_to_io_kiocb(cmd)->ctx;
	bool held = false;

	io_ring_submit_lock(ctx, issue_flags);
	if (likely(index < ctx->nr_user_bufs)) {
		index = array_index_nospec(index, ctx->nr_user_bufs);
		held = ctx->user_bufs[index] == io_lent_to_slot(buf);
		if (likely(held))
			ctx->user_bufs[index] = (struct io_mapped_ubuf *)&dummy_ubuf;
	}
	io_ring_submit_unlock(ctx, issue_flags);
	return held;
}
EXPORT_SYMBOL_GPL(io_uring_cmd_take_back);

int io_uring_cmd_unlend(struct io_uring_cmd *cmd, unsigned int index,
			unsigned int issue_flags)
{
	return io_lend_unregister(cmd_to_io_kiocb(cmd)->ctx, index, issue_flags);
}
EXPORT_SYMBOL_GPL(io_uring_cmd_unlend);

/*
 * Empties all slots that hold a lent buffer.  A ring does this as soon as it is
 * closed, without waiting for its requests to finish: a driver's command may be
 * one of them, and may wait for the release of its buffer.
 */
void io_lent_bufs_drop(struct io_ring_ctx *ctx)
	__must_hold(&ctx->uring_lock)
{
	unsigned int i;

	for (i = 0; i < ctx->nr_user_bufs; i++) {
		if (io_slot_is_lent(ctx->user_bufs[i]))
			io_lent_buf_put(io_lend_remove(ctx, i));
	}
}

/* True if at least one slot holds a lent buffer. */
bool io_table_has_lent(const struct io_ring_ctx *ctx)
{
	unsigned int i;

	for (i = 0; i < ctx->nr_user_bufs; i++) {
		if (io_slot_is_lent(ctx->user_bufs[i]))
			return true;
	}
	return false;
}

/* True if at least one slot holds a lent buffer, and none one of user space. */
bool io_table_all_lent(const struct io_ring_ctx *ctx)
{
	unsigned int i;

	for (i = 0; i < ctx->nr_user_bufs; i++) {
		if (!io_slot_is_lent(ctx->user_bufs[i]) &&
		    ctx->user_bufs[i] != &dummy_ubuf)
			return false;
	}
	return io_table_has_lent(ctx);
}

/*
 * Points @iter at @len bytes of @buf, from byte @buf_off on.  The segments are of
 * any length.  The iterator gets as many as it needs and no more: consumers take
 * the number of segments for the size of what they extract.
 * Returns 0 or -EFAULT: direction not allowed, or not inside the buffer.
 */
int io_import_lent(int ddir, struct iov_iter *iter, const struct io_lent_buf *buf,
		   u64 buf_off, size_t len)
{
	const struct bio_vec *bvec = buf->bvec;
	size_t skip, left;
	unsigned int nr;

	if (unlikely(!(buf->dir & BIT(ddir))))
		return -EFAULT;
	if (unlikely(len > MAX_RW_COUNT || buf_off > buf->len ||
		     len > buf->len - buf_off))
		return -EFAULT;

	skip = buf->offset + buf_off;
	if (len == buf->len) {
		nr = buf->nr_bvecs;
	} else if (!len) {
		nr = skip = 0;
	} else {
		while (skip >= bvec->bv_len) {
			skip -= bvec->bv_len;
			bvec++;
		}
		left = skip + len;
		for (nr = 0; left > bvec[nr].bv_len; nr++)
			left -= bvec[nr].bv_len;
		nr++;
	}
	iov_iter_bvec(iter, ddir, bvec, nr, len);
	iter->iov_offset = skip;
	return 0;
}

/* May a request that begins now use what is in @slot? */
static bool io_slot_usable(const struct io_ring_ctx *ctx,
			   const struct io_mapped_ubuf *slot)
{
	return io_slot_is_lent(slot) ||
	       (slot != &dummy_ubuf && !io_table_going(ctx));
}

static void io_fixed_buf_take(struct io_kiocb *req, struct io_mapped_ubuf *slot)
	__must_hold(&req->ctx->uring_lock)
{
	if (io_slot_is_lent(slot)) {
		refcount_inc(&io_slot_to_lent(slot)->refs);
		req->flags |= REQ_F_LENT_BUF;
	} else {
		io_req_set_rsrc_node(req, req->ctx, 0);
	}
	req->imu = slot;
}

/*
 * At issue, if req->imu is still NULL: sets it to what is in the slot now, and
 * takes a reference, which is dropped when the request is cleaned up.
 * Returns 0, or -EFAULT if there is no such slot, it is empty, or its buffer is
 * being unregistered: req->imu is then the empty buffer, from which any import
 * fails.
 */
int io_fixed_buf_issue(struct io_kiocb *req, unsigned int index,
		       unsigned int issue_flags)
{
	struct io_ring_ctx *ctx = req->ctx;

	req->imu = (struct io_mapped_ubuf *)&dummy_ubuf;
	io_ring_submit_lock(ctx, issue_flags);
	if (likely(index < ctx->nr_user_bufs)) {
		index = array_index_nospec(index, ctx->nr_user_bufs);
		if (likely(io_slot_usable(ctx, ctx->user_bufs[index])))
			io_fixed_buf_take(req, ctx->user_bufs[index]);
	}
	io_ring_submit_unlock(ctx, issue_flags);
	return unlikely(req->imu == &dummy_ubuf) ? -EFAULT : 0;
}
