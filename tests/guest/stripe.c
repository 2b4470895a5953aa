// SPDX-License-Identifier: GPL-2.0
/*
 * Stripes through the real command: each byte is on the leg and at the place where it
 * belongs, whatever the chunk and the mode, and a leg that fails fails nothing else.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "cli.h"
#include "dev.h"
#include "pattern.h"
#include "rwdisk.h"
#include "tleg.h"
#include "tmpfile.h"
#include "types.h"
#include "ublkraw.h"

#define LEG_MB		4
#define LEG_SIZE	(LEG_MB << 20)
#define MAX_LEGS_HERE	3
#define SIZE		(MAX_LEGS_HERE * LEG_SIZE)
#define MAX_IO		(1 << 20)
#define IOV_MAX_HERE	64

static const char *paths[MAX_LEGS];
static u8 *model, *buf;
/* Of them; size and block are those of the device that was opened last. */
static struct rwdisk disk = { .small = 65536, .large = MAX_IO };

static void setup(void)
{
	raw_need();
	tlegs_sweep();
	model = page_alloc(SIZE);
	buf = page_alloc(SIZE);
	disk.model = model;
	disk.buf = buf;
}

TestSuite(stripe, .init = setup, .fini = tlegs_sweep, .timeout = 240);

static void make_legs(unsigned int nr, const struct null_disk *opts)
{
	for (unsigned int i = 0; i < nr; i++) {
		struct null_disk o = opts ? opts[i] : (struct null_disk){ 0 };

		if (!o.mb)
			o.mb = LEG_MB;
		paths[i] = tleg_null(i, &o);
	}
	memset(model, 0, SIZE);
}

/* Of the legs in paths[]. */
static int add(const char *mode, unsigned int nr, const char *chunk)
{
	const char *args[11 + 2 * MAX_LEGS + 1] = {
		"add", "-t", "stripe", "-m", mode, "-d", "8", "--max-io", "1M", "--chunk", chunk,
	};
	unsigned int n = 11;

	for (unsigned int i = 0; i < nr; i++) {
		args[n++] = "-l";
		args[n++] = paths[i];
	}
	return cli_add(args);
}

static int open_dev(int id)
{
	int fd = dev_open(id, "", O_RDWR | O_DIRECT);
	u64 bytes;

	must(!ioctl(fd, BLKSSZGET, &disk.block) && !ioctl(fd, BLKGETSIZE64, &bytes), "device %d: %s", id,
	     strerror(errno));
	disk.size = bytes;
	return fd;
}

/* The model is dealt out to the legs, a chunk at a time. */
static void legs_are(unsigned int nr, u32 chunk, const char *what)
{
	for (unsigned int i = 0; i < nr; i++) {
		int fd = open(paths[i], O_RDONLY | O_DIRECT | O_CLOEXEC);
		u32 at = 0;

		/* a file where there is no direct I/O */
		if (fd < 0)
			fd = tleg_open(i, O_RDONLY);
		file_read(fd, buf, disk.size / nr, 0);
		for (u32 off = i * chunk; off < disk.size; off += nr * chunk, at += chunk)
			mem_is(buf + at, model + off, chunk, "%s: leg %u, at %u", what, i, at);
		close(fd);
	}
}

static void bytes_are_in_their_place(const char *mode, unsigned int nr, u32 chunk)
{
	char what[64], text[16];
	int id, dev;

	snprintf(what, sizeof(what), "%s, %u legs, chunks of %u", mode, nr, chunk);
	snprintf(text, sizeof(text), "%u", chunk);
	make_legs(nr, NULL);
	id = add(mode, nr, text);
	dev = open_dev(id);
	cr_assert_eq(disk.size, LEG_SIZE / chunk * chunk * nr, "%s: %u bytes", what, disk.size);
	rwdisk_write(&disk, dev, 60);
	rwdisk_read(&disk, dev, 40, what);
	must(!fsync(dev), "%s: fsync: %s", what, strerror(errno));
	close(dev);
	cli_del(id);
	legs_are(nr, chunk, what);
	cli_nothing_left(what);
}

/* From a block to what no request crosses twice; one that is no power of two. */
Test(stripe, each_byte_is_in_its_place_in_every_mode)
{
	srandom(1);
	for (unsigned int m = 0; m < cli_modes(); m++) {
		bytes_are_in_their_place(cli_mode(m), 2, 4096);
		bytes_are_in_their_place(cli_mode(m), 3, 3 * 4096);
		bytes_are_in_their_place(cli_mode(m), 3, 64 << 10);
		bytes_are_in_their_place(cli_mode(m), 2, 512 << 10);
	}
	bytes_are_in_their_place("copy", 3, 512);
	bytes_are_in_their_place(cli_best(), 2, 512);
}

