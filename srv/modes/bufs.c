// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "../log.h"
#include "bufs.h"

/*
 * What of each buffer is registered with the ring, which saves finding its pages
 * for every I/O.  Small, as it is pinned; large I/O has other costs.
 */
#define BUFS_FIXED	(64U << 10)

static void bufs_register(struct queue *q)
{
	unsigned int len = min_u64(q->device->max_io, BUFS_FIXED);
	struct iovec *iov = calloc(q->device->depth, sizeof(*iov));

	if (!iov)
		return;
	for (unsigned int tag = 0; tag < q->device->depth; tag++)
		iov[tag] = (struct iovec){ q->ios[tag].buf, len };
	/* Without the right to pin so much, plain I/O does as well. */
	if (!io_uring_register_buffers(&q->ring, iov, q->device->depth))
		q->bufs_fixed = len;
	free(iov);
}

int bufs_init(struct queue *q)
{
	q->bufs_size = (size_t)q->device->depth * q->device->max_io;
	q->bufs = mmap(NULL, q->bufs_size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (q->bufs == MAP_FAILED) {
		q->bufs = NULL;
		log_err("queue %u: %zu bytes of buffers: %s", q->qid, q->bufs_size, strerror(errno));
		return -ENOMEM;
	}
	for (unsigned int tag = 0; tag < q->device->depth; tag++)
		q->ios[tag].buf = q->bufs + (size_t)tag * q->device->max_io;
	bufs_register(q);
	return 0;
}

void bufs_deinit(struct queue *q)
{
	if (q->bufs)
		munmap(q->bufs, q->bufs_size);
}

static const u8 bufs_ops[2][2] = {
	[false] = { [STEP_READ] = IORING_OP_READ, [STEP_WRITE] = IORING_OP_WRITE },
	[true] = { [STEP_READ] = IORING_OP_READ_FIXED, [STEP_WRITE] = IORING_OP_WRITE_FIXED },
};

void bufs_issue(struct queue *q, struct io *io)
{
	bool fixed = io->len <= q->bufs_fixed;

	for (unsigned int i = 0; i < io->nr_steps; i++) {
		struct step *s = &io->steps[i];

		/* The buffer is the tag's until COMMIT. */
		if (s->state == STEP_TODO)
			queue_rw_step(q, io, s, bufs_ops[fixed][s->op],
				      (uintptr_t)io->buf, fixed ? io->tag : 0);
	}
}
