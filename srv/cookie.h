/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Where a byte of a block request is, seen through the ublk char device: the
 * position of pread(2) and pwrite(2) in mode user-copy, and the cookie of
 * IORING_OP_LENT_BUF_REGISTER in mode register.
 */
#ifndef SRV_COOKIE_H
#define SRV_COOKIE_H

#include <linux/ublk_cmd.h>

#include "types.h"

static inline u64 cookie(unsigned int qid, unsigned int tag, u32 offset)
{
	return UBLKSRV_IO_BUF_OFFSET + ((u64)qid << UBLK_QID_OFF |
					(u64)tag << UBLK_TAG_OFF | offset);
}

#endif
