/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the files of target mirror share.
 *
 *   mirror.c	opening and serving; where requests go
 *   legs.c	which legs are live, and why the others are not
 *   join.c	legs that come
 *   tell.c	what status tells, and the log
 *   ops.c	what it can be told (ops.h)
 */
#ifndef SRV_MIRROR_STATE_H
#define SRV_MIRROR_STATE_H

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "../../burst.h"
#include "../../target.h"
#include "limit.h"
#include "plan.h"
#include "reader.h"
#include "record.h"
#include "region.h"
#include "resync.h"

/* Beside enum step_op: what a leg can fail at. */
enum { MIRROR_OP_RECORD = STEP_DELAY + 1, MIRROR_OP_SHRUNK, MIRROR_OP_COPY, MIRROR_OP_OWNER,
       MIRROR_OP_TIMEOUT };

/*
 * struct mirror_leg - what happened to a leg
 * In struct mirror.  The dropped_* fields are written once, under the lock,
 * before the leg's bit in live goes; read under the lock.  So are the read errors,
 * and written.
 */
struct mirror_leg {
	u64 read_errors;
	struct burst read_burst;
	u64 read_sector;	/* of the latest error */
	u64 hour_at, hour_errors;	/* when an hour began, ms, and its read errors */
	int read_err;
	int blamed;		/* the error that it is about to be dropped for, before the record does; or 0 */
	int dropped_err;	/* -errno, 0: it is live */
	u8 dropped_op;		/* enum step_op, or MIRROR_OP_* */
	u64 dropped_sector;
	u32 dropped_len;	/* bytes */
	time_t dropped_at;
	/* What is under way on it; what is known to wait for this leg, and not for another one.  The main thread's. */
	u64 oldest_ms, sure_ms;

	/*
	 * The main thread's, of a leg that was dropped; @left: queues that still have its file.
	 * @leaving: an item for each queue, in their inboxes until @left is 0.  Freed then, or, when
	 *	queues end before, by mirror_close().
	 */
	struct inbox_leg *leaving;
	_Atomic unsigned int left;

	/*
	 * The same of a leg that was dropped and hangs: requests are to go on without it.
	 * @to_hurry: queues that have not looked yet.  Freed by mirror_close().
	 */
	struct inbox_leg *hurry;
	_Atomic unsigned int to_hurry;

	/*
	 * The same of a leg that joins; @to_take: queues that have not its file yet.
	 * @replaces: the slot of the leg that goes when this one is in sync, and 1 more; 0: none
	 */
	struct inbox_leg *arriving;
	_Atomic unsigned int to_take;
	bool joining;
	unsigned int replaces;
};

/*
 * struct mirror - the state of the set
 * mirror_open() to mirror_close().
 * @sync: the legs that have all the data.  A bit is cleared under @lock, and never the last one.
 *	A queue clears it before it commits the request that the leg has missed: a client that
 *	knows of the data cannot be given the leg that has it not.
 * @live: those, and the legs that are being rebuilt: they get what is written.  Any queue reads
 *	it; written as @sync is.
 * @read: those of @sync that are read: all, or one when legs may differ and no record says
 *	where.  Written as @sync is.
 * @write_mostly: of these, those that are read only if no other one can be; any queue reads it;
 *	written under @lock
 * @record: NULL: there is none
 * @at: where each leg's data begins, bytes
 * @fds: each leg's file, for @resync; of a set
 * @regions, @resync: of a set; @resyncs: it runs
 * @files: legs that are files, which may become shorter
 * @queues: @nr_queues of them
 * @limits: under @lock; without a record there are none
 *
 * Order of locks: @lock, then the record's.
 */
struct mirror {
	_Atomic u32 sync, live, read, write_mostly;
	struct record *record;
	struct regions regions;
	struct resync resync;
	bool resyncs;
	u64 at[MAX_LEGS];
	int fds[MAX_LEGS];
	u32 files;
	pthread_mutex_t lock;
	struct mirror_leg legs[MAX_LEGS];
	struct mirror_queue *queues;
	unsigned int nr_queues;
	struct mirror_limits limits;
};

/*
 * struct mirror_queue - of one queue; its thread's
 * @record: NULL without one
 * @look: the thread that copies and the record's post it; in @inbox until the queue has taken it
 * @new_legs: legs in sync since a moment ago, of which @reader does not know yet; any thread sets a bit
 * @looked: at the files' sizes, in this batch
 * @alone: there is one request in this batch
 * @again: a request is planned that was planned before
 */
