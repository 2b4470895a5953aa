// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <inttypes.h>
#include <linux/ublk_cmd.h>
#include <stdlib.h>
#include <string.h>

#include "stats_line.h"

const char *const stats_kinds[STATS_KINDS] = { "read", "write", "other" };

static unsigned int stats_bucket(u64 ns)
{
	unsigned int power, bucket;

	if (ns < 1U << STATS_SHIFT)
		return 0;
	power = 63 - __builtin_clzll(ns);
	bucket = 1 + ((power - STATS_SHIFT) << STATS_SUB) + (ns >> (power - STATS_SUB) & ((1U << STATS_SUB) - 1));
	return min_u64(bucket, STATS_BUCKETS - 1);
}

/* Where bucket @i ends, ns. */
static u64 stats_bucket_end(unsigned int i)
{
	unsigned int power = STATS_SHIFT + ((i - 1) >> STATS_SUB), sub = (i - 1) & ((1U << STATS_SUB) - 1);

	if (!i)
		return 1U << STATS_SHIFT;
	return (u64)((1U << STATS_SUB) + sub + 1) << (power - STATS_SUB);
}

void stats_line_add(struct stats_line *l, u64 ns, u64 bytes, s32 res)
{
	l->nr++;
	l->errors += res < 0;
	l->bytes += res < 0 ? 0 : bytes;
	l->ns += ns;
	l->hist[stats_bucket(ns)]++;
}

static void stats_line_join(struct stats_line *to, const struct stats_line *from)
{
	to->nr += from->nr;
	to->errors += from->errors;
	to->bytes += from->bytes;
	to->ns += from->ns;
	for (unsigned int i = 0; i < STATS_BUCKETS; i++)
		to->hist[i] += from->hist[i];
}

static void stats_line_since(struct stats_line *l, const struct stats_line *now)
{
	l->nr = now->nr - l->nr;
	l->errors = now->errors - l->errors;
	l->bytes = now->bytes - l->bytes;
	l->ns = now->ns - l->ns;
	for (unsigned int i = 0; i < STATS_BUCKETS; i++)
		l->hist[i] = now->hist[i] - l->hist[i];
}

void stats_part_add(struct stats_part *to, const struct stats_part *from)
{
	to->in_flight += from->in_flight;
	for (unsigned int k = 0; k < STATS_KINDS; k++)
		stats_line_join(&to->kinds[k], &from->kinds[k]);
}

void stats_part_since(struct stats_part *p, const struct stats_part *now)
{
	p->in_flight = now->in_flight;
	for (unsigned int k = 0; k < STATS_KINDS; k++)
		stats_line_since(&p->kinds[k], &now->kinds[k]);
}

u64 stats_line_timed(const struct stats_line *l)
{
	u64 nr = 0;

	for (unsigned int i = 0; i < STATS_BUCKETS; i++)
		nr += l->hist[i];
	return nr;
}

u64 stats_line_within(const struct stats_line *l, unsigned int permille)
{
	u64 nr = stats_line_timed(l), want = (nr * permille + 999) / 1000, seen = 0;

	for (unsigned int i = 0; nr && i < STATS_BUCKETS; i++) {
		seen += l->hist[i];
		if (seen >= want && seen)
			return stats_bucket_end(i);
	}
	return 0;
}

u64 stats_line_below(const struct stats_line *l, unsigned int shift)
{
	u64 nr = 0;

	for (unsigned int i = 0; i < STATS_BUCKETS && stats_bucket_end(i) <= 1ULL << shift; i++)
		nr += l->hist[i];
	return nr;
}

void stats_part_write(FILE *out, const char *what, unsigned int nr, const struct stats_part *p)
{
	fprintf(out, "%s %u %" PRIu64 "\n", what, nr, p->in_flight);
	for (unsigned int k = 0; k < STATS_KINDS; k++) {
		const struct stats_line *l = &p->kinds[k];

		fprintf(out, "%s %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64, stats_kinds[k], l->nr, l->errors,
			l->bytes, l->ns);
		for (unsigned int i = 0; i < STATS_BUCKETS; i++)
			if (l->hist[i])
				fprintf(out, " %u:%" PRIu64, i, l->hist[i]);
		fputc('\n', out);
	}
}

/* "NAME NR ERRORS BYTES NS BUCKET:NR..." */
static bool stats_line_read(struct stats_line *l, const char *name, char *text)
{
	char *word = strsep(&text, " ");
	int end = 0;

	if (strcmp(word, name) || !text ||
	    sscanf(text, "%" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 "%n", &l->nr, &l->errors, &l->bytes, &l->ns,
		   &end) != 4)
		return false;
	for (text += end; *text; text += end) {
		unsigned int bucket;
		u64 nr;

		if (sscanf(text, " %u:%" SCNu64 "%n", &bucket, &nr, &end) != 2 || bucket >= STATS_BUCKETS)
			return false;
		l->hist[bucket] = nr;
	}
	return true;
}

/* The lines behind "WHAT NR IN_FLIGHT". */
static bool stats_part_read(struct stats_part *p, char **text)
{
	for (unsigned int k = 0; k < STATS_KINDS; k++) {
		char *line = strsep(text, "\n");

		if (!line || !stats_line_read(&p->kinds[k], stats_kinds[k], line))
			return false;
	}
	return true;
}

/* Where a line that begins a part has its counters, or NULL: it is none. */
static struct stats_part *stats_sample_part(struct stats_sample *s, const char *line)
{
	struct stats_part *p;
	unsigned int nr;
	u64 in_flight;

	if (sscanf(line, "queue %u %" SCNu64, &nr, &in_flight) == 2 && nr < s->nr_queues)
		p = &s->queues[nr];
	else if (sscanf(line, "leg %u %" SCNu64, &nr, &in_flight) == 2 && nr < s->nr_legs)
		p = &s->legs[nr];
	else
		return NULL;
	p->in_flight = in_flight;
	return p;
}

int stats_sample_read(struct stats_sample *s, char *text)
{
	char *line = strsep(&text, "\n");
	int ret = -EPROTO;

	*s = (struct stats_sample){ 0 };
	if (sscanf(line, "stats 1 %" SCNu64 " %u %u %d", &s->ns, &s->nr_queues, &s->nr_legs, &s->pid) != 4 ||
	    s->nr_queues > UBLK_MAX_NR_QUEUES || s->nr_legs > MAX_LEGS)
		return ret;
	s->queues = calloc(s->nr_queues, sizeof(*s->queues));
	s->legs = calloc(MAX_LEGS, sizeof(*s->legs));
	ret = s->queues && s->legs ? 0 : -ENOMEM;
	while (!ret && (line = strsep(&text, "\n")) && *line) {
		struct stats_part *p = stats_sample_part(s, line);

		if (!p || !stats_part_read(p, &text))
			ret = -EPROTO;
	}
	if (ret)
		stats_sample_free(s);
	return ret;
}

void stats_sample_free(struct stats_sample *s)
{
	free(s->queues);
	free(s->legs);
	*s = (struct stats_sample){ 0 };
}

void stats_sample_sum(const struct stats_sample *s, struct stats_part *sum)
{
	*sum = (struct stats_part){ 0 };
	for (unsigned int i = 0; i < s->nr_queues; i++)
		stats_part_add(sum, &s->queues[i]);
}
