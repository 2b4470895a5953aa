// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/io_uring_fused.h>
#include <linux/io_uring_lend.h>

#include "caps.h"
#include "log.h"
#include "mainline.h"

/* The opcode is a byte. */
#define CAPS_OPS	256

const struct cap_name cap_names[] = {
	{ UBLK_F_SUPPORT_ZERO_COPY,	"zero-copy" },
	{ UBLK_F_URING_CMD_COMP_IN_TASK, "complete-in-task" },
	{ UBLK_F_NEED_GET_DATA,		"need-get-data" },
	{ UBLK_F_USER_RECOVERY,		"user-recovery" },
	{ UBLK_F_USER_RECOVERY_REISSUE,	"user-recovery-reissue" },
	{ UBLK_F_UNPRIVILEGED_DEV,	"unprivileged" },
	{ UBLK_F_CMD_IOCTL_ENCODE,	"ioctl-encoding" },
	{ UBLK_F_USER_COPY,		"user-copy" },
	{ UBLK_F_ZONED,			"zoned" },
	{ UBLK_F_AUTO_BUF_REG,		"auto-buf-reg" },
	{ UBLK_F_STABLE_PAGES,		"stable-pages" },
	{ UBLK_F_HANDOFF,		"handoff" },
	{ 0 }
};

bool caps_has_commands(u64 ublk, bool by_operation)
{
	if (!(ublk & UBLK_F_SUPPORT_ZERO_COPY))
		return false;
	return ublk & UBLK_F_AUTO_BUF_REG || !by_operation;
}

/* A sandbox may allow part of it, and a server would miss the rest later. */
static int caps_forbidden(const char *call)
{
	log_err("%s: %s: a sandbox (seccomp) forbids it; right is one that allows io_uring_setup, io_uring_enter and io_uring_register",
		call, strerror(EPERM));
	return -EPERM;
}

static int caps_probe_ring(struct ctrl *c, struct caps *caps)
{
	struct io_uring_probe *probe = calloc(1, sizeof(*probe) + CAPS_OPS * sizeof(probe->ops[0]));
	int ret = probe ? io_uring_register_probe(&c->ring, probe, CAPS_OPS) : 0;

	if (!probe || ret) {
		free(probe);
		return ret == -EPERM ? caps_forbidden("io_uring_register") : 0;
	}
	caps->lends[LENDS_BY_OPERATION] = io_uring_opcode_supported(probe, IORING_OP_LENT_BUF_REGISTER) &&
					  io_uring_opcode_supported(probe, IORING_OP_LENT_BUF_UNREGISTER);
	caps->lends[LENDS_BY_FUSED] = io_uring_opcode_supported(probe, IORING_OP_FUSED_CMD);
	caps->lends[LENDS_BY_COMMAND] = caps_has_commands(caps->ublk, caps->lends[LENDS_BY_OPERATION]);
	free(probe);
	return 0;
}

int caps_probe(struct ctrl *c, struct caps *caps)
{
	int ret;

	memset(caps, 0, sizeof(*caps));
	ret = ctrl_get_features(c, &caps->ublk);
	if (ret == -EPERM)
		return caps_forbidden("io_uring_enter");
	if (ret) {
		log_err("ublk GET_FEATURES: %s: the kernel's ublk driver is too old, 6.5 is needed",
			strerror(-ret));
		return ret;
	}
	return caps_probe_ring(c, caps);
}
