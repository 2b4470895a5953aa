// SPDX-License-Identifier: GPL-2.0
/*
 * What a loan learns: each request that had the buffer tells once what it was asked and
 * what it has done, whatever way it ends, and what was filled is known byte by byte, or by
 * units where there was a gap in front of it.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring_fused.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lender.h"
#include "proc.h"
#include "ring.h"
#include "tleg.h"
#include "tmpfile.h"

#define UNIT	4096
#define LEN	(4 * UNIT + 512)	/* of a buffer: its last unit is a small one */
#define READ	IORING_OP_READ_FIXED
#define WRITE	IORING_OP_WRITE_FIXED
#define READV	RING_OP_READV_FIXED
#define WRITEV	RING_OP_WRITEV_FIXED

static struct io_uring ring;
static int lender;
/* loans that have been made of buffer 0 since it was set up, and before that */
static u64 nr_loans;

static void setup(void)
{
	ring_init(&ring, 64, 0);
	ring_table(&ring, 4);
	lender = lender_open();
	nr_loans = 0;
}

static void teardown(void)
{
	close(lender);
	tlegs_remove();
}

TestSuite(lend_sum, .init = setup, .fini = teardown, .timeout = 240);

/* Makes buffer 0 anew, for both directions and of @len bytes, and lends it to slot 0. */
static void lend_len(struct io_uring *r, u32 len, u32 learn)
{
	const struct lend_test_seg seg = { .len = len };

	lender_setup(lender, 0, &(struct lend_spec){ .segs = &seg, .nr_segs = 1, .learn = learn });
	res_is(lent_register(r, lender, LEND_TEST_POS(0, 0), 0, 0), len, "register");
	nr_loans++;
}

static void lend(struct io_uring *r)
{
	lend_len(r, LEN, UNIT);
}

static void give_back(struct io_uring *r)
{
	res_is(lent_unregister(r, 0), 0, "unregister");
	lender_released_in(r, lender, 0, nr_loans, SOON_MS);
}

/* What the loan has learned, which is given back before. */
#define learned(full, not_full, error, filled, units, ...) \
	do { \
		give_back(&ring); \
		lender_learned(lender, 0, full, not_full, error, filled, units, __VA_ARGS__); \
	} while (0)

static int io(int op, int fd, u64 addr, u32 len, u64 pos)
{
	return rw_fixed(&ring, op, fd, addr, len, pos, 0);
}

static int null_disk(unsigned int mb, int flags)
{
	tleg_null(0, &(struct null_disk){ .mb = mb, .poll_queues = 1 });
	return tleg_open(0, flags);
}

Test(lend_sum, nobody_has_done_anything)
{
	lend(&ring);
	learned(0, 0, 0, 0, 0, "a loan that was not used");
	/* a buffer whose owner does not ask has nothing to tell */
	lend_len(&ring, LEN, 0);
	res_is(io(READ, file_mem(LEN), 0, LEN, 0), LEN, "read");
	learned(0, 0, 0, 0, 0, "nobody wants to know");
}

/* By a disk, which ends requests in interrupts, and by a file, for which a worker runs them. */
Test(lend_sum, who_moves_all_is_full_and_a_read_fills)
{
	int files[] = { null_disk(16, O_RDWR | O_DIRECT), file_mem(1 << 20) };

	for (unsigned int i = 0; i < 2; i++) {
		lend(&ring);
		res_is(io(WRITE, files[i], 0, LEN, 0), LEN, "write");
		learned(1, 0, 0, 0, 0, "file %u: a write fills nothing", i);
		lend(&ring);
		res_is(io(READ, files[i], 0, LEN, 0), LEN, "read");
		learned(1, 0, 0, LEN, 0, "file %u: a read", i);
		lend(&ring);
		for (unsigned int k = 0; k < 3; k++)
			res_is(io(WRITE, files[i], 512, 512, 8192 * k), 512, "write %u", k);
		res_is(io(READ, files[i], 0, 1024, 0), 1024, "read");
		learned(4, 0, 0, 1024, 0, "file %u: of several each counts", i);
		lend(&ring);
		res_is(io(READ, files[i], 512, 0, 0), 0, "no bytes");
		learned(1, 0, 0, 0, 0, "file %u: nothing was asked, nothing done", i);
	}
}

