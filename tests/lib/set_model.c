// SPDX-License-Identifier: GPL-2.0
#include <string.h>

#include "set_model.h"

static struct set_model_leg *get(struct set_model *m, unsigned int leg)
{
	must(leg < m->nr, "leg %u of %u", leg, m->nr);
	return &m->legs[leg];
}

u32 set_model_are(const struct set_model *m, enum set_state state)
{
	u32 legs = 0;

	for (unsigned int i = 0; i < m->nr; i++)
		if (m->legs[i].state == state)
			legs |= 1U << i;
	return legs;
}

u32 set_model_broken(const struct set_model *m)
{
	u32 legs = 0;

	for (unsigned int i = 0; i < m->nr; i++)
		if (m->legs[i].broken)
			legs |= 1U << i;
	return legs;
}

u32 set_model_good(const struct set_model *m)
{
	u32 good = set_model_are(m, SET_IN_SYNC) & ~set_model_broken(m);

	/* One that is replaced goes by itself. */
	for (unsigned int i = 0; i < m->nr; i++)
		if (m->legs[i].replaces)
			good &= ~(1U << (m->legs[i].replaces - 1));
	return good;
}

bool set_model_is_whole(const struct set_model *m)
{
	return !set_model_are(m, SET_REBUILDING) && !set_model_are(m, SET_FAILED) && !set_model_are(m, SET_STALE);
}

bool set_model_is_replaced(const struct set_model *m, unsigned int leg)
{
	for (unsigned int i = 0; i < m->nr; i++)
		if (m->legs[i].replaces == leg + 1 &&
		    (m->legs[i].state == SET_IN_SYNC || m->legs[i].state == SET_REBUILDING))
			return true;
	return false;
}

/* Something has changed: whoever gets writes hears of it. */
static void changed(struct set_model *m)
{
	u32 in_sync = set_model_are(m, SET_IN_SYNC), writers = in_sync | set_model_are(m, SET_REBUILDING);

	m->event++;
	for (unsigned int i = 0; i < m->nr; i++) {
		struct set_model_leg *l = &m->legs[i];

		if (!(writers >> i & 1) || l->broken)
			continue;
		l->event = m->event;
		l->in_sync = in_sync;
	}
}

void set_model_init(struct set_model *m, unsigned int nr, unsigned int legs)
{
	must(nr <= SET_MODEL_DISKS && legs && legs <= nr, "%u legs of %u", legs, nr);
	memset(m, 0, sizeof(*m));
	m->nr = nr;
	for (unsigned int i = 0; i < legs; i++)
		m->legs[i].state = SET_IN_SYNC;
	changed(m);
}

/* Commands. */

/* A leg in sync goes if another one stays. */
static enum set_answer may_go(const struct set_model *m, unsigned int leg)
{
	u32 bit = 1U << leg, others = set_model_are(m, SET_IN_SYNC) & ~bit;

	/* It may have gone by itself. */
	if (set_model_is_replaced(m, leg))
		return SET_EITHER;
	if (set_model_good(m) & ~bit)
		return SET_YES;
	return others || set_model_are(m, SET_REBUILDING) & ~bit ? SET_EITHER : SET_NO;
}

enum set_answer set_model_may_fail(const struct set_model *m, unsigned int leg)
{
	switch (m->legs[leg].state) {
	case SET_IN_SYNC:
		return may_go(m, leg);
	case SET_REBUILDING:
		return set_model_good(m) & ~(1U << leg) && !set_model_is_replaced(m, leg) ? SET_YES : SET_EITHER;
	case SET_FAILED:
	case SET_STALE:
		return set_model_is_replaced(m, leg) ? SET_EITHER : SET_YES;
	default:
		return SET_NO;
	}
}

enum set_answer set_model_may_remove(const struct set_model *m, unsigned int leg)
{
	return set_model_may_fail(m, leg);
}

enum set_answer set_model_may_add(const struct set_model *m, unsigned int leg)
{
	const struct set_model_leg *l = &m->legs[leg];

	switch (l->state) {
	case SET_NONE:
		return l->broken ? SET_NO : SET_YES;
	case SET_FAILED:
	case SET_STALE:
		if (l->broken)
			return SET_NO;
		return l->doubtful || set_model_is_replaced(m, leg) ? SET_EITHER : SET_YES;
	default:
		/* A leg that is broken may have been dropped, but does not take its record. */
		return SET_NO;
	}
}

enum set_answer set_model_may_replace(const struct set_model *m, unsigned int leg, unsigned int with)
{
	switch (m->legs[leg].state) {
	case SET_NONE:
	case SET_REMOVED:
		return SET_NO;
	default:
		break;
	}
	if (leg == with || set_model_may_add(m, with) == SET_NO)
		return SET_NO;
	return set_model_is_replaced(m, leg) ? SET_EITHER : set_model_may_add(m, with);
}

enum set_answer set_model_may_check(const struct set_model *m)
{
	u32 good = set_model_good(m), all = set_model_are(m, SET_IN_SYNC) | set_model_are(m, SET_REBUILDING);

	if (good & (good - 1))
		return SET_YES;
	return all & (all - 1) ? SET_EITHER : SET_NO;
}

static void drop(struct set_model *m, unsigned int leg, enum set_state state)
{
	struct set_model_leg *l = get(m, leg);

	l->unsure |= l->state == SET_REBUILDING;
	l->state = state;
	l->replaces = 0;
	changed(m);
}

