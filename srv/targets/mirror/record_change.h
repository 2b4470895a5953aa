/* SPDX-License-Identifier: GPL-2.0 */
/* Changes of the set that somebody has asked for.  The record's thread, with the lock held. */
#ifndef SRV_RECORD_CHANGE_H
#define SRV_RECORD_CHANGE_H

#include "record_state.h"

enum record_change_kind {
	RECORD_AGREE,
	RECORD_JOIN,
	RECORD_REBUILT,
	RECORD_PROGRESS,
	RECORD_ADD,
	RECORD_MARK,
	RECORD_REMOVE,
	RECORD_DROPPED,		/* waits for the event that drops it */
};

/*
 * struct record_change - one that was asked for
 * On the stack of who asks, and the record's until @done is posted.
 * @slot: the leg; what RECORD_ADD has chosen
 * @fd, @own, @holds, @full: of RECORD_JOIN, see record_join()
 * @uuid: of RECORD_ADD
 * @write_mostly: of RECORD_ADD and RECORD_MARK
 * @ret: 0 or -errno
 */
struct record_change {
	struct record_change *next;
	enum record_change_kind kind;
	unsigned int slot;
	int fd;
	const struct super_own *own;
	struct super_event holds;
	bool full, write_mostly;
	const u8 *uuid;
	int ret;
	sem_t done;
};

/* The next one becomes *next, which is r->set now; false: there is none that makes an event. */
bool record_change_take(struct record *r, struct super_set *next);

/* An event is made: if it has the change in it, that is done.  A leg that joins has yet to get the bitmap. */
void record_change_made(struct record *r);

/* Have legs that join got the bitmap by now? */
void record_change_written(struct record *r);

/* All that were asked for, and are not in an event, have failed. */
void record_change_fail(struct record *r);

#endif