Test(stripe, a_flush_reaches_every_leg)
{
	static const struct null_disk opts[3] = { { .cache_mb = 1 }, { .cache_mb = 1 }, { .cache_mb = 1 } };

	for (unsigned int m = 0; m < cli_modes(); m++) {
		u64 before[3];
		int id, dev;

		make_legs(3, opts);
		id = add(cli_mode(m), 3, "64K");
		dev = open_dev(id);
		for (unsigned int i = 0; i < 3; i++)
			before[i] = disk_stat(paths[i], DISK_FLUSHES);
		/* in one chunk of one leg */
		file_write(dev, buf, 4096, 0);
		must(!fsync(dev), "%s: fsync: %s", cli_mode(m), strerror(errno));
		for (unsigned int i = 0; i < 3; i++)
			must(disk_stat(paths[i], DISK_FLUSHES) > before[i], "%s: no flush on leg %u", cli_mode(m), i);
		close(dev);
		cli_del(id);
	}
}

/* 128 KiB are 32 chunks, 16 of each leg: a step each, and one request of the disk. */
Test(stripe, what_touches_on_a_leg_is_one_request_there)
{
	for (unsigned int m = 0; m < cli_modes(); m++) {
		int id, dev;

		if (!strcmp(cli_mode(m), "register-chain"))
			continue;	/* one after the other: that is what it is for */
		make_legs(2, NULL);
		id = add(cli_mode(m), 2, "4K");
		dev = open_dev(id);
		for (unsigned int n = 0; n < 4; n++) {
			u64 before = disk_stat(paths[1], DISK_WRITES), nr;

			file_write(dev, buf, 128 << 10, n << 20);
			nr = disk_stat(paths[1], DISK_WRITES) - before;
			cr_assert_leq(nr, 2, "%s: %llu requests", cli_mode(m), (unsigned long long)nr);
		}
		close(dev);
		cli_del(id);
	}
}

static int rw_at(int dev, bool write, u32 len, u32 off)
{
	ssize_t ret = write ? pwrite(dev, buf, len, off) : pread(dev, buf, len, off);

	return ret < 0 ? -errno : ret;
}

/* Sectors of leg 1 that fail, from 1 MiB on: with chunks of 64K those of chunk 33. */
static void leg_fails(const char *mode)
{
	static const struct null_disk opts[2] = { { 0 }, { .badblocks = "+2048-2055" } };
	const u32 bad = 33 * (64 << 10);
	static struct cli c;
	int id, dev;

	make_legs(2, opts);
	id = add(mode, 2, "64K");
	dev = open_dev(id);
	for (unsigned int write = 0; write < 2; write++) {
		res_is(rw_at(dev, write, 4096, bad), -EIO, "%s: at what fails", mode);
		res_is(rw_at(dev, write, 256 << 10, bad - (128 << 10)), -EIO, "%s: across it", mode);
	}
	/* around it nothing has changed */
	memset(buf, 0x33, 64 << 10);
	memset(model, 0x33, disk.size);
	for (u32 off = 0; off < disk.size; off += 64 << 10) {
		if (off == bad)
			continue;
		res_is(rw_at(dev, true, 64 << 10, off), 64 << 10, "%s: at %u", mode, off);
		res_is(rw_at(dev, false, 64 << 10, off), 64 << 10, "%s: at %u", mode, off);
		mem_is(buf, model + off, 64 << 10, "%s: at %u", mode, off);
	}
	cli_list(&c, id);
	must(strstr(c.out, "\"chunk\":65536"), "%s: %s", mode, c.out);
	close(dev);
	cli_del(id);
	cli_nothing_left(mode);
}

Test(stripe, a_leg_that_fails_fails_that_request_only)
{
	srandom(2);
	for (unsigned int m = 0; m < cli_modes(); m++)
		leg_fails(cli_mode(m));
}

static void make_files(unsigned int nr, const u64 *sizes)
{
	for (unsigned int i = 0; i < nr; i++)
		paths[i] = tleg_file(i, sizes[i]);
	memset(model, 0, SIZE);
}

/* Memory of a whole number of blocks each, with as much between them. */
static unsigned int scatter(struct iovec *iov, u32 len)
{
	unsigned int nr = 0;

	for (u32 at = 0, n; len && nr < IOV_MAX_HERE; at += 2 * n, len -= n) {
		n = nr + 1 == IOV_MAX_HERE ? len : (1 + random() % 8) * disk.block;
		if (n > len)
			n = len;
		iov[nr++] = (struct iovec){ buf + at, n };
	}
	return nr;
}

