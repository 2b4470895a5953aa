// SPDX-License-Identifier: GPL-2.0
/* Targets without a queue: requests are made up, and so are the results of their steps. */
#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "burst.h"
#include "clock.h"
#include "identity.h"
#include "targets/targets.h"

#define MIB	(1ULL << 20)

static char dir[] = "/tmp/targets.XXXXXX";
static char paths[3][64];
static struct target *t;
static void *tq;
static struct step steps[MAX_STEPS];
static u64 state[32];	/* of the request; targets' own */
static struct io io = { .steps = steps, .tio = state };

static void setup(void)
{
	cr_redirect_stderr();
	cr_assert_not_null(mkdtemp(dir));
	for (unsigned int i = 0; i < 3; i++) {
		int fd;

		snprintf(paths[i], sizeof(paths[i]), "%s/%u", dir, i);
		fd = open(paths[i], O_CREAT | O_RDWR | O_CLOEXEC, 0600);
		cr_assert_eq(ftruncate(fd, 4 * MIB), 0);
		close(fd);
	}
}

static void teardown(void)
{
	target_destroy(t);
	for (unsigned int i = 0; i < 3; i++)
		unlink(paths[i]);
	rmdir(dir);
}

static struct target *make(const char *name, unsigned int nr_legs)
{
	struct target *made = target_create(target_find(name));

	/* Every target with legs has their list first in its options. */
	for (unsigned int i = 0; i < nr_legs; i++) {
		struct strlist *legs = made->conf;

		legs->v[legs->nr++] = paths[i];
	}
	return made;
}

static void start(struct target *made)
{
	t = made;
	if (t->ops->check)
		cr_assert_eq(t->ops->check(t), 0);
	cr_assert_eq(t->ops->open(t), 0);
	if (t->ops->start)
		cr_assert_eq(t->ops->start(t, 1), 0);
	tq = t->ops->queue ? t->ops->queue(t, 0, NULL) : NULL;
}

static void request(u8 op, u64 off, u32 len)
{
	io.op = op;
	io.off = off;
	io.len = len;
	io.nr_steps = 0;
	t->ops->plan(t, tq, &io);
}

/* What every step gives, by leg. */
static enum verdict settle(const int *res)
{
	for (unsigned int i = 0; i < io.nr_steps; i++) {
		io.steps[i].state = STEP_DONE;
		io.steps[i].res = res[io.steps[i].leg];
	}
	return t->ops->settle(t, tq, &io);
}

static char *status(void)
{
	static char text[4096];
	FILE *f = fmemopen(text, sizeof(text), "w");
	struct json j;

	json_init(&j, f);
	t->ops->status_json(t, &j);
	fclose(f);
	return text;
}

static const int good[MAX_LEGS];

TestSuite(loop, .init = setup, .fini = teardown, .timeout = 30);
TestSuite(mirror, .init = setup, .fini = teardown, .timeout = 30);
TestSuite(stripe, .init = setup, .fini = teardown, .timeout = 30);
TestSuite(fault, .init = setup, .fini = teardown, .timeout = 30);

Test(loop, passes_every_operation_on)
{
	start(make("loop", 1));
	for (unsigned int op = UBLK_IO_OP_READ; op <= UBLK_IO_OP_DISCARD; op++) {
		request(op, 8192, 4096);
		cr_assert_eq(io.nr_steps, 1);
		cr_assert_eq(io.steps[0].off, 8192);
		cr_assert_eq(io.steps[0].len, 4096);
		cr_assert_eq(settle(good), VERDICT_DONE);
		cr_assert_eq(io.result, op <= UBLK_IO_OP_WRITE ? 4096 : 0);
	}
}

Test(loop, an_unknown_operation_is_refused)
{
	start(make("loop", 1));
	request(UBLK_IO_OP_ZONE_RESET, 0, 4096);
	cr_assert_eq(io.nr_steps, 0);
	cr_assert_eq(io.result, -EOPNOTSUPP);
}

Test(loop, an_error_is_the_client_s)
{
	start(make("loop", 1));
	request(UBLK_IO_OP_WRITE, 0, 4096);
	settle((int[]){ -EIO });
	cr_assert_eq(io.result, -EIO);
}

