// SPDX-License-Identifier: GPL-2.0
/*
 * NOP that looks a file or a buffer up: it finds them as other requests do, gives them back, and
 * says which is missing.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "lender.h"
#include "ring.h"
#include "tmpfile.h"

#define SLOTS	8
#define LEN	4096

static struct io_uring ring;
static int lender, file;

static void setup(void)
{
	ring_init(&ring, 64, 0);
	ring_table(&ring, SLOTS);
	lender = lender_open();
	lender_simple(lender, 0, LEN);
	file = file_mem(LEN);
}

static void teardown(void)
{
	io_uring_queue_exit(&ring);
	close(lender);
	close(file);
}

TestSuite(lend_nop, .init = setup, .fini = teardown, .timeout = 60);

static int nop(u32 flags, int fd, unsigned int slot, int result)
{
	prep_nop(ring_sqe(&ring), flags, fd, slot, result);
	return ring_run(&ring);
}

/* Each as a plain request and as a worker's. */
static void nop_is(u32 flags, int fd, unsigned int slot, int want, const char *what)
{
	struct io_uring_sqe *sqe;

	res_is(nop(flags, fd, slot, 77), want, "%s", what);
	sqe = ring_sqe(&ring);
	prep_nop(sqe, flags, fd, slot, 77);
	sqe->flags = IOSQE_ASYNC;
	res_is(ring_run(&ring), want, "%s, in a worker", what);
}

Test(lend_nop, finds_a_buffer_and_a_file_or_says_which_is_missing)
{
	const u32 inject = RING_NOP_INJECT_RESULT, buffer = RING_NOP_FIXED_BUFFER | inject;
	const u32 plain = RING_NOP_FILE | inject, fixed = plain | RING_NOP_FIXED_FILE;
	const struct iovec user = { .iov_base = page_alloc(4096), .iov_len = 4096 };
	int files[] = { file, -1 };

	res_is(ring_update(&ring, 1, &user, NULL, 1), 1, "a buffer of user space");
	res_is(lent_register(&ring, lender, LEND_TEST_POS(0, 0), 0, 0), LEN, "register");
	nop_is(buffer, -1, 0, 77, "a lent buffer");
	nop_is(buffer, -1, 1, 77, "a buffer of user space");
	nop_is(RING_NOP_FIXED_BUFFER, -1, 0, 0, "without a result");
	nop_is(buffer, -1, 2, -EFAULT, "an empty slot");
	nop_is(buffer, -1, SLOTS, -EFAULT, "no such slot");
	nop_is(buffer, -1, 0xffff, -EFAULT, "no such slot");
	nop_is(inject, -1, 0xffff, 77, "a slot that is not looked at");
	nop_is(plain, file, 0, 77, "a file");
	nop_is(plain, ring.ring_fd, 0, 77, "a ring");
	nop_is(plain, 1000, 0, -EBADF, "no file");
	nop_is(plain, -1, 0, -EBADF, "no file");
	nop_is(fixed, 0, 0, -EBADF, "no table of files");
	nop_is(inject | RING_NOP_FIXED_FILE, 1000, 0, 77, "a file that is not looked at");
	must(!io_uring_register_files(&ring, files, 2), "register files");
	nop_is(fixed, 0, 0, 77, "a registered file");
	nop_is(fixed, 1, 0, -EBADF, "an empty slot for files");
	nop_is(fixed, 2, 0, -EBADF, "no such slot for files");
	nop_is(fixed, -1, 0, -EBADF, "no such slot for files");
	nop_is(fixed | buffer, 0, 0, 77, "both");
	nop_is(fixed | buffer, 0, 2, -EFAULT, "only a file");
	nop_is(fixed | buffer, 1, 0, -EBADF, "only a buffer");
	res_is(nop(buffer, -1, 0, -EIO), -EIO, "an error that is asked for");
	res_is(lent_unregister(&ring, 0), 0, "unregister");
	lender_released_in(&ring, lender, 0, 1, SOON_MS);
	nop_is(buffer, -1, 0, -EFAULT, "an unregistered one");
}

Test(lend_nop, refuses_flags_that_it_does_not_know)
{
	for (unsigned int bit = 4; bit < 32; bit++)
		res_is(nop(1U << bit, file, 0, 0), -EINVAL, "flag %#x", 1U << bit);
}

/* IOSQE_FIXED_FILE, which servers set on every SQE, says like the flag that it is a registered one. */
Test(lend_nop, puts_its_file)
{
	struct io_uring_sqe *sqe;
	int fds[2];
	u8 byte;

	for (u32 flags = 0; flags <= IOSQE_FIXED_FILE; flags += IOSQE_FIXED_FILE) {
		must(!pipe(fds), "pipe: %s", strerror(errno));
		fcntl(fds[0], F_SETFL, O_NONBLOCK);
		sqe = ring_sqe(&ring);
		prep_nop(sqe, RING_NOP_FILE, fds[1], 0, 0);
		sqe->flags = flags;
		res_is(ring_run(&ring), flags ? -EBADF : 0, "flags %#x", flags);
		close(fds[1]);
		/* a reader is told when the last writer is gone */
		must(read(fds[0], &byte, 1) == 0, "flags %#x: somebody has the pipe open", flags);
		close(fds[0]);
	}
}

Test(lend_nop, in_a_chain_finds_what_is_lent_before)
{
	struct io_uring_sqe sqe = { 0 };
	int res[3];

	prep_nop(&sqe, RING_NOP_FIXED_BUFFER | RING_NOP_INJECT_RESULT, -1, 3, 7);
	lent_run_chain(&ring, lender, LEND_TEST_POS(0, 0), &sqe, 3, res);
	res_is(res[0], LEN, "register");
	res_is(res[1], 7, "the nop");
	res_is(res[2], 0, "unregister");
	lender_is(lender, 0, 1, 1, "given back");
}