static void write_scattered(int dev, u32 off, u32 len)
{
	struct iovec iov[IOV_MAX_HERE];
	unsigned int nr = scatter(iov, len);
	u32 at = off;

	pat_fill(model + off, len, random(), off);
	for (unsigned int i = 0; i < nr; at += iov[i++].iov_len)
		memcpy(iov[i].iov_base, model + at, iov[i].iov_len);
	res_is(pwritev(dev, iov, nr, off), len, "writing %u bytes at %u", len, off);
}

static void read_scattered(int dev, u32 off, u32 len, const char *what)
{
	struct iovec iov[IOV_MAX_HERE];
	unsigned int nr = scatter(iov, len);
	u32 at = off;

	memset(buf, 0x5a, 2 * len + 1);
	res_is(preadv(dev, iov, nr, off), len, "%s: reading %u bytes at %u", what, len, off);
	for (unsigned int i = 0; i < nr; at += iov[i++].iov_len) {
		const u8 *behind = (u8 *)iov[i].iov_base + iov[i].iov_len;

		mem_is(iov[i].iov_base, model + at, iov[i].iov_len, "%s: %u bytes at %u, in %u",
		       what, len, off, i);
		must(*behind == 0x5a, "%s: behind piece %u of %u bytes at %u", what, i, len, off);
	}
}

static void scattered(const char *mode, const char *chunk)
{
	char what[64];
	int id, dev;

	snprintf(what, sizeof(what), "%s, %u legs, chunks of %s", mode, MAX_LEGS, chunk);
	id = add(mode, MAX_LEGS, chunk);
	dev = open_dev(id);
	memset(model, 0, SIZE);
	write_scattered(dev, 0, disk.size);
	for (unsigned int i = 0; i < 40; i++) {
		u32 off, len;

		rwdisk_range(&disk, &off, &len);
		write_scattered(dev, off, len);
		rwdisk_range(&disk, &off, &len);
		read_scattered(dev, off, len, what);
	}
	read_scattered(dev, 0, disk.size, what);
	close(dev);
	cli_del(id);
	legs_are(MAX_LEGS, atoi(chunk), what);
}

/* Chunks end within the pieces of a client's memory, and pieces within chunks. */
Test(stripe, of_all_the_legs_there_can_be_takes_memory_in_pieces)
{
	u64 sizes[MAX_LEGS];

	srandom(3);
	for (unsigned int i = 0; i < MAX_LEGS; i++)
		sizes[i] = 256 << 10;
	make_files(MAX_LEGS, sizes);
	for (unsigned int m = 0; m < cli_modes(); m++) {
		scattered(cli_mode(m), "4096");
		scattered(cli_mode(m), "20480");
		scattered(cli_mode(m), "65536");
	}
}

/* Over data, from the middle of a chunk to the middle of another. */
static void zero_and_discard(int dev, const char *what)
{
	u64 range[2] = { (1 << 20) + 8192, 3 << 20 };

	pat_fill(model, disk.size, 77, 0);
	memcpy(buf, model, disk.size);
	for (u32 off = 0; off < disk.size; off += MAX_IO)
		file_write(dev, buf + off, MAX_IO, off);
	must(!ioctl(dev, BLKZEROOUT, range), "%s: BLKZEROOUT: %s", what, strerror(errno));
	memset(model + range[0], 0, range[1]);
	range[0] = (6 << 20) + 4096;
	range[1] = (1 << 20) + 4096;
	must(!ioctl(dev, BLKDISCARD, range), "%s: BLKDISCARD: %s", what, strerror(errno));
	/* files free the blocks, and these are zeroes then */
	memset(model + range[0], 0, range[1]);
	rwdisk_read(&disk, dev, 40, what);
}

Test(stripe, zeroes_and_discards_reach_all_legs)
{
	static const u64 sizes[3] = { LEG_SIZE, LEG_SIZE, LEG_SIZE };

	for (unsigned int m = 0; m < cli_modes(); m++) {
		int id, dev;

		make_files(3, sizes);
		id = add(cli_mode(m), 3, "64K");
		dev = open_dev(id);
		cr_assert_eq(disk.size, SIZE);
		zero_and_discard(dev, cli_mode(m));
		close(dev);
		cli_del(id);
		legs_are(3, 64 << 10, cli_mode(m));
	}
}

