// SPDX-License-Identifier: GPL-2.0
/*
 * Files as disks: the blocks that an image was made with, its partitions, its tail,
 * what is allocated in it, and files and disks that cannot be written.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <unistd.h>

#include "cli.h"
#include "dev.h"
#include "mode.h"
#include "pattern.h"
#include "proc.h"
#include "sh.h"
#include "tleg.h"
#include "tmpfile.h"
#include "ublkraw.h"

#define MIB		(1 << 20)
#define MNT		"/tmp/images-mnt"
#define PART_START	64	/* of the partition, in blocks of 512 */
#define PART_SIZE	128

enum { DISK, OVER };	/* legs */

static u8 *buf;

static void sweep(void)
{
	cli_sweep();
	swapoff(MNT "/swap");
	umount2(MNT, MNT_DETACH);
	tlegs_sweep();
}

static void setup(void)
{
	raw_need();
	sweep();
	buf = page_alloc(4 * MIB);
}

TestSuite(images, .init = setup, .fini = sweep, .timeout = 240);

static int make_file(const char *path, off_t size)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	must(fd >= 0 && !ftruncate(fd, size), "%s: %s", path, strerror(errno));
	return fd;
}

/* An image of 1 MiB with one partition, as any partitioner makes it with blocks of 512. */
static void make_image(const char *path)
{
	const u32 start = PART_START, size = PART_SIZE;
	u8 mbr[512] = { 0 };
	int fd = make_file(path, MIB);

	mbr[446 + 4] = 0x83;
	memcpy(&mbr[446 + 8], &start, 4);
	memcpy(&mbr[446 + 12], &size, 4);
	mbr[510] = 0x55;
	mbr[511] = 0xaa;
	file_write(fd, mbr, sizeof(mbr), 0);
	pat_fill(buf, PART_SIZE * 512, 5, 0);
	file_write(fd, buf, PART_SIZE * 512, PART_START * 512);
	close(fd);
}

static void has_its_partition(int id, const char *what)
{
	char name[32];
	int fd;

	snprintf(name, sizeof(name), "ublkb%dp1/start", id);
	must(dev_attr(id, name) == PART_START, "%s: the partition starts elsewhere", what);
	snprintf(name, sizeof(name), "ublkb%dp1/size", id);
	must(dev_attr(id, name) == PART_SIZE, "%s: the partition has another size", what);
	fd = dev_open(id, "p1", O_RDWR | O_DIRECT);
	file_read(fd, buf, PART_SIZE * 512, 0);
	pat_is(buf, PART_SIZE * 512, 5, 0, "%s: the partition", what);
	pat_fill(buf, 512, 6, 0);
	file_write(fd, buf, 512, 512);
	file_read(fd, buf, 1024, 0);
	pat_is(buf + 512, 512, 6, 0, "%s: a block of the partition", what);
	close(fd);
}

static void image_in(const char *dir, const char *block, const char *kind)
{
	char path[512], what[64];

	snprintf(path, sizeof(path), "%s/image", dir);
	for (unsigned int m = 0; m < cli_modes(); m++) {
		int id;

		snprintf(what, sizeof(what), "%s, %s", kind, cli_mode(m));
		make_image(path);
		id = block ? cli_add(CLI("add", "-t", "loop", "-m", cli_mode(m), "-l", path, "--block", block)) :
			     cli_add(CLI("add", "-t", "loop", "-m", cli_mode(m), "-l", path));
		must(dev_attr(id, "queue/logical_block_size") == 512, "%s: other blocks", what);
		has_its_partition(id, what);
		cli_del(id);
	}
	unlink(path);
}

Test(images, on_tmpfs_keep_their_partitions)
{
	image_in("/tmp", NULL, "tmpfs");
}

Test(images, on_overlayfs_keep_their_partitions)
{
	must(!mkdir(MNT, 0700) || errno == EEXIST, MNT ": %s", strerror(errno));
	must(!sh("mkdir -p /tmp/images-up /tmp/images-work /tmp/images-low"), "mkdir");
	need(!mount("overlay", MNT, "overlay", 0,
		    "lowerdir=/tmp/images-low,upperdir=/tmp/images-up,workdir=/tmp/images-work"),
	     "overlayfs: %s", strerror(errno));
	image_in(MNT, NULL, "overlayfs");
}

