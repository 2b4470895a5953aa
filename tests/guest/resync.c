// SPDX-License-Identifier: GPL-2.0
/*
 * A mirror that keeps a record, after a crash: what may differ between its legs is copied while it
 * is served.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "dev.h"
#include "proc.h"
#include "set.h"
#include "sh.h"
#include "targets/mirror/format.h"
#include "tleg.h"
#include "tmpfile.h"
#include "ublkraw.h"
#include "verify.h"

#define ID	7
#define MB	16			/* of data, and chunks */
#define SIZE	((u64)MB << 20)
#define AREA	FORMAT_AREA_BYTES	/* before the data */
#define LEGS	"-l $LEG0 -l $LEG1"

static u8 *buf, *other;

static void setup(void)
{
	raw_need();
	tlegs_sweep();
	buf = page_alloc(SIZE);
	other = page_alloc(SIZE);
	setenv("ID", "7", 1);
	unsetenv("REGBUF_RESYNC_HOLD");
}

static void teardown(void)
{
	cli_sweep();
	tlegs_sweep();
}

TestSuite(resync, .init = setup, .fini = teardown, .timeout = 300);

/* Legs 0 and 1; @below: disks of their own below them, so that they can be slow. */
static void legs(bool below)
{
	for (unsigned int i = 0; i < 2; i++) {
		char name[8];

		tleg_null(below ? i + 2 : i, &(struct null_disk){ .mb = MB + 2 });
		if (below)
			tleg_over(i, tleg_path(i + 2));
		snprintf(name, sizeof(name), "LEG%u", i);
		setenv(name, tleg_path(i), 1);
	}
	must(!sh("$REGBUF mirror create set " LEGS " --size %dM --assume-clean --no-start > /dev/null", MB), "create");
}

static void assembled(const char *mode)
{
	must(!sh("$REGBUF mirror assemble -n $ID -m %s " LEGS " > /dev/null", mode), "assemble, %s", mode);
}

static bool has_source(unsigned int leg)
{
	struct leginfo l;

	set_leg(leg, &l);
	return l.super.set.source != FORMAT_NO_SOURCE;
}

static bool legs_have_no_source(void *arg)
{
	return !has_source(0) && !has_source(1);
}

static bool legs_have_no_bits(void *arg)
{
	return !set_bits(0) && !set_bits(1);
}

static void comes_to_agree(const char *what)
{
	must(wait_until(legs_have_no_source, NULL, 3 * SOON_MS), "%s: the source stays", what);
}

/* What is on the leg itself. */
static void leg_write(unsigned int leg, u64 off, int byte)
{
	int fd = tleg_open(leg, O_RDWR | O_DIRECT);

	file_write_block(fd, AREA + off, byte);
	close(fd);
}

static void leg_read(unsigned int leg, u8 *to)
{
	int fd = tleg_open(leg, O_RDONLY | O_DIRECT);

	file_read(fd, to, SIZE, AREA);
	close(fd);
}

static void legs_are_equal(const char *what)
{
	leg_read(0, buf);
	leg_read(1, other);
	for (u64 i = 0; i < SIZE; i++)
		must(buf[i] == other[i], "%s: byte %llu is %#x on leg 0, and %#x on leg 1", what,
		     (unsigned long long)i, buf[i], other[i]);
}

static int open_dev(void)
{
	return dev_open(ID, "", O_RDWR | O_DIRECT);
}

static void dirty(unsigned int chunks, const char *mode)
{
	int dev;

	assembled(mode);
	dev = open_dev();
	for (unsigned int i = 0; i < chunks; i++)
		file_write_block(dev, (u64)i << 20, 1 + i);
	set_kill_server(ID);
	close(dev);
	must(set_bits(0) == chunks && set_bits(1) == chunks, "%llu bits", (unsigned long long)set_bits(0));
}

/* M3 */
static void differs(const char *mode)
{
	int dev, is;

	legs(false);
	dirty(5, mode);
	leg_write(0, 3 << 20, 0xa0);
	leg_write(1, 3 << 20, 0xa1);
	leg_write(1, (4 << 20) + 65536, 0xa2);
	assembled(mode);
	dev = open_dev();
	file_read(dev, buf, 4096, 3 << 20);
	is = buf[0];
	comes_to_agree(mode);
	legs_are_equal(mode);
	for (unsigned int i = 0; i < 20; i++)
		file_block_is(dev, 3 << 20, is, mode);
	must(wait_until(legs_have_no_bits, NULL, 3 * SOON_MS), "%s: bits stay", mode);
	close(dev);
	cli_del(ID);
}

