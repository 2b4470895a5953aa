// SPDX-License-Identifier: GPL-2.0
/* See crowd_legal.h.  The kernel's contract: uapi/linux/io_uring_lend.h, lend_test.h. */
#include <errno.h>
#include <linux/ublk_cmd.h>

#include "crowd.h"
#include "crowd_legal.h"

#define LEN	(-1)	/* as many as the request has */
#define NONE	(-2)	/* never succeeds */
#define MANY	(1 << 30)

/*
 * Results from @min to @max are legal, if they are multiples of @unit, and these errors.
 * All requests of rings may be cancelled, by a chain that breaks or by name.
 */
static const struct legal {
	const char *name;
	int min, max, unit;
	short err[12];
} table[NR_CROWD_KINDS] = {
	/* valid: all of it, unless the slot is in use or there is none */
	[C_REGISTER] = { "REGISTER", LEN, LEN, 1, { EINVAL, EBUSY, ENFILE, ECANCELED } },
	[C_REGISTER_BAD] = { "REGISTER out of range", 0, NONE, 1,
			     { EINVAL, EBUSY, ENFILE, ECANCELED } },
	[C_REGISTER_ERROR] = { "REGISTER of a buffer that fails", 0, NONE, 1,
			       { EIO, EINVAL, EBUSY, ENFILE, ECANCELED } },
	[C_REGISTER_NOBODY] = { "REGISTER of a file that lends nothing", 0, NONE, 1,
				{ EOPNOTSUPP, ECANCELED } },
	[C_REGISTER_UBLK] = { "REGISTER of a ublk request", 512, LEN, 512,
			      { EINVAL, EBUSY, ENFILE, ECANCELED, EOPNOTSUPP } },
	[C_UNREGISTER] = { "UNREGISTER", 0, 0, 1, { EINVAL, EBUSY, ECANCELED } },
	[C_READ] = { "READ_FIXED", 0, LEN, 1, { EFAULT, EINVAL, ECANCELED, EINTR } },
	[C_WRITE] = { "WRITE_FIXED", 0, LEN, 1, { EFAULT, EINVAL, ECANCELED, EINTR } },
	[C_SEND] = { "SEND_ZC", 0, LEN, 1,
		     { EFAULT, EMSGSIZE, ENOBUFS, ECANCELED, EINTR, EAGAIN } },
	[C_COPY] = { "SEND", 0, LEN, 1, { EFAULT, EMSGSIZE, ENOBUFS, ECANCELED, EINTR, EAGAIN } },
	[C_NOP] = { "NOP", LEN, LEN, 1, { EFAULT, ECANCELED } },
	[C_FILL] = { "URING_CMD fill", 0, LEN, 1, { EFAULT, ECANCELED } },
	[C_DRAIN] = { "URING_CMD drain", 0, LEN, 1, { EFAULT, ECANCELED } },
	[C_PARK] = { "READ_FIXED of an empty pipe", 0, NONE, 1, { EFAULT, ECANCELED, EINTR } },
	[C_PARK_TIMEOUT] = { "LINK_TIMEOUT", 0, NONE, 1, { ETIME, ECANCELED, ENOENT, EALREADY, EINVAL } },
	[C_CANCEL] = { "ASYNC_CANCEL", 0, MANY, 1, { ENOENT, EALREADY, ECANCELED } },

	/* also if it was refused, or is one of a chain that broke, with all its secondaries */
	[C_FUSED] = { "FUSED_CMD", LEN, LEN, 1, { ECANCELED } },
	[C_FUSED_BAD] = { "FUSED_CMD that is wrong", 0, NONE, 1, { EINVAL, EIO, EOPNOTSUPP, ECANCELED } },
	[C_FUSED_UBLK] = { "FUSED_CMD of a ublk request", 512, LEN, 512,
			   { EINVAL, EBUSY, ECANCELED, EOPNOTSUPP } },

	[C_UPDATE] = { "BUFFERS_UPDATE", 0, LEN, 1, { EBUSY, EINVAL, ENXIO, EINTR } },
	[C_TABLE_DROP] = { "UNREGISTER_BUFFERS", 0, 0, 1, { ENXIO, EINTR } },
	[C_TABLE_NEW] = { "REGISTER_BUFFERS", 0, 0, 1, { EBUSY } },
	[C_CLONE] = { "CLONE_BUFFERS", 0, 0, 1, { EBUSY, ENXIO, EINVAL } },

	[C_FETCH] = { "FETCH", 0, 1, 1, { ENODEV, EBUSY, EINVAL, EFAULT, ECANCELED } },
	[C_COMMIT] = { "COMMIT_AND_FETCH", 0, 1, 1, { ENODEV, EBUSY, EINVAL, EFAULT, ECANCELED } },
	/* the next request, or the same again */
	[C_HANDOFF] = { "HANDOFF_AND_FETCH", 0, UBLK_IO_RES_HANDED_BACK, UBLK_IO_RES_HANDED_BACK,
			{ ENODEV, EBUSY, EINVAL, EFAULT, ECANCELED } },
	[C_GET_DATA] = { "NEED_GET_DATA", 0, 0, 1, { ENODEV, EBUSY, EINVAL, EFAULT, ECANCELED } },
	[C_REGISTER_CMD] = { "REGISTER_IO_BUF", 0, 0, 1, { EBUSY, EINVAL, EFAULT, ECANCELED } },
	[C_UNREGISTER_CMD] = { "UNREGISTER_IO_BUF", 0, 0, 1, { EBUSY, EINVAL, EFAULT, ECANCELED } },
	[C_OTHER_CMD] = { "no command of ublk", 0, NONE, 1,
			  { EBUSY, EINVAL, EFAULT, EOPNOTSUPP, ECANCELED } },
	[C_NOT_DAEMON] = { "a command of another task than the server", 0, NONE, 1,
			   { EINVAL, EBUSY, EFAULT, ECANCELED } },

	[C_DISK_READ] = { "read of the disk", 0, LEN, 512,
			  { EIO, ENOSPC, ETIMEDOUT, ENODEV, ENXIO, EINVAL, EAGAIN, EOPNOTSUPP,
			    ENOMEM } },
	[C_DISK_WRITE] = { "write to the disk", 0, LEN, 512,
			   { EIO, ENOSPC, ETIMEDOUT, ENODEV, ENXIO, EINVAL, EAGAIN, EOPNOTSUPP,
			     EPERM, ENOMEM } },

	[C_ADD] = { "ADD_DEV", 0, 0, 1, { EEXIST, ENOMEM, ENODEV } },
	[C_ADD_BAD] = { "ADD_DEV with nonsense", 0, NONE, 1,
			{ EINVAL, EPERM, EFAULT, EEXIST, EACCES } },
	[C_START] = { "START_DEV", 0, 0, 1,
		      { EINVAL, EEXIST, EINTR, ENODEV, ECANCELED, EOPNOTSUPP } },
	[C_STOP] = { "STOP_DEV", 0, 0, 1, { ENODEV, ECANCELED } },
	[C_DEL] = { "DEL_DEV", 0, 0, 1, { ENODEV, EINTR, ECANCELED } },
	[C_GET_INFO] = { "GET_DEV_INFO", 0, 0, 1, { EINVAL, EFAULT, ENODEV } },
	[C_GET_PARAMS] = { "GET_PARAMS", 0, 0, 1, { EINVAL, EFAULT, ENODEV } },
	/* EOPNOTSUPP: those of a zoned device, and the guest's kernel has no zones */
	[C_SET_PARAMS] = { "SET_PARAMS", 0, 0, 1,
			   { EINVAL, EFAULT, EACCES, ENODEV, EOPNOTSUPP } },
	[C_AFFINITY] = { "GET_QUEUE_AFFINITY", 0, 0, 1, { EINVAL, EFAULT, ENODEV } },
	[C_FEATURES] = { "GET_FEATURES", 0, 0, 1, { EINVAL, EFAULT } },
	[C_START_RECOVERY] = { "START_USER_RECOVERY", 0, 0, 1,
			       { EINVAL, EBUSY, ENODEV, ECANCELED } },
	[C_END_RECOVERY] = { "END_USER_RECOVERY", 0, 0, 1,
			     { EINVAL, EBUSY, ENODEV, EINTR, ECANCELED } },
	[C_NO_CTL] = { "no control command", 0, NONE, 1, { EOPNOTSUPP, ENODEV, EINVAL } },
};

const char *crowd_kind_name(enum crowd_kind kind)
{
	return table[kind].name;
}

bool crowd_legal(enum crowd_kind kind, u32 len, int res, int wrong)
{
	const struct legal *l = &table[kind];
	int min = l->min == LEN ? (int)len : l->min, max = l->max == LEN ? (int)len : l->max;

	if (res >= 0)
		return l->max != NONE && res >= min && res <= max && !(res % l->unit) &&
		       !(wrong == CROWD_WRONG_COUNT && kind == C_READ && res == max);
	if (wrong == CROWD_WRONG_RESULT && kind == C_REGISTER && res == -EBUSY)
		return false;
	/* its sender had no patience, and it had not begun */
	if (kind >= C_ADD && res == -ECANCELED)
		return true;
	for (unsigned int i = 0; l->err[i]; i++)
		if (res == -l->err[i])
			return true;
	return false;
}
