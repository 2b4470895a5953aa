// SPDX-License-Identifier: GPL-2.0
/*
 * The order in which requests are issued decides which buffer they use: a request
 * behind a REGISTER finds what that registered, keeps it whatever comes after, and
 * never gets a buffer that was lent later.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lender.h"
#include "pattern.h"
#include "ring.h"
#include "tleg.h"
#include "tmpfile.h"

#define PART	4096	/* bytes of one request */
#define NR_IO	6	/* the first half writes, the second reads */
#define LEN	(NR_IO * PART)
#define READ_AT	(1 << 20)	/* where the file has what is read */

static int lender;
static u8 buf[LEN];

static void setup(void)
{
	const struct lend_test_seg segs[] = { { 0, 6144 }, { 512, 2048 }, { 0, LEN - 8192 } };

	lender = lender_open();
	lender_setup(lender, 0, &(struct lend_spec){ .segs = segs, .nr_segs = 3 });
}

static void teardown(void)
{
	close(lender);
	tlegs_remove();
}

TestSuite(lend_order, .init = setup, .fini = teardown, .timeout = 120);

static const struct ring_kind {
	const char *name;
	u32 flags;
} rings[] = {
	{ "plain ring", 0 },
	{ "SQPOLL", IORING_SETUP_SQPOLL },
	{ "DEFER_TASKRUN", IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN },
	{ "COOP_TASKRUN", IORING_SETUP_COOP_TASKRUN },
};
#define NR_RINGS	(sizeof(rings) / sizeof(rings[0]))

/* Pattern 1 in the buffer, 2 in the part of the file that is read, 3 where is written. */
static void refill(int file)
{
	u8 *p = page_alloc(LEN);

	pat_fill(p, LEN, 1, 0);
	lender_write(lender, 0, 0, p, LEN);
	pat_fill(p, LEN, 2, 0);
	file_write(file, p, LEN, READ_AT);
	pat_fill(p, LEN, 3, 0);
	file_write(file, p, LEN, 0);
	munmap(p, LEN);
}

static void prep_io(struct io_uring_sqe *sqe, int file, unsigned int i, unsigned int slot)
{
	bool read = i >= NR_IO / 2;

	prep_rw_fixed(sqe, read ? IORING_OP_READ_FIXED : IORING_OP_WRITE_FIXED, file, i * PART,
		      PART, (read ? READ_AT : 0) + i * PART, slot);
}

/* Did request @i what it says that it did?  @what: see combination(). */
static void check_io(int file, unsigned int i, int res, const char *what)
{
	bool read = i >= NR_IO / 2, done = res == PART;
	u8 *p = page_alloc(PART);

	if (read) {
		lender_read(lender, 0, i * PART, p, PART);
		pat_is(p, PART, done ? 2 : 1, i * PART, "%s: read %u: %s", what, i, res_str(res));
	} else {
		file_read(file, p, PART, i * PART);
		pat_is(p, PART, done ? 1 : 3, i * PART, "%s: write %u: %s", what, i, res_str(res));
	}
	munmap(p, PART);
}

/* REGISTER, NR_IO requests and UNREGISTER, all with @flags, in one submission. */
static void submit_sequence(struct io_uring *ring, int file, u32 flags, int *res)
{
	for (unsigned int i = 0; i < NR_IO + 2; i++) {
		struct io_uring_sqe *sqe = ring_sqe(ring);

		if (!i)
			lent_prep_register(sqe, lender, LEND_TEST_POS(0, 0), 0, 3, 0);
		else if (i == NR_IO + 1)
			lent_prep_unregister(sqe, 3);
		else
			prep_io(sqe, file, i - 1, 3);
		sqe->user_data = i;
		sqe->flags = flags;
		if (i == NR_IO + 1)
			sqe->flags &= ~(IOSQE_IO_LINK | IOSQE_IO_HARDLINK);
	}
	ring_submit(ring);
	ring_reap(ring, res, NR_IO + 2);
}

static void all_succeed(int file, const int *res, const char *what)
{
	res_is(res[0], LEN, "%s: register", what);
	for (unsigned int i = 0; i < NR_IO; i++) {
		res_is(res[i + 1], PART, "%s: request %u", what, i);
		check_io(file, i, res[i + 1], what);
	}
	res_is(res[NR_IO + 1], 0, "%s: unregister", what);
}

