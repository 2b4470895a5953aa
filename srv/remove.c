// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "control_sock.h"
#include "log.h"
#include "remove.h"

#define REMOVE_WAIT_US	3000000

/*
 * Until the number is free, or has been given to another device than that of @flags.  DEL_DEV can
 * wait by itself, but for ever, when somebody has the block device open or
 * mounted.
 */
static bool remove_wait(struct ctrl *c, u32 id, u64 flags)
{
	struct ublksrv_ctrl_dev_info info;
	unsigned int us = 500;

	for (unsigned int waited = 0; waited < REMOVE_WAIT_US; waited += us) {
		if (ctrl_get_info(c, id, &info) || info.ublksrv_flags != flags)
			return true;
		usleep(us);
		if (us < 20000)
			us *= 2;
	}
	return false;
}

int remove_device(struct ctrl *c, const char *cmd, u32 id, bool *removed)
{
	struct ublksrv_ctrl_dev_info info;
	int ret = ctrl_get_info(c, id, &info);

	if (!ret)
		ret = ctrl_stop_dev(c, id);
	if (!ret)
		ret = ctrl_del_dev_async(c, id);
	if (ret == -ENODEV)
		log_err("%s: device %u: there is none; 'regbuf list' shows what there is", cmd, id);
	else if (ret)
		log_err("%s: device %u: %s", cmd, id, strerror(-ret));
	if (ret)
		return ret;
	*removed = remove_wait(c, id, info.ublksrv_flags);
	if (*removed)
		control_forget(id);
	else
		log_warn("%s: device %u is stopped; its number is free again when whoever has it open or mounted lets go",
			 cmd, id);
	return 0;
}
