/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Legs: disks and files below a device, which a test makes, breaks and mends.
 *
 * A leg has a number.  Making one removes what had the number before.  All have names
 * that begin with DISK_NULL_PREFIX, so that what a failed test left is told from what is
 * somebody's.  They hold zeroes, unless what they are made of holds something.
 *
 * A leg that is to hang, to fail or to become another disk is made by tleg_over(): a
 * device-mapper disk over one that does nothing of the kind.
 *
 * A suite calls tlegs_sweep() in its .init and its .fini.  One with servers of its own
 * removes these first, and then calls tlegs_remove().
 */
#ifndef TESTS_TLEG_H
#define TESTS_TLEG_H

#include "check.h"
#include "tmpfile.h"

#define TLEGS_MAX	16	/* of one target at most */

/* What becomes of I/O to a leg of tleg_over(). */
enum tleg_fault {
	TLEG_GOOD,
	TLEG_ERROR,		/* all of it fails: EIO */
	TLEG_WRITE_ERROR,	/* writes fail, reads do not */
	TLEG_SLOW,		/* all of it takes TLEG_SLOW_MS */
	TLEG_BAD_SECTORS,	/* see tleg_bad() */
	NR_TLEG_FAULTS
};
#define TLEG_SLOW_MS	100

/*
 * Each returns the leg's path, valid until the leg is made again or removed.  What the
 * machine has not, the test is skipped for: need().
 */

/* A null_blk disk; NULL: of 16 MiB, all else as the driver has it. */
const char *tleg_null(unsigned int nr, const struct null_disk *opt);
/* The first @nr, of @mb MiB: slow enough to have something in work whenever a server is killed, or asked to end. */
void tlegs_slow(const char **paths, unsigned int nr, unsigned int mb);
/* A file of @size bytes in /tmp, sparse. */
const char *tleg_file(unsigned int nr, u64 size);
/* A loop device of @file, which is opened with @flags. */
const char *tleg_loop(unsigned int nr, const char *file, int flags);
/* A device-mapper disk of all of disk @below, good for now. */
const char *tleg_over(unsigned int nr, const char *below);
/* The same, read-only. */
const char *tleg_over_readonly(unsigned int nr, const char *below);

/* The path, of a leg that is made. */
const char *tleg_path(unsigned int nr);
/* Opens it; close() is the caller's. */
int tleg_open(unsigned int nr, int flags);
/* Writes to /sys/block/DISK/@attr. */
void tleg_set(unsigned int nr, const char *attr, const char *value);

/*
 * Sectors @first to @last fail from now on.  A leg of tleg_null() fails reads and writes, if
 * it was made with .badblocks: without, the driver does not look.  One of tleg_over() fails
 * reads until the sector is written, as disks do; earlier bad sectors of it are good again.
 */
void tleg_bad(unsigned int nr, u32 first, u32 last);

/* Legs of tleg_over() */

/*
 * Holds all I/O that comes, until tleg_resume().  Returns when what came before is done.
 * A file system on it is not told.
 */
void tleg_suspend(unsigned int nr);
void tleg_resume(unsigned int nr);
/* From now on; TLEG_GOOD mends it. */
void tleg_break(unsigned int nr, enum tleg_fault fault);
/* Another disk of the same size takes the place of what is below. */
void tleg_switch(unsigned int nr, const char *below);

/* Ends one leg. */
void tleg_remove(unsigned int nr);
/* All that are held go on, those of failed tests too. */
void tlegs_resume(void);
/* All legs end, those of failed tests too.  Nobody may use them any more. */
void tlegs_remove(void);
/* Legs go on, servers of `regbuf` end, then legs.  See cli_sweep() for when this skips. */
void tlegs_sweep(void);

#endif
