/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The changes of a set: how its record becomes the next one.  No I/O.  Each change is one
 * event, with a tag from the caller, who takes it from super_tag().
 *
 * How a change is made, for there is one way only:
 *  1. change a copy of the record, *next;
 *  2. write it to change_first(), then to the rest of change_writers(), each durably;
 *     change_kept() for each leg that has it;
 *  3. when all have it, *next is the record, and what it says may be relied on;
 *  4. when legs failed, change_retry() and go to 2; when it refuses, change_give_up().
 */
#ifndef SRV_CHANGE_H
#define SRV_CHANGE_H

#include "super.h"

/* The legs that get every event: in sync, being rebuilt, or spare. */
u32 change_writers(const struct super_set *s);

/*
 * Those of them that get the event first.  The others are written when these have kept it: a
 * leg that joins, and is alone in knowing so, would be taken for one that was served alone.
 */
u32 change_first(const struct super_set *now, const struct super_set *next);

/* @slot has kept the event that the record is of. */
void change_kept(struct super_set *s, unsigned int slot);

/*
 * Legs have not taken *next: it becomes another event, which drops them as well.  -EBUSY: no
 * leg that is in sync now would keep it.  A leg that joins cannot take over alone: the last of
 * the old ones would not know, and would be served alone later.
 */
int change_retry(const struct super_set *now, struct super_set *next, u64 tag, u32 failed);

/* A change could not be made.  *now stays, and its next event has another number. */
void change_give_up(struct super_set *now, const struct super_set *next);

/*
 * Serving begins.  @missing: legs in sync that are not here, which are stale from now on.
 * @absent: of those being rebuilt, which are stale too.  @source: what struct super_set says.
 */
void change_start(struct super_set *s, u64 tag, u32 missing, u32 absent, u8 source);

/* All writes have ended, every leg has been flushed, the bitmap is written. */
void change_stop(struct super_set *s, u64 tag);

/*
 * Legs have missed something.  @state: FORMAT_STALE or FORMAT_FAILED.  @source: as it was,
 * or another one when that one goes.  -EBUSY and nothing changed: no leg would be in sync.
 */
int change_drop(struct super_set *s, u64 tag, u32 slots, enum format_state state);

/* Where the bitmap has a bit, legs in sync may differ; or they do not any more. */
void change_differ(struct super_set *s, u64 tag, u8 source);
void change_agree(struct super_set *s, u64 tag);

/*
 * A leg that is stale, or a spare, is copied to from now on; @full: all of it.  @holds: the
 * event that its record has, just read; super_knows() it.
 */
void change_rebuild(struct super_set *s, u64 tag, unsigned int slot, struct super_event holds,
		    bool full);

/* Full rebuilds have got on: @rebuilt of their legs has been changed, and the data flushed. */
void change_progress(struct super_set *s, u64 tag);

/* All has been copied, and flushed. */
void change_rebuilt(struct super_set *s, u64 tag, unsigned int slot);

/*
 * A new leg, as a spare; @write_mostly: it is read only if no other one can be.  Returns its slot: an empty
 * one, or the one that was left longest ago; -ENOSPC: all are in use.
 */
int change_add(struct super_set *s, u64 tag, const u8 uuid[16], bool write_mostly);

/* A leg is write-mostly from now on, or no more. */
void change_mark(struct super_set *s, u64 tag, unsigned int slot, bool write_mostly);

/* A leg is of the set no more.  -EBUSY: it is the last one in sync. */
int change_remove(struct super_set *s, u64 tag, unsigned int slot);

#endif
