// SPDX-License-Identifier: GPL-2.0
/*
 * M11, M17: a leg of a set hangs.  It is failed when its time is over, and holds up nobody who has not
 * lent it memory; what it does late lands nowhere.
 */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "dev.h"
#include "mode.h"
#include "pattern.h"
#include "sh.h"
#include "targets/mirror/format.h"
#include "tleg.h"
#include "tmpfile.h"
#include "ublkraw.h"
#include "verify.h"

#define ID	7
#define LEG_MB	10
#define DATA	((u64)(LEG_MB - 2) << 20)
#define TIMEOUT	"1"	/* s */
/* Until a leg is failed and requests go on: it is looked each second, twice. */
#define SOON_FAILED_MS	15000

static u8 *buf;

static void setup(void)
{
	raw_need();
	tlegs_sweep();
	buf = page_alloc(1 << 20);
}

static void teardown(void)
{
	tlegs_resume();
	cli_sweep();
	tlegs_sweep();
}

TestSuite(hang, .init = setup, .fini = teardown, .timeout = 300);

/* Leg 2 is the one that hangs: LEG1. */
static void serve_large(const char *mode, unsigned int leg_mb)
{
	const struct null_disk disk = { .mb = leg_mb };

	setenv("LEG0", tleg_null(0, &disk), 1);
	setenv("LEG1", tleg_over(2, tleg_null(1, &disk)), 1);
	must(!sh("$REGBUF mirror create home -l $LEG0 -l $LEG1 --assume-clean --force --no-start > /dev/null"), "create");
	must(!sh("$REGBUF mirror assemble home -n 7 -m %s -l $LEG0 -l $LEG1 --leg-timeout " TIMEOUT " > /dev/null", mode),
	     "assemble, %s", mode);
}

static void serve(const char *mode)
{
	serve_large(mode, LEG_MB);
}

static int open_dev(void)
{
	return dev_open(ID, "", O_RDWR | O_DIRECT);
}

static bool has_failed(void *arg)
{
	return !sh("$REGBUF mirror status home | grep -q 'failed  timeout'");
}

static void fails(const char *what)
{
	must(wait_until(has_failed, NULL, SOON_FAILED_MS), "%s: it is not failed: %s", what,
	     sh_out("$REGBUF mirror status home"));
}

static bool is_back(void *arg)
{
	return !sh("$REGBUF mirror add home --leg $LEG1 --wait > /dev/null 2>&1");
}

/* All that is data, without the MiB at each end.  @leg: the variable that has its path. */
static void is_as_leg_0(const char *leg, const char *what)
{
	must(!sh("cmp -i 1M -n $(($(blockdev --getsize64 $LEG0) - 2097152)) $LEG0 $%s", leg), "%s: %s is not as LEG0",
	     what, leg);
}

/* It answers again, what it had under way has ended, and it gets what it has missed. */
static void comes_back(const char *what)
{
	must(wait_until(is_back, NULL, SOON_FAILED_MS), "%s: it cannot be added: %s", what,
	     sh_out("$REGBUF mirror status home; $REGBUF mirror add home --leg $LEG1 2>&1"));
	must(!sh("$REGBUF mirror stop home"), "%s: stop", what);
	is_as_leg_0("LEG1", what);
}

static struct client *write_at(u64 off, u32 seed)
{
	return client_start(&(struct client_job){ .id = ID, .op = CLIENT_WRITE, .off = off, .len = 4096,
						  .seed = seed });
}

/* What write_at() has written there. */
static void reads(u64 off, u32 seed, const char *what)
{
	struct client *c = client_start(&(struct client_job){ .id = ID, .op = CLIENT_READ, .off = off, .len = 4096 });

	res_is(client_wait(c), 4096, what);
	pat_is(c->buf, 4096, seed, off, "%s: what was written", what);
}

static void ends(struct client *c, const char *what)
{
	must(client_done(c, SOON_FAILED_MS), "%s: a request waits for the leg", what);
	res_is(client_wait(c), 4096, what);
}

