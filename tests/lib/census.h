/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What there is on this machine, to be compared before and after: ublk devices, and
 * objects of the kernel's allocator.
 *
 * The total of Slab: in /proc/meminfo would not do: it counts pages, which caches keep
 * and which the page cache and the file systems of a test grow by megabytes.  Objects
 * are counted by cache, after the kernel was asked to give back what is free, which on
 * a KASAN kernel empties the quarantine too; only in caches that have nothing to do
 * with looking at files.  All of a slab that a processor allocates from counts as in
 * use, so that a few slabs more mean nothing: in caches of small objects, which have
 * hundreds in a slab, a leak must be large to be seen, and is kmemleak's to find.
 */
#ifndef TESTS_CENSUS_H
#define TESTS_CENSUS_H

#include "check.h"

#define CENSUS_CACHES	128
/* One and a half for each of two processors. */
#define CENSUS_SLABS	3

struct census_cache {
	char name[40];
	long objects;
	long per_slab;
};

struct census {
	char devices[4096];	/* nodes, and what `regbuf list` says */
	struct census_cache caches[CENSUS_CACHES];
	unsigned int nr_caches;
};

/* False if this kernel does not let its objects be counted; devices are there then, too. */
bool census_take(struct census *c);
/*
 * The cache that has more than @slack objects and CENSUS_SLABS slabs more than before,
 * and most of them, or NULL; *by is how many.
 */
const char *census_grown(const struct census *before, const struct census *after, long slack,
			 long *by);
/* Devices are the same, and no cache has grown, within SOON_MS, or the test fails. */
void census_is(const struct census *before, long slack, const char *what);

#endif
