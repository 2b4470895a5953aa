// SPDX-License-Identifier: GPL-2.0
/*
 * What modes queue for a request: the SQEs of a ring that is not submitted.  The request has
 * two steps on two legs, which are not in the order of its data.
 */
#include <criterion/criterion.h>
#include <linux/io_uring_fused.h>
#include <linux/io_uring_lend.h>
#include <string.h>

#include "modes/bufs.h"
#include "modes/modes.h"
#include "pool.h"
#include "queue.h"

#define TAG	3
#define DEPTH	4
#define LEN	(96U << 10)
#define HALF	(LEN / 2)
#define MAX_IO	(512U << 10)
#define QID	1

static const struct device device = { .depth = DEPTH, .max_io = MAX_IO };
static struct queue q;
static struct target target;
static struct io *io;
static struct step steps[4];
static u64 state;

static void setup(void)
{
	if (io_uring_queue_init(64, &q.ring, 0))
		cr_skip_test("there is no io_uring here");
	q.qid = QID;
	q.device = &device;
	q.target = &target;
	q.io_stride = sizeof(struct io);
	q.ios = calloc(DEPTH, sizeof(struct io));
	for (unsigned int tag = 0; tag < DEPTH; tag++)
		queue_io(&q, tag)->tag = queue_io(&q, tag)->index = tag;
	io = queue_io(&q, TAG);
	io->steps = steps;
	io->mio = &state;
	cr_assert_leq(sizeof(struct step), 40, "steps have grown: there are many");
}

TestSuite(modes_ring, .init = setup, .timeout = 30);

static void use(const struct mode_ops *mode)
{
	q.mode = mode;
	state = 0;
	q.mq = mode->queue_size ? calloc(1, mode->queue_size) : NULL;
	cr_assert_leq(mode->io_size, sizeof(state));
	if (mode->init)
		cr_assert_eq(mode->init(&q), 0, "%s", mode->name);
}

/* Leg 1 has the first half, leg 0 the other one. */
static void plan(u8 ublk_op, bool fua)
{
	enum step_op op = io_step_op(ublk_op);

	io->op = ublk_op;
	io->off = 1 << 20;
	io->len = LEN;
	io->fua = fua;
	io->nr_steps = 0;
	io->pending = 0;
	io_add_part(io, op, 1, 8192, HALF, 0);
	io_add_part(io, op, 0, 4096, HALF, HALF);
}

/* Those that were queued since the last call. */
static struct io_uring_sqe got[16];

static unsigned int queued(void)
{
	struct io_uring_sq *sq = &q.ring.sq;
	unsigned int nr = 0;

	for (; sq->sqe_head != sq->sqe_tail; sq->sqe_head++)
		got[nr++] = sq->sqes[sq->sqe_head & sq->ring_mask];
	return nr;
}

/* SQE @n reads or writes step @i, from @addr on, which is of the request's first byte. */
static void is_step(unsigned int n, unsigned int i, unsigned int op, u64 addr, const char *what)
{
	const struct io_uring_sqe *sqe = &got[n];
	const struct step *s = &steps[i];

	cr_expect_eq(sqe->opcode, op, "%s: SQE %u: opcode %u", what, n, sqe->opcode);
	cr_expect_eq(sqe->fd, FILE_LEG(s->leg), "%s: SQE %u: file %d", what, n, sqe->fd);
	cr_expect_eq(sqe->addr, addr + s->data + s->done, "%s: SQE %u: address", what, n);
	cr_expect_eq(sqe->len, s->len - s->done, "%s: SQE %u: %u bytes", what, n, sqe->len);
	cr_expect_eq(sqe->off, s->off + s->done, "%s: SQE %u: position", what, n);
	cr_expect_eq(sqe->flags & ~IOSQE_IO_HARDLINK, IOSQE_FIXED_FILE, "%s: SQE %u: flags", what, n);
	cr_expect_eq(sqe->user_data, udata(UD_STEP, TAG, i), "%s: SQE %u: user data", what, n);
	cr_expect_eq(s->state, STEP_BUSY);
}

/* One that the mode queues for itself, and that is silent unless it fails. */
static void is_silent(unsigned int n, unsigned int op, int file, const char *what)
{
	cr_expect_eq(got[n].opcode, op, "%s: SQE %u: opcode %u", what, n, got[n].opcode);
	cr_expect_eq(got[n].fd, file, "%s: SQE %u: file %d", what, n, got[n].fd);
	cr_expect(got[n].flags & IOSQE_CQE_SKIP_SUCCESS, "%s: SQE %u", what, n);
	cr_expect_eq(udata_kind(got[n].user_data), UD_MODE, "%s: SQE %u", what, n);
}