/* The bit is there, so the write is under way on both legs. */
static void writes_wait(const char *mode)
{
	struct client *c[4];
	int dev;

	serve(mode);
	dev = open_dev();
	for (unsigned int i = 0; i < 4; i++)
		file_write_block(dev, i * 8192, 1 + i);
	tleg_suspend(2);
	for (unsigned int i = 0; i < 4; i++)
		c[i] = write_at(i * 8192, i);
	fails(mode);
	if (mode_find(mode)->lends) {
		must(!client_done(c[0], 2000), "%s: a leg has pages that the client has again", mode);
	} else {
		for (unsigned int i = 0; i < 4; i++)
			ends(c[i], mode);
	}
	/* what comes now does without, whether its bit is there or not */
	for (unsigned int i = 0; i < 64; i++)
		file_write_block(dev, (u64)i * (DATA / 64) + 4096, 100 + i);
	must(!fsync(dev), "%s: fsync", mode);
	tleg_resume(2);
	for (unsigned int i = 0; i < 4 && mode_find(mode)->lends; i++)
		ends(c[i], mode);
	for (unsigned int i = 0; i < 64; i++)
		file_block_is(dev, (u64)i * (DATA / 64) + 4096, 100 + i, mode);
	close(dev);
	comes_back(mode);
}

Test(hang, writes_go_on_where_the_data_is_a_copy_and_wait_where_it_is_lent)
{
	for (unsigned int m = 0; m < cli_modes(); m++)
		writes_wait(cli_mode(m));
	cli_nothing_left("a leg that hung");
}

/* Of which a copy was taken, as its data may change: the leg has no page of the client's. */
Test(hang, a_write_that_was_copied_goes_on_in_a_mode_that_lends)
{
	struct client *c;
	int dev;

	serve("register --stable always");
	dev = open_dev();
	file_write_block(dev, 0, 1);
	tleg_suspend(2);
	c = write_at(0, 2);
	fails("copied");
	ends(c, "copied");
	/* its buffer is still the leg's: others have their own */
	for (unsigned int i = 1; i < 64; i++)
		file_write_block(dev, (u64)i * (DATA / 64), 100 + i);
	for (unsigned int i = 1; i < 64; i++)
		file_block_is(dev, (u64)i * (DATA / 64), 100 + i, "copied");
	tleg_resume(2);
	close(dev);
	comes_back("copied");
	cli_nothing_left("copied");
}

Test(hang, a_record_that_cannot_be_written_holds_up_nobody)
{
	for (unsigned int m = 0; m < cli_modes(); m++) {
		struct client *c;

		serve(cli_mode(m));
		tleg_suspend(2);
		/* waits for its bit: nothing is lent yet */
		c = write_at(0, 5);
		fails(cli_mode(m));
		ends(c, cli_mode(m));
		reads(0, 5, cli_mode(m));
		tleg_resume(2);
		comes_back(cli_mode(m));
	}
}

/* Each second read or so is the leg's; what it gives late is in nobody's buffer. */
Test(hang, reads_are_done_on_another_leg)
{
	for (unsigned int m = 0; m < cli_modes(); m++) {
		int dev;

		if (mode_find(cli_mode(m))->lends)
			continue;
		serve(cli_mode(m));
		dev = open_dev();
		for (unsigned int i = 0; i < 64; i++)
			file_write_block(dev, (u64)i * (DATA / 64), 1 + i);
		tleg_suspend(2);
		for (unsigned int i = 0; i < 64; i++)
			file_block_is(dev, (u64)(i * 37 % 64) * (DATA / 64), 1 + i * 37 % 64, cli_mode(m));
		fails(cli_mode(m));
		tleg_resume(2);
		for (unsigned int i = 0; i < 640; i++)
			file_block_is(dev, (u64)(i * 37 % 64) * (DATA / 64), 1 + i * 37 % 64, cli_mode(m));
		close(dev);
		comes_back(cli_mode(m));
	}
}

static bool is_added(void *arg)
{
	return !sh("$REGBUF mirror add home --leg $LEG1 > /dev/null 2>&1");
}

static bool is_copied_to(void *arg)
{
	return !sh("$REGBUF mirror status home | grep -q 'resync [1-9]'");
}

/* It hangs while it is copied to, at whatever chunk: one write to each finds the locked ones. */
#define CHUNKS	64

