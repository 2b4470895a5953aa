// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "assemble.h"

/* An answer that a leg, and maybe another one, is the cause of. */
static __attribute__((format(printf, 5, 6)))
bool assemble_refuse(struct assembly *a, enum assemble_reason reason, int culprit, int other,
		     const char *fmt, ...)
{
	va_list args;

	a->verdict = ASSEMBLE_REFUSE;
	a->reason = reason;
	a->culprit = culprit;
	a->other = other;
	va_start(args, fmt);
	vsnprintf(a->text, sizeof(a->text), fmt, args);
	va_end(args);
	return false;
}

static __attribute__((format(printf, 2, 3)))
void assemble_note(struct assembly *a, const char *fmt, ...)
{
	size_t len = strlen(a->text);
	va_list args;

	va_start(args, fmt);
	vsnprintf(a->text + len, sizeof(a->text) - len, fmt, args);
	va_end(args);
}

static const u8 *assemble_uuid(const struct candidate *c)
{
	return c->super.set.legs[c->super.own.self].uuid;
}

static enum format_state assemble_own_state(const struct candidate *c)
{
	return c->super.set.legs[c->super.own.self].state;
}

static int assemble_slot(const struct super_set *s, const u8 uuid[16])
{
	for (unsigned int i = 0; i < s->nr; i++)
		if (s->legs[i].state != FORMAT_EMPTY && !memcmp(s->legs[i].uuid, uuid, 16))
			return i;
	return -1;
}

/* Is every one of them a leg, and a leg of one set, and another one? */
static bool assemble_are_of_one_set(const struct candidate *c, unsigned int nr, struct assembly *a)
{
	int first = -1;

	for (unsigned int i = 0; i < nr; i++) {
		if (c[i].err == -ENOENT)
			return assemble_refuse(a, ASSEMBLE_FOREIGN, i, -1,
				"leg %s has no record: it is of no set; leave it out, or add it to one (regbuf mirror add)",
				c[i].path);
		if (c[i].err == -EPROTONOSUPPORT)
			return assemble_refuse(a, ASSEMBLE_NEWER, i, -1,
				"leg %s has a record of a newer format: use the regbuf that wrote it", c[i].path);
		if (c[i].err)
			continue;
		if (first < 0)
			first = i;
		if (memcmp(c[i].super.set.uuid, c[first].super.set.uuid, 16))
			return assemble_refuse(a, ASSEMBLE_MIXED, i, first,
				"legs %s and %s are of two sets, %s and %s: give the legs of one",
				c[i].path, c[first].path, c[i].super.set.name, c[first].super.set.name);
		for (unsigned int j = first; j < i; j++)
			if (!c[j].err && !memcmp(assemble_uuid(&c[i]), assemble_uuid(&c[j]), 16))
				return assemble_refuse(a, ASSEMBLE_TWICE, i, j,
					"%s and %s are one leg, or one is a copy: give the right one with --leg",
					c[i].path, c[j].path);
	}
	return true;
}

static bool assemble_gets_events(enum format_state state)
{
	return state == FORMAT_IN_SYNC || state == FORMAT_REBUILDING || state == FORMAT_SPARE;
}

/* Who speaks for the set, or -1. */
static int assemble_speaker(const struct candidate *c, unsigned int nr)
{
	int best = -1;

	for (unsigned int i = 0; i < nr; i++)
		if (!c[i].err && assemble_gets_events(assemble_own_state(&c[i])) &&
		    (best < 0 || c[i].super.set.event.nr > c[best].super.set.event.nr))
			best = i;
	return best;
}

/* Is what two legs tell of one event the same?  What they have kept is not part of it. */
static bool assemble_same(const struct super_set *a, const struct super_set *b)
{
	if (a->size != b->size || a->lbs_shift != b->lbs_shift || a->chunk_shift != b->chunk_shift ||
	    a->clean != b->clean || a->source != b->source || a->nr != b->nr)
		return false;
	for (unsigned int i = 0; i < a->nr; i++)
		if (a->legs[i].state != b->legs[i].state || memcmp(a->legs[i].uuid, b->legs[i].uuid, 16))
			return false;
	return true;
}

/* Does the speaker know what candidate @i holds? */
static bool assemble_is_known(const struct candidate *c, int speaker, int i, struct assembly *a)
{
	const struct super_set *s = &c[speaker].super.set, *o = &c[i].super.set;
	int slot = assemble_slot(s, assemble_uuid(&c[i]));

	if (slot < 0) {
		enum format_state own = assemble_own_state(&c[i]);

		/* It was about to be added, and has nothing. */
		if (own == FORMAT_REBUILDING || own == FORMAT_SPARE)
			return true;
		return assemble_refuse(a, ASSEMBLE_STRANGER, i, speaker,
			"leg %s calls itself a leg of set %s, and leg %s does not know it: leave it out; to have it back, zero its first MiB, and add it (regbuf mirror add)",
			c[i].path, s->name, c[speaker].path);
	}
	if (!super_knows(s, slot, o->event))
		return assemble_refuse(a, ASSEMBLE_SPLIT, i, speaker,
			"legs %s (event %" PRIu64 ") and %s (event %" PRIu64 ") of set %s were each served without the other: "
			"decide whose data is right, assemble with that leg alone and --degraded, zero the first MiB of the other one, and add it",
			c[i].path, o->event.nr, c[speaker].path, s->event.nr, s->name);
	if (super_event_same(o->event, s->event) && !assemble_same(o, s))
		return assemble_refuse(a, ASSEMBLE_CONTRADICTION, i, speaker,
			"legs %s and %s of set %s tell event %" PRIu64 " in two ways: one of their records is damaged; assemble with one of them and --degraded",
			c[i].path, c[speaker].path, s->name, s->event.nr);
	return true;
}

