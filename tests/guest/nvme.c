// SPDX-License-Identifier: GPL-2.0
/*
 * NVMe passthrough commands on lent buffers: the address of their data is an offset
 * there, and 0 the first byte.  What they move is held against the block device.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/nvme_ioctl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "dev.h"
#include "lender.h"
#include "pattern.h"
#include "ring.h"
#include "tmpfile.h"

/* of such a disk all is ours; the guest's has it */
#define SERIAL	"lend-nvme"

#define BLOCK	512
#define LEN	16384	/* of a command */
#define BUF_LEN	32768	/* of the lent buffer, which is slot 0 */
#define NR_POS	4	/* each command is at a place of its own on the disk */

enum { NVME_FLUSH = 0, NVME_WRITE = 1, NVME_READ = 2, NVME_IDENTIFY = 6 };
enum { FOR_DISK = 0xa000, FOR_PAGES = 0xb000 };	/* seeds */

static struct io_uring ring;
static int lender, controller, ns, disk;
static u32 nsid;
static u8 *buf;

/* The lent buffer in one piece, in pages, in pieces with gaps, in odd ones. */
static const struct lend_test_seg whole[] = { { 0, BUF_LEN } };
static const struct lend_test_seg pages[] = {
	{ 0, 4096 }, { 0, 4096 }, { 0, 4096 }, { 0, 4096 },
	{ 0, 4096 }, { 0, 4096 }, { 0, 4096 }, { 0, 4096 },
};
static const struct lend_test_seg gaps[] = {
	{ 512, 1024 }, { 1024, 8192 }, { 2048, 512 }, { 0, 512 }, { 3584, 22528 },
};
static const struct lend_test_seg odd[] = { { 1, 4095 }, { 6, 10 }, { 0, 28663 } };

static const struct shape {
	const char *name;
	const struct lend_test_seg *segs;
	unsigned int nr;
} shapes[] = {
	{ "one segment", whole, 1 },
	{ "pages", pages, 8 },
	{ "segments with gaps", gaps, 5 },
	{ "odd segments", odd, 3 },
};
#define NR_SHAPES	(sizeof(shapes) / sizeof(shapes[0]))

/* The N of our /dev/nvmeN, or -1. */
static int find_ours(void)
{
	char name[32];
	int n = -1;

	if (dev_find("/sys/class/nvme/nvme*/serial", SERIAL, name, sizeof(name)))
		sscanf(name, "nvme%d", &n);
	return n;
}

static int open_dev(const char *fmt, int nr, int flags)
{
	char path[32];
	int fd;

	snprintf(path, sizeof(path), fmt, nr);
	fd = open(path, O_RDWR | O_CLOEXEC | flags);
	must(fd >= 0, "%s: %s", path, strerror(errno));
	return fd;
}

static void setup(void)
{
	int nr = find_ours();

	need(nr >= 0, "no NVMe disk with a serial number that begins with " SERIAL);
	controller = open_dev("/dev/nvme%d", nr, 0);
	ns = open_dev("/dev/ng%dn1", nr, 0);
	disk = open_dev("/dev/nvme%dn1", nr, O_DIRECT);
	nsid = ioctl(ns, NVME_IOCTL_ID);
	ring_init(&ring, 16, IORING_SETUP_SQE128 | IORING_SETUP_CQE32);
	ring_table(&ring, 4);
	lender = lender_open();
	buf = page_alloc(BUF_LEN);
}

static void teardown(void)
{
	io_uring_queue_exit(&ring);
	close(lender);
}

TestSuite(nvme, .init = setup, .fini = teardown, .timeout = 60);

/* Command @op of a namespace or, with another @fd, of the controller, on slot @slot. */
static struct io_uring_sqe *prep_cmd(int fd, u32 op, const struct nvme_uring_cmd *cmd, unsigned int slot)
{
	struct io_uring_sqe *sqe = ring_sqe(&ring);

	sqe->opcode = IORING_OP_URING_CMD;
	sqe->fd = fd;
	sqe->cmd_op = op;
	sqe->uring_cmd_flags = IORING_URING_CMD_FIXED;
	sqe->buf_index = slot;
	memset(sqe->cmd, 0, 80);
	memcpy(sqe->cmd, cmd, sizeof(*cmd));
	return sqe;
}

