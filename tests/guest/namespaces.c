// SPDX-License-Identifier: GPL-2.0
/*
 * Servers and mount, network and pid namespaces: a server keeps nothing of its clients
 * mounted, and `list` finds it from elsewhere or says what it cannot see.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "cli.h"
#include "dev.h"
#include "proc.h"
#include "sh.h"
#include "tleg.h"
#include "tmpfile.h"
#include "ublkraw.h"

#define ID		7
#define NODE		"/dev/ublkb7"
#define MNT		"/tmp/namespaces-mnt"
#define READY		"/tmp/namespaces-ready"
#define SAID		"/tmp/namespaces-said"
#define MB		96
#define FILE_MB		64
#define DEL_MS		10000
#define RUN		"/run/regbuf"
#define SOCK		RUN "/7.sock"
#define NOBODY		65534
#define LOCKED_MS	9000

/* The shell in a namespace of its own that is left if a test fails, or 0. */
static pid_t inside;

static void setup(void)
{
	raw_need();
	tlegs_sweep();
	setenv("LEG", tleg_null(0, &(struct null_disk){ .mb = MB }), 1);
	must(!mkdir(MNT, 0700) || errno == EEXIST, MNT ": %s", strerror(errno));
	unlink(READY);
}

static void teardown(void)
{
	if (inside)
		kill(inside, SIGKILL);
	umount2(MNT, MNT_DETACH);
	tlegs_sweep();
}

TestSuite(namespaces, .init = setup, .fini = teardown, .timeout = 300);

static pid_t server(void)
{
	return dev_server(ID);
}

static bool is_ready(void *arg)
{
	return !access(READY, F_OK);
}

/* Mounted by a server in that mode of running: the directory that is mounted, and a file on it. */

#define ADD_BACK	"$REGBUF add -n 7 -t loop -m register -l $LEG > /dev/null"
#define ADD_RECOVERY	"$REGBUF add -n 7 -t loop -m register -l $LEG --recovery --reissue > /dev/null"
#define ADD_FORE	"{ $REGBUF add -n 7 -t loop -m register -l $LEG --foreground > /dev/null & } && " \
			"until $REGBUF list -n 7 2> /dev/null | grep -q register; do sleep 0.1; done"
#define USE		"mkfs.ext4 -q -F " NODE " && mount -t ext4 " NODE " " MNT " && " \
			"yes | head -c $((%d << 20)) > " MNT "/file && touch " READY

/* A shell in a mount namespace of its own, where the device is made and mounted; then it does @then. */
static pid_t in_namespace(const char *add, const char *then)
{
	inside = sh_start("exec unshare --mount sh -c '%s && " USE " && %s'", add, FILE_MB, then);
	must(wait_until(is_ready, NULL, 12 * SOON_MS), "the device is not made and mounted there");
	return inside;
}

static void del_is_quick(void)
{
	u64 begin = now_ms();

	cli_del(ID);
	must(now_ms() - begin < DEL_MS, "del took %d ms", (int)(now_ms() - begin));
	cli_nothing_left("deleted");
}

/* All threads are in the same namespace, which is not that of @client. */
static void server_has_left(pid_t client)
{
	must(!sh("a=$(readlink /proc/%d/task/*/ns/mnt | sort -u); b=$(readlink /proc/%d/ns/mnt); "
		 "[ \"$(echo \"$a\" | wc -l)\" = 1 ] && [ \"$a\" != \"$b\" ]", server(), client),
	     "the server, or a thread of it, is in its client's mount namespace");
	must(sh("grep -q " MNT " /proc/%d/mountinfo", server()), MNT " is mounted for the server");
	must(!sh("[ \"$(readlink /proc/%d/cwd)\" = / ]", server()), "the server's directory is not /");
}

/* When the shell ends, nobody is left in the namespace but, if it stayed there, the server. */
static void is_killed_as_the_last(const char *add, const char *what)
{
	pid_t client = in_namespace(add, "exec sleep 1000"), pid = server();

	server_has_left(client);
	proc_signal(client);
	must(proc_gone(client, 6 * SOON_MS), "%s: the namespace's last process does not end", what);
	kill(pid, SIGKILL);
	must(proc_other_gone(pid, SOON_MS), "%s: the server does not end", what);
	del_is_quick();
}

Test(namespaces, a_server_that_is_left_alone_in_one_can_be_killed)
{
	is_killed_as_the_last(ADD_BACK, "in the background");
	unlink(READY);
	is_killed_as_the_last(ADD_FORE, "in the foreground");
	unlink(READY);
	is_killed_as_the_last(ADD_RECOVERY, "with recovery");
}