Test(lend_sum, who_moves_less_is_not)
{
	int mem = file_mem(1000), disk = null_disk(16, O_RDWR | O_DIRECT);
	u64 end = 16 << 20;

	lend(&ring);
	res_is(io(READ, mem, 0, LEN, 0), 1000, "a file that ends");
	learned(0, 1, 0, 1000, 0, "what there was has been filled");
	lend(&ring);
	res_is(io(READ, mem, 0, LEN, 1000), 0, "nothing left");
	learned(0, 1, 0, 0, 0, "no error, and no bytes");
	lend(&ring);
	res_is(io(READ, disk, 0, 8192, end - 4096), 4096, "a disk that ends");
	learned(0, 1, 0, 4096, 0, "the same of a disk");
	lend(&ring);
	res_is(io(WRITE, disk, 0, 8192, end - 4096), 4096, "a write there");
	learned(0, 1, 0, 0, 0, "a short write");
	lend(&ring);
	res_is(io(WRITE, disk, 0, 4096, end), -ENOSPC, "a write behind it");
	learned(0, 1, -ENOSPC, 0, 0, "an error");
	lend(&ring);
	res_is(io(READ, mem, LEN - 100, 101, 0), -EFAULT, "out of the buffer");
	learned(0, 1, -EFAULT, 0, 0, "it had the buffer");
}

Test(lend_sum, the_first_error_stays)
{
	int disk = null_disk(16, O_RDWR | O_DIRECT), readonly;

	readonly = tleg_open(0, O_RDONLY | O_DIRECT);
	lend(&ring);
	res_is(io(READ, disk, 0, 4096, 0), 4096, "a read");
	res_is(io(WRITE, disk, 0, 4096, 16 << 20), -ENOSPC, "behind the end");
	res_is(io(WRITE, readonly, 0, 4096, 0), -EBADF, "not open for it");
	res_is(io(READ, disk, 4096, 4096, 0), 4096, "a read");
	learned(2, 2, -ENOSPC, 8192, 0, "two and two");
}

/* The flag for failed requests is not set for polled ones, and they are reaped elsewhere. */
Test(lend_sum, polled_io_tells_too)
{
	int disk = null_disk(16, O_RDWR | O_DIRECT);
	struct io_uring polled;

	/* null_blk would look for memory where it must not sleep */
	file_write(disk, page_alloc(LEN), LEN, 0);
	ring_init(&polled, 8, IORING_SETUP_IOPOLL);
	ring_table(&polled, 4);
	lend(&polled);
	res_is(rw_fixed(&polled, WRITE, disk, 0, LEN, 0, 0), LEN, "write");
	res_is(rw_fixed(&polled, READ, disk, 0, 8192, (16 << 20) - 4096, 0), 4096, "short");
	res_is(rw_fixed(&polled, READ, disk, 4096, 4096, 0, 0), 4096, "read");
	give_back(&polled);
	lender_learned(lender, 0, 2, 1, 0, 8192, 0, "one of three was short");
	io_uring_queue_exit(&polled);
}

/* One read of a history, and what is known after it. */
struct fill {
	u32 off, len;
	u32 filled, units;
};

static void run_history(const char *what, u32 learn, const struct fill *f, unsigned int nr)
{
	int file = file_mem(1 << 20);

	for (unsigned int n = 1; n <= nr; n++) {
		lend_len(&ring, LEN, learn);
		for (unsigned int i = 0; i < n; i++)
			res_is(io(READ, file, f[i].off, f[i].len, 0), f[i].len, "%s: read %u", what, i);
		learned(n, 0, 0, f[n - 1].filled, f[n - 1].units, "%s: after read %u", what, n);
	}
	close(file);
}
#define history(what, learn, ...) \
	do { \
		static const struct fill f[] = { __VA_ARGS__ }; \
		run_history(what, learn, f, sizeof(f) / sizeof(*f)); \
	} while (0)

Test(lend_sum, what_is_filled_in_order_is_known_by_byte)
{
	history("one after the other", UNIT,
		{ 0, 1, 1, 0 }, { 1, 4094, 4095, 0 }, { 4095, 2, 4097, 0 }, { 4097, LEN - 4097, LEN, 0 });
	history("with overlaps", UNIT,
		{ 0, 5000, 5000, 0 }, { 100, 200, 5000, 0 }, { 0, 5000, 5000, 0 }, { 1, 5000, 5001, 0 });
	history("no map, a gap", LEND_TEST_NO_MAP,
		{ 0, 100, 100, 0 }, { 8192, 4096, 100, 0 }, { 100, 8092, 8192, 0 }, { 8192, 1, 8193, 0 });
}