Test(resync, after_a_kill_legs_are_made_equal_and_the_source_goes)
{
	for (unsigned int m = 0; m < cli_modes(); m++)
		differs(cli_mode(m));
	cli_nothing_left("a resync");
}

/* M4: every leg is slow, so that writes meet the copy. */
static void under_writes(const char *mode, unsigned int run)
{
	struct disk_model *m = disk_model_alloc(SIZE);
	struct verify *v;

	legs(true);
	assembled(mode);
	v = verify_start(ID, m, run, VERIFY_END);
	verify_runs(v, mode);
	sleep_ms(300);
	set_kill_server(ID);
	verify_stop(v, mode);
	tleg_break(1, TLEG_SLOW);
	assembled(mode);
	v = verify_start(ID, m, run + 100, VERIFY_NO_ERROR);
	sleep_ms(1500);
	tleg_break(1, TLEG_GOOD);
	comes_to_agree(mode);
	verify_runs(v, mode);
	must(verify_stop(v, mode), "%s: nothing was written", mode);
	cli_del(ID);
	legs_are_equal(mode);
	assembled(mode);
	disk_model_is(m, "/dev/ublkb7", mode);
	cli_del(ID);
}

Test(resync, what_is_written_meanwhile_is_on_both_legs)
{
	/* What waits for the region does so before the mode comes in. */
	for (unsigned int m = 0; m < cli_modes(); m += 3)
		under_writes(cli_mode(m), m);
}

/* Leg 1 differs in all chunks, and all are marked. */
static void legs_differ(void)
{
	dirty(MB, cli_best());
	for (unsigned int i = 0; i < MB; i++)
		leg_write(1, ((u64)i << 20) + 8192, 0xb0 + i);
}

/*
 * M6: in slices, of what is to be done a hundred times.  Each other stop meets a copy that is
 * fast, and may come too late for it on one machine or another; the rest do not.
 */
#define STOPS	8

Test(resync, a_stop_in_the_middle_leaves_a_set_that_is_assembled)
{
	unsigned int unfinished = 0;

	legs(true);
	for (unsigned int run = 0; run < STOPS; run++) {
		if (!has_source(0))
			legs_differ();
		tleg_break(1, TLEG_SLOW);
		assembled(cli_mode(run % cli_modes()));
		sleep_ms(run * 11 % 150);
		if (run & 1)
			tleg_break(1, TLEG_GOOD);
		cli_del(ID);
		unfinished += has_source(0);
		tleg_break(1, TLEG_GOOD);
	}
	must(unfinished >= STOPS / 2, "only %u of %u stops were in the middle", unfinished, STOPS);
	assembled(cli_best());
	comes_to_agree("at last");
	legs_are_equal("at last");
	cli_del(ID);
}

/* M18 */
Test(resync, after_a_kill_in_the_middle_the_source_is_the_same)
{
	struct leginfo l;
	int dev, is, source = -1;

	legs(true);
	dirty(MB, cli_best());
	/* in the last chunk, which is copied last */
	leg_write(0, SIZE - 4096, 0xc0);
	leg_write(1, SIZE - 4096, 0xc1);
	for (unsigned int run = 0; run < 8; run++) {
		tleg_break(1, TLEG_SLOW);
		assembled(cli_best());
		set_leg(0, &l);
		must(source < 0 || l.super.set.source == source || l.super.set.source == FORMAT_NO_SOURCE,
		     "run %u: the source was %d, and is %u", run, source, l.super.set.source);
		dev = open_dev();
		file_read(dev, buf, 4096, SIZE - 4096);
		if (source < 0) {
			source = l.super.set.source;
			is = buf[0];
		}
		for (unsigned int i = 0; i < 4; i++)
			file_block_is(dev, SIZE - 4096, is, "after a kill");
		close(dev);
		tleg_break(1, TLEG_GOOD);
		set_kill_server(ID);
	}
	assembled(cli_best());
	comes_to_agree("at last");
	dev = open_dev();
	file_block_is(dev, SIZE - 4096, is, "at last");
	close(dev);
	legs_are_equal("at last");
	cli_del(ID);
}

static bool leg_1_can_be_read(void *arg)
{
	int fd = tleg_open(1, O_RDONLY | O_DIRECT);
	bool ok = pread(fd, buf, SIZE, AREA) == (ssize_t)SIZE;

	close(fd);
	return ok;
}

