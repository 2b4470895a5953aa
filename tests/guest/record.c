// SPDX-License-Identifier: GPL-2.0
/*
 * A mirror that keeps a record: what survives when legs fail and servers die.  What is on the
 * legs is looked at by `mirror examine` and by reading their data, while the set is served and
 * when it is not.
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
#include "pattern.h"
#include "proc.h"
#include "rwdisk.h"
#include "set.h"
#include "sh.h"
#include "targets/mirror/format.h"
#include "tleg.h"
#include "tmpfile.h"
#include "ublkraw.h"
#include "verify.h"

#define ID	7
#define MB	8			/* of data */
#define SIZE	(MB << 20)
#define AREA	FORMAT_AREA_BYTES	/* before the data */
#define LEG_MB	(MB + 2)		/* an area may be at either end */
#define MNT	"/tmp/record-mnt"

static u8 *model, *buf;
static struct rwdisk disk = { .size = SIZE, .block = 512, .small = 32768, .large = 1 << 20 };

static void setup(void)
{
	raw_need();
	tlegs_sweep();
	must(!mkdir(MNT, 0700) || errno == EEXIST, MNT ": %s", strerror(errno));
	disk.model = model = page_alloc(SIZE);
	disk.buf = buf = page_alloc(SIZE);
	setenv("ID", "7", 1);
	unsetenv("REGBUF_RESYNC_HOLD");
}

static void teardown(void)
{
	cli_sweep();
	tlegs_sweep();
	umount2(MNT, MNT_DETACH);
}

TestSuite(record, .init = setup, .fini = teardown, .timeout = 300);

/* Legs and sets. */

static void leg_named(unsigned int i, const char *path)
{
	char name[8];

	snprintf(name, sizeof(name), "LEG%u", i);
	setenv(name, path, 1);
}

/* $LEG0 and on; @opts NULL: as the driver has them. */
static void null_legs(unsigned int nr, const struct null_disk *opts)
{
	for (unsigned int i = 0; i < nr; i++) {
		struct null_disk o = opts ? opts[i] : (struct null_disk){ 0 };

		o.mb = LEG_MB;
		leg_named(i, tleg_null(i, &o));
	}
}

#define LEGS2	"-l $LEG0 -l $LEG1"
#define LEGS3	LEGS2 " -l $LEG2"

/* Prints and serves nothing yet. */
static void create(const char *legs)
{
	must(!sh("$REGBUF mirror create set %s --size 8M --assume-clean --no-start > /dev/null", legs), "create");
}

static void assembled(const char *args)
{
	must(!sh("$REGBUF mirror assemble -n $ID %s > /dev/null", args), "assemble %s", args);
}

/* It is refused, and says so. */
static void refuses(const char *args, const char *text)
{
	const char *out = sh_out("$REGBUF mirror assemble -n $ID %s", args);

	must(strstr(out, text), "assemble %s: no \"%s\" in: %s", args, text, out);
	must(raw_dev_state(ID) < 0, "assemble %s: there is a device", args);
}

static const struct super_leg *slot_on(unsigned int leg, unsigned int slot, struct leginfo *l)
{
	set_leg(leg, l);
	return &l->super.set.legs[slot];
}

/* What the record on one leg says of another. */
static void calls(unsigned int leg, unsigned int slot, enum format_state state, const char *what)
{
	struct leginfo l;
	enum format_state found = slot_on(leg, slot, &l)->state;

	must(found == state, "%s: leg %u calls leg %u %s, not %s", what, leg, slot, leginfo_state_name(found),
	     leginfo_state_name(state));
}

static bool is_clean(unsigned int leg)
{
	struct leginfo l;

	set_leg(leg, &l);
	return l.super.set.clean;
}

/* The device. */

static int open_dev(void)
{
	return dev_open(ID, "", O_RDWR | O_DIRECT);
}

static void data_is(unsigned int leg, const char *what)
{
	int fd = tleg_open(leg, O_RDONLY | O_DIRECT);

	file_read(fd, buf, SIZE, AREA);
	mem_is(buf, model, SIZE, "%s: leg %u", what, leg);
	close(fd);
}

static void list_has(const char *text, const char *what)
{
	static struct cli c;

	cli_list(&c, ID);
	must(strstr(c.out, text), "%s: no %s in: %s", what, text, c.out);
}

/* Whole. */

