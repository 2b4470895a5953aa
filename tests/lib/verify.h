/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a disk must hold, and a client that writes and reads it at random and looks.
 *
 * A sector holds what was acknowledged last; where a write failed since, it may hold
 * that one's data, or the one's before.  fio knows nothing of that: it ends at the first
 * error, and what it has verified is forgotten with it, while here the model goes from
 * one server, and from one device, to the next.
 */
#ifndef TESTS_VERIFY_H
#define TESTS_VERIFY_H

#include <sys/types.h>

#include "check.h"

/* One sector; the numbers are of writes, 0: none yet, the sector is zeroed. */
struct disk_model_sector {
	u32 acked;
	u32 failed_first, failed_last;	/* since; 0: none */
};

/* In shared memory; written by one client at a time, between them by nobody. */
struct disk_model {
	u32 nr;		/* sectors */
	u32 writes;
	struct disk_model_sector sectors[];
};

struct disk_model *disk_model_alloc(u64 size);
/*
 * Does @buf hold what @len bytes at @off may hold?  If not, @why, of @size bytes, says
 * what is wrong.
 */
bool disk_model_has(const struct disk_model *m, const u8 *buf, u64 off, u32 len,
		    char *why, size_t size);
/* No write failed that was not followed by one that did not: the contents are one. */
bool disk_model_is_exact(const struct disk_model *m);
/* All of what @path holds. */
void disk_model_is(const struct disk_model *m, const char *path, const char *what);

/* What a client does with an error. */
enum verify_errors {
	VERIFY_NO_ERROR,	/* it is the end, and told as broken */
	VERIFY_GO_ON,		/* counts it */
	VERIFY_END,		/* the disk is gone: ends */
};

#define VERIFY_LANES	8

/* A client of /dev/ublkb@id, in a process of its own. */
struct verify {
	int id;
	u32 seed;
	enum verify_errors errors_are;
	struct disk_model *model;
	pid_t pid;
	/* its own, to be looked at by the test */
	volatile int stop;
	volatile int done;
	volatile u32 ops, errors;
	char broken[256];	/* what was wrong first, or "" */
};

struct verify *verify_start(int id, struct disk_model *m, u32 seed, enum verify_errors errors_are);
/* Some operation is done; within SOON_MS, or the test fails. */
void verify_runs(struct verify *v, const char *what);
/*
 * Ends it, waits until what it has in flight is done, looks what it found, and frees
 * @v.  Returns how many operations went well.
 */
u32 verify_stop(struct verify *v, const char *what);

#endif