/* Workers run them in any order: EFAULT is right, wrong data is not. */
static void none_is_wrong(struct io_uring *ring, int file, const int *res, const char *what)
{
	res_is(res[0], LEN, "%s: register", what);
	for (unsigned int i = 0; i < NR_IO; i++) {
		must(res[i + 1] == PART || res[i + 1] == -EFAULT, "%s: request %u: %s", what, i,
		     res_str(res[i + 1]));
		check_io(file, i, res[i + 1], what);
	}
	if (res[NR_IO + 1])
		res_is(lent_unregister(ring, 3), 0, "%s: unregister: %s", what,
		       res_str(res[NR_IO + 1]));
}

static void combination(const struct ring_kind *kind, int file, const char *disk, u32 flags,
			const char *how)
{
	u64 lent = lender_stats(lender, 0).lent;
	struct io_uring ring;
	int res[NR_IO + 2];
	char what[128];

	snprintf(what, sizeof(what), "%s, %s, %s", kind->name, disk, how);
	ring_init(&ring, 32, kind->flags);
	ring_table(&ring, 8);
	for (unsigned int round = 0; round < 4; round++) {
		refill(file);
		submit_sequence(&ring, file, flags, res);
		if (flags == IOSQE_ASYNC)
			none_is_wrong(&ring, file, res, what);
		else
			all_succeed(file, res, what);
	}
	lender_released_in(&ring, lender, 0, lent + 4, SOON_MS);
	io_uring_queue_exit(&ring);
	lender_is(lender, 0, lent + 4, lent + 4, "%s", what);
}

static void all_combinations(int file, const char *disk)
{
	static const struct { const char *name; u32 flags; } hows[] = {
		{ "unlinked", 0 },
		{ "unlinked, DRAIN", IOSQE_IO_DRAIN },
		{ "unlinked, ASYNC", IOSQE_ASYNC },
		{ "LINK", IOSQE_IO_LINK },
		{ "LINK, ASYNC", IOSQE_IO_LINK | IOSQE_ASYNC },
		{ "LINK, DRAIN", IOSQE_IO_LINK | IOSQE_IO_DRAIN },
		{ "HARDLINK", IOSQE_IO_HARDLINK },
		{ "HARDLINK, ASYNC", IOSQE_IO_HARDLINK | IOSQE_ASYNC },
		{ "HARDLINK, DRAIN", IOSQE_IO_HARDLINK | IOSQE_IO_DRAIN },
	};

	for (unsigned int k = 0; k < NR_RINGS; k++) {
		for (unsigned int h = 0; h < sizeof(hows) / sizeof(hows[0]); h++)
			combination(&rings[k], file, disk, hows[h].flags, hows[h].name);
	}
}

Test(lend_order, register_io_unregister_on_a_file_that_punts)
{
	int file = file_mem(2 << 20);

	all_combinations(file, "file in memory");
}

Test(lend_order, register_io_unregister_on_a_disk_that_does_not)
{
	all_combinations(disk_ram(0), "ram disk");
}

Test(lend_order, register_io_unregister_on_a_disk_with_one_tag)
{
	/* all but the first find no tag: -EAGAIN, and again in a worker */
	struct null_disk opt = { .depth = 1, .delay_us = 3000 };

	tleg_null(0, &opt);
	all_combinations(tleg_open(0, O_RDWR | O_DIRECT), "null_blk, one tag");
}

/* A chain that ends at its REGISTER leaves no request that looks for the buffer. */
Test(lend_order, a_chain_is_cancelled_when_its_register_fails)
{
	int file = file_mem(2 << 20), res[NR_IO + 2];
	struct io_uring ring;
	const struct lend_test_seg seg = { .len = LEN };

	ring_init(&ring, 16, 0);
	ring_table(&ring, 8);
	lender_setup(lender, 0, &(struct lend_spec){ .segs = &seg, .nr_segs = 1, .error = EIO });
	submit_sequence(&ring, file, IOSQE_IO_LINK, res);
	res_is(res[0], -EIO, "register");
	for (unsigned int i = 1; i < NR_IO + 2; i++)
		res_is(res[i], -ECANCELED, "request %u", i);
	/* a hard link goes on */
	submit_sequence(&ring, file, IOSQE_IO_HARDLINK, res);
	res_is(res[0], -EIO, "register");
	for (unsigned int i = 1; i < NR_IO + 1; i++)
		res_is(res[i], -EFAULT, "request %u", i);
	res_is(res[NR_IO + 1], -EINVAL, "unregister");
	io_uring_queue_exit(&ring);
}