/* The shell's end unmounts, which fails without a server. */
Test(namespaces, a_server_that_dies_while_its_device_is_mounted_in_one)
{
	pid_t client = in_namespace(ADD_BACK, "exec sleep 1000");

	proc_kill_other(server());
	proc_signal(client);
	must(proc_gone(client, 3 * SOON_MS), "the namespace's last process does not end");
	del_is_quick();
}

static pid_t dies_with_dirty_data(void)
{
	pid_t client = in_namespace(ADD_RECOVERY, "exec sleep 1000");

	proc_kill_other(server());
	proc_signal(client);
	must(!proc_gone(client, NEVER_MS), "nobody waited for the dirty data");
	return client;
}

/* Its own namespace is where it is mounted, so the new server has to leave as well. */
Test(namespaces, dirty_data_waits_for_recover)
{
	pid_t client = dies_with_dirty_data();

	must(!sh("$REGBUF recover -n 7 -t loop -m register -l $LEG > /dev/null"), "recover");
	must(proc_gone(client, 6 * SOON_MS), "the namespace's last process does not end");
	must(!sh("mount -t ext4 " NODE " " MNT " && yes | head -c $((%d << 20)) | "
		 "cmp - " MNT "/file && umount " MNT, FILE_MB), "the file is not what was written");
	del_is_quick();
}

Test(namespaces, dirty_data_is_given_up_by_del)
{
	pid_t client = dies_with_dirty_data();

	del_is_quick();
	must(proc_gone(client, 3 * SOON_MS), "the namespace's last process does not end");
}

Test(namespaces, a_server_that_recovers_leaves_it_too)
{
	pid_t client = in_namespace(ADD_RECOVERY, "exec sleep 1000");

	proc_kill_other(server());
	must(!sh("nsenter --mount --target %d $REGBUF recover -n 7 -t loop -m register -l $LEG > /dev/null",
		 client), "recover");
	server_has_left(client);
	proc_kill(client);
	proc_kill_other(server());
	del_is_quick();
}

/* It starts `regbuf del`, a program with libraries. */
Test(namespaces, a_server_that_has_left_still_removes_its_device)
{
	pid_t pid;

	must(!sh("unshare --mount sh -c '" ADD_BACK "'"), "add");
	pid = server();
	kill(pid, SIGTERM);
	must(proc_other_gone(pid, SOON_MS), "the server does not end");
	raw_is_gone(ID, SOON_MS);
	cli_nothing_left("SIGTERM");
}

/* The directory that is / there is not the root of the namespace. */
Test(namespaces, a_server_in_a_chroot_leaves_what_is_outside)
{
	must(!sh("unshare --mount sh -c 'mkdir -p /tmp/root && mount --rbind / /tmp/root && "
		 "mount -t tmpfs outside " MNT " && chroot /tmp/root sh -c \"" ADD_BACK "\"'"), "add");
	must(sh("nsenter --mount=/proc/%d/ns/mnt grep outside /proc/self/mountinfo", server()),
	     "what was mounted outside is still there");
	must(!sh("kill %d", server()), "kill");
	raw_is_gone(ID, SOON_MS);
	cli_nothing_left("in a chroot");
}

static void says(const char *text, const char *want, const char *what)
{
	must(strstr(text, want), "%s: no \"%s\" in: %s", what, want, text);
}

/* Started by @add in a namespace where @spoil has been done, it stays there and keeps no copy. */
static void stays(const char *spoil, const char *add, const char *want)
{
	inside = sh_start("exec unshare --mount sh -c '%s && %s $REGBUF add -n 7 -t null -m copy > /dev/null 2> " SAID
			  " && touch " READY " && exec sleep 1000'", spoil, add);
	must(wait_until(is_ready, NULL, 3 * SOON_MS), "no device: %s", sh_out("cat " SAID));
	must(!sh("[ \"$(readlink /proc/%d/ns/mnt)\" = \"$(readlink /proc/%d/ns/mnt)\" ]", server(), inside),
	     "the server is in a copy of its client's mount namespace");
	says(sh_out("cat " SAID), want, "add");
	proc_kill(inside);
	inside = 0;
	cli_del(ID);
	unlink(READY);
}

Test(namespaces, a_server_that_cannot_leave_one_keeps_no_copy_of_it)
{
	stays("mount -t tmpfs none /proc", "", "stays in this mount namespace and keeps what is mounted "
	      "here: No such file or directory: a mounted /proc is right");
	stays("true", "setpriv --bounding-set=-sys_chroot", "stays in this mount namespace and keeps what is "
	      "mounted here: Operation not permitted: right are CAP_SYS_ADMIN and CAP_SYS_CHROOT");
}

