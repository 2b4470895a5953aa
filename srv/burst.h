/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Events that come in bursts, and the few lines of the log that they are worth: one at
 * once, for the first, and then a sum when it is over, or every minute.  No clock of
 * its own, no lock.
 */
#ifndef SRV_BURST_H
#define SRV_BURST_H

#include "types.h"

/* So long without an event ends a burst; */
#define BURST_QUIET_MS	10000
/* the sum of one that does not end comes so often. */
#define BURST_SUM_MS	60000

/*
 * struct burst - one kind of event
 * Zeroed before; its user's lock.
 * @last: time of the latest event, ms; 0: no burst is on
 * @told: time of the latest line
 * @untold: events since, which no line has counted
 */
struct burst {
	u64 last, told;
	u64 untold;
};

/* An event.  True: it is the first one, and has to be told. */
bool burst_event(struct burst *b, u64 now);

/*
 * How long until burst_sum() has something to do, in ms; -1: it has nothing before the
 * next event.
 */
int burst_due(const struct burst *b, u64 now);

/* How many events to tell of now; 0: none, or it is not time. */
u64 burst_sum(struct burst *b, u64 now);

/* The same at the end, when there is no later. */
u64 burst_end(struct burst *b);

#endif