Test(lend_sum, what_is_filled_out_of_order_is_known_by_unit)
{
	history("last to first", UNIT,
		{ 4 * UNIT, 512, 0, 1 }, { 3 * UNIT, UNIT, 0, 2 }, { UNIT, 2 * UNIT, 0, 4 },
		{ 0, UNIT, LEN, 4 });
	history("a gap that stays", UNIT,
		{ 2 * UNIT, UNIT, 0, 1 }, { 0, UNIT, UNIT, 1 }, { UNIT, UNIT - 1, 2 * UNIT - 1, 1 },
		{ 2 * UNIT - 1, 1, 3 * UNIT, 1 });
	history("parts of units behind a gap count for nothing", UNIT,
		{ UNIT + 1, UNIT - 1, 0, 0 }, { 2 * UNIT, UNIT - 1, 0, 0 }, { UNIT + 1, 2 * UNIT, 0, 1 },
		{ 4 * UNIT, 511, 0, 1 }, { 0, UNIT + 1, UNIT + 1, 1 }, { UNIT, UNIT, 3 * UNIT, 1 });
	history("units of a byte", 1U << 3,
		{ 16, 8, 0, 1 }, { 32, 9, 0, 2 }, { 1, 15, 0, 3 }, { 0, 1, 1, 3 }, { 1, 7, 24, 3 });
}

/* What is said to be filled was filled; and where all begins and ends at units, the reverse. */
Test(lend_sum, random_fills_agree_with_a_model)
{
	int file = file_mem(1 << 20);
	unsigned int seed = (unsigned int)now_ms();

	for (unsigned int round = 0; round < 200; round++) {
		u8 model[LEN] = { 0 };
		bool whole = round % 2;
		struct lend_test_sum sum;
		unsigned int nr = 1 + rand_r(&seed) % 8, prefix = 0;

		lend(&ring);
		for (unsigned int i = 0; i < nr; i++) {
			u32 off = rand_r(&seed) % LEN, len = 1 + rand_r(&seed) % (LEN - off);

			if (whole) {
				off -= off % UNIT;
				len = LEN - off < UNIT ? LEN - off : UNIT;
			}
			res_is(io(READ, file, off, len, 0), len, "read %u of round %u", i, round);
			memset(model + off, 1, len);
		}
		give_back(&ring);
		while (prefix < LEN && model[prefix])
			prefix++;
		sum = lender_sum(lender, 0);
		cr_assert_eq(sum.nr_full, nr, "round %u: %u told, not %u", round, sum.nr_full, nr);
		cr_assert(whole ? sum.filled == prefix : sum.filled <= prefix,
			  "round %u, seed %u: %u bytes are said to be filled, %u were", round, seed,
			  sum.filled, prefix);
		cr_assert(prefix < UNIT || sum.filled, "round %u: nothing is known", round);
	}
}

/* Parts of a vector, in any order, of a disk and of a file, and one that ends inside a part. */
Test(lend_sum, vectors_tell_part_by_part)
{
	const struct iovec iov[] = {
		{ (void *)(2 * UNIT), UNIT }, { (void *)0, UNIT }, { (void *)UNIT, UNIT },
	};
	int files[] = { null_disk(16, O_RDWR | O_DIRECT), file_mem(16 << 20) }, small = file_mem(6000);

	for (unsigned int i = 0; i < 2; i++) {
		lend(&ring);
		res_is(rwv_fixed(&ring, READV, files[i], iov, 3, 0, 0), 3 * UNIT, "readv");
		learned(1, 0, 0, 3 * UNIT, 1, "file %u: three parts", i);
		lend(&ring);
		res_is(rwv_fixed(&ring, READV, files[i], iov, 1, 0, 0), UNIT, "readv");
		learned(1, 0, 0, 0, 1, "file %u: one part, and a gap", i);
		lend(&ring);
		res_is(rwv_fixed(&ring, WRITEV, files[i], iov, 3, 0, 0), 3 * UNIT, "writev");
		learned(1, 0, 0, 0, 0, "file %u: a write", i);
		lend(&ring);
		res_is(rwv_fixed(&ring, READV, files[i], iov, 3, (16 << 20) - UNIT, 0), UNIT, "at the end");
		learned(0, 1, 0, 0, 1, "file %u: the first part only", i);
		lend(&ring);
		res_is(rwv_fixed(&ring, READV, files[i], iov, 0, 0, 0), 0, "no parts");
		learned(1, 0, 0, 0, 0, "file %u: none", i);
	}
	lend(&ring);
	res_is(rwv_fixed(&ring, READV, small, iov, 3, 0, 0), 6000, "it ends in the second part");
	learned(0, 1, 0, 6000 - UNIT, 1, "a part of the second");
	lend(&ring);
	res_is(rwv_fixed(&ring, READV, small, &(struct iovec){ (void *)LEN, 1 }, 1, 0, 0), -EFAULT, "out");
	learned(0, 1, -EFAULT, 0, 0, "out of the buffer");
}

