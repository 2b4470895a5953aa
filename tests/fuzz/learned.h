/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What loans have to have learned of what was done with them (struct io_lent_sum): how many users
 * did all that they were asked, what went wrong, which bytes were filled.
 *
 * Pure logic.  The order of what is filled counts: what is ahead of a gap is known by whole units
 * only.  Users that are submitted together run at the same time, so what was filled is then known
 * to be between two numbers.
 */
#ifndef FUZZ_LEARNED_H
#define FUZZ_LEARNED_H

#include <linux/lend_test.h>
#include <linux/types.h>
#include <stdbool.h>

#include "check.h"

#define LEARNED_LEN_MAX	65536
#define LEARNED_ERRORS	16	/* that are told from each other */

/* Errors of which one is to be told: which of them was first is open. */
struct learned_errors {
	unsigned int nr;	/* above LEARNED_ERRORS: any */
	int v[LEARNED_ERRORS];
};

/* Of one loan.  Bytes count from where it begins. */
struct learned {
	u32 unit;		/* as lend_test_setup.learn; 0: it learns nothing */
	u32 len;
	u64 full, not_full;
	struct learned_errors errors;
	u32 filled;		/* if all is filled in the order of learned_fill() */
	u64 batch;		/* of the latest fill */
	bool together;		/* some were filled in another order, perhaps */
	u8 bytes[LEARNED_LEN_MAX];
};

struct learned_range {
	u32 min, max;
};

/* Of all loans of a buffer that have come back since it was set up. */
struct learned_all {
	u64 full, not_full;
	int error;		/* at the latest look */
	unsigned int back;	/* loans that learn, since then: the last of them is told, whichever that is */
	struct learned_errors errors;
	struct learned_range filled, units;
};

void learned_init(struct learned *l, u32 unit, u32 len);

/* A user that was to move @asked bytes has done, with result @res. */
void learned_used(struct learned *l, u64 asked, int res);

/* A user of batch @batch has written to these bytes. */
void learned_fill(struct learned *l, u32 from, u32 len, u64 batch);

/* The loan has come back. */
void learned_back(struct learned_all *all, const struct learned *l);

/* Is this what they have told?  @why, of @size bytes, says what is not.  The next look begins here. */
bool learned_is(struct learned_all *all, const struct lend_test_sum *sum, char *why, size_t size);

#endif
