// SPDX-License-Identifier: GPL-2.0
/*
 * `regbuf recover`: waits for what a dead server still holds, and is all that a file
 * system on the device needs to go on.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli.h"
#include "dev.h"
#include "fsload.h"
#include "pattern.h"
#include "proc.h"
#include "sh.h"
#include "tleg.h"
#include "tmpfile.h"
#include "ublkraw.h"

#define MB		32
#define PATIENCE_MS	10000	/* of recover */
#define MNT		"/tmp/recover-mnt"

/* Of the mirror; others are made of these numbers. */
static const char *legs[2];
enum { OTHER = 2, HELD = 3 };

static void setup(void)
{
	raw_need();
	tlegs_sweep();
	tlegs_slow(legs, 2, MB);
}

static void teardown(void)
{
	tlegs_resume();
	umount2(MNT, MNT_DETACH);
	tlegs_sweep();
}

TestSuite(recover, .init = setup, .fini = teardown, .timeout = 240);

#define MIRROR_ARGS	"-t", "mirror", "-m", cli_best(), "-l", legs[0], "-l", legs[1]

static int add_mirror(void)
{
	return cli_add(CLI("add", MIRROR_ARGS, "--recovery", "--reissue", "-d", "32"));
}

/* A device whose server was killed with a write in flight that does not end. */
static struct client *killed_in_flight(int *id)
{
	struct client *c;

	legs[1] = tleg_over(HELD, legs[1]);
	*id = add_mirror();
	tleg_suspend(HELD);
	c = client_start(&(struct client_job){ .id = *id, .op = CLIENT_WRITE, .len = 65536,
					       .seed = 3 });
	must(!client_done(c, NEVER_MS), "the write is not held: %s", res_str(c->res));
	proc_kill_other(dev_server(*id));
	return c;
}

/* And the recovery of it, which is under way. */
static struct client *recover_in_flight(int *id, struct cli_job *job)
{
	struct client *c = killed_in_flight(id);

	cli_start(job, CLI("recover", "-n", cli_id(*id), MIRROR_ARGS));
	return c;
}

static void end_well(int id, struct client *c)
{
	static u8 buf[65536];

	res_is(client_wait(c), 65536, "the write that was in flight");
	cli_del(id);
	for (unsigned int i = 0; i < 2; i++) {
		int fd = file_open(legs[i], O_RDONLY);

		file_read(fd, buf, sizeof(buf), 0);
		pat_is(buf, sizeof(buf), 3, 0, "leg %u", i);
		close(fd);
	}
	cli_nothing_left("recovered");
}

Test(recover, waits_until_the_dead_servers_io_is_done)
{
	static struct cli out;
	struct cli_job job;
	int id;
	struct client *c = recover_in_flight(&id, &job);

	must(!cli_ended(&job, &out, 3000), "it did not wait: status %d: %s", out.status, out.err);
	must(!c->done, "the write has ended: %s", res_str(c->res));
	tleg_resume(HELD);
	must(cli_ended(&job, &out, SOON_MS), "recover does not end");
	must(!out.status, "recover: status %d: %s", out.status, out.err);
	end_well(id, c);
}

/* An error in the end, which changes nothing: once the leg is free, it works. */
Test(recover, does_not_wait_for_ever)
{
	static struct cli out;
	struct cli_job job;
	int id;
	struct client *c = recover_in_flight(&id, &job);

	must(cli_ended(&job, &out, PATIENCE_MS + SOON_MS), "recover does not end");
	must(out.status == 1, "recover: status %d: %s", out.status, out.err);
	/* of whatever leg comes first: the I/O holds the ring, and the ring all of them */
	must(strstr(out.err, ": in use by another program or device, still after 10000 ms"),
	     "recover: %s", out.err);
	tleg_resume(HELD);
	cli_run(&out, CLI("recover", "-n", cli_id(id), MIRROR_ARGS));
	must(!out.status, "recover: status %d: %s", out.status, out.err);
	end_well(id, c);
}

static bool is_live(void *arg)
{
	return raw_dev_state(*(int *)arg) == UBLK_S_DEV_LIVE;
}

Test(recover, is_refused_while_the_server_lives)
{
	static struct cli out;
	int id = add_mirror();

	cli_run(&out, CLI("recover", "-n", cli_id(id), MIRROR_ARGS));
	must(out.status == 1 && strstr(out.err, "its server lives"), "recover: status %d: %s",
	     out.status, out.err);
	must(is_live(&id), "state %d", raw_dev_state(id));
	cli_del(id);
}

/* What recover() is given here is wrong, and says so. */
static void recover_fails(const char *const *args, const char *why, const char *what)
{
	static struct cli out;

	cli_run(&out, args);
	must(out.status == 1 && strstr(out.err, why), "%s: status %d: %s", what, out.status, out.err);
}

