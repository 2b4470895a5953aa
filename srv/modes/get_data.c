// SPDX-License-Identifier: GPL-2.0
/*
 * Mode get-data: like copy, but a request has a buffer only while it is in work.
 * For a write the driver asks for one (UBLK_F_NEED_GET_DATA) when the request has
 * come, for a read it is given with COMMIT.
 *
 * So a device needs memory for the requests that are in work and not for those that
 * might be, and none at all when it is idle: for hundreds of devices that mostly are.
 * The price is one more round through the ring for each write.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "../log.h"
#include "../pool.h"
#include "../queue.h"
#include "bufs.h"
#include "modes.h"

/* of each request */
struct get_data_io {
	char *buf;	/* NULL: it has none, yet or any more */
};

/* The state of the queue is its pool. */
static int get_data_init(struct queue *q)
{
	int ret = pool_init(q->mq, queue_nr_ios(q), q->device->max_io);

	if (ret)
		log_err("queue %u: %u buffers of %u bytes: no memory", q->qid, q->device->depth, q->device->max_io);
	return ret;
}

static void get_data_deinit(struct queue *q)
{
	pool_deinit(q->mq);
}

/* One for each struct io is there. */
static void get_data_take(struct queue *q, struct io *io)
{
	struct get_data_io *g = io->mio;

	g->buf = pool_get(q->mq);
	assert(g->buf);
	io->cmd_addr = (uintptr_t)g->buf;
}

static void get_data_issue(struct queue *q, struct io *io)
{
	struct get_data_io *g = io->mio;

	if (!g->buf)
		get_data_take(q, io);
	bufs_issue_plain(q, io, g->buf);
}

/* COMMIT of a read has to name a buffer, also if there is nothing in it to copy. */
static bool get_data_finish(struct queue *q, struct io *io)
{
	struct get_data_io *g = io->mio;

	if (io->op == UBLK_IO_OP_READ && !g->buf)
		get_data_take(q, io);
	return false;
}

/* The driver copies when COMMIT is issued: what is queued behind it may have the buffer. */
static void get_data_committed(struct queue *q, struct io *io)
{
	struct get_data_io *g = io->mio;

	if (!g->buf)
		return;
	pool_put(q->mq, g->buf);
	g->buf = NULL;
	io->cmd_addr = 0;
}

/* Most have no use for one: a write's data is on the legs that have done it, a read takes another. */
static void get_data_stand_in(struct queue *q, struct io *io, const struct io *from)
{
	const struct get_data_io *f = from->mio;
	struct get_data_io *g = io->mio;

	g->buf = NULL;
	io->cmd_addr = 0;
	if (!io_data_is_due(io))
		return;
	get_data_take(q, io);
	memcpy(g->buf, f->buf, io->len);
}

static void get_data_idle(struct queue *q)
{
	pool_trim(q->mq);
}

const struct mode_ops mode_get_data = {
	.name		= "get-data",
	.summary	= "like copy, with buffers only for requests in work",
	.ublk_flags	= UBLK_F_NEED_GET_DATA,
	.queue_size	= sizeof(struct pool),
	.io_size	= sizeof(struct get_data_io),
	.init		= get_data_init,
	.deinit		= get_data_deinit,
	.get_data	= get_data_take,
	.issue		= get_data_issue,
	.finish		= get_data_finish,
	.committed	= get_data_committed,
	.idle		= get_data_idle,
	.stand_in	= get_data_stand_in,
};
