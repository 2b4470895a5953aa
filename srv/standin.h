/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Requests that wait for a leg which hangs, and which the target has done with, go on without it.
 *
 * What is under way on the leg cannot be taken back, and may use the request's buffer whenever it
 * likes.  So the struct io is left behind with it, and another one stands in: it gets the tag, what
 * is known of the request, and another buffer.  For its target the leg's step has failed with
 * -ETIMEDOUT.  What was left behind is free to stand in itself when the leg has answered.  All of it
 * is the queue's thread's, and goes with the queue.
 *
 * In modes that lend, the leg has the client's pages: a request with data waits until it answers, but
 * for a write that was copied (stable.h).  The driver would not end it before, as the client would use
 * memory again that the leg still reads or writes.
 */
#ifndef SRV_STANDIN_H
#define SRV_STANDIN_H

#include "queue.h"

/* Room for a queue's stand-ins, which are behind its requests in q->ios.  0 or -ENOMEM. */
int standin_init(struct queue *q);
void standin_deinit(struct queue *q);

/*
 * The next request, from place *at on, that waits for nothing but legs of q->hanging: what stands in
 * for it, to be settled.  NULL: there is none.
 */
struct io *standin_next(struct queue *q, unsigned int *at);

/* @io was left behind, and all that it had under way has ended. */
void standin_is_free(struct queue *q, struct io *io);

#endif
