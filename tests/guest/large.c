// SPDX-License-Identifier: GPL-2.0
/*
 * I/O that a disk does not take at once: it goes there in parts, and needs no worker as long as the
 * disk has room.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cli.h"
#include "dev.h"
#include "pattern.h"
#include "proc.h"
#include "ring.h"
#include "tleg.h"
#include "ublkraw.h"

#define MB		16
#define SIZE		((u64)MB << 20)
#define LEN		(512U << 10)
/* Sectors that the disk takes at once: a request is ten parts, and not whole ones. */
#define PART_SECTORS	104

static u8 *mem;

static void setup(void)
{
	raw_need();
	tlegs_sweep();
	mem = page_alloc(SIZE);
}

TestSuite(large, .init = setup, .fini = tlegs_sweep, .timeout = 240);

/* Of a server. */

static void goes_through(int id, const char *mode)
{
	int dev = dev_open(id, "", O_RDWR | O_DIRECT);

	for (u64 pos = 0; pos < SIZE; pos += LEN) {
		pat_fill(mem, LEN, 1, pos);
		file_write(dev, mem, LEN, pos);
	}
	for (u64 pos = 0; pos < SIZE; pos += LEN) {
		memset(mem, 0, LEN);
		file_read(dev, mem, LEN, pos);
		pat_is(mem, LEN, 1, pos, "%s: at %llu", mode, (unsigned long long)pos);
	}
	close(dev);
}

/* Does a server in this mode get a worker by it? */
static bool makes_a_worker(const char *mode, const char *leg)
{
	int id = cli_add(CLI("add", "-t", "loop", "-m", mode, "-l", leg));
	bool made;

	goes_through(id, mode);
	made = proc_has_io_worker(cli_pid(id));
	cli_del(id);
	return made;
}

Test(large, requests_need_no_worker_in_any_mode)
{
	struct null_disk opt = { .mb = MB, .max_sectors = PART_SECTORS };

	for (unsigned int m = 0; m < cli_modes(); m++)
		must(!makes_a_worker(cli_mode(m), tleg_null(0, &opt)), "%s: a worker was made", cli_mode(m));
	/* one would be seen: a file in memory has no direct I/O, so a worker does all of it */
	must(makes_a_worker("copy", tleg_file(1, SIZE)), "a worker is not seen");
}

/* Of the disk itself. */

#define NR	(SIZE / LEN)

static int disk(const struct null_disk *opt)
{
	struct null_disk o = *opt;

	o.mb = MB;
	o.max_sectors = PART_SECTORS;
	tleg_null(0, &o);
	return tleg_open(0, O_RDWR | O_DIRECT);
}

/* All of it at once: much more than the disk has tags for. */
static void all_at_once(struct io_uring *ring, int op, int fd, unsigned int slot, const char *what)
{
	int res[NR];

	for (unsigned int i = 0; i < NR; i++) {
		struct io_uring_sqe *sqe = ring_sqe(ring);

		prep_rw_fixed(sqe, op, fd, (uintptr_t)(mem + (u64)i * LEN), LEN, (u64)i * LEN, slot);
		sqe->user_data = i;
	}
	ring_submit(ring);
	ring_reap(ring, res, NR);
	for (unsigned int i = 0; i < NR; i++)
		cr_assert_eq(res[i], (int)LEN, "%s: request %u: %s", what, i, res_str(res[i]));
}

/* The table is that of the ring; slot 0 is all of mem. */
static void busy_disk(unsigned int setup_flags, const struct null_disk *opt, u32 seed, const char *what)
{
	struct iovec iov = { mem, SIZE };
	struct io_uring ring;
	int fd = disk(opt);

	ring_init(&ring, 2 * NR, setup_flags);
	must(!io_uring_register_buffers(&ring, &iov, 1), "a buffer");
	pat_fill(mem, SIZE, seed, 0);
	all_at_once(&ring, IORING_OP_WRITE_FIXED, fd, 0, what);
	memset(mem, 0, SIZE);
	all_at_once(&ring, IORING_OP_READ_FIXED, fd, 0, what);
	pat_is(mem, SIZE, seed, 0, "%s", what);
	io_uring_queue_exit(&ring);
	close(fd);
}

Test(large, what_a_busy_disk_has_no_room_for_is_done_behind)
{
	for (unsigned int depth = 1; depth <= 16; depth *= 4) {
		struct null_disk opt = { .depth = depth, .delay_us = 500 };

		busy_disk(0, &opt, depth, "a disk of few tags");
		busy_disk(IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN, &opt, 100 + depth,
			  "a disk of few tags, work deferred");
		busy_disk(IORING_SETUP_SQPOLL, &opt, 200 + depth, "a disk of few tags, SQPOLL");
	}
}