Test(images, on_9p_keep_their_partitions)
{
	const char *dir = file_host_directory();

	need(dir, "a directory of the host over 9p");
	image_in(dir, NULL, "9p");
}

/* A file system on a disk of large blocks: direct I/O takes these only. */
static void mount_coarse(void)
{
	tleg_null(DISK, &(struct null_disk){ .mb = 32, .block = 4096 });
	must(!sh("mkfs.ext4 -q %s > /dev/null 2>&1", tleg_path(DISK)), "mkfs.ext4");
	must(!mkdir(MNT, 0700) || errno == EEXIST, MNT ": %s", strerror(errno));
	must(!mount(tleg_path(DISK), MNT, "ext4", 0, NULL), "mount: %s", strerror(errno));
}

Test(images, on_a_disk_of_large_blocks_keep_their_partitions_by_block)
{
	static struct cli c;

	mount_coarse();
	image_in(MNT, "512", "ext4 on 4096");

	make_image(MNT "/image");
	cli_run(&c, CLI("add", "-t", "loop", "-l", MNT "/image", "-n", "7"));
	must(!c.status && strstr(c.err, "--block 512"), "status %d, without --block: %s", c.status, c.err);
	cr_assert_eq(dev_attr(7, "queue/logical_block_size"), 4096);
	cli_del(7);
}

Test(images, have_the_blocks_that_are_asked_for)
{
	static const char *const sizes[] = { "512", "1K", "2048", "4K" };
	static struct cli c;

	make_image("/tmp/image");
	for (unsigned int i = 0; i < 4; i++) {
		int id = cli_add(CLI("add", "-t", "loop", "-l", "/tmp/image", "--block", sizes[i]));

		cr_assert_eq(dev_attr(id, "queue/logical_block_size"), 512 << i, "--block %s", sizes[i]);
		cli_del(id);
	}
	cli_run(&c, CLI("add", "-t", "loop", "-l", "/tmp/image", "-b", "1536"));
	must(c.status == 2 && strstr(c.err, "512, 1024, 2048 or 4096"), "status %d: %s", c.status, c.err);
	tleg_null(DISK, &(struct null_disk){ .block = 4096 });
	cli_run(&c, CLI("add", "-t", "loop", "-l", tleg_path(DISK), "-b", "512"));
	must(c.status == 1 && strstr(c.err, "4096 or more"), "status %d: %s", c.status, c.err);
	cli_nothing_left("blocks too small");
}

/* Its blocks are 512, so are the device's: 65 bytes are no block. */
Test(images, with_a_tail_are_told_of_it_on_every_target)
{
	static struct cli c;

	close(make_file("/tmp/a", 1000001));
	close(make_file("/tmp/b", 1000001));
	cli_run(&c, CLI("add", "-n", "7", "-t", "loop", "-l", "/tmp/a"));
	must(!c.status && strstr(c.err, "its last 65 of 1000001 bytes"), "loop: status %d: %s", c.status, c.err);
	cr_assert_eq(dev_attr(7, "size"), 1953);
	cli_del(7);
	cli_run(&c, CLI("add", "-n", "7", "-t", "mirror", "-l", "/tmp/a", "-l", "/tmp/b"));
	must(!c.status && strstr(c.err, "its last 65 of 1000001 bytes"), "mirror: status %d: %s", c.status, c.err);
	cli_del(7);
	cli_run(&c, CLI("add", "-n", "7", "-t", "fault", "-i", "loop", "-l", "/tmp/a"));
	must(!c.status && strstr(c.err, "its last 65 of 1000001 bytes"), "fault: status %d: %s", c.status, c.err);
	cli_del(7);
}

