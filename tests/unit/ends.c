// SPDX-License-Identifier: GPL-2.0
/*
 * Requests whose end is left to the kernel: COMMIT is linked behind their step, or they are handed
 * off to the driver.
 */
#include "steps.h"

TestSuite(ends, .init = setup, .fini = teardown, .timeout = 30);

/* A request that comes alone: its result, and how many COMMITs came to their turn behind a step. */
static void is_done_alone(u32 op, int result, unsigned int commits)
{
	q.alone = true;
	cr_assert_eq(request(op, 0), result);
	cr_assert_eq(linked, commits);
	cr_assert_eq(q.pace.inflight, q.pace.done);
}

Test(ends, a_step_that_is_done_is_committed_behind_it)
{
	serve(paths[0], NULL);
	is_done_alone(UBLK_IO_OP_WRITE, LEN, 1);
	leg_has(0, 'n');
}

/* Neither has been begun then. */
Test(ends, a_step_without_the_commit_behind_it_is_done_again)
{
	serve(paths[0], NULL);
	no_memory = true;
	is_done_alone(UBLK_IO_OP_WRITE, LEN, 0);
	cr_assert_not(no_memory);
	leg_has(0, 'n');
}

/* The leg ends within the request. */
Test(ends, a_step_that_is_cut_short_is_not_committed_behind_it)
{
	serve(paths[0], NULL);
	cr_assert_eq(truncate(paths[0], OFF + LEN / 2), 0);
	is_done_alone(UBLK_IO_OP_READ, -EIO, 0);
}

Test(ends, a_step_that_goes_another_way_is_not_committed_behind_it)
{
	serve(paths[0], NULL);
	refusing = 1;
	is_done_alone(UBLK_IO_OP_WRITE, LEN, 0);
	cr_assert(refused);
	leg_has(0, 'n');
}

/* Over these legs, as is_done_alone(): its result, and how many have come back of one. */
static void is_handed_off(const char *first, const char *second, u32 op, int result, unsigned int back)
{
	serve(first, second);
	q.hands_off = true;
	cr_assert_eq(request(op, 0), result);
	cr_assert_eq(handed, 1);
	cr_assert_eq(came_back, back);
	cr_assert_not(io.handed_off);
	cr_assert_eq(q.handed_first, QUEUE_NO_IO);
	cr_assert_eq(q.pace.inflight, q.pace.done);
}

Test(ends, what_is_handed_off_is_done)
{
	is_handed_off(paths[0], NULL, UBLK_IO_OP_WRITE, LEN, 0);
	leg_has(0, 'n');
}

Test(ends, what_is_handed_off_is_done_on_all_legs)
{
	is_handed_off(paths[0], paths[1], UBLK_IO_OP_WRITE, LEN, 0);
	leg_has(0, 'n');
	leg_has(1, 'n');
}

Test(ends, what_a_leg_refuses_comes_back_and_goes_another_way)
{
	refusing = 2;
	is_handed_off(paths[0], paths[1], UBLK_IO_OP_WRITE, LEN, 1);
	leg_has(0, 'n');
	leg_has(1, 'n');
	all_are_live();
}

Test(ends, what_is_cut_short_comes_back)
{
	serve(paths[0], NULL);
	q.hands_off = true;
	cr_assert_eq(truncate(paths[0], OFF + LEN / 2), 0);
	cr_assert_eq(request(UBLK_IO_OP_READ, 0), -EIO);
	cr_assert_eq(came_back, 1);
}

/* Silence says nothing then: it is done again, and not told before. */
Test(ends, what_comes_back_without_a_failure_is_done_again)
{
	miscounted = true;
	is_handed_off(paths[0], paths[1], UBLK_IO_OP_WRITE, LEN, 1);
	cr_assert_eq(steps_again, 2);
	leg_has(0, 'n');
	leg_has(1, 'n');
}

/* Of a copy nothing is lent. */
Test(ends, what_is_copied_is_not_handed_off)
{
	serve(paths[0], NULL);
	q.hands_off = true;
	q.copy_mask = 0xff;
	cr_assert_eq(request(UBLK_IO_OP_WRITE, 0), LEN);
	cr_assert_eq(handed, 0);
	leg_has(0, 'n');
}

/* Requests of a target that counts: which have ended, in which order. */
#define NR	4U

static struct ublksrv_io_desc descs[NR];
static struct io ios[NR];
static unsigned int order[NR], nr_told;

static void told(struct target *t, void *tq, const struct io *i)
{
	order[nr_told++] = i->index;
}

static const struct target_ops counts = { .ended = told };

static struct queue *of_many(void)
{
	static struct target t = { .ops = &counts, .legs_leave = true };
	static struct queue many = { .target = &t, .descs = descs, .ios = (char *)ios, .io_stride = sizeof(*ios) };

	handoff_init(&many);
	for (unsigned int i = 0; i < NR; i++) {
		ios[i].index = ios[i].tag = i;
		handoff_add(&many, &ios[i]);
	}
	return &many;
}

