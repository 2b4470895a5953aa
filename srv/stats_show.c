// SPDX-License-Identifier: GPL-2.0
#include <inttypes.h>

#include "stats_show.h"

#define MIB		(1 << 20)
#define WHAT_MAX	32	/* bytes of the name of a part: "ublkb1048575 queue 4095" */

/* Powers of two, ns, of Prometheus' buckets: 16 us to 17 s. */
#define LE_FIRST	14
#define LE_LAST		34
#define LE_STEP		2

/* Text. */

static const struct {
	const char *name;
	int width;
} columns[] = {
	{ "r/s", 10 }, { "rMiB/s", 9 }, { "w/s", 10 }, { "wMiB/s", 9 }, { "o/s", 8 }, { "err/s", 7 }, { "flight", 7 },
	{ "r50us", 8 }, { "r99us", 8 }, { "w50us", 8 }, { "w99us", 8 },
};

void stats_show_head(FILE *out)
{
	fprintf(out, "%-20s", "device");
	for (unsigned int i = 0; i < ARRAY_SIZE(columns); i++)
		fprintf(out, " %*s", columns[i].width, columns[i].name);
	fputc('\n', out);
}

static void show_line(FILE *out, const char *what, const struct stats_part *p, u64 ns)
{
	const struct stats_line *r = &p->kinds[STATS_READ], *w = &p->kinds[STATS_WRITE], *o = &p->kinds[STATS_OTHER];
	double s = ns / 1e9;
	const double values[] = {
		r->nr / s, r->bytes / s / MIB, w->nr / s, w->bytes / s / MIB, o->nr / s,
		(r->errors + w->errors + o->errors) / s, p->in_flight,
		stats_line_within(r, 500) / 1e3, stats_line_within(r, 990) / 1e3,
		stats_line_within(w, 500) / 1e3, stats_line_within(w, 990) / 1e3,
	};

	_Static_assert(ARRAY_SIZE(values) == ARRAY_SIZE(columns), "each column has a value");
	fprintf(out, "%-20s", what);
	for (unsigned int i = 0; i < ARRAY_SIZE(columns); i++)
		fprintf(out, " %*.*f", columns[i].width, values[i] && values[i] < 100 ? 1 : 0, values[i]);
	fputc('\n', out);
}

void stats_show_text(FILE *out, const struct stats_device *d, struct stats_form form)
{
	struct stats_part sum;
	char what[WHAT_MAX];

	stats_sample_sum(&d->now, &sum);
	snprintf(what, sizeof(what), "ublkb%u", d->id);
	show_line(out, what, &sum, d->ns);
	for (unsigned int i = 0; form.legs && i < d->now.nr_legs; i++) {
		snprintf(what, sizeof(what), "ublkb%u leg %u", d->id, i);
		show_line(out, what, &d->now.legs[i], d->ns);
	}
	for (unsigned int i = 0; form.queues && i < d->now.nr_queues; i++) {
		snprintf(what, sizeof(what), "ublkb%u queue %u", d->id, i);
		show_line(out, what, &d->now.queues[i], d->ns);
	}
}

/* JSON. */

static void show_json_kind(struct json *j, const char *name, const struct stats_line *l)
{
	json_open(j, name, '{');
	json_u64(j, "requests", l->nr);
	json_u64(j, "errors", l->errors);
	json_u64(j, "bytes", l->bytes);
	json_open(j, "latency_ns", '{');
	json_u64(j, "mean", l->nr ? l->ns / l->nr : 0);
	json_u64(j, "p50", stats_line_within(l, 500));
	json_u64(j, "p90", stats_line_within(l, 900));
	json_u64(j, "p99", stats_line_within(l, 990));
	json_u64(j, "p999", stats_line_within(l, 999));
	json_u64(j, "max", stats_line_within(l, 1000));
	json_close(j, '}');
	json_close(j, '}');
}

static void show_json_part(struct json *j, const struct stats_part *p)
{
	json_u64(j, "in_flight", p->in_flight);
	for (unsigned int k = 0; k < STATS_KINDS; k++)
		show_json_kind(j, stats_kinds[k], &p->kinds[k]);
}

static void show_json_parts(struct json *j, const char *key, const char *nr_key, const struct stats_part *parts,
			    unsigned int nr)
{
	json_open(j, key, '[');
	for (unsigned int i = 0; i < nr; i++) {
		json_open(j, NULL, '{');
		json_u64(j, nr_key, i);
		show_json_part(j, &parts[i]);
		json_close(j, '}');
	}
	json_close(j, ']');
}

