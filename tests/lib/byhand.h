/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A test program that goes on by hand as well, without Criterion: from a seed, and for as long as its
 * options say.
 */
#ifndef TESTS_BYHAND_H
#define TESTS_BYHAND_H

#include "types.h"

/* struct byhand_conf - the options' values; @number and @end 0: no limit, but one of them is there */
struct byhand_conf {
	unsigned int seed, number;
	u64 end;		/* of now_ms() */
	bool verbose;
};

/*
 * struct byhand - such a program, in a static table
 * @number: the option for how much is to be done, "kills" say; NULL: there is none
 * @verbose: it has an option to tell each step
 * @run: in a process that ends with status 1 when must() fails
 */
struct byhand {
	const char *name, *number;
	bool verbose;
	void (*run)(const struct byhand_conf *conf);
};

/*
 * For main(): @run if the first argument is an option of its own, else the program's tests.  Returns the
 * exit status.
 */
int byhand_main(const struct byhand *b, int argc, char **argv);

#endif
