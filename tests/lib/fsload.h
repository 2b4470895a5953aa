/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A client of a file system that is mounted: writes files, makes them durable, puts them in the
 * place of older ones, and reads what it wrote.  The device below may come and go meanwhile.
 */
#ifndef TESTS_FSLOAD_H
#define TESTS_FSLOAD_H

#include <sys/types.h>

#include "check.h"

#define FSLOAD_FILES	16
#define FSLOAD_MAX	200000	/* bytes of a file */

/*
 * struct fsload - a client, in a process of its own
 * In shared memory; the client writes it, until it is done.
 */
struct fsload {
	char mnt[64];
	pid_t pid;
	volatile int stop, done;
	volatile u32 writes;	/* the next has this seed */
	u32 seeds[FSLOAD_FILES], sizes[FSLOAD_FILES];	/* 0: no such file */
	char broken[256];	/* what was wrong first, or "" */
};

/* Below directory @mnt; sizes and files are those of random(). */
struct fsload *fsload_start(const char *mnt);
/* Two files more are written, within 3 * SOON_MS, or the test fails. */
void fsload_runs(struct fsload *f, const char *what);
/* It ends, and has found nothing wrong. */
void fsload_stop(struct fsload *f, const char *what);
/* Of one that was stopped: all files are there, with what was written. */
void fsload_is(struct fsload *f, const char *what);

#endif
