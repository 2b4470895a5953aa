// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "bounce.h"
#include "handoff.h"
#include "log.h"
#include "nodata.h"
#include "queue.h"
#include "queue_setup.h"
#include "quiet.h"
#include "result.h"
#include "standin.h"
#include "stats.h"

/* Who has memory to spare is told that a queue is idle when it has been for so long. */
#define QUEUE_IDLE_MS	500

/* The kernel has taken SQEs: there is room for others. */
static void queue_submitted(struct queue *q)
{
	q->sqe_end = IO_URING_READ_ONCE(*q->ring.sq.khead) + q->ring.sq.ring_entries;
}

/* Does somebody want to know what the queue does? */
static bool queue_counts(const struct queue *q)
{
	return unlikely(__atomic_load_n(&q->stats, __ATOMIC_ACQUIRE));
}

/* Rare: who needs an SQE does not get larger by this. */
__attribute__((noinline)) void queue_make_room(struct queue *q, unsigned int nr)
{
	if (queue_counts(q))
		stats_sent(q);
	do {
		io_uring_submit(&q->ring);
		queue_submitted(q);
	} while (q->sqe_end - q->ring.sq.sqe_tail < nr);
}

/* FETCH_REQ, or with a result what takes its place; this once for each request, so not a call. */
static inline __attribute__((always_inline)) struct io_uring_sqe *queue_fetch(struct queue *q, struct io *io,
									      u32 cmd_op, s32 result)
{
	struct io_uring_sqe *sqe = queue_sqe(q);

	queue_prep_cmd(q, io, sqe, q->fetch_fd, cmd_op, result, io->cmd_addr);
	sqe->addr = io->lend_addr;
	sqe->flags = q->fetch_flags;
	sqe->user_data = udata(UD_FETCH, io->index, 0);
	return sqe;
}

void queue_commit(struct queue *q, struct io *io)
{
	pace_end(&q->pace);
	queue_fetch(q, io, UBLK_U_IO_COMMIT_AND_FETCH_REQ, io->result);
	if (q->mode->committed)
		q->mode->committed(q, io);
}

/*
 * Of a request that comes alone: COMMIT is linked behind its only step, if that is all that was queued
 * since the ring's tail was @tail.  Both then take one system call, and nothing is heard of the step.  A
 * step that goes another way breaks the link without a CQE of COMMIT, and its own comes as ever.
 * Not of one among others: those share their system calls anyway.
 */
static void queue_link(struct queue *q, struct io *io, unsigned int tail)
{
	struct io_uring_sq *sq = &q->ring.sq;

	/* A link ends where a submission does: with no room left, it would be here. */
	if (io->nr_steps != 1 || io->steps[0].len != io->len || sq->sqe_tail - tail != 1 || sq->sqe_tail == q->sqe_end)
		return;
	sq->sqes[tail & sq->ring_mask].flags |= IOSQE_IO_LINK | IOSQE_CQE_SKIP_SUCCESS;
	io->linked = true;
	io->result = io_success(io);
	pace_end(&q->pace);
	queue_fetch(q, io, UBLK_U_IO_COMMIT_AND_FETCH_REQ, io->result)->user_data = udata(UD_LINKED, io->index, 0);
}

/* The step's CQE has come after all, with @res.  Returns what that means for the step. */
static int queue_unlink(struct queue *q, struct io *io, int res)
{
	io->linked = false;
	/* It was counted as committed. */
	pace_begin(&q->pace);
	/* The kernel could not take COMMIT, for want of memory, and so did not begin the step either. */
	return res == -ECANCELED ? -EAGAIN : res;
}

/*
 * The kernel had no memory for all SQEs, and the first that it left is COMMIT, without the step that it was
 * behind: that one is under way, and nothing may be heard of it.
 */
static bool queue_link_is_cut(const struct queue *q)
{
	const struct io_uring_sq *sq = &q->ring.sq;
	unsigned int head = IO_URING_READ_ONCE(*sq->khead);

	return unlikely(head != sq->sqe_tail) && udata_kind(sq->sqes[head & sq->ring_mask].user_data) == UD_LINKED;
}

static inline void queue_begin_round(struct io *io)
{
	io->redo = false;
	io->round++;
}

void queue_run(struct queue *q, struct io *io)
{
	queue_begin_round(io);
	if (unlikely(!step_op_has_data(io->steps[0].op))) {
		nodata_start(q, io);
	} else if (unlikely(io->copied)) {
		bounce_run(q, io);
	} else {
		q->mode->issue(q, io);
	}
}

