// SPDX-License-Identifier: GPL-2.0
/*
 * A set with a leg here and two elsewhere, on NVMe/TCP and on NBD.  Their connections are cut, give
 * up, come back; the disk goes, or its server.
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
#include "netleg.h"
#include "set.h"
#include "sh.h"
#include "tleg.h"
#include "ublkraw.h"
#include "verify.h"

#define ID	7
#define MB	24
#define LOAD_MB	4		/* of them, at the start */
#define LEG_MB	(MB + 2)
#define LEGS	(1 + NR_NETLEGS)
/* Until legs that give up are failed, and requests go on. */
#define SOON_FAILED_MS	(NETLEG_GIVES_UP_MS + SOON_MS)

static struct disk_model *model;
static struct verify *load;

static void sweep(void)
{
	netlegs_sweep();
	tlegs_sweep();
}

static void setup(void)
{
	raw_need();
	sweep();
	model = disk_model_alloc(LOAD_MB << 20);
}

TestSuite(netlegs, .init = setup, .fini = sweep, .timeout = 300);

/* $LEG0 is here, and leg 1 + KIND elsewhere. */
static const char *leg_name(unsigned int leg)
{
	static char name[16];

	snprintf(name, sizeof(name), "LEG%u", leg);
	return name;
}

static const char *leg_path(unsigned int leg)
{
	return getenv(leg_name(leg));
}

static void leg_is_at(unsigned int leg, const char *path)
{
	setenv(leg_name(leg), path, 1);
}

/* All have a write cache, as disks elsewhere do: those of other legs could not join later. */
static void make_legs(enum netleg_patience patience)
{
	const struct null_disk disk = { .mb = LEG_MB, .cache_mb = 1 };

	leg_is_at(0, tleg_null(0, &disk));
	for (unsigned int kind = 0; kind < NR_NETLEGS; kind++) {
		netleg_serve(kind, tleg_null(1 + kind, &disk));
		leg_is_at(1 + kind, netleg_connect(kind, patience));
	}
}

static void serve(const char *mode, const char *options)
{
	must(!sh("$REGBUF mirror create home -n 7 -m %s -l $LEG0 -l $LEG1 -l $LEG2 --assume-clean --force %s > /dev/null",
		 mode, options), "create, %s", mode);
}

static void load_start(enum verify_errors errors_are)
{
	load = verify_start(ID, model, 1, errors_are);
	verify_runs(load, "a client");
}

static const char *status(void)
{
	return sh_out("$REGBUF mirror status home");
}

static void status_is(int is, const char *what)
{
	must(sh("$REGBUF mirror status home > /dev/null") == is, "%s: not %d: %s", what, is, status());
}

static bool are_failed(void *arg)
{
	return !sh("test $($REGBUF mirror status home | grep -c ' failed ') = %d", NR_NETLEGS);
}

static bool has_gone_on(void *ops)
{
	return load->ops > *(u32 *)ops;
}

/* All lanes of the load go on: more of its operations are done than are under way. */
static void goes_on(const char *what)
{
	u32 ops = load->ops + 16 * VERIFY_LANES;

	must(wait_until(has_gone_on, &ops, SOON_FAILED_MS), "%s: requests wait: %s", what, status());
}

static void are_failed_and_it_goes_on(const char *what)
{
	must(wait_until(are_failed, NULL, SOON_FAILED_MS), "%s: legs are not failed: %s", what, status());
	goes_on(what);
	status_is(1, what);
}

static void reconnect(void)
{
	for (unsigned int kind = 0; kind < NR_NETLEGS; kind++)
		leg_is_at(1 + kind, netleg_reconnect(kind, NETLEG_GIVES_UP));
}

static bool adds(void *path)
{
	return !sh("$REGBUF mirror add home --leg %s --wait > /dev/null 2>&1", (const char *)path);
}

/* The leg is let go of when all that it had under way has ended; of what is written then only that it missed. */
static void add(unsigned int leg, const char *what)
{
	const char *path = leg_path(leg);
	u64 sectors = disk_stat(path, DISK_SECTORS_WRITTEN);

	must(wait_until(adds, (void *)path, SOON_FAILED_MS), "%s: %s: %s", what, path,
	     sh_out("$REGBUF mirror add home --leg %s", path));
	sectors = disk_stat(path, DISK_SECTORS_WRITTEN) - sectors;
	must(sectors && sectors <= 2 * LOAD_MB << 11, "%s: %llu MiB are written to %s", what,
	     (unsigned long long)sectors >> 11, path);
}

/* What the network still has comes to the legs, if it can.  Nothing is written behind the load but one block. */
static void stop_and_compare(const char *what)
{
	net_quiet();
	disk_model_is(model, "/dev/ublkb7", what);
	must(!sh("$REGBUF mirror stop home"), "%s: stop", what);
	for (unsigned int leg = 1; leg < LEGS; leg++)
		must(!sh("cmp -i 1M -n %dM $LEG0 %s", LOAD_MB + 1, leg_path(leg)), "%s: %s is not as the leg that is here", what,
		     leg_path(leg));
	cli_nothing_left(what);
}

static void get_what_they_missed(const char *what)
{
	verify_stop(load, what);
	for (unsigned int leg = 1; leg < LEGS; leg++)
		add(leg, what);
	status_is(0, what);
	stop_and_compare(what);
}

