// SPDX-License-Identifier: GPL-2.0
/*
 * Which legs of a mirror are read: write-mostly ones, and slow ones.  Reads are counted by the disks
 * below.
 */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <liburing.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "dev.h"
#include "proc.h"
#include "set.h"
#include "sh.h"
#include "tleg.h"
#include "tmpfile.h"
#include "ublkraw.h"

#define ID	7
#define BLOCK	4096
#define BLOCKS	2048U	/* of the set */
#define DEPTH	8
#define READS	400

static void setup(void)
{
	raw_need();
	setenv("MODE", cli_best(), 1);
	tlegs_sweep();
}

TestSuite(reads, .init = setup, .fini = tlegs_sweep, .timeout = 600);

/* Legs 0 to 2 are disks.  $LEG0 to $LEG2 are legs 3 to 5 over these, which can fail and be slow. */
static void make_legs(void)
{
	const struct null_disk disk = { .mb = 10 };

	for (unsigned int i = 0; i < 3; i++) {
		char name[8];

		snprintf(name, sizeof(name), "LEG%u", i);
		setenv(name, tleg_over(3 + i, tleg_null(i, &disk)), 1);
	}
}

/* Set home of the first two. */
static void serve(const char *option)
{
	make_legs();
	must(!sh("$REGBUF mirror create home -n 7 -m $MODE -l $LEG0 -l $LEG1 --size 8M --assume-clean %s > /dev/null",
		 option), "create %s", option);
}

/* struct reads - random reads, @depth of them at once, @nr of them in all */
struct reads {
	unsigned int depth, nr;
};

static void queue_read(struct io_uring *ring, int fd, void *buf)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

	io_uring_prep_read(sqe, fd, buf, BLOCK, random() % BLOCKS * BLOCK);
	io_uring_sqe_set_data(sqe, buf);
}

/* To be run in a process of its own. */
static int read_random(void *arg)
{
	const struct reads *c = arg;
	int fd = dev_open(ID, "", O_RDONLY | O_DIRECT);
	struct io_uring_cqe *cqe;
	struct io_uring ring;

	must(!io_uring_queue_init(c->depth, &ring, 0), "a ring");
	for (unsigned int i = 0; i < c->depth; i++)
		queue_read(&ring, fd, page_alloc(BLOCK));
	for (unsigned int done = 0; done < c->nr; done++) {
		must(io_uring_submit(&ring) >= 0 && !io_uring_wait_cqe(&ring, &cqe), "the ring");
		must(cqe->res == BLOCK, "read %u: %s", done, res_str(cqe->res));
		if (done + c->depth < c->nr)
			queue_read(&ring, fd, io_uring_cqe_get_data(cqe));
		io_uring_cqe_seen(&ring, cqe);
	}
	return 0;
}

/* How many of @nr reads each leg has got. */
static void read_and_count(unsigned int depth, unsigned int nr, u64 got[3])
{
	struct reads c = { .depth = depth, .nr = nr };
	u64 before[3];

	for (unsigned int i = 0; i < 3; i++)
		before[i] = disk_stat(tleg_path(i), DISK_READS);
	must(!proc_run(read_random, &c), "a read has failed");
	for (unsigned int i = 0; i < 3; i++)
		got[i] = disk_stat(tleg_path(i), DISK_READS) - before[i];
}

/* Every read went to one of @legs, and each of these got some. */
static void are_read(u32 legs, const char *what)
{
	u64 got[3];

	read_and_count(DEPTH, READS, got);
	for (unsigned int i = 0; i < 3; i++)
		must(!got[i] == !(legs >> i & 1), "%s: leg %u got %llu of %u reads", what, i,
		     (unsigned long long)got[i], READS);
}

/* Those of the set, in the order of their slots; its legs are named in case it is not served. */
static void marks_are(const char *want)
{
	const char *is = sh_out("$REGBUF mirror status home --leg $LEG0 --leg $LEG1 --json | "
				"grep -o '\"write_mostly\": [a-z]*' | cut -d' ' -f2 | tr '\\n' ' '");

	must(!strcmp(is, want), "'%s' is not '%s'", is, want);
}

static bool is_whole(void *arg)
{
	return !sh("$REGBUF mirror status home > /dev/null");
}

Test(reads, a_write_mostly_leg_is_read_only_if_no_other_one_can_be)
{
	serve("--write-mostly $LEG0");
	are_read(2, "both legs are good");
	must(!sh("dd if=/dev/urandom of=/dev/ublkb7 bs=64k count=16 oflag=direct 2> /dev/null"), "a write");
	set_kill_server(ID);
	must(!sh("$REGBUF mirror assemble home -n 7 -m $MODE -l $LEG0 -l $LEG1 > /dev/null"), "assemble");
	/* Legs may differ now: what differs is copied from the one that is read. */
	are_read(2, "after a crash");
	marks_are("true false ");
	tleg_break(4, TLEG_ERROR);
	are_read(1, "the other leg fails its reads");
	must(!sh("dd if=/dev/urandom of=/dev/ublkb7 bs=64k count=1 oflag=direct 2> /dev/null"), "a write");
	are_read(1, "the other leg is dropped");
	tleg_break(4, TLEG_GOOD);
	must(!sh("$REGBUF mirror stop home"), "stop");
	marks_are("true false ");
}

