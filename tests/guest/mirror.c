// SPDX-License-Identifier: GPL-2.0
/*
 * Mirrors through the real command: all legs have the same and the right data, one
 * that fails is not missed, and what cannot be is refused with nothing left behind.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli.h"
#include "dev.h"
#include "pattern.h"
#include "rwdisk.h"
#include "sh.h"
#include "tleg.h"
#include "tmpfile.h"
#include "ublkraw.h"

#define MB		8
#define SIZE		(MB << 20)
#define MAX_IO		(1 << 20)
#define BAD_SECTOR	4096	/* of a leg that fails: 2 MiB from its start */
#define BAD_BYTE	(BAD_SECTOR * 512)

static u8 *model, *buf;
/* Of them; the block is that of the device that was opened last. */
static struct rwdisk disk = { .size = SIZE, .small = 32768, .large = MAX_IO };

static void setup(void)
{
	raw_need();
	tlegs_sweep();
	model = page_alloc(SIZE);
	buf = page_alloc(SIZE);
	disk.model = model;
	disk.buf = buf;
}

TestSuite(mirror, .init = setup, .fini = tlegs_sweep, .timeout = 200);

/* Leg @i, of MB whatever @opt says. */
static const char *leg(unsigned int i, const struct null_disk *opt)
{
	struct null_disk o = opt ? *opt : (struct null_disk){ 0 };

	o.mb = MB;
	return tleg_null(i, &o);
}

static int open_dev(int id)
{
	int fd = dev_open(id, "", O_RDWR | O_DIRECT);

	must(!ioctl(fd, BLKSSZGET, &disk.block), "device %d: BLKSSZGET: %s", id, strerror(errno));
	return fd;
}

/* A mirror of @nr fresh legs, zeroed as null_blk's are. */
static int add(const char *mode, unsigned int nr, const struct null_disk *opts)
{
	const char *args[16] = { "add", "-t", "mirror", "-m", mode, "-d", "32" };
	unsigned int n = 7;

	memset(model, 0, SIZE);
	for (unsigned int i = 0; i < nr; i++) {
		args[n++] = "-l";
		args[n++] = leg(i, opts ? &opts[i] : NULL);
	}
	return cli_add(args);
}

static void leg_is(unsigned int i, const char *what)
{
	int fd = tleg_open(i, O_RDWR | O_DIRECT);

	file_read(fd, buf, SIZE, 0);
	mem_is(buf, model, SIZE, "%s: leg %u", what, i);
	close(fd);
}

static void list_has(int id, const char *text, const char *what)
{
	static struct cli c;

	cli_list(&c, id);
	must(strstr(c.out, text), "%s: no %s in: %s", what, text, c.out);
}

static void legs_have_what_was_written(const char *mode, unsigned int nr)
{
	char what[64];
	int id, dev;

	snprintf(what, sizeof(what), "%s, %u legs", mode, nr);
	id = add(mode, nr, NULL);
	dev = open_dev(id);
	rwdisk_write(&disk, dev, 80);
	rwdisk_read(&disk, dev, 60, what);
	must(!fsync(dev), "%s: fsync: %s", what, strerror(errno));
	list_has(id, "\"degraded\":false", what);
	close(dev);
	cli_del(id);
	for (unsigned int i = 0; i < nr; i++)
		leg_is(i, what);
	cli_nothing_left(what);
}

Test(mirror, all_legs_have_what_was_written)
{
	srandom(1);
	for (unsigned int m = 0; m < cli_modes(); m++) {
		legs_have_what_was_written(cli_mode(m), 2);
		legs_have_what_was_written(cli_mode(m), 3);
	}
}

/* Over data that is there: @must_offer, the device has a request for zeroes and discards. */
static void zero_and_discard(int dev, const char *what, bool must_offer)
{
	u64 range[2] = { 1 << 20, 3 << 20 };

	pat_fill(model, SIZE, 77, 0);
	memcpy(buf, model, SIZE);
	for (u32 off = 0; off < SIZE; off += MAX_IO)
		file_write(dev, buf + off, MAX_IO, off);
	must(!ioctl(dev, BLKZEROOUT, range), "%s: BLKZEROOUT: %s", what, strerror(errno));
	memset(model + range[0], 0, range[1]);
	rwdisk_read(&disk, dev, 60, what);
	range[0] = 6 << 20;
	range[1] = 1 << 20;
	if (!ioctl(dev, BLKDISCARD, range))
		memset(model + range[0], 0, range[1]);
	else
		must(!must_offer && errno == EOPNOTSUPP, "%s: BLKDISCARD: %s", what, strerror(errno));
	rwdisk_read(&disk, dev, 60, what);
}

