/* SPDX-License-Identifier: GPL-2.0 */
#ifndef IOU_LEND_H
#define IOU_LEND_H

#include <linux/io_uring_types.h>
#include <linux/io_uring/lend.h>
#include <linux/nospec.h>

#include "rsrc.h"

/*
 * A slot of ctx->user_bufs, and likewise req->imu, is one of
 *   &dummy_ubuf                    empty
 *   a struct io_mapped_ubuf *      a buffer of user space
 *   a struct io_lent_buf *, + 1    a lent buffer
 * Slots change under ctx->uring_lock only.  A lent buffer's slot holds one
 * reference, req->imu another one as long as REQ_F_LENT_BUF is set.
 */
#define IO_SLOT_LENT	1UL

static inline bool io_slot_is_lent(const struct io_mapped_ubuf *slot)
{
	return (unsigned long)slot & IO_SLOT_LENT;
}

static inline struct io_lent_buf *io_slot_to_lent(const struct io_mapped_ubuf *slot)
{
	return (struct io_lent_buf *)((unsigned long)slot - IO_SLOT_LENT);
}

static inline struct io_mapped_ubuf *io_lent_to_slot(struct io_lent_buf *buf)
{
	return (struct io_mapped_ubuf *)((unsigned long)buf + IO_SLOT_LENT);
}

/*
 * The table is being unregistered, which waits for the requests that use its
 * buffers of user space.  New ones do not get these, or the wait might not end.
 */
static inline bool io_table_going(const struct io_ring_ctx *ctx)
{
	return ctx->buf_data && ctx->buf_data->quiesce;
}

struct io_lent_buf *io_lent_buf_borrow(struct file *file,
				       const struct io_export_args *args);

int io_lent_buf_register_prep(struct io_kiocb *req, const struct io_uring_sqe *sqe);
int io_lent_buf_register(struct io_kiocb *req, unsigned int issue_flags);
int io_lent_buf_unregister_prep(struct io_kiocb *req, const struct io_uring_sqe *sqe);
int io_lent_buf_unregister(struct io_kiocb *req, unsigned int issue_flags);

/* Only of a buffer that has a sum. */
void __io_lent_buf_filled(const struct io_lent_buf *buf, unsigned int off,
			  unsigned int len);

/* Bytes of the buffer, which are in it, have been written to. */
static inline void io_lent_buf_filled(const struct io_lent_buf *buf, unsigned int off,
				      unsigned int len)
{
	if (buf->sum->len)
		__io_lent_buf_filled(buf, off, len);
}

void io_lent_buf_used(const struct io_lent_buf *buf, unsigned int asked, int res);
void __io_req_tell_lent(struct io_kiocb *req);

/* Does the request have a lent buffer whose owner wants to know what is done with it? */
static inline bool io_req_tells_lent(const struct io_kiocb *req)
{
	return req->flags & REQ_F_LENT_BUF && io_slot_to_lent(req->imu)->sum;
}

int io_import_lent(int ddir, struct iov_iter *iter, const struct io_lent_buf *buf,
		   u64 buf_off, size_t len);
void io_lent_bufs_drop(struct io_ring_ctx *ctx);
bool io_table_has_lent(const struct io_ring_ctx *ctx);
bool io_table_all_lent(const struct io_ring_ctx *ctx);

/*
 * At prep: sets req->imu to the slot's buffer if it is one of user space, or to
 * NULL if the slot's buffer is to be looked up at issue.
 * Returns 0, or -EFAULT if there is no such slot, or its buffer is being
 * unregistered.
 */
static inline int io_fixed_buf_prep(struct io_kiocb *req, unsigned int index)
	__must_hold(&req->ctx->uring_lock)
{
	struct io_ring_ctx *ctx = req->ctx;
	struct io_mapped_ubuf *slot;

	if (unlikely(index >= ctx->nr_user_bufs))
		return -EFAULT;
	index = array_index_nospec(index, ctx->nr_user_bufs);
	slot = ctx->user_bufs[index];
	req->imu = NULL;
	if (slot != &dummy_ubuf && !io_slot_is_lent(slot)) {
		if (unlikely(io_table_going(ctx)))
			return -EFAULT;
		io_req_set_rsrc_node(req, ctx, 0);
		req->imu = slot;
	}
	return 0;
}

int io_fixed_buf_issue(struct io_kiocb *req, unsigned int index,
		       unsigned int issue_flags);

#endif
