// SPDX-License-Identifier: GPL-2.0
#include <inttypes.h>
#include <string.h>

#include "../../log.h"
#include "../../uuid.h"
#include "leginfo.h"
#include "state.h"

/* From then on it is told to people. */
#define SLOW_MS		2000

static const char *const mirror_op_names[] = {
	[STEP_READ]	= "read",
	[STEP_WRITE]	= "write",
	[STEP_SYNC]	= "flush",
	[STEP_DISCARD]	= "discard",
	[STEP_ZERO]	= "write-zeroes",
	[MIRROR_OP_RECORD] = "record",
	[MIRROR_OP_SHRUNK] = "size",
	[MIRROR_OP_COPY] = "resync",
	[MIRROR_OP_OWNER] = "owner",
	[MIRROR_OP_TIMEOUT] = "timeout",
};

void mirror_tell_drop(const struct leg *leg, const struct mirror_leg *ml)
{
	switch (ml->dropped_op) {
	case MIRROR_OP_RECORD:
		log_warn("mirror: leg %s is dropped: its record cannot be written: %s", leg->absolute,
			 strerror(-ml->dropped_err));
		break;
	case MIRROR_OP_COPY:
		log_warn("mirror: leg %s is dropped: what was copied to it could not be written: %s", leg->absolute,
			 strerror(-ml->dropped_err));
		break;
	case MIRROR_OP_OWNER:
		log_info("mirror: leg %s is dropped: its owner wants it", leg->absolute);
		break;
	case MIRROR_OP_TIMEOUT:
		log_warn("mirror: leg %s is dropped: it has not answered for longer than --leg-timeout", leg->absolute);
		break;
	case MIRROR_OP_SHRUNK:
		log_warn("mirror: leg %s is dropped: somebody has made the file shorter", leg->absolute);
		break;
	default:
		log_warn("mirror: leg %s is dropped: %s of %u bytes at sector %" PRIu64 ": %s", leg->absolute,
			 mirror_op_names[ml->dropped_op], ml->dropped_len, ml->dropped_sector,
			 strerror(-ml->dropped_err));
	}
}

/* The rest of a burst of read errors, when it is over or takes long. */
static int mirror_leg_tick(const struct leg *leg, struct mirror_leg *ml, u64 now)
{
	u64 nr = now == UINT64_MAX ? burst_end(&ml->read_burst) : burst_sum(&ml->read_burst, now);

	if (nr)
		log_warn("mirror: leg %s: %" PRIu64 " more reads failed, the last one at sector %" PRIu64 ": %s",
			 leg->absolute, nr, ml->read_sector, strerror(-ml->read_err));
	return burst_due(&ml->read_burst, now);
}

int mirror_tick(struct target *t, u64 now)
{
	struct mirror *m = t->priv;
	int next = now == UINT64_MAX || !m->record ? -1 : mirror_join_on(t), leaving;

	pthread_mutex_lock(&m->lock);
	leaving = mirror_let_go(t);
	if (leaving >= 0 && (next < 0 || leaving < next))
		next = leaving;
	for (unsigned int i = 0; i < t->nr_legs; i++) {
		int ms = mirror_leg_tick(&t->legs[i], &m->legs[i], now);

		if (ms >= 0 && (next < 0 || ms < next))
			next = ms;
	}
	pthread_mutex_unlock(&m->lock);
	return next;
}

static void mirror_leg_json(const struct mirror *m, unsigned int leg, const char *state, struct json *j)
{
	const struct mirror_leg *ml = &m->legs[leg];

	json_bool(j, "write_mostly", m->write_mostly >> leg & 1);
	json_str(j, "state", state);
	json_u64(j, "read_errors", ml->read_errors);
	if (!ml->dropped_err) {
		json_u64(j, "oldest_ms", ml->oldest_ms);
		return;
	}
	json_str(j, "dropped_by", mirror_op_names[ml->dropped_op]);
	json_s64(j, "errno", -ml->dropped_err);
	json_str(j, "error", strerror(-ml->dropped_err));
	json_u64(j, "sector", ml->dropped_sector);
	json_s64(j, "when", ml->dropped_at);
}

const char *mirror_slot_state(const struct target *t, const struct super_set *s, unsigned int slot)
{
	if (s->legs[slot].state == FORMAT_STALE && t->legs[slot].fd < 0)
		return "missing";
	return leginfo_state_name(s->legs[slot].state);
}

static unsigned int mirror_percent(const struct resync_progress *p)
{
	return p->total ? p->done * 100 / p->total : 0;
}

/* null: nothing is copied or compared. */
static void mirror_resync_json(const struct resync_progress *p, struct json *j)
{
	if (p->what == RESYNC_IDLE) {
		json_null(j, "resync");
		return;
	}
	json_open(j, "resync", '{');
	json_u64(j, "percent", mirror_percent(p));
	json_u64(j, "kib_s", p->kib_s);
	if (p->eta_s >= 0)
		json_s64(j, "eta_s", p->eta_s);
	else
		json_null(j, "eta_s");
	json_close(j, '}');
}

static void mirror_resync_text(const struct resync_progress *p, FILE *out)
{
	if (p->what == RESYNC_IDLE)
		return;
	fprintf(out, "  %u %%, %" PRIu64 " KiB/s", mirror_percent(p), p->kib_s);
	if (p->eta_s >= 0)
		fprintf(out, ", %" PRId64 " s left", p->eta_s);
}