static inline __attribute__((always_inline)) void queue_send_handoff(struct queue *q, struct io *io)
{
	queue_fetch(q, io, UBLK_U_IO_HANDOFF_AND_FETCH_REQ, io->nr_steps)->user_data = udata(UD_HANDED, io->index, 0);
}

static inline void queue_issue(struct queue *q, struct io *io)
{
	queue_begin_round(io);
	q->mode->issue(q, io);
}

/* Issued, and the driver is left its end, if the SQEs of its steps are all that it takes. */
static inline __attribute__((always_inline)) void queue_hand_off(struct queue *q, struct io *io)
{
	struct io_uring_sq *sq = &q->ring.sq;
	unsigned int tail;

	/* in one submission */
	queue_room(q, q->mode->extra_sqes + io->nr_steps);
	tail = sq->sqe_tail;
	queue_issue(q, io);
	/* else the mode had to lend it first */
	if (unlikely(sq->sqe_tail - tail != io->nr_steps))
		return;
	for (; tail != sq->sqe_tail; tail++)
		sq->sqes[tail & sq->ring_mask].flags |= IOSQE_CQE_SKIP_SUCCESS;
	handoff_add(q, io);
	pace_end(&q->pace);
	queue_send_handoff(q, io);
}

void queue_run_last(struct queue *q, struct io *io)
{
	unsigned int tail = q->ring.sq.sqe_tail;

	if (!step_op_has_data(io->steps[0].op) || io->copied) {
		queue_run(q, io);
	} else if (q->hands_off && !queue_counts(q)) {
		queue_hand_off(q, io);
	} else {
		queue_issue(q, io);
		if (unlikely(q->alone))
			queue_link(q, io, tail);
	}
}

static void queue_finish(struct queue *q, struct io *io)
{
	if (unlikely(io->result < 0))
		io->result = result_for_client(io->result);
	if (q->mode->finish && q->mode->finish(q, io))
		return;
	queue_commit(q, io);
}

/* What the target said of the request. */
static inline __attribute__((always_inline)) void queue_act(struct queue *q, struct io *io,
							     enum verdict verdict)
{
	if (likely(verdict == VERDICT_LAST_STEPS))
		queue_run_last(q, io);
	else if (verdict == VERDICT_STEPS)
		queue_run(q, io);
	else if (verdict == VERDICT_DONE)
		queue_finish(q, io);
}

/* A new request came in with io's tag. */
static void queue_request(struct queue *q, struct io *io)
{
	const struct ublksrv_io_desc *d = &q->descs[io->tag];

	if (unlikely(q->quiesces))
		return;
	io->off = d->start_sector << SECTOR_SHIFT;
	io->len = d->nr_sectors << SECTOR_SHIFT;
	io->op = ublksrv_get_op(d);
	io->fua = d->op_flags & UBLK_IO_F_FUA;
	io->copied = (d->op_flags & q->copy_mask) == UBLK_IO_OP_WRITE;
	io->nr_steps = 0;
	pace_begin(&q->pace);

	queue_act(q, io, q->target->ops->plan(q->target, q->tq, io));
}

/* Goes on with steps that went back to TODO; also the end of what was left behind. */
static void queue_redo(struct queue *q, struct io *io)
{
	if (unlikely(io->left_behind)) {
		standin_is_free(q, io);
		return;
	}
	io->redo = false;
	if (unlikely(bounce_wants(io)))
		bounce_run(q, io);
	else if (step_op_has_data(io->steps[0].op))
		q->mode->issue(q, io);
	else
		nodata_again(q, io);
}

/* For each request once: a call would be one of a request's few dozen instructions here. */
static inline __attribute__((always_inline)) void queue_settle_here(struct queue *q, struct io *io)
{
	enum verdict verdict;

	if (unlikely(io->redo)) {
		queue_redo(q, io);
		return;
	}
	verdict = q->target->ops->settle(q->target, q->tq, io);
	if (likely(verdict == VERDICT_DONE))
		queue_finish(q, io);
	else
		queue_act(q, io, verdict);
}

void queue_settle(struct queue *q, struct io *io)
{
	queue_settle_here(q, io);
}

static void queue_step_cqe(struct queue *q, struct io *io, unsigned int index, int res)
{
	struct step *s = &io->steps[index];

	if (likely(res == s->want)) {
		s->state = STEP_DONE;
		s->res = 0;
	} else {
		if (unlikely(io->linked))
			res = queue_unlink(q, io, res);
		io_step_odd(s, res, &q->rules);
		io->redo |= s->state == STEP_TODO;
	}
	if (--io->pending == 0)
		queue_settle_here(q, io);
}

