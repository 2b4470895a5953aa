// SPDX-License-Identifier: GPL-2.0
/*
 * A buffer is used only in the directions that its owner allows: what is to be
 * written out is not overwritten, and what has not been filled is not sent out.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "lender.h"
#include "pattern.h"
#include "ring.h"
#include "tmpfile.h"

#define LEN	8192

enum { READ, WRITE, READV, WRITEV, FILL, DRAIN, SEND, COPY, NR_OPS };

static const struct {
	const char *name;
	u32 needs;
} ops[NR_OPS] = {
	[READ]	= { "READ_FIXED",	LEND_TEST_DEST },
	[WRITE]	= { "WRITE_FIXED",	LEND_TEST_SOURCE },
	[READV]	= { "READV_FIXED",	LEND_TEST_DEST },
	[WRITEV] = { "WRITEV_FIXED",	LEND_TEST_SOURCE },
	[FILL]	= { "URING_CMD fill",	LEND_TEST_DEST },
	[DRAIN]	= { "URING_CMD drain",	LEND_TEST_SOURCE },
	[SEND]	= { "SEND_ZC",		LEND_TEST_SOURCE },
	[COPY]	= { "SEND",		LEND_TEST_SOURCE },
};

static struct io_uring ring;
static struct tcp_pair tcp;
static int lender, file;
static u8 buf[LEN];

static void setup(void)
{
	ring_init(&ring, 16, 0);
	ring_table(&ring, 4);
	lender = lender_open();
	file = file_mem(LEN);
	tcp_pair(&tcp, 0, 0);
}

static void teardown(void)
{
	io_uring_queue_exit(&ring);
	close(lender);
}

TestSuite(lend_direction, .init = setup, .fini = teardown, .timeout = 30);

static int run(unsigned int op, unsigned int slot, u32 flags)
{
	struct io_uring_sqe *sqe = ring_sqe(&ring);
	struct lend_move m = { .index = 1, .len = LEN, .slot = slot };
	const struct iovec iov[] = { { NULL, 512 }, { (void *)512, LEN - 512 } };

	switch (op) {
	case READ:
		prep_rw_fixed(sqe, IORING_OP_READ_FIXED, file, 0, LEN, 0, slot);
		break;
	case WRITE:
		prep_rw_fixed(sqe, IORING_OP_WRITE_FIXED, file, 0, LEN, 0, slot);
		break;
	case READV:
		prep_rwv_fixed(sqe, RING_OP_READV_FIXED, file, iov, 2, 0, slot);
		break;
	case WRITEV:
		prep_rwv_fixed(sqe, RING_OP_WRITEV_FIXED, file, iov, 2, 0, slot);
		break;
	case FILL:
	case DRAIN:
		m.op = op == FILL ? LEND_TEST_CMD_FILL : LEND_TEST_CMD_DRAIN;
		lender_prep_move(sqe, lender, &m);
		break;
	case SEND:
		prep_send_fixed(sqe, tcp.tx, 0, LEN, slot);
		break;
	case COPY:
		prep_copy_fixed(sqe, tcp.tx, 0, LEN, slot);
		break;
	}
	sqe->flags = flags;
	return ring_run(&ring);
}

/* Pattern 1 in the lent buffer, 2 in the file, 3 in the device's buffer 1. */
static void refill(void)
{
	pat_fill(buf, LEN, 1, 0);
	lender_write(lender, 0, 0, buf, LEN);
	pat_fill(buf, LEN, 2, 0);
	file_write(file, buf, LEN, 0);
	pat_fill(buf, LEN, 3, 0);
	lender_write(lender, 1, 0, buf, LEN);
}

static void socket_is_empty(const char *name)
{
	struct pollfd p = { .fd = tcp.rx, .events = POLLIN };

	cr_assert_eq(poll(&p, 1, 50), 0, "%s was refused, but sent bytes", name);
}

static void contents_are(u32 lent, u32 in_file, u32 in_dev, const char *name, u32 dir)
{
	lender_read(lender, 0, 0, buf, LEN);
	pat_is(buf, LEN, lent, 0, "%s, direction %u: the lent buffer", name, dir);
	file_read(file, buf, LEN, 0);
	pat_is(buf, LEN, in_file, 0, "%s, direction %u: the file", name, dir);
	lender_read(lender, 1, 0, buf, LEN);
	pat_is(buf, LEN, in_dev, 0, "%s, direction %u: the device's buffer", name, dir);
}

