// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "queue.h"
#include "stats.h"

static void stats_destroy(struct stats *st)
{
	if (st) {
		free(st->requests);
		free(st->steps);
	}
	free(st);
}

static struct stats *stats_new(const struct queue *q)
{
	struct stats *st = calloc(1, sizeof(*st));

	if (!st)
		return NULL;
	st->max_steps = q->target->max_steps;
	st->requests = calloc(q->device->depth, sizeof(*st->requests));
	st->steps = calloc((size_t)queue_nr_ios(q) * st->max_steps + 1, sizeof(*st->steps));
	if (st->requests && st->steps)
		return st;
	stats_destroy(st);
	return NULL;
}

int stats_want(struct queue *q, u64 now_ms)
{
	if (!q->kept_stats)
		q->kept_stats = stats_new(q);
	if (!q->kept_stats)
		return -ENOMEM;
	/* In this order: the queue looks the other way round, when it has let go. */
	__atomic_store_n(&q->kept_stats->until, now_ms + STATS_KEEP_MS, __ATOMIC_SEQ_CST);
	__atomic_store_n(&q->stats, q->kept_stats, __ATOMIC_SEQ_CST);
	return 0;
}

void stats_free(struct queue *q)
{
	stats_destroy(q->kept_stats);
	q->kept_stats = q->stats = NULL;
}

static bool stats_are_wanted(const struct stats *st, u64 now)
{
	return now / 1000000 <= __atomic_load_n(&st->until, __ATOMIC_SEQ_CST);
}

/* Nobody has asked for long: what is under way is forgotten, as its end will not be seen. */
static void stats_let_go(struct queue *q, struct stats *st, u64 now)
{
	memset(st->requests, 0, q->device->depth * sizeof(*st->requests));
	memset(st->steps, 0, (size_t)queue_nr_ios(q) * st->max_steps * sizeof(*st->steps));
	st->own.in_flight = 0;
	for (unsigned int i = 0; i < MAX_LEGS; i++)
		st->legs[i].in_flight = 0;
	__atomic_store_n(&q->stats, NULL, __ATOMIC_SEQ_CST);
	/* Somebody asked just now. */
	if (stats_are_wanted(st, now))
		__atomic_store_n(&q->stats, st, __ATOMIC_SEQ_CST);
}

static enum stats_kind stats_kind_of(u8 ublk_op)
{
	return ublk_op == UBLK_IO_OP_READ ? STATS_READ : ublk_op == UBLK_IO_OP_WRITE ? STATS_WRITE : STATS_OTHER;
}

/* A request is there.  It may come twice, as a write that the server is asked for a buffer of. */
static void stats_request_came(struct stats *st, const struct io *io, u64 now)
{
	st->own.in_flight += !st->requests[io->tag];
	if (!st->requests[io->tag])
		st->requests[io->tag] = now;
}

static void stats_request_ends(struct queue *q, struct stats *st, const struct ublksrv_io_cmd *cmd, u64 now)
{
	const struct ublksrv_io_desc *d = &q->descs[cmd->tag];
	enum stats_kind kind = stats_kind_of(ublksrv_get_op(d));
	u64 bytes = kind == STATS_OTHER ? 0 : (u64)d->nr_sectors << SECTOR_SHIFT;

	if (!st->requests[cmd->tag])
		return;
	stats_line_add(&st->own.kinds[kind], now - st->requests[cmd->tag], bytes, cmd->result);
	st->requests[cmd->tag] = 0;
	st->own.in_flight--;
}

/* NULL: it is an operation on no leg. */
static struct stats_step *stats_step_of(struct stats *st, u64 user_data)
{
	enum udata_kind kind = udata_kind(user_data);
	unsigned int index = udata_index(user_data);

	if ((kind != UD_STEP && kind != UD_BOUNCE) || index >= st->max_steps)
		return NULL;
	return &st->steps[udata_io(user_data) * st->max_steps + index];
}

static const struct step *stats_io_step(struct queue *q, u64 user_data)
{
	return &queue_io(q, udata_io(user_data))->steps[udata_index(user_data)];
}

static void stats_step_ended(struct queue *q, struct stats *st, const struct io_uring_cqe *cqe, u64 now)
{
	struct stats_step *s = stats_step_of(st, cqe->user_data);

	if (!s || !s->since)
		return;
	/* What the disk did that was there before says nothing of this one. */
	if (!stats_io_step(q, cqe->user_data)->old)
		stats_line_add(&st->legs[s->leg].kinds[s->kind], now - s->since, s->kind == STATS_OTHER ? 0 : cqe->res,
			       cqe->res);
	st->legs[s->leg].in_flight--;
	s->since = 0;
}

static void stats_step_begins(struct queue *q, struct stats *st, const struct io_uring_sqe *sqe, u64 now)
{
	struct stats_step *s = stats_step_of(st, sqe->user_data);
	const struct step *step;

	/* A delay has no file; what goes to the driver is of the request's data only. */
	if (!s || !(sqe->flags & IOSQE_FIXED_FILE) || sqe->fd < FILE_LEG(0))
		return;
	step = stats_io_step(q, sqe->user_data);
	if (step->op == STEP_NOTE)
		return;
	s->leg = sqe->fd - FILE_LEG(0);
	s->kind = step->op == STEP_READ ? STATS_READ : step->op == STEP_WRITE ? STATS_WRITE : STATS_OTHER;
	st->legs[s->leg].in_flight += !s->since;
	s->since = now;
}

void stats_came(struct queue *q, unsigned int head, unsigned int tail)
{
	struct stats *st = q->stats;
	const struct io_uring_cq *cq = &q->ring.cq;
	u64 now = clock_ns();

	st->counts = stats_are_wanted(st, now);
	if (!st->counts) {
		stats_let_go(q, st, now);
		return;
	}
	st->tail = q->ring.sq.sqe_tail;
	for (; head != tail; head++) {
		const struct io_uring_cqe *cqe = &cq->cqes[head & cq->ring_mask];
		enum udata_kind kind = udata_kind(cqe->user_data);

		if ((kind == UD_FETCH || kind == UD_LINKED || kind == UD_HANDED) && cqe->res >= 0)
			stats_request_came(st, queue_io(q, udata_io(cqe->user_data)), now);
		else
			stats_step_ended(q, st, cqe, now);
	}
}

void stats_sent(struct queue *q)
{
	struct stats *st = q->stats;
	const struct io_uring_sq *sq = &q->ring.sq;
	u64 now;

	if (!st->counts || st->tail == sq->sqe_tail)
		return;
	now = clock_ns();
	for (; st->tail != sq->sqe_tail; st->tail++) {
		const struct io_uring_sqe *sqe = &sq->sqes[st->tail & sq->ring_mask];

		if (udata_kind(sqe->user_data) != UD_FETCH)
			stats_step_begins(q, st, sqe, now);
		else if (sqe->cmd_op == UBLK_U_IO_COMMIT_AND_FETCH_REQ)
			stats_request_ends(q, st, (const struct ublksrv_io_cmd *)&sqe->addr3, now);
	}
}