/* `add` refuses it as something that cannot be written, says why, and leaves nothing. */
static void not_writable(const char *path, const char *why)
{
	static struct cli c;

	cli_run(&c, CLI("add", "-t", "loop", "-l", path));
	must(c.status == 1, "%s: status %d, not 1: %s%s", path, c.status, c.out, c.err);
	must(strstr(c.err, "must be writable") && strstr(c.err, why), "%s: no \"%s\" in: %s", path, why, c.err);
	cli_nothing_left(path);
}

static void make_ext4(const char *disk, const char *options)
{
	must(!sh("mkfs.ext4 -q %s %s > /dev/null 2>&1", options, disk), "mkfs.ext4");
	must(!mkdir(MNT, 0700) || errno == EEXIST, MNT ": %s", strerror(errno));
	must(!mount(disk, MNT, "ext4", 0, NULL), "mount: %s", strerror(errno));
}

static void mount_ext4(const char *options)
{
	make_ext4(tleg_null(DISK, &(struct null_disk){ .mb = 32 }), options);
}

Test(images, disks_that_are_read_only_are_refused)
{
	const char *disk = tleg_null(DISK, NULL);

	must(!sh("blockdev --setro %s", disk), "blockdev");
	not_writable(disk, "read-only");
	must(!sh("blockdev --setrw %s", disk), "blockdev");
	cli_del(cli_add(CLI("add", "-t", "loop", "-l", disk)));

	not_writable(tleg_loop(OVER, disk, O_RDONLY), "read-only");
	not_writable(tleg_over_readonly(OVER, disk), "read-only");
}

Test(images, files_that_cannot_be_written_are_refused)
{
	char path[64];
	int fd;

	mount_ext4("");
	close(make_file(MNT "/file", MIB));
	must(!sh("chattr +i " MNT "/file"), "chattr");
	not_writable(MNT "/file", "immutable");
	must(!sh("chattr -i +a " MNT "/file"), "chattr");
	not_writable(MNT "/file", "appended");
	must(!sh("chattr -a " MNT "/file"), "chattr");

	must(!sh("head -c 1M /dev/zero > " MNT "/swap && chmod 600 " MNT "/swap && mkswap -q " MNT "/swap"),
	     "mkswap");
	must(!swapon(MNT "/swap", 0), "swapon: %s", strerror(errno));
	not_writable(MNT "/swap", "swap");
	must(!swapoff(MNT "/swap"), "swapoff: %s", strerror(errno));

	must(!mount(NULL, MNT, NULL, MS_REMOUNT | MS_RDONLY, NULL), "remount: %s", strerror(errno));
	not_writable(MNT "/file", "Read-only file system");

	fd = memfd_create("sealed", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	must(fd >= 0 && !ftruncate(fd, MIB) && !fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), "memfd: %s",
	     strerror(errno));
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", getpid(), fd);
	not_writable(path, "sealed");
	close(fd);
}

#define FILE_SIZE	(4 * MIB)

/* Bytes that are allocated to it. */
static u64 allocated(const char *path)
{
	struct stat st;

	must(!stat(path, &st), "%s: %s", path, strerror(errno));
	return (u64)st.st_blocks * 512;
}

/* A file with all its blocks, and data in them. */
static void make_full(const char *path)
{
	int fd = make_file(path, 0);

	pat_fill(buf, FILE_SIZE, 9, 0);
	file_write(fd, buf, FILE_SIZE, 0);
	must(!fsync(fd), "%s: %s", path, strerror(errno));
	close(fd);
}

static void is_zero(int dev, u64 off, u64 len, const char *what)
{
	file_read(dev, buf, FILE_SIZE, 0);
	for (u64 i = 0; i < FILE_SIZE; i++)
		if (i >= off && i < off + len)
			must(!buf[i], "%s: byte %llu is not zero", what, (unsigned long long)i);
	memset(buf + off, 0, len);
}

/*
 * Zeroes over a part, for which blocks have to stay, then over another one, for which
 * they may go.  @leg is served, @file is what is below.
 */