Test(mirror, zeroes_and_discards_reach_all_legs)
{
	for (unsigned int m = 0; m < cli_modes(); m++) {
		int id = add(cli_mode(m), 2, NULL), dev = open_dev(id);

		zero_and_discard(dev, cli_mode(m), false);
		list_has(id, "\"degraded\":false", cli_mode(m));
		close(dev);
		cli_del(id);
		for (unsigned int i = 0; i < 2; i++)
			leg_is(i, cli_mode(m));
	}
}

static void write_survives(const char *mode, unsigned int bad, unsigned int nr)
{
	struct null_disk opts[3] = { 0 };
	char what[64];
	int id, dev;

	snprintf(what, sizeof(what), "%s, leg %u of %u fails", mode, bad, nr);
	opts[bad].badblocks = "+4096-4103";
	id = add(mode, nr, opts);
	dev = open_dev(id);
	rwdisk_write(&disk, dev, 20);
	list_has(id, "\"legs\"", what);
	/* across the bad sectors, and at them */
	pat_fill(model + BAD_BYTE - 8192, 65536, 99, BAD_BYTE - 8192);
	memcpy(buf, model + BAD_BYTE - 8192, 65536);
	file_write(dev, buf, 65536, BAD_BYTE - 8192);
	list_has(id, "\"degraded\":true", what);
	list_has(id, "\"state\":\"dropped\"", what);
	rwdisk_write(&disk, dev, 40);
	rwdisk_read(&disk, dev, 60, what);
	close(dev);
	cli_del(id);
	for (unsigned int i = 0; i < nr; i++) {
		if (i != bad)
			leg_is(i, what);
	}
}

Test(mirror, a_write_survives_a_leg_that_fails)
{
	srandom(2);
	for (unsigned int m = 0; m < cli_modes(); m++) {
		write_survives(cli_mode(m), 0, 2);
		write_survives(cli_mode(m), 1, 2);
		write_survives(cli_mode(m), 1, 3);
	}
}

/* Some leg has failed a read, or nothing was retried. */
static void had_read_errors(int id, unsigned int nr, const char *what)
{
	static struct cli c;
	unsigned int none = 0;

	cli_list(&c, id);
	for (const char *p = c.out; (p = strstr(p, "\"read_errors\":0")); p++)
		none++;
	must(none < nr, "%s: no leg had a read error: %s", what, c.out);
}

static bool dm_goes(void *arg)
{
	return !sh("dmsetup remove --noudevsync $(dmsetup info -c --noheadings -o name %s) 2> /dev/null",
		   (const char *)arg);
}

/* M12: its disk may be removed while the set is served, and its name is free. */
Test(mirror, a_leg_that_was_dropped_is_let_go_of)
{
	const char *args[] = { "add", "-t", "mirror", "-q", "2", "-l", leg(0, NULL), "-l", NULL, NULL };
	int id, dev;

	leg(1, NULL);
	args[8] = tleg_over(2, tleg_path(1));
	memset(model, 0, SIZE);
	id = cli_add(args);
	dev = open_dev(id);
	rwdisk_write(&disk, dev, 10);
	must(!dm_goes((void *)args[8]), "a leg that is used can be removed");
	tleg_break(2, TLEG_ERROR);
	rwdisk_write(&disk, dev, 10);
	list_has(id, "\"state\":\"dropped\"", "broken");
	must(wait_until(dm_goes, (void *)args[8], SOON_MS), "it is still in use");
	rwdisk_write(&disk, dev, 10);
	rwdisk_read(&disk, dev, 30, "one leg");
	close(dev);
	cli_del(id);
	leg_is(0, "one leg");
}

