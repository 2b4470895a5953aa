// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "standin.h"

int standin_init(struct queue *q)
{
	unsigned int depth = q->device->depth;

	q->spare = calloc(depth, sizeof(*q->spare));
	if (!q->spare)
		return -ENOMEM;
	/* The last one is taken first. */
	while (q->nr_spare < depth) {
		q->spare[q->nr_spare] = 2 * depth - 1 - q->nr_spare;
		q->nr_spare++;
	}
	return 0;
}

void standin_deinit(struct queue *q)
{
	free(q->spare);
}

/* Is it under way on a leg that is of no use any more? */
static bool standin_hangs(const struct queue *q, const struct step *s)
{
	return s->state == STEP_BUSY && s->op != STEP_DELAY && (s->old || q->hanging >> s->leg & 1);
}

/* Do legs have the client's pages? */
static bool standin_is_lent(const struct queue *q, const struct io *io)
{
	return q->mode->lends && step_op_has_data(io->steps[0].op) && !io->copied;
}

/* Is that all that it waits for, and may it do without? */
static bool standin_is_wanted(const struct queue *q, const struct io *io)
{
	unsigned int nr = 0;

	if (!io->pending || io->left_behind || standin_is_lent(q, io))
		return false;
	for (unsigned int i = 0; i < io->nr_steps; i++)
		nr += standin_hangs(q, &io->steps[i]);
	return nr == io->pending;
}

static void standin_fail_steps(struct io *io)
{
	for (unsigned int i = 0; i < io->nr_steps; i++) {
		struct step *s = &io->steps[i];

		if (s->state != STEP_BUSY)
			continue;
		s->state = STEP_DONE;
		s->res = -ETIMEDOUT;
	}
}

/* The same place in @to as @at has in @from. */
static void *standin_place(struct io *to, const struct io *from, const void *at)
{
	return (char *)to + ((const char *)at - (const char *)from);
}

static void standin_copy(struct queue *q, struct io *to, const struct io *from)
{
	to->tio = standin_place(to, from, from->tio);
	to->mio = standin_place(to, from, from->mio);
	to->steps = standin_place(to, from, from->steps);
	to->note = queue_note(q, to->index);
	to->off = from->off;
	to->len = from->len;
	to->tag = from->tag;
	to->op = from->op;
	to->fua = from->fua;
	to->copied = from->copied;
	to->result = from->result;
	to->nr_steps = from->nr_steps;
	to->redo = from->redo;
	to->left_behind = false;
	to->pending = 0;
	to->round++;
	to->cmd_addr = from->cmd_addr;
	to->lend_addr = from->lend_addr;
	memcpy(to->tio, from->tio, target_io_size(q->target));
	memcpy(to->mio, from->mio, q->mode->io_size);
	memcpy(to->steps, from->steps, from->nr_steps * sizeof(*from->steps));
}

struct io *standin_next(struct queue *q, unsigned int *at)
{
	/* When as many as there are tags have been left behind already, the rest waits. */
	for (; *at < queue_nr_ios(q) && q->nr_spare; ++*at) {
		struct io *from = queue_io(q, *at), *to;

		if (!standin_is_wanted(q, from))
			continue;
		q->nr_spare--;
		to = queue_io(q, q->spare[q->nr_spare]);
		to->index = q->spare[q->nr_spare];
		standin_copy(q, to, from);
		if (q->mode->stand_in)
			q->mode->stand_in(q, to, from);
		standin_fail_steps(to);
		from->left_behind = from->redo = true;
		return to;
	}
	return NULL;
}

void standin_is_free(struct queue *q, struct io *io)
{
	if (!q->mode->lends && q->mode->committed)
		q->mode->committed(q, io);
	io->left_behind = io->redo = false;
	q->spare[q->nr_spare++] = io->index;
}
