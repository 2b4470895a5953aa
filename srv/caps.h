/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the running kernel has: asked of the driver and of io_uring.  Why not its version:
 * a distribution's kernel has more than that says, and a series of patches does too.
 */
#ifndef SRV_CAPS_H
#define SRV_CAPS_H

#include "ctrl.h"
#include "lending.h"
#include "types.h"

/*
 * struct caps - on the caller's stack, filled by caps_probe()
 */
struct caps {
	u64 ublk;	/* UBLK_F_* */
	bool lends[LENDS_WAYS];	/* by enum lending */
};

/* struct cap_name - what a bit is called, in a static table */
struct cap_name {
	u64 bit;
	const char *name;
};

extern const struct cap_name cap_names[];	/* of UBLK_F_*, ends with bit 0 */

/*
 * Has a kernel the commands that lend?  Mainline's came before AUTO_BUF_REG, and nothing tells of them but
 * zero copy.  Ours had zero copy before they had the commands, for io_uring's operations.
 */
bool caps_has_commands(u64 ublk, bool by_operation);

/* 0, or -errno after a message. */
int caps_probe(struct ctrl *c, struct caps *caps);

#endif