/* Can the leg still hold the data? */
static bool assemble_fits(const struct candidate *c, struct assembly *a)
{
	const struct super *s = &c->super;
	u64 need = max_u64(s->own.data_offset + s->set.size, s->own.area_offset + FORMAT_AREA_BYTES);

	if (c->bytes < need) {
		assemble_note(a, "leg %s has %" PRIu64 " bytes, and needs %" PRIu64 ": it is left out. ",
			      c->path, c->bytes, need);
		return false;
	}
	if (c->lbs > 1U << s->set.lbs_shift) {
		assemble_note(a, "leg %s has blocks of %u bytes, and the set of %u: it is left out. ",
			      c->path, c->lbs, 1U << s->set.lbs_shift);
		return false;
	}
	return true;
}

/* Sorts the legs that are here and fit by what the speaker says of them. */
static void assemble_sort(const struct candidate *c, unsigned int nr, struct assembly *a)
{
	u32 here = 0;

	for (unsigned int i = 0; i < nr; i++) {
		int slot = c[i].err ? -1 : assemble_slot(&a->set, assemble_uuid(&c[i]));

		if (c[i].err)
			assemble_note(a, "leg %s: %s: it is left out. ", c[i].path,
				      c[i].err == -EIO ? "its record cannot be read" : "its record is damaged");
		else if (slot < 0 || !super_is_leg(&a->set, slot))
			assemble_note(a, "leg %s is of the set no more: it is left out. ", c[i].path);
		else if (assemble_fits(&c[i], a)) {
			a->set.legs[slot].held = c[i].super.set.event;
			a->leg[slot] = i;
			here |= 1U << slot;
		}
	}
	a->serve = super_slots(&a->set, FORMAT_IN_SYNC) & here;
	a->missing = super_slots(&a->set, FORMAT_IN_SYNC) & ~here;
	a->rebuilding = super_slots(&a->set, FORMAT_REBUILDING) & here;
	a->absent = super_slots(&a->set, FORMAT_REBUILDING) & ~here;
	a->spare = super_slots(&a->set, FORMAT_SPARE) & here;
	a->stale = (super_slots(&a->set, FORMAT_STALE) | super_slots(&a->set, FORMAT_FAILED)) & here;
}

/*
 * Which leg is read where legs may differ: the one that was, as somebody may have seen what it
 * has.  Else the first one, so that it is the same after another crash.
 */
static u8 assemble_source(const struct assembly *a)
{
	if (a->set.source == FORMAT_NO_SOURCE && a->set.clean)
		return FORMAT_NO_SOURCE;
	if (a->set.source != FORMAT_NO_SOURCE && a->serve >> a->set.source & 1)
		return a->set.source;
	return super_first(&a->set, a->serve);
}

/* The speaker's word on legs that are in sync and not here, or not fit. */
static void assemble_missing(const struct candidate *c, int speaker, struct assembly *a)
{
	char list[64] = "";

	for (u32 rest = a->missing; rest; rest &= rest - 1) {
		size_t len = strlen(list);

		snprintf(list + len, sizeof(list) - len, " %u", __builtin_ctz(rest));
	}
	a->culprit = speaker;
	if (a->serve) {
		a->verdict = ASSEMBLE_DEGRADED;
		a->reason = ASSEMBLE_MISSING;
		assemble_note(a, "leg %s knows of legs in sync that are not here, in slot%s: they may have newer data; "
			      "give them, or serve without them with --degraded: they are stale from then on",
			      c[speaker].path, list);
	} else {
		a->verdict = ASSEMBLE_REFUSE;
		a->reason = ASSEMBLE_NO_LEG;
		assemble_note(a, "no leg that is here has all the data: leg %s knows that those in slot%s have it; give one of them",
			      c[speaker].path, list);
	}
}

void assemble(const struct candidate *c, unsigned int nr, bool degraded, struct assembly *a)
{
	int speaker;

	memset(a, 0, sizeof(*a));
	memset(a->leg, -1, sizeof(a->leg));
	a->culprit = a->other = -1;
	a->source = FORMAT_NO_SOURCE;
	if (!assemble_are_of_one_set(c, nr, a))
		return;
	speaker = assemble_speaker(c, nr);
	if (speaker < 0) {
		assemble_refuse(a, ASSEMBLE_NO_LEG, nr ? 0 : -1, -1,
			"no record that is here can be read: give the legs that were in sync");
		return;
	}
	for (unsigned int i = 0; i < nr; i++)
		if (!c[i].err && !assemble_is_known(c, speaker, i, a))
			return;
	a->set = c[speaker].super.set;
	assemble_sort(c, nr, a);
	if (!a->serve || (a->missing && !degraded)) {
		assemble_missing(c, speaker, a);
		return;
	}
	a->source = assemble_source(a);
	a->restart = !a->set.clean;
	a->verdict = a->source == FORMAT_NO_SOURCE ? ASSEMBLE_SERVE : ASSEMBLE_RESYNC;
}
