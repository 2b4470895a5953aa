// SPDX-License-Identifier: GPL-2.0
/*
 * A storm of SIGKILLs: servers and launchers of regbuf, of every target and mode, with
 * and without recovery, are killed at random moments under I/O that is verified.
 *
 * Whatever is killed when: nothing hangs, with --reissue no client sees an error, no
 * acknowledged byte is lost, no device and no object of the kernel is left.
 *
 * All that happens follows from the seed, but for how far the others have got at the
 * moment of a kill.  With options of its own the program is `make torture`:
 *	storm --seed N --minutes N | --kills N
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "byhand.h"
#include "census.h"
#include "cli.h"
#include "dev.h"
#include "proc.h"
#include "tleg.h"
#include "tmpfile.h"
#include "ublkraw.h"
#include "verify.h"

#define LEG_MB		4
/* For each of five seeds.  With KASAN and lockdep together, 500, and 200 where the run is a slice. */
#define DEBUG_KILLS	50
#define SLICE_KILLS	20
#define RELEASE_KILLS	10
#define RUN_MS		50	/* the longest that I/O goes on before a kill */
#define LAUNCH_MS	500	/* about what add and recover take, on a debug kernel */
#define LAUNCHED_ID	77	/* of devices whose add is killed */
/* Objects that may be more in a cache when all is over: what is lost at each kill is more. */
#define SLACK(kills)	((kills) / 2)

enum recovery { NONE, RECOVERY, REISSUE, NR_RECOVERIES };

static const char *const recoveries[NR_RECOVERIES] = { "no recovery", "recovery", "reissue" };
static const char *const inner_targets[] = { "loop", "mirror" };
enum { LOOP, MIRROR };
static const char *const moments[] = { "arrive", "inflight", "done" };
#define NR_MOMENTS	3

/* The fault target's part: none of it, slow requests, or the server kills itself. */
enum fault { NO_FAULT, SLOW, DIES, NR_FAULTS };

/* A device. */
struct device {
	unsigned int inner;
	const char *mode;
	enum recovery recovery;
	enum fault fault;
	int id;
	char name[96];
};

/* All that was done. */
struct storm {
	u32 seed;
	unsigned int kills, launches_killed, recovered, devices;
	unsigned long long ops;
	u64 began, told;
};

static const char *legs[3];	/* of the mirror, and of loop */
static struct disk_model *models[2];
static struct storm storm;

static unsigned int rnd(unsigned int below)
{
	return random() % below;
}

/* All of them are zeroed, and have their memory: it is not to be taken for a leak. */
static void disk_fill(const char *path)
{
	int fd = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
	void *zeroes = page_alloc(LEG_MB << 20);

	must(fd >= 0, "%s: %s", path, strerror(errno));
	file_write(fd, zeroes, LEG_MB << 20, 0);
	munmap(zeroes, LEG_MB << 20);
	close(fd);
}

static void disks_init(void)
{
	raw_need();
	tlegs_sweep();
	for (unsigned int i = 0; i < 3; i++) {
		/* slow enough to have something in flight, but for one leg */
		legs[i] = tleg_null(i, &(struct null_disk){ .mb = LEG_MB, .delay_us = i ? 500 : 0 });
		disk_fill(legs[i]);
	}
	models[LOOP] = disk_model_alloc(LEG_MB << 20);
	models[MIRROR] = disk_model_alloc(LEG_MB << 20);
}


/* Arguments of a command; those that are numbers are in texts. */
struct args {
	const char *v[CLI_ARGS_MAX + 1];
	unsigned int nr, nr_texts;
	char texts[4][32];
};

static void arg(struct args *a, const char *word)
{
	must(a->nr < CLI_ARGS_MAX, "too many arguments");
	a->v[a->nr++] = word;
}

static void arg_number(struct args *a, const char *option, unsigned int value)
{
	char *text = a->texts[a->nr_texts++];

	snprintf(text, sizeof(a->texts[0]), "%s%u", option, value);
	arg(a, text);
}

static void args_target(struct args *a, const struct device *d)
{
	arg(a, "-t");
	if (d->fault != NO_FAULT) {
		arg(a, "fault");
		arg(a, "-i");
	}
	arg(a, inner_targets[d->inner]);
	for (unsigned int i = 0; i < (d->inner == LOOP ? 1 : 2); i++) {
		arg(a, "-l");
		arg(a, legs[d->inner == LOOP ? 2 : i]);
	}
}

static void args_fault(struct args *a, const struct device *d)
{
	if (d->fault == SLOW) {
		arg(a, "--fault=delay");
		arg(a, "--fault-delay=20");
		arg(a, "--fault-every=7");
	} else if (d->fault == DIES) {
		arg(a, "--fault=die");
		arg(a, "--fault-moment");
		arg(a, moments[rnd(NR_MOMENTS)]);
		arg_number(a, "--fault-after=", 20 + rnd(200));
	}
}