/* Reads until the leg at fault has failed @nr of them: the other one gives the data. */
static void fail_reads(unsigned int nr)
{
	for (unsigned int failed = 0; failed < nr;) {
		request(UBLK_IO_OP_READ, 64 * 512, 4096);
		if (settle((int[]){ 0, -EIO }) == VERDICT_DONE)
			continue;
		failed++;
		cr_assert_eq(settle(good), VERDICT_DONE);
		cr_assert_eq(io.result, 4096);
	}
}

/* What was logged is two lines: the first error, and @nr more. */
static void logged_two_lines(unsigned int nr)
{
	char text[1024] = "", first[200], more[200];

	fflush(stderr);
	text[fread(text, 1, sizeof(text) - 1, cr_get_redirected_stderr())] = '\0';
	snprintf(first, sizeof(first), "regbuf: mirror: leg %s: read of 4096 bytes at sector 64: Input/output error\n", paths[1]);
	snprintf(more, sizeof(more), "regbuf: mirror: leg %s: %u more reads failed, the last one at sector 64: Input/output error\n", paths[1], nr);
	cr_assert(!strncmp(text, first, strlen(first)) && !strcmp(text + strlen(first), more), "logged: %s", text);
}

Test(mirror, read_errors_are_logged_once_and_summed_up)
{
	u64 now = clock_ms();
	int due;

	start(make("mirror", 2));
	cr_assert_eq(t->ops->tick(t, now), -1);
	fail_reads(1000);
	due = t->ops->tick(t, now);
	cr_assert(due > 0, "%d", due);
	cr_assert_eq(t->ops->tick(t, clock_ms() + BURST_QUIET_MS), -1);
	logged_two_lines(999);
}

Test(fault, ticks_as_what_it_wraps)
{
	struct target *made = make("fault", 0);

	made->inner = make("mirror", 2);
	start(made);
	fail_reads(3);
	t->ops->tick(t, UINT64_MAX);
	logged_two_lines(2);
}

Test(mirror, one_leg_is_no_mirror)
{
	t = make("mirror", 1);
	cr_assert_eq(t->ops->check(t), -EINVAL);
}

Test(mirror, everything_but_reads_goes_to_every_leg)
{
	static const u8 ops[] = { UBLK_IO_OP_WRITE, UBLK_IO_OP_FLUSH, UBLK_IO_OP_DISCARD, UBLK_IO_OP_WRITE_ZEROES };

	start(make("mirror", 3));
	for (unsigned int i = 0; i < ARRAY_SIZE(ops); i++) {
		u32 legs = 0;

		request(ops[i], 0, 4096);
		for (unsigned int s = 0; s < io.nr_steps; s++)
			legs |= 1U << io.steps[s].leg;
		cr_expect_eq(io.nr_steps, 3, "operation %u", ops[i]);
		cr_expect_eq(legs, 7, "operation %u", ops[i]);
		settle(good);
	}
}

Test(mirror, a_read_goes_to_one_leg)
{
	start(make("mirror", 3));
	request(UBLK_IO_OP_READ, 0, 4096);
	cr_assert_eq(io.nr_steps, 1);
	cr_assert_eq(settle(good), VERDICT_DONE);
	cr_assert_eq(io.result, 4096);
}

Test(mirror, a_read_that_is_done_is_no_load_any_more)
{
	static struct step more_steps[100];
	static u64 states[100][32];
	static struct io more[100];
	unsigned int on_leg_1 = 0;

	start(make("mirror", 2));
	for (unsigned int i = 0; i < 100; i++) {
		struct io *r = &more[i];

		*r = (struct io){ .op = UBLK_IO_OP_READ, .off = (u64)i << 20, .len = 4096, .steps = &more_steps[i],
				   .tio = states[i] };
		t->ops->plan(t, tq, r);
		/* Leg 0 finishes at once, leg 1 never. */
		if (r->steps[0].leg == 0)
			t->ops->settle(t, tq, r);
		else
			on_leg_1++;
	}
	cr_assert_leq(on_leg_1, 1);
}