static void serves(const char *mode, unsigned int nr)
{
	int dev;

	memset(model, 0, SIZE);
	null_legs(nr, NULL);
	create(nr == 2 ? LEGS2 : LEGS3);
	must(!sh("$REGBUF mirror assemble -n $ID -m %s %s > /dev/null", mode, nr == 2 ? LEGS2 : LEGS3), "%s", mode);
	must(!is_clean(0) && !is_clean(1), "%s: a set that is served is clean", mode);
	dev = open_dev();
	rwdisk_write(&disk, dev, 60);
	rwdisk_read(&disk, dev, 40, mode);
	must(!fsync(dev), "%s: fsync: %s", mode, strerror(errno));
	must(set_bits(0) == set_bits(1), "%s: legs have other bits", mode);
	list_has("\"state\":\"in-sync\"", mode);
	close(dev);
	cli_del(ID);
	for (unsigned int i = 0; i < nr; i++) {
		data_is(i, mode);
		must(is_clean(i), "%s: leg %u: the set was stopped, and is not clean", mode, i);
		must(!set_bits(i), "%s: leg %u has bits", mode, i);
	}
}

Test(record, a_set_is_served_in_every_mode_and_stopped_clean)
{
	srandom(1);
	for (unsigned int m = 0; m < cli_modes(); m++)
		serves(cli_mode(m), 2);
	serves(cli_best(), 3);
	cli_nothing_left("a set");
}

static bool no_bits(void *arg)
{
	return !set_bits(0) && !set_bits(1);
}

/* M2, and that bits are durable before the data: they are there when the write has ended. */
Test(record, bits_are_set_before_a_write_and_cleared_long_after)
{
	int dev;

	null_legs(2, NULL);
	create(LEGS2);
	assembled(LEGS2);
	dev = open_dev();
	file_write_block(dev, 1 << 20, 1);
	file_write_block(dev, 5 << 20, 2);
	must(set_bits(0) == 2 && set_bits(1) == 2, "%llu and %llu bits", (unsigned long long)set_bits(0),
	     (unsigned long long)set_bits(1));
	must(wait_until(no_bits, NULL, 4 * SOON_MS), "bits stay");
	close(dev);
	cli_del(ID);
}

/* Crashes. */

/* A write that only one leg has got, as after a crash between the two. */
static void lost_on(unsigned int leg, u64 off, int byte)
{
	int fd = tleg_open(leg, O_RDWR | O_DIRECT);

	file_write_block(fd, AREA + off, byte);
	close(fd);
}

static void always_reads(u64 off, int byte, const char *what)
{
	int dev = open_dev();

	for (unsigned int i = 0; i < 50; i++)
		file_block_is(dev, off, byte, what);
	close(dev);
}

/* M3, M18 */
Test(record, reads_agree_after_a_kill_and_after_another_one)
{
	struct leginfo l;
	int dev, is;

	/* nothing is copied between the two */
	setenv("REGBUF_RESYNC_HOLD", "1", 1);
	null_legs(2, NULL);
	create(LEGS2);
	assembled(LEGS2);
	dev = open_dev();
	file_write_block(dev, 3 << 20, 1);
	set_kill_server(ID);
	close(dev);
	must(!is_clean(0) && set_bits(0) == 1 && set_bits(1) == 1, "the record knows nothing of the write");
	lost_on(1, 3 << 20, 2);
	assembled(LEGS2);
	set_leg(0, &l);
	must(l.super.set.source < 2, "there is no source");
	is = l.super.set.source == 0 ? 1 : 2;
	always_reads(3 << 20, is, "after a kill");
	/* what it writes meanwhile both have */
	dev = open_dev();
	file_write_block(dev, (3 << 20) + 8192, 3);
	close(dev);
	set_kill_server(ID);
	/* in another order */
	assembled("-l $LEG1 -l $LEG0");
	always_reads(3 << 20, is, "after another kill");
	always_reads((3 << 20) + 8192, 3, "after another kill");
	cli_del(ID);
	must(set_bits(0) && set_bits(1), "the legs differ, and no bit says so");
}

/* Legs that fail. */

#define BAD_SECTOR	((AREA >> 9) + 4096)
#define BAD_BYTE	(4096ULL << 9)

static const struct null_disk bad_leg[3] = { { 0 }, { .badblocks = "+6144-6151" }, { 0 } };

_Static_assert(BAD_SECTOR == 6144, "of .badblocks");

