/* SPDX-License-Identifier: GPL-2.0 */
#ifndef IOU_FUSED_H
#define IOU_FUSED_H

#include <linux/io_uring_types.h>
#include <uapi/linux/io_uring_fused.h>

#ifdef CONFIG_IO_URING_FUSED

int io_fused_prep(struct io_kiocb *req, const struct io_uring_sqe *sqe);
int io_fused(struct io_kiocb *req, unsigned int issue_flags);
void io_fused_fail(struct io_kiocb *req);

int io_fused_begin(struct io_kiocb *req, const struct io_uring_sqe *sqe, int ret);
struct io_kiocb *io_fused_add(struct io_kiocb *req, int ret);
struct io_kiocb *io_fused_end(struct io_ring_ctx *ctx);
int io_fused_secondary_init(struct io_kiocb *req);
unsigned int io_fused_nr_secondaries(const struct io_kiocb *req);

/* Is the SQE that comes next a secondary? */
static inline bool io_fused_open(const struct io_ring_ctx *ctx)
{
	return ctx->submit_state.fused;
}

/* A primary completes with its chain, without having been issued. */
static inline void io_fused_fail_link(struct io_kiocb *req)
	__must_hold(&req->ctx->uring_lock)
{
	if (req->opcode == IORING_OP_FUSED_CMD)
		io_fused_fail(req);
}

/*
 * A secondary has its buffer in ->imu when it is issued for the first time, and
 * imports it then.  True once.
 */
static inline bool io_fused_import(struct io_kiocb *req)
{
	if (likely(!(req->flags & REQ_F_FUSED)))
		return false;
	req->flags &= ~REQ_F_FUSED;
	return true;
}

/* The buffer of a secondary is in use as long as @notif, not as long as @req. */
static inline void io_fused_move(struct io_kiocb *req, struct io_kiocb *notif)
{
	notif->imu = req->imu;
	notif->flags |= REQ_F_LENT_BUF;
	req->flags &= ~REQ_F_LENT_BUF;
}

#else

static inline bool io_fused_open(const struct io_ring_ctx *ctx)
{
	return false;
}

static inline int io_fused_begin(struct io_kiocb *req,
				 const struct io_uring_sqe *sqe, int ret)
{
	return ret;
}

static inline struct io_kiocb *io_fused_add(struct io_kiocb *req, int ret)
{
	return req;
}

static inline struct io_kiocb *io_fused_end(struct io_ring_ctx *ctx)
{
	return NULL;
}

static inline int io_fused_secondary_init(struct io_kiocb *req)
{
	return 0;
}

static inline unsigned int io_fused_nr_secondaries(const struct io_kiocb *req)
{
	return 0;
}

static inline void io_fused_fail_link(struct io_kiocb *req)
{
}

static inline bool io_fused_import(struct io_kiocb *req)
{
	return false;
}

static inline void io_fused_move(struct io_kiocb *req, struct io_kiocb *notif)
{
}

#endif

#endif
