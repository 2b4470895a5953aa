// SPDX-License-Identifier: GPL-2.0
/*
 * What a server survives, and its device with it: signals that ask for no end, a reader
 * of its messages that is gone, a machine without memory that swaps to its device.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli.h"
#include "proc.h"
#include "sh.h"
#include "tmpfile.h"
#include "ublkraw.h"

#define ID		7
#define NODE		"/dev/ublkb7"
#define MNT		"/tmp/survive-mnt"
#define FILE_LEG	"/tmp/survive-leg"
#define BAD		DISK_NULL_PREFIX "bad"
#define GOOD		DISK_NULL_PREFIX "good"

/* of <linux/sched.h> */
#define PF_MEMALLOC_NOIO	0x00080000
#define PF_LOCAL_THROTTLE	0x00100000
#define PF_IO_FLUSHER		(PF_MEMALLOC_NOIO | PF_LOCAL_THROTTLE)

/* A client that runs until it is killed, or 0. */
static pid_t load;

static void setup(void)
{
	raw_need();
	cli_sweep();
	disk_null_sweep();
	must(!mkdir(MNT, 0700) || errno == EEXIST, MNT ": %s", strerror(errno));
}

static void teardown(void)
{
	if (load)
		proc_kill(load);
	sh("swapoff " NODE " 2> /dev/null");
	cli_sweep();
	umount2(MNT, MNT_DETACH);
	disk_null_sweep();
	unlink(FILE_LEG);
}

TestSuite(survive, .init = setup, .fini = teardown, .timeout = 600);

static pid_t server(void)
{
	struct ublksrv_ctrl_dev_info info;

	res_is(raw_info(ID, &info), 0, "GET_DEV_INFO");
	return info.ublksrv_pid;
}

static void writes(const char *what)
{
	struct client *c = client_start(&(struct client_job){ .id = ID, .op = CLIENT_WRITE, .len = 4096 });

	res_is(client_wait(c), 4096, "a write, %s", what);
}

/* Signals. */

static const int harmless[] = {
	SIGHUP, SIGPIPE, SIGALRM, SIGVTALRM, SIGPROF, SIGUSR1, SIGUSR2, SIGIO, SIGPWR, SIGSTKFLT,
	SIGXCPU, SIGXFSZ, SIGTSTP, SIGTTIN, SIGTTOU,
};

static void is_not_ended(void)
{
	pid_t pid = server();

	for (unsigned int i = 0; i < sizeof(harmless) / sizeof(harmless[0]); i++) {
		kill(pid, harmless[i]);
		must(!proc_other_gone(pid, 50), "SIG%s ends the server", sigabbrev_np(harmless[i]));
	}
	writes("after all signals");
	res_is(raw_dev_state(ID), UBLK_S_DEV_LIVE, "the state of the device");
	must(server() == pid, "there is another server");
}

Test(survive, signals_that_ask_for_no_end)
{
	must(!sh("$REGBUF add -t null -n 7 > /dev/null"), "add");
	is_not_ended();
	cli_del(ID);
}

static void ends_by(int sig, const char *message)
{
	static struct cli out;
	struct cli_job job;

	cli_start(&job, CLI("add", "-t", "null", "-n", "7", "--foreground"));
	must(cli_says(&job, NODE, SOON_MS), "no device");
	is_not_ended();
	kill(job.pid, sig);
	must(cli_ended(&job, &out, SOON_MS) && !out.status, "it does not end, or badly: %d", out.status);
	must(strstr(out.err, message), "no \"%s\" in: %s", message, out.err);
	raw_is_gone(ID, SOON_MS);
}

Test(survive, signals_in_the_foreground_until_one_asks_for_the_end)
{
	ends_by(SIGTERM, "device 7: SIGTERM from process ");
	ends_by(SIGINT, "device 7: SIGINT from process ");
}

/* Its messages go nowhere: a leg that fails, which it warns of, must not end it. */
Test(survive, a_reader_of_its_messages_that_is_gone)
{
	disk_null(BAD, &(struct null_disk){ .badblocks = "+0-7" }, -1);
	setenv("BAD", disk_null_path(BAD), 1);
	disk_null(GOOD, &(struct null_disk){ .mb = 16 }, -1);
	setenv("GOOD", disk_null_path(GOOD), 1);
	must(!sh("{ $REGBUF add -n 7 -t mirror -l $BAD -l $GOOD --foreground 2>&1 & } | head -n 1 > /dev/null"),
	     "add");
	writes("which one leg fails");
	writes("after the warning");
	must(strstr(sh_out("$REGBUF list -n 7"), "dropped"), "no leg has failed");
	/* that it removes its device is told as well */
	kill(server(), SIGTERM);
	raw_is_gone(ID, SOON_MS);
	cli_nothing_left("SIGTERM");
}
