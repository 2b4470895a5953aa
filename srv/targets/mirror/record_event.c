// SPDX-License-Identifier: GPL-2.0
/*
 * Events on the legs: change.h has the order.  When all legs have an event in one copy, the set
 * is what it says; their other copies follow, and nobody waits for these but the next event.
 */
#include <string.h>
#include <time.h>

#include "record_change.h"
#include "record_event.h"
#include "record_io.h"

static void record_event_write(struct record *r);

/*
 * A copy of @set to each of @slots.  A leg's own place moves on only when the copy is there: one
 * that failed may be torn, and is written over, so that the other copy stays whole.
 */
static void record_event_send(struct record *r, const struct super_set *set, u32 slots,
			      void (*done)(struct record *r, struct record_op *op))
{
	struct record_op *op = &r->ops[RECORD_EVENT];

	for (u32 rest = slots; rest; rest &= rest - 1) {
		unsigned int slot = __builtin_ctz(rest);

		r->next_own[slot] = r->legs[slot].own;
		super_next(&r->next_own[slot], time(NULL));
		super_encode(set, &r->next_own[slot], op->buf + slot * FORMAT_COPY_BYTES);
	}
	record_io_send(r, RECORD_EVENT, slots, done);
}

static u32 record_event_kept(struct record *r, const struct record_op *op)
{
	u32 kept = op->slots & ~op->failed;

	for (u32 rest = kept; rest; rest &= rest - 1)
		r->legs[__builtin_ctz(rest)].own = r->next_own[__builtin_ctz(rest)];
	return kept;
}

static void record_event_give_up(struct record *r, int err)
{
	pthread_mutex_lock(&r->lock);
	change_give_up(&r->set, &r->next);
	r->agreeing = false;
	pthread_mutex_unlock(&r->lock);
	r->phase = RECORD_IDLE;
	record_break(r, err);
}

/* Legs have not taken it: it becomes the event that drops them as well. */
static void record_event_retry(struct record *r, const struct record_op *op)
{
	u32 stay = record_drop(r, op->failed, op->err), gone;

	/* One that joins is not of the set yet. */
	pthread_mutex_lock(&r->lock);
	r->gone |= op->failed & ~change_writers(&r->set);
	pthread_mutex_unlock(&r->lock);
	/* Also those that a queue has dropped meanwhile. */
	gone = change_writers(&r->next) & r->here & ~record_usable(r);
	if (stay || change_retry(&r->set, &r->next, super_tag(), gone))
		record_event_give_up(r, op->err[__builtin_ctz(op->failed)]);
	else
		record_event_write(r);
}

static void record_event_second_done(struct record *r, struct record_op *op)
{
	record_event_kept(r, op);
	r->phase = RECORD_IDLE;
	/* The last leg in sync has the event in one copy: the next one goes where this failed. */
	if (op->failed)
		record_drop(r, op->failed, op->err);
}

static void record_event_made(struct record *r)
{
	pthread_mutex_lock(&r->lock);
	if (r->set.source != FORMAT_NO_SOURCE)
		r->former = r->set.source;
	r->set = r->next;
	record_keep(r);
	record_age_soon(r);
	record_change_made(r);
	r->want_source &= r->set.source == FORMAT_NO_SOURCE;
	r->changing = r->broken || record_event_due(r);
	pthread_mutex_unlock(&r->lock);
	/* Who is woken too often waits again. */
	r->wake_ends |= !r->changing;
	r->phase = RECORD_SECOND;
	record_event_send(r, &r->set, change_writers(&r->set) & record_usable(r),
			  record_event_second_done);
}

static bool record_event_took(struct record *r, struct record_op *op)
{
	u32 kept = record_event_kept(r, op);

	for (; kept; kept &= kept - 1)
		change_kept(&r->next, __builtin_ctz(kept));
	if (!op->failed)
		return true;
	record_event_retry(r, op);
	return false;
}

static void record_event_rest_done(struct record *r, struct record_op *op)
{
	if (record_event_took(r, op))
		record_event_made(r);
}

static void record_event_first_done(struct record *r, struct record_op *op)
{
	u32 rest;

	if (!record_event_took(r, op))
		return;
	rest = change_writers(&r->next) & record_usable(r) & ~op->slots;
	if (!rest) {
		record_event_made(r);
		return;
	}
	r->phase = RECORD_REST;
	record_event_send(r, &r->next, rest, record_event_rest_done);
}

static void record_event_write(struct record *r)
{
	u32 first = change_first(&r->set, &r->next) & record_usable(r);

	if (!first) {
		record_event_give_up(r, -ENODEV);
		return;
	}
	r->phase = RECORD_FIRST;
	record_event_send(r, &r->next, first, record_event_first_done);
}

void record_event_make(struct record *r, const struct super_set *next)
{
	r->next = *next;
	record_event_write(r);
}

static void record_event_drop(const struct record *r, struct super_set *next, u32 slots)
{
	change_drop(next, super_tag(), slots, FORMAT_FAILED);
	for (slots &= r->stale; slots; slots &= slots - 1)
		next->legs[__builtin_ctz(slots)].state = FORMAT_STALE;
}

void record_event_start(struct record *r)
{
	struct super_set next;
	u32 drop;
	bool due;

	if (r->phase != RECORD_IDLE)
		return;
	pthread_mutex_lock(&r->lock);
	due = record_event_due(r);
	next = r->set;
	drop = record_drops_due(r);
	if (drop)
		record_event_drop(r, &next, drop);
	else if (due)
		change_differ(&next, super_tag(), record_source_slot(r));
	else
		due = record_change_take(r, &next);
	pthread_mutex_unlock(&r->lock);
	if (due)
		record_event_make(r, &next);
}
