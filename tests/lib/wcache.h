/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A disk's volatile write cache: what it still has to write, and what a power cut may leave.
 * Memory only: no I/O, no locks, no clock; what is drawn follows from a seed.
 *
 * A write is in flight, then answered.  It is in the cache until a flush that came after its
 * answer is answered, or it is FUA and answered itself.  A cut may lose any write that is in the
 * cache or in flight, or tear it at 512 bytes; what is durable, it leaves alone.
 *
 * Why a model, and not dm-log-writes: that logs one disk in its order, and cuts between two writes.
 * Here several disks are cut at one moment, each has another part of its cache, and the order of
 * what one flush covers does not matter.
 */
#ifndef TESTS_WCACHE_H
#define TESTS_WCACHE_H

#include "check.h"

#define WCACHE_SECTOR		512
#define WCACHE_WRITE_MAX	65536	/* bytes of a write */
#define WCACHE_WRITES		512	/* in the cache and in flight; an older one is written, then */

/*
 * struct wcache_write - a write that is not durable, or not all of it
 * @answered: the tick at which it was; 0: in flight
 * @only_here: sectors of which the disk has not the data, and no newer one either
 */
struct wcache_write {
	u64 off;
	u32 len, answered;
	bool fua;
	bool only_here[WCACHE_WRITE_MAX / WCACHE_SECTOR];
	u8 data[WCACHE_WRITE_MAX];
};

/*
 * struct wcache - a disk and its cache
 * In shared memory; the caller has a lock, if there are several users.
 * @order: first those that are kept, @nr of them, as they came; then those that are free
 * @mem: what is read, and then what is durable, @size bytes each
 */
struct wcache {
	u64 size;
	u32 tick, nr;
	u16 order[WCACHE_WRITES];
	struct wcache_write writes[WCACHE_WRITES];
	u8 mem[];
};

struct wcache *wcache_alloc(u64 size);

void wcache_read(const struct wcache *c, u64 off, u32 len, void *buf);
const u8 *wcache_durable(const struct wcache *c);

/* It is read from now on.  Returns its number for wcache_answer(), which ends it. */
unsigned int wcache_write(struct wcache *c, u64 off, u32 len, bool fua, const void *data);
void wcache_answer(struct wcache *c, unsigned int nr);

/* A flush comes; what it returns is for wcache_flushed(), with which it is answered. */
u32 wcache_flush(const struct wcache *c);
void wcache_flushed(struct wcache *c, u32 flush);

/* struct wcache_cut - how a disk loses its power: *@seed, not 0, says what else happens */
struct wcache_cut {
	unsigned int lost;	/* percent of the writes that are lost */
	unsigned int torn;	/* percent of the others that are torn */
	u32 *seed;
};

/* What is on the disk then: @size bytes to @image.  The disk itself goes on. */
void wcache_cut(const struct wcache *c, const struct wcache_cut *cut, u8 *image);

/* The disk is another one, of which all is durable.  Nothing is in flight. */
void wcache_load(struct wcache *c, const u8 *image);

/* The next random number below @below. */
u32 wcache_random(u32 *seed, u32 below);

#endif