/* Modes that copy and that lend, and fused commands. */
Test(netlegs, hold_what_is_written)
{
	make_legs(NETLEG_WAITS);
	for (unsigned int m = 0; m < cli_modes(); m += 2) {
		serve(cli_mode(m), "");
		load_start(VERIFY_NO_ERROR);
		goes_on(cli_mode(m));
		verify_stop(load, cli_mode(m));
		status_is(0, cli_mode(m));
		stop_and_compare(cli_mode(m));
	}
}

/* TCP sends again, and the legs stay. */
Test(netlegs, that_are_cut_for_a_moment_are_waited_for)
{
	make_legs(NETLEG_WAITS);
	serve("register", "--leg-timeout 20");
	load_start(VERIFY_NO_ERROR);
	net_cut();
	sleep_ms(1500);
	net_restore();
	goes_on("a short cut");
	verify_stop(load, "a short cut");
	status_is(0, "a short cut");
	stop_and_compare("a short cut");
}

/* The data is a copy, so nobody waits for the connections.  NVMe/TCP is to notice the cut, and to connect again. */
Test(netlegs, that_are_cut_are_failed_by_the_sets_timeout)
{
	make_legs(NETLEG_WAITS);
	serve("copy", "--leg-timeout 1");
	load_start(VERIFY_NO_ERROR);
	net_cut();
	are_failed_and_it_goes_on("the set's timeout");
	sleep_ms(4000);
	net_restore();
	get_what_they_missed("the set's timeout");
}

static void says_why(unsigned int leg, const char *error)
{
	must(!sh("$REGBUF mirror status home | grep '%s .* failed ' | grep -q '%s'", leg_path(leg), error),
	     "%s: not \"%s\": %s", leg_path(leg), error, status());
}

/*
 * The legs have the client's pages, and it waits until the connections give up.  What they gave up
 * may still be in the network: it comes to the servers before the legs are back, or never.
 */
Test(netlegs, that_gave_up_come_back_and_get_no_late_write)
{
	const u64 off = LOAD_MB << 20;	/* behind the load */
	int dev;

	make_legs(NETLEG_GIVES_UP);
	serve("register", "");
	dev = dev_open(ID, "", O_RDWR | O_DIRECT);
	file_write_block(dev, off, 1);
	net_cut();
	file_write_block(dev, off, 2);
	says_why(1 + NETLEG_NVME, strerror(ENOLINK));
	says_why(1 + NETLEG_NBD, strerror(EIO));
	load_start(VERIFY_NO_ERROR);
	are_failed_and_it_goes_on("a cut");
	net_restore();
	reconnect();
	file_write_block(dev, off, 3);
	close(dev);
	get_what_they_missed("a cut");
}

/* The disks are gone, and come back under what names they like. */
Test(netlegs, that_are_disconnected_come_back)
{
	make_legs(NETLEG_GIVES_UP);
	serve("register", "");
	load_start(VERIFY_NO_ERROR);
	for (unsigned int kind = 0; kind < NR_NETLEGS; kind++)
		netleg_disconnect(kind);
	are_failed_and_it_goes_on("disconnected");
	for (unsigned int kind = 0; kind < NR_NETLEGS; kind++)
		leg_is_at(1 + kind, netleg_connect(kind, NETLEG_GIVES_UP));
	get_what_they_missed("disconnected");
}

Test(netlegs, whose_servers_die_come_back)
{
	make_legs(NETLEG_GIVES_UP);
	serve("copy", "");
	load_start(VERIFY_NO_ERROR);
	for (unsigned int kind = 0; kind < NR_NETLEGS; kind++)
		netleg_unserve(kind);
	are_failed_and_it_goes_on("no server");
	for (unsigned int kind = 0; kind < NR_NETLEGS; kind++)
		netleg_serve(kind, tleg_path(1 + kind));
	reconnect();
	get_what_they_missed("no server");
}

static bool is_assembled_alone(void *arg)
{
	return !sh("$REGBUF mirror assemble home -n 7 -m register -l $LEG0 --degraded > /dev/null 2>&1");
}

/* Nothing of the server waits for longer than the connections do: then the leg that is here can be served. */
Test(netlegs, that_are_cut_do_not_hold_a_server_that_is_killed)
{
	make_legs(NETLEG_GIVES_UP);
	serve("register", "");
	load_start(VERIFY_END);
	net_cut();
	sleep_ms(500);
	set_kill_server(ID);
	verify_stop(load, "killed");
	must(wait_until(is_assembled_alone, NULL, SOON_FAILED_MS), "assemble: %s",
	     sh_out("$REGBUF mirror assemble home -n 7 -l $LEG0 --degraded"));
	load_start(VERIFY_NO_ERROR);
	net_restore();
	reconnect();
	get_what_they_missed("killed");
}

/* What the legs have under way is not the client's any more. */
Test(netlegs, that_are_cut_do_not_hold_a_stop)
{
	make_legs(NETLEG_GIVES_UP);
	serve("copy", "--leg-timeout 1");
	load_start(VERIFY_NO_ERROR);
	net_cut();
	are_failed_and_it_goes_on("stop");
	verify_stop(load, "stop");
	must(!sh("timeout %d $REGBUF mirror stop home", SOON_FAILED_MS / 1000), "stop");
	cli_nothing_left("stop");
}
