/* SPDX-License-Identifier: GPL-2.0 */
/*
 * For modes that keep a copy of the data: a buffer per tag, and the legs' I/O
 * on it.
 */
#ifndef SRV_BUFS_H
#define SRV_BUFS_H

#include "../queue.h"

/*
 * struct bufs - the buffers of a queue
 * The mode's state of the queue, or its beginning; written by the queue's thread, before
 * requests flow.
 */
struct bufs {
	char *mem;
	size_t size;		/* bytes, of all */
	unsigned int fixed;	/* bytes of each that are registered */
};

/*
 * One buffer per struct io, of the largest request.  Memory beyond the
 * first 64 KiB is touched only by requests that are so large, unless the kernel
 * gives out huge pages (transparent_hugepage=always): then an idle queue has all of
 * it, but a copy of 512 KiB takes a tenth less.  0 or -errno after a message.
 */
int bufs_init(struct queue *q);
void bufs_deinit(struct queue *q);

/* The request's, until COMMIT. */
static inline char *bufs_of(struct queue *q, const struct io *io)
{
	const struct bufs *b = q->mq;

	return b->mem + (size_t)io->index * q->device->max_io;
}

/* mode_ops.issue: reads and writes between the legs and the buffer. */
void bufs_issue(struct queue *q, struct io *io);

/* The same with @buf, which is not registered. */
void bufs_issue_plain(struct queue *q, struct io *io, char *buf);

/* mode_ops.stand_in, for modes without cmd_addr. */
void bufs_stand_in(struct queue *q, struct io *io, const struct io *from);

#endif
