// SPDX-License-Identifier: GPL-2.0
/*
 * add and recover: the options, and what they make of a device.  They are one command but for
 * where the device comes from, so they share options, targets and help.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cmd.h"
#include "ids.h"
#include "log.h"
#include "serving.h"

/* struct add_conf - the options' values, on the stack of add_main() */
struct add_conf {
	const char *type;
	struct serving serving;
};

#define ADD_OPT(member)		.offset = offsetof(struct add_conf, member)
#define TYPE_OPT \
	{ .name = "type", .letter = 't', .type = OPT_STR, .arg = "TYPE", \
	  ADD_OPT(type), .help = "the target, see below" }

static const struct opt type_opt = TYPE_OPT;
static const struct opt inner_opt = { .name = "inner", .letter = 'i', .type = OPT_STR };

static const struct opt add_opts[] = {
	TYPE_OPT,
	{ 0 }
};

static const struct opt recover_opts[] = {
	TYPE_OPT,
	{ .name = "force", .type = OPT_FLAG, ADD_OPT(serving.launch.force),
	  .help = "as another target, or with other legs, than it was made" },
	{ 0 }
};

static void add_help_targets(void)
{
	serving_help_modes();
	for (const struct target_ops *const *t = target_list; *t; t++) {
		printf("\n-t %s: %s\n", (*t)->name, (*t)->summary);
		opts_help(stdout, (*t)->opts);
	}
}

static void add_help(void)
{
	printf("usage: regbuf add -t TYPE [-m MODE] [OPTIONS] [options of the target]\n\n"
	       "Makes a block device and prints its name when it is usable.\n\n");
	opts_help(stdout, add_opts);
	opts_help(stdout, serving_opts);
	add_help_targets();
}

static void recover_help(void)
{
	printf("usage: regbuf recover -n ID -t TYPE [-m MODE] [options of the target]\n\n"
	       "Gives a device, made with --recovery, whose server died a new server.  Target and\n"
	       "legs are those that it was made with, the mode one that moves data the same way.\n"
	       "Waits until the old server is gone and has\n"
	       "let go of the legs, for at most 10 seconds.\n\n");
	opts_help(stdout, recover_opts);
	opts_help(stdout, serving_again_opts);
	add_help_targets();
}

static void add_unknown_target(const char *cmd, const struct opt *opt, const char *name)
{
	char names[128] = "";
	size_t used = 0;

	for (const struct target_ops *const *t = target_list; *t; t++)
		if (opt == &type_opt || !(*t)->wraps)
			used += snprintf(names + used, sizeof(names) - used, "%s%s",
					 used ? ", " : "", (*t)->name);
	if (name)
		log_err("%s: --%s %s: no such target; right is one of %s", cmd, opt->name, name, names);
	else
		log_err("%s: --%s TYPE is missing; right is one of %s", cmd, opt->name, names);
}

/* The target that --type or --inner names; NULL after a message. */
static struct target *add_make_target(int argc, char **argv, const struct opt *opt)
{
	const char *name = opts_peek(argc, argv, opt);
	const struct target_ops *ops = name ? target_find(name) : NULL;
	struct target *t;

	if (!ops || (ops->wraps && opt == &inner_opt)) {
		add_unknown_target(argv[0], opt, name);
		return NULL;
	}
	t = target_create(ops);
	if (!t || !ops->wraps)
		return t;
	t->inner = add_make_target(argc, argv, &inner_opt);
	if (t->inner)
		return t;
	target_destroy(t);
	return NULL;
}

static int add_parse(int argc, char **argv, struct add_conf *conf, struct target *t)
{
	bool recover = conf->serving.launch.recover;
	struct opt_group groups[4] = {
		{ recover ? recover_opts : add_opts, conf },
		{ recover ? serving_again_opts : serving_opts, &conf->serving },
		{ t->ops->opts, t->conf },
	};
	unsigned int nr = 3;
	int ret;

	if (t->inner)
		groups[nr++] = (struct opt_group){ t->inner->ops->opts, t->inner->conf };
	ret = opts_parse(argc, argv, groups, nr);
	if (!ret && t->ops->check)
		ret = t->ops->check(t);
	if (!ret && recover && conf->serving.launch.device.id == ID_ANY) {
		log_err("recover: -n ID is missing");
		ret = -EINVAL;
	}
	return ret;
}

enum add_what { ADD, ADD_RECOVER, ADD_CHECK };

static int add_main(int argc, char **argv, enum add_what what)
{
	struct add_conf conf = { .serving = SERVING_DEFAULTS };
	struct target *t = add_make_target(argc, argv, &type_opt);
	int ret;

	if (!t)
		return EXIT_USAGE;
	conf.serving.launch.recover = what == ADD_RECOVER;
	ret = add_parse(argc, argv, &conf, t) ? EXIT_USAGE : 0;
	if (!ret && what != ADD_CHECK)
		ret = serving_run(argv[0], &conf.serving, t);
	target_destroy(t);
	return ret;
}

static bool add_wants_help(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (opts_is_help(argv[i]))
			return true;
	return false;
}

int cmd_add(int argc, char **argv)
{
	if (!add_wants_help(argc, argv))
		return add_main(argc, argv, ADD);
	add_help();
	return 0;
}

int cmd_add_check(int argc, char **argv)
{
	return add_main(argc, argv, ADD_CHECK);
}

int cmd_recover(int argc, char **argv)
{
	if (!add_wants_help(argc, argv))
		return add_main(argc, argv, ADD_RECOVER);
	recover_help();
	return 0;
}
