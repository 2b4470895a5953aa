/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * /dev/lend_test: an exporter of lent buffers made for tests.
 *
 * Every open file is an exporter of its own, with LEND_TEST_BUFS buffers that
 * are set up with an ioctl and live as long as the file or anything that they
 * are lent to.  The file can also consume buffers (URING_CMD), so that one
 * device shows both ends.  It knows only ->read() and ->write(), which makes it
 * the file that cannot take an iterator too.
 *
 * The cookie of IORING_OP_LENT_BUF_REGISTER and the position of pread(2) and
 * pwrite(2) are LEND_TEST_POS(index, offset).
 */
#ifndef _UAPI_LINUX_LEND_TEST_H
#define _UAPI_LINUX_LEND_TEST_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define LEND_TEST_BUFS		64	/* buffers of one open file */
#define LEND_TEST_SEGS		256	/* segments of one buffer */
#define LEND_TEST_SEG_MAX	(1U << 20)	/* bytes of a segment, its offset included */

/* Directions: what a borrower may do with the bytes. */
#define LEND_TEST_SOURCE	(1U << 0)	/* read from them, as a write to a file does */
#define LEND_TEST_DEST		(1U << 1)	/* write to them, as a read from a file does */

#define LEND_TEST_POS(index, offset)	(((__u64)(index) << 32) | (__u32)(offset))

/**
 * struct lend_test_seg - one segment: physically contiguous bytes
 * @offset: first byte, counted from the start of the segment's first page,
 *	below the page size
 * @len: bytes, at least 1; @offset + @len is at most LEND_TEST_SEG_MAX
 */
struct lend_test_seg {
	__u32 offset;
	__u32 len;
};

/**
 * struct lend_test_setup - argument of LEND_TEST_SETUP
 * @index: which buffer, below LEND_TEST_BUFS
 * @nr_segs: number of segments, 0 removes the buffer
 * @segs: address of @nr_segs struct lend_test_seg
 * @dir: LEND_TEST_SOURCE, LEND_TEST_DEST or both
 * @error: 0, or the errno (positive) that lending the buffer fails with; also one
 *	that the kernel knows only, which no driver may return
 * @skip: bytes of the first segment that stand before the buffer's first byte:
 *	the lent buffer then starts inside a segment, and pread(2)'s offset 0 is
 *	that byte
 * @fault: 0, or LEND_TEST_FAULT_*: what a broken driver would lend
 * @learn: 0, or the loan learns what is done with it, for LEND_TEST_SUM: out of order
 *	in units of so many bytes, a power of two up to LEND_TEST_SEG_MAX, which the
 *	buffer has at most LEND_TEST_UNITS of; LEND_TEST_NO_MAP: in order only
 * @resv: must be 0
 */
struct lend_test_setup {
	__u32 index;
	__u32 nr_segs;
	__u64 segs;
	__u32 dir;
	__u32 error;
	__u32 skip;
	__u32 fault;
	__u32 learn;
	__u32 resv;
};

#define LEND_TEST_UNITS		4096
#define LEND_TEST_NO_MAP	0xffffffff

/*
 * Faults.  Each loan is counted in lent, and in released when it comes back, but
 * for LEND_TEST_FAULT_NULL, with which nothing is lent.
 */
#define LEND_TEST_FAULT_NULL	1	/* no buffer and no error */
#define LEND_TEST_FAULT_EMPTY	2	/* a length of 0 */
#define LEND_TEST_FAULT_HUGE	3	/* a length of INT_MAX + 1 */
#define LEND_TEST_FAULT_LONGER	4	/* a byte more than asked for */
#define LEND_TEST_FAULT_NO_BVEC	5	/* no segments */
#define LEND_TEST_FAULT_NO_SEGS	6	/* the number of segments is 0 */
#define LEND_TEST_FAULT_OFFSET	7	/* begins behind its first segment */
#define LEND_TEST_FAULT_NO_DIR	8	/* for no direction */
#define LEND_TEST_FAULT_DIR	9	/* for a direction that does not exist */
#define LEND_TEST_FAULTS	10

/**
 * struct lend_test_stats - argument of LEND_TEST_STATS
 * @index: in: which buffer
 * @resv: in: must be 0
 * @lent: out: times the buffer was lent since the file was opened
 * @released: out: times it came back
 */
struct lend_test_stats {
	__u32 index;
	__u32 resv;
	__u64 lent;
	__u64 released;
};

/**
 * struct lend_test_sum - argument of LEND_TEST_SUM
 * @index: in: which buffer
 * @resv: in: must be 0
 * @nr_full: out: of all its loans that have come back since it was set up, and that
 *	were to learn: users that moved all they were asked to
 * @nr_short: out: users that did not, or of which nobody knows
 * @error: out: of the first that failed, in the last loan where one did: negative errno
 * @filled: out: of the last loan: bytes written to, from the first one on
 * @units: out: of the last loan: units that were filled before what is in front of them
 * @resv2: not used
 */
struct lend_test_sum {
	__u32 index;
	__u32 resv;
	__u32 nr_full;
	__u32 nr_short;
	__s32 error;
	__u32 filled;
	__u32 units;
	__u32 resv2;
};

/*
 * LEND_TEST_SETUP (re)makes a buffer, zeroed.  -EINVAL: a field is out of range;
 * -EBUSY: the buffer is lent; -ENOMEM.
 * LEND_TEST_STATS, LEND_TEST_SUM: -EINVAL: a field is out of range, or there is no such
 * buffer to have a sum.
 */
#define LEND_TEST_SETUP		_IOW('L', 0xe0, struct lend_test_setup)
#define LEND_TEST_STATS		_IOWR('L', 0xe1, struct lend_test_stats)
#define LEND_TEST_SUM		_IOWR('L', 0xe2, struct lend_test_sum)

/**
 * struct lend_test_cmd - the command area of a URING_CMD's SQE
 * @index: the buffer on the device's side
 * @offset: first byte of it
 * @delay_ms: complete after so many milliseconds, moving the bytes only then;
 *	0: at once.  At most LEND_TEST_DELAY_MAX.
 * @resv: must be 0
 *
 * The fixed buffer's range is in the SQE: addr (offset in a lent buffer,
 * address in one of user space) and len; uring_cmd_flags must have
 * IORING_URING_CMD_FIXED.  CQE: res is the number of bytes moved, -EINVAL for a
 * field out of range, -EFAULT for a range or direction that the fixed buffer
 * does not allow.
 */
struct lend_test_cmd {
	__u32 index;
	__u32 offset;
	__u32 delay_ms;
	__u32 resv;
};

#define LEND_TEST_DELAY_MAX	10000

/* cmd_op: from the device's buffer into the fixed one, and the other way. */
#define LEND_TEST_CMD_FILL	_IOR('L', 0xe8, struct lend_test_cmd)
#define LEND_TEST_CMD_DRAIN	_IOW('L', 0xe9, struct lend_test_cmd)

#endif
