/* SPDX-License-Identifier: GPL-2.0 */
/*
 * When a queue that begins no more requests has done those that it had in work.  In its thread.
 */
#ifndef SRV_QUIET_H
#define SRV_QUIET_H

#include "queue.h"

/* What was handed off ends silently, and is looked for so often. */
#define QUIET_POLL_MS	10

/*
 * Is nothing in work any more, and all that was committed with the driver?  Steps that COMMIT is linked behind are
 * not looked at, nor what was left behind on a leg that was dropped.
 */
bool quiet_is(struct queue *q);

/*
 * A step whose COMMIT is linked behind it is silent until the tag's next request.  Mostly it ended long ago; here it
 * gets 100 ms.  One that takes longer is done again by the next server, which waits for the leg.
 */
void quiet_wait_silent(struct queue *q);

#endif
