/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What describes a device, from the options to the queues.
 *
 * One structure, which is handed on by pointer, and no field is copied from one part of
 * the program to the next: what is set in one place cannot be missing in another.  The
 * price: who needs one field sees all.
 */
#ifndef SRV_DEVICE_H
#define SRV_DEVICE_H

#include "mode.h"
#include "pace.h"
#include "stable.h"
#include "target.h"
#include "types.h"

/*
 * struct device - a device, as it is wanted and as it was made
 * In struct launch, on the stack of the command.  The options write it.  Launcher and
 * server are forked then and have a copy each: the launcher writes what the driver answers,
 * and tells it to the server's main thread (launch_msg.h), which writes it there.  The
 * server's copy is read-only once the queues run.
 *
 * Owned by nobody: @mode is a static table, @target is the command's to destroy.
 */
struct device {
	const struct mode_ops *mode;
	struct target *target;
	enum pace_policy pace;
	const char *name;	/* under which it is found again, resume.h; argv's; NULL: none */
	u64 flags;		/* UBLK_F_* beside the mode's; the driver has them when it is recovered */

	/* the driver's answer replaces these */
	u64 identity;		/* its ublksrv_flags, identity.h; launch_run() makes it */
	unsigned int id;	/* N of /dev/ublkbN; ID_ANY: the first that is free */
	unsigned int nr_queues;
	unsigned int depth;	/* requests in work at once, of each queue */
	unsigned int max_io;	/* bytes of the largest request, a multiple of 4096 */
	enum stable_policy stable;	/* of a recovered device ALWAYS, if it was made with that */
};

#endif
