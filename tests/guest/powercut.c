// SPDX-License-Identifier: GPL-2.0
/*
 * Power cuts of a mirror that keeps a record.  A set is served from disks with volatile caches, which
 * are cut while a client writes and flushes, while legs fail and join, and while the set starts
 * and stops (cutdisk.h).  Each state that a cut leaves is then assembled from other disks:
 *
 *  - it is assembled, with all legs and without --degraded;
 *  - each sector holds what was promised, or something newer (promise.h);
 *  - all reads of it agree, before legs are copied, after another crash, and when all is over;
 *  - then the legs are equal byte for byte, those too that were away.
 *
 * The next run begins with one of these states, so that cuts also meet a set that is copying
 * after a cut.
 *
 * With options of its own the program is `make powercut`:
 *	powercut --seed N --minutes N
 */
#include <criterion/criterion.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "byhand.h"
#include "cli.h"
#include "cutdisk.h"
#include "dev.h"
#include "pathset.h"
#include "proc.h"
#include "set.h"
#include "sh.h"
#include "targets/mirror/format.h"
#include "tleg.h"
#include "ublkraw.h"

#define ID		7
#define SIZE		(4ULL << 20)		/* of data, in chunks of 64 KiB */
#define AREA		FORMAT_AREA_BYTES	/* before the data */
#define LEG_MB		6			/* create leaves 1 MiB at the end unused */
#define EVERY		150			/* requests and answers of legs, between cuts */
#define READS		3			/* of all, each time */
#define HOLD_MS		50

#define STOPPED		"stopped"		/* of a cut */

/* struct bench - the disks that are cut, and those that states are assembled from */
static struct bench {
	unsigned int nr, mode, states;
	u32 seed, rnd;
	char what[128];
	struct cutdisks *disks;
	struct promise *promise;
	u8 *first, *again;	/* what was read of all */
} bench;

static u32 rnd(u32 below)
{
	return wcache_random(&bench.rnd, below);
}

static const char *next_mode(void)
{
	return cli_mode(bench.mode++ % cli_modes());
}

/* Their legs, as paths in the order of slots. */

static struct pathset cut_set(void)
{
	struct pathset s = { 0 };

	for (unsigned int i = 0; i < bench.nr; i++)
		pathset_add(&s, cutdisk_path(bench.disks, i));
	return s;
}

static struct pathset state_set(void)
{
	struct pathset s = { 0 };

	for (unsigned int i = 0; i < bench.nr; i++)
		pathset_add(&s, tleg_path(i));
	return s;
}

static void read_all(u8 *buf, u32 step)
{
	int dev = dev_open(ID, "", O_RDONLY | O_DIRECT);

	/* One more than there are, so that the next time others are read by each leg. */
	file_read(dev, buf, 4096, 0);
	for (u64 off = 0; off < SIZE; off += step)
		file_read(dev, buf + off, step, off);
	close(dev);
}

/* A state is assembled, and looked at. */

static char wrong[512];

