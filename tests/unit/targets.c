// SPDX-License-Identifier: GPL-2.0
/* Targets without a queue; the stripe has a program of its own, target_stripe.c. */
#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#include "burst.h"
#include "clock.h"
#include "onetarget.h"
#include "rig.h"
#include "targets/mirror/record_bits.h"
#include "targets/mirror/state.h"
#include "targets/targets.h"

static void setup(void)
{
	cr_redirect_stderr();
	one_begin();
}

TestSuite(loop, .init = setup, .fini = one_end, .timeout = 30);
TestSuite(mirror, .init = setup, .fini = one_end, .timeout = 30);
TestSuite(fault, .init = setup, .fini = one_end, .timeout = 30);

Test(loop, passes_every_operation_on)
{
	one_start(one_make("loop", 1));
	for (unsigned int op = UBLK_IO_OP_READ; op <= UBLK_IO_OP_DISCARD; op++) {
		one_request(op, 8192, 4096);
		cr_assert_eq(one.io.nr_steps, 1);
		cr_assert_eq(one.io.steps[0].off, 8192);
		cr_assert_eq(one.io.steps[0].len, 4096);
		cr_assert_eq(one_settle(one_good), VERDICT_DONE);
		cr_assert_eq(one.io.result, op <= UBLK_IO_OP_WRITE ? 4096 : 0);
	}
}

Test(loop, an_unknown_operation_is_refused)
{
	one_start(one_make("loop", 1));
	one_request(UBLK_IO_OP_ZONE_RESET, 0, 4096);
	cr_assert_eq(one.io.nr_steps, 0);
	cr_assert_eq(one.io.result, -EOPNOTSUPP);
}

Test(loop, an_error_is_the_client_s)
{
	one_start(one_make("loop", 1));
	one_request(UBLK_IO_OP_WRITE, 0, 4096);
	one_settle((int[]){ -EIO });
	cr_assert_eq(one.io.result, -EIO);
}

/* Reads until the leg at fault has failed @nr of them: the other one gives the data. */
static void fail_reads(unsigned int nr)
{
	for (unsigned int failed = 0; failed < nr;) {
		one_request(UBLK_IO_OP_READ, 64 * 512, 4096);
		if (one_settle((int[]){ 0, -EIO }) == VERDICT_DONE)
			continue;
		failed++;
		cr_assert_eq(one_settle(one_good), VERDICT_DONE);
		cr_assert_eq(one.io.result, 4096);
	}
}

/* What was logged is two lines: the first error, and @nr more. */
static void logged_two_lines(unsigned int nr)
{
	char text[1024] = "", first[200], more[200];

	fflush(stderr);
	text[fread(text, 1, sizeof(text) - 1, cr_get_redirected_stderr())] = '\0';
	snprintf(first, sizeof(first), "regbuf: mirror: leg %s: read of 4096 bytes at sector 64: Input/output error\n", one.paths[1]);
	snprintf(more, sizeof(more), "regbuf: mirror: leg %s: %u more reads failed, the last one at sector 64: Input/output error\n", one.paths[1], nr);
	cr_assert(!strncmp(text, first, strlen(first)) && !strcmp(text + strlen(first), more), "logged: %s", text);
}

Test(mirror, read_errors_are_logged_once_and_summed_up)
{
	u64 now = clock_ms();
	int due;

	one_start(one_make("mirror", 2));
	cr_assert_eq(one.t->ops->tick(one.t, now), -1);
	fail_reads(1000);
	due = one.t->ops->tick(one.t, now);
	cr_assert(due > 0, "%d", due);
	cr_assert_eq(one.t->ops->tick(one.t, clock_ms() + BURST_QUIET_MS), -1);
	logged_two_lines(999);
}

Test(fault, ticks_as_what_it_wraps)
{
	struct target *made = one_make("fault", 0);

	made->inner = one_make("mirror", 2);
	one_start(made);
	fail_reads(3);
	one.t->ops->tick(one.t, UINT64_MAX);
	logged_two_lines(2);
}

Test(mirror, one_leg_is_no_mirror)
{
	one.t = one_make("mirror", 1);
	cr_assert_eq(one.t->ops->check(one.t), -EINVAL);
}

