/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The ways to lend: who is asked for the client's pages.  A mode has one, and a kernel some.
 */
#ifndef SRV_LENDING_H
#define SRV_LENDING_H

enum lending {
	LENDS_NOT,
	LENDS_BY_OPERATION,	/* io_uring's IORING_OP_LENT_BUF_REGISTER, linux/io_uring_lend.h */
	LENDS_BY_FUSED,		/* io_uring's IORING_OP_FUSED_CMD, linux/io_uring_fused.h */
	LENDS_BY_COMMAND,	/* the driver's UBLK_U_IO_REGISTER_IO_BUF, mainline.h */
	LENDS_WAYS,
};

#endif