/* Sockets. */

static void add_null(void)
{
	must(!sh("$REGBUF add -t null -m copy -n 7 > /dev/null"), "add");
}

Test(namespaces, sockets_are_the_servers_users_only)
{
	struct stat st;

	add_null();
	must(!stat(RUN, &st) && !st.st_uid && (st.st_mode & 07777) == 0700, RUN ": mode %o", st.st_mode);
	must(!stat(SOCK, &st) && !st.st_uid && (st.st_mode & 07777) == 0600, SOCK ": mode %o", st.st_mode);
	cli_del(ID);
	must(stat(SOCK, &st) && errno == ENOENT, SOCK " is left");
}

Test(namespaces, list_finds_servers_from_another_network)
{
	add_null();
	says(sh_out("unshare --net $REGBUF list -n 7"), "null, mode copy", "there");
	cli_del(ID);
}

Test(namespaces, list_finds_servers_from_another_pid_namespace)
{
	pid_t other;

	add_null();
	says(sh_out("unshare --pid --fork --mount-proc $REGBUF list -n 7"), "null, mode copy", "inside");
	cli_del(ID);

	other = sh_start("exec unshare --pid --fork --mount-proc sh -c '"
			 "$REGBUF add -t null -m copy -n 7 > /dev/null && touch " READY "; exec sleep 1000'");
	must(wait_until(is_ready, NULL, SOON_MS), "no device is made inside");
	says(sh_out("$REGBUF list -n 7"), "null, mode copy", "outside");
	cli_del(ID);
	sh("pkill -KILL -P %d", other);
	must(proc_gone(other, SOON_MS), "the pid namespace does not end");
}

Test(namespaces, list_says_what_it_cannot_see)
{
	add_null();
	says(sh_out("unshare --mount sh -c 'mount -t tmpfs none /run && $REGBUF list -n 7'"),
	     "(" RUN ": No such file or directory)", "without /run/regbuf");
	says(sh_out("unshare --mount sh -c 'mount -t tmpfs none /run && $REGBUF list -n 7 --json'"),
	     "\"unseen\": \"" RUN ": No such file or directory\"", "as JSON");
	says(sh_out("unshare --mount sh -c 'mount -t tmpfs none /run && mkdir -m 700 " RUN " && "
		    "$REGBUF list -n 7'"),
	     "(" SOCK ": No such file or directory)", "without the socket");
	says(sh_out("unshare --mount sh -c 'mount -t tmpfs none /run && mkdir -m 777 " RUN " && "
		    "$REGBUF list -n 7'"),
	     "(" RUN " has mode 0777, others may write to it; right is 0700)", "with a directory of all");
	cli_del(ID);
}

/* In the server's place, whose answer breaks off. */
static pid_t answer_half(void)
{
	static const char half[] = "0 100\n{\"target\": \"null\", ";
	struct sockaddr_un sa = { .sun_family = AF_UNIX, .sun_path = SOCK };
	int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), client;
	pid_t pid;
	char byte;

	must(!unlink(SOCK) && !bind(sock, (struct sockaddr *)&sa, sizeof(sa)) && !listen(sock, 8), SOCK ": %s",
	     strerror(errno));
	pid = fork();
	if (!pid) {
		client = accept(sock, NULL, NULL);
		_exit(read(client, &byte, 1) != 1 || write(client, half, strlen(half)) < 0);
	}
	close(sock);
	return pid;
}

Test(namespaces, list_says_when_it_got_half_an_answer)
{
	pid_t other;

	add_null();
	other = answer_half();
	/* from a pid namespace where nobody can tell who listens */
	says(sh_out("unshare --pid --fork --mount-proc $REGBUF list -n 7 --json"),
	     "\"server\": null, \"unseen\": \"the server's answer is not whole\"", "half an answer");
	proc_gone(other, SOON_MS);
	cli_del(ID);
}

static void listen_as_nobody(const char *name, socklen_t len)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int sock = socket(AF_UNIX, SOCK_STREAM, 0);

	memcpy(sa.sun_path, name, len);
	must(!bind(sock, (struct sockaddr *)&sa, offsetof(struct sockaddr_un, sun_path) + len) &&
	     !listen(sock, 8), "bind: %s", strerror(errno));
}

static void become_nobody(void)
{
	must(!setgid(NOBODY) && !setuid(NOBODY), "setuid: %s", strerror(errno));
	/* which another user does not inherit */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
}

/* The name that sockets of older servers had, which anybody can take. */
static void nobody_takes_name(void *arg)
{
	become_nobody();
	listen_as_nobody("\0regbuf/7", 9);
	*(volatile int *)arg = 1;
}

