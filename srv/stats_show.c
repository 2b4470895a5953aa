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

typedef void (*show_value)(FILE *out, const char *metric, const char *labels, const struct stats_line *l);

static void show_nr(FILE *out, const char *metric, const char *labels, const struct stats_line *l)
{
	fprintf(out, "%s{%s} %" PRIu64 "\n", metric, labels, l->nr);
}

static void show_errors(FILE *out, const char *metric, const char *labels, const struct stats_line *l)
{
	fprintf(out, "%s{%s} %" PRIu64 "\n", metric, labels, l->errors);
}

static void show_bytes(FILE *out, const char *metric, const char *labels, const struct stats_line *l)
{
	fprintf(out, "%s{%s} %" PRIu64 "\n", metric, labels, l->bytes);
}

/* All three from the histogram, so that they fit. */
static void show_seconds(FILE *out, const char *metric, const char *labels, const struct stats_line *l)
{
	u64 all = stats_line_below(l, 63);

	for (unsigned int shift = LE_FIRST; shift <= LE_LAST; shift += LE_STEP)
		fprintf(out, "%s_bucket{%s,le=\"%.9g\"} %" PRIu64 "\n", metric, labels, (double)(1ULL << shift) / 1e9,
			stats_line_below(l, shift));
	fprintf(out, "%s_bucket{%s,le=\"+Inf\"} %" PRIu64 "\n", metric, labels, all);
	fprintf(out, "%s_sum{%s} %.9f\n", metric, labels, l->ns / 1e9);
	fprintf(out, "%s_count{%s} %" PRIu64 "\n", metric, labels, all);
}

static const struct {
	const char *name, *type, *help;
	show_value show;
} metrics[] = {
	{ "requests_total", "counter", "that have ended", show_nr },
	{ "errors_total", "counter", "that have ended in an error", show_errors },
	{ "bytes_total", "counter", "that were read or written", show_bytes },
	{ "seconds", "histogram", "that they took", show_seconds },
};

/* What of a device is told of: itself (-1), or a leg. */
static void show_labels(char *labels, size_t len, const struct stats_device *d, int leg, unsigned int kind)
{
	char of_leg[24] = "";

	if (leg >= 0)
		snprintf(of_leg, sizeof(of_leg), "leg=\"%d\",", leg);
	snprintf(labels, len, "device=\"ublkb%u\",name=\"%s\",%sop=\"%s\"", d->id, d->name, of_leg, stats_kinds[kind]);
}

static void show_metric(FILE *out, unsigned int m, bool legs, const struct stats_device *v, unsigned int nr)
{
	char metric[64], labels[160];

	snprintf(metric, sizeof(metric), "regbuf_%s%s", legs ? "leg_" : "", metrics[m].name);
	fprintf(out, "# HELP %s of %s: %s\n# TYPE %s %s\n", metric, legs ? "a leg" : "a device", metrics[m].help, metric,
		metrics[m].type);
	for (unsigned int i = 0; i < nr; i++) {
		const struct stats_device *d = &v[i];
		struct stats_part sum;

		stats_sample_sum(&d->now, &sum);
		for (unsigned int part = 0; part < (legs ? d->now.nr_legs : 1); part++) {
			const struct stats_part *p = legs ? &d->now.legs[part] : &sum;

			for (unsigned int k = 0; k < STATS_KINDS; k++) {
				show_labels(labels, sizeof(labels), d, legs ? (int)part : -1, k);
				metrics[m].show(out, metric, labels, &p->kinds[k]);
			}
		}
	}
}

static void show_in_flight(FILE *out, const struct stats_device *v, unsigned int nr)
{
	fputs("# HELP regbuf_in_flight requests of a device that have not ended\n# TYPE regbuf_in_flight gauge\n", out);
	for (unsigned int i = 0; i < nr; i++) {
		struct stats_part sum;

		stats_sample_sum(&v[i].now, &sum);
		fprintf(out, "regbuf_in_flight{device=\"ublkb%u\",name=\"%s\"} %" PRIu64 "\n", v[i].id, v[i].name,
			sum.in_flight);
	}
	fputs("# HELP regbuf_leg_in_flight operations on a leg that have not ended\n# TYPE regbuf_leg_in_flight gauge\n",
	      out);
	for (unsigned int i = 0; i < nr; i++)
		for (unsigned int leg = 0; leg < v[i].now.nr_legs; leg++)
			fprintf(out, "regbuf_leg_in_flight{device=\"ublkb%u\",name=\"%s\",leg=\"%u\"} %" PRIu64 "\n", v[i].id,
				v[i].name, leg, v[i].now.legs[leg].in_flight);
}

void stats_show_prometheus(FILE *out, const struct stats_device *v, unsigned int nr)
{
	for (unsigned int m = 0; m < ARRAY_SIZE(metrics); m++)
		show_metric(out, m, false, v, nr);
	for (unsigned int m = 0; m < ARRAY_SIZE(metrics); m++)
		show_metric(out, m, true, v, nr);
	show_in_flight(out, v, nr);
}
