// SPDX-License-Identifier: GPL-2.0
/*
 * A slice of the concurrent half of `make fuzz`: processes and threads that use lent
 * buffers and a ublk device at random, and at once.  One seed is always the same, one is
 * new each time, and printed.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <time.h>

#include "crowd.h"
#include "proc.h"
#include "tleg.h"
#include "ublkraw.h"

static void sweep(void)
{
	raw_sweep();
	tlegs_remove();
}

TestSuite(crowd, .fini = sweep, .timeout = 300);

/* Runs the program; returns its exit status. */
static int run(u32 seed, u32 ops, const char *wrong)
{
	char seed_text[16], ops_text[16];
	const char *args[] = {
		"--seed", seed_text, "--ops", ops_text, "--wrong", wrong, NULL,
	};

	need(in_guest(), "it deletes devices: only in the guest");
	snprintf(seed_text, sizeof(seed_text), "%u", seed);
	snprintf(ops_text, sizeof(ops_text), "%u", ops);
	return proc_program("tests/fuzz/crowd", args, "REGBUF_GUEST=1");
}

Test(crowd, every_result_is_legal)
{
	res_is(run(1, 10000, "none"), 0, "seed 1");
}

Test(crowd, every_result_is_legal_with_a_new_seed)
{
	u32 seed = time(NULL);

	res_is(run(seed, 10000, "none"), 0, "seed %u", seed);
}

/* A comparison that cannot fail would be worth nothing: each ends as soon as it is noticed. */
static void is_noticed(const char *wrong)
{
	res_is(run(11, 8000, wrong), 1, "wrong: %s", wrong);
}

Test(crowd, notices_a_result) { is_noticed("result"); }
Test(crowd, notices_a_count) { is_noticed("count"); }
Test(crowd, notices_bytes_of_a_slot) { is_noticed("data"); }
Test(crowd, notices_bytes_of_the_disk) { is_noticed("read"); }
Test(crowd, notices_a_loan_that_is_kept) { is_noticed("loan"); }
Test(crowd, notices_a_request_that_waits_for_ever) { is_noticed("hang"); }
Test(crowd, notices_a_thread_that_stands_still) { is_noticed("stuck"); }