Test(mirror, write_survives_one_leg_eio)
{
	start(make("mirror", 3));
	request(UBLK_IO_OP_WRITE, 64 * 512, 4096);
	cr_assert_eq(settle((int[]){ 0, -EIO, 0 }), VERDICT_DONE);
	cr_assert_eq(io.result, 4096);
	cr_assert(strstr(status(), "\"degraded\": true"));
	cr_assert(strstr(status(), "\"state\": \"dropped\", \"read_errors\": 0, \"dropped_by\": \"write\", \"errno\": 5"),
		  "%s", status());
	cr_assert(strstr(status(), "\"sector\": 64"), "%s", status());
}

Test(mirror, a_dropped_leg_is_not_used_again)
{
	start(make("mirror", 2));
	request(UBLK_IO_OP_WRITE, 0, 4096);
	settle((int[]){ -EIO, 0 });
	for (unsigned int i = 0; i < 100; i++) {
		request(i % 2 ? UBLK_IO_OP_READ : UBLK_IO_OP_WRITE, i * 4096, 4096);
		cr_assert_eq(io.nr_steps, 1);
		cr_assert_eq(io.steps[0].leg, 1);
		settle(good);
	}
}

Test(mirror, the_last_leg_stays)
{
	start(make("mirror", 2));
	request(UBLK_IO_OP_WRITE, 0, 4096);
	settle((int[]){ -EIO, -EIO });
	cr_assert_eq(io.result, -EIO);
	request(UBLK_IO_OP_WRITE, 0, 4096);
	cr_assert_eq(io.nr_steps, 1);
	settle((int[]){ -EIO, -EIO });
	cr_assert_eq(io.result, -EIO);
	request(UBLK_IO_OP_WRITE, 0, 4096);
	cr_assert_eq(io.nr_steps, 1);
	settle(good);
	cr_assert_eq(io.result, 4096);
}

Test(mirror, a_failed_read_is_tried_on_every_other_leg)
{
	u32 legs = 0;

	start(make("mirror", 3));
	request(UBLK_IO_OP_READ, 0, 4096);
	for (unsigned int i = 0; i < 2; i++) {
		legs |= 1U << io.steps[0].leg;
		cr_assert_eq(settle((int[]){ -EIO, -EIO, -EIO }), VERDICT_STEPS);
		cr_assert_eq(io.nr_steps, 1);
		cr_assert_eq(io.steps[0].done, 0);
		cr_assert_eq(io.steps[0].len, 4096);
	}
	legs |= 1U << io.steps[0].leg;
	cr_assert_eq(legs, 7);
	cr_assert_eq(settle(good), VERDICT_DONE);
	cr_assert_eq(io.result, 4096);
	cr_assert(strstr(status(), "\"degraded\": false"));
}

Test(mirror, a_read_that_no_leg_can_do_fails)
{
	start(make("mirror", 2));
	request(UBLK_IO_OP_READ, 0, 4096);
	cr_assert_eq(settle((int[]){ -EIO, -EIO }), VERDICT_STEPS);
	cr_assert_eq(settle((int[]){ -EIO, -EIO }), VERDICT_DONE);
	cr_assert_eq(io.result, -EIO);
	cr_assert(strstr(status(), "\"degraded\": false"));
}

/* So many legs, with an option or none. */
static struct target *make_with(const char *name, unsigned int nr_legs, const char *option, const char *value)
{
	struct target *made = make(name, nr_legs);
	struct opt_group group = { made->ops->opts, made->conf };

	if (option)
		cr_assert_eq(opts_parse(3, (char *[]){ "add", (char *)option, (char *)value, NULL },
					&group, 1), 0);
	return made;
}

static void read_many(unsigned int got[3])
{
	for (unsigned int i = 0; i < 300; i++) {
		request(UBLK_IO_OP_READ, (u64)i % 7 << 16, 4096);
		cr_assert_eq(io.nr_steps, 1);
		got[io.steps[0].leg]++;
		cr_assert_eq(settle(good), VERDICT_DONE);
	}
}

