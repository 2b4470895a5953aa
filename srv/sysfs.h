/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Attributes of a block device's request queue in sysfs.
 */
#ifndef SRV_SYSFS_H
#define SRV_SYSFS_H

#include <sys/types.h>

#include "types.h"

/* Is there a sysfs at /sys, and not something else? */
bool sysfs_is_mounted(void);

/*
 * The attribute @name of @dev's queue (of the whole disk, for a partition) as a
 * number, or @absent when there is none.
 */
u64 sysfs_queue_u64(dev_t dev, const char *name, u64 absent);

/* Does the attribute's text begin with @text? */
bool sysfs_queue_is(dev_t dev, const char *name, const char *text);

/* 0 or -errno. */
int sysfs_queue_set(dev_t dev, const char *name, const char *text);

#endif
