/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * Fused commands: requests that use the pages of a driver without a slot.
 *
 * A fused command is several SQEs that stand one behind the other: a primary,
 * which borrows a buffer from a file, and one to eight secondaries, which are
 * ordinary I/O on that buffer.  The buffer is known to them only, and is given
 * back when the last of them is done.  The design is that of the patches
 * "io_uring: add IORING_OP_FUSED_CMD" (Ming Lei, March 2023, sixth version);
 * more than one secondary, and a file operation as the source of the pages
 * instead of a command of ublk's, are this implementation's.
 *
 * Beside <linux/io_uring.h> or liburing's copy of it, like io_uring_lend.h.
 */
#ifndef _UAPI_LINUX_IO_URING_FUSED_H
#define _UAPI_LINUX_IO_URING_FUSED_H

#include <linux/types.h>

/**
 * IORING_OP_FUSED_CMD - borrow a buffer for the SQEs that follow
 *
 * SQE of the primary:
 *   fd         the exporter, a plain or (IOSQE_FIXED_FILE) a registered file
 *   off        the exporter's cookie: which buffer, from which byte on
 *   len        bytes wanted, 0 for all from there to the end of the buffer
 *   rw_flags   how many SQEs are its secondaries, 1 to
 *              IORING_FUSED_MAX_SECONDARIES
 *   ioprio, addr, buf_index, addr3, splice_fd_in and the padding must be 0
 *
 * The secondaries are the SQEs that follow directly, in the same submission.
 * Each is one of READ, WRITE, SEND, RECV and SEND_ZC with addr = offset in the
 * buffer; all start at once and run in parallel.  IOSQE_BUFFER_SELECT,
 * IOSQE_IO_DRAIN, IORING_RECVSEND_BUNDLE and, in SEND, MSG_ZEROCOPY are not for
 * them: -EINVAL.  A link flag of the last secondary is the primary's: what is
 * linked behind starts when the buffer has been given back.  A LINK_TIMEOUT there
 * cancels nothing, -ENOENT; secondaries can be cancelled.
 *
 * CQE of the primary: comes after those of its secondaries and says that nobody
 * uses the buffer any more, also not for SEND_ZC.  (The notification of a SEND_ZC
 * that has not been started may come behind it.)  res is the number of bytes lent,
 * or
 *   -EBADF       fd is not an open file, or not open for what the buffer allows,
 *                see io_uring_lend.h
 *   -EOPNOTSUPP  the file's driver lends no buffers
 *   -EINVAL      secondaries out of range or missing, reserved field set, or the
 *                exporter knows no such cookie or length
 *   -ECANCELED   one of the secondaries was refused, or an earlier request of
 *                the chain failed
 *   -EIO         the exporter's driver is broken, the kernel's log says how
 *   or an error of the exporter's own.
 * If it is an error no secondary has been started: one that was refused
 * completes with the reason, the others with -ECANCELED.  What a secondary did
 * is in its own CQE only: -EFAULT for a range outside the buffer, or a direction
 * that the exporter does not allow.
 *
 * When rw_flags is out of range, or the kernel has no fused commands, nothing is a
 * secondary: what follows is done by itself, with addr an address.  So is what is
 * left of the secondaries when a submission ends between them: because fewer were
 * submitted, or because memory ran out, which the result of io_uring_enter() tells.
 * It is not to be submitted as it is, then.
 */
#define IORING_OP_FUSED_CMD		194

#define IORING_FUSED_MAX_SECONDARIES	8

#endif
