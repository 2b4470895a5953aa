// SPDX-License-Identifier: GPL-2.0
#include <stdio.h>
#include <string.h>

#include "cmd.h"
#include "ids.h"
#include "log.h"
#include "precheck.h"
#include "resume.h"
#include "serving.h"

/* A server that was stopped a moment ago lets go of its legs at once, */
#define SERVING_PATIENCE_MS	1000
/* one that was killed when its I/O is done. */
#define RECOVER_PATIENCE_MS	10000

#define SERVING_OPT(member)	.offset = offsetof(struct serving, member)
#define LAUNCH_OPT(member)	SERVING_OPT(launch.member)
#define DEVICE_OPT(member)	LAUNCH_OPT(device.member)

#define MODE_OPT \
	{ .name = "mode", .letter = 'm', .type = OPT_CHOICE, .arg = "MODE", .choices = mode_choices, \
	  SERVING_OPT(mode), .help = "how data moves, see below [" MODE_BEST "]" }
#define PACE_OPT \
	{ .name = "pace", .letter = 'p', .type = OPT_CHOICE, .arg = "PACE", .choices = pace_names, \
	  SERVING_OPT(pace), \
	  .help = "preempt clients (normal), wait for them (batch), or by load [auto]" }
#define STABLE_OPT \
	{ .name = "stable", .type = OPT_CHOICE, .arg = "HOW", .choices = stable_names, \
	  SERVING_OPT(stable), \
	  .help = "whose data holds still while legs write it: the page cache's (cache), all (always), none (off) [cache]" }
#define FOREGROUND_OPT \
	{ .name = "foreground", .letter = 'f', .type = OPT_FLAG, \
	  LAUNCH_OPT(foreground), .help = "serve in this process, log to stderr" }
#define JSON_OPT \
	{ .name = "json", .letter = 'j', .type = OPT_FLAG, \
	  LAUNCH_OPT(json), .help = "print the device as JSON" }

const struct opt serving_opts[] = {
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
	  SERVING_OPT(recovery),
	  .help = "the device outlives its server and waits for another one" },
	{ .name = "reissue", .type = OPT_FLAG,
	  SERVING_OPT(reissue),
	  .help = "and what the server had in work is done again, not failed" },
	PACE_OPT,
	STABLE_OPT,
	FOREGROUND_OPT,
	JSON_OPT,
	{ .name = "name", .type = OPT_STR, .arg = "NAME", DEVICE_OPT(name),
	  .help = "its name; if the server of a device of that name has died, that device is served again" },
	{ 0 }
};

const struct opt serving_again_opts[] = {
	MODE_OPT,
	{ .name = "id", .letter = 'n', .type = OPT_UINT, .arg = "ID", .max = ID_MAX,
	  DEVICE_OPT(id), .help = "the device /dev/ublkbID" },
	PACE_OPT,
	STABLE_OPT,
	FOREGROUND_OPT,
	JSON_OPT,
	{ 0 }
};

void serving_help_modes(void)
{
	printf("\nmodes:\n");
	printf("  %-26s %s\n", MODE_BEST, "the first of handoff, auto, register, register-cmd and copy that this kernel has");
	for (const struct mode_ops *const *m = mode_list; *m; m++)
		printf("  %-26s %s\n", (*m)->name, (*m)->summary);
}

static void serving_resolve(struct serving *s, struct target *t)
{
	struct device *d = &s->launch.device;

	/* NULL: the best, which precheck() looks for */
	d->mode = mode_find(s->mode);
	d->pace = opts_choice(pace_names, s->pace);
	d->stable = opts_choice(stable_names, s->stable);
	d->target = t;
	if (s->recovery || s->reissue)
		d->flags |= UBLK_F_USER_RECOVERY;
	if (s->reissue)
		d->flags |= UBLK_F_USER_RECOVERY_REISSUE;
}

/* What depends on the mode, which may have been chosen by what the kernel has. */
static void serving_use_mode(const char *cmd, struct serving *s)
{
	struct device *d = &s->launch.device;

	if (!strcmp(s->mode, MODE_BEST))
		log_info("%s: mode %s", cmd, d->mode->name);
	if (d->mode->lends)
		d->flags |= stable_flags(d->stable);
}

/* 0, or the exit status after a message. */
static int serving_use_name(const char *cmd, struct launch *l)
{
	int ret;

	if (!resume_check_name(cmd, l->device.name))
		return EXIT_USAGE;
	if (l->recover) {
		log_err("%s: --recover and --name both say which device; right is one of them", cmd);
		return EXIT_USAGE;
	}
	ret = resume_find(cmd, &l->device);
	if (ret < 0)
		return 1;
	l->recover = ret;
	return 0;
}

int serving_run(const char *cmd, struct serving *s, struct target *t)
{
	int ret = s->launch.device.name ? serving_use_name(cmd, &s->launch) : 0;

	if (ret)
		return ret;
	serving_resolve(s, t);
	for (struct target *i = t; i; i = i->inner)
		i->patience_ms = s->launch.recover ? RECOVER_PATIENCE_MS : SERVING_PATIENCE_MS;
	if (precheck(cmd, &s->launch))
		return 1;
	serving_use_mode(cmd, s);
	if (t->ops->open(t))
		return 1;
	return launch_run(&s->launch);
}
