// SPDX-License-Identifier: GPL-2.0
#include <linux/ublk_cmd.h>

#include "stable.h"

/* The operation, in op_flags of struct ublksrv_io_desc. */
#define STABLE_OP_MASK	0xffU

const char *const stable_names[] = {
	[STABLE_CACHE]	= "cache",
	[STABLE_ALWAYS]	= "always",
	[STABLE_OFF]	= "off",
	NULL
};

u64 stable_flags(enum stable_policy policy)
{
	return policy == STABLE_ALWAYS ? UBLK_F_STABLE_PAGES : 0;
}

u32 stable_mask(enum stable_policy policy)
{
	return policy == STABLE_ALWAYS ? STABLE_OP_MASK | UBLK_IO_F_STABLE_PAGES : 0;
}
