/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Whether a queue's thread preempts others when requests wake it.
 *
 * A thread that does is there at once, often for a single request: with a client
 * that keeps many in flight, on the same processor, every request then costs two
 * context switches.  One that does not (SCHED_BATCH) comes when the client has
 * no more to submit, and finds them all.  But when the client waits for one
 * request and somebody else computes, it comes when that one's time slice is over.
 *
 * So look at how many requests are in work at once: many, and it is the batch
 * that counts; one or two, and it is the single request.
 */
#ifndef SRV_PACE_H
#define SRV_PACE_H

#include "types.h"

enum pace_policy {
	PACE_AUTO,
	PACE_NORMAL,
	PACE_BATCH,
};

extern const char *const pace_names[];	/* by enum pace_policy, NULL-terminated */

#define PACE_WINDOW	256	/* requests between two looks */
#define PACE_MANY	4
#define PACE_FEW	2

/*
 * struct pace - of one queue
 * In struct queue, zeroed; written by the queue's thread.
 * @inflight: requests in work, or committed in this batch: those came together.  Of those whose COMMIT is linked
 *	behind their step, and those that are handed off, nothing is heard: they count as committed when they are sent
 * @done: of these, committed
 * @peak: the most since the latest look
 * @seen: requests since then
 * @batch: the thread is SCHED_BATCH
 */
struct pace {
	u8 policy;	/* enum pace_policy */
	bool batch;
	u16 inflight;
	u16 done;
	u16 peak;
	u16 seen;
};

/* At the start of the thread. */
void pace_start(struct pace *p, enum pace_policy policy);

/* What is right after a window with this peak; between few and many, what is. */
static inline bool pace_wants_batch(const struct pace *p)
{
	if (p->policy != PACE_AUTO)
		return p->policy == PACE_BATCH;
	if (p->peak >= PACE_MANY)
		return true;
	return p->peak > PACE_FEW && p->batch;
}

/* Out of line: once in PACE_WINDOW requests; a system call when it changes. */
void pace_look(struct pace *p);

static inline void pace_begin(struct pace *p)
{
	if (++p->inflight > p->peak)
		p->peak = p->inflight;
	if (unlikely(++p->seen == PACE_WINDOW))
		pace_look(p);
}

static inline void pace_end(struct pace *p)
{
	p->done++;
}

/* The batch has been submitted. */
static inline void pace_submitted(struct pace *p)
{
	p->inflight -= p->done;
	p->done = 0;
}

#endif