/* M1: when the write has ended, it is durable that the leg has missed it. */
static void missed(const char *mode, unsigned int nr)
{
	const char *legs = nr == 2 ? LEGS2 : LEGS3;
	int dev;

	null_legs(nr, bad_leg);
	create(legs);
	must(!sh("$REGBUF mirror assemble -n $ID -m %s %s > /dev/null", mode, legs), "%s", mode);
	dev = open_dev();
	file_write_block(dev, 0, 1);
	calls(0, 1, FORMAT_IN_SYNC, mode);
	file_write_block(dev, BAD_BYTE, 2);
	calls(0, 1, FORMAT_FAILED, mode);
	if (nr == 3)
		calls(2, 1, FORMAT_FAILED, mode);
	set_kill_server(ID);
	close(dev);
	calls(1, 1, FORMAT_IN_SYNC, mode);
	/* the leg is back, and knows nothing */
	assembled(legs);
	list_has("\"degraded\":true", mode);
	always_reads(BAD_BYTE, 2, mode);
	always_reads(0, 1, mode);
	cli_del(ID);
	refuses("-l $LEG1", "--degraded");
}

Test(record, a_write_that_a_leg_missed_waits_for_the_event)
{
	for (unsigned int m = 0; m < cli_modes(); m++)
		missed(cli_mode(m), 2);
	missed(cli_best(), 3);
}

/*
 * M1, by the clock: the record of the good leg is slow, its data is not.  So the write takes that
 * long; a server that does not wait ends it at once.
 */
Test(record, a_write_takes_as_long_as_the_event)
{
	u64 begin;
	int dev;

	null_legs(2, bad_leg);
	create(LEGS2);
	leg_named(0, tleg_over(2, tleg_path(0)));
	assembled(LEGS2);
	dev = open_dev();
	/* the bit is there before the leg is slow */
	file_write_block(dev, BAD_BYTE + 65536, 1);
	tleg_break(2, TLEG_SLOW);
	begin = now_ms();
	file_write_block(dev, BAD_BYTE + 131072, 1);
	begin = now_ms() - begin;
	must(begin >= TLEG_SLOW_MS && begin < 2 * TLEG_SLOW_MS, "a write of slow data took %llu ms", (unsigned long long)begin);
	begin = now_ms();
	file_write_block(dev, BAD_BYTE, 2);
	begin = now_ms() - begin;
	must(begin >= 2 * TLEG_SLOW_MS, "a write that a leg missed took %llu ms, less than data and event",
	     (unsigned long long)begin);
	tleg_break(2, TLEG_GOOD);
	close(dev);
	cli_del(ID);
}

/* M16 */
Test(record, the_last_leg_stays_whatever_it_fails)
{
	const struct null_disk both[2] = { { .badblocks = "+6144-6151" }, { .badblocks = "+8192-8199" } };
	int dev;

	null_legs(2, both);
	create(LEGS2);
	assembled(LEGS2);
	dev = open_dev();
	file_write_block(dev, BAD_BYTE, 1);
	calls(1, 0, FORMAT_FAILED, "one leg fails");
	memset(buf, 3, 4096);
	cr_assert_eq(pwrite(dev, buf, 4096, (8192ULL << 9) - AREA), -1, "a write that no leg has");
	cr_assert_eq(errno, EIO);
	list_has("\"state\":\"in-sync\"", "the last leg");
	calls(1, 1, FORMAT_IN_SYNC, "the last leg");
	file_write_block(dev, 65536, 4);
	file_block_is(dev, 65536, 4, "the last leg");
	must(set_bits(1), "what the other leg missed has no bit");
	close(dev);
	cli_del(ID);
	must(set_bits(1), "what the other leg missed has no bit after a clean stop");
}

