// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdio.h>

#include "caps.h"
#include "cmd.h"
#include "launch.h"
#include "log.h"
#include "opts.h"

struct add_conf {
	const char *type;
	const char *mode;
	unsigned int nr_queues;
	unsigned int depth;
	unsigned int id;
	u64 max_io;
	bool foreground;
};

static const struct opt type_opt = {
	.name = "type", .letter = 't', .type = OPT_STR, .arg = "TYPE",
	.offset = offsetof(struct add_conf, type), .help = "the target, see below"
};

static const struct opt add_opts[] = {
	{ .name = "type", .letter = 't', .type = OPT_STR, .arg = "TYPE",
	  .offset = offsetof(struct add_conf, type), .help = "the target, see below" },
	{ .name = "mode", .letter = 'm', .type = OPT_CHOICE, .arg = "MODE", .choices = mode_names,
	  .offset = offsetof(struct add_conf, mode), .help = "how data moves, see below [copy]" },
	{ .name = "queues", .letter = 'q', .type = OPT_UINT, .arg = "N", .min = 1, .max = UBLK_MAX_NR_QUEUES,
	  .offset = offsetof(struct add_conf, nr_queues),
	  .help = "queues, each with a thread; at most one per CPU [1]" },
	{ .name = "depth", .letter = 'd', .type = OPT_UINT, .arg = "N", .min = 1, .max = UBLK_MAX_QUEUE_DEPTH,
	  .offset = offsetof(struct add_conf, depth), .help = "requests per queue [128]" },
	{ .name = "id", .letter = 'n', .type = OPT_UINT, .arg = "ID", .max = (1U << 20) - 1,
	  .offset = offsetof(struct add_conf, id), .help = "number N of /dev/ublkbN [first free]" },
	{ .name = "max-io", .type = OPT_SIZE, .arg = "SIZE", .min = 4096, .max = LIMITS_MAX_IO, .align = 4096,
	  .offset = offsetof(struct add_conf, max_io), .help = "largest request [512K]" },
	{ .name = "foreground", .letter = 'f', .type = OPT_FLAG,
	  .offset = offsetof(struct add_conf, foreground), .help = "serve in this process, log to stderr" },
	{ 0 }
};

static void add_help(void)
{
	printf("usage: regbuf add -t TYPE [-m MODE] [OPTIONS] [options of the target]\n\n"
	       "Makes a block device and prints its name when it is usable.\n\n");
	opts_help(stdout, add_opts);
	printf("\nmodes:\n");
	for (const struct mode_ops *const *m = mode_list; *m; m++)
		printf("  %-26s %s\n", (*m)->name, (*m)->summary);
	for (const struct target_ops *const *t = target_list; *t; t++) {
		printf("\n-t %s: %s\n", (*t)->name, (*t)->summary);
		opts_help(stdout, (*t)->opts);
	}
}

static const struct target_ops *add_find_target(int argc, char **argv)
{
	const char *name = opts_peek(argc, argv, &type_opt);
	const struct target_ops *ops = name ? target_find(name) : NULL;
	char names[128] = "";
	size_t used = 0;

	if (ops)
		return ops;
	for (const struct target_ops *const *t = target_list; *t; t++)
		used += snprintf(names + used, sizeof(names) - used, "%s%s",
				 used ? ", " : "", (*t)->name);
	if (name)
		log_err("add: -t %s: no such target; right is one of %s", name, names);
	else
		log_err("add: -t TYPE is missing; right is one of %s", names);
	return NULL;
}

static int add_check_kernel(const struct mode_ops *mode)
{
	const char *missing;
	struct caps caps;
	struct ctrl c;
	int ret = ctrl_init(&c);

	if (ret)
		return ret;
	ret = caps_probe(&c, &caps);
	ctrl_deinit(&c);
	if (ret)
		return ret;
	ret = mode_check(mode, &caps, &missing);
	if (ret)
		log_err("add: -m %s: this kernel lacks %s; 'regbuf features' tells what it has",
			mode->name, missing);
	return ret;
}

static int add_run(struct target *t, const struct add_conf *conf)
{
	struct launch l = {
		.mode = mode_find(conf->mode),
		.target = t,
		.id = conf->id,
		.nr_queues = conf->nr_queues,
		.depth = conf->depth,
		.max_io = conf->max_io,
		.foreground = conf->foreground,
		.use_syslog = !conf->foreground,
	};

	if (add_check_kernel(l.mode) || t->ops->open(t))
		return 1;
	return launch_run(&l);
}

int cmd_add(int argc, char **argv)
{
	struct add_conf conf = {
		.mode = "copy",
		.nr_queues = 1,
		.depth = 128,
		.id = UINT32_MAX,
		.max_io = LIMITS_DEF_IO,
	};
	struct opt_group groups[2] = { { add_opts, &conf } };
	const struct target_ops *ops;
	struct target *t;
	int ret;

	for (int i = 1; i < argc; i++) {
		if (opts_is_help(argv[i])) {
			add_help();
			return 0;
		}
	}
	ops = add_find_target(argc, argv);
	if (!ops)
		return EXIT_USAGE;
	t = target_create(ops);
	if (!t)
		return 1;
	groups[1] = (struct opt_group){ ops->opts, t->conf };
	ret = opts_parse(argc, argv, groups, 2);
	if (!ret && ops->check)
		ret = ops->check(t);
	ret = ret ? EXIT_USAGE : add_run(t, &conf);
	target_destroy(t);
	return ret;
}