Test(lend_order, a_polled_ring_lends_and_reads)
{
	struct null_disk opt = { .poll_queues = 1 };
	struct io_uring ring;
	int file, res[NR_IO + 2];

	tleg_null(0, &opt);
	file = tleg_open(0, O_RDWR | O_DIRECT);
	ring_init(&ring, 32, IORING_SETUP_IOPOLL);
	ring_table(&ring, 8);
	for (unsigned int round = 0; round < 20; round++) {
		refill(file);
		submit_sequence(&ring, file, round % 2 ? IOSQE_IO_LINK : 0, res);
		all_succeed(file, res, round % 2 ? "IOPOLL, LINK" : "IOPOLL, unlinked");
	}
	lender_released(lender, 0, 20, SOON_MS);
	io_uring_queue_exit(&ring);
}

Test(lend_order, many_requests_share_one_slot)
{
	int file = file_mem(64 * LEN), ram = disk_ram(1);
	struct io_uring ring;
	int res[64];

	for (unsigned int k = 0; k < NR_RINGS; k++) {
		ring_init(&ring, 64, rings[k].flags);
		ring_table(&ring, 1);
		pat_fill(buf, LEN, 1, 0);
		lender_write(lender, 0, 0, buf, LEN);
		res_is(lent_register(&ring, lender, LEND_TEST_POS(0, 0), 0, 0), LEN, "register");
		for (unsigned int i = 0; i < 64; i++) {
			struct io_uring_sqe *sqe = ring_sqe(&ring);

			prep_rw_fixed(sqe, IORING_OP_WRITE_FIXED, i % 3 ? file : ram, 0, LEN,
				      (u64)i * LEN, 0);
			sqe->user_data = i;
			sqe->flags = i % 2 ? IOSQE_ASYNC : 0;
		}
		ring_submit(&ring);
		ring_reap(&ring, res, 64);
		for (unsigned int i = 0; i < 64; i++) {
			u8 *p = page_alloc(LEN);

			res_is(res[i], LEN, "%s: request %u", rings[k].name, i);
			file_read(i % 3 ? file : ram, p, LEN, (u64)i * LEN);
			pat_is(p, LEN, 1, 0, "%s: request %u", rings[k].name, i);
			munmap(p, LEN);
		}
		res_is(lent_unregister(&ring, 0), 0, "unregister");
		lender_released_in(&ring, lender, 0, k + 1, SOON_MS);
		io_uring_queue_exit(&ring);
	}
}

/*
 * A linked command is issued after the application may have written its next SQEs
 * over it.  The first of the chain takes a while.
 */
static void overwritten_command(u32 ring_flags, u32 link, u32 flags, const char *what)
{
	static const struct lend_move moves[3] = {
		{ .op = LEND_TEST_CMD_DRAIN, .index = 2, .len = 512, .delay_ms = 60 },
		{ .op = LEND_TEST_CMD_FILL, .index = 1, .addr = 1024, .offset = 512, .len = 2048 },
		{ .op = LEND_TEST_CMD_FILL, .index = 1, .addr = 8192, .offset = 4096, .len = 2048 },
	};
	struct io_uring ring;
	int res[3];

	ring_init(&ring, 8, ring_flags);
	ring_table(&ring, 2);
	pat_fill(buf, LEN, 1, 0);
	lender_write(lender, 0, 0, buf, LEN);
	pat_fill(buf, LEN, 2, 0);
	lender_write(lender, 1, 0, buf, LEN);
	res_is(lent_register(&ring, lender, LEND_TEST_POS(0, 0), 0, 0), LEN, "%s", what);

	for (unsigned int i = 0; i < 3; i++) {
		struct io_uring_sqe *sqe = ring_sqe(&ring);

		lender_prep_move(sqe, lender, &moves[i]);
		sqe->user_data = i;
		sqe->flags = i < 2 ? link | flags : flags;
	}
	ring_submit(&ring);
	/* with SQPOLL the kernel has read them when the queue is empty */
	while (io_uring_sq_ready(&ring))
		sleep_ms(1);
	/* all of the queue, as if as many requests had been queued again */
	memset(ring.sq.sqes, 0xff, 8 * sizeof(struct io_uring_sqe));
	ring_reap(&ring, res, 3);
	res_is(res[0], 512, "%s: the first", what);
	res_is(res[1], 2048, "%s: the second", what);
	res_is(res[2], 2048, "%s: the third", what);
	lender_read(lender, 0, 1024, buf, 2048);
	pat_is(buf, 2048, 2, 512, "%s: the second moved", what);
	lender_read(lender, 0, 8192, buf, 2048);
	pat_is(buf, 2048, 2, 4096, "%s: the third moved", what);
	res_is(lent_unregister(&ring, 0), 0, "%s", what);
	io_uring_queue_exit(&ring);
}

