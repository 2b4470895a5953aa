// SPDX-License-Identifier: GPL-2.0
#include <inttypes.h>

#include "mirror_show.h"

static unsigned int show_percent(const struct mirror_status *s)
{
	return s->total ? (unsigned int)(100.0 * s->done / s->total) : 0;
}

static void show_json_leg(struct json *j, const struct mirror_leg_status *l)
{
	json_open(j, NULL, '{');
	json_u64(j, "slot", l->slot);
	json_name(j, "path", l->path);
	json_str(j, "uuid", l->uuid);
	json_str(j, "state", l->state);
	json_bool(j, "write_mostly", l->write_mostly);
	json_u64(j, "read_errors", l->read_errors);
	json_u64(j, "oldest_ms", l->oldest_ms);
	if (l->error)
		json_str(j, "error", l->error);
	json_close(j, '}');
}

static void show_json_work(struct json *j, const struct mirror_status *s)
{
	if (!s->work) {
		json_null(j, "resync");
		return;
	}
	json_open(j, "resync", '{');
	json_str(j, "what", s->work);
	json_u64(j, "percent", show_percent(s));
	json_u64(j, "kib_s", s->kib_s);
	if (s->eta_s < 0)
		json_null(j, "eta_s");
	else
		json_s64(j, "eta_s", s->eta_s);
	json_close(j, '}');
}

static void show_json_limits(struct json *j, const struct mirror_status *s)
{
	json_open(j, "limits", '{');
	json_u64(j, "resync_min", s->resync_min);
	json_u64(j, "resync_max", s->resync_max);
	json_u64(j, "leg_timeout", s->leg_timeout);
	json_u64(j, "read_errors", s->max_read_errors);
	json_close(j, '}');
}

void mirror_show_json(struct json *j, const char *key, const struct mirror_status *s)
{
	json_open(j, key, '{');
	json_str(j, "name", s->name);
	json_str(j, "uuid", s->uuid);
	json_str(j, "device", s->device);
	json_str(j, "state", s->state);
	json_open(j, "legs", '[');
	for (unsigned int i = 0; i < s->nr_legs; i++)
		show_json_leg(j, &s->legs[i]);
	json_close(j, ']');
	show_json_work(j, s);
	json_u64(j, "mismatches", s->mismatches);
	show_json_limits(j, s);
	json_close(j, '}');
}

void mirror_show_progress(const struct mirror_status *s, char *text, size_t len)
{
	int n = snprintf(text, len, "%s %u %%, %.1f MiB/s", s->work, show_percent(s), s->kib_s / 1024.0);

	if (s->eta_s >= 0 && n > 0 && (size_t)n < len)
		snprintf(text + n, len - n, ", %" PRId64 ":%02u:%02u left", s->eta_s / 3600,
			 (unsigned int)(s->eta_s / 60 % 60), (unsigned int)(s->eta_s % 60));
}

void mirror_show_text(const struct mirror_status *s, FILE *out)
{
	char progress[128];

	fprintf(out, "set %s  %s  %s  %s\n", s->name, s->uuid, s->device ? s->device : "-", s->state);
	for (unsigned int i = 0; i < s->nr_legs; i++) {
		const struct mirror_leg_status *l = &s->legs[i];

		fprintf(out, "  %s  %s", l->path ? l->path : l->uuid, l->state);
		if (l->write_mostly)
			fputs("  write-mostly", out);
		if (l->error)
			fprintf(out, "  %s", l->error);
		if (l->read_errors)
			fprintf(out, "  %" PRIu64 " read errors", l->read_errors);
		if (l->oldest_ms >= 1000)
			fprintf(out, "  its oldest step has taken %" PRIu64 " s so far", l->oldest_ms / 1000);
		fputc('\n', out);
	}
	if (s->work) {
		mirror_show_progress(s, progress, sizeof(progress));
		fprintf(out, "  %s\n", progress);
	}
	if (s->mismatches)
		fprintf(out, "  %" PRIu64 " mismatches in the latest check\n", s->mismatches);
}
