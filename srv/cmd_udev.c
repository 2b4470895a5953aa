// SPDX-License-Identifier: GPL-2.0
/*
 * udev: what a device is called, for udev's rules.  udev asks with each of a device's events, so
 * nothing but the driver and the names that are kept is looked at: a server may be about to start.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cmd.h"
#include "ctrl.h"
#include "identity.h"
#include "ids.h"
#include "log.h"
#include "opts.h"
#include "resume.h"

static int udev_tell(const char *cmd, u32 id)
{
	struct ublksrv_ctrl_dev_info info;
	char why[CONTROL_WHY_MAX];
	struct resume_name n;
	struct ctrl c;
	int ret = ctrl_init(&c);

	if (ret)
		return 1;
	ret = ctrl_get_info(&c, id, &info);
	ctrl_deinit(&c);
	if (ret) {
		log_err("%s: device %u: %s", cmd, id, strerror(-ret));
		return 1;
	}
	if (!identity_is_ours(info.ublksrv_flags))
		return 0;
	ret = resume_name_of(id, info.ublksrv_flags, &n, why);
	if (ret < 0) {
		log_err("%s: %s", cmd, why);
		return 1;
	}
	if (ret) {
		printf("REGBUF_NAME=%s\n", n.name);
		if (n.uuid[0])
			printf("REGBUF_UUID=%s\n", n.uuid);
	}
	return 0;
}

int cmd_udev(int argc, char **argv)
{
	static const char help[] =
		"usage: regbuf udev ublkbN\n\n"
		"Prints what a device is called, as udev's rules take it: REGBUF_NAME=..., and\n"
		"REGBUF_UUID=..., which is the UUID of its set.  Nothing, if it has no name.\n";
	unsigned int nr, id;
	char rest;
	int ret = opts_words(argc, argv, help, &nr);

	if (ret >= 0)
		return ret;
	if (nr == 1 && sscanf(argv[1], "ublkb%u%c", &id, &rest) == 1 && id <= ID_MAX)
		return udev_tell(argv[0], id);
	log_err("%s: right is one device as the kernel calls it: ublkb0", argv[0]);
	return EXIT_USAGE;
}
