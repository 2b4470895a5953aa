/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a set of legs must say and do, whatever happens to it: a model without any I/O, for a test
 * that tells it what was done, asks it what the answer has to be, and shows it what `status` says.
 *
 * A leg is a disk of the test, by number.  Some things happen by themselves: a leg that is copied
 * to comes to be in sync, one that is broken is dropped.  The model does not know when, so it says
 * SET_EITHER where it matters, and set_model_see() takes what is possible for what is so.
 *
 * Why not assemble.c and change.c, which know all of that: they are what is tested.  Here a leg
 * remembers one thing only, who was in sync when it heard of the set last.
 */
#ifndef TESTS_SET_MODEL_H
#define TESTS_SET_MODEL_H

#include "check.h"

#define SET_MODEL_DISKS	8

enum set_state {
	SET_NONE,		/* not of the set, and empty */
	SET_IN_SYNC,
	SET_REBUILDING,
	SET_FAILED,
	SET_STALE,
	SET_REMOVED,		/* of the set no more, and has its record still */
	NR_SET_STATES
};

enum set_answer { SET_NO, SET_YES, SET_EITHER };

/* What an assembly of some legs comes to. */
enum set_verdict {
	SET_SERVES,
	SET_WANTS_DEGRADED,	/* and serves with --degraded */
	SET_REFUSES,
	SET_UNKNOWN,		/* the model cannot say */
};

/*
 * struct set_model_leg - a disk
 * @broken: it takes no writes, so it may be dropped at any time
 * @unsure: nobody has seen what it was when it was dropped
 * @doubtful: was left out after a crash, and may have an event that the others have not
 * @replaces: 0, or the disk that goes when this one is in sync, + 1
 * @pending: a command that was not waited for may have made it a leg, or removed it
 * @event, @in_sync: the change that it heard of last, and which legs were in sync then
 */
struct set_model_leg {
	enum set_state state;
	bool broken, unsure, doubtful, pending;
	unsigned int replaces;
	u32 event, in_sync;
};

/*
 * struct set_model - a set
 * Plain data, of the test.  There is always a leg in sync.
 */
struct set_model {
	unsigned int nr;
	u32 event;
	struct set_model_leg legs[SET_MODEL_DISKS];
};

/* Disks 0 to @legs - 1 of @nr are its legs, in sync. */
void set_model_init(struct set_model *m, unsigned int nr, unsigned int legs);

/* Legs in a state, as bits. */
u32 set_model_are(const struct set_model *m, enum set_state state);
/* Those that fail their I/O, in whatever state. */
u32 set_model_broken(const struct set_model *m);
/* Those in sync whatever happens by itself. */
u32 set_model_good(const struct set_model *m);
/* Another one takes its place, and may have done so. */
bool set_model_is_replaced(const struct set_model *m, unsigned int leg);
/* Every leg is in sync. */
bool set_model_is_whole(const struct set_model *m);

/*
 * A command for a leg of a set that is served: does it succeed?  When it has, tell it.  Whoever
 * lets the last leg of set_model_good() go while others are broken loses the set: do not.
 */
enum set_answer set_model_may_fail(const struct set_model *m, unsigned int leg);
enum set_answer set_model_may_remove(const struct set_model *m, unsigned int leg);
enum set_answer set_model_may_add(const struct set_model *m, unsigned int leg);
/* @with takes the place of @leg. */
enum set_answer set_model_may_replace(const struct set_model *m, unsigned int leg, unsigned int with);
/* There are two to compare. */
enum set_answer set_model_may_check(const struct set_model *m);

void set_model_fail(struct set_model *m, unsigned int leg);
void set_model_remove(struct set_model *m, unsigned int leg);
void set_model_add(struct set_model *m, unsigned int leg);
void set_model_replace(struct set_model *m, unsigned int leg, unsigned int with);

/* Its first MiB was zeroed. */
void set_model_wipe(struct set_model *m, unsigned int leg);
/* It takes no writes from now on; or it does. */
void set_model_break(struct set_model *m, unsigned int leg);
void set_model_mend(struct set_model *m, unsigned int leg);

/* What is said of it, SET_NONE: nothing.  False: that cannot be. */
bool set_model_see(struct set_model *m, unsigned int leg, enum set_state state);

/* Nobody serves it any more.  After a crash, show it first what each leg that can be read says. */
void set_model_stopped(struct set_model *m);
/* What becomes of it with these legs. */
enum set_verdict set_model_assemble(const struct set_model *m, u32 legs);
/* They are served, all others not.  @crashed: before, and not stopped. */
void set_model_assembled(struct set_model *m, u32 legs, bool crashed);

/* "in-sync" and so on, as regbuf says it; NULL for what it does not say. */
const char *set_state_word(enum set_state state);

#endif