/* M5: what failed half-way is read again from its beginning, on the other leg. */
static void read_is_retried(const char *mode, unsigned int nr)
{
	/* badblocks have to be there from the start to be looked at */
	struct null_disk opts[3] = { { .badblocks = "+16383-16383" },
				     { .badblocks = "+16383-16383" },
				     { .badblocks = "+16383-16383" } };
	static const u32 lens[] = { 512, 4096, 65536, 262144 };
	char what[64];
	int id, dev;

	snprintf(what, sizeof(what), "%s, %u legs", mode, nr);
	for (unsigned int i = 0; i < nr; i++)
		opts[i].badblocks = "+16383-16383";
	id = add(mode, nr, opts);
	dev = open_dev(id);
	for (u32 off = 0; off < 4 << 20; off += 1 << 20) {
		pat_fill(model + off, 1 << 20, 7, off);
		memcpy(buf, model + off, 1 << 20);
		file_write(dev, buf, 1 << 20, off);
	}
	/* each leg at another place, so that each range is good on one */
	tleg_bad(0, 4096, 4096);
	tleg_bad(1, 5000, 5007);
	for (unsigned int i = 0; i < 4; i++) {
		for (unsigned int n = 0; n < 4; n++) {
			/* the bad one is the first, in the middle, and the last of the range */
			u32 off = BAD_BYTE - n * (lens[i] - 512) / 3 / 512 * 512;

			file_read(dev, buf, lens[i], off);
			mem_is(buf, model + off, lens[i], "%s: %u bytes at %u, bad at %u", what,
			       lens[i], off, BAD_BYTE);
		}
	}
	for (unsigned int n = 0; n < 20; n++) {
		u32 off = 5000 * 512 - 65536 + n * 4096;

		file_read(dev, buf, 65536, off);
		mem_is(buf, model + off, 65536, "%s: 65536 bytes at %u", what, off);
	}
	had_read_errors(id, nr, what);
	close(dev);
	cli_del(id);
}

Test(mirror, a_read_that_fails_is_done_on_another_leg)
{
	for (unsigned int m = 0; m < cli_modes(); m++) {
		read_is_retried(cli_mode(m), 2);
		read_is_retried(cli_mode(m), 3);
	}
}

Test(mirror, with_no_good_leg_left_it_is_an_error_and_no_hang)
{
	for (unsigned int m = 0; m < cli_modes(); m++) {
		struct null_disk opts[2] = { { .badblocks = "+4096-4103" },
					     { .badblocks = "+4096-4103" } };
		int id = add(cli_mode(m), 2, opts), dev = open_dev(id);

		errno = 0;
		cr_assert_eq(pread(dev, buf, 4096, BAD_BYTE), -1, "%s: a read without leg",
			     cli_mode(m));
		cr_assert_eq(errno, EIO, "%s: a read without leg: %s", cli_mode(m), strerror(errno));
		cr_assert_eq(pwrite(dev, buf, 4096, BAD_BYTE), -1, "%s: a write without leg",
			     cli_mode(m));
		cr_assert_eq(errno, EIO, "%s: a write without leg: %s", cli_mode(m), strerror(errno));
		close(dev);
		cli_del(id);
	}
	cli_nothing_left("no good leg");
}

static bool is_not_live(void *id)
{
	return raw_dev_state(*(int *)id) != UBLK_S_DEV_LIVE;
}

/* A disk that is gone has no bytes, which for a read is its end.  Its state is told a little later. */
static bool read_came_too_late(const struct client *c, int id)
{
	return !c->res && c->job.op == CLIENT_READ && wait_until(is_not_live, &id, 5000);
}

/*
 * What was acknowledged before is on both legs; what was under way ends.  Returns how
 * many clients saw an error.
 */
static unsigned int killed(const char *mode, unsigned int ms)
{
	const struct null_disk slow = { .delay_us = 2000, .depth = 4 }, opts[2] = { slow, slow };
	int id = add(mode, 2, opts), dev = open_dev(id), pid = cli_pid(id);
	struct client *c[6];
	unsigned int failed = 0;
	u64 start;

	rwdisk_write(&disk, dev, 30);
	close(dev);
	for (unsigned int i = 0; i < 6; i++) {
		c[i] = client_start(&(struct client_job){
			.id = id, .op = i % 2 ? CLIENT_READ : CLIENT_WRITE, .off = i << 20,
			.len = 1 << 20, .nr = 16, .seed = 50 + i });
	}
	sleep_ms(ms);
	start = now_ms();
	must(!kill(pid, SIGKILL), "%s: the server %d is not there", mode, pid);
	for (unsigned int i = 0; i < 6; i++) {
		must(client_done(c[i], 5000), "%s: client %u has not ended", mode, i);
		must(c[i]->res == 1 << 20 || c[i]->res < 0 || read_came_too_late(c[i], id),
		     "%s: client %u: %ld", mode, i, c[i]->res);
		failed += c[i]->res <= 0;
		/* those that were told so are there */
		if (c[i]->job.op == CLIENT_WRITE && c[i]->res > 0)
			pat_fill(model + (i << 20), 1 << 20, 50 + i, i << 20);
	}
	must(now_ms() < start + 5000, "%s: %llu ms", mode, (unsigned long long)(now_ms() - start));
	/* a device without server is removed by the user, or is gone by itself */
	if (raw_dev_state(id) >= 0)
		cli_del(id);
	cli_nothing_left(mode);
	for (unsigned int n = 0; n < 2; n++) {
		int fd = tleg_open(n, O_RDWR | O_DIRECT);

		file_read(fd, buf, SIZE, 0);
		for (unsigned int i = 0; i < MB; i++) {
			bool known = i >= 6 || i % 2 || c[i]->res > 0;

			if (known)
				mem_is(buf + (i << 20), model + (i << 20), 1 << 20,
				       "%s: leg %u, MiB %u", mode, n, i);
		}
		close(fd);
	}
	return failed;
}

