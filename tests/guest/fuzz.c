// SPDX-License-Identifier: GPL-2.0
/*
 * A slice of what `make fuzz` does for long: random operations, each with its result
 * known.  One seed is always the same, one is new each time, and printed.
 */
#include <criterion/criterion.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "model.h"
#include "tmpfile.h"

TestSuite(fuzz, .fini = disk_null_sweep, .timeout = 240);

/* Runs the program; returns its exit status. */
static int fuzz(u32 seed, u32 ops, const char *wrong)
{
	char path[512], seed_text[16], ops_text[16];
	char *args[] = {
		path, "--quiet", "--seed", seed_text, "--ops", ops_text, "--wrong",
		(char *)wrong, NULL,
	};
	/* none of Criterion's, which would take the program for a test */
	char *env[] = { "PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL };
	int status, ret;
	pid_t pid;

	snprintf(path, sizeof(path), "%s/tests/fuzz/fuzz", getenv("REGBUF_BUILD") ?: "build");
	must(!access(path, X_OK), "%s is not there: make programs", path);
	snprintf(seed_text, sizeof(seed_text), "%u", seed);
	snprintf(ops_text, sizeof(ops_text), "%u", ops);
	ret = posix_spawn(&pid, path, NULL, NULL, args, env);
	must(!ret, "%s: %s", path, res_str(-ret));
	must(waitpid(pid, &status, 0) == pid && WIFEXITED(status), "it ended with status %#x",
	     status);
	return WEXITSTATUS(status);
}

Test(fuzz, every_result_is_the_models)
{
	res_is(fuzz(1, 8000, "none"), 0, "seed 1");
}

Test(fuzz, every_result_is_the_models_with_a_new_seed)
{
	u32 seed = time(NULL);

	res_is(fuzz(seed, 8000, "none"), 0, "seed %u", seed);
}

/* A comparison that cannot fail would be worth nothing. */
Test(fuzz, a_wrong_model_is_noticed)
{
	for (unsigned int i = 1; wrong_names[i]; i++)
		res_is(fuzz(11, 5000, wrong_names[i]), 1, "wrong: %s", wrong_names[i]);
}