/* Are there bits that will be cleared, of writes under way or not long ago? */
static bool mirror_is_dirty(struct record *r)
{
	bool dirty;

	pthread_mutex_lock(&r->lock);
	dirty = r->ageing;
	pthread_mutex_unlock(&r->lock);
	return dirty;
}

static const char *mirror_state(struct mirror *m, const struct mirror_view *v)
{
	if (!v->whole)
		return "degraded";
	if (v->differ || v->resync.what == RESYNC_COPY || v->resync.what == RESYNC_REPAIR)
		return "resync";
	return mirror_is_dirty(m->record) ? "dirty" : "clean";
}

void mirror_look(struct mirror *m, struct mirror_view *v)
{
	record_tell(m->record, &v->set, &v->differ, &v->missed);
	v->whole = super_slots(&v->set, FORMAT_IN_SYNC) == (1U << v->set.nr) - 1 - super_slots(&v->set, FORMAT_REMOVED);
	resync_tell(&m->resync, &v->resync);
	v->state = mirror_state(m, v);
}

static void mirror_set_json(struct target *t, struct json *j)
{
	struct mirror *m = t->priv;
	struct mirror_view v;
	char uuid[UUID_TEXT];

	mirror_look(m, &v);
	json_str(j, "name", v.set.name);
	uuid_text(v.set.uuid, uuid);
	json_str(j, "uuid", uuid);
	json_str(j, "state", v.state);
	json_bool(j, "degraded", !v.whole);
	json_u64(j, "differ_bytes", v.differ);
	json_u64(j, "missed_bytes", v.missed);
	mirror_resync_json(&v.resync, j);
	json_u64(j, "mismatches", v.resync.mismatches);
	json_open(j, "legs", '[');
	for (unsigned int i = 0; i < v.set.nr; i++) {
		if (!super_is_leg(&v.set, i))
			continue;
		json_open(j, NULL, '{');
		if (t->legs[i].absolute)
			target_leg_json(&t->legs[i], j);
		uuid_text(v.set.legs[i].uuid, uuid);
		json_str(j, "uuid", uuid);
		mirror_leg_json(m, i, mirror_slot_state(t, &v.set, i), j);
		json_close(j, '}');
	}
	json_close(j, ']');
}

static void mirror_plain_json(struct target *t, struct json *j)
{
	struct mirror *m = t->priv;

	json_bool(j, "degraded", m->live != (1U << t->nr_legs) - 1);
	json_open(j, "legs", '[');
	for (unsigned int i = 0; i < t->nr_legs; i++) {
		json_open(j, NULL, '{');
		target_leg_json(&t->legs[i], j);
		mirror_leg_json(m, i, m->legs[i].dropped_err ? "dropped" : "live", j);
		json_close(j, '}');
	}
	json_close(j, ']');
}

void mirror_status_json(struct target *t, struct json *j)
{
	struct mirror *m = t->priv;

	pthread_mutex_lock(&m->lock);
	if (m->record)
		mirror_set_json(t, j);
	else
		mirror_plain_json(t, j);
	pthread_mutex_unlock(&m->lock);
}

void mirror_leg_error(const struct mirror_leg *ml, char *text, size_t len)
{
	char when[32] = "";
	struct tm tm;

	localtime_r(&ml->dropped_at, &tm);
	strftime(when, sizeof(when), "%F %T", &tm);
	snprintf(text, len, "%s at sector %" PRIu64 ": %s, %s", mirror_op_names[ml->dropped_op],
		 ml->dropped_sector, strerror(-ml->dropped_err), when);
}

static void mirror_leg_text(const struct target *t, unsigned int i, const char *state, FILE *out)
{
	const struct mirror *m = t->priv;
	const struct mirror_leg *ml = &m->legs[i];
	const struct leg *leg = &t->legs[i];
	char error[128];

	fprintf(out, "  leg %u  %s  %s%s", i, leg->absolute ? leg->absolute : "-", state,
		m->write_mostly >> i & 1 ? "  write-mostly" : "");
	if (ml->dropped_err) {
		mirror_leg_error(ml, error, sizeof(error));
		fprintf(out, "  %s", error);
	}
	if (ml->oldest_ms >= SLOW_MS)
		fprintf(out, "  a step waits for %" PRIu64 " s", ml->oldest_ms / 1000);
	if (ml->read_errors)
		fprintf(out, "  %" PRIu64 " read errors", ml->read_errors);
	if (leg->absolute && !leg->direct)
		fprintf(out, "  (through the page cache)");
	fputc('\n', out);
}

static void mirror_set_text(struct target *t, FILE *out)
{
	struct mirror *m = t->priv;
	struct mirror_view v;
	char uuid[UUID_TEXT];

	mirror_look(m, &v);
	uuid_text(v.set.uuid, uuid);
	fprintf(out, "  set %s  %s  %s", v.set.name, uuid, v.state);
	mirror_resync_text(&v.resync, out);
	fputc('\n', out);
	for (unsigned int i = 0; i < v.set.nr; i++) {
		if (!super_is_leg(&v.set, i))
			continue;
		mirror_leg_text(t, i, mirror_slot_state(t, &v.set, i), out);
	}
}

void mirror_status_text(struct target *t, FILE *out)
{
	struct mirror *m = t->priv;

	pthread_mutex_lock(&m->lock);
	if (m->record)
		mirror_set_text(t, out);
	for (unsigned int i = 0; i < t->nr_legs && !m->record; i++)
		mirror_leg_text(t, i, m->legs[i].dropped_err ? "dropped" : "live", out);
	pthread_mutex_unlock(&m->lock);
}
