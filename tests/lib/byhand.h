/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A test program that goes on by hand as well, without Criterion: for as long, and from the seed, that
 * options of its own say.
 */
#ifndef TESTS_BYHAND_H
#define TESTS_BYHAND_H

#include "opts.h"

/*
 * struct byhand - such a program, in a static table
 * @usage: its name, and how it is called by hand
 * @opts: its options, by which it is told that it is
 * @run: main() then; returns the exit status
 */
struct byhand {
	const char *name, *usage;
	const struct opt *opts;
	int (*run)(int argc, char **argv);
};

/* For main(): @run if the first argument is one of @opts, else the tests of the program. */
int byhand_main(const struct byhand *b, int argc, char **argv);

/* Prints how it is called.  Returns @status. */
int byhand_usage(const struct byhand *b, FILE *out, int status);

#endif
