// SPDX-License-Identifier: GPL-2.0
/* Target stripe without a queue. */
#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "identity.h"
#include "onetarget.h"

#define MIB	(1ULL << 20)

static void setup(void)
{
	cr_redirect_stderr();
	one_begin();
}

TestSuite(stripe, .init = setup, .fini = one_end, .timeout = 30);

static struct target *make_stripe(unsigned int nr_legs, const char *option, const char *value)
{
	return one_make_with("stripe", nr_legs, option, value);
}

Test(stripe, a_request_across_chunks_is_cut)
{
	one_start(make_stripe(3, "--chunk", "64K"));
	one_request(UBLK_IO_OP_WRITE, 64 << 10, 256 << 10);
	cr_assert_eq(one.io.nr_steps, 4);
	/* leg 1 has its two parts behind each other */
	cr_assert_eq(one.io.steps[0].leg, 1);
	cr_assert_eq(one.io.steps[0].off, 0);
	cr_assert_eq(one.io.steps[0].data, 0);
	cr_assert_eq(one.io.steps[1].leg, 1);
	cr_assert_eq(one.io.steps[1].off, 64 << 10);
	cr_assert_eq(one.io.steps[1].data, 192 << 10);
	cr_assert_eq(one.io.steps[2].leg, 2);
	cr_assert_eq(one.io.steps[2].data, 64 << 10);
	cr_assert_eq(one.io.steps[3].leg, 0);
	cr_assert_eq(one.io.steps[3].off, 64 << 10);
	for (unsigned int i = 0; i < 4; i++)
		cr_assert_eq(one.io.steps[i].want, 64 << 10);
	cr_assert_eq(one_settle(one_good), VERDICT_DONE);
	cr_assert_eq(one.io.result, 256 << 10);
}

Test(stripe, a_request_of_many_chunks_takes_rounds)
{
	static u8 sectors[1024];
	unsigned int rounds = 0, last = (129 + MAX_STEPS - 1) / MAX_STEPS;
	enum verdict verdict;

	one_start(make_stripe(2, "--chunk", "4K"));
	verdict = one_request(UBLK_IO_OP_READ, 2048, sizeof(sectors) * 512);
	do {
		cr_assert_eq(verdict, VERDICT_STEPS, "round %u: the driver counts those of all rounds", rounds);
		cr_assert_leq(one.io.nr_steps, one.t->max_steps);
		for (unsigned int i = 0; i < one.io.nr_steps; i++)
			for (u32 at = 0; at < one.io.steps[i].len; at += 512)
				sectors[(one.io.steps[i].data + at) / 512]++;
		rounds++;
		verdict = one_settle(one_good);
	} while (verdict != VERDICT_DONE);
	cr_assert_eq(rounds, last);
	cr_assert_eq(one.io.result, sizeof(sectors) * 512);
	for (unsigned int i = 0; i < sizeof(sectors); i++)
		cr_assert_eq(sectors[i], 1, "sector %u: %u times", i, sectors[i]);
}

Test(stripe, a_leg_that_fails_fails_what_it_has_a_part_in)
{
	static const int bad[] = { 0, -EIO };

	one_start(make_stripe(2, "--chunk", "64K"));
	one_request(UBLK_IO_OP_WRITE, 0, 128 << 10);
	cr_assert_eq(one_settle(bad), VERDICT_DONE);
	cr_assert_eq(one.io.result, -EIO);
	one_request(UBLK_IO_OP_READ, 128 << 10, 64 << 10);
	cr_assert_eq(one_settle(bad), VERDICT_DONE);
	cr_assert_eq(one.io.result, 64 << 10);
	one_request(UBLK_IO_OP_WRITE, 64 << 10, 4096);
	cr_assert_eq(one_settle(bad), VERDICT_DONE);
	cr_assert_eq(one.io.result, -EIO);
	one_request(UBLK_IO_OP_WRITE, 64 << 10, 4096);
	cr_assert_eq(one_settle(one_good), VERDICT_DONE);
	cr_assert_eq(one.io.result, 4096);
}