/* Nobody does the rest of a polled request: it is issued again only as a whole. */
Test(large, what_is_polled_is_done_as_a_whole)
{
	for (unsigned int depth = 1; depth <= 16; depth *= 4) {
		struct null_disk opt = { .depth = depth, .poll_queues = 1 };

		busy_disk(IORING_SETUP_IOPOLL, &opt, 300 + depth, "a disk of few tags, polled");
	}
}

Test(large, segments_end_where_the_disk_wants_it)
{
	busy_disk(0, &(struct null_disk){ .virt_boundary = true }, 7, "a disk without gaps");
	busy_disk(0, &(struct null_disk){ .block = 4096 }, 8, "a disk of large blocks");
}

static int one(int fd, int op, int rw_flags)
{
	struct io_uring ring;
	struct io_uring_sqe *sqe;
	int res;

	ring_init(&ring, 4, 0);
	sqe = ring_sqe(&ring);
	io_uring_prep_rw(op, sqe, fd, mem, LEN, 0);
	sqe->rw_flags = rw_flags;
	res = ring_run(&ring);
	io_uring_queue_exit(&ring);
	return res;
}

/* Reads that the disk has done. */
static unsigned long reads(const char *disk)
{
	unsigned long nr;
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/sys/block/%s/stat", strrchr(disk, '/') + 1);
	f = fopen(path, "re");
	must(f && fscanf(f, "%lu", &nr) == 1, "%s: %s", path, strerror(errno));
	fclose(f);
	return nr;
}

/* One of 256 pages; null_blk takes 128 segments at once. */
static void is_read_in_two(struct io_uring *ring, int fd, u8 *to, const char *what)
{
	struct io_uring_sqe *sqe = ring_sqe(ring);
	unsigned long before = reads(tleg_path(0));

	prep_rw_fixed(sqe, IORING_OP_READ_FIXED, fd, (uintptr_t)to, 2 * LEN, 0, 0);
	cr_assert_eq(ring_run(ring), 2 * (int)LEN, "%s", what);
	pat_is(to, 2 * LEN, 9, 0, "%s", what);
	cr_assert_eq(reads(tleg_path(0)) - before, 2, "%s: %lu reads", what, reads(tleg_path(0)) - before);
}

/*
 * Of a registered buffer a bio's table goes up to its end.  From the first page on there are so many segments
 * that the 16 bits for their number would say 1.
 */
Test(large, segments_are_as_many_as_the_disk_takes)
{
	const u64 len = (65536 + 1) * 4096ULL;
	struct iovec iov = { .iov_len = len };
	struct io_uring ring;
	int fd;

	tleg_null(0, &(struct null_disk){ .mb = MB, .max_sectors = 4 * LEN / 512 });
	fd = tleg_open(0, O_RDWR | O_DIRECT);
	pat_fill(mem, 2 * LEN, 9, 0);
	file_write(fd, mem, 2 * LEN, 0);
	iov.iov_base = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	must(iov.iov_base != MAP_FAILED, "no memory");
	/* large pages are one segment each */
	must(!madvise(iov.iov_base, len, MADV_NOHUGEPAGE), "MADV_NOHUGEPAGE: %s", strerror(errno));
	ring_init(&ring, 4, 0);
	must(!io_uring_register_buffers(&ring, &iov, 1), "a buffer of 256 MiB");
	is_read_in_two(&ring, fd, iov.iov_base, "at the buffer's beginning");
	is_read_in_two(&ring, fd, (u8 *)iov.iov_base + len - 2 * LEN, "at its end");
	io_uring_queue_exit(&ring);
	munmap(iov.iov_base, len);
	close(fd);
}

Test(large, a_part_that_fails_fails_all_of_it)
{
	/* in the last part but one */
	int fd = disk(&(struct null_disk){ .badblocks = "+900-900" });

	cr_assert_eq(one(fd, IORING_OP_WRITE, 0), -EIO);
	cr_assert_eq(one(fd, IORING_OP_READ, 0), -EIO);
	close(fd);
}

Test(large, who_asks_not_to_wait_is_told)
{
	int fd = disk(&(struct null_disk){ 0 });

	cr_assert_eq(one(fd, IORING_OP_WRITE, RWF_NOWAIT), -EAGAIN);
	cr_assert_eq(one(fd, IORING_OP_READ, RWF_NOWAIT), -EAGAIN);
	cr_assert_eq(one(fd, IORING_OP_WRITE, 0), (int)LEN);
	close(fd);
}