/* prep_send_fixed() or prep_copy_fixed() */
typedef void prep_fn(struct io_uring_sqe *sqe, int sock, u64 addr, u32 len, unsigned int slot);

/* A send of these bytes of a new loan, which completes with @res. */
static void send_tells(prep_fn *prep, int sock, u32 addr, u32 len, unsigned int flags, int res,
		       const char *what)
{
	struct io_uring_sqe *sqe;
	struct done done;

	lend(&ring);
	sqe = ring_sqe(&ring);
	prep(sqe, sock, addr, len, 0);
	sqe->flags = flags;
	res_is(ring_run(&ring), res, "%s", what);
	/* the notification of one that failed */
	while (res < 0 && ring_next(&ring, &done, NEVER_MS))
		;
	learned(res >= 0, res < 0, res < 0 ? res : 0, 0, 0, "%s", what);
}

static void sends_tell(prep_fn *prep)
{
	struct tcp_pair tcp;
	u8 got[LEN];

	tcp_pair(&tcp, 16 << 20, 0);
	send_tells(prep, tcp.tx, 0, LEN, 0, LEN, "all of it");
	tcp_read(tcp.rx, got, LEN);
	send_tells(prep, tcp.tx, 512, 4096, IOSQE_ASYNC, 4096, "by a worker");
	tcp_read(tcp.rx, got, 4096);
	send_tells(prep, tcp.tx, LEN - 10, 11, 0, -EFAULT, "out of the buffer");
	signal(SIGPIPE, SIG_IGN);
	close(tcp.rx);
	must(!shutdown(tcp.tx, SHUT_WR), "shutdown");
	send_tells(prep, tcp.tx, 0, LEN, 0, -EPIPE, "to nobody");
}

/* The result is the request's, the buffer the notification's: they tell together, once. */
Test(lend_sum, a_send_without_a_copy_tells_with_its_notification)
{
	sends_tell(prep_send_fixed);
}

Test(lend_sum, a_send_with_a_copy_tells)
{
	sends_tell(prep_copy_fixed);
}

/* How much a driver's command has moved is the driver's own affair. */
Test(lend_sum, of_a_command_nothing_is_known)
{
	struct lend_move move = { .op = LEND_TEST_CMD_FILL, .index = 1, .len = 4096 };

	lender_simple(lender, 1, LEN);
	lend(&ring);
	res_is(lender_move(&ring, lender, &move), 4096, "fill");
	move.delay_ms = 20;
	res_is(lender_move(&ring, lender, &move), 4096, "fill later");
	learned(0, 2, 0, 0, 0, "two commands that succeeded");
	lend(&ring);
	prep_nop(ring_sqe(&ring), RING_NOP_FIXED_BUFFER, -1, 0, 0);
	res_is(ring_run(&ring), 0, "nop");
	learned(0, 1, 0, 0, 0, "a NOP that only had it");
}

