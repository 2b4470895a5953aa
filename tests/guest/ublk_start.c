// SPDX-License-Identifier: GPL-2.0
/*
 * Starting, stopping and recovering a device at the wrong moment: nothing waits for
 * ever, and nothing starts with parameters that nobody has looked at.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "proc.h"
#include "ublkraw.h"

#define FAST_MS		5000	/* in which everything must have ended */

/* Nothing here lends, so that it runs on a kernel that only has the faults of 6.12 mended. */
#define COPIES		(UBLK_F_CMD_IOCTL_ENCODE | UBLK_F_USER_COPY)
#define RECOVERY	(COPIES | UBLK_F_USER_RECOVERY)

/* A control command in a process of its own. */
struct command {
	u32 op;
	int id;
	u64 data;
	unsigned int delay_us;
	volatile int res;	/* RING_TIMEOUT: has not ended */
};

/* The test and its servers. */
struct shared {
	volatile int hold;	/* requests come and are not served */
	volatile int held;
	volatile int start;	/* the server starts the device itself */
};

static struct shared *sh;
static struct raw r;

static void setup(void)
{
	raw_need();
	raw_sweep();
	sh = shared_alloc(sizeof(*sh));
}

TestSuite(ublk_start, .init = setup, .fini = raw_sweep, .timeout = 300);

static void *start_myself(void *arg)
{
	raw_ctl_data(UBLK_U_CMD_START_DEV, r.id, getpid(), 10 * SOON_MS);
	return NULL;
}

static void server(void *arg)
{
	pthread_t thread;
	int tag;

	raw_open(&r);
	raw_fetch_all(&r);
	if (sh->start)
		must(!pthread_create(&thread, NULL, start_myself, NULL), "thread");
	for (;;) {
		tag = raw_request(&r, 5);
		if (tag < 0)
			continue;
		if (sh->hold)
			sh->held++;
		else
			raw_serve(&r, tag);
	}
}

static void run_command(void *arg)
{
	struct command *c = arg;

	usleep(c->delay_us);
	c->res = raw_ctl_data(c->op, c->id, c->data, 10 * SOON_MS);
}

static struct command *command(u32 op, u64 data, unsigned int delay_us, pid_t *pid)
{
	struct command *c = shared_alloc(sizeof(*c));

	*c = (struct command){ .op = op, .id = r.id, .data = data, .delay_us = delay_us,
			       .res = RING_TIMEOUT };
	*pid = proc_start(run_command, c);
	return c;
}

static bool has_ended(void *arg)
{
	const struct command *c = arg;

	return c->res != RING_TIMEOUT;
}

static bool is_held(void *arg)
{
	return sh->held > 0;
}

static bool is_quiesced(void *arg)
{
	return raw_dev_state(r.id) == UBLK_S_DEV_QUIESCED;
}

static bool recovery_starts(void *arg)
{
	return !raw_ctl_data(UBLK_U_CMD_START_USER_RECOVERY, r.id, 0, SOON_MS);
}

static void device_gone(void)
{
	res_is(raw_del(r.id, FAST_MS), 0, "DEL_DEV");
	raw_is_gone(r.id, FAST_MS);
}

/*
 * Parameters that end where nothing is mapped: what was copied before the end is not
 * used, not even by a device that is started in spite of the error.
 */
Test(ublk_start, parameters_that_cannot_be_read_are_not_kept)
{
	const size_t kept = offsetof(struct ublk_params, dma) + sizeof(u32);
	u8 *mem = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct ublk_params p = {
		.len = sizeof(p), .types = UBLK_PARAM_TYPE_BASIC | UBLK_PARAM_TYPE_DMA_ALIGN,
		.basic = { .logical_bs_shift = 9, .physical_bs_shift = 12, .max_sectors = 128,
			   .dev_sectors = 2048 },
		.dma.alignment = 0xffffffff,
	};
	struct ublksrv_ctrl_cmd cmd = { .queue_id = -1, .len = sizeof(p) };

	must(mem != MAP_FAILED && !mprotect(mem + 4096, 4096, PROT_NONE), "mmap: %s", strerror(errno));
	memcpy(mem + 4096 - kept, &p, kept);
	res_is(raw_add(&r, &(struct raw_opt){ 0 }), 0, "ADD_DEV");
	raw_open(&r);
	raw_fetch_all(&r);
	cmd.dev_id = r.id;
	cmd.addr = (uintptr_t)mem + 4096 - kept;
	res_is(raw_ctl(UBLK_U_CMD_SET_PARAMS, &cmd, SOON_MS), -EFAULT, "SET_PARAMS");
	res_is(raw_start(&r), -EINVAL, "START_DEV without parameters");
	res_is(raw_set_params(&r), 0, "SET_PARAMS that can be read");
	res_is(raw_start(&r), 0, "START_DEV");
	raw_down(&r);
}

