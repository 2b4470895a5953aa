// SPDX-License-Identifier: GPL-2.0
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "byhand.h"
#include "check.h"
#include "opts.h"

/* struct conf - the options as they are parsed; on the stack of byhand_run() */
struct conf {
	unsigned int seed, number, minutes;
	bool verbose;
};

#define OPTS_MAX	5

static void make_opts(const struct byhand *b, struct opt opts[OPTS_MAX])
{
	unsigned int nr = 0;

	memset(opts, 0, OPTS_MAX * sizeof(*opts));
	opts[nr++] = (struct opt){ .name = "seed", .type = OPT_UINT, .arg = "N", .offset = offsetof(struct conf, seed),
				   .help = "what is done follows from it [1]" };
	opts[nr++] = (struct opt){ .name = "minutes", .type = OPT_UINT, .arg = "N", .max = 100000,
				   .offset = offsetof(struct conf, minutes), .help = "so long [no limit]" };
	if (b->number)
		opts[nr++] = (struct opt){ .name = b->number, .type = OPT_UINT, .arg = "N",
					   .offset = offsetof(struct conf, number), .help = "so many [no limit]" };
	if (b->verbose)
		opts[nr++] = (struct opt){ .name = "verbose", .type = OPT_FLAG, .offset = offsetof(struct conf, verbose),
					   .help = "tell each step" };
}

static int usage(const struct byhand *b, const struct opt *opts, FILE *out, int status)
{
	fprintf(out, "usage: %s ", b->name);
	if (b->number)
		fprintf(out, "--%s N | ", b->number);
	fprintf(out, "--minutes N [--seed N]%s\n"
		"       %s [options of Criterion]    its tests\n\n", b->verbose ? " [--verbose]" : "", b->name);
	opts_help(out, opts);
	return status;
}

static int run(const struct byhand *b, const struct opt *opts, int argc, char **argv)
{
	struct conf conf = { .seed = 1 };
	int ret = opts_parse(argc, argv, &(struct opt_group){ opts, &conf }, 1);

	if (ret == OPTS_HELP)
		return usage(b, opts, stdout, 0);
	if (ret || (!conf.number && !conf.minutes))
		return usage(b, opts, stderr, 2);
	check_in_child();
	b->run(&(struct byhand_conf){ .seed = conf.seed, .number = conf.number, .verbose = conf.verbose,
				      .end = conf.minutes ? now_ms() + conf.minutes * 60000ULL : 0 });
	return 0;
}

static bool is_ours(const struct opt *o, const char *word)
{
	for (; o->name; o++)
		if (!strncmp(word, "--", 2) && !strncmp(word + 2, o->name, strlen(o->name)))
			return true;
	return false;
}

int byhand_main(const struct byhand *b, int argc, char **argv)
{
	struct criterion_test_set *tests;
	struct opt opts[OPTS_MAX];
	int ret = 0;

	make_opts(b, opts);
	if (argc > 1 && is_ours(opts, argv[1]))
		return run(b, opts, argc, argv);
	tests = criterion_initialize();
	if (criterion_handle_args(argc, argv, true))
		ret = !criterion_run_all_tests(tests);
	criterion_finalize(tests);
	return ret;
}
