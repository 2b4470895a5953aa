/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the kernel has cached of a device, when the device becomes another one: its
 * pages, and its table of partitions.
 */
#ifndef SRV_CACHE_H
#define SRV_CACHE_H

#include "types.h"

/*
 * Write what is dirty, forget the rest, and read the partitions again, of
 * /dev/ublkb@id.  Of what a mounted file system keeps in memory nothing can be
 * forgotten: a message says so.  Waits for I/O, so for the server.
 */
void cache_drop(u32 id);

#endif