Test(mirror, a_write_mostly_leg_is_read_only_if_no_other_one_can_be)
{
	unsigned int whole[3] = { 0 }, degraded[3] = { 0 };

	start(make_with("mirror", 3, "--write-mostly", paths[0]));
	read_many(whole);
	cr_assert(!whole[0] && whole[1] && whole[2]);
	/* All others have erred for this read. */
	request(UBLK_IO_OP_READ, 0, 4096);
	for (unsigned int i = 0; i < 2; i++) {
		cr_assert_neq(io.steps[0].leg, 0);
		cr_assert_eq(settle((int[]){ 0, -EIO, -EIO }), VERDICT_STEPS);
	}
	cr_assert_eq(io.steps[0].leg, 0);
	cr_assert_eq(settle(good), VERDICT_DONE);
	/* All others are gone. */
	request(UBLK_IO_OP_WRITE, 0, 4096);
	cr_assert_eq(io.nr_steps, 3);
	settle((int[]){ 0, -EIO, -EIO });
	read_many(degraded);
	cr_assert_eq(degraded[0], 300);
}

Test(mirror, where_legs_may_differ_a_leg_is_read_that_is_not_write_mostly)
{
	unsigned int got[3] = { 0 };

	start(make_with("mirror", 3, "--write-mostly", paths[0]));
	/* It stands nowhere where they differ: from now on one is read. */
	request(UBLK_IO_OP_WRITE, 0, 4096);
	settle((int[]){ -ENOSPC, -ENOSPC, -ENOSPC });
	read_many(got);
	cr_assert_eq(got[1], 300);
	request(UBLK_IO_OP_WRITE, 0, 4096);
	settle((int[]){ 0, -EIO, 0 });
	read_many(got);
	cr_assert_eq(got[2], 300);
}

Test(mirror, streams_of_two_queues_begin_on_two_legs)
{
	unsigned int leg;

	t = make("mirror", 2);
	cr_assert_eq(t->ops->open(t), 0);
	cr_assert_eq(t->ops->start(t, 2), 0);
	tq = t->ops->queue(t, 0, NULL);
	request(UBLK_IO_OP_READ, 0, 4096);
	leg = io.steps[0].leg;
	tq = t->ops->queue(t, 1, NULL);
	request(UBLK_IO_OP_READ, 1 << 20, 4096);
	cr_assert_neq(io.steps[0].leg, leg);
}

Test(mirror, a_path_that_is_no_leg_is_not_write_mostly)
{
	t = make_with("mirror", 2, "--write-mostly", paths[2]);
	cr_assert_eq(t->ops->check(t), -EINVAL);
}

static struct target *make_stripe(unsigned int nr_legs, const char *option, const char *value)
{
	return make_with("stripe", nr_legs, option, value);
}

Test(stripe, a_request_across_chunks_is_cut)
{
	start(make_stripe(3, "--chunk", "64K"));
	request(UBLK_IO_OP_WRITE, 64 << 10, 256 << 10);
	cr_assert_eq(io.nr_steps, 4);
	/* leg 1 has its two parts behind each other */
	cr_assert_eq(io.steps[0].leg, 1);
	cr_assert_eq(io.steps[0].off, 0);
	cr_assert_eq(io.steps[0].data, 0);
	cr_assert_eq(io.steps[1].leg, 1);
	cr_assert_eq(io.steps[1].off, 64 << 10);
	cr_assert_eq(io.steps[1].data, 192 << 10);
	cr_assert_eq(io.steps[2].leg, 2);
	cr_assert_eq(io.steps[2].data, 64 << 10);
	cr_assert_eq(io.steps[3].leg, 0);
	cr_assert_eq(io.steps[3].off, 64 << 10);
	for (unsigned int i = 0; i < 4; i++)
		cr_assert_eq(io.steps[i].want, 64 << 10);
	cr_assert_eq(settle(good), VERDICT_DONE);
	cr_assert_eq(io.result, 256 << 10);
}

Test(stripe, a_request_of_many_chunks_takes_rounds)
{
	static u8 sectors[1024];
	unsigned int rounds = 0;

	start(make_stripe(2, "--chunk", "4K"));
	request(UBLK_IO_OP_READ, 2048, sizeof(sectors) * 512);
	do {
		cr_assert_leq(io.nr_steps, t->max_steps);
		for (unsigned int i = 0; i < io.nr_steps; i++)
			for (u32 at = 0; at < io.steps[i].len; at += 512)
				sectors[(io.steps[i].data + at) / 512]++;
		rounds++;
	} while (settle(good) == VERDICT_STEPS);
	cr_assert_eq(rounds, (129 + MAX_STEPS - 1) / MAX_STEPS);
	cr_assert_eq(io.result, sizeof(sectors) * 512);
	for (unsigned int i = 0; i < sizeof(sectors); i++)
		cr_assert_eq(sectors[i], 1, "sector %u: %u times", i, sectors[i]);
}

