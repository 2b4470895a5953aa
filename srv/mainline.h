/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What mainline's ublk has and the headers that this is built with may lack: numbers and layouts
 * of include/uapi/linux/ublk_cmd.h of Linux 7.3.  The first kernel that has each is beside it.
 */
#ifndef SRV_MAINLINE_H
#define SRV_MAINLINE_H

#include <linux/ublk_cmd.h>

#include "types.h"

/*
 * Commands on the char device: lend the request of q_id and tag to the ring that the command
 * comes by, into the slot addr of its table, and take it back.  6.15, with
 * UBLK_F_SUPPORT_ZERO_COPY; result 0 or -errno.
 */
#ifndef UBLK_U_IO_REGISTER_IO_BUF
#define UBLK_U_IO_REGISTER_IO_BUF	_IOWR('u', 0x23, struct ublksrv_io_cmd)
#define UBLK_U_IO_UNREGISTER_IO_BUF	_IOWR('u', 0x24, struct ublksrv_io_cmd)
#endif

/*
 * A request is lent when it is handed over, into the slot that its FETCH or COMMIT_AND_FETCH
 * named, and taken back by its COMMIT.  6.16.
 */
#ifndef UBLK_F_AUTO_BUF_REG
#define UBLK_F_AUTO_BUF_REG		(1ULL << 11)
/* When that fails, hand the request over nevertheless, with NEED_REG_BUF in its op_flags. */
#define UBLK_AUTO_BUF_REG_FALLBACK	(1 << 0)
#define UBLK_IO_F_NEED_REG_BUF		(1U << 17)
#endif

/* sqe->addr of FETCH and COMMIT_AND_FETCH, there: what struct ublk_auto_buf_reg is made of. */
static inline u64 mainline_lend_addr(u16 slot, u8 flags)
{
	return (u64)flags << 16 | slot;
}

#endif