static void lends_by_slot(const struct mode_ops *mode, unsigned int slot, unsigned int link)
{
	plan(UBLK_IO_OP_WRITE, true);
	mode->issue(&q, io);
	cr_assert_eq(queued(), 4, "%s", mode->name);
	is_silent(0, IORING_OP_LENT_BUF_REGISTER, FILE_UBLKC, mode->name);
	cr_expect_eq(got[0].off, cookie(QID, TAG, 0));
	is_step(1, 0, IORING_OP_WRITE_FIXED, 0, mode->name);
	is_step(2, 1, IORING_OP_WRITE_FIXED, 0, mode->name);
	is_silent(3, IORING_OP_LENT_BUF_UNREGISTER, -1, mode->name);
	for (unsigned int n = 0; n < 4; n++) {
		cr_expect_eq(got[n].buf_index, slot, "%s: SQE %u: slot", mode->name, n);
		cr_expect_eq(got[n].flags & IOSQE_IO_HARDLINK, n < 3 ? link : 0, "%s: SQE %u", mode->name, n);
	}
	cr_expect_eq(got[1].rw_flags, RWF_DSYNC);
	cr_expect_eq(io->pending, 2);
}

Test(modes_ring, register_lends_for_one_round)
{
	use(&mode_register);
	lends_by_slot(&mode_register, TAG, 0);
	lends_by_slot(&mode_register, TAG, 0);
}

Test(modes_ring, a_chain_is_linked_to_its_end)
{
	use(&mode_register_chain);
	lends_by_slot(&mode_register_chain, TAG, IOSQE_IO_HARDLINK);
}

/* When the last leg's CQE is there, the chain has not come to UNREGISTER yet. */
Test(modes_ring, a_chain_does_not_use_the_slot_of_the_one_before)
{
	use(&mode_register_chain);
	for (unsigned int i = 0; i < 4; i++)
		lends_by_slot(&mode_register_chain, TAG + (i & 1) * DEPTH, IOSQE_IO_HARDLINK);
}

/* The rest of one step: a round of its own. */
Test(modes_ring, what_is_left_of_a_step_goes_on_at_its_place)
{
	use(&mode_register);
	plan(UBLK_IO_OP_READ, false);
	steps[0].state = STEP_DONE;
	steps[1].done = 8192;
	mode_register.issue(&q, io);
	cr_assert_eq(queued(), 3);
	is_step(1, 1, IORING_OP_READ_FIXED, 0, "the rest");
	cr_expect_eq(got[1].rw_flags, 0);
	cr_expect_eq(io->pending, 1);
}

Test(modes_ring, fused_has_a_command_for_each_step)
{
	use(&mode_fused);
	plan(UBLK_IO_OP_WRITE, false);
	mode_fused.issue(&q, io);
	cr_assert_eq(queued(), 4);
	for (unsigned int i = 0; i < 2; i++) {
		is_silent(2 * i, IORING_OP_FUSED_CMD, FILE_UBLKC, "fused");
		cr_expect_eq(got[2 * i].off, cookie(QID, TAG, 0));
		cr_expect_eq(got[2 * i].rw_flags, 1, "%u secondaries", got[2 * i].rw_flags);
		is_step(2 * i + 1, i, IORING_OP_WRITE, 0, "fused");
	}
}

Test(modes_ring, fused_n_has_one_for_all)
{
	use(&mode_fused_n);
	plan(UBLK_IO_OP_READ, false);
	mode_fused_n.issue(&q, io);
	cr_assert_eq(queued(), 3);
	is_silent(0, IORING_OP_FUSED_CMD, FILE_UBLKC, "fused-n");
	cr_expect_eq(got[0].rw_flags, 2);
	is_step(1, 0, IORING_OP_READ, 0, "fused-n");
	is_step(2, 1, IORING_OP_READ, 0, "fused-n");
}

