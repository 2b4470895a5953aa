// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "ctrl.h"
#include "ids.h"
#include "log.h"
#include "rlimits.h"
#include "sysfs.h"

#define CTRL_PATH	"/dev/ublk-control"
#define CTRL_CLASS	"/sys/class/ublk-char"
#define CTRL_MISC	"/sys/class/misc/ublk-control"
#define CTRL_SYSCTL	"/proc/sys/kernel/io_uring_disabled"
/* The standard three, the device, the ring, and some for libraries. */
#define CTRL_FILES	16

/* Which of the two it is cannot be told: a kernel's modules may be anywhere. */
static void ctrl_no_driver(int err)
{
	struct utsname kernel = { 0 };

	uname(&kernel);
	log_err(CTRL_PATH ": %s: this kernel, Linux %s, has no ublk driver, or it is not loaded (modprobe ublk_drv); right is Linux 6.5 or newer, on Debian 12 linux-image-6.12-amd64",
		strerror(err), kernel.release);
}

static int ctrl_open_failed(int err)
{
	switch (err) {
	case ENOENT:
	case ENODEV:
	case ENXIO:
		if (!access(CTRL_MISC, F_OK))
			log_err(CTRL_PATH ": %s: the ublk driver is there, its node is not; right is a devtmpfs at /dev: mount -t devtmpfs dev /dev, or in a unit PrivateDevices=no",
				strerror(err));
		else
			ctrl_no_driver(err);
		break;
	case EPERM:
		/* The node's mode would be EACCES. */
		if (!geteuid()) {
			log_err(CTRL_PATH ": %s: a sandbox forbids it (a cgroup's list of devices); right is one with /dev/ublk-control, char-ublk-char and the legs: DeviceAllow=, or a container's --device",
				strerror(err));
			break;
		}
		/* fall through */
	case EACCES:
		log_err(CTRL_PATH ": %s: this needs root (CAP_SYS_ADMIN)", strerror(err));
		break;
	default:
		log_err(CTRL_PATH ": %s", strerror(err));
	}
	return -err;
}

/* The sysctl kernel.io_uring_disabled; 0 also when it cannot be read. */
static int ctrl_uring_disabled(void)
{
	FILE *f = fopen(CTRL_SYSCTL, "re");
	int v = 0;

	if (f) {
		if (fscanf(f, "%d", &v) != 1)
			v = 0;
		fclose(f);
	}
	return v;
}

static int ctrl_ring_failed(int err)
{
	int disabled = ctrl_uring_disabled();

	if (err == EPERM && disabled)
		log_err("io_uring: %s: kernel.io_uring_disabled is %d; right is 0, or 1 for root: sysctl kernel.io_uring_disabled=1",
			strerror(err), disabled);
	else if (err == EPERM || err == ENOSYS)
		log_err("io_uring: %s: this kernel has none (CONFIG_IO_URING), or a sandbox (seccomp) forbids it",
			strerror(err));
	else
		log_err("io_uring: %s", strerror(err));
	return -err;
}

int ctrl_init(struct ctrl *c)
{
	int ret = rlimits_files(CTRL_FILES);

	if (ret)
		return ret;
	c->fd = open(CTRL_PATH, O_RDWR | O_CLOEXEC);
	if (c->fd < 0)
		return ctrl_open_failed(errno);

	ret = io_uring_queue_init(4, &c->ring, IORING_SETUP_SQE128);
	if (!ret)
		return 0;
	close(c->fd);
	return ctrl_ring_failed(-ret);
}

void ctrl_deinit(struct ctrl *c)
{
	io_uring_queue_exit(&c->ring);
	close(c->fd);
}

static int ctrl_cmd(struct ctrl *c, u32 op, const struct ublksrv_ctrl_cmd *cmd)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&c->ring);
	struct io_uring_cqe *cqe;
	int ret;

	if (!sqe)
		return -EBUSY;
	/* SQE128: the second half belongs to the command. */
	memset(sqe, 0, 2 * sizeof(*sqe));
	sqe->opcode = IORING_OP_URING_CMD;
	sqe->fd = c->fd;
	sqe->cmd_op = op;
	memcpy(sqe->cmd, cmd, sizeof(*cmd));

	ret = io_uring_submit(&c->ring);
	if (ret < 0)
		return ret;
	do {
		ret = io_uring_wait_cqe(&c->ring, &cqe);
	} while (ret == -EINTR);
	if (ret)
		return ret;
	ret = cqe->res;
	io_uring_cqe_seen(&c->ring, cqe);
	return ret;
}