struct mirror_queue {
	struct reader reader;
	struct record_queue *record;
	struct inbox *inbox;
	struct inbox_look look;
	_Atomic u32 new_legs;
	bool looked, alone, again;
};

/*
 * struct mirror_io - of one request
 * The queue's thread's; while the request waits, @wait is the record's and @item the inbox's.
 * @tried: the legs that have failed to read it; @faulty: those that are at fault
 * @epoch: that the write began in, for the record
 * @sent: a write whose steps were planned
 * @note: a block of the bitmap, which its steps write before
 * @began: a read that is timed, ns; 0: it is not
 */
struct mirror_io {
	u32 tried, faulty;
	u64 began;
	u32 epoch;
	bool sent;
	struct record_wait wait;
	struct record_note note;
	struct inbox_item item;
	struct inbox *inbox;
};

/* mirror.c: @limits has changed. */
void mirror_pace(struct mirror *m);

/* legs.c */

/*
 * Some leg has not done its step.  Returns whether those that stay may differ there; *err is what
 * the client gets to know.  A queue's thread.
 */
bool mirror_drop_failed(struct target *t, struct io *io, int *err);

/* Somebody has cut the file: what it has no more would be read as zeroes once a write extends it. */
void mirror_drop_shrunk(struct target *t, unsigned int leg);

/*
 * The record has no use for a leg any more, because it does not take its record, or because a
 * request has failed on it.  Another leg is live.  Any thread.
 */
void mirror_dropped(void *arg, unsigned int leg, int err);

/*
 * Legs that are rebuilt.  Neither the lock is held, nor is it a queue's thread.
 *
 * The leg's record says that it is being rebuilt, with record_join(), and every queue has its file:
 * it gets what is written from now on, and what it lacks is copied to it.
 */
void mirror_joined(struct target *t, unsigned int slot);

/* By the thread that copies: @leg has it all; @leg has failed a write. */
void mirror_rebuilt(void *arg, unsigned int leg);
void mirror_copy_failed(void *arg, unsigned int leg, int err);

/*
 * Closes what was dropped, as soon as nobody uses it any more.  Returns the ms until it is to be
 * called again, or -1.  The main thread, with the lock held.
 */
int mirror_let_go(struct target *t);

/* target_ops.watch: also fails the legs that have hung for too long. */
void mirror_watch(struct target *t, const struct watch_ages *ages);

/* A leg could not give what another one may. */
void mirror_read_failed(struct target *t, const struct io *io, const struct step *s);

/*
 * Where legs may differ a read goes to one of them, which could not do it: it is dropped.  False: no
 * other leg is in sync.
 */
bool mirror_drop_source(struct target *t, const struct io *io, const struct step *s);

/* From now on, or no more; under its mark in the record, if there is one. */
void mirror_mark(struct mirror *m, unsigned int leg, bool write_mostly);

/* The record is about to drop it because somebody wants that.  Without the lock. */
void mirror_blame_owner(struct mirror *m, unsigned int leg);

/* join.c */

/*
 * Legs that join get every write as soon as all queues have their file; those that they replace
 * go when they are in sync.  Returns the ms until it is to be called again, or -1.  The main thread,
 * without the lock.
 */
int mirror_join_on(struct target *t);

/* tell.c: target_ops.tick, and the others. */

int mirror_tick(struct target *t, u64 now);
void mirror_status_json(struct target *t, struct json *j);
void mirror_status_text(struct target *t, FILE *out);

/* struct mirror_view - a set, taken at one time */
struct mirror_view {
	struct super_set set;
	u64 differ, missed;	/* bytes */
	bool whole;		/* every leg is in sync */
	struct resync_progress resync;
	const char *state;	/* "clean", "dirty", "resync" or "degraded" */
};

/* Of a mirror with a record. */
void mirror_look(struct mirror *m, struct mirror_view *v);

/* As the record calls it, but for a leg that is not here. */
const char *mirror_slot_state(const struct target *t, const struct super_set *s, unsigned int slot);

/* Of a leg that was dropped, with the lock held: by what, and when. */
void mirror_leg_error(const struct mirror_leg *ml, char *text, size_t len);

/* With the lock held: why a leg was dropped. */
void mirror_tell_drop(const struct leg *leg, const struct mirror_leg *ml);

#endif