Test(mirror, everything_but_reads_goes_to_every_leg)
{
	static const u8 ops[] = { UBLK_IO_OP_WRITE, UBLK_IO_OP_FLUSH, UBLK_IO_OP_DISCARD, UBLK_IO_OP_WRITE_ZEROES };

	one_start(one_make("mirror", 3));
	for (unsigned int i = 0; i < ARRAY_SIZE(ops); i++) {
		u32 legs = 0;

		one_request(ops[i], 0, 4096);
		for (unsigned int s = 0; s < one.io.nr_steps; s++)
			legs |= 1U << one.io.steps[s].leg;
		cr_expect_eq(one.io.nr_steps, 3, "operation %u", ops[i]);
		cr_expect_eq(legs, 7, "operation %u", ops[i]);
		one_settle(one_good);
	}
}

Test(mirror, a_read_goes_to_one_leg)
{
	one_start(one_make("mirror", 3));
	one_request(UBLK_IO_OP_READ, 0, 4096);
	cr_assert_eq(one.io.nr_steps, 1);
	cr_assert_eq(one_settle(one_good), VERDICT_DONE);
	cr_assert_eq(one.io.result, 4096);
}

Test(mirror, a_read_that_is_done_is_no_load_any_more)
{
	static struct step more_steps[100];
	static u64 states[100][32];
	static struct io more[100];
	unsigned int on_leg_1 = 0;

	one_start(one_make("mirror", 2));
	for (unsigned int i = 0; i < 100; i++) {
		struct io *r = &more[i];

		*r = (struct io){ .op = UBLK_IO_OP_READ, .off = (u64)i << 20, .len = 4096, .steps = &more_steps[i],
				   .tio = states[i] };
		one.t->ops->plan(one.t, one.tq, r);
		/* Leg 0 finishes at once, leg 1 never. */
		if (r->steps[0].leg == 0)
			one.t->ops->settle(one.t, one.tq, r);
		else
			on_leg_1++;
	}
	cr_assert_leq(on_leg_1, 1);
}

Test(mirror, write_survives_one_leg_eio)
{
	one_start(one_make("mirror", 3));
	one_request(UBLK_IO_OP_WRITE, 64 * 512, 4096);
	cr_assert_eq(one_settle((int[]){ 0, -EIO, 0 }), VERDICT_DONE);
	cr_assert_eq(one.io.result, 4096);
	cr_assert(strstr(one_status(), "\"degraded\": true"));
	cr_assert(strstr(one_status(), "\"state\": \"dropped\", \"read_errors\": 0, \"dropped_by\": \"write\", \"errno\": 5"),
		  "%s", one_status());
	cr_assert(strstr(one_status(), "\"sector\": 64"), "%s", one_status());
}

Test(mirror, a_dropped_leg_is_not_used_again)
{
	one_start(one_make("mirror", 2));
	one_request(UBLK_IO_OP_WRITE, 0, 4096);
	one_settle((int[]){ -EIO, 0 });
	for (unsigned int i = 0; i < 100; i++) {
		one_request(i % 2 ? UBLK_IO_OP_READ : UBLK_IO_OP_WRITE, i * 4096, 4096);
		cr_assert_eq(one.io.nr_steps, 1);
		cr_assert_eq(one.io.steps[0].leg, 1);
		one_settle(one_good);
	}
}

Test(mirror, the_last_leg_stays)
{
	one_start(one_make("mirror", 2));
	one_request(UBLK_IO_OP_WRITE, 0, 4096);
	one_settle((int[]){ -EIO, -EIO });
	cr_assert_eq(one.io.result, -EIO);
	one_request(UBLK_IO_OP_WRITE, 0, 4096);
	cr_assert_eq(one.io.nr_steps, 1);
	one_settle((int[]){ -EIO, -EIO });
	cr_assert_eq(one.io.result, -EIO);
	one_request(UBLK_IO_OP_WRITE, 0, 4096);
	cr_assert_eq(one.io.nr_steps, 1);
	one_settle(one_good);
	cr_assert_eq(one.io.result, 4096);
}

