// SPDX-License-Identifier: GPL-2.0
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "netleg.h"
#include "sh.h"

#define NQN		"lend-net"
#define SUBSYSTEM	"/sys/kernel/config/nvmet/subsystems/" NQN
#define PORT		"/sys/kernel/config/nvmet/ports/1"
#define CONTROLLER	"/sys/class/nvme-fabrics/ctl/nvme*"	/* ours is the only one */
#define UUID		"6c656e64-6e65-4000-8000-000000000001"	/* without one it is another disk each time */
#define NBD		"/dev/nbd0"
#define PID_FILE	"/tmp/lend-nbdkit.pid"
#define OUTPUT		"/tmp/lend-netleg.out"

/*
 * One way to a disk elsewhere: commands of the shell.
 * @serve: of $DISK
 * @unserve, @disconnect: succeed if there is nothing to do
 * @path: prints the disk's path; fails if it is not there, or cannot be used
 * @comes_back: by itself
 */
struct netleg_ops {
	const char *name;
	const char *serve, *unserve;
	const char *connect[NR_NETLEG_PATIENCES], *disconnect;
	const char *path;
	bool comes_back;
};

#define NVME_CONNECT \
	"echo transport=tcp,traddr=127.0.0.1,trsvcid=4420,nqn=" NQN ",keep_alive_tmo=3,reconnect_delay=1,ctrl_loss_tmo=-1"
#define NBD_CONNECT	"nbd-client 127.0.0.1 10809 " NBD

static const struct netleg_ops ops[NR_NETLEGS] = {
	[NETLEG_NVME] = {
		.name = "NVMe/TCP",
		.serve = "set -e\n"
			 "mkdir " SUBSYSTEM " " SUBSYSTEM "/namespaces/1 " PORT "\n"
			 "cd " SUBSYSTEM "\n"
			 "echo 1 > attr_allow_any_host\n"
			 "echo $DISK > namespaces/1/device_path\n"
			 "echo " UUID " > namespaces/1/device_uuid\n"
			 "echo 1 > namespaces/1/enable\n"
			 "cd " PORT "\n"
			 "echo ipv4 > addr_adrfam\n"
			 "echo tcp > addr_trtype\n"
			 "echo 127.0.0.1 > addr_traddr\n"
			 "echo 4420 > addr_trsvcid\n"
			 "ln -s " SUBSYSTEM " subsystems/",
		.unserve = "test ! -e " SUBSYSTEM " || {\n"
			   "rm -f " PORT "/subsystems/*\n"
			   "rmdir " PORT " " SUBSYSTEM "/namespaces/1 " SUBSYSTEM "\n"
			   "}",
		.connect = {
			[NETLEG_GIVES_UP] = NVME_CONNECT ",fast_io_fail_tmo=1 > /dev/nvme-fabrics",
			[NETLEG_WAITS] = NVME_CONNECT " > /dev/nvme-fabrics",
		},
		.disconnect = "for file in " CONTROLLER "/delete_controller; do\n"
			      "test ! -e $file || echo 1 > $file\n"
			      "done",
		.path = "grep -q live " CONTROLLER "/state && cd " CONTROLLER " && printf /dev/ && ls -d nvme*n1",
		.comes_back = true,
	},
	[NETLEG_NBD] = {
		.name = "NBD",
		/*
		 * One client: the next is refused until all that the last one has sent is done.  One thread:
		 * with several, nbdkit 1.32 ends itself when a client goes that has requests under way.
		 */
		.serve = "nbdkit --ipaddr 127.0.0.1 --port 10809 --pidfile " PID_FILE " --threads 1 --filter=limit file $DISK",
		.unserve = "test ! -e " PID_FILE " || {\n"
			   "pid=$(cat " PID_FILE ")\n"
			   "kill -9 $pid\n"
			   "tail --pid=$pid -f /dev/null\n"
			   "rm " PID_FILE "\n"
			   "}",
		.connect = {
			[NETLEG_GIVES_UP] = NBD_CONNECT " -timeout 3",
			[NETLEG_WAITS] = NBD_CONNECT " -timeout 50",
		},
		.disconnect = "test ! -e /sys/block/nbd0/pid || nbd-client -d " NBD,
		.path = "test -e /sys/block/nbd0/pid && echo " NBD,
	},
};

/* What it prints is for output(), and the message of one that fails. */
static bool runs(const char *command)
{
	return !sh("exec > " OUTPUT " 2>&1; %s", command);
}

static const char *output(void)
{
	return sh_out("cat " OUTPUT);
}

static void run(enum netleg_kind kind, const char *command)
{
	must(runs(command), "%s: %s: %s", ops[kind].name, command, output());
}

void netleg_serve(enum netleg_kind kind, const char *disk)
{
	setenv("DISK", disk, 1);
	run(kind, ops[kind].serve);
}

void netleg_unserve(enum netleg_kind kind)
{
	run(kind, ops[kind].unserve);
}

static bool is_there(void *kind)
{
	return !sh("{ %s; } > /dev/null 2>&1", ops[*(enum netleg_kind *)kind].path);
}

/* A connection is tried each second, and for three; then the driver looks for the disk. */
static const char *await(enum netleg_kind kind)
{
	static char path[64];

	must(wait_until(is_there, &kind, 2 * SOON_MS), "%s: the disk does not come", ops[kind].name);
	snprintf(path, sizeof(path), "%s", sh_out("%s", ops[kind].path));
	path[strcspn(path, "\n")] = '\0';
	return path;
}

static bool connects(void *command)
{
	return runs(command);
}

const char *netleg_connect(enum netleg_kind kind, enum netleg_patience patience)
{
	const char *command = ops[kind].connect[patience];

	must(wait_until(connects, (void *)command, 3 * SOON_MS), "%s: %s: %s", ops[kind].name, command,
	     output());
	return await(kind);
}

void netleg_disconnect(enum netleg_kind kind)
{
	run(kind, ops[kind].disconnect);
}

const char *netleg_reconnect(enum netleg_kind kind, enum netleg_patience patience)
{
	if (ops[kind].comes_back)
		return await(kind);
	netleg_disconnect(kind);
	return netleg_connect(kind, patience);
}

void net_cut(void)
{
	must(!sh("busybox ifconfig lo down"), "lo down");
}

void net_restore(void)
{
	must(!sh("busybox ifconfig lo up"), "lo up");
}

/* States of /proc/net/tcp in which what was sent before the end is on its way. */
static bool is_quiet(void *arg)
{
	return !sh("awk '$4 ~ /^(04|09|0B)$/ { exit 1 }' /proc/net/tcp");
}

void net_quiet(void)
{
	must(wait_until(is_quiet, NULL, 2 * SOON_MS), "connections do not end: %s", sh_out("cat /proc/net/tcp"));
}

void netlegs_sweep(void)
{
	need(in_guest(), "loopback that nobody else uses");
	net_restore();
	cli_sweep();
	for (unsigned int kind = 0; kind < NR_NETLEGS; kind++) {
		netleg_disconnect(kind);
		netleg_unserve(kind);
	}
}