static bool is_wrong(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Returns false, for the caller to return. */
static bool is_wrong(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(wrong, sizeof(wrong), fmt, args);
	va_end(args);
	return false;
}

static void write_state(const struct cutdisks_cut *cut)
{
	for (unsigned int i = 0; i < bench.nr; i++) {
		int fd = tleg_open(i, O_RDWR | O_DIRECT);

		file_write(fd, cut->image[i], AREA + SIZE, 0);
		close(fd);
	}
}

static u64 first_difference(const u8 *a, const u8 *b)
{
	u64 i = 0;

	if (!memcmp(a, b, SIZE))
		return SIZE;
	while (a[i] == b[i])
		i++;
	return i;
}

/* Reads that follow each other go to other legs. */
static bool reads_agree(const char *when)
{
	for (unsigned int i = 0; i < READS; i++) {
		u64 at;

		read_all(bench.again, 65536);
		at = first_difference(bench.first, bench.again);
		if (at < SIZE)
			return is_wrong("%s: sector %llu was read as write %d, and then as %d", when,
					(unsigned long long)at / PROMISE_SECTOR,
					(int)promise_found(bench.first + at / 512 * 512, at / 512 * 512),
					(int)promise_found(bench.again + at / 512 * 512, at / 512 * 512));
	}
	return true;
}

static bool legs_agree(const struct pathset *s)
{
	for (unsigned int i = 0; i < s->nr; i++) {
		int fd = tleg_open(i, O_RDONLY | O_DIRECT);
		u64 at;

		file_read(fd, bench.again, SIZE, AREA);
		close(fd);
		at = first_difference(bench.first, bench.again);
		if (at < SIZE)
			return is_wrong("in the end byte %llu of leg %u is not what was read",
					(unsigned long long)at, i);
	}
	return true;
}

static bool assembles(const struct pathset *s, const char *mode)
{
	return pathset_assemble(s, ID, mode) || is_wrong("assemble: %s", sh_out("cat /tmp/assembled"));
}

static bool reads_what_was_promised(const struct cutdisks_cut *cut)
{
	char why[256];

	read_all(bench.first, SIZE / 4);
	return promise_kept(cut->promise, bench.first, why, sizeof(why)) || is_wrong("%s", why);
}

/* Nothing is copied yet; then there is another crash. */
static bool is_right_before_the_copy(const struct pathset *s, const char *mode, const struct cutdisks_cut *cut)
{
	bool right;

	setenv("REGBUF_RESYNC_HOLD", "1", 1);
	right = assembles(s, mode);
	unsetenv("REGBUF_RESYNC_HOLD");
	if (!right)
		return false;
	right = reads_what_was_promised(cut) && reads_agree("before the copy");
	set_kill_server(ID);
	return right;
}

/* @cut: NULL, if it has been looked at before; what was read then is read again. */
static bool is_right_to_the_end(struct pathset *s, const char *mode, const struct cutdisks_cut *cut)
{
	if (!assembles(s, mode) || (cut && !reads_what_was_promised(cut)) ||
	    !reads_agree("after the crash"))
		return false;
	if (!pathset_make_whole(s))
		return is_wrong("legs do not come to agree: %s", sh_out("$REGBUF mirror status set"));
	if (!reads_agree("when all is copied"))
		return false;
	if (sh("$REGBUF mirror stop set > /dev/null"))
		return is_wrong("it does not stop");
	return legs_agree(s);
}

/* It says so; and where no leg is away, and nothing is left to copy, nothing differs. */
static bool is_clean(struct pathset *s)
{
	struct super_set says;

	if (!pathset_says(s, &says) || !says.clean)
		return is_wrong("the set was stopped, and is not clean");
	return !pathset_is_whole(s) || pathset_has_no_bits(s) || is_wrong("the set was stopped, and has bits");
}

static bool is_right(const struct cutdisks_cut *cut)
{
	const char *mode = next_mode();
	struct pathset s = state_set();

	write_state(cut);
	if (!strcmp(cut->when, STOPPED) && !is_clean(&s))
		return false;
	if (bench.states++ % 3)
		return is_right_to_the_end(&s, mode, cut);
	return is_right_before_the_copy(&s, mode, cut) && is_right_to_the_end(&s, mode, NULL);
}

static void all_are_right(void)
{
	for (unsigned int i = 0; i < bench.disks->nr_cuts; i++)
		must(is_right(&bench.disks->cuts[i]), "%s, cut %u, %s: %s", bench.what, i,
		     bench.disks->cuts[i].when, wrong);
}

/* A run, which is cut. */

static bool has_its_cuts(void *arg)
{
	return !bench.disks->others_left;
}

/* Hot moments may be none, while all bits are set. */
static void runs_until_cut(void)
{
	wait_until(has_its_cuts, NULL, SOON_MS);
}

static bool leg_is_out(void *leg)
{
	struct pathset s = cut_set();
	struct super_set says;

	return pathset_says(&s, &says) && says.legs[*(unsigned int *)leg].state != FORMAT_IN_SYNC;
}

static void wants_whole(struct pathset *s)
{
	must(pathset_make_whole(s), "%s: it does not get whole: %s", bench.what, sh_out("$REGBUF mirror status set"));
}

/* What a story tells while the client is at work; @cuts are to be taken. */

static void tell_writes(struct pathset *s, struct promise_client *c, unsigned int cuts)
{
	cutdisks_arm(bench.disks, cuts, EVERY);
	runs_until_cut();
}

static void leg_comes_back(struct pathset *s, unsigned int leg, unsigned int cuts)
{
	must(wait_until(leg_is_out, &leg, SOON_MS), "%s: leg %u stays", bench.what, leg);
	runs_until_cut();
	bench.disks->disks[leg].broken = false;
	cutdisks_arm(bench.disks, cuts, EVERY);
	wants_whole(s);
}

/*
 * M1: the event takes long, so that what a client is promised before it is durable is seen.  The first
 * leg is the one that is read after a cut, if nobody knows that it has failed.
 */
static void tell_breaks(struct pathset *s, struct promise_client *c, unsigned int cuts)
{
	wants_whole(s);
	bench.disks->hold = true;
	bench.disks->disks[0].broken = true;
	for (unsigned int i = 0; i < cuts / 2; i++) {
		sleep_ms(HOLD_MS);
		cutdisks_cut(bench.disks, "while the event is held");
	}
	bench.disks->hold = false;
	leg_comes_back(s, 0, cuts - cuts / 2);
}

static void tell_fail(struct pathset *s, struct promise_client *c, unsigned int cuts)
{
	unsigned int leg = rnd(s->nr);

	wants_whole(s);
	cutdisks_arm(bench.disks, cuts / 2, EVERY);
	must(!sh("$REGBUF mirror fail set --leg %s > /dev/null", s->path[leg]), "%s: fail", bench.what);
	leg_comes_back(s, leg, cuts - cuts / 2);
}

static void tell_rests(struct pathset *s, struct promise_client *c, unsigned int cuts)
{
	wants_whole(s);
	cutdisks_arm(bench.disks, cuts - cuts / 2, EVERY);
	runs_until_cut();
	c->rest = true;
	/* what is cleared is no more than a write or two */
	bench.disks->hot_one_in = 1;
	cutdisks_arm(bench.disks, cuts, EVERY);
	must(wait_until(pathset_has_no_bits, s, 4 * SOON_MS), "%s: bits stay", bench.what);
	for (unsigned int i = 0; i < cuts / 2; i++)
		cutdisks_cut(bench.disks, "bits are cleared");
}

static void tell_stop(struct pathset *s, struct promise_client *c, unsigned int cuts)
{
	tell_writes(s, c, cuts / 2);
	cutdisks_arm(bench.disks, cuts - cuts / 2, EVERY);
	promise_stop(c, bench.what);
	must(!sh("$REGBUF mirror stop set > /dev/null"), "%s: stop", bench.what);
	promise_flushed(bench.promise);
	cutdisks_cut(bench.disks, STOPPED);
}

/* struct story - @flushes: percent of the client's operations at most; @stops: it ends both */
struct story {
	const char *name;
	void (*tell)(struct pathset *s, struct promise_client *c, unsigned int cuts);
	unsigned int flushes;
	bool stops;
};

static const struct story
	writes = { "writes", tell_writes, .flushes = 30 },
	stop = { "stop", tell_stop, .flushes = 30, .stops = true },
	breaks = { "a leg breaks", tell_breaks, .flushes = 30 },
	fail = { "a leg is failed", tell_fail, .flushes = 30 },
	rests = { "bits are cleared", tell_rests, .flushes = 0 };

/* The set is what a cut has left, or new. */
static void begins(const struct pathset *s, const char *mode)
{
	char why[256];

	must(pathset_assemble(s, ID, mode), "%s: %s", bench.what, sh_out("cat /tmp/assembled"));
	read_all(bench.first, SIZE / 4);
	must(promise_kept(bench.promise, bench.first, why, sizeof(why)), "%s: %s", bench.what, why);
	promise_settle(bench.promise, bench.first);
}

/* The power is back after one of the cuts. */
static void go_on_after_a_cut(void)
{
	unsigned int nr = rnd(bench.disks->nr_cuts);
	u32 writes = bench.promise->writes;

	cutdisks_load(bench.disks, nr);
	promise_copy(bench.promise, bench.disks->cuts[nr].promise);
	bench.promise->writes = writes;
}

/* struct ops - what is waited for */
struct ops {
	const struct promise_client *c;
	u32 nr;
};

static bool has_done(void *arg)
{
	const struct ops *ops = arg;

	return ops->c->ops >= ops->nr || ops->c->done;
}

static void wait_for_ops(const struct promise_client *c, u32 nr)
{
	wait_until(has_done, &(struct ops){ c, nr }, SOON_MS);
}

static void run(const struct story *story, unsigned int cuts)
{
	const char *mode = next_mode();
	struct pathset s = cut_set();
	struct promise_client *c;

	snprintf(bench.what, sizeof(bench.what), "seed %u, %u states before, mode %s, %s", bench.seed,
		 bench.states, mode, story->name);
	/* at the start, and when much has been written */
	cutdisks_forget(bench.disks);
	cutdisks_arm(bench.disks, cuts / 3, EVERY / 2);
	begins(&s, mode);
	c = promise_start(ID, bench.promise, rnd(story->flushes + 1), 50, 1 + rnd(1000000));
	wait_for_ops(c, 300);
	story->tell(&s, c, cuts - cuts / 3);
	if (!story->stops) {
		promise_stop(c, bench.what);
		set_kill_server(ID);
	}
	cutdisks_disarm(bench.disks);
	cutdisks_cut(bench.disks, "at the end");
}

static void begin(unsigned int nr, u32 seed)
{
	struct pathset s;

	bench = (struct bench){ .nr = nr, .seed = seed, .rnd = seed, .mode = seed };
	bench.first = page_alloc(SIZE);
	bench.again = page_alloc(SIZE);
	bench.promise = promise_alloc(SIZE);
	bench.disks = cutdisks_start(nr, LEG_MB << 20, AREA, bench.promise, seed);
	for (unsigned int i = 0; i < nr; i++)
		tleg_null(i, &(struct null_disk){ .mb = LEG_MB });
	s = cut_set();
	must(!sh("$REGBUF mirror create set%s --size 4M --chunk 64K --assume-clean --no-start > /dev/null",
		 s.args), "create");
	cutdisks_flush(bench.disks);
}

static void setup(void)
{
	raw_need();
	tlegs_sweep();
}

static void teardown(void)
{
	cli_sweep();
	tlegs_sweep();
}

TestSuite(powercut, .init = setup, .fini = teardown, .timeout = 450);

static unsigned int cuts_per_run(void)
{
	return takes_its_time() ? 10 : 4;
}

static void runs(const struct story *const *list)
{
	unsigned int nr;

	for (nr = 0; list[nr]; nr++) {
		run(list[nr], cuts_per_run());
		all_are_right();
		go_on_after_a_cut();
	}
	cutdisks_stop(bench.disks);
	must(bench.states >= nr * cuts_per_run() / 2, "there were %u states only", bench.states);
}

#define RUNS(...)	runs((const struct story *const[]){ __VA_ARGS__, NULL })

Test(powercut, of_two_legs_leaves_what_was_promised)
{
	begin(2, 1);
	RUNS(&writes, &stop, &writes);
}

Test(powercut, of_three_legs_leaves_what_was_promised)
{
	begin(3, 2);
	RUNS(&writes, &breaks, &stop);
}

Test(powercut, while_a_leg_fails_and_joins_leaves_what_was_promised)
{
	begin(2, 3);
	RUNS(&breaks, &fail, &breaks);
}

Test(powercut, after_bits_were_cleared_leaves_legs_that_agree)
{
	begin(2, 4);
	RUNS(&rests);
}

static bool is_any_wrong(void)
{
	for (unsigned int i = 0; i < bench.disks->nr_cuts; i++)
		if (!is_right(&bench.disks->cuts[i]))
			return true;
	return false;
}

/* What all of them are judged by can fail. */
Test(powercut, of_disks_that_do_not_flush_is_noticed)
{
	begin(2, 5);
	for (unsigned int i = 0; i < 2; i++)
		bench.disks->disks[i].lies = true;
	run(&writes, 10);
	must(is_any_wrong(), "nothing is wrong");
}

/* The program without Criterion: sets of two and three legs, one after the other. */

#define LONG_RUNS	6	/* of a set */
#define LONG_CUTS	12	/* of a run */
#define LONG_MS		(30 * 60 * 1000)

/* struct one_set - shared with the process that makes it, whose memory goes with it */
struct one_set {
	u32 seed;
	volatile unsigned int states;
	volatile bool right;
};

static void set_of_seed(void *arg)
{
	static const struct story *const any[] = { &writes, &stop, &breaks, &fail, &rests };
	struct one_set *o = arg;

	begin(2 + o->seed % 2, o->seed);
	for (unsigned int i = 0; i < LONG_RUNS; i++) {
		run(any[rnd(sizeof(any) / sizeof(any[0]))], LONG_CUTS);
		all_are_right();
		go_on_after_a_cut();
		o->states = bench.states;
	}
	cutdisks_stop(bench.disks);
	o->right = true;
	_exit(0);
}

/* A set for each seed, from that of the options on. */
static void powercut_by_hand(const struct byhand_conf *conf)
{
	struct one_set *o = shared_alloc(sizeof(*o));
	unsigned int states = 0;

	for (u32 seed = conf->seed; now_ms() < conf->end; seed++) {
		setup();
		*o = (struct one_set){ .seed = seed };
		must(proc_gone(proc_start(set_of_seed, o), LONG_MS), "seed %u: it hangs", seed);
		must(o->right, "seed %u: see above", seed);
		states += o->states;
		printf("seed %u: %u states, all right\n", seed, states);
		fflush(stdout);
		teardown();
	}
}

static const struct byhand by_hand = { .name = "powercut", .run = powercut_by_hand };

int main(int argc, char **argv)
{
	return byhand_main(&by_hand, argc, argv);
}
