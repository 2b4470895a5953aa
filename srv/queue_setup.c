// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bounce.h"
#include "handoff.h"
#include "log.h"
#include "queue_setup.h"
#include "stable.h"
#include "standin.h"

/* Bytes: of processors that this is made for. */
#define CACHE_LINE	64

_Static_assert(sizeof(struct io) % 8 == 0 && sizeof(struct step) % 8 == 0,
	       "what stands behind them in one piece of memory is aligned");

static int queue_ring_init(struct queue *q)
{
	/* Best first; a kernel that is too old refuses unknown flags. */
	static const unsigned int flags[] = {
		IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
		IORING_SETUP_COOP_TASKRUN,
		0,
	};
	unsigned int per_step = 1 + q->mode->sqes_per_step;
	unsigned int entries = q->device->depth * (q->mode->extra_sqes + q->target->max_steps * per_step + 1) + 1;
	int ret = -EINVAL;

	for (unsigned int i = 0; i < ARRAY_SIZE(flags) && ret == -EINVAL; i++)
		ret = io_uring_queue_init(entries, &q->ring, flags[i] |
					  IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CLAMP);
	if (ret)
		log_err("queue %u: io_uring of %u entries: %s", q->qid, entries, strerror(-ret));
	return ret;
}

static int queue_files_init(struct queue *q)
{
	int fds[1 + MAX_LEGS];
	int ret;

	fds[FILE_UBLKC] = q->ublkc;
	/* -1: a place that is empty, for a leg that may come */
	for (unsigned int i = 0; i < MAX_LEGS; i++)
		fds[FILE_LEG(i)] = i < q->target->nr_legs ? q->target->legs[i].fd : -1;
	ret = io_uring_register_files(&q->ring, fds, ARRAY_SIZE(fds));
	if (ret) {
		log_err("queue %u: registering files: %s", q->qid, strerror(-ret));
		return ret;
	}
	/* Only saves a look-up per enter; fine without. */
	io_uring_register_ring_fd(&q->ring);
	return 0;
}

static size_t queue_descs_size(unsigned int depth)
{
	return round_up_u64(depth * sizeof(struct ublksrv_io_desc), getpagesize());
}

static int queue_descs_init(struct queue *q)
{
	off_t off = UBLKSRV_CMD_BUF_OFFSET + q->qid * queue_descs_size(UBLK_MAX_QUEUE_DEPTH);
	void *descs = mmap(NULL, queue_descs_size(q->device->depth), PROT_READ,
			   MAP_SHARED | MAP_POPULATE, q->ublkc, off);

	if (descs == MAP_FAILED) {
		log_err("queue %u: mmap of the request descriptions: %s", q->qid, strerror(errno));
		return -errno;
	}
	q->descs = descs;
	return 0;
}

/*
 * Of notes so much is registered with the ring, which saves finding its pages for each of them.  Small, as
 * it is pinned.
 */
#define QUEUE_FIXED_NOTES	(64U << 10)

static unsigned int queue_fixed_notes(const struct queue *q)
{
	return q->notes ? min_u64(q->device->depth, QUEUE_FIXED_NOTES / q->target->note_bytes) : 0;
}

int queue_slots_init(struct queue *q, const struct iovec *iov, unsigned int nr)
{
	unsigned int notes = queue_fixed_notes(q);
	struct iovec *v = calloc(nr + 1, sizeof(*v));
	int ret = -ENOMEM;

	if (!v)
		return ret;
	if (iov)
		memcpy(v, iov, nr * sizeof(*v));
	v[nr] = (struct iovec){ q->notes, notes * q->target->note_bytes };
	if (notes)
		ret = io_uring_register_buffers(&q->ring, v, nr + 1);
	if (!ret) {
		q->fixed_notes = notes;
		q->note_slot = nr;
	} else if (nr) {
		/* Without the right to pin them plain I/O does as well. */
		ret = io_uring_register_buffers(&q->ring, v, nr);
	}
	free(v);
	return ret;
}

static size_t queue_notes_size(const struct queue *q)
{
	return (size_t)queue_nr_ios(q) * q->target->note_bytes;
}

