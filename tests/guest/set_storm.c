// SPDX-License-Identifier: GPL-2.0
/*
 * A storm over a set: its legs fail, are removed, replaced, slow and broken, its server is killed,
 * stopped and started with some of them, at random and under I/O that is verified.
 *
 * Whatever happens: no client sees an error while a good leg is there, what was acknowledged is
 * read back, each command and each assembly is answered as the model of the set says
 * (set_model.h), and in the end all legs are in sync and hold the same bytes.
 *
 * What is done follows from the seed, but for how far the others have got.  With options of its own
 * the program is a part of `make torture`:
 *	set_storm --seed N --minutes N | --steps N
 */
#include <criterion/criterion.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "byhand.h"
#include "cli.h"
#include "set_world.h"
#include "targets/mirror/format.h"
#include "ublkraw.h"

#define DISKS		SET_WORLD_DISKS
#define ALL		((1U << DISKS) - 1)
#define RUN_MS		100		/* the longest that I/O goes on before a kill */
#define EVENT_MS	(3 * TLEG_SLOW_MS)	/* about what it takes to drop a leg, when another one is slow */
#define COMMAND_MS	60		/* about what a command takes */
#define BAD_SECTORS	8
#define TRIES		3		/* at an assembly, of other legs */

/* In each of three slices. */
#define SLICE_STEPS	8
#define RELEASE_STEPS	16

static struct set_world w;

/* All that was done. */
static struct storm {
	u32 seed;
	unsigned int steps, nr_modes;
	u64 began, told;
	bool verbose;
} storm;

static unsigned int rnd(unsigned int below)
{
	return random() % below;
}

/* One of the bits, or -1. */
static int one_of(u32 bits)
{
	unsigned int n;

	if (!bits)
		return -1;
	for (n = rnd(__builtin_popcount(bits)); n; n--)
		bits &= bits - 1;
	return __builtin_ctz(bits);
}

static u32 in_state(enum set_state state)
{
	return set_model_are(&w.model, state);
}

static u32 broken_writers(void)
{
	return set_world_broken(&w) & set_world_writers(&w);
}

static void tell(bool now)
{
	if (!now && now_ms() < storm.told + 10000)
		return;
	storm.told = now_ms();
	fprintf(stderr, "seed %u: %u steps in %llu s, %u kills, %u assemblies, %u refusals, %llu operations verified\n",
		storm.seed, storm.steps, (unsigned long long)(now_ms() - storm.began) / 1000, w.kills,
		w.assemblies, w.refusals, (unsigned long long)w.ops);
}

static __attribute__((format(printf, 1, 2))) void step_is(const char *fmt, ...)
{
	int n = snprintf(w.what, sizeof(w.what), "seed %u, step %u, %s: ", storm.seed, storm.steps, w.mode);
	va_list args;

	va_start(args, fmt);
	vsnprintf(w.what + n, sizeof(w.what) - n, fmt, args);
	va_end(args);
	if (storm.verbose)
		fprintf(stderr, "%6llu ms  %s\n", (unsigned long long)(now_ms() - storm.began), w.what);
}

/* Steps.  Each is false when it makes no sense now: then another one is chosen. */

static bool step_fail(void)
{
	unsigned int disk = rnd(DISKS);

	if (!set_world_may_lose(&w, disk))
		return false;
	step_is("fail disk %u", disk);
	set_world_fail(&w, disk);
	return true;
}

/* What is removed is no leg any more, whatever its own record says. */
static bool step_remove(void)
{
	unsigned int disk = rnd(DISKS);

	if (!set_world_may_lose(&w, disk))
		return false;
	step_is("remove disk %u", disk);
	if (!set_world_remove(&w, disk))
		return true;
	set_world_look(&w);
	if (rnd(2))
		set_world_add(&w, disk);
	set_world_wipe(&w, disk);
	return true;
}

static bool step_add(void)
{
	int disk = rnd(3) ? one_of(in_state(SET_FAILED) | in_state(SET_STALE)) : (int)rnd(DISKS);

	if (disk < 0)
		return false;
	step_is("add disk %d", disk);
	set_world_add(&w, disk);
	return true;
}

/* A copy to a disk that is not there any more would not end. */
static bool step_replace(void)
{
	int disk = one_of(set_world_members(&w)), with = rnd(3) ? one_of(in_state(SET_NONE)) : (int)rnd(DISKS);

	if (disk < 0 || with < 0 || !set_world_is_calm(&w))
		return false;
	step_is("replace disk %d by disk %d", disk, with);
	set_world_replace(&w, disk, with);
	return true;
}

