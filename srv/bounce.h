/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Requests that go through a buffer of the server's, in modes whose legs otherwise have the
 * client's own pages.
 *
 * Writes whose data the client may change meanwhile, when it was asked for that (stable.h): all legs
 * get the same bytes.
 *
 * What a leg refuses for the shape of the client's pages is done once more that way.  In modes that
 * lend, the device announces what every leg can take, and this is not used.  It is there for what
 * cannot be announced, or has changed since: a leg that answers -EINVAL has done nothing, and has no
 * fault.  Without this a mirror would have a leg that missed a write.
 *
 * The data moves between buffer and request by read and write on the char device,
 * as in mode user-copy.  The price is a copy, and a round or two through the ring, for each such
 * request.
 */
#ifndef SRV_BOUNCE_H
#define SRV_BOUNCE_H

#include "pool.h"
#include "queue.h"

/*
 * struct bounce - the buffers of a queue
 * From bounce_init() to bounce_deinit(); used by the queue's thread.  One is a request's from bounce_run()
 * until all that it has in flight has ended, also when that is after the request.  Those of an idle
 * queue have no memory.
 */
struct bounce {
	struct pool pool;
	bool told;	/* that a leg refuses a shape */
	char *bufs[];	/* by index of the struct io, NULL: it needs none */
};

/*
 * Make the buffers, if they are not there.  Before the first request where it is known that there will be
 * such; else the first one does.  0, or -ENOMEM after a message.
 */
int bounce_init(struct queue *q);

/* Is there a step that is TODO, of those that have data, and has to go through the buffer? */
bool bounce_wants(const struct io *io);

/* Do all that is TODO of the request through the buffer; nothing of it is in flight. */
void bounce_run(struct queue *q, struct io *io);

/* A CQE of kind UD_BOUNCE.  True: nothing is in flight any more, settle the request. */
bool bounce_cqe(struct queue *q, struct io *io, unsigned int index, int res);

/* No request came for a while. */
void bounce_idle(struct queue *q);

/* No request is in work any more. */
void bounce_deinit(struct queue *q);

#endif