/* Of those that are not registered only what is used has memory. */
static int queue_notes_init(struct queue *q)
{
	if (!q->target->note_bytes)
		return 0;
	q->notes = mmap(NULL, queue_notes_size(q), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (q->notes != MAP_FAILED)
		return 0;
	q->notes = NULL;
	return -ENOMEM;
}

static void queue_notes_deinit(struct queue *q)
{
	/* What a leg that hangs may still read stays. */
	if (q->notes && q->nr_spare == q->device->depth)
		munmap(q->notes, queue_notes_size(q));
}

/*
 * A request, the target's state of it, the mode's, its steps; each on cache lines of its own.  Those
 * that may stand in have no memory before.
 */
static int queue_ios_init(struct queue *q)
{
	size_t mio_at = sizeof(struct io) + target_io_size(q->target);
	size_t steps_at = mio_at + round_up_u64(q->mode->io_size, 8);
	size_t size = steps_at + q->target->max_steps * sizeof(struct step);

	q->io_stride = round_up_u64(size, CACHE_LINE);
	q->ios = mmap(NULL, queue_nr_ios(q) * q->io_stride, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		      -1, 0);
	if (q->ios == MAP_FAILED) {
		q->ios = NULL;
		return -ENOMEM;
	}
	if (queue_notes_init(q))
		return -ENOMEM;
	for (unsigned int i = 0; i < q->device->depth; i++) {
		struct io *io = queue_io(q, i);

		io->tag = io->index = i;
		io->tio = io + 1;
		io->mio = (char *)io + mio_at;
		io->steps = (struct step *)((char *)io + steps_at);
		io->note = queue_note(q, i);
	}
	return q->target->legs_leave ? standin_init(q) : 0;
}

static int queue_mode_init(struct queue *q)
{
	if (q->mode->queue_size) {
		q->mq = calloc(1, q->mode->queue_size);
		if (!q->mq)
			return -ENOMEM;
	}
	return q->mode->init ? q->mode->init(q) : 0;
}

/* A mode that has no table of buffers leaves that to notes. */
static void queue_notes_fix(struct queue *q)
{
	if (q->notes && !q->fixed_notes)
		queue_slots_init(q, NULL, 0);
}

void queue_deinit(struct queue *q)
{
	if (q->mode->deinit && q->mq)
		q->mode->deinit(q);
	bounce_deinit(q);
	queue_notes_deinit(q);
	standin_deinit(q);
	free(q->mq);
}

/*
 * FETCH waits for the next request, maybe for ever.  Up to 6.12 registered files that were taken out
 * are let go of in order, and not before operations that began earlier: so where legs may leave,
 * FETCH has no registered file.
 */
static void queue_fetch_init(struct queue *q)
{
	q->fetch_fd = q->target->legs_leave ? q->ublkc : FILE_UBLKC;
	q->fetch_flags = q->target->legs_leave ? 0 : IOSQE_FIXED_FILE;
}

static void queue_rules_init(struct queue *q)
{
	q->rules = (struct step_rules){
		.block = q->target->lim.lbs,
		.lost_errno = q->mode->lost_errno,
		.lends = q->mode->lends,
	};
	if (q->mode->lends)
		q->copy_mask = stable_mask(q->device->stable);
}

/*
 * Only where the mode does nothing behind the step, and where legs stay: a step without CQE is not watched.  And
 * only in modes that lend: in stock 6.12 a command that is linked reads its SQE when that may be another one's
 * already; kernels that lend have mended it.
 */
static bool queue_may_link(const struct queue *q)
{
	return q->mode->lends && !q->mode->finish && !q->mode->committed && !q->target->legs_leave;
}

/*
 * A ring keeps the memory of operations that have ended, for later ones, until it goes.  As many as all tags may
 * have at once are done here, for nothing: so there is memory for them, and a link is not cut for want of it.
 */
static bool queue_fill_ring(struct queue *q)
{
	unsigned int nr = 2 * q->device->depth + 1;

	for (unsigned int i = 0; i < nr; i++) {
		struct io_uring_sqe *sqe = queue_sqe(q);

		io_uring_prep_nop(sqe);
		sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
	}
	return io_uring_submit(&q->ring) == (int)nr;
}

int queue_init(struct queue *q)
{
	int ret = queue_ring_init(q);

	if (ret)
		return ret;
	queue_rules_init(q);
	queue_fetch_init(q);
	q->hands_off = q->mode->hands_off;
	handoff_init(q);
	q->links = queue_may_link(q) && queue_fill_ring(q);
	ret = queue_files_init(q);
	if (!ret)
		ret = queue_descs_init(q);
	if (!ret)
		ret = queue_ios_init(q);
	if (!ret && q->copy_mask)
		ret = bounce_init(q);
	if (!ret)
		ret = queue_mode_init(q);
	if (!ret)
		queue_notes_fix(q);
	else
		io_uring_queue_exit(&q->ring);
	return ret;
}

void queue_unmap(struct queue *q)
{
	if (q->ios)
		munmap(q->ios, queue_nr_ios(q) * q->io_stride);
	q->ios = NULL;
	if (q->descs)
		munmap((void *)q->descs, queue_descs_size(q->device->depth));
	q->descs = NULL;
}
