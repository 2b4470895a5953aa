/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Control commands of ublk, one at a time, each waited for.
 *
 * Never used by a process that serves a queue: STOP and START wait for I/O
 * that such a process would have to do.
 */
#ifndef SRV_CTRL_H
#define SRV_CTRL_H

#include <liburing.h>
#include <linux/ublk_cmd.h>
#include <sys/types.h>

#include "types.h"

/*
 * struct ctrl - the control device and a ring to send commands with
 * In its user's memory; ctrl_init() and ctrl_deinit() by one thread.
 */
struct ctrl {
	int fd;
	struct io_uring ring;
};

/* 0, or -errno after a message. */
int ctrl_init(struct ctrl *c);
void ctrl_deinit(struct ctrl *c);

/* Each returns 0 or -errno, and says nothing. */
int ctrl_add_dev(struct ctrl *c, struct ublksrv_ctrl_dev_info *info);
int ctrl_del_dev(struct ctrl *c, u32 id);	/* waits until the id is free */
int ctrl_del_dev_async(struct ctrl *c, u32 id);
int ctrl_start_dev(struct ctrl *c, u32 id, int pid);
int ctrl_stop_dev(struct ctrl *c, u32 id);
int ctrl_get_info(struct ctrl *c, u32 id, struct ublksrv_ctrl_dev_info *info);
int ctrl_get_params(struct ctrl *c, u32 id, struct ublk_params *p);
int ctrl_set_params(struct ctrl *c, u32 id, struct ublk_params *p);
int ctrl_get_features(struct ctrl *c, u64 *features);
int ctrl_start_recovery(struct ctrl *c, u32 id);
int ctrl_end_recovery(struct ctrl *c, u32 id, int pid);

/* The number of its /dev/ublkbN (@block) or /dev/ublkcN; 0: the driver does not say. */
dev_t ctrl_get_devt(struct ctrl *c, u32 id, bool block);

/*
 * Ids of the devices that exist, ascending, in *ids, which the caller frees, also
 * after an error.  Returns how many, or -errno.
 */
int ctrl_list(u32 **ids);

#endif