void set_model_fail(struct set_model *m, unsigned int leg)
{
	if (set_model_are(m, SET_STALE) >> leg & 1)
		return;
	drop(m, leg, SET_FAILED);
}

/* It waits for no other one to take its place any more. */
static void forget(struct set_model *m, unsigned int leg)
{
	for (unsigned int i = 0; i < m->nr; i++)
		if (m->legs[i].replaces == leg + 1)
			m->legs[i].replaces = 0;
}

void set_model_remove(struct set_model *m, unsigned int leg)
{
	forget(m, leg);
	drop(m, leg, SET_REMOVED);
}

void set_model_add(struct set_model *m, unsigned int leg)
{
	struct set_model_leg *l = get(m, leg);

	l->state = SET_REBUILDING;
	l->unsure = l->doubtful = false;
	changed(m);
}

void set_model_replace(struct set_model *m, unsigned int leg, unsigned int with)
{
	set_model_add(m, with);
	m->legs[with].replaces = leg + 1;
}

void set_model_wipe(struct set_model *m, unsigned int leg)
{
	struct set_model_leg *l = get(m, leg);

	*l = (struct set_model_leg){ .broken = l->broken };
}

void set_model_break(struct set_model *m, unsigned int leg)
{
	get(m, leg)->broken = true;
}

void set_model_mend(struct set_model *m, unsigned int leg)
{
	get(m, leg)->broken = false;
}

/* What happens by itself. */

static bool may_become(const struct set_model *m, unsigned int leg, enum set_state state)
{
	const struct set_model_leg *l = &m->legs[leg];

	switch (state) {
	case SET_IN_SYNC:
		return l->state == SET_REBUILDING || (l->pending && l->state != SET_IN_SYNC);
	case SET_REBUILDING:
		return l->pending && l->state != SET_IN_SYNC;
	case SET_FAILED:
		return (l->state == SET_IN_SYNC || l->state == SET_REBUILDING) && (l->broken || l->pending);
	case SET_STALE:
		/* A removal goes over it. */
		return (l->state == SET_IN_SYNC || l->state == SET_REBUILDING) &&
		       (set_model_is_replaced(m, leg) || l->pending);
	default:
		return l->state == SET_NONE || l->state == SET_REMOVED || set_model_is_replaced(m, leg) || l->pending;
	}
}

/* No leg is in sync any more, by what happens by itself: that is never so. */
static bool is_lost(const struct set_model *m, unsigned int leg, enum set_state state)
{
	return state != SET_IN_SYNC && set_model_are(m, SET_IN_SYNC) == 1U << leg &&
	       !set_model_are(m, SET_REBUILDING);
}

bool set_model_see(struct set_model *m, unsigned int leg, enum set_state state)
{
	struct set_model_leg *l = get(m, leg);

	if (l->state == state || (l->state == SET_REMOVED && state == SET_NONE))
		return true;
	if (!may_become(m, leg, state) || is_lost(m, leg, state))
		return false;
	if (state == SET_NONE) {
		set_model_remove(m, leg);
	} else if (state == SET_FAILED || state == SET_STALE) {
		drop(m, leg, state);
	} else {
		l->state = state;
		l->unsure = l->doubtful = false;
		changed(m);
	}
	return true;
}

/* Between two servers. */

void set_model_stopped(struct set_model *m)
{
	for (unsigned int i = 0; i < m->nr; i++)
		m->legs[i].replaces = m->legs[i].pending = 0;
}

/* Who of these heard of the set last. */
static int speaker(const struct set_model *m, u32 legs)
{
	int best = -1;

	for (unsigned int i = 0; i < m->nr; i++)
		if (legs >> i & 1 && m->legs[i].event &&
		    (best < 0 || m->legs[i].event > m->legs[best].event))
			best = i;
	return best;
}

enum set_verdict set_model_assemble(const struct set_model *m, u32 legs)
{
	int who = speaker(m, legs);
	u32 in_sync;

	for (unsigned int i = 0; i < m->nr; i++)
		if (legs >> i & 1 && m->legs[i].doubtful)
			return SET_UNKNOWN;
	if (who < 0)
		return SET_REFUSES;
	if (m->legs[who].unsure)
		return SET_UNKNOWN;
	in_sync = m->legs[who].in_sync;
	if (!(in_sync & legs))
		return SET_REFUSES;
	return in_sync & ~legs ? SET_WANTS_DEGRADED : SET_SERVES;
}

void set_model_assembled(struct set_model *m, u32 legs, bool crashed)
{
	for (unsigned int i = 0; i < m->nr; i++) {
		struct set_model_leg *l = &m->legs[i];

		if (legs >> i & 1)
			continue;
		if (l->state == SET_IN_SYNC || l->state == SET_REBUILDING) {
			l->state = SET_STALE;
			l->doubtful = crashed;
		}
	}
	must(set_model_are(m, SET_IN_SYNC), "no leg in sync is served");
	changed(m);
}

const char *set_state_word(enum set_state state)
{
	static const char *const words[NR_SET_STATES] = {
		[SET_IN_SYNC] = "in-sync", [SET_REBUILDING] = "rebuilding", [SET_FAILED] = "failed",
		[SET_STALE] = "stale",
	};

	return words[state];
}
