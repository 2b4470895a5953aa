// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <string.h>

#include "record_change.h"

static void record_change_end(struct record *r, struct record_change *c, int ret)
{
	if (c->kind == RECORD_AGREE)
		r->agreeing = false;
	if (r->change == c)
		r->change = NULL;
	c->ret = ret;
	sem_post(&c->done);
}

static int record_change_agree(struct record *r, struct super_set *next)
{
	if (bitmap_count_differ(&r->bits))
		return -EAGAIN;
	if (next->source == FORMAT_NO_SOURCE)
		return 0;
	r->agreeing = true;
	change_agree(next, super_tag());
	return 1;
}

static int record_change_join(struct record *r, struct super_set *next, const struct record_change *c)
{
	u32 bit = 1U << c->slot;

	switch (next->legs[c->slot].state) {
	case FORMAT_STALE:
	case FORMAT_FAILED:
	case FORMAT_SPARE:
		break;
	default:
		return -EINVAL;
	}
	/* An old write that is under way would land on newer data. */
	if (r->here & r->gone & bit)
		return -EBUSY;
	r->legs[c->slot] = (struct record_leg){ .fd = c->fd, .own = *c->own };
	r->bitmap_at[c->slot] = c->own->bitmap_offset;
	r->here |= bit;
	r->gone &= ~bit;
	r->stale &= ~bit;
	r->letting &= ~bit;
	r->sent &= ~bit;
	change_rebuild(next, super_tag(), c->slot, c->holds, c->full);
	return 1;
}

static int record_change_rebuilt(struct record *r, struct super_set *next, unsigned int slot)
{
	if (next->legs[slot].state != FORMAT_REBUILDING || r->gone >> slot & 1)
		return -EINVAL;
	if (!record_lacks_nothing(r, slot))
		return -EAGAIN;
	change_rebuilt(next, super_tag(), slot);
	return 1;
}

static int record_change_progress(struct record *r, struct super_set *next)
{
	bool any = false;

	for (unsigned int i = 0; i < next->nr; i++) {
		u64 at = r->lacks[i] ? min_u64((u64)record_first_lacking(r, i) << r->bits.shift, next->size) : 0;

		if (next->legs[i].full && at > next->legs[i].rebuilt) {
			next->legs[i].rebuilt = at;
			any = true;
		}
	}
	if (any)
		change_progress(next, super_tag());
	return any;
}

static int record_change_add(struct record *r, struct super_set *next, struct record_change *c)
{
	int slot = change_add(next, super_tag(), c->uuid, c->write_mostly);

	if (slot < 0)
		return slot;
	/* I/O to the leg that had the slot is under way. */
	if (r->here >> slot & 1)
		return -EBUSY;
	r->gone &= ~(1U << slot);
	c->slot = slot;
	return 1;
}

static int record_change_mark(struct super_set *next, const struct record_change *c)
{
	if (!super_is_leg(next, c->slot))
		return -EINVAL;
	if (next->legs[c->slot].write_mostly == c->write_mostly)
		return 0;
	change_mark(next, super_tag(), c->slot, c->write_mostly);
	return 1;
}

/* 1: *next is to be written; 0 or -errno: it is done. */
static int record_change_next(struct record *r, struct super_set *next, struct record_change *c)
{
	int ret;

	switch (c->kind) {
	case RECORD_AGREE:
		return record_change_agree(r, next);
	case RECORD_JOIN:
		return record_change_join(r, next, c);
	case RECORD_REBUILT:
		return record_change_rebuilt(r, next, c->slot);
	case RECORD_PROGRESS:
		return record_change_progress(r, next);
	case RECORD_ADD:
		return record_change_add(r, next, c);
	case RECORD_MARK:
		return record_change_mark(next, c);
	case RECORD_REMOVE:
		ret = change_remove(next, super_tag(), c->slot);
		return ret ? ret : 1;
	case RECORD_DROPPED:
		break;
	}
	return 0;
}

bool record_change_take(struct record *r, struct super_set *next)
{
	while (!r->change && r->changes) {
		struct record_change *c = r->changes;
		int ret;

		*next = r->set;
		r->changes = c->next;
		ret = record_change_next(r, next, c);
		if (ret > 0) {
			r->change = c;
			return true;
		}
		record_change_end(r, c, ret);
	}
	return false;
}

/* Legs that did not take the event are dropped in it; so may be the one that it is about. */
static bool record_change_holds(const struct record *r, const struct record_change *c)
{
	enum format_state state = r->set.legs[c->slot].state;
	bool gone = r->gone >> c->slot & 1;

	switch (c->kind) {
	case RECORD_JOIN:
		return state == FORMAT_REBUILDING && !gone;
	case RECORD_REBUILT:
		return state == FORMAT_IN_SYNC && !gone;
	default:
		return true;
	}
}

void record_change_made(struct record *r)
{
	struct record_change *c = r->change;

	if (!c)
		return;
	if (c->kind == RECORD_AGREE)
		r->differs = bitmap_count_differ(&r->bits);
	if (!record_change_holds(r, c)) {
		record_change_end(r, c, -EIO);
		return;
	}
	/* A block that hangs on another leg may hold it up: nobody waits for it here. */
	if (c->kind == RECORD_JOIN) {
		r->unwritten |= 1U << c->slot;
		bitmap_write_all(&r->bits);
	}
	record_change_end(r, c, 0);
}

void record_change_written(struct record *r)
{
	if (r->unwritten && bitmap_is_written(&r->bits))
		r->unwritten = 0;
}

void record_change_fail(struct record *r)
{
	struct record_change *c = r->change;

	if (c && r->phase == RECORD_IDLE)
		record_change_end(r, c, -EIO);
	while (r->changes) {
		c = r->changes;
		r->changes = c->next;
		record_change_end(r, c, -EIO);
	}
}