Test(lend_order, a_linked_command_does_not_need_its_sqe_any_more)
{
	lender_simple(lender, 1, LEN);
	lender_simple(lender, 2, LEN);
	for (unsigned int k = 0; k < NR_RINGS; k++) {
		overwritten_command(rings[k].flags, IOSQE_IO_LINK, 0, rings[k].name);
		overwritten_command(rings[k].flags, IOSQE_IO_HARDLINK, 0, rings[k].name);
		overwritten_command(rings[k].flags, IOSQE_IO_LINK, IOSQE_ASYNC, rings[k].name);
		overwritten_command(rings[k].flags, 0, IOSQE_IO_DRAIN, rings[k].name);
	}
}

/* A slot that is used again while earlier requests still hold its old buffer. */
Test(lend_order, a_slot_used_again_does_not_change_earlier_requests)
{
	struct lend_move late = { .op = LEND_TEST_CMD_DRAIN, .index = 2, .len = LEN, .slot = 0,
				  .delay_ms = 400 };
	struct lend_move early = { .op = LEND_TEST_CMD_DRAIN, .index = 3, .len = LEN, .slot = 0 };
	struct io_uring ring;
	struct done done;

	lender_simple(lender, 1, LEN);
	lender_simple(lender, 2, LEN);
	lender_simple(lender, 3, LEN);
	for (unsigned int k = 0; k < NR_RINGS; k++) {
		ring_init(&ring, 16, rings[k].flags);
		ring_table(&ring, 1);
		for (unsigned int i = 0; i < 2; i++) {
			pat_fill(buf, LEN, 1 + i, 0);
			lender_write(lender, i, 0, buf, LEN);
		}
		res_is(lent_register(&ring, lender, LEND_TEST_POS(0, 0), 0, 0), LEN, "the old one");
		lender_prep_move(ring_sqe(&ring), lender, &late);
		ring_submit(&ring);
		res_is(lent_unregister(&ring, 0), 0, "%s: unregister", rings[k].name);
		lender_is(lender, 0, k + 1, k, "%s: still in use", rings[k].name);
		res_is(lent_register(&ring, lender, LEND_TEST_POS(1, 0), 0, 0), LEN, "the new one");
		res_is(lender_move(&ring, lender, &early), LEN, "%s: on the new one",
		       rings[k].name);
		lender_read(lender, 3, 0, buf, LEN);
		pat_is(buf, LEN, 2, 0, "%s: the new buffer", rings[k].name);
		res_is(lent_unregister(&ring, 0), 0, "%s: unregister", rings[k].name);
		lender_is(lender, 1, k + 1, k + 1, "%s: the new one is not in use", rings[k].name);
		lender_is(lender, 0, k + 1, k, "%s: the old one still is", rings[k].name);

		must(ring_next(&ring, &done, SOON_MS), "the late one does not complete");
		res_is(done.res, LEN, "%s: the late one", rings[k].name);
		lender_read(lender, 2, 0, buf, LEN);
		pat_is(buf, LEN, 1, 0, "%s: the old buffer", rings[k].name);
		lender_released(lender, 0, k + 1, 200);
		io_uring_queue_exit(&ring);
	}
}

