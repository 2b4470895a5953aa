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
#include "launch.h"
#include "log.h"
#include "opts.h"
#include "precheck.h"

/* A server that was stopped a moment ago lets go of its legs at once, */
#define ADD_PATIENCE_MS		1000
/* one that was killed when its I/O is done. */
#define RECOVER_PATIENCE_MS	10000

/*
 * struct add_conf - the options' values
 * On the stack of add_main().  Most are the device's or the launch's own; beside them
 * names of what @launch points to, and what UBLK_F_* is made of.
 */
struct add_conf {
	const char *type;
	const char *mode;
	const char *pace;
	bool recovery, reissue;
	struct launch launch;
};

#define ADD_OPT(member)		.offset = offsetof(struct add_conf, member)
#define LAUNCH_OPT(member)	ADD_OPT(launch.member)
#define DEVICE_OPT(member)	LAUNCH_OPT(device.member)
#define TYPE_OPT \
	{ .name = "type", .letter = 't', .type = OPT_STR, .arg = "TYPE", \
	  ADD_OPT(type), .help = "the target, see below" }
#define MODE_OPT \
	{ .name = "mode", .letter = 'm', .type = OPT_CHOICE, .arg = "MODE", .choices = mode_names, \
	  ADD_OPT(mode), .help = "how data moves, see below [copy]" }
#define FOREGROUND_OPT \
	{ .name = "foreground", .letter = 'f', .type = OPT_FLAG, \
	  LAUNCH_OPT(foreground), .help = "serve in this process, log to stderr" }
#define JSON_OPT \
	{ .name = "json", .letter = 'j', .type = OPT_FLAG, \
	  LAUNCH_OPT(json), .help = "print the device as JSON" }
#define PACE_OPT \
	{ .name = "pace", .letter = 'p', .type = OPT_CHOICE, .arg = "PACE", .choices = pace_names, \
	  ADD_OPT(pace), \
	  .help = "preempt clients (normal), wait for them (batch), or by load [auto]" }

static const struct opt type_opt = TYPE_OPT;
static const struct opt inner_opt = { .name = "inner", .letter = 'i', .type = OPT_STR };

static const struct opt add_opts[] = {
	TYPE_OPT,
	MODE_OPT,
	{ .name = "queues", .letter = 'q', .type = OPT_UINT, .arg = "N", .min = 1, .max = UBLK_MAX_NR_QUEUES,
	  DEVICE_OPT(nr_queues),
	  .help = "queues, each with a thread; at most one per CPU [1]" },
	{ .name = "depth", .letter = 'd', .type = OPT_UINT, .arg = "N", .min = 1, .max = UBLK_MAX_QUEUE_DEPTH,
	  DEVICE_OPT(depth), .help = "requests per queue [128]" },
	{ .name = "id", .letter = 'n', .type = OPT_UINT, .arg = "ID", .max = ID_MAX,
	  DEVICE_OPT(id), .help = "number N of /dev/ublkbN [first free]" },
	{ .name = "max-io", .type = OPT_SIZE32, .arg = "SIZE", .min = 4096, .max = LIMITS_MAX_IO, .align = 4096,
	  DEVICE_OPT(max_io), .help = "largest request [512K]" },
	{ .name = "recovery", .letter = 'r', .type = OPT_FLAG,
	  ADD_OPT(recovery),
	  .help = "the device outlives its server and waits for 'recover'" },
	{ .name = "reissue", .type = OPT_FLAG,
	  ADD_OPT(reissue),
	  .help = "and what the server had in work is done again, not failed" },
	PACE_OPT,
	FOREGROUND_OPT,
	JSON_OPT,
	{ 0 }
};

static const struct opt recover_opts[] = {
	TYPE_OPT,
	MODE_OPT,
	{ .name = "id", .letter = 'n', .type = OPT_UINT, .arg = "ID", .max = ID_MAX,
	  DEVICE_OPT(id), .help = "the device /dev/ublkbID" },
	{ .name = "force", .type = OPT_FLAG, LAUNCH_OPT(force),
	  .help = "as another target, or with other legs, than it was made" },
	PACE_OPT,
	FOREGROUND_OPT,
	JSON_OPT,
	{ 0 }
};

static void add_help_targets(void)
{
	printf("\nmodes:\n");
	for (const struct mode_ops *const *m = mode_list; *m; m++)
		printf("  %-26s %s\n", (*m)->name, (*m)->summary);
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

static int add_parse(int argc, char **argv, const struct opt *opts, struct add_conf *conf,
		     struct target *t)
{
	struct opt_group groups[3] = { { opts, conf }, { t->ops->opts, t->conf } };
	unsigned int nr = 2;
	int ret;

	if (t->inner)
		groups[nr++] = (struct opt_group){ t->inner->ops->opts, t->inner->conf };
	ret = opts_parse(argc, argv, groups, nr);
	if (!ret && t->ops->check)
		ret = t->ops->check(t);
	return ret;
}

/* What the names and flags among the options stand for. */
static void add_resolve(const struct add_conf *conf, struct target *t, struct device *d)
{
	d->mode = mode_find(conf->mode);
	d->pace = pace_find(conf->pace);
	d->target = t;
	if (conf->recovery || conf->reissue)
		d->flags |= UBLK_F_USER_RECOVERY;
	if (conf->reissue)
		d->flags |= UBLK_F_USER_RECOVERY_REISSUE;
}

static int add_run(const char *cmd, struct launch *l)
{
	struct target *t = l->device.target;

	for (struct target *i = t; i; i = i->inner)
		i->patience_ms = l->recover ? RECOVER_PATIENCE_MS : ADD_PATIENCE_MS;
	if (precheck(cmd, l) || t->ops->open(t))
		return 1;
	return launch_run(l);
}

static int add_main(int argc, char **argv, const struct opt *opts, bool recover)
{
	struct add_conf conf = {
		.mode = "copy",
		.pace = "auto",
		.launch = {
			.recover = recover,
			.device = {
				.id = ID_ANY,
				.nr_queues = 1,
				.depth = 128,
				.max_io = LIMITS_DEF_IO,
			},
		},
	};
	struct target *t = add_make_target(argc, argv, &type_opt);
	int ret;

	if (!t)
		return EXIT_USAGE;
	ret = add_parse(argc, argv, opts, &conf, t);
	if (!ret && recover && conf.launch.device.id == ID_ANY) {
		log_err("recover: -n ID is missing");
		ret = -EINVAL;
	}
	if (ret) {
		ret = EXIT_USAGE;
	} else {
		add_resolve(&conf, t, &conf.launch.device);
		ret = add_run(argv[0], &conf.launch);
	}
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
		return add_main(argc, argv, add_opts, false);
	add_help();
	return 0;
}

int cmd_recover(int argc, char **argv)
{
	if (!add_wants_help(argc, argv))
		return add_main(argc, argv, recover_opts, true);
	recover_help();
	return 0;
}