static void told_are(unsigned int nr, const char *when)
{
	cr_assert_eq(nr_told, nr, "%s: %u", when, nr_told);
	for (unsigned int i = 0; i < nr; i++)
		cr_assert_eq(order[i], i, "%s", when);
}

Test(ends, the_target_is_told_of_what_has_ended_once)
{
	struct queue *many = of_many();
	struct inbox_look look = { .item.kind = INBOX_LOOK, .asked = true };

	descs[0].addr++;
	queue_inbox_item(many, &look.item);
	told_are(1, "it has ended");
	cr_assert_not(look.asked, "it may be asked again");
	descs[1].addr++;
	handoff_look(many);
	told_are(2, "a batch does the same");
	queue_inbox_item(many, &look.item);
	told_are(2, "once");
}

/* A read of a leg that hangs, say: who waits for writes that have ended is not to wait for that. */
Test(ends, who_asks_does_not_wait_for_one_that_is_slow)
{
	struct queue *many = of_many();
	struct inbox_look look = { .item.kind = INBOX_LOOK };

	descs[1].addr++;
	descs[3].addr++;
	handoff_look(many);
	told_are(0, "a batch looks up to one that has not ended");
	queue_inbox_item(many, &look.item);
	cr_assert_eq(nr_told, 2);
	cr_assert_eq(order[0], 1);
	cr_assert_eq(order[1], 3);
	cr_assert_eq(many->handed_first, 0);
	cr_assert_eq(many->handed_last, 2);
}

/* An idle queue holds up nothing, and is not taken for one that is at work. */
Test(ends, a_wait_that_brought_nothing_is_no_batch)
{
	serve(paths[0], paths[1]);
	q.hands_off = true;
	q.target->batches = true;
	q.target->ops = &counts;
	cr_assert_eq(queue_batch(&q), 0);
}

/* What has ended, and the tag does not come again. */
Test(ends, what_had_ended_when_the_device_goes_is_told)
{
	struct queue *many = of_many();

	many->fetched = NR;
	descs[0].addr++;
	queue_handed_cqe(many, &ios[0], UBLK_IO_RES_ABORT);
	queue_handed_cqe(many, &ios[1], UBLK_IO_RES_ABORT);
	told_are(1, "the other one had not");
	cr_assert_eq(many->fetched, NR - 2);
}

/* The ring has the files of those until its thread enters the kernel behind their end. */
Test(ends, a_leg_that_leaves_is_let_go_when_what_was_handed_off_before_has_ended)
{
	struct queue *many = of_many();

	handoff_remove(many, &ios[3]);
	handoff_let_go(many);
	cr_assert(many->lets_go);
	handoff_add(many, &ios[3]);
	handoff_remove(many, &ios[2]);
	handoff_remove(many, &ios[0]);
	cr_assert_neq(many->handed_old, QUEUE_NO_IO, "one has not ended");
	handoff_remove(many, &ios[1]);
	cr_assert_eq(many->handed_old, QUEUE_NO_IO, "what came later is not waited for");
	cr_assert_eq(many->handed_first, 3);
}

static bool may_link(const struct mode_ops *mode, const struct target_ops *ops, bool legs_leave)
{
	const struct target t = { .ops = ops, .legs_leave = legs_leave };
	const struct queue some = { .mode = mode, .target = (struct target *)&t };

	return queue_may_link(&some);
}

Test(ends, commit_is_linked_where_a_step_is_all_and_legs_stay)
{
	cr_expect(may_link(mode_find("auto"), &target_loop, false));
	cr_expect(may_link(mode_find("auto"), &target_stripe, false));
	for (unsigned int i = 0; mode_list[i]; i++) {
		if (!mode_list[i]->lends)
			cr_expect_not(may_link(mode_list[i], &target_loop, false), "%s", mode_list[i]->name);
		cr_expect_not(may_link(mode_list[i], &target_mirror, true), "%s", mode_list[i]->name);
	}
}

/* The kernel has taken the step, and had no memory for what was behind it. */
Test(ends, a_link_that_was_cut_is_noticed)
{
	struct io_uring_sqe *sqe;
	unsigned int head, *khead = q.ring.sq.khead;

	serve(paths[0], NULL);
	cr_assert_eq(io_uring_submit(&q.ring), 0);
	head = *khead;
	cr_expect_not(queue_link_is_cut(&q));
	sqe = queue_sqe(&q);
	sqe->user_data = udata(UD_STEP, 0, 0);
	sqe = queue_sqe(&q);
	sqe->user_data = udata(UD_LINKED, 0, 0);
	cr_expect_not(queue_link_is_cut(&q), "both are there");
	q.ring.sq.khead = &head;
	head++;
	cr_expect(queue_link_is_cut(&q));
	head++;
	cr_expect_not(queue_link_is_cut(&q), "both were taken");
	q.ring.sq.khead = khead;
}

/* As much memory as all tags need, and nothing is heard of it. */
Test(ends, a_ring_is_filled_in_silence)
{
	struct io_uring_cqe *cqe;

	serve(paths[0], NULL);
	cr_assert(queue_fill_ring(&q));
	cr_expect_neq(io_uring_peek_cqe(&q.ring, &cqe), 0);
}