static bool adds(void *command)
{
	return !sh("$REGBUF mirror add home %s --wait > /dev/null 2>&1", (const char *)command);
}

static void add(const char *leg)
{
	must(wait_until(adds, (void *)leg, 2 * SOON_MS), "add %s: %s", leg, sh_out("$REGBUF mirror add home %s", leg));
}

Test(reads, a_mark_can_be_changed_and_stays_with_its_leg)
{
	serve("");
	marks_are("false false ");
	are_read(3, "no leg is write-mostly");
	must(!sh("$REGBUF mirror mark home --leg $LEG1 --write-mostly"), "mark");
	are_read(1, "one is marked");
	/* It goes, and comes back. */
	must(!sh("$REGBUF mirror fail home --leg $LEG1"), "fail");
	add("--leg $LEG1");
	marks_are("false true ");
	are_read(1, "it was away");
	/* Another one takes its place. */
	must(!sh("$REGBUF mirror replace home --leg $LEG1 --with $LEG2 --wait"), "replace");
	must(wait_until(is_whole, NULL, SOON_MS), "replaced");
	marks_are("false true ");
	are_read(1, "it was replaced");
	must(!sh("$REGBUF mirror mark home --leg $LEG2 --read"), "mark");
	marks_are("false false ");
	are_read(5, "the mark is gone");
	/* One that is added is what is said. */
	must(!sh("dd if=/dev/zero of=$LEG1 bs=1M count=1 2> /dev/null"), "erase");
	add("--leg $LEG1 --write-mostly");
	are_read(5, "one was added");
	must(!sh("$REGBUF mirror remove home --leg $LEG1"), "remove");
	must(!sh("dd if=/dev/zero of=$LEG1 bs=1M count=1 2> /dev/null"), "erase");
	add("--leg $LEG1");
	are_read(7, "another one was added");
}

Test(reads, a_mirror_without_a_record_has_write_mostly_legs)
{
	make_legs();
	must(!sh("$REGBUF add -t mirror -n 7 -m $MODE -l $LEG0 -l $LEG1 --write-mostly $LEG1 > /dev/null"), "add");
	are_read(1, "one is write-mostly");
	must(strstr(sh_out("$REGBUF list -n 7 --json"), "\"write_mostly\": true"), "list --json");
	tleg_break(3, TLEG_ERROR);
	are_read(2, "the other one fails");
	tleg_break(3, TLEG_GOOD);
}

/* The leg's share of @nr reads, in percent. */
static unsigned int share(unsigned int leg, unsigned int depth, unsigned int nr)
{
	u64 got[3];

	read_and_count(depth, nr, got);
	return 100 * got[leg] / nr;
}

/* For wait_until(); @depth is what the client has. */
static bool has_its_share(void *depth)
{
	return share(1, *(unsigned int *)depth, 1000) >= 30;
}

/* A good leg has its share, and is slow then; what it gets when that is known is little. */
static void serve_slow(unsigned int depth)
{
	unsigned int is;

	serve("");
	must(wait_until(has_its_share, &depth, SOON_MS), "depth %u: %u percent of a good leg", depth,
	     share(1, depth, 1000));
	tleg_break(4, TLEG_SLOW);
	/* So many reads until it is known. */
	share(1, depth, 100);
	is = share(1, depth, 2000);
	must(is <= 5, "depth %u: a leg that is slow gets %u percent", depth, is);
}

static void slow_at(unsigned int depth)
{
	serve_slow(depth);
	tleg_break(4, TLEG_GOOD);
	must(wait_until(has_its_share, &depth, 12 * SOON_MS), "depth %u: %u percent when it is fast again", depth,
	     share(1, depth, 1000));
	must(!sh("$REGBUF mirror stop home"), "stop");
}

Test(reads, a_slow_leg_gets_fewer_until_it_is_fast_again)
{
	slow_at(1);
	slow_at(DEPTH);
}

/* One that is taken for slow is tried when ten thousand have been read.  The first reads may be held up by others. */
Test(reads, a_slow_leg_that_comes_back_is_not_taken_for_slow)
{
	unsigned int is = 0;

	serve_slow(1);
	must(!sh("$REGBUF mirror fail home --leg $LEG1"), "fail");
	tleg_break(4, TLEG_GOOD);
	add("--leg $LEG1");
	for (unsigned int i = 0; i < 6 && is < 30; i++)
		is = share(1, 1, 300);
	must(is >= 30, "it is back, and gets %u percent", is);
}
