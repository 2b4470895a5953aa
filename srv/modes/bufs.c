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
	struct bufs *b = q->mq;
	unsigned int len = min_u64(q->device->max_io, BUFS_FIXED);
	struct iovec *iov = calloc(q->device->depth, sizeof(*iov));

	if (!iov)
		return;
	for (unsigned int tag = 0; tag < q->device->depth; tag++)
		iov[tag] = (struct iovec){ bufs_of(q, queue_io(q, tag)), len };
	/* Without the right to pin so much, plain I/O does as well. */
	if (!queue_slots_init(q, iov, q->device->depth))
		b->fixed = len;
	free(iov);
}

int bufs_init(struct queue *q)
{
	struct bufs *b = q->mq;

	b->size = (size_t)queue_nr_ios(q) * q->device->max_io;
	b->mem = mmap(NULL, b->size, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (b->mem == MAP_FAILED) {
		b->mem = NULL;
		log_err("queue %u: %zu bytes of buffers: %s", q->qid, b->size, strerror(errno));
		return -ENOMEM;
	}
	bufs_register(q);
	return 0;
}

void bufs_deinit(struct queue *q)
{
	struct bufs *b = q->mq;

	if (b->mem)
		munmap(b->mem, b->size);
}

static const u8 bufs_ops[2][2] = {
	[false] = { [STEP_READ] = IORING_OP_READ, [STEP_WRITE] = IORING_OP_WRITE },
	[true] = { [STEP_READ] = IORING_OP_READ_FIXED, [STEP_WRITE] = IORING_OP_WRITE_FIXED },
};

static inline void bufs_steps(struct queue *q, struct io *io, char *buf, bool fixed)
{
	for (unsigned int i = 0; i < io->nr_steps; i++) {
		const struct step *s = &io->steps[i];

		/* The buffer is the request's until COMMIT. */
		if (s->state == STEP_TODO)
			queue_rw_step(q, io, i, bufs_ops[fixed][s->op], (uintptr_t)buf,
				      fixed ? io->index : 0);
	}
}

void bufs_issue(struct queue *q, struct io *io)
{
	const struct bufs *b = q->mq;

	bufs_steps(q, io, bufs_of(q, io), io->len <= b->fixed && likely(io->index < q->device->depth));
}

void bufs_issue_plain(struct queue *q, struct io *io, char *buf)
{
	bufs_steps(q, io, buf, false);
}

void bufs_stand_in(struct queue *q, struct io *io, const struct io *from)
{
	/* Only read: the leg that hangs may read it as well. */
	if (io_data_is_due(io))
		memcpy(bufs_of(q, io), bufs_of(q, from), io->len);
}
