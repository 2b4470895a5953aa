/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Command line options from tables.
 *
 * An option is one entry: how it is spelled, what it takes, where the value
 * goes, and its line of help.  A command gives opts_parse() several groups (its
 * own, its target's), each with the struct that the offsets are relative to.
 * Defaults are what the struct holds before.
 */
#ifndef SRV_OPTS_H
#define SRV_OPTS_H

#include <stdio.h>

#include "types.h"

enum opt_type {
	OPT_FLAG = 1,	/* bool, no value */
	OPT_UINT,	/* unsigned int, min..max */
	OPT_SIZE,	/* u64, with K, M, G or T, min..max, a multiple of align */
	OPT_SIZE32,	/* unsigned int, the same */
	OPT_STR,	/* const char *, points into argv */
	OPT_CHOICE,	/* const char *, one of choices */
	OPT_LIST,	/* struct strlist, may be repeated */
};

/* Values of a repeated option; the strings are argv's. */
struct strlist {
	unsigned int nr;
	const char *v[MAX_LEGS];
};

/* One option, in a static table; tables end with an entry without a name. */
struct opt {
	const char *name;		/* without the dashes */
	char letter;			/* 0: no short form */
	enum opt_type type;
	size_t offset;
	u64 min, max;			/* max 0: no limit */
	u64 align;			/* 0: any */
	const char *const *choices;	/* NULL-terminated */
	const char *arg;		/* name of the value in the help */
	const char *help;
};

/* A table, and the struct that its offsets are in; on the stack of who parses. */
struct opt_group {
	const struct opt *opts;
	void *base;
};

#define OPTS_HELP	1

/*
 * Parse argv[1..]; argv[0] is the name of the command, for messages.
 * Returns 0, OPTS_HELP when help was asked for, or -EINVAL after a message that
 * says which option, which value, and what would be right.  Words that are not
 * options are refused.  A value that begins with "--" has to be in the option's own word:
 * --leg=--odd.
 */
int opts_parse(int argc, char **argv, const struct opt_group *groups, unsigned int nr);

/*
 * The same for a command that takes words which are no options: they come to stand in
 * argv[1] to argv[*nr_words], in their order.
 */
int opts_parse_words(int argc, char **argv, const struct opt_group *groups, unsigned int nr,
		     unsigned int *nr_words);

/*
 * The same for a command that has no options.  The exit status where the command ends here, as @help, which was
 * asked for, is printed, or after a message; or -1.
 */
int opts_words(int argc, char **argv, const char *help, unsigned int *nr_words);

/*
 * The value of one option, looked up before the tables are known (the type of a
 * target chooses its table).  NULL when absent.  Reports nothing.
 */
const char *opts_peek(int argc, char **argv, const struct opt *opt);

/* Is it --help or -h? */
bool opts_is_help(const char *word);

void opts_help(FILE *out, const struct opt *opts);

/* Where @name is in @choices, which ends with NULL; -1: it is not there. */
int opts_choice(const char *const *choices, const char *name);

/* "64K" -> 65536.  Returns 0, -EINVAL, or -ERANGE; *value is set on 0 only. */
int opts_size(const char *text, u64 *value);

#endif
