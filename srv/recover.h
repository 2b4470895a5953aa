/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Taking a device over whose server died: what has to be waited for, and whether the
 * device may be had with this mode and these legs.
 *
 * The driver takes anything: it knows nothing of legs.  Whatever a client was told of the
 * device must stay true, so the answer is from what the driver kept (its flags, its
 * parameters, identity.h), and a doubt is a refusal.
 */
#ifndef SRV_RECOVER_H
#define SRV_RECOVER_H

#include "ctrl.h"
#include "device.h"

enum recover_answer {
	RECOVER_TAKEN,
	RECOVER_FORCED,		/* taken though it was made of other things */
	/* and refusals */
	RECOVER_NOT_MADE_FOR_IT, /* made without --recovery */
	RECOVER_OTHER_MODE,	/* one whose device is another for the driver */
	RECOVER_OTHER_SIZE,	/* of the device, or of its blocks */
	RECOVER_NO_CACHE,	/* its clients send no flushes, and the legs need them */
	RECOVER_OTHER_LEGS,	/* or another target; --force takes them */
};

/*
 * May the device that the driver describes by @info and @p become @d?  A decision only:
 * no system call, no message.
 */
enum recover_answer recover_decide(const struct device *d, bool force,
				   const struct ublksrv_ctrl_dev_info *info,
				   const struct ublk_params *p);

/*
 * What memory of requests the legs want and the device does not announce: costs time, but no
 * data (bounce.h).  Bytes, or a mask; 0: there is no such thing.
 */
struct recover_shape {
	u32 has_align, wants_align;
	u64 has_mask, wants_mask;
};

struct recover_shape recover_shape(const struct device *d, const struct ublk_params *p);

/* Is process @pid gone, or going within @ms? */
bool recover_pid_ends(int pid, unsigned int ms);

/*
 * Before the legs are opened: wait until a server that was just killed has gone.  Its hold
 * on them may go later, which is what struct patience is for.  0, and *flags are the device's
 * UBLK_F_*; or -errno after a message: there is no such device, or its server lives on.
 */
int recover_wait_dead(struct ctrl *c, u32 id, u64 *flags);

/*
 * START_RECOVERY, if the device may become *d; waits for the dead server's end.  *d gets
 * what the driver knows better.  0, or -errno after a message; the device is as it was then.
 */
int recover_start(struct ctrl *c, struct device *d, bool force);

#endif