/* A disk that may break: another one is good, and stays so. */
static int disk_to_break(u32 of)
{
	int disk = one_of(of & ~set_world_broken(&w));

	if (disk < 0 || broken_writers() || !(set_model_good(&w.model) & ~(1U << disk)))
		return -1;
	return disk;
}

static bool step_break(void)
{
	int disk = disk_to_break(set_world_writers(&w));
	bool dead = rnd(2);

	if (disk < 0)
		return false;
	step_is("disk %d fails %s", disk, dead ? "all I/O" : "writes");
	set_world_look(&w);
	set_world_break(&w, disk, dead ? TLEG_ERROR : TLEG_WRITE_ERROR);
	if (rnd(3))
		set_world_is_dropped(&w, disk);
	return true;
}

/* What has an error on the way is noticed first: it is not forgotten by mending the disk. */
static bool step_mend(void)
{
	int disk = one_of(set_world_broken(&w) | w.slow);

	if (disk < 0)
		return false;
	step_is("disk %d is mended", disk);
	if (broken_writers() >> disk & 1)
		set_world_is_dropped(&w, disk);
	set_world_mend(&w, disk);
	return true;
}

static bool step_slow(void)
{
	int disk = disk_to_break(set_world_writers(&w) & ~w.slow);

	if (disk < 0 || w.slow)
		return false;
	step_is("disk %d is slow", disk);
	set_world_slow(&w, disk);
	return true;
}

/* Sectors that cannot be read until they are written: nobody notices but the server. */
static bool step_bad_sectors(void)
{
	int disk = disk_to_break(in_state(SET_IN_SYNC) & ~w.slow);
	u32 first = (FORMAT_AREA_BYTES + rnd(SET_WORLD_MB) * (1 << 20)) / 512 + rnd(2048 - BAD_SECTORS);

	/* Where legs may differ, only one of them is read. */
	if (disk < 0 || !set_world_look(&w) || !set_world_is_calm(&w))
		return false;
	step_is("disk %d has bad sectors from %u on", disk, first);
	tleg_bad(disk, first, first + BAD_SECTORS - 1);
	for (unsigned int i = 0; i < 20; i++)
		set_world_runs(&w);
	set_world_mend(&w, disk);
	return true;
}

static bool step_check(void)
{
	bool repair = !rnd(3);

	if (!set_world_is_calm(&w) || w.slow || !set_world_look(&w))
		return false;
	step_is("%s", repair ? "repair" : "check");
	set_world_check(&w, repair);
	return true;
}

/* Two at once: of the last two in sync only one goes, of two that add one disk only one does. */
static bool step_two_at_once(void)
{
	u32 good = set_model_good(&w.model), away = in_state(SET_FAILED) | in_state(SET_STALE);

	for (unsigned int i = 0; i < DISKS; i++)
		if (w.model.legs[i].broken || set_model_is_replaced(&w.model, i))
			away &= ~(1U << i);
	if (__builtin_popcount(good) == 2 && set_world_is_calm(&w)) {
		step_is("fail disks %d and %d at once", __builtin_ctz(good), __builtin_ctz(good & (good - 1)));
		set_world_fail_both(&w, __builtin_ctz(good), __builtin_ctz(good & (good - 1)));
	} else if (away) {
		step_is("add disk %d twice at once", __builtin_ctz(away));
		set_world_add_twice(&w, __builtin_ctz(away));
	} else {
		return false;
	}
	return true;
}

static bool step_settle(void)
{
	step_is("until it is whole");
	set_world_settle(&w);
	return true;
}

static bool step_verify(void)
{
	step_is("what the device holds");
	set_world_verify(&w, random());
	return true;
}

/* Some that are broken, or slow, are well when the next server begins. */
static void mend_some(void)
{
	for (u32 left = set_world_broken(&w) | w.slow; left; left &= left - 1)
		if (rnd(2))
			set_world_mend(&w, __builtin_ctz(left));
}

/* All that can be read; and sometimes without one, if it is clear what the others know. */
static u32 legs_to_assemble(void)
{
	u32 good = set_model_good(&w.model) & ~w.dead;

	if (w.unclear || rnd(3) || !(good & (good - 1)))
		return ALL;
	return ALL & ~(1U << one_of(good));
}

static void try_some(void)
{
	for (unsigned int i = 0; i < TRIES && !w.unclear; i++) {
		u32 disks = rnd(ALL + 1) & set_world_members(&w) & ~w.dead;

		if (disks)
			set_world_try(&w, disks);
	}
}

static void serve_again(void)
{
	u32 disks;

	mend_some();
	try_some();
	disks = legs_to_assemble();
	w.mode = cli_mode(storm.nr_modes++ % cli_modes());
	step_is("assemble with disks %#x", disks & set_world_members(&w));
	set_world_assemble(&w, disks, w.mode, rnd(2), random());
}

