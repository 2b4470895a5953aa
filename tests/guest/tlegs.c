// SPDX-License-Identifier: GPL-2.0
/*
 * The tests' own legs: each kind keeps data, breaks in its way and is mended, and all go.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pattern.h"
#include "proc.h"
#include "sh.h"
#include "tleg.h"

#define LEN	65536

static u8 *buf;

static void setup(void)
{
	tlegs_resume();
	tlegs_remove();
	need(in_guest(), "no other program that uses device-mapper");
	buf = page_alloc(LEN);
}

TestSuite(tlegs, .init = setup, .fini = tlegs_remove, .timeout = 120);

static void put(unsigned int nr, u32 seed)
{
	int fd = tleg_open(nr, O_RDWR | O_DIRECT);

	pat_fill(buf, LEN, seed, 0);
	file_write(fd, buf, LEN, 0);
	close(fd);
}

static void has(unsigned int nr, u32 seed, const char *what)
{
	int fd = tleg_open(nr, O_RDWR | O_DIRECT);

	file_read(fd, buf, LEN, 0);
	pat_is(buf, LEN, seed, 0, "%s", what);
	close(fd);
}

/* What a read, or a write, of the first page gives: bytes, or -errno. */
static ssize_t do_io(unsigned int nr, bool write)
{
	int fd = tleg_open(nr, O_RDWR | O_DIRECT);
	ssize_t ret = write ? pwrite(fd, buf, 4096, 0) : pread(fd, buf, 4096, 0);

	ret = ret < 0 ? -errno : ret;
	close(fd);
	return ret;
}

static const char *disk(unsigned int nr)
{
	return tleg_null(nr, &(struct null_disk){ .mb = 4 });
}

Test(tlegs, of_each_kind_keep_data)
{
	disk(0);
	tleg_file(1, 4 << 20);
	tleg_loop(2, tleg_path(1), O_RDWR);
	tleg_over(3, tleg_path(0));
	put(0, 1);
	has(0, 1, "null_blk");
	put(1, 2);
	has(1, 2, "a file");
	has(2, 2, "a loop device of that file");
	has(3, 1, "a disk over null_blk");
	put(3, 3);
	has(0, 3, "null_blk, written through the disk over it");
}

Test(tlegs, that_are_made_again_hold_zeroes)
{
	for (unsigned int i = 0; i < 2; i++) {
		disk(0);
		tleg_file(1, 4 << 20);
		for (unsigned int nr = 0; nr < 2; nr++) {
			int fd = tleg_open(nr, O_RDWR | O_DIRECT);

			file_read(fd, buf, LEN, 0);
			for (unsigned int n = 0; n < LEN; n++)
				must(!buf[n], "leg %u, round %u: byte %u is %u", nr, i, n, buf[n]);
			close(fd);
			put(nr, 7);
		}
	}
}

Test(tlegs, of_bad_sectors_fail_there_only)
{
	int fd;

	tleg_null(0, &(struct null_disk){ .mb = 4, .badblocks = "+100-107" });
	fd = tleg_open(0, O_RDWR | O_DIRECT);
	cr_assert(pread(fd, buf, 4096, 100 * 512) == -1 && errno == EIO, "a sector that was bad from the start");
	tleg_bad(0, 200, 207);
	cr_assert(pread(fd, buf, 4096, 200 * 512) == -1 && errno == EIO, "a sector that is bad now");
	cr_assert_eq(pread(fd, buf, 4096, 208 * 512), 4096, "the next one");
	close(fd);
}

Test(tlegs, of_sectors_that_cannot_be_read_are_good_when_they_are_written)
{
	int fd;

	tleg_over(1, disk(0));
	put(1, 8);
	tleg_bad(1, 8, 15);
	fd = tleg_open(1, O_RDWR | O_DIRECT);
	cr_assert(pread(fd, buf, 4096, 8 * 512) == -1 && errno == EIO, "a sector that is bad now");
	cr_assert_eq(pread(fd, buf, 4096, 16 * 512), 4096, "the next one");
	pat_fill(buf, LEN, 8, 0);
	file_write(fd, buf + 4096, 4096, 4096);
	close(fd);
	has(1, 8, "written anew");
}