static int ctrl_simple(struct ctrl *c, u32 op, u32 id, u64 data)
{
	struct ublksrv_ctrl_cmd cmd = {
		.dev_id = id,
		.queue_id = UINT16_MAX,
		.data[0] = data,
	};

	return ctrl_cmd(c, op, &cmd);
}

/* @buf is read or written before ctrl_cmd() returns. */
static int ctrl_buf(struct ctrl *c, u32 op, u32 id, void *buf, u16 len)
{
	struct ublksrv_ctrl_cmd cmd = {
		.dev_id = id,
		.queue_id = UINT16_MAX,
		.addr = (uintptr_t)buf,
		.len = len,
	};

	return ctrl_cmd(c, op, &cmd);
}

int ctrl_add_dev(struct ctrl *c, struct ublksrv_ctrl_dev_info *info)
{
	return ctrl_buf(c, UBLK_U_CMD_ADD_DEV, info->dev_id, info, sizeof(*info));
}

int ctrl_del_dev(struct ctrl *c, u32 id)
{
	return ctrl_simple(c, UBLK_U_CMD_DEL_DEV, id, 0);
}

int ctrl_del_dev_async(struct ctrl *c, u32 id)
{
	return ctrl_simple(c, UBLK_U_CMD_DEL_DEV_ASYNC, id, 0);
}

int ctrl_start_dev(struct ctrl *c, u32 id, int pid)
{
	return ctrl_simple(c, UBLK_U_CMD_START_DEV, id, pid);
}

int ctrl_stop_dev(struct ctrl *c, u32 id)
{
	return ctrl_simple(c, UBLK_U_CMD_STOP_DEV, id, 0);
}

int ctrl_get_info(struct ctrl *c, u32 id, struct ublksrv_ctrl_dev_info *info)
{
	return ctrl_buf(c, UBLK_U_CMD_GET_DEV_INFO, id, info, sizeof(*info));
}

int ctrl_get_params(struct ctrl *c, u32 id, struct ublk_params *p)
{
	memset(p, 0, sizeof(*p));
	p->len = sizeof(*p);
	return ctrl_buf(c, UBLK_U_CMD_GET_PARAMS, id, p, sizeof(*p));
}

int ctrl_set_params(struct ctrl *c, u32 id, struct ublk_params *p)
{
	return ctrl_buf(c, UBLK_U_CMD_SET_PARAMS, id, p, sizeof(*p));
}

int ctrl_get_features(struct ctrl *c, u64 *features)
{
	/* Our kernel tells what is not mainline's only to who says that it knows it. */
	struct ublksrv_ctrl_cmd cmd = {
		.dev_id = UINT32_MAX,
		.queue_id = UINT16_MAX,
		.addr = (uintptr_t)features,
		.len = UBLK_FEATURES_LEN,
		.data[0] = UBLK_F_STABLE_PAGES | UBLK_F_HANDOFF,
	};

	_Static_assert(sizeof(*features) == UBLK_FEATURES_LEN, "features are one word");
	return ctrl_cmd(c, UBLK_U_CMD_GET_FEATURES, &cmd);
}

int ctrl_start_recovery(struct ctrl *c, u32 id)
{
	return ctrl_simple(c, UBLK_U_CMD_START_USER_RECOVERY, id, 0);
}

int ctrl_end_recovery(struct ctrl *c, u32 id, int pid)
{
	return ctrl_simple(c, UBLK_U_CMD_END_USER_RECOVERY, id, pid);
}

dev_t ctrl_get_devt(struct ctrl *c, u32 id, bool block)
{
	struct ublk_params p;

	if (ctrl_get_params(c, id, &p) || !(p.types & UBLK_PARAM_TYPE_DEVT))
		return 0;
	return block ? makedev(p.devt.disk_major, p.devt.disk_minor) :
		       makedev(p.devt.char_major, p.devt.char_minor);
}

int ctrl_list(u32 **ids)
{
	/* Without sysfs the nodes have to do. */
	int nr = ids_list(sysfs_is_mounted() ? CTRL_CLASS : "/dev", "ublkc", "", ids);

	/* The class comes with the driver. */
	return nr == -ENOENT ? 0 : nr;
}