/* More steps than a command takes: each has as many behind it as it says. */
Test(modes_ring, fused_n_has_more_commands_for_many_steps)
{
	static struct step many[MAX_STEPS];
	struct io large = { .tag = TAG, .index = TAG, .op = UBLK_IO_OP_WRITE, .len = 11 * 4096, .steps = many };

	use(&mode_fused_n);
	for (unsigned int i = 0; i < 11; i++)
		io_add_part(&large, STEP_WRITE, i & 1, i / 2 * 4096, 4096, i * 4096);
	mode_fused_n.issue(&q, &large);
	cr_assert_eq(queued(), 13);
	cr_expect_eq(got[0].rw_flags, IORING_FUSED_MAX_SECONDARIES);
	is_silent(1 + IORING_FUSED_MAX_SECONDARIES, IORING_OP_FUSED_CMD, FILE_UBLKC, "the second one");
	cr_expect_eq(got[1 + IORING_FUSED_MAX_SECONDARIES].rw_flags, 11 - IORING_FUSED_MAX_SECONDARIES);
}

Test(modes_ring, copy_moves_between_the_tags_buffer_and_legs)
{
	char *buf;

	use(&mode_copy);
	buf = bufs_of(&q, io);
	cr_assert_eq(buf - bufs_of(&q, queue_io(&q, 0)), TAG * MAX_IO);
	for (unsigned int tag = 0; tag < DEPTH; tag++)
		cr_expect_eq(queue_io(&q, tag)->cmd_addr, (uintptr_t)bufs_of(&q, queue_io(&q, tag)));
	plan(UBLK_IO_OP_WRITE, false);
	mode_copy.issue(&q, io);
	cr_assert_eq(queued(), 2);
	/* larger than what of a buffer is registered */
	is_step(0, 0, IORING_OP_WRITE, (uintptr_t)buf, "copy");
	is_step(1, 1, IORING_OP_WRITE, (uintptr_t)buf, "copy");
	mode_copy.deinit(&q);
}

Test(modes_ring, user_copy_fetches_before_and_stores_behind)
{
	uintptr_t buf;

	use(&mode_user_copy);
	buf = (uintptr_t)bufs_of(&q, io);
	/* twice: the second request is as the first */
	for (unsigned int i = 0; i < 2; i++) {
		plan(UBLK_IO_OP_WRITE, false);
		mode_user_copy.issue(&q, io);
		cr_assert_eq(queued(), 1);
		cr_expect_eq(got[0].opcode, IORING_OP_READ);
		cr_expect_eq(got[0].fd, FILE_UBLKC);
		cr_expect_eq(got[0].addr, buf);
		cr_expect_eq(got[0].len, LEN);
		cr_expect_eq(got[0].off, cookie(QID, TAG, 0));
		mode_user_copy.cqe(&q, io, 0, LEN);
		cr_assert_eq(queued(), 2);
		is_step(0, 0, IORING_OP_WRITE, buf, "user-copy");
		is_step(1, 1, IORING_OP_WRITE, buf, "user-copy");
		io->result = LEN;
		cr_assert(!mode_user_copy.finish(&q, io));
	}
	plan(UBLK_IO_OP_READ, false);
	mode_user_copy.issue(&q, io);
	cr_assert_eq(queued(), 2);
	is_step(0, 0, IORING_OP_READ, buf, "user-copy");
	io->result = LEN;
	cr_assert(mode_user_copy.finish(&q, io));
	cr_assert_eq(queued(), 1);
	cr_expect_eq(got[0].opcode, IORING_OP_WRITE);
	cr_expect_eq(got[0].fd, FILE_UBLKC);
	cr_expect_eq(got[0].addr, buf);
	mode_user_copy.deinit(&q);
}

Test(modes_ring, get_data_has_a_buffer_between_request_and_commit_only)
{
	const struct pool *pool;
	u64 buf;

	use(&mode_get_data);
	pool = q.mq;
	cr_assert_eq(pool->nr_free, DEPTH);
	plan(UBLK_IO_OP_READ, false);
	mode_get_data.issue(&q, io);
	cr_assert_eq(pool->nr_free, DEPTH - 1);
	buf = io->cmd_addr;
	cr_assert_neq(buf, 0);
	cr_assert_eq(queued(), 2);
	is_step(0, 0, IORING_OP_READ, buf, "get-data");
	is_step(1, 1, IORING_OP_READ, buf, "get-data");
	io->result = LEN;
	cr_assert(!mode_get_data.finish(&q, io));
	mode_get_data.committed(&q, io);
	cr_assert_eq(pool->nr_free, DEPTH);
	cr_assert_eq(io->cmd_addr, 0);
	mode_get_data.deinit(&q);
}