static void queue_fetch_cqe(struct queue *q, struct io *io, int res)
{
	if (likely(res == UBLK_IO_RES_OK)) {
		queue_request(q, io);
		return;
	}
	if (res == UBLK_IO_RES_NEED_GET_DATA && q->mode->get_data) {
		q->mode->get_data(q, io);
		queue_fetch(q, io, UBLK_U_IO_NEED_GET_DATA, 0);
		return;
	}
	/* ABORT says that the device is going away; the tag is not used again. */
	if (res != UBLK_IO_RES_ABORT)
		log_err("queue %u tag %u: FETCH: %s", q->qid, io->tag, strerror(-res));
	q->fetched--;
}

/* The tag is the server's again, or nobody's: what was handed off has ended before, or comes back. */
static void queue_handed_cqe(struct queue *q, struct io *io, int res)
{
	if (unlikely(res == UBLK_IO_RES_HANDED_BACK)) {
		/* it was counted as committed */
		pace_begin(&q->pace);
		handoff_back(q, io);
		queue_settle(q, io);
		return;
	}
	if (io->handed_off && (likely(res == UBLK_IO_RES_OK) || handoff_has_ended(q, io))) {
		handoff_ended(q, io);
	} else if (io->handed_off && res == -ENOMEM) {
		/* io_uring had none, and the driver has not heard of it */
		queue_send_handoff(q, io);
		return;
	} else if (io->handed_off) {
		handoff_gone(q, io);
	}
	queue_fetch_cqe(q, io, res);
}

/* The step was done, and COMMIT behind it has come to its end. */
static void queue_linked_cqe(struct queue *q, struct io *io, int res)
{
	io->steps[0].state = STEP_DONE;
	io->pending = 0;
	io->linked = false;
	queue_fetch_cqe(q, io, res);
}

static void queue_inbox_arm(struct queue *q)
{
	struct io_uring_sqe *sqe = queue_sqe(q);

	io_uring_prep_read(sqe, q->inbox.fd, &q->inbox_count, sizeof(q->inbox_count), 0);
	sqe->user_data = udata(UD_INBOX, 0, 0);
}

/*
 * The read that waits for posts is ended before the ring is: up to 6.12 a kernel with lockdep takes its
 * completion for a fault, when the ring goes and this thread does not yet.
 */
static void queue_inbox_end(struct queue *q)
{
	static const u64 one = 1;
	bool ended = write(q->inbox.fd, &one, sizeof(one)) != sizeof(one);
	struct io_uring_cqe *cqe;

	while (!ended) {
		int ret = io_uring_submit_and_wait(&q->ring, 1);

		if (ret < 0 && ret != -EINTR)
			return;
		while (!io_uring_peek_cqe(&q->ring, &cqe)) {
			ended |= udata_kind(cqe->user_data) == UD_INBOX;
			io_uring_cqe_seen(&q->ring, cqe);
		}
	}
}

/* Requests that wait for nothing but legs that hang. */
static void queue_go_on(struct queue *q)
{
	unsigned int at = 0;
	struct io *io;

	while ((io = standin_next(q, &at)))
		queue_settle(q, io);
}

/* Another disk takes the leg's place: what is under way is that of the one before. */
static void queue_make_old(struct queue *q, unsigned int leg)
{
	for (unsigned int i = 0; i < queue_nr_ios(q); i++) {
		struct io *io = queue_io(q, i);

		for (unsigned int s = 0; io->pending && s < io->nr_steps; s++)
			if (io->steps[s].state == STEP_BUSY && io->steps[s].leg == leg)
				io->steps[s].old = true;
	}
}

static void queue_take_file(struct queue *q, const struct inbox_leg *l)
{
	int ret = io_uring_register_files_update(&q->ring, FILE_LEG(l->leg), &l->fd, 1);

	if (ret < 0)
		log_err("queue %u: the file of leg %u: %s", q->qid, l->leg, strerror(-ret));
	if (l->fd < 0)
		return;
	queue_make_old(q, l->leg);
	q->hanging &= ~(1U << l->leg);
}

static void queue_leg(struct queue *q, const struct inbox_leg *l)
{
	if (l->hangs) {
		q->hanging |= 1U << l->leg;
		queue_go_on(q);
	} else {
		queue_take_file(q, l);
		if (q->hands_off)
			handoff_let_go(q);
	}
	/* The item may be gone now. */
	atomic_fetch_sub_explicit(l->left, 1, memory_order_release);
}