static void zeroes_on(const char *leg, const char *file, const char *mode, const char *kind)
{
	u64 keep[2] = { MIB, MIB }, before = allocated(file), written;
	int id = cli_add(CLI("add", "-t", "loop", "-m", mode, "-l", leg)), dev;
	char what[64];

	snprintf(what, sizeof(what), "%s, %s", kind, mode);
	dev = dev_open(id, "", O_RDWR | O_DIRECT);
	written = dev_sectors_written(id);
	must(!ioctl(dev, BLKZEROOUT, keep), "%s: BLKZEROOUT: %s", what, strerror(errno));
	/* a request for zeroes that fails is followed by writes of the kernel's own */
	must(dev_sectors_written(id) - written == MIB / 512, "%s: the kernel wrote the zeroes itself", what);
	is_zero(dev, MIB, MIB, what);
	must(!fsync(dev), "%s: fsync: %s", what, strerror(errno));
	must(allocated(file) >= before, "%s: blocks that should stay are gone: %llu of %llu bytes", what,
	     (unsigned long long)allocated(file), (unsigned long long)before);
	must(!fallocate(dev, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 2 * MIB, MIB), "%s: punch: %s", what,
	     strerror(errno));
	is_zero(dev, 2 * MIB, MIB, what);
	must(!fsync(dev), "%s: fsync: %s", what, strerror(errno));
	must(allocated(file) <= before - MIB / 2, "%s: blocks that may go are there: %llu of %llu bytes", what,
	     (unsigned long long)allocated(file), (unsigned long long)before);
	close(dev);
	cli_del(id);
}

Test(images, keep_their_blocks_when_zeroes_want_them)
{
	for (unsigned int m = 0; m < cli_modes(); m++) {
		make_full("/tmp/full");
		zeroes_on("/tmp/full", "/tmp/full", cli_mode(m), "tmpfs");
	}
	mount_ext4("");
	for (unsigned int m = 0; m < cli_modes(); m++) {
		make_full(MNT "/full");
		zeroes_on(MNT "/full", MNT "/full", cli_mode(m), "ext4");
	}
}

/* It refuses to zero a range once it is asked: there are no extents to mark. */
Test(images, are_zeroed_where_the_file_system_refuses_to)
{
	mount_ext4("-O ^extents,^64bit");
	for (unsigned int m = 0; m < cli_modes(); m++) {
		make_full(MNT "/full");
		zeroes_on(MNT "/full", MNT "/full", cli_mode(m), "ext4 without extents");
	}
}

Test(images, below_a_block_leg_keep_their_blocks_too)
{
	mount_ext4("");
	for (unsigned int m = 0; m < cli_modes(); m++) {
		make_full(MNT "/full");
		zeroes_on(tleg_loop(OVER, MNT "/full", O_RDWR), MNT "/full", cli_mode(m), "loop device");
		tleg_remove(OVER);
	}
}

Test(images, on_9p_are_zeroed_and_offer_no_discard)
{
	const char *dir = file_host_directory();
	u64 range[2] = { MIB, MIB };
	char path[512];
	int id, dev;

	need(dir, "a directory of the host over 9p");
	snprintf(path, sizeof(path), "%s/full", dir);
	make_full(path);
	id = cli_add(CLI("add", "-t", "loop", "-l", path));
	cr_assert_eq(dev_attr(id, "queue/discard_max_bytes"), 0);
	dev = dev_open(id, "", O_RDWR | O_DIRECT);
	must(!ioctl(dev, BLKZEROOUT, range), "BLKZEROOUT: %s", strerror(errno));
	is_zero(dev, MIB, MIB, "9p");
	cr_assert(ioctl(dev, BLKDISCARD, range) && errno == EOPNOTSUPP, "a discard: %s", strerror(errno));
	close(dev);
	cli_del(id);
	unlink(path);
}

/* Through the page cache and beside it, the same. */
static void cached_is_direct(int id, const char *part, u32 seed, u32 len)
{
	int fd = dev_open(id, part, O_RDONLY);

	file_read(fd, buf, len, 0);
	pat_is(buf, len, seed, 0, "cached, of ublkb%d%s", id, part);
	close(fd);
	fd = dev_open(id, part, O_RDONLY | O_DIRECT);
	file_read(fd, buf, len, 0);
	pat_is(buf, len, seed, 0, "direct, of ublkb%d%s", id, part);
	close(fd);
}

