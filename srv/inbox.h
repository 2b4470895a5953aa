/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What other threads have for a queue's: requests that waited, and may go on; legs whose file
 * is another one, or which hang; that it is to look what has ended, or to end itself.
 *
 * A list, and an eventfd that the queue's ring reads.  The queue's own thread needs no eventfd: it looks
 * at the end of each batch for what it has posted itself.  Why no message from ring to ring: any
 * thread can write to an eventfd, and any kernel has it.
 */
#ifndef SRV_INBOX_H
#define SRV_INBOX_H

#include <pthread.h>
#include <stdatomic.h>

#include "types.h"

struct io;

enum inbox_kind {
	INBOX_IO,
	INBOX_LEG,	/* it is a struct inbox_leg */
	INBOX_LOOK,	/* it is a struct inbox_look */
	INBOX_QUIESCE,	/* what comes is the next server's */
	INBOX_END,	/* and all queues have done what they had in work */
};

/*
 * struct inbox_item - something in an inbox
 * The poster's, and the inbox's from inbox_post() until inbox_take() has returned it.
 */
struct inbox_item {
	struct inbox_item *next;
	enum inbox_kind kind;
	struct io *io;		/* of INBOX_IO: the request that goes on */
};

/*
 * struct inbox_leg - a leg is another file from now on, or none
 * The poster's, one for each queue.  What is under way on the old file keeps that one open, and
 * ends there; steps that the queue sends later go to the new one, or fail with -EBADF.
 * @fd: -1: none.  The poster's to close, once @left is 0
 * @hangs: the file stays, and requests that wait for this leg only go on without it: see
 *	standin.h
 * @left: shared by the items for all queues: how many have not taken it
 */
struct inbox_leg {
	struct inbox_item item;
	unsigned int leg;
	int fd;
	bool hangs;
	_Atomic unsigned int *left;
};

/*
 * struct inbox_look - the queue is to look what has ended without a word
 * Of the owner of the inbox's requests, a target, until target_ops.stop has returned.  Any of its threads posts it
 * with inbox_ask(); the queue's thread lets go of it before it looks.
 * @asked: it is in the inbox, and not to be posted again
 */
struct inbox_look {
	struct inbox_item item;
	_Atomic bool asked;
};

/*
 * struct inbox - of one queue
 * In struct queue, from before its thread starts until target_ops.stop has returned, which may
 * still post: what is in it then is forgotten.  The list is under the lock; @fd is read-only.
 */
struct inbox {
	pthread_mutex_t lock;
	struct inbox_item *first, **last;
	int fd;			/* eventfd: readable when there may be something */
	pthread_t owner;	/* the queue's thread, if @owned; under the lock */
	bool owned;
	bool own;		/* the owner has posted something since its latest look; its own */
};

/* 0 or -errno. */
int inbox_init(struct inbox *in);
void inbox_deinit(struct inbox *in);

/* Any thread; does not block for long. */
void inbox_post(struct inbox *in, struct inbox_item *item);

/* Unless it is there already.  As inbox_post(). */
void inbox_ask(struct inbox *in, struct inbox_look *look);

/* The calling thread is the queue's. */
void inbox_own(struct inbox *in);

/* Has the calling thread, the queue's, posted something that nobody has taken yet? */
static inline bool inbox_has_own(const struct inbox *in)
{
	return in->own;
}

/* All that is there, in order, linked by next; NULL: nothing.  The queue's thread. */
struct inbox_item *inbox_take(struct inbox *in);

#endif
