/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Whether a device is in use: a file system, swap, and device-mapper claim a block device, and
 * one of its partitions is enough.  Who merely has it open does not.
 */
#ifndef SRV_INUSE_H
#define SRV_INUSE_H

#include "types.h"

/*
 * Claim the block device @id, so that nobody can mount it until the descriptor is closed.  Returns that, or
 * -errno after a message, which begins with @cmd and @what: "device 0", say.  -EBUSY: it is in use.
 *
 * Not for the device's own server: the last who closes a block device writes back what is dirty.
 */
int inuse_claim(const char *cmd, const char *what, u32 id);

#endif
