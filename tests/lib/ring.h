/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A ring, and one request after the other in it.
 *
 * liburing's own calls stay usable beside these.  Everything here that can fail
 * ends the test, except what a request completed with, which is what tests are
 * about: that is returned.
 */
#ifndef TESTS_RING_H
#define TESTS_RING_H

#include <liburing.h>
#include <linux/io_uring_lend.h>
#include <sys/uio.h>

#include "check.h"

/* of later headers than liburing's */
#define RING_REGISTER_CLONE_BUFFERS	30
#define RING_RECVSEND_BUNDLE		(1U << 4)
#define RING_OP_READV_FIXED		60
#define RING_OP_WRITEV_FIXED		61
#define RING_NOP_INJECT_RESULT		(1U << 0)
#define RING_NOP_FILE			(1U << 1)
#define RING_NOP_FIXED_FILE		(1U << 2)
#define RING_NOP_FIXED_BUFFER		(1U << 3)

/* What no request completes with. */
#define RING_TIMEOUT	(-100000)

/* One completion; F_NOTIF ones have bit 63 set in @data, see RING_NOTIF. */
struct done {
	u64 data;
	int res;
	u32 flags;
};
#define RING_NOTIF	(1ULL << 63)

void ring_init(struct io_uring *ring, unsigned int entries, unsigned int flags);
int ring_try_init(struct io_uring *ring, unsigned int entries, unsigned int flags);
/* Does the kernel have the operation? */
bool ring_knows(unsigned int opcode);

/* An empty table of @nr buffers. */
void ring_table(struct io_uring *ring, unsigned int nr);
/* io_uring_register(2) with any opcode.  Returns what it returns, or -errno. */
int ring_register(struct io_uring *ring, unsigned int op, void *arg, unsigned int nr);
/* IORING_REGISTER_BUFFERS_UPDATE of @nr slots from @slot on. */
int ring_update(struct io_uring *ring, unsigned int slot, const struct iovec *iov,
		const u64 *tags, unsigned int nr);

/* An empty SQE: all bytes 0, so that whatever is set is the test's doing. */
struct io_uring_sqe *ring_sqe(struct io_uring *ring);

void lent_prep_register(struct io_uring_sqe *sqe, int fd, u64 cookie, u32 len,
			unsigned int slot, u32 flags);
void lent_prep_unregister(struct io_uring_sqe *sqe, unsigned int slot);
/* @op: IORING_OP_READ_FIXED or WRITE_FIXED; @addr: offset in a lent buffer */
void prep_rw_fixed(struct io_uring_sqe *sqe, int op, int fd, u64 addr, u32 len, u64 pos,
		   unsigned int slot);
/* @op: RING_OP_READV_FIXED or WRITEV_FIXED; addresses as prep_rw_fixed()'s */
void prep_rwv_fixed(struct io_uring_sqe *sqe, int op, int fd, const struct iovec *iov,
		    u32 nr, u64 pos, unsigned int slot);
/* SEND_ZC, all of it */
void prep_send_fixed(struct io_uring_sqe *sqe, int sock, u64 addr, u32 len,
		     unsigned int slot);
/* The same by SEND, which copies. */
void prep_copy_fixed(struct io_uring_sqe *sqe, int sock, u64 addr, u32 len,
		     unsigned int slot);
void prep_nop(struct io_uring_sqe *sqe, u32 flags, int fd, unsigned int slot, int result);

/* Submits what is queued; the kernel takes all of it. */
void ring_submit(struct io_uring *ring);
/* The next completion; false if none comes within @ms. */
bool ring_next(struct io_uring *ring, struct done *done, unsigned int ms);
/*
 * Reaps @nr completions with user_data below @nr into res[user_data], in SOON_MS,
 * notifications beside.
 */
void ring_reap(struct io_uring *ring, int *res, unsigned int nr);
/*
 * Submits the one request that is queued, waits for it, and for its notification.
 * Returns res; ring_run_flags() the flags too.  There is nothing else in flight.
 */
int ring_run(struct io_uring *ring);
int ring_run_flags(struct io_uring *ring, u32 *flags);

/* One request, waited for.  Each returns what it completed with. */
int lent_register(struct io_uring *ring, int fd, u64 cookie, u32 len, unsigned int slot);
int lent_unregister(struct io_uring *ring, unsigned int slot);
/* Returns the slot, or -errno. */
int lent_register_pick(struct io_uring *ring, int fd, u64 cookie, u32 len);
/*
 * REGISTER of all that @fd lends at @cookie, *@io, UNREGISTER: a chain of links.  res[] has what each
 * completed with.
 */
void lent_run_chain(struct io_uring *ring, int fd, u64 cookie, const struct io_uring_sqe *io,
		    unsigned int slot, int res[3]);
int rw_fixed(struct io_uring *ring, int op, int fd, u64 addr, u32 len, u64 pos,
	     unsigned int slot);
int rwv_fixed(struct io_uring *ring, int op, int fd, const struct iovec *iov, u32 nr, u64 pos,
	      unsigned int slot);

#endif