Test(stripe, a_leg_that_fails_fails_what_it_has_a_part_in)
{
	static const int bad[] = { 0, -EIO };

	start(make_stripe(2, "--chunk", "64K"));
	request(UBLK_IO_OP_WRITE, 0, 128 << 10);
	cr_assert_eq(settle(bad), VERDICT_DONE);
	cr_assert_eq(io.result, -EIO);
	request(UBLK_IO_OP_READ, 128 << 10, 64 << 10);
	cr_assert_eq(settle(bad), VERDICT_DONE);
	cr_assert_eq(io.result, 64 << 10);
	request(UBLK_IO_OP_WRITE, 64 << 10, 4096);
	cr_assert_eq(settle(bad), VERDICT_DONE);
	cr_assert_eq(io.result, -EIO);
	request(UBLK_IO_OP_WRITE, 64 << 10, 4096);
	cr_assert_eq(settle(good), VERDICT_DONE);
	cr_assert_eq(io.result, 4096);
}

/* What is left of it is not tried: its end is known. */
Test(stripe, a_round_that_fails_is_the_last_one)
{
	start(make_stripe(2, "--chunk", "4K"));
	request(UBLK_IO_OP_WRITE, 0, 512 << 10);
	cr_assert_eq(settle((int[]){ -ENOSPC, 0 }), VERDICT_DONE);
	cr_assert_eq(io.result, -ENOSPC);
}

Test(stripe, a_flush_goes_to_every_leg)
{
	u32 legs = 0;

	start(make_stripe(3, NULL, NULL));
	request(UBLK_IO_OP_FLUSH, 0, 0);
	cr_assert_eq(io.nr_steps, 3);
	for (unsigned int i = 0; i < 3; i++) {
		cr_assert_eq(io.steps[i].op, STEP_SYNC);
		legs |= 1U << io.steps[i].leg;
	}
	cr_assert_eq(legs, 7);
	cr_assert_eq(settle(good), VERDICT_DONE);
	cr_assert_eq(io.result, 0);
}

Test(stripe, zeroes_and_discards_are_one_step_of_each_leg)
{
	static const u8 ops[] = { UBLK_IO_OP_DISCARD, UBLK_IO_OP_WRITE_ZEROES };

	start(make_stripe(3, "--chunk", "4K"));
	for (unsigned int i = 0; i < ARRAY_SIZE(ops); i++) {
		u64 sum = 0;

		request(ops[i], 2048, 6 << 20);
		cr_assert_eq(io.nr_steps, 3, "%u steps", io.nr_steps);
		for (unsigned int s = 0; s < 3; s++) {
			cr_assert_eq(io.steps[s].want, 0);
			sum += io.steps[s].len;
		}
		cr_assert_eq(sum, 6 << 20);
		cr_assert_eq(settle(good), VERDICT_DONE);
		cr_assert_eq(io.result, 0);
	}
	request(UBLK_IO_OP_DISCARD, 4096, 4096);
	cr_assert_eq(io.nr_steps, 1);
	settle((int[]){ 0, -EOPNOTSUPP, 0 });
	cr_assert_eq(io.result, -EOPNOTSUPP);
}

Test(stripe, an_unknown_operation_is_refused)
{
	start(make_stripe(2, NULL, NULL));
	request(UBLK_IO_OP_ZONE_RESET, 0, 4096);
	cr_assert_eq(io.nr_steps, 0);
	cr_assert_eq(io.result, -EOPNOTSUPP);
}

Test(stripe, its_size_is_that_of_its_smallest_leg)
{
	char text[1024] = "";

	cr_assert_eq(truncate(paths[1], 3 * MIB + 512), 0);
	start(make_stripe(3, "--chunk", "1M"));
	cr_assert_eq(t->lim.size, 9 * MIB);
	cr_assert_eq(t->lim.io_min, MIB);
	cr_assert_eq(t->lim.io_opt, 3 * MIB);
	/* what is left out is told */
	fflush(stderr);
	text[fread(text, 1, sizeof(text) - 1, cr_get_redirected_stderr())] = '\0';
	cr_assert(strstr(text, "its last 1048576 of 4194304 bytes are left out"), "%s", text);
}