Test(lend_sum, however_often_it_is_tried_it_is_one_use)
{
	int pipe_fd[2], file = file_mem(LEN);
	struct io_uring_sqe *sqe;
	struct done done;

	must(!pipe(pipe_fd), "pipe: %s", strerror(errno));
	for (unsigned int i = 0; i < 2; i++) {
		lend(&ring);
		sqe = ring_sqe(&ring);
		prep_rw_fixed(sqe, READ, pipe_fd[0], 0, 100, -1ULL, 0);
		sqe->flags = i ? IOSQE_ASYNC : 0;
		ring_submit(&ring);
		must(!ring_next(&ring, &done, 50), "there was nothing to read");
		must(write(pipe_fd[1], "0123456789", 10) == 10, "write");
		must(ring_next(&ring, &done, SOON_MS), "the read");
		res_is(done.res, 10, "the read");
		learned(0, 1, 0, 10, 0, "a read that waited, %u", i);
	}
	lend(&ring);
	sqe = ring_sqe(&ring);
	prep_rw_fixed(sqe, READ, file, 0, LEN, 0, 0);
	sqe->flags = IOSQE_ASYNC;
	res_is(ring_run(&ring), LEN, "by a worker");
	learned(1, 0, 0, LEN, 0, "by a worker");
}

Test(lend_sum, what_the_server_repeats_is_another_use)
{
	int file = file_mem(1000);

	lend(&ring);
	res_is(io(READ, file, 0, 2000, 0), 1000, "short");
	res_is(io(READ, file, 1000, 1000, 0), 1000, "the rest, from elsewhere");
	learned(1, 1, 0, 2000, 0, "a short one and the rest of it");
}

Test(lend_sum, who_never_had_the_buffer_tells_nothing)
{
	int file = file_mem(LEN), res[3];
	struct io_uring_sqe *sqe;

	/* the head of the chain fails, so what stands behind it is never issued */
	lend(&ring);
	for (unsigned int i = 0; i < 3; i++) {
		sqe = ring_sqe(&ring);
		prep_rw_fixed(sqe, WRITE, i ? file : -1, 0, 4096, 0, 0);
		sqe->flags = i < 2 ? IOSQE_IO_LINK : 0;
		sqe->user_data = i;
	}
	ring_submit(&ring);
	ring_reap(&ring, res, 3);
	res_is(res[0], -EBADF, "the head");
	res_is(res[1], -ECANCELED, "behind it");
	res_is(res[2], -ECANCELED, "behind it");
	learned(0, 0, 0, 0, 0, "cancelled before they began");
	/* and one that comes too late */
	lend(&ring);
	give_back(&ring);
	res_is(io(WRITE, file, 0, 4096, 0), -EFAULT, "the slot is empty");
	lender_learned(lender, 0, 0, 0, 0, 0, 0, "too late");
}

Test(lend_sum, who_is_cancelled_with_the_buffer_says_so)
{
	int pipe_fd[2], res[2];
	struct io_uring_sqe *sqe;
	struct lend_test_sum sum;

	must(!pipe(pipe_fd), "pipe: %s", strerror(errno));
	for (unsigned int i = 0; i < 2; i++) {
		lend(&ring);
		sqe = ring_sqe(&ring);
		prep_rw_fixed(sqe, READ, pipe_fd[0], 0, LEN, -1ULL, 0);
		sqe->flags = i ? IOSQE_ASYNC : 0;
		ring_submit(&ring);
		/* a worker must have looked at its slot */
		sleep_ms(i ? NEVER_MS : 20);
		sqe = ring_sqe(&ring);
		io_uring_prep_cancel64(sqe, 0, 0);
		sqe->user_data = 1;
		ring_submit(&ring);
		ring_reap(&ring, res, 2);
		give_back(&ring);
		sum = lender_sum(lender, 0);
		cr_assert_eq(sum.nr_full, 0, "%u: it is said to have read", i);
		cr_assert_eq(sum.nr_short, 1, "%u: %u have told", i, sum.nr_short);
		cr_assert_eq(sum.error, res[0], "%u: error %d, not %d", i, sum.error, res[0]);
		cr_assert_eq(sum.filled, 0, "%u: %u bytes filled", i, sum.filled);
	}
}

