/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Writes and reads of a disk at random, one after the other, and what it must hold then.
 *
 * For a disk on which nothing fails.  Where requests may fail, or many are in flight,
 * it is verify.h that knows what the disk may hold.
 */
#ifndef TESTS_RWDISK_H
#define TESTS_RWDISK_H

#include "check.h"

/*
 * struct rwdisk - a disk and its contents
 * The test's; it allocates both memories (page_alloc()), and fills this in.
 * @model: @size bytes, what the disk holds
 * @buf: @large bytes or more, for what is on its way
 * @block: bytes, of which a request is a multiple
 * @small, @large: bytes of a request at most, three times in four, and else
 */
struct rwdisk {
	u8 *model, *buf;
	u32 size, block;
	u32 small, large;
};

/* Where a request begins and how long it is: inside of the disk, by random(). */
void rwdisk_range(const struct rwdisk *d, u32 *off, u32 *len);
/* @nr writes to @fd, the disk, and to the model. */
void rwdisk_write(const struct rwdisk *d, int fd, unsigned int nr);
/* @nr reads that bring what is in the model, or the test ends; @what: for the message. */
void rwdisk_read(const struct rwdisk *d, int fd, unsigned int nr, const char *what);

#endif