Test(tlegs, that_are_broken_fail_until_they_are_mended)
{
	u64 begin;

	tleg_over(1, disk(0));
	put(1, 4);
	tleg_break(1, TLEG_ERROR);
	res_is(do_io(1, false), -EIO, "a read of a leg that fails");
	res_is(do_io(1, true), -EIO, "a write");
	tleg_break(1, TLEG_WRITE_ERROR);
	res_is(do_io(1, false), 4096, "a read of a leg that fails writes");
	res_is(do_io(1, true), -EIO, "a write");
	tleg_break(1, TLEG_SLOW);
	begin = now_ms();
	res_is(do_io(1, false), 4096, "a read of a slow leg");
	cr_assert(now_ms() - begin >= TLEG_SLOW_MS / 2, "it was not slow");
	tleg_break(1, TLEG_GOOD);
	has(1, 4, "mended");
	res_is(do_io(1, true), 4096, "a write of a leg that is mended");
}

static bool is_held(void *arg)
{
	return !sh("grep -q '^State:.D' /proc/%d/status", *(pid_t *)arg);
}

Test(tlegs, that_are_suspended_hold_what_comes)
{
	pid_t pid;

	tleg_over(1, disk(0));
	tleg_suspend(1);
	pid = sh_start("exec dd if=%s of=/dev/null bs=4k count=1 iflag=direct 2> /dev/null", tleg_path(1));
	/* on a busy machine it takes its time to get there */
	must(wait_until(is_held, &pid, SOON_MS), "the read was not held");
	sleep_ms(NEVER_MS);
	must(!kill(pid, 0) && is_held(&pid), "the read is held no more");
	tleg_resume(1);
	must(proc_gone(pid, SOON_MS), "the read does not end");
}

Test(tlegs, that_are_switched_are_the_other_disk)
{
	tleg_over(2, disk(0));
	disk(1);
	put(0, 5);
	put(1, 6);
	has(2, 5, "before");
	tleg_switch(2, tleg_path(1));
	has(2, 6, "after");
	/* a leg that is broken afterwards is mended to the new one */
	tleg_break(2, TLEG_ERROR);
	tleg_break(2, TLEG_GOOD);
	has(2, 6, "mended");
}

Test(tlegs, that_are_read_only_cannot_be_written)
{
	tleg_over_readonly(1, disk(0));
	must(!sh("[ $(blockdev --getro %s) = 1 ]", tleg_path(1)), "a disk over another can be written");
	tleg_loop(2, tleg_path(0), O_RDONLY);
	must(!sh("[ $(blockdev --getro %s) = 1 ]", tleg_path(2)), "a loop device can be written");
}

Test(tlegs, have_attributes_that_can_be_set)
{
	tleg_over(1, disk(0));
	tleg_set(0, "queue/stable_writes", "1");
	must(!sh("grep -qx 1 /sys/block/%s/queue/stable_writes", strrchr(tleg_path(0), '/') + 1), "of null_blk");
	tleg_set(1, "queue/read_ahead_kb", "64");
}

/* Also those that hold I/O, stand on one another, or were made by another test. */
Test(tlegs, all_go_when_they_are_removed)
{
	tleg_over(1, disk(0));
	tleg_file(2, 1 << 20);
	tleg_loop(3, tleg_path(2), O_RDWR);
	disk_null(DISK_NULL_PREFIX "other", &(struct null_disk){ .mb = 4 }, -1);
	must(!sh("dmsetup create " DISK_NULL_PREFIX "other --noudevsync --table \"0 8 linear %s 0\"",
		 disk_null_path(DISK_NULL_PREFIX "other")), "dmsetup");
	tleg_suspend(1);
	tlegs_resume();
	tlegs_remove();
	must(sh("ls -d /dev/mapper/" DISK_NULL_PREFIX "* /tmp/" DISK_NULL_PREFIX "* "
		"/sys/kernel/config/nullb/" DISK_NULL_PREFIX "* 2> /dev/null | grep ."), "something is left");
}
