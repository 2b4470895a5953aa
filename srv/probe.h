/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Finding out what an open leg can do: asked where somebody tells, tried where
 * nobody does.  What a user has stored is never changed by it.
 */
#ifndef SRV_PROBE_H
#define SRV_PROBE_H

#include <sys/stat.h>

#include "leg.h"

/*
 * Fill leg->lim.  @block: bytes of the blocks that the user wants, 0 for whatever the
 * leg takes; a file whose direct I/O takes larger ones only goes through the page
 * cache then (leg->direct), a block device is refused.  0, or -errno after a message;
 * the leg stays open.
 */
int probe_blk(struct leg *leg, u32 block);
int probe_file(struct leg *leg, const struct stat *st, u32 block);

/*
 * Can it be written, as far as can be told without writing?  An open for writing
 * succeeds on disks that are set read-only, on files with seals, on swap.  0, or
 * -errno after a message.
 */
int probe_writable(const struct leg *leg);

/*
 * Why opening @path for writing failed with EPERM, if its attributes tell, as words for a
 * message; or NULL.
 */
const char *probe_attributes(const char *path);

#endif
