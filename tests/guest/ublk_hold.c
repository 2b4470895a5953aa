// SPDX-License-Identifier: GPL-2.0
/*
 * A request that somebody keeps who is not the server: a child that has used the
 * server's ring, and lives on when the server is killed.  What waits for the request
 * can be killed, everything else is answered, and all goes on when the child is gone.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "proc.h"
#include "ublkraw.h"

#define LEN		16384
#define ANSWER_MS	2000	/* every command but the one that waits takes less */
#define END_MS		3000	/* after the holder's end */

struct shared {
	volatile int hold;	/* the next request is to be lent, and kept by a child */
	volatile int bystander;	/* which has the ring open, and does not use it */
	volatile pid_t holder;
};

static struct shared *sh;
static struct raw r;

static void setup(void)
{
	raw_need();
	raw_sweep();
	sh = shared_alloc(sizeof(*sh));
}

static void teardown(void)
{
	if (sh->holder)
		kill(sh->holder, SIGKILL);
	raw_sweep();
}

TestSuite(ublk_hold, .init = setup, .fini = teardown, .timeout = 120);

/* Keeps the ring; has used it, unless it is a bystander, so that it is one of its tasks. */
static void holder(void)
{
	check_in_child();
	/* submits what is queued, which is nothing */
	if (!sh->bystander)
		must(!syscall(SYS_io_uring_enter, r.ring.ring_fd, 1, 0, 0, NULL, 0),
		     "io_uring_enter: %s", strerror(errno));
	sh->holder = getpid();
	for (;;)
		pause();
}

static void server(void *arg)
{
	raw_open(&r);
	raw_fetch_all(&r);
	for (;;) {
		int tag = raw_request(&r, 5);

		if (tag < 0)
			continue;
		/* who opens the disk may look for partitions again, in other sizes */
		if (!sh->hold || raw_len(&r, tag) != LEN) {
			raw_serve(&r, tag);
			continue;
		}
		/* before there is a holder: this server may be killed from then on */
		sh->hold = 0;
		res_is(raw_lend(&r, tag, 0, 0, 0), LEN, "REGISTER");
		if (!fork())
			holder();
	}
}

static bool there_is_a_holder(void *arg)
{
	return sh->holder;
}

/* A device whose request is kept by a child of its server, which is dead.  */
static struct client *held(u64 flags)
{
	struct client *c;
	pid_t pid;

	sh->holder = 0;
	res_is(raw_add(&r, &(struct raw_opt){ .flags = RAW_ZC | flags, .depth = 2 }), 0, "ADD_DEV");
	pid = raw_start_in(&r, server);
	sh->hold = 1;
	c = client_start(&(struct client_job){ .id = r.id, .op = CLIENT_WRITE, .len = LEN,
					       .seed = 1 });
	must(wait_until(there_is_a_holder, NULL, SOON_MS), "no child keeps the request");
	proc_kill(pid);
	must(!client_done(c, NEVER_MS), "the request has ended, though it is kept: %s",
	     res_str(c->res));
	return c;
}

static int get_params(void)
{
	struct ublk_params p = { .len = sizeof(p) };
	const struct ublksrv_ctrl_cmd cmd = {
		.dev_id = r.id, .queue_id = -1, .addr = (uintptr_t)&p, .len = sizeof(p),
	};

	return raw_ctl(UBLK_U_CMD_GET_PARAMS, &cmd, ANSWER_MS);
}

/* Every command that does not wait for the request is answered, whatever else waits. */
static void all_are_answered(u64 flags, const char *when)
{
	struct ublksrv_ctrl_dev_info info;
	u64 began = now_ms();

	res_is(get_params(), 0, "%s: GET_PARAMS", when);
	res_is(raw_info(r.id, &info), 0, "%s: GET_DEV_INFO", when);
	res_is(raw_set_params(&r), -EACCES, "%s: SET_PARAMS", when);
	res_is(raw_ctl_data(UBLK_U_CMD_START_DEV, r.id, getpid(), ANSWER_MS), -EEXIST,
	       "%s: START_DEV", when);
	res_is(raw_ctl_data(UBLK_U_CMD_START_USER_RECOVERY, r.id, 0, ANSWER_MS),
	       flags & UBLK_F_USER_RECOVERY ? -EBUSY : -EINVAL, "%s: START_USER_RECOVERY", when);
	res_is(raw_ctl_data(UBLK_U_CMD_END_USER_RECOVERY, r.id, getpid(), ANSWER_MS),
	       flags & UBLK_F_USER_RECOVERY ? -EBUSY : -EINVAL, "%s: END_USER_RECOVERY", when);
	must(now_ms() < began + ANSWER_MS, "%s: the commands took %llu ms", when,
	     (unsigned long long)(now_ms() - began));
}

