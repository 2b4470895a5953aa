// SPDX-License-Identifier: GPL-2.0
/*
 * What modes queue for a request: the SQEs of a ring that is not submitted.  The request has
 * two steps on two legs, which are not in the order of its data.
 */
#include <criterion/criterion.h>
#include <linux/io_uring_fused.h>
#include <linux/io_uring_lend.h>
#include <string.h>

#include "mainline.h"
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
static struct ublksrv_io_desc descs[DEPTH];
static u64 state;

static void setup(void)
{
	if (io_uring_queue_init(64, &q.ring, 0))
		cr_skip_test("there is no io_uring here");
	q.qid = QID;
	q.device = &device;
	q.target = &target;
	q.descs = descs;
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

/* One step for all of the request, which came by itself. */
static void plan_alone(u8 ublk_op)
{
	io->op = ublk_op;
	io->off = 1 << 20;
	io->len = LEN;
	io->nr_steps = 0;
	io->pending = 0;
	io_add_step(io, io_step_op(ublk_op), 0);
	q.alone = true;
}

Test(modes_ring, commit_is_linked_behind_the_step_of_a_request_that_comes_alone)
{
	use(&mode_auto);
	for (u8 op = UBLK_IO_OP_READ; op <= UBLK_IO_OP_WRITE; op++) {
		const struct ublksrv_io_cmd *cmd = (const struct ublksrv_io_cmd *)&got[1].addr3;

		plan_alone(op);
		queue_run_last(&q, io);
		cr_assert_eq(queued(), 2);
		cr_expect_eq(got[0].user_data, udata(UD_STEP, TAG, 0));
		cr_expect_eq(got[0].flags, IOSQE_FIXED_FILE | IOSQE_IO_LINK | IOSQE_CQE_SKIP_SUCCESS);
		cr_expect_eq(got[1].opcode, IORING_OP_URING_CMD);
		cr_expect_eq(got[1].cmd_op, UBLK_U_IO_COMMIT_AND_FETCH_REQ);
		cr_expect_eq(got[1].addr, io->lend_addr);
		cr_expect_eq(got[1].user_data, udata(UD_LINKED, TAG, 0));
		cr_expect_eq(got[1].flags & (IOSQE_IO_LINK | IOSQE_CQE_SKIP_SUCCESS), 0);
		cr_expect_eq(cmd->result, LEN);
		cr_expect(io->linked);
		cr_expect_eq(io->pending, 1, "the step is under way");
	}
}

/* Nothing but the step may be behind, or before, and it must be all. */
Test(modes_ring, commit_is_linked_behind_no_other_step)
{
	use(&mode_auto);
	plan(UBLK_IO_OP_WRITE, false);
	q.alone = true;
	queue_run_last(&q, io);
	cr_expect_eq(queued(), 2, "two steps");

	plan_alone(UBLK_IO_OP_WRITE);
	steps[0].len -= 4096;
	queue_run_last(&q, io);
	cr_expect_eq(queued(), 1, "a step for a part");
	cr_expect_eq(got[0].flags, IOSQE_FIXED_FILE);

	plan_alone(UBLK_IO_OP_WRITE);
	q.sqe_end = q.ring.sq.sqe_tail + 1;
	queue_run_last(&q, io);
	cr_expect_eq(queued(), 1, "a ring that is full");
	cr_expect_eq(got[0].flags, IOSQE_FIXED_FILE);
	q.sqe_end = q.ring.sq.sqe_tail + 8;

	descs[TAG].op_flags = UBLK_IO_F_NEED_REG_BUF;
	plan_alone(UBLK_IO_OP_WRITE);
	queue_run_last(&q, io);
	cr_expect_eq(queued(), 3, "one that was not lent");
	descs[TAG].op_flags = 0;
	cr_expect(!io->linked);
}

Test(modes_ring, a_request_is_handed_off_behind_all_its_steps)
{
	use(&mode_handoff);
	q.hands_off = true;
	q.handed_first = q.handed_last = QUEUE_NO_IO;
	descs[TAG].addr = 41;
	for (u8 op = UBLK_IO_OP_READ; op <= UBLK_IO_OP_WRITE; op++) {
		const struct ublksrv_io_cmd *cmd = (const struct ublksrv_io_cmd *)&got[2].addr3;

		plan(op, false);
		q.alone = op == UBLK_IO_OP_READ;
		queue_run_last(&q, io);
		cr_assert_eq(queued(), 3);
		for (unsigned int i = 0; i < 2; i++) {
			cr_expect_eq(got[i].user_data, udata(UD_STEP, TAG, i));
			cr_expect_eq(got[i].flags, IOSQE_FIXED_FILE | IOSQE_CQE_SKIP_SUCCESS);
		}
		cr_expect_eq(got[2].cmd_op, UBLK_U_IO_HANDOFF_AND_FETCH_REQ);
		cr_expect_eq(got[2].addr, io->lend_addr);
		cr_expect_eq(got[2].user_data, udata(UD_HANDED, TAG, 0));
		cr_expect_eq(got[2].flags & IOSQE_CQE_SKIP_SUCCESS, 0);
		cr_expect_eq(cmd->result, 2, "two requests use the pages");
		cr_expect(io->handed_off);
		cr_expect_eq(io->nr_ended, 41);
		cr_expect_eq(io->pending, 3, "two steps, and the command");
		cr_expect(!io->linked);
		io->handed_off = false;
		io->pending = 0;
	}
	/* steps that are not all, one that was not lent, and what is counted */
	plan(UBLK_IO_OP_WRITE, false);
	queue_run(&q, io);
	cr_expect_eq(queued(), 2, "more steps are to come");
	io->pending = 0;
	descs[TAG].op_flags = UBLK_IO_F_NEED_REG_BUF;
	plan(UBLK_IO_OP_WRITE, false);
	queue_run_last(&q, io);
	cr_expect_eq(queued(), 4, "one that was not lent");
	cr_expect(!io->handed_off);
}

/* More SQEs than the ring has, each with another number: all are carried out, none twice. */
Test(modes_ring, a_full_ring_is_submitted_and_goes_on)
{
	u64 sum = 0;
	struct io_uring_cqe *cqe;
	unsigned int nr = 0;

	for (unsigned int i = 0; i < 100; i++) {
		struct io_uring_sqe *sqe = queue_sqe(&q);

		io_uring_prep_nop(sqe);
		sqe->user_data = i;
	}
	queue_room(&q, 60);
	cr_expect_geq(io_uring_sq_space_left(&q.ring), 60);
	io_uring_submit(&q.ring);
	while (!io_uring_peek_cqe(&q.ring, &cqe)) {
		sum += cqe->user_data;
		nr++;
		io_uring_cqe_seen(&q.ring, cqe);
	}
	cr_expect_eq(nr, 100, "%u of 100", nr);
	cr_expect_eq(sum, 99 * 100 / 2);
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

/* SQE @n is the driver's command @cmd_op for the request, and names its slot. */
static void is_command(unsigned int n, u32 cmd_op, const char *what)
{
	const struct ublksrv_io_cmd *cmd = (const struct ublksrv_io_cmd *)&got[n].addr3;

	is_silent(n, IORING_OP_URING_CMD, FILE_UBLKC, what);
	cr_expect_eq(got[n].off, cmd_op, "%s: SQE %u: command %#llx", what, n, got[n].off);
	cr_expect_eq(got[n].flags, IOSQE_FIXED_FILE | IOSQE_CQE_SKIP_SUCCESS, "%s: SQE %u: flags", what, n);
	cr_expect_eq(got[n].addr, 0, "%s: SQE %u: address", what, n);
	cr_expect(cmd->q_id == QID && cmd->tag == TAG, "%s: SQE %u: queue %u tag %u", what, n, cmd->q_id, cmd->tag);
	cr_expect_eq(cmd->addr, TAG, "%s: SQE %u: slot %llu", what, n, cmd->addr);
	cr_expect_eq(cmd->result, 0, "%s: SQE %u: result", what, n);
}

static void lends_by_command(const struct mode_ops *mode)
{
	plan(UBLK_IO_OP_WRITE, true);
	mode->issue(&q, io);
	cr_assert_eq(queued(), 4, "%s", mode->name);
	is_command(0, UBLK_U_IO_REGISTER_IO_BUF, mode->name);
	is_step(1, 0, IORING_OP_WRITE_FIXED, 0, mode->name);
	is_step(2, 1, IORING_OP_WRITE_FIXED, 0, mode->name);
	is_command(3, UBLK_U_IO_UNREGISTER_IO_BUF, mode->name);
	cr_expect_eq(got[1].buf_index, TAG);
	cr_expect_eq(got[2].buf_index, TAG);
	cr_expect_eq(got[1].rw_flags, RWF_DSYNC);
	cr_expect_eq(io->pending, 2);
}

Test(modes_ring, register_cmd_lends_for_one_round)
{
	use(&mode_register_cmd);
	lends_by_command(&mode_register_cmd);
	lends_by_command(&mode_register_cmd);
}

/* Also of the rest of a step: the buffer stays until COMMIT. */
Test(modes_ring, auto_queues_the_steps_and_nothing_else)
{
	use(&mode_auto);
	plan(UBLK_IO_OP_WRITE, false);
	mode_auto.issue(&q, io);
	cr_assert_eq(queued(), 2);
	is_step(0, 0, IORING_OP_WRITE_FIXED, 0, "auto");
	is_step(1, 1, IORING_OP_WRITE_FIXED, 0, "auto");
	cr_expect_eq(got[0].buf_index, TAG);
	steps[0].state = STEP_DONE;
	steps[1].state = STEP_TODO;
	steps[1].done = 8192;
	io->pending = 0;
	mode_auto.issue(&q, io);
	cr_assert_eq(queued(), 1);
	is_step(0, 1, IORING_OP_WRITE_FIXED, 0, "the rest");
}

/* Each round by itself, as the driver says the same of all of them. */
Test(modes_ring, auto_registers_what_the_driver_could_not_lend)
{
	use(&mode_auto);
	descs[TAG].op_flags = UBLK_IO_OP_WRITE | UBLK_IO_F_NEED_REG_BUF;
	lends_by_command(&mode_auto);
	lends_by_command(&mode_auto);
	descs[TAG].op_flags = UBLK_IO_OP_WRITE;
	plan(UBLK_IO_OP_WRITE, false);
	mode_auto.issue(&q, io);
	cr_assert_eq(queued(), 2, "the tag's next request was lent");
}

static void commit_names(const struct mode_ops *mode, u64 lend_addr)
{
	const struct ublksrv_io_cmd *cmd = (const struct ublksrv_io_cmd *)&got[0].addr3;

	use(mode);
	q.fetch_flags = IOSQE_FIXED_FILE;
	io->result = LEN;
	queue_commit(&q, io);
	cr_assert_eq(queued(), 1);
	cr_expect_eq(got[0].off, UBLK_U_IO_COMMIT_AND_FETCH_REQ, "%s: command %#llx", mode->name, got[0].off);
	cr_expect_eq(got[0].fd, FILE_UBLKC);
	cr_expect_eq(got[0].flags, IOSQE_FIXED_FILE);
	cr_expect_eq(got[0].user_data, udata(UD_FETCH, TAG, 0));
	cr_expect(cmd->q_id == QID && cmd->tag == TAG && cmd->result == LEN && !cmd->addr, "%s: its command", mode->name);
	cr_expect_eq(got[0].addr, lend_addr, "%s: address %#llx", mode->name, got[0].addr);
}

Test(modes_ring, commit_names_the_slot_of_the_tags_next_request)
{
	commit_names(&mode_register, 0);
	io_uring_unregister_buffers(&q.ring);
	commit_names(&mode_auto, UBLK_AUTO_BUF_REG_FALLBACK << 16 | TAG);
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
