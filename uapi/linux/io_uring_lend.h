/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * Lent buffers: pages that a driver owns, in io_uring's registered buffer table.
 *
 * A file whose driver implements ->export_buf() lends a buffer to a ring.  The
 * ring installs it in a slot of its registered buffer table, where the ordinary
 * fixed-buffer operations use it like a buffer of user space, until it is
 * unregistered:
 *
 *   READ_FIXED, WRITE_FIXED    addr is the offset in the buffer
 *   READV_FIXED, WRITEV_FIXED  each iov_base of the vector is an offset in it
 *   SEND_ZC, SEND              with IORING_RECVSEND_FIXED_BUF, addr is the
 *                              offset; SEND refuses MSG_ZEROCOPY (-EINVAL)
 *   URING_CMD                  with IORING_URING_CMD_FIXED, what the driver says
 *   NOP                        with IORING_NOP_FIXED_BUFFER, holds it only
 *
 * All of them refuse (-EFAULT) an empty slot, a range that is not in the buffer,
 * and a direction that its owner does not allow; NOP the first of these only.
 *
 * This header stands beside <linux/io_uring.h> and liburing's copy of it, and
 * includes neither, so that it can be used with both.
 */
#ifndef _UAPI_LINUX_IO_URING_LEND_H
#define _UAPI_LINUX_IO_URING_LEND_H

#include <linux/types.h>

/*
 * The opcodes are numbered well away from those that mainline hands out in
 * sequence.  IORING_REGISTER_PROBE tells whether a kernel has them; a kernel
 * without them completes both with -EINVAL.
 */

/**
 * IORING_OP_LENT_BUF_REGISTER - borrow a buffer from a file, into a table slot
 *
 * SQE:
 *   fd         the exporter, a plain or (IOSQE_FIXED_FILE) a registered file
 *   off        the exporter's cookie: which buffer, from which byte on
 *   len        bytes wanted, 0 for all from there to the end of the buffer
 *   buf_index  the slot, which must be empty; 0 with IORING_LENT_BUF_PICK_SLOT
 *   rw_flags   IORING_LENT_BUF_*
 *   ioprio, addr, addr3, splice_fd_in and the padding must be 0
 *
 * CQE: res is the number of bytes lent, above 0, or
 *   -EBADF       fd is not an open file, or not open for what the buffer allows:
 *                for reading if its bytes may be read, for writing if they may
 *                be written to
 *   -EOPNOTSUPP  the file's driver lends no buffers
 *   -EINVAL      slot out of range, no table or one that is being unregistered,
 *                unknown flag, reserved field set, or the exporter knows no
 *                such cookie or length
 *   -EBUSY       the slot is occupied, by whatever
 *   -ENFILE      no empty slot to pick
 *   -EIO         the exporter's driver is broken, the kernel's log says how
 *   or an error of the exporter's own.
 * With IORING_LENT_BUF_PICK_SLOT, flags is IORING_CQE_F_BUFFER, and the slot is
 * flags >> IORING_CQE_BUFFER_SHIFT.
 *
 * The buffer stays lent until its slot has been cleared and every request that
 * used it has finished, whatever happens to fd.  Closing the ring,
 * unregistering the whole table, and the end or exec of the last task that has
 * submitted to the ring clear the slot too.
 */
#define IORING_OP_LENT_BUF_REGISTER	192

/**
 * IORING_OP_LENT_BUF_UNREGISTER - clear a slot that holds a lent buffer
 *
 * SQE:
 *   buf_index  the slot
 *   fd is not looked at: use -1.  All other fields must be 0.
 *
 * CQE: res is 0, or
 *   -EINVAL      slot out of range, no table, slot empty, reserved field set
 *   -EBUSY       the slot holds a buffer that user space registered
 *
 * As soon as this CQE is there the slot is empty and may be used again.  I/O
 * that was issued before goes on using the old buffer.
 */
#define IORING_OP_LENT_BUF_UNREGISTER	193

/**
 * IORING_LENT_BUF_PICK_SLOT - let io_uring pick an empty slot
 *
 * A flag in rw_flags of IORING_OP_LENT_BUF_REGISTER.
 */
#define IORING_LENT_BUF_PICK_SLOT	(1U << 0)

#endif
