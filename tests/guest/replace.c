// SPDX-License-Identifier: GPL-2.0
/*
 * Legs of a set that come and go while it is served: a leg that was away, a new one, one in place
 * of another, all of it under verified load.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "proc.h"
#include "sh.h"
#include "targets/mirror/format.h"
#include "tleg.h"
#include "ublkraw.h"
#include "verify.h"

#define ID	7
#define MB	8
#define SIZE	(MB << 20)
#define LEG_MB	(MB + 2)

static struct disk_model *model;
static struct verify *load;

static void setup(void)
{
	raw_need();
	setenv("MODE", cli_best(), 1);
	tlegs_sweep();
	model = disk_model_alloc(SIZE);
}

TestSuite(replace, .init = setup, .fini = tlegs_sweep, .timeout = 300);

/* $LEG0, $LEG1, which can fail and hang, and $LEG2, which is empty. */
static void serve(const char *mode)
{
	const struct null_disk disk = { .mb = LEG_MB };

	setenv("LEG0", tleg_null(0, &disk), 1);
	setenv("LEG1", tleg_over(3, tleg_null(1, &disk)), 1);
	setenv("LEG2", tleg_null(2, &disk), 1);
	must(!sh("$REGBUF mirror create home -n 7 -m %s -q 2 -l $LEG0 -l $LEG1 --size 8M --assume-clean > /dev/null", mode),
	     "create");
	load = verify_start(ID, model, 1, VERIFY_NO_ERROR);
	verify_runs(load, mode);
}

/* A leg that was dropped is free soon, not at once. */
static bool adds(void *leg)
{
	return !sh("$REGBUF mirror add home --leg $%s --wait > /dev/null 2>&1", (const char *)leg);
}

static void add(const char *leg, const char *what)
{
	must(wait_until(adds, (void *)leg, 2 * SOON_MS), "%s: %s", what,
	     sh_out("$REGBUF mirror add home --leg $%s", leg));
}

static void status_is(int status, const char *what)
{
	int is = sh("$REGBUF mirror status home > /dev/null");

	must(is == status, "%s: status %d, not %d: %s", what, is, status, sh_out("$REGBUF mirror status home"));
}

/* It stops; what the two legs hold is what was written, byte for byte. */
static void stop_and_compare(const char *a, const char *b, const char *what)
{
	verify_runs(load, what);
	verify_stop(load, what);
	must(disk_model_is_exact(model), "%s: a write has failed", what);
	disk_model_is(model, "/dev/ublkb7", what);
	must(!sh("$REGBUF mirror stop home"), "%s: stop", what);
	must(!sh("cmp -i 1M -n 8M $%s $%s", a, b), "%s: the legs differ", what);
	cli_nothing_left(what);
}

static void comes_back(const char *mode)
{
	serve(mode);
	must(!sh("$REGBUF mirror fail home --leg $LEG1"), "%s: fail", mode);
	status_is(1, mode);
	verify_runs(load, mode);
	add("LEG1", mode);
	status_is(0, mode);
	stop_and_compare("LEG0", "LEG1", mode);
}

Test(replace, a_leg_that_was_away_gets_what_it_missed)
{
	for (unsigned int m = 0; m < cli_modes(); m++) {
		model = disk_model_alloc(SIZE);
		comes_back(cli_mode(m));
	}
}

Test(replace, a_leg_is_lost_and_a_new_one_takes_its_place)
{
	serve(cli_best());
	tleg_break(3, TLEG_ERROR);
	verify_runs(load, "a leg is lost");
	must(wait_until(adds, "LEG2", 2 * SOON_MS), "%s", sh_out("$REGBUF mirror add home --leg $LEG2"));
	/* the other one is still of the set */
	status_is(1, "a leg is lost");
	must(!sh("$REGBUF mirror remove home --leg $LEG1"), "remove");
	status_is(0, "it is of the set no more");
	stop_and_compare("LEG0", "LEG2", "a leg is lost");
}

static bool is_gone(void *arg)
{
	return !strstr(sh_out("$REGBUF mirror status home"), getenv("LEG1"));
}

Test(replace, a_leg_is_copied_to_another_one_while_it_serves)
{
	serve(cli_best());
	must(!sh("$REGBUF mirror replace home --leg $LEG1 --with $LEG2 --wait > /dev/null"), "replace");
	must(wait_until(is_gone, NULL, SOON_MS), "%s", sh_out("$REGBUF mirror status home"));
	status_is(0, "replaced");
	stop_and_compare("LEG0", "LEG2", "replaced");
}

/* Where a link leads may be another disk at the next boot. */
Test(replace, a_leg_keeps_the_name_that_it_was_given)
{
	serve(cli_best());
	must(!sh("ln -sf $LEG2 /dev/third"), "ln");
	must(!sh("$REGBUF mirror replace home --leg $LEG1 --with /dev/third --wait > /dev/null"), "replace");
	must(!sh("$REGBUF mirror status home | grep '/dev/third *in-sync' > /dev/null"), "%s",
	     sh_out("$REGBUF mirror status home"));
	must(!sh("$REGBUF mirror mark home --leg $LEG2 --write-mostly"), "mark: where it leads");
	must(!sh("$REGBUF mirror mark home --leg /dev/third --read"), "mark: the link");
	must(wait_until(is_gone, NULL, SOON_MS), "%s", sh_out("$REGBUF mirror status home"));
	stop_and_compare("LEG0", "LEG2", "a link");
	must(!sh("rm /dev/third"), "rm");
}

