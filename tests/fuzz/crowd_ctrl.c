// SPDX-License-Identifier: GPL-2.0
/* Random control commands to the crowd's device, and to ones that are not there. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "crowd.h"
#include "crowd_owner.h"
#include "tmpfile.h"

#define PATIENCE_MS	300

static struct rng rng;
static u8 *mem;

static int an_id(void)
{
	static const int none[] = { -1, 0x7fffffff, 999, 65536 };

	return rng_chance(&rng, 5) ? rng_pick(&rng, none) : crowd->id;
}

/* A place for what the kernel writes or reads: right, too short, or none. */
static void a_buffer(struct ublksrv_ctrl_cmd *cmd, u32 len)
{
	cmd->addr = rng_chance(&rng, 90) ? (uintptr_t)mem : rng_next(&rng) >> rng_below(&rng, 64);
	cmd->len = rng_chance(&rng, 80) ? len : rng_below(&rng, 70000);
}

static void get(enum crowd_kind kind, u32 cmd_op, u32 len)
{
	struct ublksrv_ctrl_cmd cmd = { .dev_id = an_id(), .queue_id = -1 };

	a_buffer(&cmd, len);
	cmd.data[0] = rng_chance(&rng, 80) ? 0 : rng_next(&rng);
	/* GET_PARAMS is told how much there is */
	memcpy(mem, &len, sizeof(len));
	ctl_command(kind, cmd_op, &cmd, PATIENCE_MS, NULL);
}

/* Sizes of which every request is whole pages, see crowd_bytes.h; and nonsense. */
static void set_params(void)
{
	struct ublk_params p = {
		.len = rng_chance(&rng, 80) ? sizeof(p) : rng_below(&rng, 300),
		.types = rng_chance(&rng, 80) ? UBLK_PARAM_TYPE_BASIC : rng_next(&rng),
		.basic = {
			.logical_bs_shift = rng_chance(&rng, 80) ? 12 : rng_next(&rng),
			.physical_bs_shift = rng_chance(&rng, 80) ? 12 : rng_next(&rng),
			.io_opt_shift = rng_chance(&rng, 80) ? 12 : rng_next(&rng),
			.io_min_shift = rng_chance(&rng, 80) ? 12 : rng_next(&rng),
			.max_sectors = rng_chance(&rng, 80) ? 8 << rng_below(&rng, 5) : 0,
			.chunk_sectors = rng_chance(&rng, 20) ? 8 << rng_below(&rng, 5) : 0,
			.dev_sectors = rng_chance(&rng, 80) ? OWNER_SIZE >> 9 :
							      rng_below(&rng, 1 << 20) * 8,
		},
	};
	struct ublksrv_ctrl_cmd cmd = { .dev_id = an_id(), .queue_id = -1 };

	memcpy(mem, &p, sizeof(p));
	a_buffer(&cmd, sizeof(p));
	ctl_command(C_SET_PARAMS, UBLK_U_CMD_SET_PARAMS, &cmd, PATIENCE_MS, NULL);
}

/* What no device may be made with. */
static void add_bad(void)
{
	struct ublksrv_ctrl_dev_info info = {
		.nr_hw_queues = 1, .queue_depth = 4, .max_io_buf_bytes = 4096, .dev_id = -1,
		.flags = RAW_ZC,
	};
	struct ublksrv_ctrl_cmd cmd = {
		.dev_id = -1, .queue_id = -1, .addr = (uintptr_t)mem, .len = sizeof(info),
	};

	switch (rng_below(&rng, 4)) {
	case 0:
		info.nr_hw_queues = 0;
		break;
	case 1:
		info.queue_depth = 0xffff;
		break;
	case 2:
		cmd.queue_id = 0;
		break;
	default:
		cmd.dev_id = 5;
	}
	memcpy(mem, &info, sizeof(info));
	ctl_command(C_ADD_BAD, UBLK_U_CMD_ADD_DEV, &cmd, PATIENCE_MS, NULL);
}

static void no_command(void)
{
	const u32 cmd_op = _IOWR('u', rng_range(&rng, 0x40, 0xff), struct ublksrv_ctrl_cmd);

	ctl_simple(C_NO_CTL, cmd_op, an_id(), rng_next(&rng), PATIENCE_MS, NULL);
}

static void one_command(void)
{
	unsigned int draw = rng_below(&rng, 100);

	/* most devices are to live long enough to be recovered by who may */
	if (draw >= 77 && rng_chance(&rng, 80))
		draw = 0;
	if (draw < 12)
		get(C_GET_INFO, UBLK_U_CMD_GET_DEV_INFO, sizeof(struct ublksrv_ctrl_dev_info));
	else if (draw < 24)
		get(C_GET_PARAMS, UBLK_U_CMD_GET_PARAMS, sizeof(struct ublk_params));
	else if (draw < 32)
		get(C_AFFINITY, UBLK_U_CMD_GET_QUEUE_AFFINITY, 128);
	else if (draw < 38)
		get(C_FEATURES, UBLK_U_CMD_GET_FEATURES, 8);
	else if (draw < 53)
		set_params();
	else if (draw < 60)
		add_bad();
	else if (draw < 66)
		no_command();
	else if (draw < 77)
		ctl_simple(C_START, UBLK_U_CMD_START_DEV, an_id(),
			   rng_chance(&rng, 80) ? (u64)getpid() : rng_next(&rng), PATIENCE_MS, NULL);
	else if (draw < 87)
		ctl_simple(C_START_RECOVERY, UBLK_U_CMD_START_USER_RECOVERY, an_id(), 0,
			   PATIENCE_MS, NULL);
	else if (draw < 97)
		ctl_simple(C_END_RECOVERY, UBLK_U_CMD_END_USER_RECOVERY, an_id(), getpid(),
			   PATIENCE_MS, NULL);
	else if (draw < 99)
		ctl_simple(C_STOP, UBLK_U_CMD_STOP_DEV, an_id(), 0, PATIENCE_MS, NULL);
	else
		ctl_simple(C_DEL, UBLK_U_CMD_DEL_DEV, an_id(), 0, PATIENCE_MS, NULL);
}

void crowd_ctrl(void *arg)
{
	const struct crowd_start *start = arg;

	crowd_join(start->member, 0);
	crowd_rng(&rng, start->member, 0, start->incarnation);
	mem = page_alloc(1 << 17);
	while (!crowd->stop) {
		one_command();
		sleep_ms(rng_below(&rng, 20));
	}
	crowd->voice[start->member][0].beat = 0;
}
