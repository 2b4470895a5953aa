// SPDX-License-Identifier: GPL-2.0
#include <linux/blkdev.h>
#include <linux/falloc.h>

#include "nodata.h"
#include "zero.h"

/* What ZERO_WRITE writes: so much at once, by all queues. */
static const char zeroes[128 << 10] __attribute__((aligned(LIMITS_MAX_LBS)));

/* No result of a write: each comes to zero_goes_on(), which counts. */
#define ZERO_WANT	INT32_MIN

static void nodata_zero(struct queue *q, struct io *io, struct step *s, struct io_uring_sqe *sqe)
{
	static const int how[] = {
		[ZERO_FREE] = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		[ZERO_KEEP] = FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE,
	};
	int file = FILE_LEG(s->leg);

	if (s->how != ZERO_WRITE) {
		io_uring_prep_fallocate(sqe, file, how[s->how], s->off, s->len);
		return;
	}
	io_uring_prep_write(sqe, file, zeroes, min_u64(s->len - s->done, sizeof(zeroes)), s->off + s->done);
	if (io->fua)
		sqe->rw_flags = RWF_DSYNC;
	s->want = ZERO_WANT;
}

static void nodata_discard(struct queue *q, struct step *s, struct io_uring_sqe *sqe)
{
	if (!q->target->legs[s->leg].is_blk) {
		io_uring_prep_fallocate(sqe, FILE_LEG(s->leg), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
					s->off, s->len);
		return;
	}
	io_uring_prep_rw(IORING_OP_URING_CMD, sqe, FILE_LEG(s->leg), NULL, 0, 0);
	sqe->off = BLOCK_URING_CMD_DISCARD;
	sqe->addr = s->off;
	sqe->addr3 = s->len;
}

static void nodata_note(struct queue *q, struct io *io, struct step *s, struct io_uring_sqe *sqe)
{
	bool fixed = io->index < q->fixed_notes;

	/* The struct io's, which is left behind with a leg that does not answer. */
	io_uring_prep_rw(fixed ? IORING_OP_WRITE_FIXED : IORING_OP_WRITE, sqe, FILE_LEG(s->leg), io->note, s->len,
			 s->off);
	sqe->rw_flags = RWF_DSYNC;
	if (fixed)
		sqe->buf_index = q->note_slot;
	s->want = s->len;
}

static void nodata_step(struct queue *q, struct io *io, unsigned int i)
{
	struct step *s = &io->steps[i];
	struct io_uring_sqe *sqe = queue_sqe(q);

	switch (s->op) {
	case STEP_DELAY:
		/* The time is the target's, which outlives the queue. */
		io_uring_prep_timeout(sqe, &q->target->delay, 0, 0);
		queue_step(io, i, sqe);
		sqe->flags = 0;
		return;
	case STEP_SYNC:
		io_uring_prep_fsync(sqe, FILE_LEG(s->leg), IORING_FSYNC_DATASYNC);
		break;
	case STEP_DISCARD:
		nodata_discard(q, s, sqe);
		break;
	case STEP_ZERO:
		nodata_zero(q, io, s, sqe);
		break;
	case STEP_NOTE:
		nodata_note(q, io, s, sqe);
		break;
	}
	queue_step(io, i, sqe);
}

void nodata_again(struct queue *q, struct io *io)
{
	for (unsigned int i = 0; i < io->nr_steps; i++)
		if (io->steps[i].state == STEP_TODO)
			nodata_step(q, io, i);
}

void nodata_start(struct queue *q, struct io *io)
{
	bool keep = q->descs[io->tag].op_flags & UBLK_IO_F_NOUNMAP;

	for (unsigned int i = 0; i < io->nr_steps; i++)
		io->steps[i].how = keep ? ZERO_KEEP : ZERO_FREE;
	nodata_again(q, io);
}
