// SPDX-License-Identifier: GPL-2.0
/*
 * Of which writes the driver says that nobody changes their data (UBLK_F_STABLE_PAGES): of what a
 * file system writes back, and of nothing else.  The server sees by the data which writes are meant.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/blkpg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <unistd.h>

#include "dev.h"
#include "proc.h"
#include "sh.h"
#include "tleg.h"
#include "tmpfile.h"
#include "ublkraw.h"

#define SIZE	(32U << 20)
#define LEN	65536U
#define MARK	0x656c626174736e75ULL	/* each page of the data that is meant begins with it */
#define POINT	"/tmp/ublk-stable"
#define SLOW	0	/* the leg from which somebody reads, and what it is made of is the next one */
#define ABOVE	2	/* a device-mapper disk of all of the device */

/* What the server and the test share. */
struct shared {
	volatile u32 stable, other;	/* writes that are meant, by what was said of them */
	volatile int hold, held;	/* what is meant is not done before hold is 0 */
};

static struct shared *seen;
static struct raw r;
static char node[32];
static u8 *page;	/* LEN bytes, marked */

static void setup(void)
{
	raw_need();
	raw_sweep();
	tlegs_remove();
	seen = shared_alloc(sizeof(*seen));
	page = page_alloc(LEN);
	for (u32 off = 0; off < LEN; off += 4096)
		memcpy(page + off, &(u64){ MARK }, sizeof(u64));
	must(!mkdir(POINT, 0700) || errno == EEXIST, "%s: %s", POINT, strerror(errno));
}

static void teardown(void)
{
	tlegs_resume();
	seen->hold = 0;
	sh("swapoff %s 2> /dev/null", node);
	umount2(POINT, MNT_DETACH);
	tlegs_remove();
	raw_sweep();
}

TestSuite(ublk_stable, .init = setup, .fini = teardown, .timeout = 120);

/* Writes that the server keeps meanwhile: journal and metadata must go on. */
static u16 kept[RAW_DEPTH_MAX];
static unsigned int nr_kept;

static bool is_meant(unsigned int tag)
{
	const u8 *data = r.bufs + (size_t)tag * r.opt.max_io;

	return raw_op(&r, tag) == UBLK_IO_OP_WRITE && !memcmp(data, &(u64){ MARK }, sizeof(u64));
}

static void serve(unsigned int tag)
{
	bool meant = is_meant(tag);

	if (meant && r.iods[tag].op_flags & UBLK_IO_F_STABLE_PAGES)
		seen->stable++;
	else if (meant)
		seen->other++;
	if (meant && seen->hold) {
		kept[nr_kept++] = tag;
		seen->held++;
	} else {
		raw_serve(&r, tag);
	}
}

static void server(void *arg)
{
	raw_open(&r);
	raw_fetch_all(&r);
	for (;;) {
		int tag = raw_request(&r, 5);

		if (tag >= 0)
			serve(tag);
		while (nr_kept && !seen->hold)
			raw_serve(&r, kept[--nr_kept]);
	}
}

/* A device whose driver is asked, or not. */
static void up(u64 flag)
{
	const struct raw_opt opt = { .flags = UBLK_F_CMD_IOCTL_ENCODE | flag, .size = SIZE, .depth = 32 };

	memset(seen, 0, sizeof(*seen));
	res_is(raw_add(&r, &opt), 0, "ADD_DEV");
	raw_start_in(&r, server);
	snprintf(node, sizeof(node), "/dev/ublkb%d", r.id);
	dev_set(r.id, "queue/stable_writes", "1");
}

static void fs_on(const char *path)
{
	must(!sh("mkfs.ext4 -q -F -E nodiscard %s && mount -t ext4 %s " POINT, path, path), "ext4 on %s", path);
}

/* Of a file of LEN bytes there, all of which has its place on the disk. */
static int file_of(const char *name, int flags)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), POINT "/%s", name);
	fd = file_open(path, O_RDWR | O_CREAT | flags);
	must(!ftruncate(fd, LEN), "%s: %s", path, strerror(errno));
	must(!sh("dd if=/dev/zero of=%s bs=%u count=1 conv=fsync,notrunc 2> /dev/null", path, LEN), "%s", path);
	return fd;
}