static void refuses(const char *command, const char *text)
{
	const char *out = sh_out("$REGBUF mirror %s", command);

	must(strstr(out, text), "mirror %s: no \"%s\" in: %s", command, text, out);
}

Test(replace, what_cannot_join_is_refused_and_changes_nothing)
{
	serve("copy");
	refuses("add home --leg $LEG1", "in-sync");
	refuses("add home --leg /dev/null", "");
	must(!sh("mkfs.ext4 -q -F $LEG2"), "mkfs");
	refuses("add home --leg $LEG2", "ext");
	setenv("SMALL", tleg_null(2, &(struct null_disk){ .mb = 4 }), 1);
	refuses("add home --leg $SMALL", "too small");
	setenv("LARGE", tleg_null(2, &(struct null_disk){ .mb = LEG_MB, .block = 4096 }), 1);
	refuses("add home --leg $LARGE", "4096");
	must(!sh("$REGBUF mirror fail home --leg $LEG1"), "fail");
	refuses("fail home --leg $LEG0", "last leg");
	refuses("remove home --leg $LEG0", "last leg");
	/* It would be copied to, and taken out then. */
	refuses("replace home --leg $LEG1 --with $LEG1", "is the leg that is to be replaced");
	status_is(1, "after all of them");
	add("LEG1", "after all of them");
	status_is(0, "after all of them");
	stop_and_compare("LEG0", "LEG1", "after all of them");
}

/* M17: what hangs on the old file lands before the leg is back, or it is not back. */
Test(replace, a_leg_is_not_back_before_its_old_io_has_ended)
{
	struct client *c;

	serve("copy");
	verify_runs(load, "before");
	verify_stop(load, "before");
	tleg_suspend(3);
	c = client_start(&(struct client_job){ .id = ID, .op = CLIENT_WRITE, .len = 4096 });
	sleep_ms(300);
	must(!client_done(c, 200), "a write does not wait for a leg that hangs");
	must(sh("timeout 5 $REGBUF mirror add home --leg $LEG1 > /dev/null 2>&1"), "a leg that hangs is added");
	tleg_resume(3);
	res_is(client_wait(c), 4096, "a write");
	must(!sh("$REGBUF mirror stop home"), "stop");
}

/* Without a crash, and without a bit: rot, or somebody who wrote to one leg. */
Test(replace, a_difference_that_nobody_knows_of_is_found_and_mended)
{
	serve(cli_best());
	verify_runs(load, "before");
	verify_stop(load, "before");
	must(!sh("$REGBUF mirror check home --wait > /dev/null"), "equal legs are said to differ");
	must(!sh("dd if=/dev/urandom of=$LEG1 bs=4k seek=1000 count=2 oflag=direct 2> /dev/null"), "rot");
	must(sh("$REGBUF mirror check home --wait > /dev/null") == 1, "a difference is not found");
	must(!sh("$REGBUF mirror repair home --wait > /dev/null"), "repair");
	must(!sh("$REGBUF mirror check home --wait > /dev/null"), "what was mended differs");
	disk_model_is(model, "/dev/ublkb7", "mended");
	must(!sh("$REGBUF mirror stop home"), "stop");
	must(!sh("cmp -i 1M -n 8M $LEG0 $LEG1"), "the legs differ");
}

static bool is_whole(void *arg)
{
	return !sh("$REGBUF mirror status home > /dev/null");
}

static void serve_again(void)
{
	must(!sh("$REGBUF mirror assemble home -n 7 -m $MODE -l $LEG0 -l $LEG1 -l $LEG2 > /dev/null"), "assemble");
	load = verify_start(ID, model, 2, VERIFY_END);
	verify_runs(load, "assembled again");
}

/* Neither a crash nor a stop takes the leg out: who serves next goes on. */
Test(replace, a_leg_that_joins_goes_on_under_the_next_server)
{
	setenv("REGBUF_RESYNC_HOLD", "1", 1);
	serve(cli_best());
	load->errors_are = VERIFY_END;
	must(!sh("$REGBUF mirror add home --leg $LEG2"), "add");
	verify_runs(load, "held");
	status_is(1, "held");
	proc_kill_other(cli_pid(ID));
	verify_stop(load, "killed");
	if (raw_dev_state(ID) >= 0)
		cli_del(ID);
	serve_again();
	status_is(1, "held, after a kill");
	verify_stop(load, "held, after a kill");
	must(!sh("$REGBUF mirror stop home"), "stop");
	unsetenv("REGBUF_RESYNC_HOLD");
	serve_again();
	must(wait_until(is_whole, NULL, 3 * SOON_MS), "%s", sh_out("$REGBUF mirror status home"));
	verify_stop(load, "whole");
	disk_model_is(model, "/dev/ublkb7", "whole");
	must(!sh("$REGBUF mirror stop home"), "stop");
	must(!sh("cmp -i 1M -n 8M $LEG0 $LEG2 && cmp -i 1M -n 8M $LEG0 $LEG1"), "the legs differ");
}
