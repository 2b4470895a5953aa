// SPDX-License-Identifier: GPL-2.0
/* Random operations against the contract of lent buffers, see README.md. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "opts.h"
#include "seq.h"

#define FIELD(f) .offset = offsetof(struct fuzz_opts, f)
static const struct opt options[] = {
	{ "seed", 's', OPT_UINT, FIELD(seed), .arg = "N", .help = "of the random numbers [from the time]" },
	{ "ops", 'n', OPT_UINT, FIELD(ops), .min = 1, .arg = "N", .help = "how many operations [10000]" },
	{ "until", 0, OPT_UINT, FIELD(until), .arg = "N", .help = "the number of the last operation" },
	{ "skip", 0, OPT_STR, FIELD(skip), .arg = "N,N-N", .help = "leave these operations out" },
	{ "wrong", 0, OPT_CHOICE, FIELD(wrong), .choices = wrong_names,
	  .help = "make the model wrong, which has to be noticed [none]" },
	{ "quiet", 'q', OPT_FLAG, FIELD(quiet), .help = "no table of operations at the end" },
	{ 0 }
};

static void stuck(int sig)
{
	static const char text[] = "HANG: nothing has been done for two minutes\n";

	(void)!write(2, text, sizeof(text) - 1);
	_exit(1);
}

static void help(void)
{
	printf("usage: fuzz [OPTION...]\n"
	       "Random operations on lent buffers, each with the results that the contract allows.\n"
	       "The same seed makes the same sequence.  Needs root and the patched kernel.\n");
	opts_help(stdout, options);
}

int main(int argc, char **argv)
{
	struct fuzz_opts o = { .seed = time(NULL), .ops = 10000, .wrong = "none" };
	const struct opt_group group = { options, &o };
	int ret = opts_parse(argc, argv, &group, 1);

	if (ret == OPTS_HELP) {
		help();
		return 0;
	}
	if (ret)
		return 2;
	/* what fails in the tests' library ends the process */
	check_in_child();
	signal(SIGALRM, stuck);
	signal(SIGPIPE, SIG_IGN);
	printf("fuzz: --seed %u --ops %u\n", o.seed, o.ops);
	fflush(stdout);
	alarm(120);
	seq_run(&o);
	printf("fuzz: nothing found\n");
	return 0;
}
