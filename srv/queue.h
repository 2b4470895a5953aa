/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One queue of the device: a thread, a ring, and the tags.
 *
 * The loop is: reap what is there, run each request one step further, which
 * only queues SQEs; then one io_uring_enter() for all of them.  No other system
 * call and no allocation while requests flow.
 */
#ifndef SRV_QUEUE_H
#define SRV_QUEUE_H

#include <liburing.h>
#include <pthread.h>

#include "cookie.h"
#include "device.h"
#include "inbox.h"
#include "io.h"
#include "mode.h"
#include "pace.h"
#include "target.h"
#include "udata.h"
#include "watch.h"

/* The ring's registered files. */
#define FILE_UBLKC	0
#define FILE_LEG(leg)	((leg) + 1)

/* The index of no struct io. */
#define QUEUE_NO_IO	0xffff

/* What a queue tells the main thread. */
enum queue_event {
	QUEUE_READY,	/* every tag has been fetched */
	QUEUE_FAILED,	/* it never will; the cause was logged */
	QUEUE_QUIET,	/* it was quiesced, and has done what it had in work */
	QUEUE_ENDED,	/* the device took back every tag */
	QUEUE_ENDED_QUIET, /* one that was quiet, mostly as queue_end() was called */
};

/*
 * struct queue - one queue
 * In struct server, zeroed.  The main thread sets what queue_start() wants, and calls it
 * and queue_join(); in between the queue is written by its own thread only.  That frees what it has, but for
 * @ios and @descs: queue_watch() reads them until queue_join(), which does.
 */
struct queue {
	struct io_uring ring;
	unsigned int sqe_end;	/* the ring's sqe_tail when no SQE is free, at the last look */

	/* queue_start() wants these; read-only from then on */
	const struct device *device;
	const struct mode_ops *mode;	/* the device's, and */
	struct target *target;		/* its target: for each request, so a load less */
	void *tq;			/* the target's state of this queue */
	unsigned int qid;
	int ublkc;			/* the char device */
	int events;			/* pipe to the main thread: one enum queue_event per byte */

	struct inbox inbox;		/* of requests that waited; the main thread's to make and end */
	u64 inbox_count;		/* what the read of its eventfd fills */
	void *mq;			/* the mode's, mode_ops.queue_size bytes */
	struct bounce *bounce;		/* bounce.h: NULL while nothing was copied */
	const struct ublksrv_io_desc *descs;	/* the kernel writes, by tag */
	char *ios;			/* by index, io_stride bytes each: see queue_io() */
	size_t io_stride;
	char *notes;			/* by index, note_bytes of the target's each: see queue_note() */
	unsigned int fixed_notes;	/* so many of them, from the first one on, are registered with the ring, */
	unsigned int note_slot;		/* in this slot */
	u16 *spare;			/* indexes of the @nr_spare that have no tag: standin.h */
	unsigned int nr_spare;
	u32 hanging;			/* legs that nothing is to wait for */
	struct pace pace;
	struct step_rules rules;
	u32 copy_mask;			/* of op_flags: which requests are copied, stable_mask() */
	int fetch_fd;			/* the char device, as FETCH has it */
	u8 fetch_flags;			/* IOSQE_FIXED_FILE, or 0 */
	unsigned int fetched;		/* tags with the driver or in work */

	struct inbox_item quiesce, end;	/* each in the inbox once, queue_quiesce() and queue_end() */
	bool quiesces;			/* what comes is the next server's */
	bool quiet;			/* and the main thread was told that nothing is in work */
	bool ends;
	bool links;			/* COMMIT may be linked behind a step: queue_link() */
	bool hands_off;			/* requests are: handoff.h */
	u16 handed_first, handed_last;	/* where the target counts: those that are, oldest first */
	u16 handed_old;			/* the last of those that were when a leg left */
	bool lets_go;			/* the ring may have files of legs that have left */
	bool alone;			/* what is in work now came by itself, and that may be done */
	bool idle;			/* nothing came for a while, whoever wants to know has been told */

	struct stats *stats;		/* while somebody wants to know, or NULL: stats.h */
	struct stats *kept_stats;	/* the main thread's: the same also when nobody does */

	pthread_t thread;
	bool running;			/* main thread: thread is valid */
};

/* Start the thread, which tells how it goes through @events.  0 or -errno. */
int queue_start(struct queue *q);
void queue_join(struct queue *q);

/*
 * The main thread, once each: begin no more requests, and tell when those in work are done; then end.  All queues
 * are to be quiet before one ends, as drivers differ in what they take back from the others then.
 */
void queue_quiesce(struct queue *q);
void queue_end(struct queue *q);

/* How many struct io there are: one for each tag, and where legs may leave, as many to stand in. */
static inline unsigned int queue_nr_ios(const struct queue *q)
{
	return q->device->depth * (q->target->legs_leave ? 2 : 1);
}

/* The main thread, while the queue runs: watch.h, of all its requests. */
void queue_watch(struct queue *q, struct watch *w, u64 now, struct watch_ages *ages);

