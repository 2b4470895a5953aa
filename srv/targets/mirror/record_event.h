/* SPDX-License-Identifier: GPL-2.0 */
/* Changes of a set that is served.  The record's thread, without the lock. */
#ifndef SRV_RECORD_EVENT_H
#define SRV_RECORD_EVENT_H

#include "record_state.h"

/* Write *next, which is not r->set yet.  No event is being written. */
void record_event_make(struct record *r, const struct super_set *next);

/* If one is due, and can be written now. */
void record_event_start(struct record *r);

#endif
