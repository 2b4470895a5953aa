// SPDX-License-Identifier: GPL-2.0
/*
 * quiesce: a server ends without its device, so that another one can serve it.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "cmd.h"
#include "control_ask.h"
#include "ctrl.h"
#include "ids.h"
#include "log.h"
#include "opts.h"
#include "recover.h"
#include "resume.h"

/* Until it is told what is waited for. */
#define QUIESCE_TELL_MS	3000
/* How long the end of a server takes at most that has let go of its device. */
#define QUIESCE_END_MS	10000
#define QUIESCE_POLL_US	10000

/* struct quiesce_conf - the options' values, on the stack of cmd_quiesce() */
struct quiesce_conf {
	unsigned int id;
	const char *name;
};

static const struct opt quiesce_opts[] = {
	{ .name = "id", .letter = 'n', .type = OPT_UINT, .arg = "ID", .max = ID_MAX,
	  .offset = offsetof(struct quiesce_conf, id), .help = "the device /dev/ublkbID" },
	{ .name = "name", .type = OPT_STR, .arg = "NAME",
	  .offset = offsetof(struct quiesce_conf, name), .help = "the device that was given this name, whichever number it has" },
	{ 0 }
};

/* 0, or -errno after a message: it would not outlive its server, or has none. */
static int quiesce_check(struct ctrl *c, u32 id, struct ublksrv_ctrl_dev_info *info)
{
	int ret = ctrl_get_info(c, id, info);

	if (ret == -ENODEV) {
		log_err("quiesce: device %u: there is none; 'regbuf list' shows what there is", id);
	} else if (ret) {
		log_err("quiesce: device %u: %s", id, strerror(-ret));
	} else if (!(info->flags & UBLK_F_USER_RECOVERY)) {
		log_err("quiesce: device %u: it was not made with --recovery, and would end with its server; 'regbuf del -n %u' removes it",
			id, id);
		ret = -EINVAL;
	} else if (info->state != UBLK_S_DEV_LIVE) {
		log_err("quiesce: device %u: it has no server", id);
		ret = -ESRCH;
	}
	return ret;
}

static int quiesce_ask(const struct ublksrv_ctrl_dev_info *info)
{
	char why[CONTROL_WHY_MAX];
	struct control_answer a;
	int ret = control_ask(info->dev_id, info->ublksrv_pid, (const char *[]){ "quiesce", NULL }, &a, why);

	if (ret) {
		log_err("quiesce: device %u: its server cannot be asked: %s", info->dev_id, why);
		return ret;
	}
	if (a.err)
		log_err("quiesce: device %u: its server says: %s", info->dev_id, *a.text ? a.text : strerror(-a.err));
	ret = a.err;
	free(a.text);
	return ret;
}

/* Has the server of *asked let go of the device?  1, 0 or -errno after a message. */
static int quiesce_is_over(struct ctrl *c, const struct ublksrv_ctrl_dev_info *asked)
{
	struct ublksrv_ctrl_dev_info info;
	int ret = ctrl_get_info(c, asked->dev_id, &info);

	if (!ret && (info.state == UBLK_S_DEV_DEAD || info.ublksrv_flags != asked->ublksrv_flags))
		ret = -ENODEV;
	if (ret)
		log_err("quiesce: device %u: %s", asked->dev_id, ret == -ENODEV ? "it was removed meanwhile" : strerror(-ret));
	return ret ? ret : info.state != UBLK_S_DEV_LIVE || info.ublksrv_pid != asked->ublksrv_pid;
}

/* Until the driver has noticed, and then until the server has ended. */
static int quiesce_wait(struct ctrl *c, const struct ublksrv_ctrl_dev_info *asked)
{
	u64 tell_at = clock_ms() + QUIESCE_TELL_MS, until;
	int ret;

	while (!(ret = quiesce_is_over(c, asked))) {
		if (clock_ms() >= tell_at) {
			log_warn("quiesce: device %u: it waits for what its server has in work; what comes is held", asked->dev_id);
			tell_at = UINT64_MAX;
		}
		usleep(QUIESCE_POLL_US);
	}
	/* it has a set's record to write; in another pid namespace the number is somebody else's */
	for (until = clock_ms() + QUIESCE_END_MS; ret > 0 && clock_ms() < until; usleep(QUIESCE_POLL_US))
		if (recover_pid_ends(asked->ublksrv_pid, 0))
			break;
	return ret < 0 ? ret : 0;
}

static int quiesce_run(u32 id)
{
	struct ublksrv_ctrl_dev_info info;
	struct ctrl c;
	int ret = ctrl_init(&c);

	if (ret)
		return ret;
	ret = quiesce_check(&c, id, &info);
	if (!ret)
		ret = quiesce_ask(&info);
	if (!ret)
		ret = quiesce_wait(&c, &info);
	ctrl_deinit(&c);
	return ret;
}

int cmd_quiesce(int argc, char **argv)
{
	struct quiesce_conf conf = { .id = ID_ANY };
	const struct opt_group group = { quiesce_opts, &conf };
	int ret = opts_parse(argc, argv, &group, 1);

	if (ret == OPTS_HELP) {
		printf("usage: regbuf quiesce -n ID | --name NAME\n\n"
		       "Ends the server of a device that was made with --recovery, when what it has in work is\n"
		       "done.  The device stays, mounted or not, and its clients wait for the next server, with\n"
		       "--reissue all of them.\n\n");
		opts_help(stdout, quiesce_opts);
		return 0;
	}
	if (!ret && (conf.id != ID_ANY) + !!conf.name != 1) {
		log_err("quiesce: right is one of -n ID and --name NAME");
		ret = -EINVAL;
	}
	if (ret || (conf.name && !resume_check_name("quiesce", conf.name)))
		return EXIT_USAGE;
	if (conf.name && resume_id("quiesce", conf.name, &conf.id))
		return 1;
	return quiesce_run(conf.id) ? 1 : 0;
}