/* As disks do it, the sector is good once it is written. */
Test(resync, what_one_leg_could_not_read_is_written_to_it_again)
{
	int dev;

	legs(true);
	assembled(cli_best());
	dev = open_dev();
	file_write_block(dev, 5 << 20, 0xd0);
	tleg_bad(1, (AREA + (5 << 20)) >> 9, ((AREA + (5 << 20)) >> 9) + 7);
	must(!leg_1_can_be_read(NULL), "leg 1 has no bad sector");
	/* balanced, so one of them comes to leg 1 */
	for (unsigned int i = 0; i < 4; i++)
		file_block_is(dev, 5 << 20, 0xd0, "a bad sector");
	must(wait_until(leg_1_can_be_read, NULL, SOON_MS), "the sector is not written");
	close(dev);
	cli_del(ID);
	legs_are_equal("a bad sector");
}

/* Only the source is read there, and nothing is copied yet; the bitmap says that all may differ. */
Test(resync, a_source_that_cannot_be_read_goes_and_another_one_is_read)
{
	struct leginfo l;
	u64 began, took;
	int dev;

	for (unsigned int m = 0; m < cli_modes(); m++) {
		unsetenv("REGBUF_RESYNC_HOLD");
		legs(true);
		dirty(MB, cli_mode(m));
		setenv("REGBUF_RESYNC_HOLD", "1", 1);
		assembled(cli_mode(m));
		set_leg(0, &l);
		must(l.super.set.source == 0, "%s: the source is %u", cli_mode(m), l.super.set.source);
		tleg_break(0, TLEG_ERROR);
		tleg_break(1, TLEG_SLOW);
		dev = open_dev();
		began = now_ms();
		file_block_is(dev, 0, 1, cli_mode(m));
		took = now_ms() - began;
		must(took >= 2 * TLEG_SLOW_MS, "%s: an event and then a read took %llu ms", cli_mode(m),
		     (unsigned long long)took);
		tleg_break(1, TLEG_GOOD);
		for (unsigned int i = 0; i < MB; i++)
			file_block_is(dev, (u64)i << 20, 1 + i, cli_mode(m));
		set_leg(1, &l);
		must(l.super.set.legs[0].state == FORMAT_FAILED && l.super.set.source == 1,
		     "%s: leg 0 is %s, the source is %u", cli_mode(m),
		     leginfo_state_name(l.super.set.legs[0].state), l.super.set.source);
		close(dev);
		cli_del(ID);
	}
}

/* The event that names the next source waits for leg 2; leg 1 could be read at once. */
Test(resync, the_next_source_is_not_read_before_it_is_durable)
{
	struct client *c[2];

	for (unsigned int i = 0; i < 3; i++) {
		char name[8];

		tleg_null(i + 3, &(struct null_disk){ .mb = MB + 2 });
		tleg_over(i, tleg_path(i + 3));
		snprintf(name, sizeof(name), "LEG%u", i);
		setenv(name, tleg_path(i), 1);
	}
	must(!sh("$REGBUF mirror create set " LEGS " -l $LEG2 --size %dM --no-start > /dev/null", MB), "create");
	setenv("REGBUF_RESYNC_HOLD", "1", 1);
	must(!sh("$REGBUF mirror assemble -n $ID " LEGS " -l $LEG2 > /dev/null"), "assemble");
	tleg_break(0, TLEG_ERROR);
	tleg_suspend(2);
	for (unsigned int i = 0; i < 2; i++) {
		c[i] = client_start(&(struct client_job){ .id = ID, .op = CLIENT_READ, .off = i << 20, .len = 4096 });
		must(!client_done(c[i], 1000), "read %u: the next source is read already", i);
	}
	tleg_resume(2);
	for (unsigned int i = 0; i < 2; i++)
		res_is(client_wait(c[i]), 4096, "a read");
	cli_del(ID);
}

static bool list_has_no_resync(void *arg)
{
	static struct cli c;

	cli_list(&c, ID);
	return strstr(c.out, "\"resync\":null") && strstr(c.out, "\"state\":\"clean\"");
}

Test(resync, status_tells_how_far_it_is)
{
	static struct cli c;

	legs(true);
	dirty(MB, cli_best());
	tleg_break(1, TLEG_SLOW);
	assembled(cli_best());
	sleep_ms(50);
	cli_list(&c, ID);
	must(strstr(c.out, "\"state\":\"resync\"") && strstr(c.out, "\"percent\":"), "in it: %s", c.out);
	tleg_break(1, TLEG_GOOD);
	must(wait_until(list_has_no_resync, NULL, 3 * SOON_MS), "it does not end: %s", c.out);
	cli_del(ID);
}
