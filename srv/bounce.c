// SPDX-License-Identifier: GPL-2.0
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bounce.h"
#include "log.h"

/* The index of a CQE: the step, and that its data is on its way to the client. */
#define BOUNCE_STORE	0x40
/* A write's data is on its way into the buffer; no step. */
#define BOUNCE_FETCH	0x80

_Static_assert(MAX_STEPS <= BOUNCE_STORE, "a step fits below");

/* The first of those that a leg has refused. */
static const struct step *bounce_refused(const struct io *io)
{
	for (unsigned int i = 0; i < io->nr_steps; i++) {
		const struct step *s = &io->steps[i];

		if (s->state == STEP_TODO && step_op_has_data(s->op) && s->how == HOW_COPY)
			return s;
	}
	return NULL;
}

bool bounce_wants(const struct io *io)
{
	return bounce_refused(io);
}

int bounce_init(struct queue *q)
{
	unsigned int nr = queue_nr_ios(q);

	if (q->bounce)
		return 0;
	q->bounce = calloc(1, sizeof(*q->bounce) + nr * sizeof(q->bounce->bufs[0]));
	if (q->bounce && !pool_init(&q->bounce->pool, nr, q->device->max_io))
		return 0;
	log_err("queue %u: %u buffers of %u bytes, for data that is copied: no memory", q->qid, nr, q->device->max_io);
	free(q->bounce);
	q->bounce = NULL;
	return -ENOMEM;
}

/* Of each queue the first one. */
static void bounce_tell(struct queue *q, const struct step *s)
{
	if (!s || q->bounce->told)
		return;
	q->bounce->told = true;
	log_warn("leg %s: it refuses the shape of a request, %u bytes at %llu: such requests are copied, which is slower",
		 q->target->legs[s->leg].absolute, s->len, (unsigned long long)s->off);
}

void bounce_idle(struct queue *q)
{
	pool_trim(&q->bounce->pool);
}

void bounce_deinit(struct queue *q)
{
	if (q->bounce)
		pool_deinit(&q->bounce->pool);
	free(q->bounce);
}

static bool bounce_begin(struct queue *q, struct io *io)
{
	if (bounce_init(q))
		return false;
	bounce_tell(q, bounce_refused(io));
	/* One for each struct io is there. */
	q->bounce->bufs[io->index] = pool_get(&q->bounce->pool);
	assert(q->bounce->bufs[io->index]);
	return true;
}

static void bounce_end(struct queue *q, struct io *io)
{
	pool_put(&q->bounce->pool, q->bounce->bufs[io->index]);
	q->bounce->bufs[io->index] = NULL;
}

/*
 * Between the buffer and the leg (READ, WRITE), or the request: the @len bytes that are the
 * request's from @data on.
 */
static struct io_uring_sqe *bounce_queue(struct queue *q, struct io *io, int op, int file,
					 u32 data, u32 len, u64 pos, unsigned int index)
{
	struct io_uring_sqe *sqe = queue_sqe(q);

	/* The buffer is given back when every step that is TODO has ended. */
	io_uring_prep_rw(op, sqe, file, q->bounce->bufs[io->index] + data, len, pos);
	sqe->flags = IOSQE_FIXED_FILE;
	sqe->user_data = udata(UD_BOUNCE, io->index, index);
	io->pending++;
	return sqe;
}

static void bounce_leg(struct queue *q, struct io *io, unsigned int i)
{
	struct step *s = &io->steps[i];
	int op = s->op == STEP_READ ? IORING_OP_READ : IORING_OP_WRITE;
	struct io_uring_sqe *sqe;

	sqe = bounce_queue(q, io, op, FILE_LEG(s->leg), s->data + s->done, s->len - s->done,
			   s->off + s->done, i);
	if (io->fua && s->op == STEP_WRITE)
		sqe->rw_flags = RWF_DSYNC;
	s->state = STEP_BUSY;
}

static void bounce_legs(struct queue *q, struct io *io)
{
	for (unsigned int i = 0; i < io->nr_steps; i++) {
		struct step *s = &io->steps[i];

		if (s->state != STEP_TODO)
			continue;
		/* What came without the buffer is not in it, and all of that is stored. */
		if (s->op == STEP_READ)
			s->done = 0;
		bounce_leg(q, io, i);
	}
}