Test(stripe, the_smallest_leg_and_the_coarsest_blocks_decide)
{
	static const struct null_disk opts[2] = { { .block = 512, .mb = 8 }, { .block = 4096 } };
	static struct cli c;

	for (unsigned int m = 0; m < cli_modes(); m++) {
		int id, dev;

		make_legs(2, opts);
		id = add(cli_mode(m), 2, "12K");
		dev = open_dev(id);
		cr_assert_eq(disk.block, 4096, "%s: blocks of %u", cli_mode(m), disk.block);
		cr_assert_eq(disk.size, 2 * (LEG_SIZE / 12288 * 12288), "%s: %u bytes", cli_mode(m), disk.size);
		rwdisk_write(&disk, dev, 30);
		rwdisk_read(&disk, dev, 30, cli_mode(m));
		close(dev);
		cli_del(id);
		legs_are(2, 12288, cli_mode(m));
	}
	cli_run(&c, CLI("add", "-t", "stripe", "-l", paths[0], "-l", paths[1], "--chunk", "2K"));
	must(c.status == 1 && strstr(c.err, "--chunk 2048: it has to be whole blocks, which are of 4096"),
	     "status %d: %s", c.status, c.err);
	cli_nothing_left("a chunk of half a block");
}

Test(stripe, what_cannot_be_is_refused_and_nothing_is_left)
{
	static const struct {
		const char *chunk, *says;
		int status;
	} wrong[] = {
		{ "0", "--chunk", 2 }, { "1000", "--chunk", 2 }, { "2G", "--chunk", 2 },
		{ "x", "--chunk", 2 }, { "8M", "smallest leg has 4194304 bytes", 1 },
	};
	static const u64 sizes[2] = { LEG_SIZE, LEG_SIZE + 4096 };
	static struct cli c;

	make_files(2, sizes);
	for (unsigned int i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		cli_run(&c, CLI("add", "-t", "stripe", "--chunk", wrong[i].chunk, "-l", paths[0], "-l",
				paths[1]));
		must(c.status == wrong[i].status && strstr(c.err, wrong[i].says), "--chunk %s: status %d: %s",
		     wrong[i].chunk, c.status, c.err);
		cli_nothing_left(wrong[i].chunk);
	}
	cli_run(&c, CLI("add", "-t", "stripe", "-l", paths[0]));
	must(c.status == 2 && strstr(c.err, "two --leg"), "one leg: status %d: %s", c.status, c.err);
	cli_run(&c, CLI("add", "-t", "stripe", "-l", paths[0], "-l", paths[0]));
	must(c.status == 1 && strstr(c.err, "twice"), "a leg twice: status %d: %s", c.status, c.err);
}

/* The target that spoils requests has a stripe in it as any other. */
Test(stripe, may_be_wrapped)
{
	for (unsigned int m = 0; m < cli_modes(); m++) {
		unsigned int failed = 0;
		int id, dev;

		make_legs(2, NULL);
		id = cli_add(CLI("add", "-t", "fault", "-i", "stripe", "-m", cli_mode(m), "--chunk", "8K",
				 "-l", paths[0], "-l", paths[1], "--fault", "error", "--fault-leg", "1",
				 "--fault-op", "write", "--fault-every", "3"));
		dev = open_dev(id);
		for (u32 off = 0; off < 12 * 65536; off += 65536) {
			pat_fill(buf, 65536, 5, off);
			failed += rw_at(dev, true, 65536, off) == -EIO;
		}
		cr_assert_eq(failed, 4, "%s: %u failed", cli_mode(m), failed);
		close(dev);
		cli_del(id);
	}
}

static void recover(int id, const char *mode, const char *chunk, unsigned int first, int status)
{
	static struct cli c;

	cli_run(&c, CLI("recover", "-n", cli_id(id), "-t", "stripe", "-m", mode, "--chunk", chunk, "-l",
			paths[first], "-l", paths[!first]));
	must(c.status == status, "recover with chunks of %s, leg %u first: status %d: %s", chunk, first,
	     c.status, c.err);
}

Test(stripe, is_taken_over_as_it_was_laid_out_only)
{
	const char *mode = cli_mode(cli_modes() - 1);
	int id, dev;

	make_legs(2, NULL);
	id = cli_add(CLI("add", "-t", "stripe", "--recovery", "-m", mode, "--chunk", "64K", "-l", paths[0],
			 "-l", paths[1]));
	dev = open_dev(id);
	rwdisk_write(&disk, dev, 20);
	must(!kill(cli_pid(id), SIGKILL), "the server is not there");
	recover(id, mode, "64K", 1, 1);
	recover(id, mode, "128K", 0, 1);
	recover(id, mode, "64K", 0, 0);
	rwdisk_read(&disk, dev, 40, "after the recovery");
	rwdisk_write(&disk, dev, 20);
	close(dev);
	cli_del(id);
	legs_are(2, 64 << 10, "after the recovery");
}