Test(mirror, a_failed_read_is_tried_on_every_other_leg)
{
	u32 legs = 0;

	one_start(one_make("mirror", 3));
	one_request(UBLK_IO_OP_READ, 0, 4096);
	for (unsigned int i = 0; i < 2; i++) {
		legs |= 1U << one.io.steps[0].leg;
		cr_assert_eq(one_settle((int[]){ -EIO, -EIO, -EIO }), VERDICT_STEPS);
		cr_assert_eq(one.io.nr_steps, 1);
		cr_assert_eq(one.io.steps[0].done, 0);
		cr_assert_eq(one.io.steps[0].len, 4096);
	}
	legs |= 1U << one.io.steps[0].leg;
	cr_assert_eq(legs, 7);
	cr_assert_eq(one_settle(one_good), VERDICT_DONE);
	cr_assert_eq(one.io.result, 4096);
	cr_assert(strstr(one_status(), "\"degraded\": false"));
}

Test(mirror, a_read_that_no_leg_can_do_fails)
{
	one_start(one_make("mirror", 2));
	one_request(UBLK_IO_OP_READ, 0, 4096);
	cr_assert_eq(one_settle((int[]){ -EIO, -EIO }), VERDICT_STEPS);
	cr_assert_eq(one_settle((int[]){ -EIO, -EIO }), VERDICT_DONE);
	cr_assert_eq(one.io.result, -EIO);
	cr_assert(strstr(one_status(), "\"degraded\": false"));
}

static void read_many(unsigned int got[3])
{
	for (unsigned int i = 0; i < 300; i++) {
		one_request(UBLK_IO_OP_READ, (u64)i % 7 << 16, 4096);
		cr_assert_eq(one.io.nr_steps, 1);
		got[one.io.steps[0].leg]++;
		cr_assert_eq(one_settle(one_good), VERDICT_DONE);
	}
}

Test(mirror, a_write_mostly_leg_is_read_only_if_no_other_one_can_be)
{
	unsigned int whole[3] = { 0 }, degraded[3] = { 0 };

	one_start(one_make_with("mirror", 3, "--write-mostly", one.paths[0]));
	read_many(whole);
	cr_assert(!whole[0] && whole[1] && whole[2]);
	/* All others have erred for this read. */
	one_request(UBLK_IO_OP_READ, 0, 4096);
	for (unsigned int i = 0; i < 2; i++) {
		cr_assert_neq(one.io.steps[0].leg, 0);
		cr_assert_eq(one_settle((int[]){ 0, -EIO, -EIO }), VERDICT_STEPS);
	}
	cr_assert_eq(one.io.steps[0].leg, 0);
	cr_assert_eq(one_settle(one_good), VERDICT_DONE);
	/* All others are gone. */
	one_request(UBLK_IO_OP_WRITE, 0, 4096);
	cr_assert_eq(one.io.nr_steps, 3);
	one_settle((int[]){ 0, -EIO, -EIO });
	read_many(degraded);
	cr_assert_eq(degraded[0], 300);
}

Test(mirror, where_legs_may_differ_a_leg_is_read_that_is_not_write_mostly)
{
	unsigned int got[3] = { 0 };

	one_start(one_make_with("mirror", 3, "--write-mostly", one.paths[0]));
	/* It stands nowhere where they differ: from now on one is read. */
	one_request(UBLK_IO_OP_WRITE, 0, 4096);
	one_settle((int[]){ -ENOSPC, -ENOSPC, -ENOSPC });
	read_many(got);
	cr_assert_eq(got[1], 300);
	one_request(UBLK_IO_OP_WRITE, 0, 4096);
	one_settle((int[]){ 0, -EIO, 0 });
	read_many(got);
	cr_assert_eq(got[2], 300);
}

Test(mirror, streams_of_two_queues_begin_on_two_legs)
{
	unsigned int leg;

	one.t = one_make("mirror", 2);
	cr_assert_eq(one.t->ops->open(one.t), 0);
	cr_assert_eq(one.t->ops->start(one.t, 2), 0);
	one.tq = one.t->ops->queue(one.t, 0, NULL);
	one_request(UBLK_IO_OP_READ, 0, 4096);
	leg = one.io.steps[0].leg;
	one.tq = one.t->ops->queue(one.t, 1, NULL);
	one_request(UBLK_IO_OP_READ, 1 << 20, 4096);
	cr_assert_neq(one.io.steps[0].leg, leg);
}

Test(mirror, a_path_that_is_no_leg_is_not_write_mostly)
{
	one.t = one_make_with("mirror", 2, "--write-mostly", one.paths[2]);
	cr_assert_eq(one.t->ops->check(one.t), -EINVAL);
}