static void wait_in(void *arg)
{
	raw_ctl_data(*(u32 *)arg, r.id, 0, 600000);
}

/* A command that waits for the request, in a process of its own, and that is killed. */
static void waits_and_can_be_killed(u32 cmd, u64 flags, const char *name)
{
	pid_t pid = proc_start(wait_in, &cmd);

	must(!proc_gone(pid, NEVER_MS), "%s did not wait", name);
	all_are_answered(flags, name);
	proc_signal(pid);
	must(proc_gone(pid, ANSWER_MS), "%s was killed and is still there", name);
	all_are_answered(flags, "after the kill");
}

static void round_of(u64 flags, const char *what)
{
	struct client *c = held(flags);

	all_are_answered(flags, what);
	waits_and_can_be_killed(UBLK_U_CMD_STOP_DEV, flags, "STOP_DEV");
	waits_and_can_be_killed(UBLK_U_CMD_DEL_DEV, flags, "DEL_DEV");
	must(!c->done, "%s: the request has ended, though it is kept", what);
	must(!kill(sh->holder, SIGKILL), "%s: the child is gone already", what);
	must(client_done(c, END_MS), "%s: the request has not ended", what);
	res_is(c->res, -EIO, "%s: the request", what);
	res_is(raw_del(r.id, END_MS), 0, "%s: DEL_DEV", what);
	raw_is_gone(r.id, END_MS);
}

Test(ublk_hold, nothing_but_what_waits_is_held_up)
{
	round_of(0, "no recovery");
	round_of(UBLK_F_USER_RECOVERY, "recovery");
	round_of(UBLK_F_USER_RECOVERY | UBLK_F_USER_RECOVERY_REISSUE, "recovery with reissue");
}

static bool is_quiesced(void *arg)
{
	return raw_dev_state(r.id) == UBLK_S_DEV_QUIESCED;
}

static bool recovery_started(void *arg)
{
	return !raw_ctl_data(UBLK_U_CMD_START_USER_RECOVERY, r.id, 0, ANSWER_MS);
}

/* Nobody stops it: when the holder goes, the next server gets the request. */
Test(ublk_hold, the_device_can_be_recovered_afterwards)
{
	struct client *c = held(UBLK_F_USER_RECOVERY | UBLK_F_USER_RECOVERY_REISSUE);
	pid_t pid;

	all_are_answered(UBLK_F_USER_RECOVERY, "before");
	must(!kill(sh->holder, SIGKILL), "the child is gone already");
	must(wait_until(is_quiesced, NULL, END_MS), "state %d", raw_dev_state(r.id));
	must(wait_until(recovery_started, NULL, END_MS), "START_USER_RECOVERY");
	pid = proc_start(server, NULL);
	res_is(raw_ctl_data(UBLK_U_CMD_END_USER_RECOVERY, r.id, pid, SOON_MS), 0,
	       "END_USER_RECOVERY");
	res_is(client_wait(c), LEN, "the request that was kept");
	proc_kill(pid);
	res_is(raw_del(r.id, END_MS), 0, "DEL_DEV");
}

/* It is not a task of the ring: the loan goes back with the server. */
Test(ublk_hold, who_has_only_the_file_holds_up_nothing)
{
	struct client *c;
	pid_t pid;

	sh->bystander = 1;
	res_is(raw_add(&r, &(struct raw_opt){ .flags = RAW_ZC, .depth = 1 }), 0, "ADD_DEV");
	pid = raw_start_in(&r, server);
	sh->hold = 1;
	c = client_start(&(struct client_job){ .id = r.id, .op = CLIENT_READ, .len = LEN });
	must(wait_until(there_is_a_holder, NULL, SOON_MS), "no child has the ring");
	proc_kill(pid);
	must(client_done(c, END_MS), "the request has not ended");
	res_is(c->res, -EIO, "the request");
	res_is(raw_ctl_data(UBLK_U_CMD_STOP_DEV, r.id, 0, END_MS), 0, "STOP_DEV");
	must(!kill(sh->holder, SIGKILL), "the child is gone already");
	res_is(raw_del(r.id, END_MS), 0, "DEL_DEV");
	raw_is_gone(r.id, END_MS);
}
