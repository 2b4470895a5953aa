/* SPDX-License-Identifier: GPL-2.0 */
/*
 * For modes that keep a copy of the data: a buffer per tag, and the legs' I/O
 * on it.
 */
#ifndef SRV_BUFS_H
#define SRV_BUFS_H

#include "../queue.h"

/*
 * One buffer per tag, of the largest request, in io->buf.  Memory beyond the
 * first 64 KiB is touched only by requests that are so large, unless the kernel
 * gives out huge pages (transparent_hugepage=always): then an idle queue has all of
 * it, but a copy of 512 KiB takes a tenth less.  0 or -errno after a message.
 */
int bufs_init(struct queue *q);
void bufs_deinit(struct queue *q);

/* mode_ops.issue: reads and writes between the legs and the buffer. */
void bufs_issue(struct queue *q, struct io *io);

#endif