/* M10 */
Test(record, a_full_file_system_drops_nobody)
{
	int dev;

	must(!mount("none", MNT, "tmpfs", 0, "size=24m"), "mount: %s", strerror(errno));
	must(!sh("truncate -s 16M " MNT "/a " MNT "/b"), "files");
	leg_named(0, MNT "/a");
	leg_named(1, MNT "/b");
	create(LEGS2);
	assembled(LEGS2);
	must(!sh("dd if=/dev/zero of=" MNT "/rest bs=64k 2> /dev/null; rm " MNT "/rest; "
		 "dd if=/dev/zero of=" MNT "/rest bs=64k count=$(( $(stat -f -c %%a " MNT ") / 16 - 8 )) 2> /dev/null"),
	     "filling it up");
	dev = open_dev();
	must(!sh("! dd if=/dev/urandom of=/dev/ublkb7 bs=64k count=128 oflag=direct 2> /dev/null"), "there is room");
	list_has("\"state\":\"in-sync\"", "full");
	must(!strstr(sh_out("$REGBUF list -n 7 --json"), "failed"), "a leg was dropped: %s",
	     sh_out("$REGBUF list -n 7 --json"));
	/* reads agree, whatever is there */
	file_read(dev, buf, SIZE, 0);
	memcpy(model, buf, SIZE);
	for (unsigned int i = 0; i < 10; i++) {
		file_read(dev, buf, SIZE, 0);
		mem_is(buf, model, SIZE, "read %u", i);
	}
	/* with room it goes on */
	must(!unlink(MNT "/rest"), "rest");
	file_write_block(dev, 7 << 20, 9);
	file_block_is(dev, 7 << 20, 9, "with room");
	close(dev);
	cli_del(ID);
}

/* M9, with a record and without: whatever is read, and from wherever, is what was written. */
static void shrinks(const char *state)
{
	int dev = open_dev();

	file_write_block(dev, 1 << 20, 1);
	must(!truncate(tleg_path(1), 0), "truncate: %s", strerror(errno));
	file_write_block(dev, SIZE - 4096, 2);
	for (unsigned int i = 0; i < 20; i++) {
		file_block_is(dev, 1 << 20, 1, "behind a cut");
		file_block_is(dev, SIZE - 4096, 2, "behind a cut");
	}
	list_has(state, "behind a cut");
	close(dev);
	cli_del(ID);
}

Test(record, a_file_leg_that_became_short_is_dropped)
{
	for (unsigned int i = 0; i < 2; i++)
		leg_named(i, tleg_file(i, LEG_MB << 20));
	create(LEGS2);
	assembled(LEGS2);
	shrinks("\"state\":\"failed\"");
	calls(0, 1, FORMAT_FAILED, "a cut");
	for (unsigned int i = 0; i < 2; i++)
		leg_named(i, tleg_file(i, SIZE));
	must(!sh("$REGBUF add -n $ID -t mirror " LEGS2 " > /dev/null"), "add");
	shrinks("\"state\":\"dropped\"");
}

static bool old_step(void *arg)
{
	static struct cli c;
	const char *ms;

	cli_list(&c, ID);
	ms = strstr(c.out, "\"oldest_ms\":");
	while (ms && atol(ms + strlen("\"oldest_ms\":")) < 2000)
		ms = strstr(ms + 1, "\"oldest_ms\":");
	return ms;
}

/* M11: who waits for a leg that hangs can see it. */
Test(record, how_long_a_leg_has_hung_is_told)
{
	struct client *c;
	int dev;

	null_legs(2, NULL);
	leg_named(0, tleg_over(2, tleg_path(0)));
	create(LEGS2);
	assembled(LEGS2);
	dev = open_dev();
	file_write_block(dev, 0, 1);
	close(dev);
	must(!old_step(NULL), "an idle leg has an old step");
	tleg_suspend(2);
	c = client_start(&(struct client_job){ .id = ID, .op = CLIENT_WRITE, .len = 4096 });
	must(wait_until(old_step, NULL, 3 * SOON_MS), "no old step: %s", sh_out("$REGBUF list -n 7 --json"));
	tleg_resume(2);
	res_is(client_wait(c), 4096, "a write");
	must(!strstr(sh_out("$REGBUF list -n 7 --json"), "failed"), "a leg that hung has failed");
	cli_del(ID);
}

static bool dm_goes(void *path)
{
	return !sh("dmsetup remove --noudevsync $(dmsetup info -c --noheadings -o name %s) 2> /dev/null",
		   (const char *)path);
}

/* M12 */
Test(record, a_leg_that_was_dropped_is_let_go_of)
{
	const char *top;
	int dev;

	null_legs(2, NULL);
	top = tleg_over(2, tleg_path(1));
	leg_named(1, top);
	create(LEGS2);
	assembled(LEGS2);
	dev = open_dev();
	file_write_block(dev, 65536, 1);
	must(!dm_goes((void *)top), "a leg that is used can be removed");
	tleg_break(2, TLEG_ERROR);
	file_write_block(dev, 65536, 2);
	list_has("\"state\":\"failed\"", "broken");
	must(wait_until(dm_goes, (void *)top, SOON_MS), "it is still in use");
	file_write_block(dev, 65536, 3);
	file_block_is(dev, 65536, 3, "one leg");
	close(dev);
	cli_del(ID);
}