/* The submission ring has no room for @nr SQEs: submit what is there, until it has. */
void queue_make_room(struct queue *q, unsigned int nr);

/* For modes: the next @nr SQEs go in one submission. */
static inline void queue_room(struct queue *q, unsigned int nr)
{
	if (unlikely(q->sqe_end - q->ring.sq.sqe_tail < nr))
		queue_make_room(q, nr);
}

/*
 * What io_uring_get_sqe() of newer libraries sets, and io_uring_prep_*() of older ones.  With those the
 * compiler leaves it out.
 */
static inline struct io_uring_sqe *queue_sqe_init(struct io_uring_sqe *sqe)
{
	sqe->flags = 0;
	sqe->ioprio = 0;
	sqe->rw_flags = 0;
	sqe->buf_index = 0;
	sqe->personality = 0;
	sqe->file_index = 0;
	sqe->addr3 = 0;
	sqe->__pad2[0] = 0;
	return sqe;
}

/*
 * An SQE, always: when the submission ring is full, it is submitted first.  Use the io_uring_prep_*()
 * functions, which set the rest of it.  Why not io_uring_get_sqe(): it serves rings of every kind, and
 * takes twice the instructions.
 */
static inline struct io_uring_sqe *queue_sqe(struct queue *q)
{
	struct io_uring_sq *sq = &q->ring.sq;

	if (unlikely(sq->sqe_tail == q->sqe_end))
		queue_make_room(q, 1);
	return queue_sqe_init(&sq->sqes[sq->sqe_tail++ & sq->ring_mask]);
}

/*
 * For modes: the ring's table of buffers, @nr slots as @iov says, or empty ones where that is NULL; and one
 * behind them for notes, if there are any.  0 or -errno.
 */
int queue_slots_init(struct queue *q, const struct iovec *iov, unsigned int nr);

static inline struct io *queue_io(struct queue *q, unsigned int index)
{
	return (struct io *)(q->ios + index * q->io_stride);
}

/* What the struct io at this place has for STEP_NOTE, if its target plans such. */
static inline void *queue_note(const struct queue *q, unsigned int index)
{
	return q->notes + index * q->target->note_bytes;
}

/*
 * Where the byte @data of a request is on the char device: what user-copy reads and writes
 * there, and what the modes that lend borrow from there on.
 */
static inline u64 queue_cookie(const struct queue *q, const struct io *io, u32 data)
{
	return cookie(q->qid, io->tag, data);
}

_Static_assert(sizeof(struct ublksrv_io_cmd) <= 16, "the command fits a 64-byte SQE");

/* Prepare in @sqe the driver's command @cmd_op on the request's tag, to the char device @fd. */
static inline void queue_prep_cmd(const struct queue *q, const struct io *io, struct io_uring_sqe *sqe, int fd,
				  u32 cmd_op, s32 result, u64 addr)
{
	struct ublksrv_io_cmd *cmd = (struct ublksrv_io_cmd *)&sqe->addr3;

	/* of off: cmd_op, and __pad1, which must be 0 */
	io_uring_prep_rw(IORING_OP_URING_CMD, sqe, fd, NULL, 0, cmd_op);
	cmd->q_id = q->qid;
	cmd->tag = io->tag;
	cmd->result = result;
	cmd->addr = addr;
}

/*
 * For modes: mark step @i as queued in @sqe, an operation on the step's leg that was
 * just prepared.
 */
static inline void queue_step(struct io *io, unsigned int i, struct io_uring_sqe *sqe)
{
	sqe->flags |= IOSQE_FIXED_FILE;
	sqe->user_data = udata(UD_STEP, io->index, i);
	io->steps[i].state = STEP_BUSY;
	io->pending++;
}

/*
 * For modes: prepare and queue READ or WRITE of the rest of step @i; returns its SQE.  @addr:
 * of the request's first byte, which need not be the step's.
 */
static inline struct io_uring_sqe *queue_rw_step(struct queue *q, struct io *io, unsigned int i,
						 int op, u64 addr, unsigned int buf_index)
{
	const struct step *s = &io->steps[i];
	struct io_uring_sqe *sqe = queue_sqe(q);

	io_uring_prep_rw(op, sqe, FILE_LEG(s->leg), (void *)(uintptr_t)(addr + s->data + s->done),
			 s->len - s->done, s->off + s->done);
	sqe->buf_index = buf_index;
	if (io->fua && s->op == STEP_WRITE)
		sqe->rw_flags = RWF_DSYNC;
	queue_step(io, i, sqe);
	return sqe;
}

/* For modes: end the request with io->result.  Its target is not asked again. */
void queue_commit(struct queue *q, struct io *io);

/* No step of the request is in flight any more: its target decides. */
void queue_settle(struct queue *q, struct io *io);

/* The request has steps that are TODO and no mode operation pending. */
void queue_run(struct queue *q, struct io *io);

/* The same, and when they have done all it is done: VERDICT_LAST_STEPS. */
void queue_run_last(struct queue *q, struct io *io);

#endif
