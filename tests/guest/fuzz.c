// SPDX-License-Identifier: GPL-2.0
/*
 * A slice of what `make fuzz` does for long: random operations, each with its result
 * known.  One seed is always the same, one is new each time, and printed.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <time.h>

#include "check.h"
#include "model.h"
#include "proc.h"
#include "tleg.h"

TestSuite(fuzz, .fini = tlegs_remove, .timeout = 240);

/* Runs the program; returns its exit status. */
static int fuzz(u32 seed, u32 ops, const char *wrong)
{
	char seed_text[16], ops_text[16];
	const char *args[] = {
		"--quiet", "--seed", seed_text, "--ops", ops_text, "--wrong", wrong, NULL,
	};

	snprintf(seed_text, sizeof(seed_text), "%u", seed);
	snprintf(ops_text, sizeof(ops_text), "%u", ops);
	return proc_program("tests/fuzz/fuzz", args, NULL);
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
