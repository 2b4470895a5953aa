// SPDX-License-Identifier: GPL-2.0
/*
 * Adds a device, has it served, kills its servers, recovers, stops and deletes it; and
 * the next one.  Others may do the same to it at any time.
 */
#include <errno.h>
#include <stdio.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "crowd.h"
#include "crowd_owner.h"
#include "proc.h"

#define PATIENCE_MS	1000

static struct owner {
	struct rng rng;
	pid_t server;		/* or 0 */
	struct crowd_start start;
	struct crowd_device *device;
} owner;

/* Made before the server, by the owner itself: a fork inherits it. */
static struct crowd_device device;

const struct crowd_device *crowd_device(void)
{
	return &device;
}

static void kill_server(void)
{
	if (!owner.server)
		return;
	crowd_began("the server is killed", 0, owner.server, 0);
	proc_signal(owner.server);
	if (!proc_gone(owner.server, CROWD_HANG_MS - 10000))
		crowd_fail("server %d was killed but is still there", owner.server);
	crowd_ended("the server is killed", 0, owner.server, 0);
	for (unsigned int i = 0; i < CROWD_THREADS; i++)
		crowd->voice[MEMBER_SERVER][i].beat = crowd->voice[MEMBER_FRIEND][i].beat = 0;
	owner.server = 0;
	crowd->killed++;
}

static void start_server(void)
{
	kill_server();
	owner.start = (struct crowd_start){ MEMBER_SERVER, ++crowd->servers };
	owner.server = proc_start_fd(crowd_server, &owner.start, crowd->lender);
}

/* A while in which the others do what they do. */
static void look_on(void)
{
	u64 end = now_ms() + rng_range(&owner.rng, 50, 700);

	while (!crowd->stop && now_ms() < end) {
		crowd_beat();
		sleep_ms(20);
	}
}

static int add(void)
{
	static const u64 kinds[] = {
		RAW_ZC, RAW_ZC | UBLK_F_USER_RECOVERY,
		RAW_ZC | UBLK_F_USER_RECOVERY | UBLK_F_USER_RECOVERY_REISSUE,
		RAW_ZC | UBLK_F_USER_RECOVERY | UBLK_F_USER_RECOVERY_REISSUE,
		UBLK_F_CMD_IOCTL_ENCODE | UBLK_F_NEED_GET_DATA,
		RAW_ZC | UBLK_F_AUTO_BUF_REG,
		UBLK_F_CMD_IOCTL_ENCODE | UBLK_F_AUTO_BUF_REG | UBLK_F_USER_RECOVERY,
		RAW_ZC | UBLK_F_AUTO_BUF_REG | UBLK_F_USER_RECOVERY | UBLK_F_USER_RECOVERY_REISSUE,
		RAW_ZC | UBLK_F_HANDOFF,
		RAW_ZC | UBLK_F_AUTO_BUF_REG | UBLK_F_HANDOFF,
		RAW_ZC | UBLK_F_AUTO_BUF_REG | UBLK_F_HANDOFF | UBLK_F_USER_RECOVERY,
		RAW_ZC | UBLK_F_AUTO_BUF_REG | UBLK_F_HANDOFF | UBLK_F_USER_RECOVERY |
			UBLK_F_USER_RECOVERY_REISSUE,
	};
	struct ublksrv_ctrl_dev_info info = {
		.nr_hw_queues = 1, .queue_depth = OWNER_DEPTH, .max_io_buf_bytes = 65536,
		.dev_id = -1, .flags = device.flags = rng_pick(&owner.rng, kinds),
	};
	const struct ublksrv_ctrl_cmd cmd = {
		.dev_id = -1, .queue_id = -1, .addr = (uintptr_t)&info, .len = sizeof(info),
	};
	struct raw r = { .opt = { .bs_shift = rng_chance(&owner.rng, 50) ? 12 : 9,
				  .max_io = 65536, .size = OWNER_SIZE, .discard = true } };
	int res = ctl_command(C_ADD, UBLK_U_CMD_ADD_DEV, &cmd, PATIENCE_MS, NULL);

	if (res)
		return res;
	r.id = info.dev_id;
	res = raw_set_params(&r);
	if (!crowd_legal(C_SET_PARAMS, 0, res, 0))
		crowd_fail("the device's parameters: %s", res_str(res));
	crowd->devices++;
	crowd->id = r.id;
	return 0;
}