/* Whatever was not even begun has failed. */
static void bounce_fail(struct io *io, int res)
{
	for (unsigned int i = 0; i < io->nr_steps; i++) {
		if (io->steps[i].state == STEP_TODO) {
			io->steps[i].state = STEP_DONE;
			io->steps[i].res = res;
		}
	}
}

/*
 * What a write still has to give, of this round's steps: the whole request in each of a
 * stripe's rounds would be copied as often as there are rounds.
 */
static void bounce_missing(const struct io *io, u32 *from, u32 *to)
{
	*from = UINT32_MAX;
	*to = 0;
	for (unsigned int i = 0; i < io->nr_steps; i++) {
		const struct step *s = &io->steps[i];

		if (s->state != STEP_TODO)
			continue;
		*from = min_u64(*from, s->data + s->done);
		*to = max_u64(*to, s->data + s->len);
	}
}

static void bounce_fetch(struct queue *q, struct io *io)
{
	u32 from, to;

	bounce_missing(io, &from, &to);
	bounce_queue(q, io, IORING_OP_READ, FILE_UBLKC, from, to - from, queue_cookie(q, io, from),
		     BOUNCE_FETCH);
}

/* The steps are as they were when the data was asked for. */
static void bounce_fetched(struct queue *q, struct io *io, int res)
{
	u32 from, to;

	bounce_missing(io, &from, &to);
	if (res == (s32)(to - from)) {
		bounce_legs(q, io);
		return;
	}
	log_err("queue %u tag %u: moving %u bytes of data: %s", q->qid, io->tag, to - from,
		res < 0 ? strerror(-res) : "short");
	/* Not the legs' fault: the request has no data to give. */
	bounce_fail(io, -EFAULT);
}

void bounce_run(struct queue *q, struct io *io)
{
	if (!bounce_begin(q, io)) {
		bounce_fail(io, -ENOMEM);
		/* Nothing is in flight that could go on from here. */
		queue_settle(q, io);
	} else if (io->op == UBLK_IO_OP_WRITE) {
		bounce_fetch(q, io);
	} else {
		bounce_legs(q, io);
	}
}

/* What was read is in the buffer, step->done bytes of it with the client already. */
static void bounce_store(struct queue *q, struct io *io, unsigned int i)
{
	const struct step *s = &io->steps[i];
	u32 data = s->data + s->done;

	bounce_queue(q, io, IORING_OP_WRITE, FILE_UBLKC, data, s->len - s->done,
		     queue_cookie(q, io, data), i | BOUNCE_STORE);
}

/* Is there to be another try, behind the whole blocks of a short result? */
static bool bounce_goes_on(struct queue *q, struct step *s, int res, s32 rest)
{
	u32 whole = 0;

	if (res > 0 && res < rest)
		whole = round_down_u64(res, q->target->lim.lbs);
	else if (res != -EAGAIN && res != -EINTR)
		return false;
	s->done += whole;
	if (whole)
		return true;
	if (s->tries == STEP_TRIES)
		return false;
	s->tries++;
	return true;
}

static void bounce_step_cqe(struct queue *q, struct io *io, unsigned int index, int res)
{
	unsigned int i = index & ~BOUNCE_STORE;
	struct step *s = &io->steps[i];
	s32 rest = s->len - s->done;
	bool storing = index & BOUNCE_STORE;

	/* Another one stands in, for which the step has failed: only the buffer is waited for. */
	if (io->left_behind)
		return;
	if (res == rest && s->op == STEP_READ && !storing) {
		s->done = 0;
		bounce_store(q, io, i);
	} else if (bounce_goes_on(q, s, res, rest)) {
		if (storing)
			bounce_store(q, io, i);
		else
			bounce_leg(q, io, i);
	} else {
		s->state = STEP_DONE;
		s->res = res == rest ? 0 : res < 0 ? res : -EIO;
	}
}

bool bounce_cqe(struct queue *q, struct io *io, unsigned int index, int res)
{
	io->pending--;
	if (index == BOUNCE_FETCH)
		bounce_fetched(q, io, res);
	else
		bounce_step_cqe(q, io, index, res);
	if (io->pending)
		return false;
	bounce_end(q, io);
	return true;
}