static struct target *make_fault(const char *inner, unsigned int nr_legs, const char *const *options)
{
	struct target *made = target_create(target_find("fault"));
	struct opt_group group = { made->ops->opts, made->conf };
	char *argv[16] = { "add" };
	int argc = 1;

	while (*options)
		argv[argc++] = (char *)*options++;
	cr_assert_eq(opts_parse(argc, argv, &group, 1), 0);
	made->inner = one_make(inner, nr_legs);
	return made;
}

#define MAKE_FAULT(inner, nr, ...) make_fault(inner, nr, (const char *[]){ __VA_ARGS__, NULL })

Test(fault, lets_through_what_it_is_not_to_spoil)
{
	one_start(MAKE_FAULT("mirror", 2, "--fault", "error", "--fault-op", "read"));
	one_request(UBLK_IO_OP_WRITE, 0, 4096);
	cr_assert_eq(one.io.nr_steps, 2);
	cr_assert_eq(one_settle(one_good), VERDICT_DONE);
	cr_assert_eq(one.io.result, 4096);
}

Test(fault, the_inner_mirror_sees_the_bad_leg)
{
	one_start(MAKE_FAULT("mirror", 2, "--fault", "error", "--fault-leg", "1", "--fault-errno", "28"));
	one_request(UBLK_IO_OP_WRITE, 0, 4096);
	one_settle(one_good);
	cr_assert_eq(one.io.result, 4096);
	cr_assert(strstr(one_status(), "\"errno\": 28"), "%s", one_status());
	one_request(UBLK_IO_OP_WRITE, 0, 4096);
	cr_assert_eq(one.io.nr_steps, 1);
}

/* So they may be told before it is asked what became of them. */
Test(loop, steps_are_all_that_there_is)
{
	one_start(one_make("loop", 1));
	cr_expect_eq(one_request(UBLK_IO_OP_WRITE, 0, 4096), VERDICT_LAST_STEPS);
	cr_expect_eq(one_request(UBLK_IO_OP_FLUSH, 0, 0), VERDICT_LAST_STEPS);
}

Test(mirror, steps_are_all_that_there_is_but_of_a_read_that_is_timed)
{
	unsigned int timed = 0;

	one_start(one_make("mirror", 2));
	cr_expect_eq(one_request(UBLK_IO_OP_WRITE, 0, 4096), VERDICT_LAST_STEPS);
	one_settle(one_good);
	for (unsigned int i = 0; i < 200; i++) {
		enum verdict verdict = one_request(UBLK_IO_OP_READ, i % 7 * 65536, 4096);

		cr_expect(verdict == VERDICT_LAST_STEPS || verdict == VERDICT_STEPS);
		timed += verdict == VERDICT_STEPS;
		one_settle(one_good);
	}
	cr_expect(timed && timed < 20, "%u of 200 reads are timed", timed);
}

/* A mirror, and a record that says that chunk 0 is written to. */
static void start_recorded(struct rig *g)
{
	struct mirror *m;
	u32 epoch;

	rig_serve(g, 2);
	cr_assert_eq(rig_write(g, 0, &epoch), 0);
	rig_wrote(g, epoch);
	one_start(one_make("mirror", 2));
	m = one.t->priv;
	regions_init(&m->regions);
	m->record = &g->r;
	m->queues[0].record = &g->r.queues[0];
}

static void end_recorded(struct rig *g)
{
	struct mirror *m = one.t->priv;

	m->record = NULL;
	rig_end(g);
}

/* Where a leg was dropped, and it is not durable yet that it was, nothing is told before the record is asked. */
Test(mirror, a_request_that_may_have_to_wait_for_the_record_has_more_to_do_than_its_steps)
{
	struct rig g;

	start_recorded(&g);
	for (unsigned int i = 0; i < 2; i++) {
		record_enter(&g.r, &g.r.queues[0]);
		g.r.changing = i;
		cr_expect_eq(one_request(UBLK_IO_OP_WRITE, 0, 4096), i ? VERDICT_STEPS : VERDICT_LAST_STEPS);
		g.r.changing = false;
		cr_expect_not(record_bits_quiet(&g.r));
		one.t->ops->ended(one.t, one.tq, &one.io);
		cr_expect(record_bits_quiet(&g.r), "it is under way no more");
		record_leave(&g.r.queues[0]);
	}
	end_recorded(&g);
}