/* A command that moves @len bytes from @addr on of @slot, at @pos of the disk. */
static struct io_uring_sqe *prep(int op, u64 addr, u32 len, u64 pos, unsigned int slot)
{
	const struct nvme_uring_cmd cmd = {
		.opcode		= op,
		.nsid		= nsid,
		.addr		= addr,
		.data_len	= len,
		.cdw10		= pos / BLOCK,
		.cdw12		= len ? len / BLOCK - 1 : 0,
	};

	return prep_cmd(ns, NVME_URING_CMD_IO, &cmd, slot);
}

static int command(int op, u64 addr, u32 len, u64 pos, unsigned int slot)
{
	prep(op, addr, len, pos, slot);
	return ring_run(&ring);
}

static void fill_disk(u64 pos)
{
	pat_fill(buf, LEN, FOR_DISK, pos);
	file_write(disk, buf, LEN, pos);
}

static void fill_pages(void)
{
	pat_fill(buf, BUF_LEN, FOR_PAGES, 0);
	lender_write(lender, 0, 0, buf, BUF_LEN);
}

static void disk_is(u64 pos, u32 seed, u64 at, const char *what)
{
	file_read(disk, buf, LEN, pos);
	pat_is(buf, LEN, seed, at, "%s: the disk at %llu", what, (unsigned long long)pos);
}

/* Of the lent buffer, LEN bytes at @off are @seed from @at on, the others as filled. */
static void pages_are(u32 off, u32 seed, u64 at, const char *what)
{
	lender_read(lender, 0, 0, buf, BUF_LEN);
	pat_is(buf, off, FOR_PAGES, 0, "%s: before %u", what, off);
	pat_is(buf + off, LEN, seed, at, "%s: at %u", what, off);
	pat_is(buf + off + LEN, BUF_LEN - off - LEN, FOR_PAGES, off + LEN, "%s: behind", what);
}

static void lend(const struct shape *s, u32 dir)
{
	lender_setup(lender, 0, &(struct lend_spec){ .segs = s->segs, .nr_segs = s->nr,
						  .dir = dir });
	fill_pages();
	res_is(lent_register(&ring, lender, LEND_TEST_POS(0, 0), 0, 0), BUF_LEN, "%s", s->name);
}

static void unlend(void)
{
	u64 n = lender_stats(lender, 0).lent;

	res_is(lent_unregister(&ring, 0), 0, "giving back");
	lender_released(lender, 0, n, SOON_MS);
}

Test(nvme, a_lent_buffer_is_written_and_read_from_any_offset_on)
{
	static const u32 offsets[] = { 0, 4096, 8192, 512 };

	for (unsigned int i = 0; i < NR_SHAPES; i++) {
		lend(&shapes[i], 0);
		for (unsigned int j = 0; j < NR_POS; j++) {
			u64 pos = (1 + i * NR_POS + j) * LEN;
			u32 off = offsets[j];

			fill_disk(pos);
			res_is(command(NVME_WRITE, off, LEN, pos, 0), 0, "%s, write from %u",
			       shapes[i].name, off);
			disk_is(pos, FOR_PAGES, off, shapes[i].name);
			fill_disk(pos);
			res_is(command(NVME_READ, off, LEN, pos, 0), 0, "%s, read to %u",
			       shapes[i].name, off);
			pages_are(off, FOR_DISK, pos, shapes[i].name);
			fill_pages();
		}
		unlend();
	}
}

Test(nvme, a_command_in_a_worker_finds_its_buffer_too)
{
	lend(&shapes[1], 0);
	fill_disk(0);
	prep(NVME_READ, 0, LEN, 0, 0)->flags = IOSQE_ASYNC;
	res_is(ring_run(&ring), 0, "read");
	pages_are(0, FOR_DISK, 0, "read");
	unlend();
}

Test(nvme, register_command_unregister_in_one_submission)
{
	int res[3];

	lender_setup(lender, 0, &(struct lend_spec){ .segs = pages, .nr_segs = 8 });
	for (unsigned int round = 0; round < 20; round++) {
		struct io_uring_sqe *sqe = ring_sqe(&ring);

		fill_disk(0);
		fill_pages();
		lent_prep_register(sqe, lender, LEND_TEST_POS(0, 0), 0, 0, 0);
		prep(NVME_READ, 0, LEN, 0, 0)->user_data = 1;
		sqe = ring_sqe(&ring);
		lent_prep_unregister(sqe, 0);
		sqe->user_data = 2;
		ring_submit(&ring);
		ring_reap(&ring, res, 3);
		res_is(res[0], BUF_LEN, "register");
		res_is(res[1], 0, "read");
		res_is(res[2], 0, "unregister");
		pages_are(0, FOR_DISK, 0, "read");
		lender_released(lender, 0, round + 1, SOON_MS);
	}
}

