// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <string.h>

#include "change.h"

u32 change_writers(const struct super_set *s)
{
	return super_slots(s, FORMAT_IN_SYNC) | super_slots(s, FORMAT_REBUILDING) |
	       super_slots(s, FORMAT_SPARE);
}

u32 change_first(const struct super_set *now, const struct super_set *next)
{
	return super_slots(now, FORMAT_IN_SYNC) & super_slots(next, FORMAT_IN_SYNC);
}

void change_kept(struct super_set *s, unsigned int slot)
{
	s->legs[slot].held = s->event;
}

void change_give_up(struct super_set *now, const struct super_set *next)
{
	now->event = next->event;
}

/* The legs' states are what they shall be: it becomes an event. */
static void change_event(struct super_set *s, u64 tag)
{
	u32 writers = change_writers(s);

	s->event.nr++;
	s->event.tag = tag;
	s->clean = false;
	for (; writers; writers &= writers - 1)
		s->legs[__builtin_ctz(writers)].sent = s->event;
}

static void change_state(struct super_set *s, u32 slots, enum format_state state)
{
	for (; slots; slots &= slots - 1)
		s->legs[__builtin_ctz(slots)].state = state;
}

/* The source is gone: what the others have there is as good as any. */
static void change_source(struct super_set *s)
{
	if (s->source != FORMAT_NO_SOURCE && s->legs[s->source].state != FORMAT_IN_SYNC)
		s->source = super_first(s, super_slots(s, FORMAT_IN_SYNC));
}

void change_start(struct super_set *s, u64 tag, u32 missing, u32 absent, u8 source)
{
	change_state(s, missing | absent, FORMAT_STALE);
	s->source = source;
	change_event(s, tag);
}

void change_stop(struct super_set *s, u64 tag)
{
	change_event(s, tag);
	s->clean = true;
}

int change_drop(struct super_set *s, u64 tag, u32 slots, enum format_state state)
{
	if (!(super_slots(s, FORMAT_IN_SYNC) & ~slots))
		return -EBUSY;
	change_state(s, slots & ~super_slots(s, FORMAT_SPARE), state);
	change_source(s);
	change_event(s, tag);
	return 0;
}

int change_retry(const struct super_set *now, struct super_set *next, u64 tag, u32 failed)
{
	if (!(change_first(now, next) & ~failed))
		return -EBUSY;
	return change_drop(next, tag, failed, FORMAT_FAILED);
}

void change_differ(struct super_set *s, u64 tag, u8 source)
{
	s->source = source;
	change_event(s, tag);
}

void change_agree(struct super_set *s, u64 tag)
{
	s->source = FORMAT_NO_SOURCE;
	change_event(s, tag);
}

void change_rebuild(struct super_set *s, u64 tag, unsigned int slot, struct super_event holds,
		    bool full)
{
	struct super_leg *l = &s->legs[slot];

	if (full && !l->full)
		l->rebuilt = 0;
	l->full |= full;
	l->held = holds;
	l->state = FORMAT_REBUILDING;
	change_event(s, tag);
}

void change_progress(struct super_set *s, u64 tag)
{
	change_event(s, tag);
}

void change_rebuilt(struct super_set *s, u64 tag, unsigned int slot)
{
	struct super_leg *l = &s->legs[slot];

	l->state = FORMAT_IN_SYNC;
	l->full = false;
	l->rebuilt = 0;
	change_event(s, tag);
}

static int change_free_slot(const struct super_set *s)
{
	int slot = -ENOSPC;

	for (unsigned int i = 0; i < s->nr; i++)
		if (s->legs[i].state == FORMAT_EMPTY)
			return i;
	if (s->nr < FORMAT_LEGS)
		return s->nr;
	for (unsigned int i = 0; i < s->nr; i++)
		if (s->legs[i].state == FORMAT_REMOVED &&
		    (slot < 0 || s->legs[i].sent.nr < s->legs[slot].sent.nr))
			slot = i;
	return slot;
}

int change_add(struct super_set *s, u64 tag, const u8 uuid[16], bool write_mostly)
{
	int slot = change_free_slot(s);

	if (slot < 0)
		return slot;
	if (slot == s->nr)
		s->nr++;
	s->legs[slot] = (struct super_leg){ .state = FORMAT_SPARE, .write_mostly = write_mostly };
	memcpy(s->legs[slot].uuid, uuid, sizeof(s->legs[slot].uuid));
	change_event(s, tag);
	return slot;
}

void change_mark(struct super_set *s, u64 tag, unsigned int slot, bool write_mostly)
{
	s->legs[slot].write_mostly = write_mostly;
	change_event(s, tag);
}

int change_remove(struct super_set *s, u64 tag, unsigned int slot)
{
	struct super_leg *l = &s->legs[slot];

	if (!(super_slots(s, FORMAT_IN_SYNC) & ~(1U << slot)))
		return -EBUSY;
	l->state = FORMAT_REMOVED;
	l->full = false;
	l->rebuilt = 0;
	change_source(s);
	change_event(s, tag);
	return 0;
}