/* What is left of it is not tried: its end is known. */
Test(stripe, a_round_that_fails_is_the_last_one)
{
	one_start(make_stripe(2, "--chunk", "4K"));
	one_request(UBLK_IO_OP_WRITE, 0, 512 << 10);
	cr_assert_eq(one_settle((int[]){ -ENOSPC, 0 }), VERDICT_DONE);
	cr_assert_eq(one.io.result, -ENOSPC);
}

Test(stripe, a_flush_goes_to_every_leg)
{
	u32 legs = 0;

	one_start(make_stripe(3, NULL, NULL));
	one_request(UBLK_IO_OP_FLUSH, 0, 0);
	cr_assert_eq(one.io.nr_steps, 3);
	for (unsigned int i = 0; i < 3; i++) {
		cr_assert_eq(one.io.steps[i].op, STEP_SYNC);
		legs |= 1U << one.io.steps[i].leg;
	}
	cr_assert_eq(legs, 7);
	cr_assert_eq(one_settle(one_good), VERDICT_DONE);
	cr_assert_eq(one.io.result, 0);
}

Test(stripe, zeroes_and_discards_are_one_step_of_each_leg)
{
	static const u8 ops[] = { UBLK_IO_OP_DISCARD, UBLK_IO_OP_WRITE_ZEROES };

	one_start(make_stripe(3, "--chunk", "4K"));
	for (unsigned int i = 0; i < ARRAY_SIZE(ops); i++) {
		u64 sum = 0;

		one_request(ops[i], 2048, 6 << 20);
		cr_assert_eq(one.io.nr_steps, 3, "%u steps", one.io.nr_steps);
		for (unsigned int s = 0; s < 3; s++) {
			cr_assert_eq(one.io.steps[s].want, 0);
			sum += one.io.steps[s].len;
		}
		cr_assert_eq(sum, 6 << 20);
		cr_assert_eq(one_settle(one_good), VERDICT_DONE);
		cr_assert_eq(one.io.result, 0);
	}
	one_request(UBLK_IO_OP_DISCARD, 4096, 4096);
	cr_assert_eq(one.io.nr_steps, 1);
	one_settle((int[]){ 0, -EOPNOTSUPP, 0 });
	cr_assert_eq(one.io.result, -EOPNOTSUPP);
}

Test(stripe, an_unknown_operation_is_refused)
{
	one_start(make_stripe(2, NULL, NULL));
	one_request(UBLK_IO_OP_ZONE_RESET, 0, 4096);
	cr_assert_eq(one.io.nr_steps, 0);
	cr_assert_eq(one.io.result, -EOPNOTSUPP);
}

Test(stripe, its_size_is_that_of_its_smallest_leg)
{
	char text[1024] = "";

	cr_assert_eq(truncate(one.paths[1], 3 * MIB + 512), 0);
	one_start(make_stripe(3, "--chunk", "1M"));
	cr_assert_eq(one.t->lim.size, 9 * MIB);
	cr_assert_eq(one.t->lim.io_min, MIB);
	cr_assert_eq(one.t->lim.io_opt, 3 * MIB);
	/* what is left out is told */
	fflush(stderr);
	text[fread(text, 1, sizeof(text) - 1, cr_get_redirected_stderr())] = '\0';
	cr_assert(strstr(text, "its last 1048576 of 4194304 bytes are left out"), "%s", text);
}

/* The kernel reads twice as much ahead: of 64 MiB a reader of one page would wait for 128. */
Test(stripe, the_hint_of_a_large_row_is_left_out)
{
	for (unsigned int i = 0; i < 2; i++)
		cr_assert_eq(truncate(one.paths[i], 64 * MIB), 0);
	one_start(make_stripe(2, "--chunk", "32M"));
	cr_assert_eq(one.t->lim.io_min, 32 * MIB);
	cr_assert_eq(one.t->lim.io_opt, 0);
	target_destroy(one.t);
	one_start(make_stripe(2, "--chunk", "16M"));
	cr_assert_eq(one.t->lim.io_opt, 32 * MIB);
}