/* A server that goes on fetching from a device that was stopped hears of it. */
Test(ublk_start, a_stopped_device_takes_no_fetch)
{
	res_is(raw_add(&r, &(struct raw_opt){ .flags = COPIES }), 0, "ADD_DEV");
	raw_open(&r);
	raw_fetch(&r, 0);
	raw_fetch(&r, 1);
	res_is(raw_ctl_data(UBLK_U_CMD_STOP_DEV, r.id, 0, SOON_MS), 0, "STOP_DEV");
	raw_fetch(&r, 2);
	while (r.ended[2] == RING_TIMEOUT)
		must(raw_pump(&r, SOON_MS), "the fetch does not end");
	res_is(r.ended[2], -ENODEV, "a fetch of a stopped device");
	res_is(r.ended[0], UBLK_IO_RES_ABORT, "one that was there");
	raw_close(&r);
	device_gone();
}

/* A server that has sent START_DEV from a process of its own can be killed all the same. */
Test(ublk_start, the_servers_own_process_may_start_it_and_die)
{
	static const u64 flags[] = { COPIES, RECOVERY, RECOVERY | UBLK_F_USER_RECOVERY_REISSUE };

	for (unsigned int i = 0; i < 3; i++) {
		pid_t pid;

		res_is(raw_add(&r, &(struct raw_opt){ .flags = flags[i] }), 0, "ADD_DEV");
		*sh = (struct shared){ .hold = 1, .start = 1 };
		pid = proc_start(server, NULL);
		must(wait_until(is_held, NULL, SOON_MS), "no request for partitions");
		proc_signal(pid);
		must(proc_gone(pid, FAST_MS), "flags %#llx: the server is still there",
		     (unsigned long long)flags[i]);
		device_gone();
	}
}

/* STOP_DEV that finds no disk and START_DEV that makes one: a server's death still ends it all. */
Test(ublk_start, start_and_stop_may_meet)
{
	srandom(7);
	for (unsigned int round = 0; round < 40; round++) {
		struct command *start, *stop;
		pid_t pid, starter, stopper;

		res_is(raw_add(&r, &(struct raw_opt){ .flags = round & 1 ? RECOVERY : COPIES }), 0,
		       "ADD_DEV");
		*sh = (struct shared){ 0 };
		pid = proc_start(server, NULL);
		start = command(UBLK_U_CMD_START_DEV, pid, random() % 300, &starter);
		stop = command(UBLK_U_CMD_STOP_DEV, 0, random() % 300, &stopper);
		must(wait_until(has_ended, stop, FAST_MS), "round %u: STOP_DEV does not end", round);
		sleep_ms(random() % 5);
		proc_signal(pid);
		must(proc_gone(pid, FAST_MS), "round %u: the server is still there", round);
		/* it may wait for a server that never came, and DEL_DEV waits for it */
		proc_signal(starter);
		must(proc_gone(starter, FAST_MS), "round %u: START_DEV cannot be killed, %d", round,
		     start->res);
		device_gone();
		proc_kill(stopper);
	}
}

/* END_USER_RECOVERY waits for a server, and goes on waiting when recovery is started again. */
Test(ublk_start, who_waits_for_a_new_server_is_not_forgotten)
{
	struct command *end;
	pid_t pid, ender;

	res_is(raw_add(&r, &(struct raw_opt){ .flags = RECOVERY }), 0, "ADD_DEV");
	*sh = (struct shared){ 0 };
	pid = raw_start_in(&r, server);
	proc_kill(pid);
	must(wait_until(is_quiesced, NULL, FAST_MS), "state %d", raw_dev_state(r.id));
	must(wait_until(recovery_starts, NULL, FAST_MS), "START_USER_RECOVERY");
	end = command(UBLK_U_CMD_END_USER_RECOVERY, getpid(), 0, &ender);
	must(!wait_until(has_ended, end, NEVER_MS), "END_USER_RECOVERY without a server: %d", end->res);
	must(wait_until(recovery_starts, NULL, FAST_MS), "START_USER_RECOVERY again");
	pid = proc_start(server, NULL);
	must(wait_until(has_ended, end, FAST_MS), "END_USER_RECOVERY does not end");
	res_is(end->res, 0, "END_USER_RECOVERY");
	proc_kill(ender);
	proc_kill(pid);
	device_gone();
}