/*
 * Two buffers through one slot in a single submission, on a file that punts every
 * request to a worker: when the workers run, the slot holds the second or nothing.
 */
static void two_buffers_one_slot(const struct ring_kind *kind, int file)
{
	struct io_uring ring;
	u8 *p = page_alloc(PART);
	int res[24];

	ring_init(&ring, 32, kind->flags);
	ring_table(&ring, 1);
	for (unsigned int i = 0; i < 24; i++) {
		struct io_uring_sqe *sqe = ring_sqe(&ring);

		if (i % 12 == 0)
			lent_prep_register(sqe, lender, LEND_TEST_POS(i / 12, 0), 0, 0, 0);
		else if (i % 12 == 11)
			lent_prep_unregister(sqe, 0);
		else
			prep_rw_fixed(sqe, IORING_OP_WRITE_FIXED, file, i % 5 * PART, PART,
				      i * PART, 0);
		sqe->user_data = i;
	}
	ring_submit(&ring);
	ring_reap(&ring, res, 24);
	for (unsigned int i = 0; i < 24; i++) {
		int want = i % 12 == 0 ? LEN : i % 12 == 11 ? 0 : PART;

		res_is(res[i], want, "%s: request %u", kind->name, i);
		if (want != PART)
			continue;
		file_read(file, p, PART, i * PART);
		pat_is(p, PART, 1 + i / 12, i % 5 * PART, "%s: request %u", kind->name, i);
	}
	io_uring_queue_exit(&ring);
	munmap(p, PART);
}

Test(lend_order, a_retry_keeps_the_buffer)
{
	struct null_disk opt = { .depth = 1, .delay_us = 2000 };
	int file = file_mem(2 << 20), disk;

	tleg_null(0, &opt);
	disk = tleg_open(0, O_RDWR | O_DIRECT);
	lender_simple(lender, 1, LEN);
	for (unsigned int i = 0; i < 2; i++) {
		pat_fill(buf, LEN, 1 + i, 0);
		lender_write(lender, i, 0, buf, LEN);
	}
	for (unsigned int k = 0; k < NR_RINGS; k++) {
		for (unsigned int round = 0; round < 10; round++) {
			two_buffers_one_slot(&rings[k], file);
			two_buffers_one_slot(&rings[k], disk);
		}
	}
	lender_released(lender, 0, NR_RINGS * 20, SOON_MS);
	lender_released(lender, 1, NR_RINGS * 20, SOON_MS);
}

/* Requests that wait for a pipe find their buffer before, and are issued again after. */
static void waits_for_pipe(const struct ring_kind *kind, u32 flags)
{
	struct io_uring ring;
	u64 lent[2] = { lender_stats(lender, 0).lent, lender_stats(lender, 1).lent };
	struct io_uring_sqe *sqe;
	struct done done;
	int fds[2];

	must(!pipe(fds), "pipe: %s", strerror(errno));
	ring_init(&ring, 8, kind->flags);
	ring_table(&ring, 1);
	for (unsigned int i = 0; i < 2; i++) {
		pat_fill(buf, LEN, 1 + i, 0);
		lender_write(lender, i, 0, buf, LEN);
	}
	res_is(lent_register(&ring, lender, LEND_TEST_POS(0, 0), 0, 0), LEN, "the first");
	sqe = ring_sqe(&ring);
	prep_rw_fixed(sqe, IORING_OP_READ_FIXED, fds[0], 4608, 4096, -1ULL, 0);
	sqe->flags = flags;
	ring_submit(&ring);
	must(!ring_next(&ring, &done, 50), "%s: a read of an empty pipe ended", kind->name);
	res_is(lent_unregister(&ring, 0), 0, "%s: unregister", kind->name);
	res_is(lent_register(&ring, lender, LEND_TEST_POS(1, 0), 0, 0), LEN, "the second");
	lender_is(lender, 0, lent[0] + 1, lent[0], "%s: the read waits with it", kind->name);

	pat_fill(buf, 4096, 9, 0);
	must(write(fds[1], buf, 4096) == 4096, "pipe: %s", strerror(errno));
	must(ring_next(&ring, &done, SOON_MS), "%s: the read does not end", kind->name);
	res_is(done.res, 4096, "%s: the read", kind->name);
	lender_read(lender, 0, 4608, buf, 4096);
	pat_is(buf, 4096, 9, 0, "%s: the buffer that it found", kind->name);
	lender_read(lender, 1, 0, buf, LEN);
	pat_is(buf, LEN, 2, 0, "%s: the one that came later", kind->name);
	res_is(lent_unregister(&ring, 0), 0, "%s: unregister", kind->name);
	lender_released_in(&ring, lender, 0, lent[0] + 1, SOON_MS);
	lender_released_in(&ring, lender, 1, lent[1] + 1, SOON_MS);
	io_uring_queue_exit(&ring);
	close(fds[0]);
	close(fds[1]);
}