Test(mirror, a_server_that_is_killed_leaves_no_hang_and_no_device)
{
	unsigned int failed = 0;

	srandom(3);
	for (unsigned int round = 0; round < 3; round++) {
		for (unsigned int m = 0; m < cli_modes(); m++)
			failed += killed(cli_mode(m), 10 + 25 * round);
	}
	must(failed, "every server was killed too late");
}

/* Refused with status @status, a message that has @says, and nothing left. */
static void refused(const char *const *args, int status, const char *says, const char *what)
{
	static struct cli c;

	cli_run(&c, args);
	must(c.status == status, "%s: status %d, not %d: %s%s", what, c.status, status, c.out,
	     c.err);
	must(strstr(c.err, says), "%s: no \"%s\" in: %s", what, says, c.err);
	must(!c.out[0], "%s: printed %s", what, c.out);
	cli_nothing_left(what);
}

#define MIRROR(mode, ...)	CLI("add", "-t", "mirror", "-m", (mode), __VA_ARGS__)

static void make_file(const char *path, off_t size)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	must(fd >= 0 && !ftruncate(fd, size), "%s: %s", path, strerror(errno));
	close(fd);
}

Test(mirror, what_cannot_be_is_refused_and_nothing_is_left)
{
	make_file("/tmp/a", 1 << 20);
	make_file("/tmp/b", 1 << 20);
	make_file("/tmp/long", 2 << 20);
	make_file("/tmp/empty", 0);
	unlink("/tmp/link");
	must(!symlink("/tmp/a", "/tmp/link"), "symlink: %s", strerror(errno));

	for (unsigned int m = 0; m < cli_modes(); m++) {
		const char *mode = cli_mode(m);

		refused(MIRROR(mode, "-l", "/tmp/a", "-l", "/tmp/none"), 1, "/tmp/none",
			"missing leg");
		refused(MIRROR(mode, "-l", "/tmp/a"), 2, "", "one leg");
		refused(MIRROR(mode, "-l", "/tmp/a", "-l", "/tmp/a"), 1, "twice",
			"a leg used twice");
		refused(MIRROR(mode, "-l", "/tmp/a", "-l", "/tmp/link"), 1, "twice",
			"a leg and a link to it");
		refused(MIRROR(mode, "-l", "/tmp/a", "-l", "/tmp/long"), 1, "size",
			"different sizes");
		refused(MIRROR(mode, "-l", "/tmp/a", "-l", "/tmp/b", "-s", "2M"), 1, "too small",
			"legs too small");
		refused(MIRROR(mode, "-l", "/tmp/empty", "-l", "/tmp/empty"), 1, "", "empty legs");
		refused(MIRROR(mode, "-l", "/tmp/a", "-l", "/dev/null"), 1, "/dev/null",
			"not a disk");
		refused(MIRROR(mode, "-l", "/tmp/a", "-l", "/tmp"), 1, "/tmp", "a directory");
	}
	refused(MIRROR("no-such-mode", "-l", "/tmp/a", "-l", "/tmp/b"), 2, "no-such-mode", "mode");
	refused(CLI("add", "-t", "null", "-m", "copy", "-d", "4096", "--max-io", "32M"), 1,
		"1 x 4096 buffers of 33554432 bytes", "more buffers than memory");
	refused(CLI("add", "-t", "no-such-target"), 2, "no-such-target", "target");
	refused(CLI("del", "-n", "4711"), 1, "4711", "deleting what is not there");
}