static void fill(const char *path, u32 seed)
{
	int fd = make_file(path, MIB);

	pat_fill(buf, MIB, seed, 0);
	file_write(fd, buf, MIB, 0);
	close(fd);
}

/* D6: what was cached of the old image is not read of the new one. */
Test(images, are_read_anew_after_a_forced_recovery)
{
	static struct cli c;
	int id, held;

	fill("/tmp/old", 21);
	fill("/tmp/new", 22);
	id = cli_add(CLI("add", "-t", "loop", "-l", "/tmp/old", "--recovery"));
	/* held open, or the cache goes with the last one who has it */
	held = dev_open(id, "", O_RDONLY);
	cached_is_direct(id, "", 21, MIB);
	proc_kill_other(cli_pid(id));
	cli_run(&c, CLI("recover", "-n", cli_id(id), "--force", "-t", "loop", "-l", "/tmp/new"));
	must(!c.status, "recover: status %d: %s", c.status, c.err);
	cached_is_direct(id, "", 22, MIB);
	close(held);
	cli_del(id);
}

Test(images, have_their_own_partitions_after_a_forced_recovery)
{
	static struct cli c;
	int id, held;

	make_image("/tmp/old");
	make_image("/tmp/new");
	pat_fill(buf, PART_SIZE * 512, 23, 0);
	held = open("/tmp/new", O_RDWR | O_CLOEXEC);
	file_write(held, buf, PART_SIZE * 512, PART_START * 512);
	close(held);
	id = cli_add(CLI("add", "-t", "loop", "-l", "/tmp/old", "--recovery"));
	/* so that it cannot be dropped with its cache */
	held = dev_open(id, "p1", O_RDONLY);
	cached_is_direct(id, "p1", 5, PART_SIZE * 512);
	proc_kill_other(cli_pid(id));
	cli_run(&c, CLI("recover", "-n", cli_id(id), "--force", "-t", "loop", "-l", "/tmp/new"));
	must(!c.status && strstr(c.err, "it is in use"), "recover: status %d: %s", c.status, c.err);
	cached_is_direct(id, "p1", 23, PART_SIZE * 512);
	close(held);
	cli_del(id);
}

/* D4: where pages are lent, whoever is above; not where they are copied. */
Test(images, want_stable_pages_if_their_leg_does)
{
	const char *disk = tleg_null(DISK, &(struct null_disk){ .mb = 32 });

	tleg_set(DISK, "queue/stable_writes", "1");
	for (unsigned int m = 0; m < cli_modes(); m++) {
		bool lends = mode_find(cli_mode(m))->lends;
		int id = cli_add(CLI("add", "-t", "loop", "-m", cli_mode(m), "-l", disk));

		cr_assert_eq(dev_attr(id, "queue/stable_writes"), lends, "%s over a disk", cli_mode(m));
		cli_del(id);
	}
	make_ext4(disk, "");
	close(make_file(MNT "/file", MIB));
	for (unsigned int m = 0; m < cli_modes(); m++) {
		bool lends = mode_find(cli_mode(m))->lends;
		int id = cli_add(CLI("add", "-t", "loop", "-m", cli_mode(m), "-l", MNT "/file"));

		cr_assert_eq(dev_attr(id, "queue/stable_writes"), lends, "%s over a file there", cli_mode(m));
		cli_del(id);
	}
}

Test(images, are_recovered_with_the_blocks_that_they_had)
{
	static struct cli c;
	int id;

	make_image("/tmp/image");
	id = cli_add(CLI("add", "-t", "loop", "-l", "/tmp/image", "--recovery", "--block", "4K"));
	proc_kill_other(cli_pid(id));
	cli_run(&c, CLI("recover", "-n", cli_id(id), "-t", "loop", "-l", "/tmp/image"));
	must(c.status == 1 && strstr(c.err, "--block that it was made with"), "status %d: %s", c.status, c.err);
	cli_run(&c, CLI("recover", "-n", cli_id(id), "-t", "loop", "-l", "/tmp/image", "--block", "4K"));
	must(!c.status, "status %d: %s", c.status, c.err);
	cli_del(id);
}
