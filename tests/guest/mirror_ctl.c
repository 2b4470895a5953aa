// SPDX-License-Identifier: GPL-2.0
/*
 * A set that is served, and the commands for it: what they tell of it, what they refuse, and that
 * nobody who comes to its socket stops it.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "cli.h"
#include "control.h"
#include "dev.h"
#include "proc.h"
#include "set.h"
#include "sh.h"
#include "targets/mirror/format.h"
#include "tleg.h"
#include "tmpfile.h"
#include "ublkraw.h"

#define ID	7
#define LEG_MB	10
#define AREA_SECTORS	(FORMAT_AREA_BYTES >> 9)	/* before the data */
#define BAD_SECTORS	64
#define MNT	"/tmp/mirror_ctl-mnt"
#define TOLD	"/tmp/mirror_ctl-told"
#define SOCK	"/run/regbuf/7.sock"

static pid_t monitor;

static void setup(void)
{
	raw_need();
	tlegs_sweep();
	must(!mkdir(MNT, 0700) || errno == EEXIST, MNT ": %s", strerror(errno));
	unlink(TOLD);
	setenv("TOLD", TOLD, 1);
}

static void teardown(void)
{
	if (monitor)
		kill(monitor, SIGKILL);
	umount2(MNT, MNT_DETACH);
	cli_sweep();
	tlegs_sweep();
}

TestSuite(mirror_ctl, .init = setup, .fini = teardown, .timeout = 300);

/* Set home of $LEG0 and $LEG1, the second of which can be broken. */
static void serve_home(void)
{
	const struct null_disk disk = { .mb = LEG_MB };

	setenv("LEG0", tleg_null(0, &disk), 1);
	setenv("LEG1", tleg_over(2, tleg_null(1, &disk)), 1);
	must(!sh("$REGBUF mirror create home -l $LEG0 -l $LEG1 --assume-clean --no-start > /dev/null"), "create");
	must(!sh("$REGBUF mirror assemble home -n 7 -l $LEG0 -l $LEG1 > /dev/null"), "assemble");
}

static void write_block(void)
{
	must(!sh("dd if=/dev/urandom of=/dev/ublkb7 bs=4k count=1 oflag=direct 2> /dev/null"), "a write");
}

static void fail_leg(void)
{
	/* Its bit is set for now, so that mostly the write is what fails first, and not the record. */
	write_block();
	tleg_break(2, TLEG_WRITE_ERROR);
	write_block();
}

/* What the command prints has @text, and it ends with @status. */
static void tells(const char *command, int status, const char *text)
{
	const char *out = sh_out("%s; echo \"exit status $?\"", command);
	char end[32];

	snprintf(end, sizeof(end), "exit status %d\n", status);
	must(strstr(out, text), "%s: no '%s' in: %s", command, text, out);
	must(strstr(out, end), "%s: not %d: %s", command, status, out);
}

Test(mirror_ctl, status_says_whole_degraded_and_stopped)
{
	serve_home();
	tells("$REGBUF mirror status home --json", 0, "\"device\": \"/dev/ublkb7\"");
	tells("$REGBUF mirror status home", 0, "  in-sync\n");
	write_block();
	tells("$REGBUF mirror status home", 0, "/dev/ublkb7  dirty");
	fail_leg();
	tells("$REGBUF mirror status home --json", 1, "\"state\": \"degraded\"");
	tells("$REGBUF mirror status home --json", 1, "\"state\": \"failed\"");
	must(!sh("$REGBUF mirror status home | grep -qE '/lend-leg2  failed  (write|record) at sector 0: Input/output error'"),
	     "status: %s", sh_out("$REGBUF mirror status home"));
	tleg_break(2, TLEG_GOOD);
	must(!sh("$REGBUF mirror stop home"), "stop");
	tells("$REGBUF mirror status home --leg $LEG0 --leg $LEG1 --json", 2, "\"device\": null, \"state\": \"stopped\"");
	cli_nothing_left("stop");
}

