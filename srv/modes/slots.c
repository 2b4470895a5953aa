// SPDX-License-Identifier: GPL-2.0
#include <string.h>

#include "../log.h"
#include "slots.h"

int slots_init(struct queue *q, unsigned int nr)
{
	int ret = queue_slots_init(q, NULL, nr);

	if (ret)
		log_err("queue %u: buffer table of %u slots: %s", q->qid, nr, strerror(-ret));
	return ret;
}

int slots_init_tags(struct queue *q)
{
	return slots_init(q, q->device->depth);
}

void slots_cqe(struct queue *q, struct io *io, unsigned int index, int res)
{
	struct slots_io *s = io->mio;

	if (index == SLOT_PUT) {
		/* The round's I/O and its TAKE fail too, and are waited for. */
		s->lost++;
		log_err("queue %u tag %u: REGISTER: %s", q->qid, io->tag, strerror(-res));
	} else if (s->lost) {
		s->lost--;
	} else {
		log_err("queue %u tag %u: UNREGISTER: %s", q->qid, io->tag, strerror(-res));
	}
}
