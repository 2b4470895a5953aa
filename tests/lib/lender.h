/* SPDX-License-Identifier: GPL-2.0 */
/*
 * /dev/lend_test, the exporter whose every property a test chooses.
 */
#ifndef TESTS_LENDER_H
#define TESTS_LENDER_H

#include <linux/lend_test.h>

#include "check.h"
#include "ring.h"

#define LEND_BOTH	(LEND_TEST_SOURCE | LEND_TEST_DEST)

/* A buffer of the lender, as a test wants it; all but @segs may be left 0. */
struct lend_spec {
	const struct lend_test_seg *segs;
	unsigned int nr_segs;
	u32 dir;	/* 0: both directions */
	u32 error;
	u32 skip;
	u32 fault;	/* LEND_TEST_FAULT_* */
	u32 learn;	/* bytes of a unit, or LEND_TEST_NO_MAP: its loans learn */
};

int lender_open(void);
/* @access: O_RDONLY, O_WRONLY or O_RDWR */
int lender_open_for(int access);
/* Returns 0 or -errno; lender_setup() ends the test instead. */
int lender_try_setup(int fd, unsigned int index, const struct lend_spec *spec);
void lender_setup(int fd, unsigned int index, const struct lend_spec *spec);
/* Buffer @index is one segment of @len bytes, for both directions. */
void lender_simple(int fd, unsigned int index, u32 len);

struct lend_test_stats lender_stats(int fd, unsigned int index);
/*
 * What the loans of buffer @index, which have come back, have learned: users that moved
 * all they were asked to and others, the first error, bytes filled from the first one on,
 * units filled before what is in front of them.
 */
#define lender_learned(fd, index, full, not_full, error, filled, units, ...) \
	lender_check_sum(__FILE__, __LINE__, (fd), \
			 &(struct lend_test_sum){ (index), 0, (full), (not_full), (error), \
						  (filled), (units), 0 }, __VA_ARGS__)
void lender_check_sum(const char *file, int line, int fd, const struct lend_test_sum *want,
		      const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));
struct lend_test_sum lender_sum(int fd, unsigned int index);

/* Within @ms, buffer @index has come back @n times, neither less nor more. */
void lender_released(int fd, unsigned int index, u64 n, unsigned int ms);
/*
 * The same for requests that went through io-wq: the worker's own reference to a
 * request may be the last, and is dropped by task work of the ring's task, which
 * runs when that enters @ring.
 */
void lender_released_in(struct io_uring *ring, int fd, unsigned int index, u64 n, unsigned int ms);
/*
 * Buffer @index was lent @lent times and has come back @released times: not more
 * often, and if less often, then so within SOON_MS.
 */
#define lender_is(fd, index, lent, released, ...) \
	lender_check(__FILE__, __LINE__, (fd), (index), (lent), (released), __VA_ARGS__)
void lender_check(const char *file, int line, int fd, unsigned int index, u64 lent,
		  u64 released, const char *fmt, ...)
	__attribute__((format(printf, 7, 8)));

/* All of @len bytes at @offset of buffer @index. */
void lender_read(int fd, unsigned int index, u32 offset, void *buf, size_t len);
void lender_write(int fd, unsigned int index, u32 offset, const void *buf, size_t len);

/* One of LEND_TEST_CMD_*: between bytes [addr, addr + len) of slot and buffer @index. */
struct lend_move {
	u32 op;
	u32 index;
	u32 offset;
	u32 delay_ms;
	u64 addr;
	u32 len;
	unsigned int slot;
};
void lender_prep_move(struct io_uring_sqe *sqe, int fd, const struct lend_move *move);
int lender_move(struct io_uring *ring, int fd, const struct lend_move *move);

#endif