static void queue_inbox_item(struct queue *q, struct inbox_item *item)
{
	switch (item->kind) {
	case INBOX_IO:
		queue_act(q, item->io, q->target->ops->resume(q->target, q->tq, item->io));
		break;
	case INBOX_LEG:
		queue_leg(q, (struct inbox_leg *)item);
		break;
	case INBOX_LOOK:
		/* What ends from now on is not seen by this look. */
		atomic_store(&((struct inbox_look *)item)->asked, false);
		handoff_look_at_all(q);
		break;
	case INBOX_QUIESCE:
		q->quiesces = true;
		break;
	case INBOX_END:
		q->ends = true;
		break;
	}
}

static void queue_inbox_items(struct queue *q)
{
	struct inbox_item *item, *next;

	for (item = inbox_take(&q->inbox); item; item = next) {
		/* It may wait again at once. */
		next = item->next;
		queue_inbox_item(q, item);
	}
}

static void queue_inbox_cqe(struct queue *q)
{
	/* First: what is posted behind the look into the list is told of again. */
	queue_inbox_arm(q);
	queue_inbox_items(q);
}

static void queue_cqe(struct queue *q, const struct io_uring_cqe *cqe)
{
	struct io *io = queue_io(q, udata_io(cqe->user_data));

	switch (udata_kind(cqe->user_data)) {
	case UD_STEP:
		queue_step_cqe(q, io, udata_index(cqe->user_data), cqe->res);
		break;
	case UD_FETCH:
		queue_fetch_cqe(q, io, cqe->res);
		break;
	case UD_LINKED:
		queue_linked_cqe(q, io, cqe->res);
		break;
	case UD_HANDED:
		queue_handed_cqe(q, io, cqe->res);
		break;
	case UD_BOUNCE:
		if (bounce_cqe(q, io, udata_index(cqe->user_data), cqe->res))
			queue_settle(q, io);
		break;
	case UD_INBOX:
		queue_inbox_cqe(q);
		break;
	default:
		q->mode->cqe(q, io, udata_index(cqe->user_data), cqe->res);
	}
}

/* No request came for QUEUE_IDLE_MS. */
static void queue_rest(struct queue *q)
{
	if (q->mode->idle)
		q->mode->idle(q);
	if (q->bounce)
		bounce_idle(q);
	q->idle = true;
}

/* Submits and waits for a CQE; who wants to know when nothing comes is told once. */
static int queue_wait(struct queue *q)
{
	/* The end of what was handed off wakes nobody. */
	bool polls = unlikely(q->lets_go || (q->quiesces && q->hands_off));
	struct __kernel_timespec ts = { .tv_nsec = (polls ? QUIET_POLL_MS : QUEUE_IDLE_MS) * 1000000LL };
	struct io_uring_cqe *cqe;
	bool over;
	int ret;

	if (!polls && ((!q->mode->idle && !q->bounce) || q->idle))
		return io_uring_submit_and_wait(&q->ring, 1);
	over = q->handed_old == QUEUE_NO_IO;
	ret = io_uring_submit_and_wait_timeout(&q->ring, &cqe, 1, &ts, NULL);
	if (ret == -ETIME) {
		/* Behind the end of the last one, whose file the ring may have a moment longer. */
		q->lets_go &= !over;
		if (!polls)
			queue_rest(q);
		ret = 0;
	}
	return ret;
}

/* What has come; the target may want to know where a batch begins and ends. */
static unsigned int queue_batch(struct queue *q)
{
	const struct io_uring_cq *cq = &q->ring.cq;
	struct target *t = q->target;
	/* The CQEs can be read when the tail has been. */
	unsigned int head = *cq->khead, tail = io_uring_smp_load_acquire(cq->ktail), nr = tail - head;
	bool counts = queue_counts(q);

	/* No batch for the target, for which a queue without work rests. */
	if (unlikely(!nr) && q->hands_off) {
		handoff_look(q);
		return 0;
	}
	/* Nothing is heard of the end of one that is linked. */
	q->alone = q->links && nr == 1 && !counts;
	if (counts)
		stats_came(q, head, tail);
	if (unlikely(t->batches))
		t->ops->enter(t, q->tq, nr == 1);
	if (unlikely(q->hands_off))
		handoff_look(q);
	for (; head != tail; head++)
		queue_cqe(q, &cq->cqes[head & cq->ring_mask]);
	while (unlikely(inbox_has_own(&q->inbox)))
		queue_inbox_items(q);
	if (unlikely(t->batches))
		t->ops->leave(t, q->tq);
	if (queue_counts(q))
		stats_sent(q);
	return nr;
}