static void buffered(int fd)
{
	file_write(fd, page, LEN, 0);
	must(!fsync(fd), "fsync: %s", strerror(errno));
}

static void is_stable(const char *what)
{
	must(seen->stable, "%s: no write is said to be stable, of %u", what, seen->other);
	must(!seen->other, "%s: %u writes are not said to be stable", what, seen->other);
	seen->stable = 0;
}

static void is_not(const char *what)
{
	must(seen->other, "%s: there was no write, or all were said to be stable: %u", what, seen->stable);
	must(!seen->stable, "%s: %u writes are said to be stable", what, seen->stable);
	seen->other = 0;
}

Test(ublk_stable, what_a_file_system_writes_back)
{
	int fd;
	u8 *map;

	up(UBLK_F_STABLE_PAGES);
	fs_on(node);
	fd = file_of("file", 0);
	buffered(fd);
	is_stable("write()");
	map = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	must(map != MAP_FAILED, "mmap: %s", strerror(errno));
	map[100] = 1;
	must(!msync(map, LEN, MS_SYNC), "msync: %s", strerror(errno));
	is_stable("a page that is mapped");
	munmap(map, LEN);
	close(fd);
}

/* All but the first and the last MiB; without a table, and without addpart, which not every util-linux has. */
static void partition(void)
{
	struct blkpg_partition p = { .start = 1 << 20, .length = SIZE - (2 << 20), .pno = 1 };
	struct blkpg_ioctl_arg arg = { .op = BLKPG_ADD_PARTITION, .datalen = sizeof(p), .data = &p };
	int fd = open(node, O_RDWR | O_CLOEXEC);

	must(fd >= 0 && !ioctl(fd, BLKPG, &arg), "a partition of %s: %s", node, strerror(errno));
	close(fd);
}

Test(ublk_stable, what_is_written_back_to_a_partition)
{
	char part[48];
	int fd;

	up(UBLK_F_STABLE_PAGES);
	snprintf(part, sizeof(part), "%sp1", node);
	partition();
	must(!sh("until [ -b %s ]; do sleep 0.1; done", part), "%s", part);
	fs_on(part);
	fd = file_of("file", 0);
	buffered(fd);
	is_stable("a partition");
	close(fd);
}

Test(ublk_stable, nobody_is_told_who_did_not_ask)
{
	int fd;

	up(0);
	fs_on(node);
	fd = file_of("file", 0);
	buffered(fd);
	is_not("not asked for");
	close(fd);
}

/* Only those of which it is known that all their parts wait. */
Test(ublk_stable, not_what_another_file_system_writes_back)
{
	int fd;

	up(UBLK_F_STABLE_PAGES);
	must(!sh("mkfs.ext3 -q -F -E nodiscard %s && mount -t ext3 %s " POINT, node, node), "ext3");
	fd = file_of("file", 0);
	buffered(fd);
	is_not("ext3");
	close(fd);
}

/* The file system was not told to keep its pages. */
Test(ublk_stable, not_without_stable_writes)
{
	int fd;

	up(UBLK_F_STABLE_PAGES);
	dev_set(r.id, "queue/stable_writes", "0");
	fs_on(node);
	fd = file_of("file", 0);
	buffered(fd);
	is_not("without stable_writes");
	close(fd);
}

Test(ublk_stable, not_direct_io)
{
	int fd;

	up(UBLK_F_STABLE_PAGES);
	fd = file_open(node, O_RDWR | O_DIRECT);
	file_write(fd, page, LEN, 0);
	is_not("direct I/O to the disk");
	close(fd);
	fs_on(node);
	fd = file_of("file", O_DIRECT);
	file_write(fd, page, LEN, 0);
	is_not("direct I/O to a file");
	close(fd);
}

/* Who changes a block through its buffer does not wait for it. */
Test(ublk_stable, not_the_cache_of_the_disk_itself)
{
	int fd;

	up(UBLK_F_STABLE_PAGES);
	fd = file_open(node, O_RDWR);
	buffered(fd);
	is_not("the disk's cache");
	close(fd);
}

