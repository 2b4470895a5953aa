// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "../log.h"
#include "bufs.h"

int bufs_init(struct queue *q)
{
	q->bufs_size = (size_t)q->depth * q->max_io;
	q->bufs = mmap(NULL, q->bufs_size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (q->bufs == MAP_FAILED) {
		q->bufs = NULL;
		log_err("queue %u: %zu bytes of buffers: %s", q->qid, q->bufs_size, strerror(errno));
		return -ENOMEM;
	}
	for (unsigned int tag = 0; tag < q->depth; tag++)
		q->ios[tag].buf = q->bufs + (size_t)tag * q->max_io;
	return 0;
}

void bufs_deinit(struct queue *q)
{
	if (q->bufs)
		munmap(q->bufs, q->bufs_size);
}

void bufs_issue(struct queue *q, struct io *io)
{
	for (unsigned int i = 0; i < io->nr_steps; i++) {
		struct step *s = &io->steps[i];

		/* The buffer is the tag's until COMMIT. */
		if (s->state == STEP_TODO)
			queue_rw_step(q, io, s,
				      s->op == STEP_READ ? IORING_OP_READ : IORING_OP_WRITE,
				      (uintptr_t)io->buf + s->done, 0);
	}
}
