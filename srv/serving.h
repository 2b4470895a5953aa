/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How a device is served, whatever its target: the options that every command has which makes
 * one, and what they stand for.
 */
#ifndef SRV_SERVING_H
#define SRV_SERVING_H

#include "ids.h"
#include "launch.h"
#include "opts.h"

/*
 * struct serving - the options' values
 * On the stack of the command, SERVING_DEFAULTS before.  Most are the device's or the launch's
 * own; beside them names of what @launch points to, and what UBLK_F_* is made of.
 */
struct serving {
	const char *mode;
	const char *pace;
	const char *stable;
	bool recovery, reissue;
	struct launch launch;
};

#define SERVING_DEFAULTS { \
	.mode = MODE_BEST, \
	.pace = "auto", \
	.stable = "cache", \
	.launch.device = { .id = ID_ANY, .nr_queues = 1, .depth = 128, .max_io = LIMITS_DEF_IO } \
}

/* Of a new device; of one that is recovered. */
extern const struct opt serving_opts[];
extern const struct opt serving_again_opts[];

/* For help: what --mode may be. */
void serving_help_modes(void);

/*
 * Serve target @t, which is not open: s->launch gets what the options stand for, the kernel is
 * looked at, @t opened, and the device launched.  @cmd: for messages.  The exit status.
 */
int serving_run(const char *cmd, struct serving *s, struct target *t);

#endif