Test(ublk_stable, not_what_comes_through_another_disk)
{
	int fd;

	up(UBLK_F_STABLE_PAGES);
	fs_on(tleg_over(ABOVE, node));
	fd = file_of("file", 0);
	buffered(fd);
	is_not("through device-mapper");
	close(fd);
	umount(POINT);
}

Test(ublk_stable, not_memory_that_is_swapped_out)
{
	u8 *mem = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	up(UBLK_F_STABLE_PAGES);
	must(mem != MAP_FAILED, "memory: %s", strerror(errno));
	must(!sh("mkswap %s > /dev/null", node) && !swapon(node, 0), "swap on %s: %s", node, strerror(errno));
	memcpy(mem, page, LEN);
	must(!madvise(mem, LEN, MADV_PAGEOUT), "MADV_PAGEOUT: %s", strerror(errno));
	must(!swapoff(node), "swapoff: %s", strerror(errno));
	is_not("swap");
	munmap(mem, LEN);
}

static bool is_held(void *arg)
{
	return seen->held;
}

static void syncs(void *arg)
{
	check_in_child();
	buffered(file_open(POINT "/from", O_RDWR));
	_exit(0);
}

/* The first page of one file, not copied, to another one. */
static void splices(void *arg)
{
	int from, to, ends[2];
	loff_t pos = 0, at = 0;

	check_in_child();
	from = file_open(POINT "/from", O_RDONLY);
	to = file_open(POINT "/to", O_RDWR | O_DIRECT);
	must(!pipe(ends), "pipe: %s", strerror(errno));
	must(splice(from, &pos, ends[1], NULL, 4096, 0) == 4096, "splice in: %s", strerror(errno));
	must(splice(ends[0], NULL, to, &at, 4096, 0) == 4096, "splice out: %s", strerror(errno));
	_exit(0);
}

/*
 * Pages of a file go by splice() into a direct write of another one, while they are written back for
 * the first one's sake.  When that has ended they can be changed, and the direct write may be under way.
 */
Test(ublk_stable, not_pages_that_are_written_back_for_another)
{
	pid_t first, second;

	up(UBLK_F_STABLE_PAGES);
	fs_on(node);
	close(file_of("from", 0));
	close(file_of("to", 0));
	seen->hold = 1;
	first = proc_start(syncs, NULL);
	must(wait_until(is_held, NULL, SOON_MS), "nothing is written back");
	is_stable("the pages of the first file");
	seen->held = 0;
	second = proc_start(splices, NULL);
	must(wait_until(is_held, NULL, SOON_MS), "nothing is written directly");
	is_not("spliced pages");
	seen->hold = 0;
	must(proc_gone(first, SOON_MS) && proc_gone(second, SOON_MS), "they do not end");
}

static void reads_into_map(void *arg)
{
	int fd, disk;
	u8 *map;

	check_in_child();
	fd = file_open(POINT "/file", O_RDWR);
	disk = tleg_open(SLOW + 1, O_RDONLY | O_DIRECT);
	map = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	must(map != MAP_FAILED, "mmap: %s", strerror(errno));
	seen->held = 1;
	must(pread(disk, map, 4096, 0) == 4096, "read: %s", strerror(errno));
	_exit(0);
}

/* A disk that is read writes into pages of the file whenever it likes. */
Test(ublk_stable, not_pages_that_somebody_has_pinned)
{
	pid_t pid;
	int fd;

	up(UBLK_F_STABLE_PAGES);
	fs_on(node);
	fd = file_of("file", 0);
	tleg_over(SLOW + 1, tleg_null(SLOW, NULL));
	tleg_suspend(SLOW + 1);
	pid = proc_start(reads_into_map, NULL);
	must(wait_until(is_held, NULL, SOON_MS), "it does not read");
	sleep_ms(NEVER_MS);
	file_write(fd, page, 4096, 0);
	must(!fsync(fd), "fsync: %s", strerror(errno));
	is_not("a pinned page");
	tleg_resume(SLOW + 1);
	must(proc_gone(pid, SOON_MS), "it does not end");
	close(fd);
}