static void args_add(struct args *a, const struct device *d)
{
	arg(a, "-d16");
	arg(a, rnd(2) ? "-q2" : "-q1");
	if (d->recovery != NONE)
		arg(a, "--recovery");
	if (d->recovery == REISSUE)
		arg(a, "--reissue");
}

/* The arguments of @cmd for a device; @id -1: whichever.  Valid until the next call. */
static const char *const *arguments(const struct device *d, const char *cmd, int id)
{
	static struct args a;

	memset(&a, 0, sizeof(a));
	arg(&a, cmd);
	arg(&a, "-m");
	arg(&a, d->mode);
	if (id >= 0)
		arg_number(&a, "-n", id);
	args_target(&a, d);
	args_fault(&a, d);
	if (!strcmp(cmd, "add"))
		args_add(&a, d);
	return a.v;
}

static void choose(struct device *d)
{
	static const char *const faults[NR_FAULTS] = { "", "slow ", "dying " };

	*d = (struct device){ .inner = rnd(2), .mode = cli_mode(rnd(cli_modes())),
			      .recovery = rnd(NR_RECOVERIES),
			      .fault = rnd(2) ? NO_FAULT : SLOW + rnd(2) };
	snprintf(d->name, sizeof(d->name), "seed %u, kill %u: %s%s, %s, %s", storm.seed,
		 storm.kills, faults[d->fault], inner_targets[d->inner], d->mode,
		 recoveries[d->recovery]);
}

static void tell(bool now)
{
	if (!now && now_ms() < storm.told + 10000)
		return;
	storm.told = now_ms();
	fprintf(stderr, "seed %u: %u kills in %llu s, %u of them of launches; %u devices, %u recoveries, %llu operations verified\n",
		storm.seed, storm.kills, (unsigned long long)(now_ms() - storm.began) / 1000,
		storm.launches_killed, storm.devices, storm.recovered, storm.ops);
}

/* After some I/O, or when it does so itself, the server dies. */
static void kill_server(const struct device *d, struct verify *v)
{
	pid_t pid = dev_server(d->id);

	if (d->fault == DIES) {
		must(proc_other_gone(pid, SOON_MS), "%s: the server does not kill itself", d->name);
	} else {
		verify_runs(v, d->name);
		usleep(rnd(RUN_MS * 1000));
		proc_kill_other(pid);
	}
	storm.kills++;
}

#define LAUNCHER	1
#define SERVER		2

/* The launcher, its server, or both are killed while they do what @args say. */
static void kill_launch(const char *const *args, unsigned int who, const char *what)
{
	static struct cli c;
	struct cli_job job;
	pid_t server;

	cli_start(&job, args);
	usleep(rnd(LAUNCH_MS * 1000));
	server = who & SERVER ? cli_child(job.pid) : 0;
	if (who & LAUNCHER)
		kill(job.pid, SIGKILL);
	if (server)
		kill(server, SIGKILL);
	must(cli_ended(&job, &c, 3 * SOON_MS), "%s: the launcher does not end", what);
	storm.kills += (who & LAUNCHER) + !!server;
	storm.launches_killed += (who & LAUNCHER) + !!server;
}

static void recover(struct device *d)
{
	static struct cli c;

	/* that of one that dies would die again */
	if (d->fault == DIES)
		d->fault = NO_FAULT;
	if (!rnd(5))
		kill_launch(arguments(d, "recover", d->id), 1 + rnd(3), d->name);
	cli_run(&c, arguments(d, "recover", d->id));
	/* the launch that was killed may have been over */
	must(!c.status || strstr(c.err, "its server lives"), "%s: recover: status %d: %s", d->name,
	     c.status, c.err);
	res_is(raw_dev_state(d->id), UBLK_S_DEV_LIVE, "%s: the state after recover", d->name);
	storm.recovered++;
}

static void legs_are_right(const struct device *d)
{
	const struct disk_model *m = models[d->inner];

	if (d->inner == LOOP) {
		disk_model_is(m, legs[2], d->name);
		return;
	}
	disk_model_is(m, legs[0], d->name);
	disk_model_is(m, legs[1], d->name);
}

static void delete(const struct device *d)
{
	static struct cli c;
	char id[16];

	snprintf(id, sizeof(id), "%d", d->id);
	if (raw_dev_state(d->id) >= 0) {
		cli_run(&c, CLI("del", "-n", id));
		/* it may have gone meanwhile */
		must(!c.status || strstr(c.err, "there is none"), "%s: del: status %d: %s", d->name,
		     c.status, c.err);
	}
	cli_nothing_left(d->name);
}