/* Of legs that have done it without a word, none can be told from one that hangs. */
Test(mirror, a_request_whose_legs_are_not_to_hang_has_more_to_do_than_its_steps)
{
	unsigned int last = 0;
	struct rig g;

	start_recorded(&g);
	record_enter(&g.r, &g.r.queues[0]);
	g.r.timeout_ms = 60000;
	cr_expect_eq(one_request(UBLK_IO_OP_WRITE, 0, 4096), VERDICT_STEPS);
	cr_expect_eq(one_settle(one_good), VERDICT_DONE);
	/* A read is on one leg; some are timed. */
	for (unsigned int i = 0; i < 200; i++) {
		last += one_request(UBLK_IO_OP_READ, 0, 4096) == VERDICT_LAST_STEPS;
		one_settle(one_good);
	}
	cr_expect_gt(last, 0);
	record_leave(&g.r.queues[0]);
	end_recorded(&g);
}

Test(mirror, a_read_that_goes_to_another_leg_has_sent_a_step_before)
{
	one_start(one_make("mirror", 2));
	for (unsigned int failed = 0; failed < 3;) {
		one_request(UBLK_IO_OP_READ, 64 * 512, 4096);
		switch (one_settle((int[]){ 0, -EIO })) {
		case VERDICT_DONE:
			continue;
		case VERDICT_STEPS:
			failed++;
			one_settle(one_good);
			break;
		default:
			cr_assert_fail("what was sent is counted by the driver");
		}
	}
}

/* What it waited for has come: it may have been on another leg before. */
Test(mirror, a_read_that_is_planned_again_may_have_sent_a_step_before)
{
	one_start(one_make("mirror", 2));
	for (unsigned int i = 0; i < 200; i++) {
		one_request(UBLK_IO_OP_READ, 0, 4096);
		one_settle(one_good);
		one.io.nr_steps = 0;
		cr_assert_eq(one.t->ops->resume(one.t, one.tq, &one.io), VERDICT_STEPS);
		one_settle(one_good);
	}
}

/* A fault may come when they have been done. */
Test(fault, steps_are_never_all_that_there_is)
{
	one_start(MAKE_FAULT("loop", 1, "--fault", "none"));
	cr_expect_eq(one_request(UBLK_IO_OP_WRITE, 0, 4096), VERDICT_STEPS);
}

/* What each of the two keeps of a request is its own. */
Test(fault, a_read_that_it_spoils_is_done_on_the_other_leg)
{
	one_start(MAKE_FAULT("mirror", 2, "--fault", "error", "--fault-op", "read"));
	for (unsigned int i = 0; i < 4; i++) {
		unsigned int leg;

		one_request(UBLK_IO_OP_READ, i * 4096, 4096);
		leg = one.io.steps[0].leg;
		cr_assert_eq(one_settle(one_good), VERDICT_STEPS);
		cr_assert_eq(one.io.nr_steps, 1);
		cr_assert_eq(one.io.steps[0].leg, !leg);
		cr_assert_eq(one_settle(one_good), VERDICT_DONE);
		cr_assert_eq(one.io.result, 4096);
	}
	cr_assert_gt(target_io_size(one.t), target_io_size(one.t->inner));
}

Test(fault, every_third_after_two)
{
	unsigned int failed = 0;

	one_start(MAKE_FAULT("loop", 1, "--fault", "error", "--fault-every", "3", "--fault-after", "2"));
	for (unsigned int i = 1; i <= 11; i++) {
		one_request(UBLK_IO_OP_WRITE, 0, 4096);
		one_settle(one_good);
		if (one.io.result < 0) {
			failed++;
			cr_expect(i == 5 || i == 8 || i == 11, "request %u failed", i);
		}
	}
	cr_assert_eq(failed, 3);
}

Test(fault, only_in_its_range)
{
	one_start(MAKE_FAULT("loop", 1, "--fault", "error", "--fault-from", "64K", "--fault-to", "128K"));
	for (u64 off = 0; off < 256 << 10; off += 32 << 10) {
		one_request(UBLK_IO_OP_WRITE, off, 4096);
		one_settle(one_good);
		cr_expect_eq(one.io.result, off >= 64 << 10 && off < 128 << 10 ? -EIO : 4096,
			     "offset %lu gave %d", (unsigned long)off, one.io.result);
	}
}

