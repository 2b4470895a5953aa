// SPDX-License-Identifier: GPL-2.0
/*
 * Which mode a device gets when nobody says, and which modes take over from which, under load.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "dev.h"
#include "mode.h"
#include "proc.h"
#include "tleg.h"
#include "tmpfile.h"
#include "ublkraw.h"
#include "verify.h"

#define MB	8

/* Of mirrors. */
static const char *legs[2];

/* Blank, and slow enough to have something in flight, whenever the server is killed. */
static void make_legs(void)
{
	tlegs_sweep();
	for (unsigned int i = 0; i < 2; i++)
		legs[i] = tleg_null(i, &(struct null_disk){ .mb = MB, .delay_us = 1000 });
}

static void setup(void)
{
	raw_need();
	make_legs();
}

static void teardown(void)
{
	tlegs_sweep();
}

TestSuite(modes, .init = setup, .fini = teardown, .timeout = 400);

static bool has(const char *name)
{
	for (unsigned int m = 0; m < cli_modes(); m++)
		if (!strcmp(cli_mode(m), name))
			return true;
	return false;
}

/* What the manual says. */
static const char *best(void)
{
	static const char *const order[] = { "handoff", "auto", "register", "register-cmd", "copy" };

	unsigned int i = 0;

	while (i < ARRAY_SIZE(order) - 1 && !has(order[i]))
		i++;
	return order[i];
}

/* The mode that the device's server tells. */
static const char *mode_of(int id)
{
	static struct cli c;
	static char name[32];
	const char *at;

	cli_list(&c, id);
	at = strstr(c.out, "\"mode\":\"");
	must(at && sscanf(at, "\"mode\":\"%31[^\"]", name) == 1, "no mode in: %s", c.out);
	return name;
}

Test(modes, the_best_is_taken_and_told)
{
	static struct cli c;
	char said[64];

	cli_run(&c, CLI("add", "-t", "mirror", "-n", "6", "-l", legs[0], "-l", legs[1]));
	snprintf(said, sizeof(said), "regbuf: add: mode %s\n", best());
	must(!c.status && !strcmp(c.out, "/dev/ublkb6\n"), "status %d: %s", c.status, c.out);
	cr_expect(!strcmp(c.err, said), "it said: %s", c.err);
	cr_expect_str_eq(mode_of(6), best());
	cli_del(6);
	cli_run(&c, CLI("add", "-t", "mirror", "-n", "6", "-l", legs[0], "-l", legs[1], "--json"));
	snprintf(said, sizeof(said), "\"mode\": \"%s\"", best());
	must(!c.status && strstr(c.out, said), "status %d: %s", c.status, c.out);
	cli_del(6);
	/* one that was asked for is not news */
	cli_run(&c, CLI("add", "-t", "mirror", "-n", "6", "-m", "copy", "-l", legs[0], "-l", legs[1]));
	must(!c.status && !*c.err, "status %d: %s", c.status, c.err);
	cr_expect_str_eq(mode_of(6), "copy");
	cli_del(6);
}

/* The device has no server.  NULL: the best. */
static void is_recovered(int id, const char *mode, const char *made)
{
	static struct cli c;

	cli_run(&c, CLI("recover", "-n", cli_id(id), "-t", "mirror", "-l", legs[0], "-l", legs[1], "-m", mode ? mode : "best"));
	must(!c.status, "%s, made by %s: status %d: %s", mode ? mode : "best", made, c.status, c.err);
}

static void recovers(int id, const char *mode, const char *made)
{
	proc_kill_other(dev_server(id));
	is_recovered(id, mode, made);
}

static void is_refused(int id, const char *mode, const char *made)
{
	static struct cli c;

	cli_run(&c, CLI("recover", "-n", cli_id(id), "-t", "mirror", "-m", mode, "-l", legs[0], "-l", legs[1]));
	must(c.status == 1 && strstr(c.err, "it was made in another mode"), "%s, made by %s: status %d: %s",
	     mode, made, c.status, c.err);
}

/* Every mode in turn, and a client that sees no error and reads what it has written. */
static void is_taken_over(const char *made)
{
	int id = cli_add(CLI("add", "-t", "mirror", "-m", made, "-d", "16", "--recovery", "--reissue", "-l", legs[0], "-l",
			     legs[1]));
	u64 flags = mode_find(made)->ublk_flags;
	struct disk_model *model = disk_model_alloc((u64)MB << 20);
	struct verify *v = verify_start(id, model, 11, VERIFY_NO_ERROR);

	verify_runs(v, made);
	for (unsigned int m = 0; m < cli_modes(); m++) {
		if (!mode_is_alike(mode_find(cli_mode(m)), flags))
			continue;
		recovers(id, cli_mode(m), made);
		cr_assert_str_eq(mode_of(id), cli_mode(m), "made by %s", made);
		verify_runs(v, cli_mode(m));
	}
	recovers(id, NULL, made);
	cr_assert(mode_is_alike(mode_find(mode_of(id)), flags), "the best of %s is %s", made, mode_of(id));
	verify_runs(v, "best");
	proc_kill_other(dev_server(id));
	for (unsigned int m = 0; m < cli_modes(); m++)
		if (!mode_is_alike(mode_find(cli_mode(m)), flags))
			is_refused(id, cli_mode(m), made);
	is_recovered(id, made, made);
	verify_stop(v, made);
	cli_del(id);
	for (unsigned int i = 0; i < 2; i++)
		disk_model_is(model, legs[i], made);
}

Test(modes, take_over_from_those_that_move_data_alike)
{
	for (unsigned int m = 0; m < cli_modes(); m++) {
		make_legs();
		is_taken_over(cli_mode(m));
	}
	cli_nothing_left("taken over");
}

/* Of every other request, under a server that dies and one that takes over. */
Test(modes, what_the_driver_cannot_lend_is_registered)
{
	struct disk_model *model = disk_model_alloc((u64)MB << 20);
	struct verify *v;
	int id;

	need(has("auto"), "no kernel with UBLK_F_AUTO_BUF_REG");
	setenv("REGBUF_AUTO_MISS", "1", 1);
	id = cli_add(CLI("add", "-t", "mirror", "-m", "auto", "-d", "16", "--recovery", "--reissue", "-l", legs[0], "-l",
			 legs[1]));
	v = verify_start(id, model, 12, VERIFY_NO_ERROR);
	verify_runs(v, "every other one");
	recovers(id, "auto", "auto");
	verify_runs(v, "another server that cannot either");
	unsetenv("REGBUF_AUTO_MISS");
	recovers(id, "auto", "auto");
	verify_runs(v, "one that can");
	verify_stop(v, "auto");
	cli_del(id);
	for (unsigned int i = 0; i < 2; i++)
		disk_model_is(model, legs[i], "auto");
	cli_nothing_left("registered");
}
