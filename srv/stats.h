/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a queue does, counted while somebody asks.
 *
 * A request that comes is a CQE, and its end an SQE; of a step on a leg it is the other way round.  So who looks at
 * the ring, where a batch begins and where it ends, has seen all, and the code of requests does not know of it.
 * The price: nothing that was under way when counting began is counted, and what moves a copy's data
 * between the driver and the server, and a mirror's record, are not among it.
 */
#ifndef SRV_STATS_H
#define SRV_STATS_H

#include "stats_line.h"

struct queue;

/* Who asks again within so many ms of the last time finds that all was counted. */
#define STATS_KEEP_MS	300000

/*
 * struct stats - one queue's
 * The main thread makes it when first asked, and frees it when the queue is over.  Counters are the queue's
 * thread's, which the main thread reads as they are.
 */
struct stats {
	u64 until;		/* ms of CLOCK_MONOTONIC: counting ends then; written by the main thread */
	bool counts;		/* this batch is one of those that are counted */
	unsigned int tail;	/* the ring's sqe_tail up to which SQEs were looked at */
	unsigned int max_steps;
	u64 *requests;		/* by tag: when it came, ns; 0: it is not here, or came before */
	struct stats_step {
		u64 since;	/* ns; 0: not under way */
		u8 leg;
		u8 kind;
	} *steps;		/* by index of the io, max_steps each */
	struct stats_part own;
	struct stats_part legs[MAX_LEGS];
};

/* In the main thread: from now on count, for STATS_KEEP_MS.  0 or -ENOMEM. */
int stats_want(struct queue *q, u64 now_ms);
void stats_free(struct queue *q);

/* In the queue's thread, of its ring: CQEs from @head to @tail are there; what was sent since, if that is counted. */
void stats_came(struct queue *q, unsigned int head, unsigned int tail);
void stats_sent(struct queue *q);

#endif