void stats_show_json(struct json *j, const struct stats_device *d)
{
	struct stats_part sum;
	char node[32];

	stats_sample_sum(&d->now, &sum);
	snprintf(node, sizeof(node), "/dev/ublkb%u", d->id);
	json_open(j, NULL, '{');
	json_u64(j, "id", d->id);
	json_str(j, "node", node);
	json_str(j, "name", d->name[0] ? d->name : NULL);
	json_u64(j, "interval_ns", d->ns);
	show_json_part(j, &sum);
	show_json_parts(j, "legs", "leg", d->now.legs, d->now.nr_legs);
	show_json_parts(j, "queues", "queue", d->now.queues, d->now.nr_queues);
	json_close(j, '}');
}

/* Prometheus: of each metric all values stand together, behind what it is. */

/* struct metric - one of a device, or of a leg: what is in flight, else of each kind a counter or the histogram */
struct metric {
	const char *name, *type, *help;
	enum { METRIC_COUNTER, METRIC_SECONDS, METRIC_IN_FLIGHT } what;
	size_t counter;		/* where that is in struct stats_line */
};

#define COUNTER(field)	.what = METRIC_COUNTER, .counter = offsetof(struct stats_line, field)

static const struct metric metrics[] = {
	{ .name = "requests_total", .type = "counter", .help = "that have ended", COUNTER(nr) },
	{ .name = "errors_total", .type = "counter", .help = "that have ended in an error", COUNTER(errors) },
	{ .name = "bytes_total", .type = "counter", .help = "that were read or written", COUNTER(bytes) },
	{ .name = "seconds", .type = "histogram", .help = "that they took", .what = METRIC_SECONDS },
	{ .name = "in_flight", .type = "gauge", .help = "that have not ended", .what = METRIC_IN_FLIGHT },
};

/* The count is the histogram's, so that they fit. */
static void show_seconds(FILE *out, const char *metric, const char *labels, const struct stats_line *l)
{
	u64 all = stats_line_timed(l);

	for (unsigned int shift = LE_FIRST; shift <= LE_LAST; shift += LE_STEP)
		fprintf(out, "%s_bucket{%s,le=\"%.9g\"} %" PRIu64 "\n", metric, labels, (double)(1ULL << shift) / 1e9,
			stats_line_below(l, shift));
	fprintf(out, "%s_bucket{%s,le=\"+Inf\"} %" PRIu64 "\n", metric, labels, all);
	fprintf(out, "%s_sum{%s} %.9f\n", metric, labels, l->ns / 1e9);
	fprintf(out, "%s_count{%s} %" PRIu64 "\n", metric, labels, all);
}

/* @of: labels that say which part it is. */
static void show_part(FILE *out, const struct metric *m, const char *metric, const char *of, const struct stats_part *p)
{
	char labels[160];

	if (m->what == METRIC_IN_FLIGHT) {
		fprintf(out, "%s{%s} %" PRIu64 "\n", metric, of, p->in_flight);
		return;
	}
	for (unsigned int k = 0; k < STATS_KINDS; k++) {
		const struct stats_line *l = &p->kinds[k];

		snprintf(labels, sizeof(labels), "%s,op=\"%s\"", of, stats_kinds[k]);
		if (m->what == METRIC_SECONDS)
			show_seconds(out, metric, labels, l);
		else
			fprintf(out, "%s{%s} %" PRIu64 "\n", metric, labels, *(const u64 *)((const char *)l + m->counter));
	}
}

static void show_metric(FILE *out, const struct metric *m, bool legs, const struct stats_device *v, unsigned int nr)
{
	char metric[64], of[128];

	snprintf(metric, sizeof(metric), "regbuf_%s%s", legs ? "leg_" : "", m->name);
	fprintf(out, "# HELP %s of %s: %s\n# TYPE %s %s\n", metric, legs ? "a leg" : "a device", m->help, metric, m->type);
	for (unsigned int i = 0; i < nr; i++) {
		const struct stats_device *d = &v[i];
		struct stats_part sum;
		int len = snprintf(of, sizeof(of), "device=\"ublkb%u\",name=\"%s\"", d->id, d->name);

		if (!legs) {
			stats_sample_sum(&d->now, &sum);
			show_part(out, m, metric, of, &sum);
		}
		for (unsigned int leg = 0; legs && leg < d->now.nr_legs; leg++) {
			snprintf(of + len, sizeof(of) - len, ",leg=\"%u\"", leg);
			show_part(out, m, metric, of, &d->now.legs[leg]);
		}
	}
}

void stats_show_prometheus(FILE *out, const struct stats_device *v, unsigned int nr)
{
	for (unsigned int m = 0; m < ARRAY_SIZE(metrics); m++) {
		show_metric(out, &metrics[m], false, v, nr);
		show_metric(out, &metrics[m], true, v, nr);
	}
}