/* I/O that the ring's end does not wait for tells as well. */
Test(lend_sum, results_that_come_after_the_ring_is_gone_are_told)
{
	struct io_uring gone;
	int disk;

	tleg_null(1, &(struct null_disk){ .mb = 16, .delay_us = 300000 });
	disk = tleg_open(1, O_RDWR | O_DIRECT);
	ring_init(&gone, 8, 0);
	ring_table(&gone, 4);
	lend(&gone);
	prep_rw_fixed(ring_sqe(&gone), WRITE, disk, 0, LEN, 0, 0);
	prep_rw_fixed(ring_sqe(&gone), READ, disk, 0, LEN, 1 << 20, 0);
	ring_submit(&gone);
	io_uring_queue_exit(&gone);
	lender_is(lender, 0, nr_loans, nr_loans - 1, "the disk still has the pages");
	lender_released(lender, 0, nr_loans, SOON_MS);
	lender_learned(lender, 0, 2, 0, 0, LEN, 0, "both were done");
}

#define DISK	(16 << 20)	/* bytes of a slow disk */
#define FIRST_MS	100
#define SECOND_MS	500

static int slow_disk(unsigned int nr, unsigned int ms)
{
	tleg_null(nr, &(struct null_disk){ .mb = DISK >> 20, .delay_us = ms * 1000 });
	return tleg_open(nr, O_RDWR | O_DIRECT);
}

/* A ring whose task runs what it has to when it enters it, and not before. */
static void deferred_and(struct io_uring *r, u32 flags)
{
	ring_init(r, 8, IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | flags);
	ring_table(r, 4);
	lend(r);
}

static void deferred(struct io_uring *r)
{
	deferred_and(r, 0);
}

/* Of what has been done the owner hears from the disk, of what has not from the task, with its CQE. */
Test(lend_sum, a_success_is_told_without_its_task_and_a_failure_behind_its_cqe)
{
	int disk = slow_disk(1, FIRST_MS);
	struct io_uring r;
	struct done done;

	deferred(&r);
	prep_rw_fixed(ring_sqe(&r), WRITE, disk, 0, LEN, 0, 0);
	prep_rw_fixed(ring_sqe(&r), READ, disk, 0, LEN, 1 << 20, 0);
	ring_submit(&r);
	res_is(lent_unregister(&r, 0), 0, "unregister");
	lender_is(lender, 0, nr_loans, nr_loans - 1, "the disk has the pages");
	lender_released(lender, 0, nr_loans, SOON_MS);
	lender_learned(lender, 0, 2, 0, 0, LEN, 0, "the task has not been there");
	for (unsigned int i = 0; i < 2; i++) {
		must(ring_next(&r, &done, SOON_MS), "completion %u", i);
		res_is(done.res, LEN, "completion %u", i);
	}

	lend(&r);
	prep_rw_fixed(ring_sqe(&r), WRITE, disk, 0, LEN, DISK - 4096, 0);
	ring_submit(&r);
	res_is(lent_unregister(&r, 0), 0, "unregister");
	sleep_ms(FIRST_MS + NEVER_MS);
	lender_is(lender, 0, nr_loans, nr_loans - 1, "its CQE is not there yet");
	must(ring_next(&r, &done, SOON_MS), "the short one");
	res_is(done.res, 4096, "the short one");
	lender_released_in(&r, lender, 0, nr_loans, SOON_MS);
	lender_learned(lender, 0, 0, 1, 0, 0, 0, "a short one");
	io_uring_queue_exit(&r);
}

/* A write that ends first, and of which nothing is to be heard, and a read that ends later. */
static void silent_and_loud(struct io_uring *r)
{
	int first = slow_disk(1, FIRST_MS), second = slow_disk(2, SECOND_MS);
	struct io_uring_sqe *sqe;

	deferred(r);
	sqe = ring_sqe(r);
	prep_rw_fixed(sqe, WRITE, first, 0, LEN, 0, 0);
	sqe->flags = IOSQE_CQE_SKIP_SUCCESS;
	sqe = ring_sqe(r);
	prep_rw_fixed(sqe, READ, second, 0, LEN, 0, 0);
	sqe->user_data = 1;
}

static void only_the_loud(struct io_uring *r)
{
	struct done done;

	must(ring_next(r, &done, SOON_MS), "the read");
	res_is(done.res, LEN, "the read");
	res_is(done.data, 1, "whose it is");
	give_back(r);
	lender_learned(lender, 0, 2, 0, 0, LEN, 0, "both have told");
	io_uring_queue_exit(r);
}

static long times_slept(void)
{
	struct rusage usage;

	getrusage(RUSAGE_THREAD, &usage);
	return usage.ru_nvcsw;
}