static void queue_tell(const struct queue *q, enum queue_event event)
{
	char byte = event;

	/* A pipe takes so little without blocking. */
	if (write(q->events, &byte, 1) != 1)
		_exit(1);
}

/* Once, when it is so. */
static void queue_tell_quiet(struct queue *q)
{
	if (q->quiet || !quiet_is(q))
		return;
	quiet_wait_silent(q);
	q->quiet = true;
	queue_tell(q, QUEUE_QUIET);
}

static void queue_loop(struct queue *q)
{
	while (q->fetched && !q->ends) {
		unsigned int nr;
		int ret = queue_wait(q);

		if (unlikely(ret < 0 && ret != -EINTR && ret != -EAGAIN && ret != -EBUSY)) {
			log_err("queue %u: io_uring_enter: %s", q->qid, strerror(-ret));
			return;
		}
		if (unlikely(queue_link_is_cut(q))) {
			log_err("queue %u: io_uring has no memory for a COMMIT behind its I/O", q->qid);
			return;
		}
		queue_submitted(q);
		pace_submitted(&q->pace);
		nr = queue_batch(q);
		if (nr)
			q->idle = false;
		io_uring_cq_advance(&q->ring, nr);
		if (unlikely(q->quiesces))
			queue_tell_quiet(q);
	}
}

static void queue_watch_io(struct queue *q, struct watch *w, unsigned int i, u64 now, struct watch_ages *ages)
{
	const struct io *io = queue_io(q, i);

	/* pairs with handoff_remove() */
	if (__atomic_load_n(&io->handed_off, __ATOMIC_ACQUIRE) && handoff_has_ended(q, io))
		watch_idle(w, i, now);
	else
		watch_look(w, i, io, now, ages);
}

void queue_watch(struct queue *q, struct watch *w, u64 now, struct watch_ages *ages)
{
	for (unsigned int i = 0; i < queue_nr_ios(q); i++)
		queue_watch_io(q, w, i, now, ages);
}

static int queue_fetch_all(struct queue *q)
{
	int ret;

	for (unsigned int tag = 0; tag < q->device->depth; tag++) {
		queue_fetch(q, queue_io(q, tag), UBLK_U_IO_FETCH_REQ, 0);
		q->fetched++;
	}
	queue_inbox_arm(q);
	ret = io_uring_submit(&q->ring);
	return ret < 0 ? ret : 0;
}

static void *queue_main(void *arg)
{
	struct queue *q = arg;
	int ret;

	pace_start(&q->pace, q->device->pace);
	inbox_own(&q->inbox);

	/* The ring belongs to the thread that made it (SINGLE_ISSUER). */
	ret = queue_init(q);
	if (!ret) {
		ret = queue_fetch_all(q);
		queue_tell(q, ret ? QUEUE_FAILED : QUEUE_READY);
		queue_loop(q);
		handoff_look_at_all(q);
		/*
		 * A ring that has commands with the driver goes with this thread, as in a server that is killed: if it
		 * went before, up to 6.12 a kernel with lockdep would take their completion for a fault.
		 */
		if (!q->fetched)
			queue_inbox_end(q);
		if (!q->ends)
			io_uring_queue_exit(&q->ring);
		queue_tell(q, q->quiet ? QUEUE_ENDED_QUIET : QUEUE_ENDED);
	} else {
		queue_tell(q, QUEUE_FAILED);
	}
	queue_deinit(q);
	return NULL;
}

int queue_start(struct queue *q)
{
	int ret = pthread_create(&q->thread, NULL, queue_main, q);

	q->running = !ret;
	return -ret;
}

void queue_quiesce(struct queue *q)
{
	q->quiesce.kind = INBOX_QUIESCE;
	inbox_post(&q->inbox, &q->quiesce);
}

void queue_end(struct queue *q)
{
	q->end.kind = INBOX_END;
	inbox_post(&q->inbox, &q->end);
}

void queue_join(struct queue *q)
{
	if (q->running)
		pthread_join(q->thread, NULL);
	q->running = false;
	/* until then queue_watch() looks at these and at the descriptions, also when the queue has ended */
	queue_unmap(q);
}
