/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The records of a set that begins: where they go on a leg, and writing them.
 *
 * With the area at a leg's begin, 1 MiB at its end stays unused, and is zeroed.  So no client of
 * the set writes where programs look for signatures at a disk's end: md's, the copy of a
 * partition table, and our own record (leginfo.h).
 */
#ifndef SRV_FRESH_H
#define SRV_FRESH_H

#include "../../leg.h"
#include "super.h"

/* Bytes of data that a leg of @bytes has room for; 0: it is too small. */
u64 fresh_room(u64 bytes, bool at_end);

/* Where the leg in @slot, of @bytes, has what.  @set is complete, and fits. */
void fresh_place(const struct super_set *set, unsigned int slot, u64 bytes, bool at_end,
		 struct super_own *own);

/*
 * Write the records of *set to set->nr open legs, in the order of the slots.  Nothing that was in
 * a record's place before stays.  @differ: all bits of the bitmap are set, else none.  All is
 * durable on return.  0, or -errno after a message; then no leg has a record, unless a second
 * message says so.
 */
int fresh_write(const struct super_set *set, const struct leg *legs, bool at_end, bool differ);

#endif
