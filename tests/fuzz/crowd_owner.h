/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The crowd's ublk device, one after the other, and commands that may take long.
 */
#ifndef FUZZ_CROWD_OWNER_H
#define FUZZ_CROWD_OWNER_H

#include "crowd_legal.h"
#include "ublkraw.h"

#define OWNER_DEPTH	8
#define OWNER_SIZE	(4U << 20)

/* What the device was added with.  Written by the owner before there is a server. */
struct crowd_device {
	u64 flags;
};
const struct crowd_device *crowd_device(void);

/*
 * Sends a control command and looks at its result.  After @ms it is not waited for any
 * longer: @impatient is called and the command is cancelled, again and again; it has to
 * end then.
 */
int ctl_command(enum crowd_kind kind, u32 cmd_op, const struct ublksrv_ctrl_cmd *cmd,
		unsigned int ms, void (*impatient)(void));
int ctl_simple(enum crowd_kind kind, u32 cmd_op, int id, u64 data, unsigned int ms,
	       void (*impatient)(void));

#endif