Test(mirror, a_mounted_leg_is_refused)
{
	const char *disk = leg(0, NULL), *other = leg(1, NULL);
	char cmd[128];

	snprintf(cmd, sizeof(cmd), "mkfs.ext4 -q %s > /dev/null 2>&1", disk);
	must(!system(cmd), "%s failed", cmd);
	must(!mkdir("/tmp/mnt", 0700) || errno == EEXIST, "/tmp/mnt: %s", strerror(errno));
	must(!mount(disk, "/tmp/mnt", "ext4", 0, NULL), "mount: %s", strerror(errno));
	for (unsigned int m = 0; m < cli_modes(); m++)
		refused(MIRROR(cli_mode(m), "-l", disk, "-l", other), 1, "mounted", "a mounted leg");
	must(!umount("/tmp/mnt"), "umount: %s", strerror(errno));
}

Test(mirror, without_the_right_it_is_refused)
{
	static struct cli c;

	make_file("/tmp/a", 1 << 20);
	make_file("/tmp/b", 1 << 20);
	for (unsigned int m = 0; m < cli_modes(); m++) {
		cli_run_weak(&c, MIRROR(cli_mode(m), "-l", "/tmp/a", "-l", "/tmp/b"));
		must(c.status == 1 && strstr(c.err, "root"), "%s: status %d: %s", cli_mode(m),
		     c.status, c.err);
		cli_nothing_left("without the right");
	}
}

static u64 flushes(unsigned int i)
{
	return disk_stat(tleg_path(i), DISK_FLUSHES);
}

Test(mirror, a_flush_reaches_every_leg)
{
	const struct null_disk opts[3] = { { .cache_mb = 1 }, { .cache_mb = 1 },
					   { .cache_mb = 1 } };

	for (unsigned int m = 0; m < cli_modes(); m++) {
		int id = add(cli_mode(m), 3, opts), dev = open_dev(id);
		u64 before[3];

		for (unsigned int n = 0; n < 5; n++) {
			for (unsigned int i = 0; i < 3; i++)
				before[i] = flushes(i);
			rwdisk_write(&disk, dev, 1);
			must(!fsync(dev), "%s: fsync: %s", cli_mode(m), strerror(errno));
			for (unsigned int i = 0; i < 3; i++)
				must(flushes(i) > before[i], "%s: no flush on leg %u", cli_mode(m), i);
		}
		close(dev);
		cli_del(id);
		for (unsigned int i = 0; i < 3; i++)
			leg_is(i, cli_mode(m));
	}
}

static volatile int scribbling;

static void *scribble(void *page)
{
	volatile u64 *words = page;

	for (u64 n = 0; scribbling; n++)
		for (unsigned int i = 0; i < SIZE / sizeof(u64); i += 512)
			words[i] = n;
	return NULL;
}

/* Writes a buffer that somebody else changes meanwhile: how often legs differ after. */
static unsigned int legs_differ_under_scribbling(const char *mode, unsigned int writes)
{
	int id = add(mode, 2, NULL), dev = open_dev(id), legs[2];
	unsigned int differ = 0;
	pthread_t thread;

	for (unsigned int i = 0; i < 2; i++)
		legs[i] = tleg_open(i, O_RDWR | O_DIRECT);
	scribbling = 1;
	must(!pthread_create(&thread, NULL, scribble, buf), "thread");
	for (unsigned int n = 0; n < writes; n++) {
		file_write(dev, buf, MAX_IO, 0);
		file_read(legs[0], model, MAX_IO, 0);
		file_read(legs[1], model + MAX_IO, MAX_IO, 0);
		differ += !!memcmp(model, model + MAX_IO, MAX_IO);
	}
	scribbling = 0;
	pthread_join(thread, NULL);
	close(legs[0]);
	close(legs[1]);
	close(dev);
	cli_del(id);
	return differ;
}

static bool stable_writes(const char *mode)
{
	int id = add(mode, 2, NULL);
	bool on = dev_attr(id, "queue/stable_writes");

	cli_del(id);
	return on;
}

/*
 * M7: a copy is taken once, so legs are equal whatever the client does.  Without one
 * they differ when it changes its buffer: the page cache is told not to, a program
 * with direct I/O has itself to blame.
 */
Test(mirror, a_client_that_changes_its_buffer_is_not_seen_in_a_copy)
{
	cr_assert_eq(legs_differ_under_scribbling("copy", 200), 0, "copy: legs differ");
	cr_assert_eq(legs_differ_under_scribbling("user-copy", 200), 0, "user-copy: legs differ");
	cr_assert_gt(legs_differ_under_scribbling("register", 200), 0,
		     "register: nothing changed meanwhile, so nothing was shown");
	cr_assert(stable_writes("register"), "the page cache is not told");
	cr_assert(!stable_writes("copy"), "the page cache is told without need");
}

