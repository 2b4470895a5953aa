// SPDX-License-Identifier: GPL-2.0
/* The tests' own library: what must not be wrong for the others to mean anything. */
#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "cli.h"
#include "mode.h"
#include "pattern.h"
#include "proc.h"
#include "ublkraw.h"

TestSuite(testlib, .timeout = 60);

Test(testlib, pattern_is_the_same_however_it_is_cut)
{
	u8 whole[256], part[256];

	pat_fill(whole, sizeof(whole), 3, 0);
	for (unsigned int at = 0; at < 64; at++) {
		for (unsigned int len = 0; len < 32; len++) {
			memset(part, 0, sizeof(part));
			pat_fill(part, len, 3, at);
			cr_assert(!memcmp(part, whole + at, len), "%u bytes from %u", len, at);
			cr_assert_eq(part[len], 0, "%u bytes from %u: too much", len, at);
			cr_assert_eq(pat_diff(part, len, 3, at), -1);
		}
	}
}

Test(testlib, pattern_tells_seeds_and_positions_apart)
{
	u8 buf[4096];

	pat_fill(buf, sizeof(buf), 3, 0);
	for (u32 seed = 0; seed < 32; seed++)
		cr_assert_eq(pat_diff(buf, 512, seed, 0) < 0, seed == 3, "seed %u", seed);
	for (u64 at = 1; at < 65536; at += 511)
		cr_assert(pat_diff(buf, 512, 3, at) >= 0, "position %lu", at);
	for (unsigned int i = 0; i < sizeof(buf); i++) {
		buf[i] ^= 0x10;
		cr_assert_eq(pat_diff(buf, sizeof(buf), 3, 0), i, "byte %u", i);
		buf[i] ^= 0x10;
	}
}

static int exit_with(void *arg)
{
	return *(int *)arg;
}

static int fail_in_child(void *arg)
{
	close(2);
	must(!arg, "on purpose");
	return 0;
}

static int wrong_result(void *arg)
{
	close(2);
	res_is(-EBUSY, -EINVAL, "on purpose");
	return 0;
}

static int wrong_bytes(void *arg)
{
	u8 buf[16] = { 0 };

	close(2);
	pat_is(buf, sizeof(buf), 1, 0, "on purpose");
	return 0;
}

Test(testlib, a_failure_in_a_child_is_its_status)
{
	int seven = 7;

	cr_assert_eq(proc_run(exit_with, &seven), 7);
	cr_assert_eq(proc_run(fail_in_child, NULL), 0);
	cr_assert_eq(proc_run(fail_in_child, &seven), 99);
	cr_assert_eq(proc_run(wrong_result, NULL), 99);
	cr_assert_eq(proc_run(wrong_bytes, NULL), 99);
}

static void tell(void *arg)
{
	*(volatile int *)arg = 1;
}

static bool told(void *arg)
{
	return *(volatile int *)arg;
}

Test(testlib, a_child_shares_memory_and_can_be_killed)
{
	int *flag = shared_alloc(sizeof(*flag));
	pid_t pid = proc_start(tell, flag);

	cr_assert(wait_until(told, flag, SOON_MS));
	cr_assert(!proc_gone(pid, 50), "it ended by itself");
	proc_kill(pid);
	cr_assert_eq(kill(pid, 0), -1);
}

static int has_descriptors(void *arg)
{
	int n = 0;

	for (int fd = 3; fd < 200; fd++)
		n += !close(fd);
	return n;
}

Test(testlib, a_child_has_no_descriptor_of_the_test)
{
	int fds[2];

	cr_assert(!pipe(fds));
	cr_assert_eq(proc_run(has_descriptors, NULL), 0);
}

Test(testlib, a_program_of_the_build_runs_to_its_end)
{
	const char *const version[] = { "--version", NULL }, *const wrong[] = { "no-such-command", NULL };

	cr_assert_eq(proc_program("regbuf", version, NULL), 0);
	cr_assert_eq(proc_program("regbuf", wrong, "REGBUF_GUEST=1"), 2);
}

/* And in three turns one after the other each kernel has each mode once. */
Test(testlib, a_slice_has_each_mode_on_one_kernel)
{
	static const char *const kernels[] = { "release", "kasan", "lockdep" }, *const turns[] = { "12", "13", "14" };

	for (unsigned int i = 0; mode_list[i]; i++) {
		const char *name = mode_list[i]->name;
		bool always = !strcmp(name, "register") || !strcmp(name, "auto") || !strcmp(name, "handoff");

		for (unsigned int a = 0; a < 3; a++) {
			unsigned int in_turn = 0, on_kernel = 0;

			for (unsigned int b = 0; b < 3; b++) {
				in_turn += cli_mode_is_tried(i, kernels[b], turns[a]);
				on_kernel += cli_mode_is_tried(i, kernels[a], turns[b]);
			}
			cr_assert_eq(in_turn, always ? 3 : 1, "%s, turn %s: on %u kernels", name, turns[a], in_turn);
			cr_assert_eq(on_kernel, always ? 3 : 1, "%s, %s: in %u turns", name, kernels[a], on_kernel);
		}
		cr_assert(cli_mode_is_tried(i, "debian13", "0"));
		cr_assert(cli_mode_is_tried(i, "kasan", NULL));
		cr_assert(cli_mode_is_tried(i, NULL, NULL));
	}
}

Test(testlib, waiting_ends)
{
	int never = 0;
	u64 start = now_ms();

	cr_assert(!wait_until(told, &never, 100));
	cr_assert(now_ms() - start >= 99);
	cr_assert(now_ms() - start < 5000);
}

Test(testlib, a_position_is_queue_tag_and_offset)
{
	cr_assert_eq(raw_pos(0, 0, 0), 0x80000000ULL);
	cr_assert_eq(raw_pos(0, 0, 512), 0x80000200ULL);
	cr_assert_eq(raw_pos(0, 3, 0), 0x80000000ULL + (3ULL << 25));
	cr_assert_eq(raw_pos(2, 0, 0), 0x80000000ULL + (2ULL << 41));
}
