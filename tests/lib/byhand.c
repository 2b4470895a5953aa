// SPDX-License-Identifier: GPL-2.0
#include <criterion/criterion.h>
#include <string.h>

#include "byhand.h"

int byhand_usage(const struct byhand *b, FILE *out, int status)
{
	fprintf(out, "usage: %s %s\n"
		"       %s [options of Criterion]    its tests\n\n", b->name, b->usage, b->name);
	opts_help(out, b->opts);
	return status;
}

static bool is_ours(const struct byhand *b, const char *word)
{
	for (const struct opt *o = b->opts; o->name; o++)
		if (!strncmp(word, "--", 2) && !strncmp(word + 2, o->name, strlen(o->name)))
			return true;
	return false;
}

int byhand_main(const struct byhand *b, int argc, char **argv)
{
	struct criterion_test_set *tests;
	int ret = 0;

	if (argc > 1 && is_ours(b, argv[1]))
		return b->run(argc, argv);
	tests = criterion_initialize();
	if (criterion_handle_args(argc, argv, true))
		ret = !criterion_run_all_tests(tests);
	criterion_finalize(tests);
	return ret;
}