Test(mirror, the_coarsest_leg_decides_the_blocks)
{
	const struct null_disk opts[2] = { { .block = 512 }, { .block = 4096 } };

	for (unsigned int m = 0; m < cli_modes(); m++) {
		int id = add(cli_mode(m), 2, opts), dev = open_dev(id);

		cr_assert_eq(disk.block, 4096, "%s: blocks of %u", cli_mode(m), disk.block);
		rwdisk_write(&disk, dev, 30);
		rwdisk_read(&disk, dev, 30, cli_mode(m));
		cr_assert_eq(pread(dev, buf, 512, 512), -1, "%s: half a block was read", cli_mode(m));
		list_has(id, "\"degraded\":false", cli_mode(m));
		close(dev);
		cli_del(id);
		for (unsigned int i = 0; i < 2; i++)
			leg_is(i, cli_mode(m));
	}
}

/* M19: what a disk returns after a discard it may choose, after zeroes it may not. */
Test(mirror, a_discard_is_zeroes_on_every_leg)
{
	u64 range[2] = { 1 << 20, 2 << 20 };

	for (unsigned int m = 0; m < cli_modes(); m++) {
		int id, dev;

		for (unsigned int i = 0; i < 2; i++)
			tleg_loop(i, tleg_file(i + 2, SIZE), O_RDWR);
		id = cli_add(CLI("add", "-t", "mirror", "-m", cli_mode(m), "-l", tleg_path(0), "-l", tleg_path(1)));
		dev = open_dev(id);
		pat_fill(model, SIZE, 5, 0);
		file_write(dev, model, SIZE, 0);
		must(!ioctl(dev, BLKDISCARD, range), "%s: BLKDISCARD: %s", cli_mode(m), strerror(errno));
		close(dev);
		cli_del(id);
		memset(model + range[0], 0, range[1]);
		for (unsigned int i = 0; i < 2; i++) {
			leg_is(i, cli_mode(m));
			must(!disk_stat(tleg_path(i), DISK_DISCARDS), "%s: leg %u had a discard", cli_mode(m), i);
		}
	}
}

Test(mirror, where_legs_have_no_zeroes_a_discard_is_not_offered)
{
	int id;

	id = add("copy", 2, (struct null_disk[2]){ { .discard = true }, { .discard = true } });
	must(disk_attr(tleg_path(0), "queue/discard_max_bytes"), "the leg has no discard");
	must(!dev_attr(id, "queue/discard_max_bytes"), "a discard is offered");
	cli_del(id);
}

Test(mirror, files_are_legs_too)
{
	static const char *const paths[2] = { "/tmp/leg-a", "/tmp/leg-b" };

	for (unsigned int m = 0; m < cli_modes(); m++) {
		int id, dev;

		for (unsigned int i = 0; i < 2; i++) {
			int fd = open(paths[i], O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

			must(fd >= 0 && !ftruncate(fd, SIZE), "%s: %s", paths[i], strerror(errno));
			close(fd);
		}
		memset(model, 0, SIZE);
		id = cli_add(CLI("add", "-t", "mirror", "-m", cli_mode(m), "-q", "2", "-d", "8", "-l",
				 paths[0], "-l", paths[1]));
		dev = open_dev(id);
		rwdisk_write(&disk, dev, 60);
		rwdisk_read(&disk, dev, 60, cli_mode(m));
		/* zeroes and discards are requests of their own here, null_blk has none */
		must(dev_attr(id, "queue/write_zeroes_max_bytes"), "%s: files can be zeroed", cli_mode(m));
		zero_and_discard(dev, cli_mode(m), true);
		list_has(id, "\"degraded\":false", cli_mode(m));
		close(dev);
		cli_del(id);
		for (unsigned int i = 0; i < 2; i++) {
			int fd = open(paths[i], O_RDONLY | O_CLOEXEC);

			file_read(fd, buf, SIZE, 0);
			mem_is(buf, model, SIZE, "%s: %s", cli_mode(m), paths[i]);
			close(fd);
			unlink(paths[i]);
		}
	}
}

Test(mirror, devices_come_and_go)
{
	for (unsigned int i = 0; i < 12; i++) {
		int id = add(cli_mode(i % cli_modes()), 2, NULL), dev = open_dev(id);

		rwdisk_write(&disk, dev, 3);
		close(dev);
		cli_del(id);
	}
	cli_nothing_left("twelve devices");
}