Test(mirror_ctl, stop_records_a_clean_set)
{
	struct leginfo l;

	serve_home();
	write_block();
	tells("$REGBUF mirror stop home --json", 0, "\"device\": \"/dev/ublkb7\", \"removed\": true}");
	raw_is_gone(ID, SOON_MS);
	set_leg(0, &l);
	must(l.super.set.clean, "the set is not clean");
	tells("$REGBUF mirror stop home", 1, "set home is not served");
}

Test(mirror_ctl, stop_refuses_what_is_in_use)
{
	int dev;

	serve_home();
	must(!sh("mkfs.ext4 -q -F /dev/ublkb7 && mount -t ext4 /dev/ublkb7 " MNT), "mount");
	tells("$REGBUF mirror stop home", 1, "set home: /dev/ublkb7 is mounted at " MNT ": unmount it first");
	tells("$REGBUF del -n 7 --if-unused", 1, "device 7: /dev/ublkb7 is mounted at " MNT ": unmount it first");
	must(!sh("echo still there > " MNT "/file && sync " MNT "/file"), "the device does not work any more");
	must(!sh("umount " MNT), "umount");
	dev = dev_open(ID, "", O_RDWR | O_EXCL);
	tells("$REGBUF mirror stop home", 1, "/dev/ublkb7 is in use");
	tells("$REGBUF del -a --if-unused", 1, "/dev/ublkb7 is in use");
	close(dev);
	must(!sh("$REGBUF mirror stop home"), "stop");
	raw_is_gone(ID, SOON_MS);
	serve_home();
	tells("$REGBUF del -n 7 --if-unused --json", 0, "\"removed\": true");
	raw_is_gone(ID, SOON_MS);
	tells("$REGBUF del -n 7 --if-unused", 1, "device 7: there is none");
}

static bool is_told(void *line)
{
	return !sh("grep -q '%s' $TOLD", (const char *)line);
}

static void monitor_tells(const char *line)
{
	must(wait_until(is_told, (void *)line, 2 * SOON_MS), "monitor does not tell %s, but: %s", line,
	     sh_out("cat $TOLD"));
}

Test(mirror_ctl, monitor_sees_a_leg_fail_and_the_set_stop)
{
	serve_home();
	monitor = sh_start("exec $REGBUF mirror monitor > $TOLD");
	monitor_tells("^started  home  /dev/ublkb7$");
	fail_leg();
	monitor_tells("^leg-failed  home  /dev/ublkb7  /dev/");
	monitor_tells("^degraded  home  /dev/ublkb7$");
	must(!sh("$REGBUF mirror stop home"), "stop");
	monitor_tells("^stopped  home  /dev/ublkb7$");
	proc_kill(monitor);
	monitor = 0;
}

Test(mirror_ctl, what_a_server_cannot_do_is_told)
{
	serve_home();
	tells("$REGBUF mirror fail home --leg /dev/null", 1, "/dev/null is no leg of set home");
	tells("$REGBUF mirror status home", 0, "in-sync");
	must(!sh("$REGBUF add -t null -n 8 > /dev/null"), "add");
	tells("$REGBUF mirror status nobody", 2, "no leg of set nobody");
}

Test(mirror_ctl, limits_are_changed_while_a_set_is_served)
{
	serve_home();
	tells("$REGBUF mirror status home --json", 0,
	      "\"limits\": {\"resync_min\": 0, \"resync_max\": 0, \"leg_timeout\": 0, \"read_errors\": 20}");
	tells("$REGBUF mirror limits home --resync-min 1M --leg-timeout 600 --json", 0,
	      "\"limits\": {\"resync_min\": 1048576, \"resync_max\": 0, \"leg_timeout\": 600, \"read_errors\": 20}");
	tells("$REGBUF mirror limits home --resync-max 1K", 1, "--resync-min is more than --resync-max");
	tells("$REGBUF mirror limits home", 2, "right is one limit or more");
	must(!sh("$REGBUF mirror stop home"), "stop");
	tells("$REGBUF mirror assemble home -n 7 -l $LEG0 -l $LEG1 --read-errors 0 --resync-max 1G", 0, "/dev/ublkb7");
	tells("$REGBUF mirror status home --json", 0,
	      "\"limits\": {\"resync_min\": 0, \"resync_max\": 1073741824, \"leg_timeout\": 0, \"read_errors\": 0}");
	must(!sh("$REGBUF mirror stop home"), "stop");
}