Test(stripe, the_hint_of_a_large_chunk_is_left_out)
{
	for (unsigned int i = 0; i < 2; i++)
		cr_assert_eq(truncate(one.paths[i], 1 << 30), 0);
	one_start(make_stripe(2, "--chunk", "1G"));
	cr_assert_eq(one.t->lim.io_min, 1 << 30);
	cr_assert_eq(one.t->lim.io_opt, 0);
}

Test(stripe, so_many_bytes_of_each_leg_may_be_chosen)
{
	one_start(make_stripe(2, "--size", "1M"));
	cr_assert_eq(one.t->lim.size, 2 * MIB);
}

static void is_refused(struct target *made, int err, const char *says)
{
	char text[1024] = "";
	int ret;

	one.t = made;
	ret = one.t->ops->check(one.t);
	if (!ret)
		ret = one.t->ops->open(one.t);
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
	struct target *made = one_make("stripe", 2);
	struct opt_group group = { made->ops->opts, made->conf };

	one.t = made;
	cr_assert_eq(opts_parse(3, (char *[]){ "add", "--chunk", "1000", NULL }, &group, 1), -EINVAL);
	cr_assert_eq(opts_parse(3, (char *[]){ "add", "--chunk", "0", NULL }, &group, 1), -EINVAL);
	cr_assert_eq(opts_parse(3, (char *[]){ "add", "--chunk", "2G", NULL }, &group, 1), -EINVAL);
}

/* A server that takes over has to find each byte where the one before has put it. */
Test(stripe, another_order_or_chunk_is_another_arrangement)
{
	u32 id, other;

	one_start(make_stripe(2, "--chunk", "64K"));
	id = one.t->ops->arrangement(one.t);
	one.t->ops->close(one.t);
	one.t->priv = NULL;
	one_start(make_stripe(2, "--chunk", "64K"));
	cr_assert_eq(one.t->ops->arrangement(one.t) & 0xffffff, id & 0xffffff);
	one.t->ops->close(one.t);
	one.t->priv = NULL;
	one_start(make_stripe(2, "--chunk", "128K"));
	cr_assert_neq(one.t->ops->arrangement(one.t) & 0xffffff, id & 0xffffff);
	one.t->ops->close(one.t);
	one.t->priv = NULL;
	one.t = make_stripe(2, "--chunk", "64K");
	((struct strlist *)one.t->conf)->v[0] = one.paths[1];
	((struct strlist *)one.t->conf)->v[1] = one.paths[0];
	one_start(one.t);
	other = one.t->ops->arrangement(one.t);
	cr_assert_neq(other & 0xffffff, id & 0xffffff);
}

/* A bit that no leg can change is one less that tells them apart. */
Test(stripe, each_leg_counts_in_each_bit_of_the_identity)
{
	one_start(make_stripe(3, "--chunk", "64K"));
	for (unsigned int i = 0; i < 3; i++) {
		u64 before = identity_make(one.t, 0), changed = 0;

		for (unsigned int n = 0; n < 64; n++) {
			one.t->legs[i].ino++;
			changed |= identity_make(one.t, 0) ^ before;
		}
		cr_assert_eq(changed >> 24 & 0xffffff, 0xffffff, "leg %u: %#lx", i,
			     (unsigned long)changed >> 24);
	}
}

Test(stripe, tells_its_chunk_and_its_legs)
{
	one_start(make_stripe(2, "--chunk", "64K"));
	cr_assert(strstr(one_status(), "\"chunk\": 65536"), "%s", one_status());
	cr_assert(strstr(one_status(), one.paths[1]), "%s", one_status());
}