static void allowed(unsigned int op, u32 dir)
{
	const char *name = ops[op].name;

	contents_are(op == READ || op == READV ? 2 : op == FILL ? 3 : 1,
		     op == WRITE || op == WRITEV ? 1 : 2, op == DRAIN ? 1 : 3, name, dir);
	if (op == SEND || op == COPY) {
		tcp_read(tcp.rx, buf, LEN);
		pat_is(buf, LEN, 1, 0, "%s, direction %u: what was sent", name, dir);
	} else {
		socket_is_empty(name);
	}
}

static void matrix(u32 flags)
{
	lender_simple(lender, 1, LEN);
	for (u32 dir = LEND_TEST_SOURCE; dir <= LEND_BOTH; dir++) {
		const struct lend_test_seg segs[] = { { .len = 4096 }, { .len = LEN - 4096 } };

		lender_setup(lender, 0, &(struct lend_spec){ .segs = segs, .nr_segs = 2,
							     .dir = dir });
		res_is(lent_register(&ring, lender, LEND_TEST_POS(0, 0), 0, 0), LEN, "register");
		for (unsigned int op = 0; op < NR_OPS; op++) {
			bool ok = dir & ops[op].needs;

			refill();
			res_is(run(op, 0, flags), ok ? LEN : -EFAULT, "%s, direction %u",
			       ops[op].name, dir);
			if (ok) {
				allowed(op, dir);
			} else {
				contents_are(1, 2, 3, ops[op].name, dir);
				socket_is_empty(ops[op].name);
			}
		}
		res_is(lent_unregister(&ring, 0), 0, "unregister");
		lender_released_in(&ring, lender, 0, dir, SOON_MS);
	}
}

Test(lend_direction, each_operation_needs_its_direction)
{
	matrix(0);
}

Test(lend_direction, each_operation_needs_its_direction_in_a_worker)
{
	matrix(IOSQE_ASYNC);
}

Test(lend_direction, user_buffers_have_both)
{
	struct iovec iov = { .iov_base = page_alloc(LEN), .iov_len = LEN };

	res_is(ring_update(&ring, 2, &iov, NULL, 1), 1, "user buffer");
	pat_fill(iov.iov_base, LEN, 4, 0);
	res_is(rw_fixed(&ring, IORING_OP_WRITE_FIXED, file, (uintptr_t)iov.iov_base, LEN, 0, 2),
	       LEN, "write");
	memset(iov.iov_base, 0, LEN);
	res_is(rw_fixed(&ring, IORING_OP_READ_FIXED, file, (uintptr_t)iov.iov_base, LEN, 0, 2), LEN,
	       "read");
	pat_is(iov.iov_base, LEN, 4, 0, "read back");
}

/* As for read(2) and write(2): whoever has less of the file gets no more by lending. */
Test(lend_direction, a_file_lends_only_what_it_is_open_for)
{
	static const struct {
		int access;
		u32 allows;
	} modes[] = {
		{ O_RDONLY, LEND_TEST_SOURCE },
		{ O_WRONLY, LEND_TEST_DEST },
		{ O_RDWR, LEND_BOTH },
	};
	const struct lend_test_seg seg = { .len = LEN };

	for (unsigned int i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		int fd = lender_open_for(modes[i].access);
		unsigned int lent = 0;

		for (u32 dir = LEND_TEST_SOURCE; dir <= LEND_BOTH; dir++) {
			int want = dir & ~modes[i].allows ? -EBADF : LEN;

			lender_setup(fd, 0, &(struct lend_spec){ .segs = &seg, .nr_segs = 1,
							      .dir = dir });
			res_is(lent_register(&ring, fd, LEND_TEST_POS(0, 0), 0, 2), want,
			       "access mode %d, direction %u", modes[i].access, dir);
			res_is(lent_unregister(&ring, 2), want < 0 ? -EINVAL : 0, "its slot");
			lent++;
			lender_is(fd, 0, lent, lent, "access mode %d, direction %u", modes[i].access,
				  dir);
		}
		close(fd);
	}
}