/* The same legs in another order are the same; --force takes others, and says what follows. */
Test(recover, takes_what_the_device_was_made_of)
{
	static struct cli out;
	const char *other;
	char right[64];
	int id = add_mirror();

	snprintf(right, sizeof(right), "right is one of %s", cli_best());
	other = tleg_null(OTHER, &(struct null_disk){ .mb = MB });
	proc_kill_other(dev_server(id));
	recover_fails(CLI("recover", "-n", cli_id(id), "-t", "loop", "-m", cli_best(), "-l", legs[0]),
		      "made as another target, or of other legs; --force", "another target");
	recover_fails(CLI("recover", "-n", cli_id(id), "-t", "mirror", "-m", cli_best(), "-l", legs[0], "-l", other),
		      "made as another target, or of other legs; --force", "another leg");
	recover_fails(CLI("recover", "-n", cli_id(id), "-t", "mirror", "-m", "user-copy", "-l", legs[0], "-l", legs[1]),
		      right, "another mode");
	cli_run(&out, CLI("recover", "-n", cli_id(id), "-t", "mirror", "-m", cli_best(), "-l", legs[1], "-l", legs[0]));
	must(!out.status, "legs the other way round: status %d: %s", out.status, out.err);
	proc_kill_other(dev_server(id));
	cli_run(&out, CLI("recover", "-n", cli_id(id), "--force", "-t", "mirror", "-m", cli_best(), "-l", legs[0], "-l", other));
	must(!out.status, "--force: status %d: %s", out.status, out.err);
	must(strstr(out.err, "the next recover has to be"), "--force, without a word: %s", out.err);
	cli_del(id);
	cli_nothing_left("recovered with another leg");
}

/* The one that the device had has none, so the device tells its clients of none. */
Test(recover, refuses_legs_with_a_cache_that_the_device_does_not_have)
{
	static struct cli out;
	const char *other;
	int id = cli_add(CLI("add", "-t", "loop", "--recovery", "-l", legs[0]));

	other = tleg_null(OTHER, &(struct null_disk){ .mb = MB, .cache_mb = 1 });
	proc_kill_other(dev_server(id));
	recover_fails(CLI("recover", "-n", cli_id(id), "--force", "-t", "loop", "-l", other),
		      "it has no write cache", "a disk with a cache");
	tleg_set(OTHER, "queue/write_cache", "write through");
	cli_run(&out, CLI("recover", "-n", cli_id(id), "--force", "-t", "loop", "-l", other));
	must(!out.status, "the cache off: status %d: %s", out.status, out.err);
	cli_del(id);
	cli_nothing_left("recovered with a cache that is off");
}

/* Other legs may want what those that the device was made of did not. */
Test(recover, has_stable_pages_if_other_legs_want_them)
{
	static struct cli out;
	const char *other;
	int id = cli_add(CLI("add", "-t", "loop", "-m", "register", "--recovery", "-l", legs[0]));

	other = tleg_null(OTHER, &(struct null_disk){ .mb = MB });
	tleg_set(OTHER, "queue/stable_writes", "1");
	proc_kill_other(dev_server(id));
	cli_run(&out, CLI("recover", "-n", cli_id(id), "--force", "-t", "loop", "-m", "register", "-l", other));
	must(!out.status, "status %d: %s", out.status, out.err);
	must(dev_attr(id, "queue/stable_writes"), "no stable pages");
	cli_del(id);
	cli_nothing_left("recovered with stable pages");
}

/* A file system: files are written, read, renamed, while the server is killed. */

#define FS_KILLS	6

static void fs_under_kills(int id)
{
	struct fsload *fs = fsload_start(MNT);
	static struct cli out;

	for (unsigned int i = 0; i < FS_KILLS; i++) {
		fsload_runs(fs, "before a kill");
		usleep(random() % 100000);
		proc_kill_other(dev_server(id));
		cli_run(&out, CLI("recover", "-n", cli_id(id), MIRROR_ARGS));
		must(!out.status, "recover %u: status %d: %s", i, out.status, out.err);
	}
	fsload_runs(fs, "after the last");
	fsload_stop(fs, "after the last");

	/* anew, from the device */
	must(!umount(MNT), "umount: %s", strerror(errno));
	must(!sh("e2fsck -fn /dev/ublkb%d", id), "e2fsck complains");
	must(!sh("mount -t ext4 /dev/ublkb%d " MNT, id), "mount");
	fsload_is(fs, "mounted again");
	must(!umount(MNT), "umount: %s", strerror(errno));
}

Test(recover, a_file_system_does_not_notice)
{
	int id;

	srandom(6);
	id = add_mirror();
	must(!mkdir(MNT, 0700) || errno == EEXIST, MNT ": %s", strerror(errno));
	must(!sh("mkfs.ext4 -q -F /dev/ublkb%d", id), "mkfs.ext4");
	must(!sh("mount -t ext4 /dev/ublkb%d " MNT, id), "mount");
	fs_under_kills(id);
	cli_del(id);
	must(!sh("cmp %s %s", legs[0], legs[1]), "the legs differ");
	cli_nothing_left("a file system");
}

/* An upgrade leaves servers as they are: `list` says which are of the program before. */
Test(recover, a_program_that_was_replaced_is_told)
{
	static struct cli c;

	must(!sh("cp $REGBUF /tmp/regbuf-old && /tmp/regbuf-old add -t null -n 6 > /dev/null"), "add");
	cli_list(&c, 6);
	cr_expect(strstr(c.out, "\"replaced\":false"), "%s", c.out);
	must(!sh("cp $REGBUF /tmp/regbuf-new && mv /tmp/regbuf-new /tmp/regbuf-old"), "a new one");
	cli_list(&c, 6);
	cr_expect(strstr(c.out, "\"replaced\":true"), "%s", c.out);
	cli_run(&c, CLI("list"));
	cr_expect(strstr(c.out, "replaced since"), "%s", c.out);
	cli_del(6);
	must(!sh("rm /tmp/regbuf-old"), "rm");
	cli_nothing_left("a program that was replaced");
}