/* The kernel reads twice as much ahead: of 64 MiB a reader of one page would wait for 128. */
Test(stripe, the_hint_of_a_large_row_is_left_out)
{
	for (unsigned int i = 0; i < 2; i++)
		cr_assert_eq(truncate(paths[i], 64 * MIB), 0);
	start(make_stripe(2, "--chunk", "32M"));
	cr_assert_eq(t->lim.io_min, 32 * MIB);
	cr_assert_eq(t->lim.io_opt, 0);
	target_destroy(t);
	start(make_stripe(2, "--chunk", "16M"));
	cr_assert_eq(t->lim.io_opt, 32 * MIB);
}

Test(stripe, the_hint_of_a_large_chunk_is_left_out)
{
	for (unsigned int i = 0; i < 2; i++)
		cr_assert_eq(truncate(paths[i], 1 << 30), 0);
	start(make_stripe(2, "--chunk", "1G"));
	cr_assert_eq(t->lim.io_min, 1 << 30);
	cr_assert_eq(t->lim.io_opt, 0);
}

Test(stripe, so_many_bytes_of_each_leg_may_be_chosen)
{
	start(make_stripe(2, "--size", "1M"));
	cr_assert_eq(t->lim.size, 2 * MIB);
}

static void is_refused(struct target *made, int err, const char *says)
{
	char text[1024] = "";
	int ret;

	t = made;
	ret = t->ops->check(t);
	if (!ret)
		ret = t->ops->open(t);
	cr_assert_eq(ret, err);
	fflush(stderr);
	text[fread(text, 1, sizeof(text) - 1, cr_get_redirected_stderr())] = '\0';
	cr_assert(strstr(text, says), "no \"%s\" in: %s", says, text);
}

Test(stripe, one_leg_is_no_stripe)
{
	is_refused(make_stripe(1, NULL, NULL), -EINVAL, "two --leg PATH or more, here are 1");
}

Test(stripe, a_chunk_larger_than_a_leg_is_refused)
{
	is_refused(make_stripe(2, "--chunk", "8M"), -ENOSPC,
		   "--chunk 8388608: the smallest leg has 4194304 bytes");
}

/* Four of 4 EiB would be 0 bytes, of 64 bits. */
Test(stripe, legs_that_are_too_large_together_are_refused)
{
	static char legs[4][32];
	struct target *made = make_stripe(0, "--chunk", "4K");
	struct strlist *list = made->conf;

	for (unsigned int i = 0; i < 4; i++) {
		int fd = memfd_create("leg", MFD_CLOEXEC);

		cr_assert_eq(ftruncate(fd, 1LL << 62), 0);
		snprintf(legs[i], sizeof(legs[i]), "/proc/self/fd/%d", fd);
		list->v[list->nr++] = legs[i];
	}
	is_refused(made, -EFBIG, "4 legs of 4611686018427387904 bytes: a device has less than 8 EiB");
}

Test(stripe, a_chunk_that_is_no_whole_blocks_is_refused)
{
	struct target *made = make_stripe(2, "--chunk", "1536");
	struct opt_group group = { made->ops->opts, made->conf };

	cr_assert_eq(opts_parse(3, (char *[]){ "add", "--block", "4K", NULL }, &group, 1), 0);
	is_refused(made, -EINVAL, "--chunk 1536: it has to be whole blocks, which are of 4096 bytes here");
}

Test(stripe, a_chunk_that_is_no_whole_sectors_is_refused)
{
	struct target *made = make("stripe", 2);
	struct opt_group group = { made->ops->opts, made->conf };

	t = made;
	cr_assert_eq(opts_parse(3, (char *[]){ "add", "--chunk", "1000", NULL }, &group, 1), -EINVAL);
	cr_assert_eq(opts_parse(3, (char *[]){ "add", "--chunk", "0", NULL }, &group, 1), -EINVAL);
	cr_assert_eq(opts_parse(3, (char *[]){ "add", "--chunk", "2G", NULL }, &group, 1), -EINVAL);
}

