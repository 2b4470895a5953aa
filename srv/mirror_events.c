// SPDX-License-Identifier: GPL-2.0
#include <string.h>

#include "mirror_events.h"

/* struct changes - a comparison under way; on the stack */
struct changes {
	const struct mirror_status *before, *now;	/* @before may be NULL */
	void (*emit)(void *arg, const struct mirror_event *e);
	void *arg;
};

static void events_emit(const struct changes *c, const char *id, const struct mirror_leg_status *leg)
{
	const struct mirror_event e = { .id = id, .set = c->now ? c->now : c->before, .leg = leg };

	c->emit(c->arg, &e);
}

static const struct mirror_leg_status *events_leg(const struct mirror_status *s, const char *uuid)
{
	for (unsigned int i = 0; s && i < s->nr_legs; i++)
		if (!strcmp(s->legs[i].uuid, uuid))
			return &s->legs[i];
	return NULL;
}

static const char *events_leg_state(const char *state)
{
	static const char *const names[] = {
		"leg-in-sync", "leg-stale", "leg-failed", "leg-missing", "leg-rebuilding", "leg-spare",
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(names); i++)
		if (!strcmp(names[i] + strlen("leg-"), state))
			return names[i];
	return NULL;
}

static void events_of_leg(const struct changes *c, const struct mirror_leg_status *leg)
{
	const struct mirror_leg_status *old = events_leg(c->before, leg->uuid);
	const char *state = events_leg_state(leg->state);

	if (c->before && !old)
		events_emit(c, "leg-added", leg);
	if (state && strcmp(old ? old->state : "in-sync", leg->state))
		events_emit(c, state, leg);
	if (leg->read_errors > (old ? old->read_errors : 0))
		events_emit(c, "leg-read-error", leg);
}

static void events_of_legs(const struct changes *c)
{
	for (unsigned int i = 0; i < c->now->nr_legs; i++)
		events_of_leg(c, &c->now->legs[i]);
	for (unsigned int i = 0; c->before && i < c->before->nr_legs; i++)
		if (!events_leg(c->now, c->before->legs[i].uuid))
			events_emit(c, "leg-removed", &c->before->legs[i]);
}

static void events_of_work(const struct changes *c)
{
	static const struct {
		const char *work, *started, *finished;
	} names[] = {
		{ "resync",	"resync-started",	"resync-finished" },
		{ "check",	"check-started",	"check-finished" },
		{ "repair",	"repair-started",	"repair-finished" },
	};
	const char *old = c->before && c->before->work ? c->before->work : "";
	const char *new = c->now->work ? c->now->work : "";

	if (!strcmp(old, new))
		return;
	for (unsigned int i = 0; i < ARRAY_SIZE(names); i++)
		if (!strcmp(names[i].work, old))
			events_emit(c, names[i].finished, NULL);
	for (unsigned int i = 0; i < ARRAY_SIZE(names); i++)
		if (!strcmp(names[i].work, new))
			events_emit(c, names[i].started, NULL);
}

void mirror_events(const struct mirror_status *before, const struct mirror_status *now,
		   void (*emit)(void *arg, const struct mirror_event *e), void *arg)
{
	const struct changes c = { .before = before, .now = now, .emit = emit, .arg = arg };

	if (!now) {
		if (before)
			events_emit(&c, "stopped", NULL);
		return;
	}
	if (!before)
		events_emit(&c, "started", NULL);
	events_of_legs(&c);
	if (!!now->whole != (before ? !!before->whole : true))
		events_emit(&c, now->whole ? "whole" : "degraded", NULL);
	events_of_work(&c);
}