Test(mirror_ctl, a_mirror_without_a_record_leaves_its_legs_as_they_are)
{
	const struct null_disk disk = { .mb = LEG_MB };

	setenv("LEG0", tleg_null(0, &disk), 1);
	setenv("LEG1", tleg_null(1, &disk), 1);
	tells("$REGBUF mirror create home -l $LEG0 -l $LEG1 --no-record -n 7", 0, "/dev/ublkb7");
	write_block();
	tells("$REGBUF mirror status home", 2, "no leg of set home");
	tells("$REGBUF mirror examine $LEG0", 1, "no record");
	must(!sh("cmp -n 4096 $LEG0 /dev/ublkb7 && cmp -n $(blockdev --getsize64 /dev/ublkb7) $LEG0 $LEG1"), "the data is not on the legs");
	cli_del(ID);
}

static bool leg_has_failed(void *arg)
{
	return !sh("$REGBUF mirror status home | grep -q 'failed  read at sector'");
}

/* Each read meets sectors that nobody has written again yet. */
static void read_bad_sectors(unsigned int nr)
{
	int dev = dev_open(ID, "", O_RDONLY | O_DIRECT);
	u8 *buf = page_alloc(4096);

	/* from both ends, so that the reads are no stream, which would stay on one leg */
	for (unsigned int i = 0; i < nr; i++)
		file_read(dev, buf, 512, (u64)(i & 1 ? BAD_SECTORS - i : i) * 512);
	close(dev);
}

Test(mirror_ctl, a_leg_with_too_many_read_errors_is_failed)
{
	serve_home();
	tleg_bad(2, AREA_SECTORS, AREA_SECTORS + BAD_SECTORS);
	must(!sh("$REGBUF mirror limits home --read-errors 0"), "limits");
	read_bad_sectors(40);
	tells("$REGBUF mirror status home", 0, " read errors");
	must(!sh("$REGBUF mirror limits home --read-errors 3"), "limits");
	tleg_bad(2, AREA_SECTORS, AREA_SECTORS + BAD_SECTORS);
	read_bad_sectors(40);
	must(wait_until(leg_has_failed, NULL, SOON_MS), "it is not failed: %s", sh_out("$REGBUF mirror status home"));
	must(!sh("$REGBUF mirror stop home"), "stop");
}

/* The socket. */

static int come(const void *bytes, size_t len)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX, .sun_path = SOCK };
	int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	must(!connect(sock, (struct sockaddr *)&sa, sizeof(sa)), SOCK ": %s", strerror(errno));
	must(send(sock, bytes, len, MSG_NOSIGNAL) == (ssize_t)len, "send: %s", strerror(errno));
	return sock;
}

Test(mirror_ctl, nobody_who_comes_to_the_socket_stops_the_set)
{
	static const char much[2 * CONTROL_REQUEST_MAX] = { [0 ... 2 * CONTROL_REQUEST_MAX - 1] = 'x' };
	int socks[4];
	u64 begin;

	serve_home();
	socks[0] = come("", 0);
	socks[1] = come("stat", 4);
	socks[2] = come("\0\0\0status\0", 10);
	socks[3] = come(much, sizeof(much));
	begin = now_ms();
	tells("$REGBUF mirror status home", 0, "in-sync");
	must(now_ms() - begin < CONTROL_MS, "status took %d ms", (int)(now_ms() - begin));
	write_block();
	for (unsigned int i = 0; i < 4; i++)
		close(socks[i]);
	tells("$REGBUF list -n 7", 0, "set home");
	must(!sh("$REGBUF mirror stop home"), "stop");
	cli_nothing_left("garbage");
}
