// SPDX-License-Identifier: GPL-2.0
/*
 * What the operations of both designs cost by themselves: writes to /dev/null of a buffer that
 * gets to them in one way or the other, many of them, and the time that went by.  With QEMU's
 * -icount time is a number of instructions; elsewhere the figures are nanoseconds.
 *
 * The exporter is /dev/lend_test, which allocates for each loan; what ublk's own costs
 * is seen in profiles (make perf, layer mediation).
 */
#include <fcntl.h>
#include <linux/io_uring_fused.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lender.h"
#include "ring.h"
#include "tmpfile.h"

#define ROUNDS	20000
#define BATCH	16	/* rounds in one submission, each with a slot of its own */
#define LEN	4096

static struct io_uring ring;
static int lender, null;
static u8 *memory;

static void write_from(int op, u64 addr, unsigned int slot)
{
	struct io_uring_sqe *sqe = ring_sqe(&ring);

	sqe->opcode = op;
	sqe->fd = null;
	sqe->addr = addr;
	sqe->len = LEN;
	sqe->buf_index = slot;
}

static void skip_cqe(struct io_uring_sqe *sqe)
{
	sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
}

static void borrow(unsigned int slot, u32 flags)
{
	struct io_uring_sqe *sqe = ring_sqe(&ring);

	lent_prep_register(sqe, lender, LEND_TEST_POS(0, 0), 0, slot, flags);
	skip_cqe(sqe);
}

static void give_back(unsigned int slot)
{
	struct io_uring_sqe *sqe = ring_sqe(&ring);

	lent_prep_unregister(sqe, slot);
	skip_cqe(sqe);
}

static void fuse(unsigned int nr)
{
	struct io_uring_sqe *sqe = ring_sqe(&ring);

	sqe->opcode = IORING_OP_FUSED_CMD;
	sqe->fd = lender;
	sqe->off = LEND_TEST_POS(0, 0);
	sqe->rw_flags = nr;
	skip_cqe(sqe);
}

/* Each queues one round with @n writes, in slot @slot of the round. */
static void round_nop(unsigned int slot, unsigned int n)
{
	while (n--)
		ring_sqe(&ring)->opcode = IORING_OP_NOP;
}

static void round_plain(unsigned int slot, unsigned int n)
{
	while (n--)
		write_from(IORING_OP_WRITE, (uintptr_t)memory, 0);
}

/* a buffer of user space, which is taken at prep: slot BATCH */
static void round_user(unsigned int slot, unsigned int n)
{
	while (n--)
		write_from(IORING_OP_WRITE_FIXED, (uintptr_t)memory, BATCH);
}

/* a lent buffer that stays in its slot, BATCH + 1, and is looked up at issue */
static void round_lent(unsigned int slot, unsigned int n)
{
	while (n--)
		write_from(IORING_OP_WRITE_FIXED, 0, BATCH + 1);
}

static void round_table(unsigned int slot, unsigned int n)
{
	borrow(slot, 0);
	give_back(slot);
}

static void round_register(unsigned int slot, unsigned int n)
{
	borrow(slot, 0);
	while (n--)
		write_from(IORING_OP_WRITE_FIXED, 0, slot);
	give_back(slot);
}

static void round_fused(unsigned int slot, unsigned int n)
{
	while (n--) {
		fuse(1);
		write_from(IORING_OP_WRITE, 0, 0);
	}
}

static void round_fused_n(unsigned int slot, unsigned int n)
{
	fuse(n);
	while (n--)
		write_from(IORING_OP_WRITE, 0, 0);
}

static const struct {
	const char *name;
	void (*queue)(unsigned int slot, unsigned int n);
	unsigned int most;	/* writes in a round */
	bool writes;		/* or operations that post no CQE */
} ways[] = {
	{ "nop", round_nop, 1, true },
	{ "write", round_plain, 1, true },
	{ "write-fixed-user", round_user, 1, true },
	{ "write-fixed-lent", round_lent, 1, true },
	{ "register-unregister", round_table, 1, false },
	{ "register", round_register, 4, true },
	{ "fused", round_fused, 4, true },
	{ "fused-n", round_fused_n, 4, true },
};

static u64 now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

/* Waits for @nr completions, each of which has to be a success. */
static void complete(unsigned int nr, int want)
{
	struct io_uring_cqe *cqe;
	unsigned int head, got = 0;

	while (got < nr) {
		unsigned int seen = 0;

		io_uring_submit_and_wait(&ring, 1);
		io_uring_for_each_cqe(&ring, head, cqe) {
			must(cqe->res == want, "a request completed with %d", cqe->res);
			seen++;
		}
		io_uring_cq_advance(&ring, seen);
		got += seen;
	}
}

static double cost(unsigned int way, unsigned int n)
{
	unsigned int cqes = ways[way].writes ? BATCH * n : 1;
	u64 began = 0;

	/* the first batches fill caches */
	for (unsigned int r = 0; r < ROUNDS / BATCH + 10; r++) {
		if (r == 10)
			began = now_ns();
		for (unsigned int slot = 0; slot < BATCH; slot++)
			ways[way].queue(slot, n);
		if (!ways[way].writes)
			ring_sqe(&ring)->opcode = IORING_OP_NOP;
		complete(cqes, !ways[way].writes || way == 0 ? 0 : LEN);
	}
	return (now_ns() - began) / 1000.0 / (ROUNDS / BATCH * BATCH);
}

static void setup(void)
{
	struct iovec iov;

	ring_init(&ring, 256, IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN);
	ring_table(&ring, BATCH + 2);
	lender = lender_open();
	lender_simple(lender, 0, LEN);
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	must(null >= 0, "/dev/null does not open");
	memory = page_alloc(LEN);
	iov = (struct iovec){ memory, LEN };
	must(ring_update(&ring, BATCH, &iov, NULL, 1) == 1, "a buffer of user space is refused");
	must(lent_register(&ring, lender, LEND_TEST_POS(0, 0), 0, BATCH + 1) == LEN, "REGISTER");
}

int main(int argc, char **argv)
{
	if (argc > 1) {
		fprintf(stderr, "ops: error: '%s': there are no arguments; right is /dev/lend_test and a kernel with fused commands\n",
			argv[1]);
		return 2;
	}
	check_in_child();
	setup();
	printf("way,writes,kinsn\n");
	for (unsigned int w = 0; w < sizeof(ways) / sizeof(ways[0]); w++)
		for (unsigned int n = 1; n <= ways[w].most; n++)
			printf("%s,%u,%.3f\n", ways[w].name, ways[w].writes && w ? n : 0, cost(w, n));
	return 0;
}
