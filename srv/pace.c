// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <sched.h>
#include <string.h>

#include "log.h"
#include "pace.h"

const char *const pace_names[] = {
	[PACE_AUTO]	= "auto",
	[PACE_NORMAL]	= "normal",
	[PACE_BATCH]	= "batch",
	NULL
};

/* Of the calling thread: 0 is that, not the process. */
static void pace_set(struct pace *p, bool batch)
{
	const struct sched_param none = { 0 };

	p->batch = batch;
	if (sched_setscheduler(0, batch ? SCHED_BATCH : SCHED_OTHER, &none)) {
		log_warn("scheduling policy: %s", strerror(errno));
		p->policy = PACE_NORMAL;
		p->batch = false;
	}
}

void pace_start(struct pace *p, enum pace_policy policy)
{
	p->policy = policy;
	if (policy == PACE_BATCH)
		pace_set(p, true);
}

void pace_look(struct pace *p)
{
	bool batch = pace_wants_batch(p);

	if (batch != p->batch)
		pace_set(p, batch);
	p->peak = p->inflight;
	p->seen = 0;
}