Test(lend_sum, a_success_that_posts_no_cqe_wakes_nobody)
{
	struct io_uring r;
	long slept;

	silent_and_loud(&r);
	ring_submit(&r);
	slept = times_slept();
	must(io_uring_submit_and_wait(&r, 1) >= 0, "waiting");
	slept = times_slept() - slept;
	must(slept == 1, "it has slept %ld times until the read came", slept);
	only_the_loud(&r);
}

Test(lend_sum, a_success_that_posts_no_cqe_hides_nobody_from_an_eventfd)
{
	struct pollfd pfd = { .fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), .events = POLLIN };
	struct io_uring r;

	silent_and_loud(&r);
	res_is(io_uring_register_eventfd(&r, pfd.fd), 0, "register an eventfd");
	ring_submit(&r);
	res_is(poll(&pfd, 1, FIRST_MS + (SECOND_MS - FIRST_MS) / 2), 0, "the write is done, and told");
	res_is(poll(&pfd, 1, SOON_MS), 1, "the read is done, and not told");
	only_the_loud(&r);
	close(pfd.fd);
}

/* Who polls the ring is not woken for the write, and is for the read. */
Test(lend_sum, a_success_that_posts_no_cqe_hides_nobody_from_a_poll)
{
	struct pollfd pfd = { .events = POLLIN };
	struct io_uring r;
	u64 began;

	silent_and_loud(&r);
	pfd.fd = r.ring_fd;
	/* the first poll makes the ring tell those that come */
	res_is(poll(&pfd, 1, 0), 0, "nothing is there");
	ring_submit(&r);
	began = now_ms();
	res_is(poll(&pfd, 1, SOON_MS), 1, "the ring is not readable");
	must(now_ms() - began >= FIRST_MS + (SECOND_MS - FIRST_MS) / 2, "after %llu ms",
	     (unsigned long long)(now_ms() - began));
	only_the_loud(&r);
}

/* A write of which nothing is to be heard, and which a slow disk has. */
static struct io_uring_sqe *only_silent(struct io_uring *r, u32 flags, unsigned int ms)
{
	int disk = slow_disk(1, ms);
	struct io_uring_sqe *sqe;

	deferred_and(r, flags);
	sqe = ring_sqe(r);
	prep_rw_fixed(sqe, WRITE, disk, 0, LEN, 0, 0);
	sqe->flags = IOSQE_CQE_SKIP_SUCCESS;
	return sqe;
}

static void has_waited(u64 began, unsigned int as_long)
{
	u64 ms = now_ms() - began;

	must(ms >= as_long / 2, "it has not waited for the write: %llu ms", (unsigned long long)ms);
}

/* Who polls it would look, find nothing, and poll again. */
Test(lend_sum, a_success_that_posts_no_cqe_makes_no_ring_readable)
{
	struct pollfd pfd = { .events = POLLIN };
	struct io_uring r;

	only_silent(&r, IORING_SETUP_TASKRUN_FLAG, FIRST_MS);
	pfd.fd = r.ring_fd;
	res_is(poll(&pfd, 1, 0), 0, "nothing is there");
	ring_submit(&r);
	res_is(lent_unregister(&r, 0), 0, "unregister");
	lender_released(lender, 0, nr_loans, SOON_MS);
	res_is(poll(&pfd, 1, NEVER_MS), 0, "the write is done, and the ring readable");
	must(!(*r.sq.kflags & IORING_SQ_TASKRUN), "who peeks is sent into the kernel");
	io_uring_queue_exit(&r);
}

/* The wait for all who use the ring's files: nobody but this task can run what is left of them. */
Test(lend_sum, a_success_that_posts_no_cqe_ends_the_wait_for_all)
{
	struct io_uring r;
	struct io_uring_sqe *sqe = only_silent(&r, 0, FIRST_MS);
	u64 began;

	res_is(io_uring_register_files(&r, &sqe->fd, 1), 0, "register files");
	sqe->fd = 0;
	sqe->flags |= IOSQE_FIXED_FILE;
	ring_submit(&r);
	began = now_ms();
	res_is(io_uring_unregister_files(&r), 0, "unregister files");
	has_waited(began, FIRST_MS);
	give_back(&r);
	io_uring_queue_exit(&r);
}

/* The program is found and read before the task waits for its requests. */
#define EXEC_MS	3000