Test(nvme, the_direction_is_the_buffers)
{
	lend(&shapes[1], LEND_TEST_SOURCE);
	fill_disk(0);
	for (u32 off = 0; off <= 4096; off += 4096) {
		res_is(command(NVME_READ, off, LEN, 0, 0), -EFAULT, "read into a source, %u", off);
		pages_are(off, FOR_PAGES, off, "a source");
	}
	res_is(command(NVME_WRITE, 0, LEN, 0, 0), 0, "write from a source");
	disk_is(0, FOR_PAGES, 0, "write from a source");
	unlend();

	lend(&shapes[1], LEND_TEST_DEST);
	fill_disk(0);
	for (u32 off = 0; off <= 4096; off += 4096) {
		res_is(command(NVME_WRITE, off, LEN, 0, 0), -EFAULT, "write from a destination, %u",
		       off);
		disk_is(0, FOR_DISK, 0, "a destination");
	}
	res_is(command(NVME_READ, 0, LEN, 0, 0), 0, "read into a destination");
	pages_are(0, FOR_DISK, 0, "read into a destination");
	unlend();
}

Test(nvme, a_command_without_its_buffer_is_refused)
{
	fill_disk(0);
	res_is(command(NVME_WRITE, 0, LEN, 0, 1), -EFAULT, "an empty slot");
	res_is(command(NVME_READ, 0, LEN, 0, 1), -EFAULT, "an empty slot");
	res_is(command(NVME_READ, 0, LEN, 0, 4), -EFAULT, "a slot out of range");
	lend(&shapes[0], 0);
	res_is(command(NVME_WRITE, BUF_LEN - LEN + 512, LEN, 0, 0), -EFAULT, "past the end");
	res_is(command(NVME_WRITE, 0, BUF_LEN + 512, 0, 0), -EFAULT, "too long");
	res_is(command(NVME_WRITE, -512ULL, LEN, 0, 0), -EFAULT, "before its start");
	disk_is(0, FOR_DISK, 0, "after what was refused");
	/* nothing to move: none is needed */
	res_is(command(NVME_FLUSH, 0, 0, 0, 0), 0, "flush");
	unlend();
}

Test(nvme, a_buffer_of_user_space_is_used_at_its_address)
{
	struct iovec iov = { .iov_base = page_alloc(BUF_LEN), .iov_len = BUF_LEN };
	u8 *user = iov.iov_base;

	res_is(ring_update(&ring, 2, &iov, NULL, 1), 1, "user buffer");
	for (u32 off = 0; off <= 4096; off += 4096) {
		fill_disk(0);
		pat_fill(user, BUF_LEN, FOR_PAGES, 0);
		res_is(command(NVME_WRITE, (uintptr_t)user + off, LEN, 0, 2), 0, "write");
		disk_is(0, FOR_PAGES, off, "write");
		fill_disk(0);
		res_is(command(NVME_READ, (uintptr_t)user + off, LEN, 0, 2), 0, "read");
		pat_is(user + off, LEN, FOR_DISK, 0, "read");
		res_is(command(NVME_READ, off, LEN, 0, 2), -EFAULT, "address %u", off);
		res_is(command(NVME_WRITE, off, LEN, 0, 2), -EFAULT, "address %u", off);
	}
}

/* The controller's own device takes commands as well. */
Test(nvme, identify_fills_a_lent_buffer)
{
	struct nvme_uring_cmd cmd = { .opcode = NVME_IDENTIFY, .data_len = 4096, .cdw10 = 1 };

	lend(&shapes[0], 0);
	for (cmd.addr = 0; cmd.addr <= 4096; cmd.addr += 4096) {
		prep_cmd(controller, NVME_URING_CMD_ADMIN, &cmd, 0);
		res_is(ring_run(&ring), 0, "identify");
		lender_read(lender, 0, cmd.addr, buf, 64);
		/* bytes 4 to 23 of what a controller says of itself */
		mem_is(buf + 4, SERIAL, strlen(SERIAL), "the serial number");
	}
	unlend();
}