/* By a process of its own: if it has to wait, the owner goes on, and may stop it again. */
static void stop_beside(int id)
{
	pid_t pid = fork();

	must(pid >= 0, "fork: %s", strerror(errno));
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		raw_ctl_data(UBLK_U_CMD_STOP_DEV, id, 0, CROWD_HANG_MS / 2);
		_exit(0);
	}
	if (!proc_other_gone(pid, PATIENCE_MS * 10))
		kill(pid, SIGKILL);
	/* one that is still there ends with the owner's other children */
	waitpid(pid, NULL, WNOHANG);
}

/*
 * START_DEV looks for partitions, and without a server waits for the next one, if there
 * may be one, or for the end of the device.  One that had not begun to wait was not
 * reached by the last STOP_DEV.
 */
static void give_up_start(void)
{
	crowd_began("another process stops the device", 0, crowd->id, 0);
	kill_server();
	stop_beside(crowd->id);
	crowd_ended("another process stops the device", 0, crowd->id, 0);
}

static void start(int id)
{
	start_server();
	ctl_simple(C_START, UBLK_U_CMD_START_DEV, id, owner.server, PATIENCE_MS, give_up_start);
}

/* Until the old server's file is closed by all who have it, or if another has begun. */
static int begin_recovery(int id)
{
	int res = -EBUSY;

	for (unsigned int i = 0; i < 100 && res == -EBUSY; i++) {
		res = ctl_simple(C_START_RECOVERY, UBLK_U_CMD_START_USER_RECOVERY, id, 0,
				 PATIENCE_MS, NULL);
		sleep_ms(res == -EBUSY ? 10 : 0);
	}
	return res;
}

static void recover(int id)
{
	int res;

	kill_server();
	look_on();
	res = begin_recovery(id);
	if (res && res != -EBUSY)
		return;
	start_server();
	if (!ctl_simple(C_END_RECOVERY, UBLK_U_CMD_END_USER_RECOVERY, id, owner.server,
			PATIENCE_MS, kill_server))
		crowd->recovered++;
}

/* Whatever the others did to it, it goes. */
static void remove_device(int id)
{
	if (rng_chance(&owner.rng, 60))
		ctl_simple(C_STOP, UBLK_U_CMD_STOP_DEV, id, 0, PATIENCE_MS, kill_server);
	if (rng_chance(&owner.rng, 50))
		kill_server();
	if (rng_chance(&owner.rng, 20))
		ctl_simple(C_DEL, UBLK_U_CMD_DEL_DEV_ASYNC, id, 0, PATIENCE_MS, kill_server);
	else
		ctl_simple(C_DEL, UBLK_U_CMD_DEL_DEV, id, 0, PATIENCE_MS, kill_server);
	kill_server();
	crowd->id = -1;
}

static bool is_gone(void *arg)
{
	struct ublksrv_ctrl_dev_info info;

	crowd_beat();
	return raw_info(*(int *)arg, &info) == -ENODEV;
}

static void one_device(void)
{
	int id;

	if (add())
		return;
	id = crowd->id;
	start(id);
	for (unsigned int n = rng_range(&owner.rng, 1, 4); n && !crowd->stop; n--) {
		look_on();
		if (device.flags & UBLK_F_USER_RECOVERY)
			recover(id);
	}
	look_on();
	remove_device(id);
	/* clients have to close it first */
	if (!wait_until(is_gone, &id, CROWD_HANG_MS))
		crowd_fail("device %d was deleted but is still there", id);
}

void crowd_owner(void *arg)
{
	const struct crowd_start *start = arg;

	crowd_join(start->member, 0);
	crowd_rng(&owner.rng, start->member, 0, start->incarnation);
	while (!crowd->stop)
		one_device();
	crowd->voice[start->member][0].beat = 0;
	/* 2: it has done all that it had to */
	crowd->voice[start->member][0].ops++;
	_exit(0);
}