static int execs_with_a_silent_write(void *began)
{
	struct io_uring r;

	lender = lender_open();
	only_silent(&r, 0, EXEC_MS);
	ring_submit(&r);
	*(u64 *)began = now_ms();
	execl("/bin/true", "true", NULL);
	return 1;
}

/* An exec waits for all of the task's requests. */
Test(lend_sum, a_success_that_posts_no_cqe_ends_the_wait_of_an_exec)
{
	u64 *began = shared_alloc(sizeof(*began));

	must(!proc_run(execs_with_a_silent_write, began), "exec failed");
	has_waited(*began, EXEC_MS);
}

/* Who only submits would keep all requests, and their files. */
Test(lend_sum, a_success_that_posts_no_cqe_is_let_go_by_the_next_submission)
{
	struct io_uring r;
	struct io_uring_sqe *sqe = only_silent(&r, 0, FIRST_MS);
	int disk = tleg_open(1, O_RDWR | O_DIRECT | O_EXCL);

	sqe->fd = disk;
	ring_submit(&r);
	res_is(lent_unregister(&r, 0), 0, "unregister");
	lender_released(lender, 0, nr_loans, SOON_MS);
	close(disk);
	sqe = ring_sqe(&r);
	io_uring_prep_nop(sqe);
	sqe->flags = IOSQE_CQE_SKIP_SUCCESS;
	ring_submit(&r);
	/* EBUSY while the ring has the file */
	close(tleg_open(1, O_RDWR | O_EXCL));
	io_uring_queue_exit(&r);
}

static struct io_uring_sqe *fused_sqe(unsigned int nr)
{
	struct io_uring_sqe *sqe = ring_sqe(&ring);

	sqe->opcode = IORING_OP_FUSED_CMD;
	sqe->fd = lender;
	sqe->off = LEND_TEST_POS(0, UNIT);
	sqe->rw_flags = nr;
	return sqe;
}

static void fused_is(int want[2], const char *what)
{
	int res[3];

	ring_submit(&ring);
	ring_reap(&ring, res, 3);
	must(res[0] > 0, "%s: primary: %s", what, res_str(res[0]));
	res_is(res[1], want[0], "%s: first", what);
	res_is(res[2], want[1], "%s: second", what);
	lender_released_in(&ring, lender, 0, ++nr_loans, SOON_MS);
}

/* The primary's buffer is made of the lender's, whose loan learns what its secondaries do. */
Test(lend_sum, secondaries_of_fused_commands_tell)
{
	const struct lend_test_seg seg = { .len = LEN };
	const struct lend_spec spec = { .segs = &seg, .nr_segs = 1, .learn = UNIT };
	int file = file_mem(UNIT + 100);
	struct io_uring_sqe *sqe;
	struct tcp_pair tcp;

	need(ring_knows(IORING_OP_FUSED_CMD), "no kernel with CONFIG_IO_URING_FUSED");
	lender_setup(lender, 0, &spec);
	fused_sqe(2);
	for (unsigned int i = 1; i < 3; i++) {
		sqe = ring_sqe(&ring);
		prep_rw_fixed(sqe, i == 1 ? IORING_OP_READ : IORING_OP_WRITE, file, 0, 2 * UNIT, 0, 0);
		sqe->user_data = i;
	}
	fused_is((int[]){ UNIT + 100, 2 * UNIT }, "a short read and a write");
	lender_learned(lender, 0, 1, 1, 0, UNIT + 100, 0, "a short read and a write");

	tcp_pair(&tcp, 0, 0);
	lender_setup(lender, 0, &spec);
	must(write(tcp.tx, "0123456789", 10) == 10, "write");
	fused_sqe(2);
	for (unsigned int i = 1; i < 3; i++) {
		sqe = ring_sqe(&ring);
		sqe->opcode = i == 1 ? IORING_OP_RECV : IORING_OP_SEND;
		sqe->fd = i == 1 ? tcp.rx : tcp.tx;
		sqe->addr = i == 1 ? 5 : 0;
		sqe->len = i == 1 ? 10 : 512;
		sqe->user_data = i;
	}
	fused_is((int[]){ 10, 512 }, "received and sent");
	/* behind a gap of five bytes, and less than a unit */
	lender_learned(lender, 0, 2, 0, 0, 0, 0, "received and sent");
}