Test(lend_order, a_read_that_waits_keeps_the_buffer)
{
	lender_simple(lender, 1, LEN);
	for (unsigned int k = 0; k < NR_RINGS; k++) {
		waits_for_pipe(&rings[k], 0);
		waits_for_pipe(&rings[k], IOSQE_ASYNC);
	}
}

/* What a thread writes into SQEs while SQPOLL's thread reads them. */
struct scribbler {
	struct io_uring *ring;
	volatile int stop;
};

static void *scribble(void *arg)
{
	static const u32 values[] = { 0, 1, 7, 8, 512, LEN, LEN + 1, 0xffff, 0x80000000,
				      0xffffffff };
	struct scribbler *s = arg;
	unsigned int n = 0;

	while (!s->stop) {
		struct io_uring_sqe *sqe = &s->ring->sq.sqes[n++ % 8];
		u32 value = values[random() % 10];

		/* in bursts: what is always spoiled is refused before it gets anywhere */
		if (n % 16 == 0)
			for (volatile int i = 0; i < 5000; i++)
				;
		/* not opcode and descriptor: those could do harm of another kind */
		switch (random() % 7) {
		case 0:
			sqe->len = value;
			break;
		case 1:
			sqe->buf_index = value;
			break;
		case 2:
			sqe->rw_flags = value;
			break;
		case 3:
			sqe->addr = value;
			break;
		case 4:
			((struct lend_test_cmd *)sqe->cmd)->offset = value;
			break;
		case 5:
			((struct lend_test_cmd *)sqe->cmd)->index = value;
			break;
		case 6:
			((struct lend_test_cmd *)sqe->cmd)->delay_ms = value;
			break;
		}
	}
	return NULL;
}

/* V9: whatever it reads it reads once, and has checked it. */
Test(lend_order, sqes_that_change_while_they_are_read_do_no_harm)
{
	struct scribbler s = { 0 };
	u64 end = now_ms() + 3000, lent;
	struct io_uring ring;
	unsigned int queued = 0;
	pthread_t thread;
	struct done done;

	ring_init(&ring, 8, IORING_SETUP_SQPOLL);
	ring_table(&ring, 8);
	lender_simple(lender, 1, LEN);
	s.ring = &ring;
	must(!pthread_create(&thread, NULL, scribble, &s), "thread");
	for (unsigned int i = 0; now_ms() < end; i++) {
		const struct lend_move move = {
			.op = i % 2 ? LEND_TEST_CMD_FILL : LEND_TEST_CMD_DRAIN,
			.index = 1, .len = LEN, .slot = i / 3 % 8,
		};
		struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);

		if (sqe) {
			memset(sqe, 0, sizeof(*sqe));
			if (i % 3 == 0)
				lent_prep_register(sqe, lender, LEND_TEST_POS(0, 0), 0, i / 3 % 8, 0);
			else if (i % 3 == 1)
				lender_prep_move(sqe, lender, &move);
			else
				lent_prep_unregister(sqe, i / 3 % 8);
			io_uring_submit(&ring);
			queued++;
		}
		while (queued && ring_next(&ring, &done, sqe ? 0 : 1))
			queued--;
	}
	s.stop = 1;
	pthread_join(thread, NULL);
	while (queued--)
		must(ring_next(&ring, &done, SOON_MS), "%u requests did not complete", queued + 1);
	io_uring_queue_exit(&ring);
	lent = lender_stats(lender, 0).lent;
	must(lent, "nothing was lent");
	lender_released(lender, 0, lent, SOON_MS);
}