/* Legs that are missing, or have had a life of their own. */

/* M15 */
Test(record, a_stale_leg_alone_is_not_served)
{
	int dev;

	null_legs(2, NULL);
	create(LEGS2);
	assembled("-l $LEG0 --degraded");
	dev = open_dev();
	file_write_block(dev, 0, 1);
	close(dev);
	cli_del(ID);
	/* it believes to be in sync */
	calls(1, 1, FORMAT_IN_SYNC, "a leg that was away");
	refuses("-l $LEG1", "--degraded");
	assembled(LEGS2);
	always_reads(0, 1, "with both");
	cli_del(ID);
	/* what is known to be missing needs no word any more */
	assembled("-l $LEG0");
	always_reads(0, 1, "with the good one");
	cli_del(ID);
}

Test(record, legs_that_were_each_served_alone_are_refused)
{
	null_legs(2, NULL);
	create(LEGS2);
	for (unsigned int i = 0; i < 2; i++) {
		must(!sh("$REGBUF mirror assemble -n $ID -l $LEG%u --degraded > /dev/null", i), "leg %u", i);
		cli_del(ID);
	}
	refuses(LEGS2, "each served without the other");
	refuses(LEGS2 " --degraded", "each served without the other");
}

/* M14 */
Test(record, larger_blocks_than_the_set_has_are_refused)
{
	null_legs(2, NULL);
	create(LEGS2);
	leg_named(2, tleg_null(2, &(struct null_disk){ .mb = LEG_MB, .block = 4096 }));
	must(!sh("dd if=$LEG1 of=$LEG2 bs=1M oflag=direct 2> /dev/null"), "a copy");
	refuses("-l $LEG0 -l $LEG2", "4096");
	assembled(LEGS2);
	must(dev_attr(ID, "queue/logical_block_size") == 512, "blocks");
	cli_del(ID);
}

/* The device outlives its server, and its clients see no error. */
static void recovers(const char *mode, unsigned int run, struct disk_model *m)
{
	struct verify *v;

	must(!sh("$REGBUF mirror assemble -n $ID -m %s --recovery --reissue " LEGS2 " > /dev/null", mode), "%s", mode);
	v = verify_start(ID, m, run, VERIFY_NO_ERROR);
	for (unsigned int i = 0; i < 3; i++) {
		verify_runs(v, mode);
		proc_kill_other(cli_pid(ID));
		must(!sh("$REGBUF mirror assemble --recover -n $ID -m %s " LEGS2 " > /dev/null", mode), "%s: kill %u",
		     mode, i);
	}
	verify_runs(v, mode);
	verify_stop(v, mode);
	cli_del(ID);
}

Test(record, clients_do_not_notice_that_servers_die)
{
	struct disk_model *m = disk_model_alloc(SIZE);

	null_legs(2, NULL);
	create(LEGS2);
	for (unsigned int i = 0; i < cli_modes(); i++)
		recovers(cli_mode(i), i, m);
	must(disk_model_is_exact(m), "a write has failed");
	assembled(LEGS2);
	disk_model_is(m, "/dev/ublkb7", "after all kills");
	cli_del(ID);
	/* another set's legs are not its */
	must(!sh("$REGBUF mirror assemble -n $ID --recovery " LEGS2 " > /dev/null"), "assemble");
	proc_kill_other(cli_pid(ID));
	null_legs(2, NULL);
	create(LEGS2);
	must(strstr(sh_out("$REGBUF mirror assemble --recover -n $ID " LEGS2), "other"), "another set was taken");
	cli_del(ID);
}

/* A disk of two legs that fail in turn, and servers that die, under verified load. */
Test(record, acknowledged_writes_survive_kills)
{
	struct disk_model *m = disk_model_alloc(SIZE);

	null_legs(2, NULL);
	create(LEGS2);
	for (unsigned int run = 0; run < 6; run++) {
		struct verify *v;

		must(!sh("$REGBUF mirror assemble -n $ID -m %s %s > /dev/null", cli_mode(run % cli_modes()), LEGS2),
		     "run %u", run);
		v = verify_start(ID, m, run, VERIFY_END);
		verify_runs(v, "before the kill");
		sleep_ms(100 + run * 300);
		set_kill_server(ID);
		verify_stop(v, "killed");
	}
	assembled(LEGS2);
	disk_model_is(m, "/dev/ublkb7", "after all kills");
	cli_del(ID);
}