/* A server that takes over has to find each byte where the one before has put it. */
Test(stripe, another_order_or_chunk_is_another_arrangement)
{
	u32 id, other;

	start(make_stripe(2, "--chunk", "64K"));
	id = t->ops->arrangement(t);
	t->ops->close(t);
	t->priv = NULL;
	start(make_stripe(2, "--chunk", "64K"));
	cr_assert_eq(t->ops->arrangement(t) & 0xffffff, id & 0xffffff);
	t->ops->close(t);
	t->priv = NULL;
	start(make_stripe(2, "--chunk", "128K"));
	cr_assert_neq(t->ops->arrangement(t) & 0xffffff, id & 0xffffff);
	t->ops->close(t);
	t->priv = NULL;
	t = make_stripe(2, "--chunk", "64K");
	((struct strlist *)t->conf)->v[0] = paths[1];
	((struct strlist *)t->conf)->v[1] = paths[0];
	start(t);
	other = t->ops->arrangement(t);
	cr_assert_neq(other & 0xffffff, id & 0xffffff);
}

/* A bit that no leg can change is one less that tells them apart. */
Test(stripe, each_leg_counts_in_each_bit_of_the_identity)
{
	start(make_stripe(3, "--chunk", "64K"));
	for (unsigned int i = 0; i < 3; i++) {
		u64 before = identity_make(t, 0), changed = 0;

		for (unsigned int n = 0; n < 64; n++) {
			t->legs[i].ino++;
			changed |= identity_make(t, 0) ^ before;
		}
		cr_assert_eq(changed >> 24 & 0xffffff, 0xffffff, "leg %u: %#lx", i,
			     (unsigned long)changed >> 24);
	}
}

Test(stripe, tells_its_chunk_and_its_legs)
{
	start(make_stripe(2, "--chunk", "64K"));
	cr_assert(strstr(status(), "\"chunk\": 65536"), "%s", status());
	cr_assert(strstr(status(), paths[1]), "%s", status());
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
	made->inner = make(inner, nr_legs);
	return made;
}

#define MAKE_FAULT(inner, nr, ...) make_fault(inner, nr, (const char *[]){ __VA_ARGS__, NULL })

Test(fault, lets_through_what_it_is_not_to_spoil)
{
	start(MAKE_FAULT("mirror", 2, "--fault", "error", "--fault-op", "read"));
	request(UBLK_IO_OP_WRITE, 0, 4096);
	cr_assert_eq(io.nr_steps, 2);
	cr_assert_eq(settle(good), VERDICT_DONE);
	cr_assert_eq(io.result, 4096);
}

Test(fault, the_inner_mirror_sees_the_bad_leg)
{
	start(MAKE_FAULT("mirror", 2, "--fault", "error", "--fault-leg", "1", "--fault-errno", "28"));
	request(UBLK_IO_OP_WRITE, 0, 4096);
	settle(good);
	cr_assert_eq(io.result, 4096);
	cr_assert(strstr(status(), "\"errno\": 28"), "%s", status());
	request(UBLK_IO_OP_WRITE, 0, 4096);
	cr_assert_eq(io.nr_steps, 1);
}

/* What each of the two keeps of a request is its own. */
Test(fault, a_read_that_it_spoils_is_done_on_the_other_leg)
{
	start(MAKE_FAULT("mirror", 2, "--fault", "error", "--fault-op", "read"));
	for (unsigned int i = 0; i < 4; i++) {
		unsigned int leg;

		request(UBLK_IO_OP_READ, i * 4096, 4096);
		leg = io.steps[0].leg;
		cr_assert_eq(settle(good), VERDICT_STEPS);
		cr_assert_eq(io.nr_steps, 1);
		cr_assert_eq(io.steps[0].leg, !leg);
		cr_assert_eq(settle(good), VERDICT_DONE);
		cr_assert_eq(io.result, 4096);
	}
	cr_assert_gt(target_io_size(t), target_io_size(t->inner));
}