static bool step_stop(void)
{
	step_is("stop");
	set_world_stop(&w);
	serve_again();
	return true;
}

static bool step_kill(void)
{
	step_is("kill");
	set_world_look(&w);
	usleep(rnd(RUN_MS * 1000));
	set_world_kill(&w);
	serve_again();
	return true;
}

static bool step_kill_during(void)
{
	static const char *const commands[] = { "fail", "remove", "add" };
	const char *command = commands[rnd(3)];
	unsigned int disk = rnd(DISKS);

	if (!set_world_may_lose(&w, disk) || set_world_broken(&w) >> disk & 1)
		return false;
	step_is("kill during %s of disk %u", command, disk);
	set_world_look(&w);
	set_world_kill_during(&w, command, disk, rnd(COMMAND_MS * 1000));
	serve_again();
	return true;
}

/* What a leg has missed is acknowledged only when others know.  With a slow one that takes its time. */
static bool step_kill_while_a_leg_fails(void)
{
	int disk = disk_to_break(in_state(SET_IN_SYNC));

	if (disk < 0 || !set_world_is_calm(&w))
		return false;
	step_is("kill while disk %d fails", disk);
	if (!w.slow)
		set_world_slow(&w, one_of(set_model_good(&w.model) & ~(1U << disk)));
	set_world_break(&w, disk, TLEG_WRITE_ERROR);
	usleep(rnd(EVENT_MS * 1000));
	set_world_kill(&w);
	set_world_mend(&w, disk);
	serve_again();
	return true;
}

static bool step_recover(void)
{
	u32 disks = legs_to_assemble();

	if (!w.recovery)
		return false;
	step_is("kill, and recover with disks %#x", disks & set_world_members(&w));
	set_world_look(&w);
	usleep(rnd(RUN_MS * 1000));
	set_world_recover(&w, disks);
	return true;
}

/* @weight: how often it is chosen */
static const struct {
	bool (*run)(void);
	unsigned int weight;
} steps[] = {
	{ step_add, 8 },
	{ step_bad_sectors, 1 },
	{ step_break, 4 },
	{ step_check, 1 },
	{ step_fail, 4 },
	{ step_kill, 4 },
	{ step_kill_during, 3 },
	{ step_kill_while_a_leg_fails, 6 },
	{ step_mend, 4 },
	{ step_recover, 5 },
	{ step_remove, 2 },
	{ step_replace, 3 },
	{ step_settle, 2 },
	{ step_slow, 1 },
	{ step_stop, 3 },
	{ step_two_at_once, 3 },
	{ step_verify, 1 },
};

static void step(void)
{
	unsigned int all = 0, n, i;

	for (i = 0; i < ARRAY_SIZE(steps); i++)
		all += steps[i].weight;
	do {
		n = rnd(all);
		for (i = 0; n >= steps[i].weight; i++)
			n -= steps[i].weight;
	} while (!steps[i].run());
	/* Whatever it was, the set is as the model has it, and clients get on. */
	set_world_runs(&w);
	set_world_look(&w);
	storm.steps++;
	tell(false);
}

/* Until there were @nr, or it is @until; 0: without that end. */
static void run(u32 seed, unsigned int nr, u64 until)
{
	raw_need();
	tlegs_sweep();
	srandom(seed);
	storm.seed = seed;
	storm.steps = 0;
	storm.nr_modes = seed;
	storm.began = storm.told = now_ms();
	set_world_init(&w);
	step_is("the first");
	serve_again();
	while ((!nr || storm.steps < nr) && (!until || now_ms() < until))
		step();
	step_is("the end");
	set_world_end(&w);
	tell(true);
	tlegs_sweep();
}

static unsigned int slice_steps(void)
{
	return takes_its_time() ? RELEASE_STEPS : SLICE_STEPS;
}

TestSuite(set_storm, .fini = tlegs_sweep, .timeout = 600);

/* A seed each, so that one that fails can be run again by itself. */
#define SLICE(n) \
	Test(set_storm, of_seed_##n) \
	{ \
		run(n, slice_steps(), 0); \
	}

SLICE(1)
SLICE(2)
SLICE(3)

static void storm_by_hand(const struct byhand_conf *conf)
{
	storm.verbose = conf->verbose;
	run(conf->seed, conf->number, conf->end);
	printf("ok: seed %u: %u steps, nothing lost, nothing answered wrong\n", storm.seed, storm.steps);
}

static const struct byhand by_hand = {
	.name = "set_storm", .number = "steps", .verbose = true, .run = storm_by_hand
};

int main(int argc, char **argv)
{
	return byhand_main(&by_hand, argc, argv);
}
