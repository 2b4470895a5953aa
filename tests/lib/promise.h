/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a disk has promised its client: which data is there whatever happens.  And a client that
 * writes, flushes and reads at random, several at once, and keeps book.
 *
 * Each write has a number, and each sector of it says the number and the sector.  A sector holds
 * after a power cut the number that it was promised, or a later one that was sent: promised is
 * what was acknowledged, and then flushed, or FUA.  verify.h is for a server that dies: there what
 * was acknowledged is there.
 */
#ifndef TESTS_PROMISE_H
#define TESTS_PROMISE_H

#include <sys/types.h>

#include "check.h"

#define PROMISE_SECTOR	512
#define PROMISE_LANES	8
#define PROMISE_IO_MAX	(64 << 10)
#define PROMISE_BAD	(~0U)	/* no number */

/* One sector, in numbers of writes; 0: none, it is zeroed. */
struct promise_sector {
	u32 safe;	/* it, or a later one, is there after a cut */
	u32 acked;	/* the last that was acknowledged */
	u32 sent;	/* the last that was sent */
};

/* In shared memory; written by one client at a time, between them by the test. */
struct promise {
	u32 nr;		/* sectors */
	u32 writes;
	struct promise_sector sectors[];
};

struct promise *promise_alloc(u64 size);
/* @to is of the same size. */
void promise_copy(struct promise *to, const struct promise *from);

/* What is written: @len bytes at @off, of write @nr. */
void promise_fill(u8 *buf, u32 len, u32 nr, u64 off);
/* The number that the sector at byte @off has, which is @buf; PROMISE_BAD: it is none of a write. */
u32 promise_found(const u8 *buf, u64 off);

/*
 * May the disk, of which @buf is all, hold that after a cut?  If not, @why, of @size bytes, says
 * what is wrong.
 */
bool promise_kept(const struct promise *p, const u8 *buf, char *why, size_t size);
/* A flush that came when all was idle: what was acknowledged is safe. */
void promise_flushed(struct promise *p);
/* The disk holds @buf, which is kept as promised, and this is what it holds from now on. */
void promise_settle(struct promise *p, const u8 *buf);

/* struct promise_client - a client of /dev/ublkb@id, in a process of its own; shared */
struct promise_client {
	int id;
	u32 seed;
	struct promise *promise;
	unsigned int flushes;	/* percent of the operations that flush, or are FUA */
	unsigned int fua;	/* percent of those that are FUA: many a disk flushes all for one */
	pid_t pid;
	volatile bool stop, rest;	/* rest: nothing new, for now */
	volatile bool done;
	volatile u32 ops;
	char broken[256];	/* the first error, or what a read has found wrong; or "" */
};

struct promise_client *promise_start(int id, struct promise *p, unsigned int flushes, unsigned int fua, u32 seed);
/* Ends it when what it has in flight is done, and frees @c.  Nothing has failed or was wrong. */
void promise_stop(struct promise_client *c, const char *what);

#endif