/* A device, from add to del, whose server is killed once, or recovered a few times. */
static void device_round(unsigned int kills)
{
	static const enum verify_errors errors_are[NR_RECOVERIES] = {
		[NONE] = VERIFY_END, [RECOVERY] = VERIFY_GO_ON, [REISSUE] = VERIFY_NO_ERROR,
	};
	unsigned int end = storm.kills + (kills < 6 ? kills : 1 + rnd(6));
	struct verify *v;
	struct device d;
	char path[32];

	choose(&d);
	d.id = cli_add(arguments(&d, "add", -1));
	storm.devices++;
	snprintf(path, sizeof(path), "/dev/ublkb%d", d.id);
	v = verify_start(d.id, models[d.inner], random(), errors_are[d.recovery]);
	do {
		kill_server(&d, v);
		if (d.recovery == NONE)
			break;
		recover(&d);
		tell(false);
	} while (storm.kills < end && !v->broken[0]);
	storm.ops += verify_stop(v, d.name);
	if (d.recovery != NONE)
		disk_model_is(models[d.inner], path, d.name);
	delete(&d);
	legs_are_right(&d);
}

static bool launch_is_over(void *arg)
{
	return raw_dev_state(LAUNCHED_ID) != UBLK_S_DEV_DEAD;
}

/* What a launch that was killed leaves is nothing, or a device that serves or can be deleted. */
static void launch_round(void)
{
	struct device d;

	choose(&d);
	d.id = LAUNCHED_ID;
	kill_launch(arguments(&d, "add", LAUNCHED_ID), 1 + rnd(3), d.name);
	wait_until(launch_is_over, NULL, 500);
	delete(&d);
	legs_are_right(&d);
}

/* Until there were @kills, or it is @until; 0: without that end. */
static void rounds(unsigned int kills, u64 until)
{
	while ((!kills || storm.kills < kills) && (!until || now_ms() < until)) {
		unsigned int left = kills ? kills - storm.kills : ~0U;

		if (left > 2 && !rnd(6))
			launch_round();
		else
			device_round(left);
		tell(false);
	}
}

static void run(u32 seed, unsigned int kills, u64 until)
{
	static struct census before;
	bool counts;

	disks_init();
	srandom(seed);
	storm = (struct storm){ .seed = seed, .began = now_ms(), .told = now_ms() };
	/* caches fill for the first time */
	rounds(kills ? kills / 5 + 1 : 10, until);
	counts = census_take(&before);
	need(counts || !in_guest(), "/proc/slabinfo, /sys/kernel/slab: objects cannot be counted");
	rounds(kills, until);
	tell(true);
	census_is(&before, SLACK(storm.kills), "after the storm");
	tlegs_sweep();
}

static unsigned int kills_per_seed(void)
{
	const char *kernel = getenv("REGBUF_GUEST");

	if (kernel && !strcmp(kernel, "release"))
		return RELEASE_KILLS;
	return getenv("REGBUF_SLICE") ? SLICE_KILLS : DEBUG_KILLS;
}

TestSuite(storm, .fini = tlegs_sweep, .timeout = 600);

/* What the storm is judged by can fail: rings and a device are left on purpose. */
Test(storm, what_is_left_is_seen)
{
	static struct census before, after;
	static struct io_uring rings[150];
	long by;
	int id;

	census_take(&before);
	for (unsigned int i = 0; i < 150; i++)
		ring_init(&rings[i], 4, 0);
	must(census_take(&after) && census_grown(&before, &after, SLACK(150), &by),
	     "150 rings are not seen");
	for (unsigned int i = 0; i < 150; i++)
		io_uring_queue_exit(&rings[i]);
	census_is(&before, SLACK(150), "without the rings");
	id = cli_add(CLI("add", "-t", "null"));
	census_take(&after);
	must(strcmp(before.devices, after.devices), "a device is not seen: %s", after.devices);
	cli_del(id);
	census_is(&before, SLACK(150), "without the device");
}

/* A seed each, so that one that fails can be run again by itself. */
#define SEED(n) \
	Test(storm, of_seed_##n) \
	{ \
		run(n, kills_per_seed(), 0); \
	}

SEED(1)
SEED(2)
SEED(3)
SEED(4)
SEED(5)

static void storm_by_hand(const struct byhand_conf *conf)
{
	run(conf->seed, conf->number, conf->end);
	printf("ok: seed %u: %u kills, nothing hung, lost or left\n", storm.seed, storm.kills);
}

static const struct byhand by_hand = { .name = "storm", .number = "kills", .run = storm_by_hand };

int main(int argc, char **argv)
{
	return byhand_main(&by_hand, argc, argv);
}
