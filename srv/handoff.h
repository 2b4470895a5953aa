/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Requests that are handed off: the driver gets them with the I/O on their pages, and ends them
 * by itself when all of that was done (UBLK_U_IO_HANDOFF_AND_FETCH_REQ).  Nothing is heard of a step
 * that succeeds, nor of the request's end: what the server hears next of the tag is its next request,
 * or that this one has come back, behind the results of the steps that failed.
 *
 * That a request has ended stands in its descriptor, which the driver writes.  Where the target counts what
 * is under way (legs_leave: others keep nothing) the queue looks there at each batch: a list by index, oldest
 * first, up to one that is slow.  Those behind it are seen when their tags come again; or when somebody waits for
 * what is under way, and has the queue woken to look at all (INBOX_LOOK).
 *
 * The ring lets go of the file of an I/O that has ended without a word when its thread enters the kernel next.  So
 * after a leg has left the queue does that now and then, until all that was handed off before has ended.
 */
#ifndef SRV_HANDOFF_H
#define SRV_HANDOFF_H

#include "queue.h"

static inline u32 handoff_nr_ended(const struct queue *q, const struct io *io)
{
	/* pairs with the driver's release: what the I/O has written is there */
	return __atomic_load_n(&q->descs[io->tag].addr, __ATOMIC_ACQUIRE);
}

/* Of one that is handed off: has the driver ended it? */
static inline bool handoff_has_ended(const struct queue *q, const struct io *io)
{
	return handoff_nr_ended(q, io) != io->nr_ended;
}

void handoff_init(struct queue *q);

/* The command is queued behind the steps.  The request's next CQE takes it out again. */
static inline void handoff_add(struct queue *q, struct io *io)
{
	io->handed_off = true;
	io->nr_ended = handoff_nr_ended(q, io);
	io->pending++;
	if (!q->target->legs_leave)
		return;
	io->handed_prev = q->handed_last;
	io->handed_next = QUEUE_NO_IO;
	if (q->handed_last == QUEUE_NO_IO)
		q->handed_first = io->index;
	else
		queue_io(q, q->handed_last)->handed_next = io->index;
	q->handed_last = io->index;
}

/* Behind all that is to be seen of it by who watches: queue_watch(). */
static inline void handoff_remove(struct queue *q, struct io *io)
{
	__atomic_store_n(&io->handed_off, false, __ATOMIC_RELEASE);
	if (!q->target->legs_leave)
		return;
	if (io->handed_prev == QUEUE_NO_IO)
		q->handed_first = io->handed_next;
	else
		queue_io(q, io->handed_prev)->handed_next = io->handed_next;
	if (io->handed_next == QUEUE_NO_IO)
		q->handed_last = io->handed_prev;
	else
		queue_io(q, io->handed_next)->handed_prev = io->handed_prev;
	/* Those that are older have to end yet. */
	if (q->handed_old == io->index)
		q->handed_old = io->handed_prev;
}

/* A leg has left, or is another file: the queue enters the kernel until what was handed off before has ended. */
static inline void handoff_let_go(struct queue *q)
{
	q->handed_old = q->handed_last;
	q->lets_go = true;
}

/* The driver has ended it: the target is told.  Nobody needs its steps any more. */
static inline void handoff_ended(struct queue *q, struct io *io)
{
	io->nr_steps = 0;
	io->pending = 0;
	handoff_remove(q, io);
	if (q->target->legs_leave)
		q->target->ops->ended(q->target, q->tq, io);
}

/*
 * It has come back, because of a step that has failed: what is not known to have has been done.  If none is
 * known to, the driver has counted otherwise, and all is done again.
 */
void handoff_back(struct queue *q, struct io *io);

/* Nothing is known of it but that it is not this server's any more. */
void handoff_gone(struct queue *q, struct io *io);

/* Where the target counts: of all that the driver has ended, the oldest first, up to one that it has not. */
static inline void handoff_look(struct queue *q)
{
	while (q->handed_first != QUEUE_NO_IO) {
		struct io *io = queue_io(q, q->handed_first);

		if (!handoff_has_ended(q, io))
			break;
		handoff_ended(q, io);
	}
}

/* The same of all, whatever is slow. */
void handoff_look_at_all(struct queue *q);

#endif
