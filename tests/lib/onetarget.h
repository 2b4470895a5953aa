/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One target without a queue: its requests are made up, and so are the results of their steps.
 */
#ifndef TESTS_ONETARGET_H
#define TESTS_ONETARGET_H

#include "target.h"

/*
 * struct onetarget - the target, and its only request
 * @paths: files that may be its legs, of 4 MiB
 */
struct onetarget {
	struct target *t;
	void *tq;
	struct io io;
	char paths[3][64];
};

extern struct onetarget one;

/* What every step gives, by leg: all is well. */
extern const int one_good[MAX_LEGS];

/* For a suite's .init and .fini: the files; the target too, if one was started. */
void one_begin(void);
void one_end(void);

/* A target that is not open yet, with so many of the files as legs. */
struct target *one_make(const char *name, unsigned int nr_legs);
/* The same, with an option, or none. */
struct target *one_make_with(const char *name, unsigned int nr_legs, const char *option, const char *value);
/* Checks its options, opens it, starts it with one queue. */
void one_start(struct target *made);

/* A request is planned; and settled, with @res of each leg for its steps. */
enum verdict one_request(u8 op, u64 off, u32 len);
enum verdict one_settle(const int *res);

/* As JSON, valid until the next call. */
const char *one_status(void);

#endif
