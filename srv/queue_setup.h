/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a queue needs before its first request: ring, files, buffers, memory.
 */
#ifndef SRV_QUEUE_SETUP_H
#define SRV_QUEUE_SETUP_H

#include "queue.h"

/* In the queue's thread, to which the ring belongs.  0, or -errno after a message, with no ring then. */
int queue_init(struct queue *q);

/* The same thread, also when queue_init() failed: all but what queue_watch() reads, and the ring. */
void queue_deinit(struct queue *q);

/* When the thread has ended: what queue_watch() reads. */
void queue_unmap(struct queue *q);

#endif
