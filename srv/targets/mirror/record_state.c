// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../clock.h"
#include "../../log.h"
#include "record_state.h"

/* Legs. */

u32 record_in_sync_locked(const struct record *r)
{
	return super_slots(&r->set, FORMAT_IN_SYNC) & r->here & ~r->gone;
}

u32 record_usable(struct record *r)
{
	u32 slots;

	pthread_mutex_lock(&r->lock);
	slots = r->here & ~r->gone;
	pthread_mutex_unlock(&r->lock);
	return slots;
}

u32 record_in_sync(struct record *r)
{
	u32 slots;

	pthread_mutex_lock(&r->lock);
	slots = record_in_sync_locked(r);
	pthread_mutex_unlock(&r->lock);
	return slots;
}

u32 record_with_data(struct record *r)
{
	u32 slots;

	pthread_mutex_lock(&r->lock);
	slots = (super_slots(&r->set, FORMAT_IN_SYNC) | super_slots(&r->set, FORMAT_REBUILDING)) & r->here & ~r->gone;
	pthread_mutex_unlock(&r->lock);
	return slots;
}

void record_unlock_kick(struct record *r)
{
	const u64 one = 1;
	bool kick = !r->kicked;

	r->kicked = true;
	pthread_mutex_unlock(&r->lock);
	while (kick && write(r->kick_fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

u32 record_drops_due(const struct record *r)
{
	return r->gone & change_writers(&r->set) & ~super_slots(&r->set, FORMAT_SPARE);
}

bool record_event_due(const struct record *r)
{
	return record_drops_due(r) || r->want_source;
}

u8 record_source_slot(const struct record *r)
{
	u32 in_sync = record_in_sync_locked(r);

	if (r->set.source != FORMAT_NO_SOURCE && in_sync >> r->set.source & 1)
		return r->set.source;
	/* It was read where the legs differ now, before an event can name it again. */
	if (r->former != FORMAT_NO_SOURCE && in_sync >> r->former & 1)
		return r->former;
	return super_first(&r->set, in_sync);
}

u32 record_drop_locked(struct record *r, u32 slots, u32 *stay)
{
	u32 in_sync = record_in_sync_locked(r);

	slots &= change_writers(&r->set) & r->here & ~r->gone;
	*stay = in_sync & ~slots ? 0 : in_sync & slots;
	slots &= ~*stay;
	r->gone |= slots;
	/* No event is made for a spare, which has no data. */
	if (slots & ~super_slots(&r->set, FORMAT_SPARE)) {
		r->changing = true;
		/* What is written from now on is missed by somebody. */
		r->bits.keep = true;
	}
	return slots;
}

u32 record_drop(struct record *r, u32 slots, const int err[FORMAT_LEGS])
{
	u32 stay;

	pthread_mutex_lock(&r->lock);
	slots = record_drop_locked(r, slots, &stay);
	pthread_mutex_unlock(&r->lock);
	for (; slots; slots &= slots - 1)
		r->dropped(r->arg, __builtin_ctz(slots), err[__builtin_ctz(slots)]);
	return stay;
}

void record_break(struct record *r, int err)
{
	bool known = r->broken;

	pthread_mutex_lock(&r->lock);
	r->broken = r->changing = true;
	pthread_mutex_unlock(&r->lock);
	r->retry_at = clock_ms() + r->retry_ms;
	r->why = err;
	r->wake_writes = r->wake_ends = true;
	/* Before and after, who begins and ends says what comes of it. */
	if (!known && r->serving)
		log_err("set %s: no leg in sync takes its record (%s): writes fail until one does; it is tried every %u ms",
			r->set.name, strerror(-err), r->retry_ms);
}

/* What legs lack. */

bool record_may_differ(const struct bitmap *b, u64 off, u64 len)
{
	for (u64 chunk = off >> b->shift; chunk <= (off + len - 1) >> b->shift; chunk++)
		if (bitmap_test(b->differ, chunk))
			return true;
	return false;
}

int record_find_lacks(struct record *r, unsigned int slot)
{
	const struct super_leg *l = &r->set.legs[slot];
	u8 *lacks = calloc(r->bits.nr / 8 + 1, 1);

	if (!lacks)
		return -ENOMEM;
	for (u32 i = 0; i < r->bits.nr; i++)
		if (bitmap_test(r->bits.missed, i) || (l->full && ((u64)i + 1) << r->bits.shift > l->rebuilt))
			bitmap_set(lacks, i);
	free(r->lacks[slot]);
	r->lacks[slot] = lacks;
	return 0;
}

u32 record_first_lacking(const struct record *r, unsigned int slot)
{
	u32 i = 0;

	while (i < r->bits.nr && !bitmap_test(r->lacks[slot], i))
		i++;
	return i;
}

bool record_lacks_nothing(const struct record *r, unsigned int slot)
{
	return r->lacks[slot] && record_first_lacking(r, slot) == r->bits.nr;
}

/* A leg that is being rebuilt no more, in whichever way that ended. */
static void record_forget_lacks(struct record *r)
{
	for (unsigned int i = 0; i < FORMAT_LEGS; i++) {
		if (r->set.legs[i].state == FORMAT_REBUILDING)
			continue;
		free(r->lacks[i]);
		r->lacks[i] = NULL;
		r->sent &= ~(1U << i);
	}
}

void record_keep(struct record *r)
{
	u32 away = super_slots(&r->set, FORMAT_STALE) | super_slots(&r->set, FORMAT_FAILED) | record_drops_due(r);
	u32 rebuilding = super_slots(&r->set, FORMAT_REBUILDING);

	record_forget_lacks(r);
	for (u32 rest = rebuilding; rest; rest &= rest - 1)
		if (!r->lacks[__builtin_ctz(rest)])
			away |= rest & -rest;
	if (!away && !rebuilding)
		bitmap_whole(&r->bits);
	r->bits.keep = away;
}

bool record_age_due(const struct record *r)
{
	const struct bitmap *b = &r->bits;

	for (u32 i = 0; i < b->nr_blocks * (b->block_bits / 8); i++)
		if (b->wanted[i] & ~(b->differ[i] | b->missed[i]))
			return true;
	return false;
}

void record_age_soon(struct record *r)
{
	if (r->ageing || !record_age_due(r))
		return;
	r->ageing = true;
	r->age_at = clock_ms() + r->age_ms;
}

/* Who waits. */

void record_list_init(struct record_list *l)
{
	l->first = NULL;
	l->end = &l->first;
}

void record_list_add(struct record_list *l, struct record_wait *w)
{
	w->next = NULL;
	*l->end = w;
	l->end = &w->next;
}

struct record_wait *record_list_take(struct record_list *l)
{
	struct record_wait *first = l->first;

	record_list_init(l);
	return first;
}

/* What is woken may be in a list again at once. */
void record_list_wake(struct record_wait *w)
{
	while (w) {
		struct record_wait *next = w->next;

		w->wake(w);
		w = next;
	}
}
