/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What has happened to a set between two looks at it.  No I/O.
 *
 * Events have fixed names, which alarms rely on:
 *   started, stopped			the set is served, or is so no more
 *   degraded, whole			a leg is not in sync, or all are
 *   leg-in-sync, leg-stale, leg-failed, leg-missing, leg-rebuilding, leg-spare
 *   leg-added, leg-removed
 *   leg-read-error			a leg could not read what another one has
 *   resync-started, resync-finished, and so for check and repair
 */
#ifndef SRV_MIRROR_EVENTS_H
#define SRV_MIRROR_EVENTS_H

#include "targets/mirror/status.h"

/*
 * struct mirror_event - one of them
 * @set: as it is now; before, when it was stopped
 * @leg: that it is about, or NULL
 */
struct mirror_event {
	const char *id;
	const struct mirror_status *set;
	const struct mirror_leg_status *leg;
};

/*
 * Calls @emit for each, in the order in which they are to be told.  @before NULL: it was not served,
 * and all that is not as it should be is news.  @now NULL: it is not served any more.
 */
void mirror_events(const struct mirror_status *before, const struct mirror_status *now,
		   void (*emit)(void *arg, const struct mirror_event *e), void *arg);

#endif
