// SPDX-License-Identifier: GPL-2.0
#include "handoff.h"

void handoff_init(struct queue *q)
{
	q->handed_first = q->handed_last = q->handed_old = QUEUE_NO_IO;
}

/* Those of which nothing was heard. */
static void handoff_silent_are(struct io *io, enum step_state state)
{
	for (unsigned int i = 0; i < io->nr_steps; i++) {
		struct step *s = &io->steps[i];

		if (s->state != STEP_BUSY)
			continue;
		s->state = state;
		s->res = 0;
	}
	io->pending = 0;
}

static bool handoff_was_heard(const struct io *io)
{
	for (unsigned int i = 0; i < io->nr_steps; i++)
		if (io->steps[i].state != STEP_BUSY)
			return true;
	return false;
}

void handoff_look_at_all(struct queue *q)
{
	for (u16 index = q->handed_first, next; index != QUEUE_NO_IO; index = next) {
		struct io *io = queue_io(q, index);

		next = io->handed_next;
		if (handoff_has_ended(q, io))
			handoff_ended(q, io);
	}
}

void handoff_back(struct queue *q, struct io *io)
{
	bool heard = handoff_was_heard(io);

	handoff_silent_are(io, heard ? STEP_DONE : STEP_TODO);
	handoff_remove(q, io);
	io->redo |= !heard;
}

void handoff_gone(struct queue *q, struct io *io)
{
	handoff_silent_are(io, STEP_DONE);
	handoff_remove(q, io);
}
