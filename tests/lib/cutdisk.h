/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Disks whose power is cut, all at one moment: ublk disks with a volatile write cache (wcache.h), so
 * that FLUSH and FUA come to them.  Each is served by a process of its own, which answers late and
 * in any order, so that much is in flight.
 *
 * A cut is a copy: what each disk would hold if the power went at that moment, each with another
 * part of its cache, and what a client had been promised by then.  The disks themselves go on, so
 * that one run gives many cuts.  cutdisks_load() makes one of them true.
 */
#ifndef TESTS_CUTDISK_H
#define TESTS_CUTDISK_H

#include <pthread.h>
#include <sys/types.h>

#include "promise.h"
#include "wcache.h"

#define CUTDISKS	3
#define CUTDISKS_CUTS	16

/* struct cutdisks_cut - what a cut leaves; @image: @size bytes of each disk; @when: for messages */
struct cutdisks_cut {
	char when[96];
	struct promise *promise;
	u8 *image[CUTDISKS];
};

struct cutdisks;

/* One of them; written by its process, but for what the test does. */
struct cutdisk {
	struct cutdisks *all;
	unsigned int nr;
	struct wcache *cache;
	pid_t pid;
	u32 rnd;
	volatile int id;		/* of /dev/ublkbN; -1: not there yet */
	volatile unsigned int pending;	/* requests that are not answered */
	volatile bool broken;		/* writes and flushes fail; some of these writes arrive */
	volatile bool lies;		/* flushes and FUA do nothing, and succeed */
};

/*
 * struct cutdisks - some disks, and the cuts of a run
 * Shared memory, until the test ends.  Under @lock, which the caches have too: all but what is
 * volatile.
 * @hot: a write below this byte is a moment at which a cut is likely
 * @hot_one_in: of these moments one in so many is taken, while there are cuts left for them [6]
 * @hold: writes there are taken, and not answered
 * @promise: what clients have been promised
 * @cuts: of the run, @nr_cuts of them
 * @hot_left, @others_left: so many are still to be taken, at hot moments and at any others
 * @every: so many requests and answers are between two others, about; @left: until the next
 */
struct cutdisks {
	pthread_mutex_t lock;
	u64 size, hot;
	unsigned int nr;
	volatile bool stop, armed, hold;
	u32 rnd;
	volatile unsigned int hot_one_in;
	unsigned int hot_left, others_left, every, left;
	volatile unsigned int nr_cuts;
	const struct promise *promise;
	struct cutdisk disks[CUTDISKS];
	struct cutdisks_cut cuts[CUTDISKS_CUTS];
};

/* @nr disks of @size bytes, zeroes; @promise: of their client's disk.  need(): a ublk driver. */
struct cutdisks *cutdisks_start(unsigned int nr, u64 size, u64 hot, const struct promise *promise,
				u32 seed);
/* They go.  Nobody uses them any more. */
void cutdisks_stop(struct cutdisks *d);

/* "/dev/ublkbN", valid until the next call. */
const char *cutdisk_path(const struct cutdisks *d, unsigned int nr);

/* All that was answered is durable, as of now. */
void cutdisks_flush(struct cutdisks *d);

/* From now on @more cuts are taken, one half of them at hot moments, until cutdisks_disarm(). */
void cutdisks_arm(struct cutdisks *d, unsigned int more, unsigned int every);
void cutdisks_disarm(struct cutdisks *d);
/* There have been none. */
void cutdisks_forget(struct cutdisks *d);
/* One more, now, if there is room. */
void cutdisks_cut(struct cutdisks *d, const char *when);

/*
 * The power comes back after cut @nr.  All who used the disks are gone; it is waited for that, and
 * for what is in flight.
 */
void cutdisks_load(struct cutdisks *d, unsigned int nr);

#endif
