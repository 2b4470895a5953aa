/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Counters of requests or of steps: so many, so many bytes, and a histogram of how long they took.
 */
#ifndef SRV_STATS_LINE_H
#define SRV_STATS_LINE_H

#include <stdio.h>

#include "types.h"

enum stats_kind { STATS_READ, STATS_WRITE, STATS_OTHER, STATS_KINDS };

extern const char *const stats_kinds[STATS_KINDS];

/*
 * Below 2^STATS_SHIFT ns is one bucket.  Each power of two from there on has 2^STATS_SUB, so a time that is read
 * from them is an eighth too long at most; the last one has what is longer than two minutes.
 */
#define STATS_SHIFT	10
#define STATS_SUB	3
#define STATS_BUCKETS	(1 + (27 << STATS_SUB))

/* struct stats_line - of one kind; they only grow */
struct stats_line {
	u64 nr;			/* that have ended, also in an error */
	u64 errors;		/* of them */
	u64 bytes;		/* that were read or written; 0 for others */
	u64 ns;			/* all times together */
	u64 hist[STATS_BUCKETS];
};

/* struct stats_part - of a queue, a leg, or all of a device */
struct stats_part {
	u64 in_flight;		/* now */
	struct stats_line kinds[STATS_KINDS];
};

/* One has ended after @ns, with @bytes, or with @res < 0. */
void stats_line_add(struct stats_line *l, u64 ns, u64 bytes, s32 res);

/* @to += @from, in_flight too. */
void stats_part_add(struct stats_part *to, const struct stats_part *from);
/* @p, an earlier one, becomes what was added until @now; in_flight is that of @now. */
void stats_part_since(struct stats_part *p, const struct stats_part *now);

/* The time, ns, within which @permille of a thousand have ended; 0: there were none. */
u64 stats_line_within(const struct stats_line *l, unsigned int permille);
/* How many the histogram has: what is read while it is written need not fit nr. */
u64 stats_line_timed(const struct stats_line *l);
/* How many took less than 2^@shift ns, STATS_SHIFT <= @shift. */
u64 stats_line_below(const struct stats_line *l, unsigned int shift);

/*
 * struct stats_sample - a device's counters at one time
 * stats_sample_read() to stats_sample_free(); the zeroed one has nothing.
 */
struct stats_sample {
	u64 ns;			/* CLOCK_MONOTONIC of that time */
	unsigned int nr_queues, nr_legs;
	int pid;		/* the server's: another one has begun at 0 */
	struct stats_part *queues;
	struct stats_part *legs;	/* MAX_LEGS */
};

/* Lines of a part, as the server sends them: @what 'queue' or 'leg'. */
void stats_part_write(FILE *out, const char *what, unsigned int nr, const struct stats_part *p);
/* The answer of a server, @text, which is written to.  0, or -EPROTO or -ENOMEM with nothing to be freed. */
int stats_sample_read(struct stats_sample *s, char *text);
void stats_sample_free(struct stats_sample *s);
/* All queues together. */
void stats_sample_sum(const struct stats_sample *s, struct stats_part *sum);

#endif
