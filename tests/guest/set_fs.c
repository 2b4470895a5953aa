// SPDX-License-Identifier: GPL-2.0
/*
 * A file system on a set with --recovery --reissue, whose server is killed at random moments while
 * legs are copied to.  Nobody notices: files are written and read, and what was made durable is
 * there behind it.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli.h"
#include "dev.h"
#include "fsload.h"
#include "proc.h"
#include "sh.h"
#include "tleg.h"
#include "ublkraw.h"

#define ID		7
#define LEGS		3
#define MB		32
#define BELOW(leg)	((leg) + LEGS)
#define MNT		"/tmp/set-mnt"
#define KILLS		2	/* of each mode, and each followed by another one */
#define RUN_MS		300	/* the longest that a copy goes on before a kill */
#define ALL		"-l $LEG0 -l $LEG1 -l $LEG2"

static void setup(void)
{
	raw_need();
	tlegs_sweep();
	srandom(1);
	for (unsigned int i = 0; i < LEGS; i++) {
		char name[8];

		tleg_null(BELOW(i), &(struct null_disk){ .mb = MB + 2 });
		snprintf(name, sizeof(name), "LEG%u", i);
		setenv(name, tleg_over(i, tleg_path(BELOW(i))), 1);
	}
	must(!mkdir(MNT, 0700) || errno == EEXIST, MNT ": %s", strerror(errno));
}

static void teardown(void)
{
	tlegs_resume();
	umount2(MNT, MNT_DETACH);
	tlegs_sweep();
}

TestSuite(set_fs, .init = setup, .fini = teardown, .timeout = 600);

/* A leg that was dropped is let go of soon, not at once. */
static bool is_added(void *leg)
{
	return !sh("$REGBUF mirror add set --leg $LEG%u > /dev/null 2>&1", *(unsigned int *)leg);
}

/* Leg @leg misses some writes, and is slow when it comes back: its copy takes long. */
static void copy_begins(struct fsload *fs, unsigned int leg, const char *mode)
{
	must(!sh("$REGBUF mirror fail set --leg $LEG%u", leg), "%s: fail", mode);
	fsload_runs(fs, mode);
	tleg_break(leg, TLEG_SLOW);
	must(wait_until(is_added, &leg, 2 * SOON_MS), "%s: %s", mode, sh_out("$REGBUF mirror add set --leg $LEG%u", leg));
}

static bool is_copied_to(void)
{
	return strstr(sh_out("$REGBUF mirror status set --json"), "\"what\": \"resync\"");
}

static void recover(const char *mode)
{
	must(!sh("$REGBUF mirror assemble set --recover -n 7 -m %s " ALL " > /dev/null", mode), "%s: recover", mode);
}

static bool is_whole(void *arg)
{
	return !sh("$REGBUF mirror status set > /dev/null") && !is_copied_to();
}

static void becomes_whole(const char *mode)
{
	for (unsigned int i = 0; i < LEGS; i++)
		tleg_break(i, TLEG_GOOD);
	must(wait_until(is_whole, NULL, 6 * SOON_MS), "%s: %s", mode, sh_out("$REGBUF mirror status set"));
}

static void under_kills(struct fsload *fs, const char *mode)
{
	unsigned int copying = 0;

	for (unsigned int i = 0; i < KILLS; i++) {
		copy_begins(fs, i % LEGS, mode);
		usleep(random() % (RUN_MS * 1000));
		copying += is_copied_to();
		proc_kill_other(dev_server(ID));
		recover(mode);
		fsload_runs(fs, mode);
		/* and once more, while what the first one left is copied */
		usleep(random() % (RUN_MS * 1000));
		proc_kill_other(dev_server(ID));
		recover(mode);
		becomes_whole(mode);
	}
	must(copying, "%s: no kill met a copy", mode);
	fsload_runs(fs, mode);
	fsload_stop(fs, mode);
}

static void files_are_there(struct fsload *fs, const char *mode)
{
	must(!umount(MNT), "%s: umount: %s", mode, strerror(errno));
	must(!sh("e2fsck -fn /dev/ublkb7 > /dev/null 2>&1"), "%s: e2fsck complains", mode);
	must(!sh("mount -t ext4 /dev/ublkb7 " MNT), "%s: mount", mode);
	fsload_is(fs, mode);
	must(!umount(MNT), "%s: umount: %s", mode, strerror(errno));
}

static void survives(const char *mode)
{
	struct fsload *fs;

	must(!sh("$REGBUF mirror create set --force --assume-clean --size %uM --no-start " ALL " > /dev/null", MB),
	     "%s: create", mode);
	must(!sh("$REGBUF mirror assemble set --recovery --reissue -n 7 -q 2 -d 32 -m %s " ALL " > /dev/null", mode),
	     "%s: assemble", mode);
	must(!sh("mkfs.ext4 -q -F /dev/ublkb7 && mount -t ext4 /dev/ublkb7 " MNT), "%s: mkfs, mount", mode);
	fs = fsload_start(MNT);
	under_kills(fs, mode);
	files_are_there(fs, mode);
	must(!sh("$REGBUF mirror check set --wait > /dev/null 2>&1"), "%s: check", mode);
	must(!sh("$REGBUF mirror stop set"), "%s: stop", mode);
	must(!sh("cmp -i 1M -n %uM $LEG0 $LEG1 && cmp -i 1M -n %uM $LEG0 $LEG2", MB, MB), "%s: legs differ", mode);
	cli_nothing_left(mode);
}

Test(set_fs, a_file_system_does_not_notice_deaths_while_legs_are_copied)
{
	/* register, and fused where the kernel has that: what was lent is in the server's hands */
	for (unsigned int m = 3; m < cli_modes(); m += 2)
		survives(cli_mode(m));
}