/* /run is everybody's here, as it is nowhere else. */
static void nobody_takes_directory(void *arg)
{
	become_nobody();
	must(!mkdir(RUN, 0777) && !chmod(RUN, 0777), RUN ": %s", strerror(errno));
	listen_as_nobody(SOCK, sizeof(SOCK));
	*(volatile int *)arg = 1;
}

static bool is_set(void *arg)
{
	return *(volatile int *)arg;
}

/* May enter the directory, and nothing more. */
static void nobody_takes_lock(void *arg)
{
	int dir;

	become_nobody();
	dir = open(RUN, O_RDONLY | O_DIRECTORY);
	must(dir >= 0 && !flock(dir, LOCK_EX), RUN ": %s", strerror(errno));
	*(volatile int *)arg = 1;
}

static pid_t nobody(void (*takes)(void *))
{
	volatile int *done = shared_alloc(sizeof(*done));
	pid_t pid;

	sh("rm -rf " RUN);
	if (takes == nobody_takes_lock)
		must(!mkdir(RUN, 0755), RUN ": %s", strerror(errno));
	pid = proc_start(takes, (void *)done);
	must(wait_until(is_set, (void *)done, SOON_MS), "nobody takes it");
	return pid;
}

Test(namespaces, a_name_that_nobody_took_first_hides_no_server)
{
	pid_t pid = nobody(nobody_takes_name);

	says(sh_out("$REGBUF add -t null -m copy -n 7; $REGBUF list -n 7"), "null, mode copy", "a taken name");
	cli_del(ID);
	proc_kill(pid);
}

Test(namespaces, a_directory_that_nobody_made_first_is_not_trusted)
{
	pid_t pid = nobody(nobody_takes_directory);

	says(sh_out("$REGBUF add -t null -m copy -n 7"),
	     "list will know little of it: " RUN " belongs to user 65534; right is user 0", "add");
	says(sh_out("$REGBUF list -n 7"), "(" RUN " belongs to user 65534; right is user 0)", "list");
	cli_del(ID);
	proc_kill(pid);
	sh("rm -rf " RUN);
}

/* The mode is what systemd gives a RuntimeDirectory. */
Test(namespaces, a_lock_that_nobody_holds_stops_neither_add_nor_del)
{
	pid_t pid = nobody(nobody_takes_lock);
	u64 begin = now_ms();
	struct stat st;

	must(!sh("timeout -s KILL 20 $REGBUF add -t null -m copy -n 7 > " SAID " 2>&1"), "add does not end");
	says(sh_out("cat " SAID),
	     "list will know little of it: " RUN ": another process has had its lock for ", "add");
	must(now_ms() - begin < LOCKED_MS, "add took %d ms", (int)(now_ms() - begin));
	must(!stat(RUN, &st) && (st.st_mode & 07777) == 0700, RUN ": mode %o", st.st_mode);
	/* as one that was killed leaves */
	must(!sh("touch " SOCK), SOCK);
	begin = now_ms();
	must(!sh("timeout -s KILL 20 $REGBUF del -n 7 > " SAID " 2>&1"), "del does not end");
	says(sh_out("cat " SAID), "device 7: its socket is left: " RUN ": ", "del");
	must(now_ms() - begin < LOCKED_MS, "del took %d ms", (int)(now_ms() - begin));
	proc_kill(pid);
	add_null();
	says(sh_out("$REGBUF list -n 7"), "null, mode copy", "without the lock");
	cli_del(ID);
}

static bool is_quiesced(void *arg)
{
	return raw_dev_state(ID) == UBLK_S_DEV_QUIESCED;
}

Test(namespaces, a_dead_servers_socket_is_replaced_and_a_live_ones_is_not)
{
	must(!sh("$REGBUF add -t null -m copy -n 7 --recovery > /dev/null"), "add");
	proc_kill_other(server());
	must(wait_until(is_quiesced, NULL, SOON_MS), "state %d", raw_dev_state(ID));
	must(!access(SOCK, F_OK), "there is no " SOCK);
	says(sh_out("$REGBUF list -n 7"), "(no server)", "without a server");
	must(!sh("$REGBUF recover -n 7 -t null > /dev/null"), "recover");
	says(sh_out("$REGBUF list -n 7"), "null, mode copy", "recovered");
	must(sh("$REGBUF add -t null -m copy -n 7 2> /dev/null"), "a second device 7");
	says(sh_out("$REGBUF list -n 7"), "null, mode copy", "after another add");
	proc_kill_other(server());
	cli_del(ID);
	must(access(SOCK, F_OK), SOCK " is left");
}