/* SEND_ZC that waits for room in the socket is issued again: with what it found first. */
Test(lend_order, a_send_that_waits_keeps_the_buffer)
{
	enum { BIG = 1 << 20 };
	struct io_uring ring;
	struct tcp_pair tcp;
	u8 *data = page_alloc(BIG), *got = page_alloc(BIG);
	struct done done;
	unsigned int left = 2;

	tcp_pair(&tcp, 8192, 8192);
	ring_init(&ring, 16, 0);
	ring_table(&ring, 1);
	lender_simple(lender, 1, BIG);
	lender_simple(lender, 2, BIG);
	pat_fill(data, BIG, 1, 0);
	lender_write(lender, 1, 0, data, BIG);
	pat_fill(data, BIG, 2, 0);
	lender_write(lender, 2, 0, data, BIG);
	res_is(lent_register(&ring, lender, LEND_TEST_POS(1, 0), 0, 0), BIG, "the first");
	prep_send_fixed(ring_sqe(&ring), tcp.tx, 0, BIG, 0);
	ring_submit(&ring);
	must(!ring_next(&ring, &done, 100), "the socket took all of it");
	res_is(lent_unregister(&ring, 0), 0, "unregister");
	res_is(lent_register(&ring, lender, LEND_TEST_POS(2, 0), 0, 0), BIG, "the second");
	lender_is(lender, 1, 1, 0, "the first is still being sent");
	tcp_read(tcp.rx, got, BIG);
	pat_is(got, BIG, 1, 0, "what was sent");
	while (left--) {
		must(ring_next(&ring, &done, SOON_MS), "the send does not complete");
		if (!(done.data & RING_NOTIF))
			res_is(done.res, BIG, "the send");
	}
	lender_released_in(&ring, lender, 1, 1, SOON_MS);
	io_uring_queue_exit(&ring);
}

/* As in 6.12: what is in the slot when a request is prepared, not when it is issued. */
static void user_buffer_at_prep(u32 ring_flags, bool gone)
{
	struct iovec iov[2];
	struct io_uring ring;
	int file = file_mem(PART), fds[2], res[2];
	struct io_uring_sqe *sqe;
	u8 byte;

	for (u32 i = 0; i < 2; i++) {
		iov[i] = (struct iovec){ .iov_base = page_alloc(PART), .iov_len = PART };
		pat_fill(iov[i].iov_base, PART, 1 + i, 0);
	}
	must(!pipe(fds), "pipe: %s", strerror(errno));
	ring_init(&ring, 8, ring_flags);
	ring_table(&ring, 2);
	res_is(ring_update(&ring, 1, iov, NULL, 1), 1, "user buffer");
	sqe = ring_sqe(&ring);
	io_uring_prep_read(sqe, fds[0], &byte, 1, 0);
	sqe->flags = IOSQE_IO_LINK;
	sqe = ring_sqe(&ring);
	prep_rw_fixed(sqe, IORING_OP_WRITE_FIXED, file, (uintptr_t)iov[0].iov_base, PART, 0, 1);
	sqe->user_data = 1;
	ring_submit(&ring);
	/* SQPOLL's thread has to have prepared both */
	sleep_ms(NEVER_MS);
	if (gone)
		iov[1] = (struct iovec){};
	res_is(ring_update(&ring, 1, &iov[1], NULL, 1), 1, "another one in its slot");
	must(write(fds[1], "", 1) == 1, "letting the chain go");
	ring_reap(&ring, res, 2);
	res_is(res[0], 1, "the read");
	res_is(res[1], PART, "the write, ring flags %#x, gone %d", ring_flags, gone);
	file_read(file, buf, PART, 0);
	pat_is(buf, PART, 1, 0, "the buffer of prep");
	io_uring_queue_exit(&ring);
}

Test(lend_order, a_buffer_of_user_space_is_the_one_that_was_there_at_prep)
{
	for (unsigned int i = 0; i < NR_RINGS; i++) {
		user_buffer_at_prep(rings[i].flags, false);
		user_buffer_at_prep(rings[i].flags, true);
	}
}