Test(fault, every_third_after_two)
{
	unsigned int failed = 0;

	start(MAKE_FAULT("loop", 1, "--fault", "error", "--fault-every", "3", "--fault-after", "2"));
	for (unsigned int i = 1; i <= 11; i++) {
		request(UBLK_IO_OP_WRITE, 0, 4096);
		settle(good);
		if (io.result < 0) {
			failed++;
			cr_expect(i == 5 || i == 8 || i == 11, "request %u failed", i);
		}
	}
	cr_assert_eq(failed, 3);
}

Test(fault, only_in_its_range)
{
	start(MAKE_FAULT("loop", 1, "--fault", "error", "--fault-from", "64K", "--fault-to", "128K"));
	for (u64 off = 0; off < 256 << 10; off += 32 << 10) {
		request(UBLK_IO_OP_WRITE, off, 4096);
		settle(good);
		cr_expect_eq(io.result, off >= 64 << 10 && off < 128 << 10 ? -EIO : 4096,
			     "offset %lu gave %d", (unsigned long)off, io.result);
	}
}

Test(fault, a_delay_comes_before_the_request)
{
	start(MAKE_FAULT("mirror", 2, "--fault", "delay", "--fault-delay", "1500"));
	request(UBLK_IO_OP_WRITE, 0, 4096);
	cr_assert_eq(io.nr_steps, 1);
	cr_assert_eq(io.steps[0].op, STEP_DELAY);
	cr_assert_eq(io.steps[0].want, -ETIME);
	cr_assert_eq(t->delay.tv_sec, 1);
	cr_assert_eq(t->delay.tv_nsec, 500000000);
	cr_assert_eq(settle(good), VERDICT_STEPS);
	cr_assert_eq(io.nr_steps, 2);
	cr_assert_eq(settle(good), VERDICT_DONE);
	cr_assert_eq(io.result, 4096);
}

Test(fault, a_short_result_is_whole_blocks)
{
	start(MAKE_FAULT("loop", 1, "--fault", "short"));
	request(UBLK_IO_OP_WRITE, 0, 3 * t->lim.lbs);
	settle(good);
	cr_assert_eq(io.result, (int)t->lim.lbs);
	request(UBLK_IO_OP_WRITE, 0, t->lim.lbs);
	settle(good);
	cr_assert_eq(io.result, (int)t->lim.lbs, "one block cannot be short");
}

Test(fault, around_null)
{
	start(MAKE_FAULT("null", 0, "--fault", "error", "--fault-op", "write"));
	request(UBLK_IO_OP_WRITE, 0, 4096);
	cr_assert_eq(io.nr_steps, 0);
	cr_assert_eq(io.result, -EIO);
	request(UBLK_IO_OP_READ, 0, 4096);
	cr_assert_eq(io.result, 4096);
}

Test(fault, wraps_a_stripe)
{
	start(MAKE_FAULT("stripe", 2, "--fault", "error", "--fault-leg", "1"));
	request(UBLK_IO_OP_WRITE, (512 << 10) - 4096, 8192);
	cr_assert_eq(io.nr_steps, 2);
	settle(good);
	cr_assert_eq(io.result, -EIO);
	request(UBLK_IO_OP_WRITE, 0, 4096);
	settle(good);
	cr_assert_eq(io.result, 4096);
}

#define ROUNDS	3

/* A request of ROUNDS is planned; @rounds of them are settled. */
static enum verdict go_through(unsigned int rounds, struct target *made)
{
	const struct opt_group group = { made->inner->ops->opts, made->inner->conf };
	enum verdict verdict = VERDICT_STEPS;

	cr_assert_eq(opts_parse(3, (char *[]){ "add", "--chunk", "4K", NULL }, &group, 1), 0);
	start(made);
	request(UBLK_IO_OP_WRITE, 0, ROUNDS * MAX_STEPS * 4096);
	while (rounds--) {
		cr_assert_eq(verdict, VERDICT_STEPS);
		verdict = settle(good);
	}
	return verdict;
}

/* What comes at the end of a request is not lost, and not done, in a round before. */
Test(fault, a_short_result_is_of_all_rounds)
{
	cr_assert_eq(go_through(ROUNDS, MAKE_FAULT("stripe", 2, "--fault", "short")), VERDICT_DONE);
	cr_assert_eq(io.result, ROUNDS * MAX_STEPS * 4096 / 2);
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
