/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What becomes of a client that changes its data while that is written.
 *
 * In modes that lend, each leg looks at the client's memory at a time of its own, and legs differ
 * then; modes with a copy are immune.  File systems can be told not to, which costs nothing.  Direct
 * I/O, swap and whoever maps or pins pages cannot: of their writes a copy has to be taken, of which
 * all legs are written.  The driver says which writes need none (UBLK_F_STABLE_PAGES); where it
 * cannot, all are copied.
 */
#ifndef SRV_STABLE_H
#define SRV_STABLE_H

#include "types.h"

enum stable_policy {
	STABLE_CACHE,	/* the page cache is told (queue/stable_writes) */
	STABLE_ALWAYS,	/* the same, and of all other writes a copy is taken */
	STABLE_OFF,	/* nobody is told, but for a leg that has checksums */
};

extern const char *const stable_names[];	/* by enum stable_policy, NULL-terminated */

/* UBLK_F_*, for the device. */
u64 stable_flags(enum stable_policy policy);

/*
 * A request is to be copied when of its op_flags under this mask UBLK_IO_OP_WRITE is left, and
 * nothing else.  0: none is.
 */
u32 stable_mask(enum stable_policy policy);

#endif