Test(fault, a_delay_comes_before_the_request)
{
	one_start(MAKE_FAULT("mirror", 2, "--fault", "delay", "--fault-delay", "1500"));
	one_request(UBLK_IO_OP_WRITE, 0, 4096);
	cr_assert_eq(one.io.nr_steps, 1);
	cr_assert_eq(one.io.steps[0].op, STEP_DELAY);
	cr_assert_eq(one.io.steps[0].want, -ETIME);
	cr_assert_eq(one.t->delay.tv_sec, 1);
	cr_assert_eq(one.t->delay.tv_nsec, 500000000);
	cr_assert_eq(one_settle(one_good), VERDICT_STEPS);
	cr_assert_eq(one.io.nr_steps, 2);
	cr_assert_eq(one_settle(one_good), VERDICT_DONE);
	cr_assert_eq(one.io.result, 4096);
}

Test(fault, a_short_result_is_whole_blocks)
{
	one_start(MAKE_FAULT("loop", 1, "--fault", "short"));
	one_request(UBLK_IO_OP_WRITE, 0, 3 * one.t->lim.lbs);
	one_settle(one_good);
	cr_assert_eq(one.io.result, (int)one.t->lim.lbs);
	one_request(UBLK_IO_OP_WRITE, 0, one.t->lim.lbs);
	one_settle(one_good);
	cr_assert_eq(one.io.result, (int)one.t->lim.lbs, "one block cannot be short");
}

Test(fault, around_null)
{
	one_start(MAKE_FAULT("null", 0, "--fault", "error", "--fault-op", "write"));
	one_request(UBLK_IO_OP_WRITE, 0, 4096);
	cr_assert_eq(one.io.nr_steps, 0);
	cr_assert_eq(one.io.result, -EIO);
	one_request(UBLK_IO_OP_READ, 0, 4096);
	cr_assert_eq(one.io.result, 4096);
}

Test(fault, wraps_a_stripe)
{
	one_start(MAKE_FAULT("stripe", 2, "--fault", "error", "--fault-leg", "1"));
	one_request(UBLK_IO_OP_WRITE, (512 << 10) - 4096, 8192);
	cr_assert_eq(one.io.nr_steps, 2);
	one_settle(one_good);
	cr_assert_eq(one.io.result, -EIO);
	one_request(UBLK_IO_OP_WRITE, 0, 4096);
	one_settle(one_good);
	cr_assert_eq(one.io.result, 4096);
}

#define ROUNDS	3

/* A request of ROUNDS is planned; @rounds of them are settled. */
static enum verdict go_through(unsigned int rounds, struct target *made)
{
	const struct opt_group group = { made->inner->ops->opts, made->inner->conf };
	enum verdict verdict = VERDICT_STEPS;

	cr_assert_eq(opts_parse(3, (char *[]){ "add", "--chunk", "4K", NULL }, &group, 1), 0);
	one_start(made);
	one_request(UBLK_IO_OP_WRITE, 0, ROUNDS * MAX_STEPS * 4096);
	while (rounds--) {
		cr_assert_eq(verdict, VERDICT_STEPS);
		verdict = one_settle(one_good);
	}
	return verdict;
}

/* What comes at the end of a request is not lost, and not done, in a round before. */
Test(fault, a_short_result_is_of_all_rounds)
{
	cr_assert_eq(go_through(ROUNDS, MAKE_FAULT("stripe", 2, "--fault", "short")), VERDICT_DONE);
	cr_assert_eq(one.io.result, ROUNDS * MAX_STEPS * 4096 / 2);
}

#define DIES_WHEN_DONE	MAKE_FAULT("stripe", 2, "--fault", "die", "--fault-moment", "done")

Test(fault, a_request_is_not_done_before_its_last_round)
{
	cr_assert_eq(go_through(ROUNDS - 1, DIES_WHEN_DONE), VERDICT_STEPS);
}

Test(fault, a_request_is_done_with_its_last_round, .signal = SIGKILL)
{
	go_through(ROUNDS, DIES_WHEN_DONE);
}