Test(hang, a_leg_that_hangs_while_it_is_rebuilt_locks_nothing)
{
	struct client *c[CHUNKS];
	int dev;

	serve_large("copy", CHUNKS + 2);
	dev = open_dev();
	must(!sh("$REGBUF mirror fail home --leg $LEG1"), "fail");
	for (u64 i = 0; i < CHUNKS; i++)
		file_write_block(dev, i << 20, 1 + i);
	tleg_break(2, TLEG_SLOW);
	must(wait_until(is_added, NULL, SOON_MS), "add");
	must(wait_until(is_copied_to, NULL, SOON_FAILED_MS), "it is not copied to: %s", sh_out("$REGBUF mirror status home"));
	tleg_suspend(2);
	for (u64 i = 0; i < CHUNKS; i++)
		c[i] = write_at(i << 20, i);
	fails("rebuilt");
	for (unsigned int i = 0; i < CHUNKS; i++)
		ends(c[i], "rebuilt");
	tleg_resume(2);
	tleg_break(2, TLEG_GOOD);
	close(dev);
	comes_back("rebuilt");
}

/* What the old one does late is not taken for the new one's. */
Test(hang, another_disk_may_take_its_place_while_it_hangs)
{
	struct client *c;

	serve("copy");
	setenv("LEG2", tleg_null(3, &(struct null_disk){ .mb = LEG_MB }), 1);
	c = write_at(0, 1);
	ends(c, "before");
	tleg_suspend(2);
	c = write_at(0, 2);
	fails("replaced");
	ends(c, "replaced");
	must(!sh("$REGBUF mirror remove home --leg $LEG1"), "remove");
	must(!sh("$REGBUF mirror add home --leg $LEG2 --wait > /dev/null"), "add");
	/* longer than a leg may be silent, and it is looked each second */
	sleep_ms(4000);
	must(!sh("$REGBUF mirror status home > /dev/null"), "the new leg is failed: %s", sh_out("$REGBUF mirror status home"));
	tleg_resume(2);
	sleep_ms(500);
	must(!sh("$REGBUF mirror status home > /dev/null"), "late: %s", sh_out("$REGBUF mirror status home"));
	must(!sh("$REGBUF mirror stop home"), "stop");
	is_as_leg_0("LEG2", "at the end");
}

/* Its answer waits for an event on all legs: meanwhile somebody looks at the time. */
Test(hang, a_command_meanwhile_is_answered)
{
	serve(cli_best());
	setenv("LEG2", tleg_null(3, &(struct null_disk){ .mb = LEG_MB }), 1);
	tleg_suspend(2);
	must(!sh("timeout 15 $REGBUF mirror add home --leg $LEG2 --wait > /dev/null"), "add waits for the leg that hangs");
	fails("meanwhile");
	tleg_resume(2);
	must(!sh("$REGBUF mirror stop home"), "stop");
	is_as_leg_0("LEG2", "at the end");
}

/* The block of the bitmap is under way to the leg that hangs, and the new one lacks it. */
Test(hang, a_leg_is_added_while_a_bit_is_waited_for)
{
	struct client *c;

	serve(cli_best());
	setenv("LEG2", tleg_null(3, &(struct null_disk){ .mb = LEG_MB }), 1);
	tleg_suspend(2);
	c = write_at(0, 5);
	must(!sh("timeout 15 $REGBUF mirror add home --leg $LEG2 > /dev/null"), "add waits for the leg that hangs");
	must(sh("timeout 5 $REGBUF mirror status home > /dev/null") <= 1, "status waits for the leg that hangs");
	fails("meanwhile");
	ends(c, "meanwhile");
	tleg_resume(2);
	must(!sh("$REGBUF mirror stop home"), "stop");
}

/* Whoever has lent pages waits for them; who waits is told for what, and may go. */
Test(hang, del_and_stop_say_what_they_wait_for_and_can_be_ended)
{
	static const char *const commands[] = { "del -n 7", "mirror stop home" };

	for (unsigned int i = 0; i < ARRAY_SIZE(commands); i++) {
		struct client *c;
		const char *out;

		serve("register");
		must(!sh("$REGBUF mirror limits home --leg-timeout 0"), "limits");
		c = write_at(0, 1);
		ends(c, "before");
		tleg_suspend(2);
		c = write_at(0, 2);
		sleep_ms(2500);
		out = sh_out("timeout -s INT 6 $REGBUF %s 2>&1; echo exit status $?", commands[i]);
		must(strstr(out, "it waits for what is under way") && strstr(out, "a step waits for"), "%s: %s",
		     commands[i], out);
		must(strstr(out, "exit status 124"), "%s cannot be interrupted: %s", commands[i], out);
		tleg_resume(2);
		client_wait(c);
		cli_del(ID);
	}
}
