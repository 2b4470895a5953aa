// SPDX-License-Identifier: GPL-2.0
/*
 * Any range of a lent buffer, whatever its segments, reaches the right bytes and no
 * others.  The model is the buffer as one run of bytes.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_alg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lender.h"
#include "pattern.h"
#include "ring.h"
#include "tleg.h"
#include "tmpfile.h"

#define SECTOR	512
#define BATCH	32	/* requests in flight */
#define STRIDE	65536	/* of the file, for each of them */
#define MAX_LEN	65536

/* A lent buffer: @len bytes from @from on of the segments behind @skip. */
struct layout {
	const char *name;
	struct lend_test_seg segs[24];
	unsigned int nr_segs;
	u32 skip;
	u32 from;
	u32 len;
};

static const struct layout layouts[] = {
	{ "unequal", { { 0, 512 }, { 0, 4096 }, { 512, 1536 }, { 0, 8192 }, { 2048, 512 },
		       { 0, 4096 } }, 6, 0, 0, 18944 },
	{ "starts inside a segment", { { 1024, 4096 }, { 0, 512 }, { 512, 9216 } }, 3,
	  1536, 0, 12288 },
	{ "part of a buffer", { { 0, 4096 }, { 512, 1024 }, { 0, 4096 }, { 1024, 8192 } }, 4,
	  0, 2560, 9216 },
	{ "part of one that starts inside", { { 0, 12288 }, { 512, 512 }, { 0, 4096 } }, 3,
	  512, 4608, 9216 },
	{ "6 x 4 KiB and 12 KiB", { { 0, 4096 }, { 0, 4096 }, { 0, 4096 }, { 0, 4096 },
				    { 0, 4096 }, { 0, 4096 }, { 0, 12288 } }, 7, 0, 0, 36864 },
};
#define NR_LAYOUTS	(sizeof(layouts) / sizeof(layouts[0]))

static struct io_uring ring;
static int lender;
static u8 before[MAX_LEN], after[MAX_LEN], expect[MAX_LEN];

static void setup(void)
{
	ring_init(&ring, 2 * BATCH, 0);
	ring_table(&ring, 4);
	lender = lender_open();
}

static void teardown(void)
{
	io_uring_queue_exit(&ring);
	close(lender);
	tlegs_remove();
}

TestSuite(lend_ranges, .init = setup, .fini = teardown, .timeout = 120);

/* Buffer 0 is as @l says, with pattern 1 in what is lent of it, in slot 0. */
static void lend(const struct layout *l)
{
	lender_setup(lender, 0, &(struct lend_spec){ .segs = l->segs, .nr_segs = l->nr_segs,
						     .skip = l->skip });
	pat_fill(before, l->len, 1, 0);
	lender_write(lender, 0, l->from, before, l->len);
	res_is(lent_register(&ring, lender, LEND_TEST_POS(0, l->from), l->len, 0), l->len,
	       "%s", l->name);
}

static void unlend(const struct layout *l)
{
	res_is(lent_unregister(&ring, 0), 0, "%s", l->name);
	lender_is(lender, 0, lender_stats(lender, 0).lent, lender_stats(lender, 0).lent, "%s",
		  l->name);
}

static u64 slot_of_file(unsigned int i)
{
	return (u64)i * STRIDE;
}

/* Ranges on a grid, one after the other. */
struct grid {
	u32 step, size;
	u32 off, len;
};

static bool grid_next(struct grid *g)
{
	g->len += g->step;
	if (g->off + g->len > g->size) {
		g->off += g->step;
		g->len = g->step;
	}
	return g->off + g->len <= g->size;
}

/* Out of the lent buffer: up to BATCH ranges at a time, then what they wrote. */
static void write_ranges(const struct layout *l, int file, const char *what)
{
	struct grid g = { .step = SECTOR, .size = l->len };
	struct grid batch[BATCH];
	int res[BATCH];
	unsigned int nr;
	bool more = true;

	while (more) {
		for (nr = 0; nr < BATCH && (more = grid_next(&g)); nr++) {
			struct io_uring_sqe *sqe = ring_sqe(&ring);

			batch[nr] = g;
			prep_rw_fixed(sqe, IORING_OP_WRITE_FIXED, file, g.off, g.len,
				      slot_of_file(nr), 0);
			sqe->user_data = nr;
		}
		ring_submit(&ring);
		ring_reap(&ring, res, nr);
		for (unsigned int i = 0; i < nr; i++) {
			res_is(res[i], batch[i].len, "%s: %s: write %u bytes from %u", what,
			       l->name, batch[i].len, batch[i].off);
			file_read(file, after, batch[i].len, slot_of_file(i));
			mem_is(after, before + batch[i].off, batch[i].len,
			       "%s: %s: wrote %u bytes from %u", what, l->name, batch[i].len,
			       batch[i].off);
		}
	}
}

/* The lent bytes are pattern 1, but for @len from @off on: they are pattern 2 from 0 on. */
static void only_range_changed(const struct layout *l, u32 off, u32 len, const char *what)
{
	memcpy(expect, before, l->len);
	pat_fill(expect + off, len, 2, 0);
	lender_read(lender, 0, l->from, after, l->len);
	mem_is(after, expect, l->len, "%s: %s: read %u bytes to %u", what, l->name, len, off);
	/* as it was */
	lender_write(lender, 0, l->from + off, before + off, len);
}

/* Into the lent buffer: one range at a time, then all of the buffer. */
static void read_ranges(const struct layout *l, int file, const char *what)
{
	struct grid g = { .step = SECTOR, .size = l->len };
	void *data = page_alloc(MAX_LEN);

	pat_fill(data, MAX_LEN, 2, 0);
	file_write(file, data, MAX_LEN, 0);
	while (grid_next(&g)) {
		res_is(rw_fixed(&ring, IORING_OP_READ_FIXED, file, g.off, g.len, 0, 0), g.len,
		       "%s: %s: read %u bytes to %u", what, l->name, g.len, g.off);
		only_range_changed(l, g.off, g.len, what);
	}
}

static void all_layouts(int file, const char *what)
{
	for (unsigned int i = 0; i < NR_LAYOUTS; i++) {
		lend(&layouts[i]);
		write_ranges(&layouts[i], file, what);
		read_ranges(&layouts[i], file, what);
		unlend(&layouts[i]);
	}
}

/* The same on a disk, where what a request wrote is read back before the next. */
static void all_layouts_on_disk(int disk, const char *what)
{
	for (unsigned int i = 0; i < NR_LAYOUTS; i++) {
		const struct layout *l = &layouts[i];
		struct grid g = { .step = SECTOR, .size = l->len };
		u8 *page = page_alloc(MAX_LEN);

		lend(l);
		while (grid_next(&g)) {
			res_is(rw_fixed(&ring, IORING_OP_WRITE_FIXED, disk, g.off, g.len, 0, 0),
			       g.len,
			       "%s: %s: write %u bytes from %u", what, l->name, g.len, g.off);
			file_read(disk, page, g.len, 0);
			mem_is(page, before + g.off, g.len, "%s: %s: wrote %u bytes from %u", what,
			       l->name, g.len, g.off);
		}
		read_ranges(l, disk, what);
		unlend(l);
	}
}

Test(lend_ranges, every_sector_range_of_a_buffered_file)
{
	int file = file_mem(BATCH * STRIDE);

	all_layouts(file, "file in memory");
	close(file);
}

Test(lend_ranges, every_sector_range_of_a_disk_without_queue)
{
	all_layouts_on_disk(disk_ram(0), "ram disk");
}

Test(lend_ranges, every_sector_range_of_a_disk_that_splits, .timeout = 240)
{
	struct null_disk opt = { .max_sectors = 8 };

	/* requests of 4 KiB: bios are split inside of segments */
	tleg_null(0, &opt);
	all_layouts_on_disk(tleg_open(0, O_RDWR | O_DIRECT), "null_blk, 8 sectors");
}

/*
 * Consumers that extract pages, or clone the table, took the number of segments for
 * the size of what they got, and went round for ever when the range began inside of
 * a segment and ended inside of another.
 */
Test(lend_ranges, a_buffer_split_in_two_halves_ends)
{
	const struct layout *l = &layouts[4];
	const char *disk = tleg_null(0, NULL);
	int loop_file = file_mem(4 << 20);
	const struct { const char *name; int fd; } disks[] = {
		{ "ram disk", disk_ram(0) },
		{ "loop", disk_loop(loop_file, O_DIRECT) },
		{ "null_blk", file_open(disk, O_RDWR | O_DIRECT) },
		{ "file in memory", loop_file },
	};
	u32 half = l->len / 2;
	u8 *page = page_alloc(MAX_LEN);

	for (unsigned int i = 0; i < sizeof(disks) / sizeof(disks[0]); i++) {
		int fd = disks[i].fd;

		lend(l);
		for (unsigned int n = 0; n < 2; n++) {
			res_is(rw_fixed(&ring, IORING_OP_WRITE_FIXED, fd, n * half, half,
					n * half, 0), half, "%s: write half %u", disks[i].name, n);
		}
		file_read(fd, page, l->len, 0);
		mem_is(page, before, l->len, "%s: both halves written", disks[i].name);
		pat_fill(page, l->len, 2, 0);
		file_write(fd, page, l->len, 0);
		for (unsigned int n = 0; n < 2; n++) {
			res_is(rw_fixed(&ring, IORING_OP_READ_FIXED, fd, n * half, half,
					n * half, 0), half, "%s: read half %u", disks[i].name, n);
		}
		lender_read(lender, 0, 0, after, l->len);
		pat_is(after, l->len, 2, 0, "%s: both halves read", disks[i].name);
		unlend(l);
	}
}

Test(lend_ranges, every_range_of_a_loop_device)
{
	all_layouts_on_disk(disk_loop(file_mem(4 << 20), O_DIRECT), "loop");
}

/* Each write to it gives the four bytes that the next read gets. */
static int hash_open(void)
{
	const struct sockaddr_alg name = { .salg_family = AF_ALG, .salg_type = "hash",
					   .salg_name = "crc32c" };
	int alg = socket(AF_ALG, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), fd;

	need(alg >= 0, "no kernel with CONFIG_CRYPTO_USER_API_HASH");
	need(!bind(alg, (const struct sockaddr *)&name, sizeof(name)), "no crc32c in the kernel");
	fd = accept4(alg, NULL, NULL, SOCK_CLOEXEC);
	must(fd >= 0, "accept: %s", strerror(errno));
	close(alg);
	return fd;
}

static u32 hash_read(int fd)
{
	u32 hash;

	must(read(fd, &hash, sizeof(hash)) == sizeof(hash), "no hash: %s", strerror(errno));
	return hash;
}

/*
 * Hashing goes by segments: while the iterator says that bytes are left it takes as many
 * as there are, and it takes them whole.  So each range here ends with a segment.
 */
static void hash_ranges(const struct layout *l, int fd, u32 end)
{
	for (u32 off = 0; off < end; off += SECTOR / 2) {
		u32 len = end - off, hash;

		must(write(fd, before + off, len) == len, "write: %s", strerror(errno));
		hash = hash_read(fd);
		res_is(rw_fixed(&ring, IORING_OP_WRITE_FIXED, fd, off, len, 0, 0), len,
		       "%s: hash %u bytes from %u", l->name, len, off);
		cr_assert_eq(hash_read(fd), hash, "%s: %u bytes from %u", l->name, len, off);
	}
}

Test(lend_ranges, a_hash_gets_every_segment)
{
	int fd = hash_open();

	for (unsigned int n = 0; n < NR_LAYOUTS; n++) {
		const struct layout *l = &layouts[n];
		long end = -(long)l->skip - l->from;

		lend(l);
		for (unsigned int s = 0; s < l->nr_segs; s++) {
			end += l->segs[s].len;
			if (end > 0 && end <= l->len)
				hash_ranges(l, fd, end);
		}
		unlend(l);
	}
	close(fd);
}

/* Coarse, and not on sectors: sockets and commands have no blocks. */
static u32 odd_ranges(const struct layout *l, unsigned int i, u32 *len)
{
	static const u32 edges[] = { 0, 1, 511, 512, 513, 1535, 1536, 2560, 4095, 4096, 4608,
				     5000, 9000, 9215, 9216 };
	unsigned int nr = sizeof(edges) / sizeof(edges[0]);
	u32 off = edges[i / nr % nr], end = off + edges[i % nr];

	if (off > l->len)
		off = l->len;
	if (end > l->len)
		end = l->len;
	*len = end - off;
	return off;
}
#define NR_ODD	(15 * 15)

Test(lend_ranges, commands_reach_any_range)
{
	for (unsigned int n = 0; n < NR_LAYOUTS; n++) {
		const struct layout *l = &layouts[n];

		lender_simple(lender, 1, MAX_LEN);
		lend(l);
		for (unsigned int i = 0; i < NR_ODD; i++) {
			struct lend_move m = { .index = 1, .offset = i, .op = LEND_TEST_CMD_DRAIN };
			u32 len;

			m.addr = odd_ranges(l, i, &len);
			m.len = len;
			res_is(lender_move(&ring, lender, &m), len, "%s: drain %u bytes from %llu",
			       l->name, len, (unsigned long long)m.addr);
			lender_read(lender, 1, i, after, len);
			mem_is(after, before + m.addr, len, "%s: drained %u bytes from %llu",
			       l->name, len, (unsigned long long)m.addr);

			pat_fill(after, len, 2, 0);
			lender_write(lender, 1, i, after, len);
			m.op = LEND_TEST_CMD_FILL;
			res_is(lender_move(&ring, lender, &m), len, "%s: fill %u bytes at %llu",
			       l->name, len, (unsigned long long)m.addr);
			only_range_changed(l, m.addr, len, "fill");
		}
		unlend(l);
	}
}

Test(lend_ranges, sends_reach_any_range)
{
	struct tcp_pair tcp;

	tcp_pair(&tcp, 4 << 20, 0);
	for (unsigned int n = 0; n < NR_LAYOUTS; n++) {
		const struct layout *l = &layouts[n];

		lend(l);
		for (unsigned int i = 0; i < NR_ODD; i++) {
			u32 len, off = odd_ranges(l, i, &len);
			struct done done, notif;

			prep_send_fixed(ring_sqe(&ring), tcp.tx, off, len, 0);
			ring_submit(&ring);
			must(ring_next(&ring, &done, SOON_MS), "%s: send does not complete",
			     l->name);
			res_is(done.res, len, "%s: send %u bytes from %u", l->name, len, off);
			tcp_read(tcp.rx, after, len);
			mem_is(after, before + off, len, "%s: sent %u bytes from %u", l->name, len,
			       off);
			must(ring_next(&ring, &notif, SOON_MS) && (notif.data & RING_NOTIF),
			     "%s: no notification", l->name);
		}
		unlend(l);
	}
}

Test(lend_ranges, buffered_io_reaches_any_byte_range)
{
	int file = file_mem(BATCH * STRIDE);

	for (unsigned int n = 0; n < NR_LAYOUTS; n++) {
		const struct layout *l = &layouts[n];

		lend(l);
		for (unsigned int i = 0; i < NR_ODD; i++) {
			u32 len, off = odd_ranges(l, i, &len);
			u64 pos = 3 * i;

			res_is(rw_fixed(&ring, IORING_OP_WRITE_FIXED, file, off, len, pos, 0), len,
			       "%s: write %u bytes from %u", l->name, len, off);
			file_read(file, after, len, pos);
			mem_is(after, before + off, len, "%s: wrote %u bytes from %u", l->name, len,
			       off);
			pat_fill(after, len, 2, 0);
			file_write(file, after, len, pos);
			res_is(rw_fixed(&ring, IORING_OP_READ_FIXED, file, off, len, pos, 0), len,
			       "%s: read %u bytes to %u", l->name, len, off);
			only_range_changed(l, off, len, "byte range");
		}
		unlend(l);
	}
}

Test(lend_ranges, no_bytes_are_no_bytes)
{
	const struct layout *l = &layouts[0];
	struct lend_move m = { .index = 1 };
	int file = file_mem(4096);
	struct tcp_pair tcp;

	tcp_pair(&tcp, 0, 0);
	lender_simple(lender, 1, 4096);
	lend(l);
	for (unsigned int i = 0; i < 4; i++) {
		const u32 offs[] = { 0, 1, 512, l->len };
		u32 off = offs[i];

		res_is(rw_fixed(&ring, IORING_OP_WRITE_FIXED, file, off, 0, 0, 0), 0, "write at %u",
		       off);
		res_is(rw_fixed(&ring, IORING_OP_READ_FIXED, file, off, 0, 0, 0), 0, "read at %u",
		       off);
		m.addr = off;
		m.op = LEND_TEST_CMD_FILL;
		res_is(lender_move(&ring, lender, &m), 0, "fill at %u", off);
		m.op = LEND_TEST_CMD_DRAIN;
		res_is(lender_move(&ring, lender, &m), 0, "drain at %u", off);
	}
	only_range_changed(l, 0, 0, "nothing");
	unlend(l);
}

Test(lend_ranges, a_buffer_of_256_segments)
{
	static struct lend_test_seg segs[LEND_TEST_SEGS];
	struct iovec iov;
	u32 len = 0, off, part;
	u8 *data, *back;
	int file;

	for (unsigned int i = 0; i < LEND_TEST_SEGS; i++) {
		segs[i].offset = i % 7 * SECTOR;
		segs[i].len = (1 + i * 5 % 17) * SECTOR;
		len += segs[i].len;
	}
	lender_setup(lender, 0, &(struct lend_spec){ .segs = segs, .nr_segs = LEND_TEST_SEGS });
	data = page_alloc(len);
	back = page_alloc(len);
	pat_fill(data, len, 1, 0);
	lender_write(lender, 0, 0, data, len);
	res_is(lent_register(&ring, lender, LEND_TEST_POS(0, 0), 0, 0), len, "register");
	file = disk_ram(0);
	res_is(rw_fixed(&ring, IORING_OP_WRITE_FIXED, file, 0, len, 0, 0), len, "all of it");
	file_read(file, back, len, 0);
	mem_is(back, data, len, "all of it");
	srandom(1);
	for (unsigned int i = 0; i < 500; i++) {
		off = random() % (len / SECTOR) * SECTOR;
		part = (1 + random() % ((len - off) / SECTOR)) * SECTOR;
		res_is(rw_fixed(&ring, IORING_OP_WRITE_FIXED, file, off, part, 0, 0), part,
		       "write %u bytes from %u", part, off);
		file_read(file, back, part, 0);
		mem_is(back, data + off, part, "wrote %u bytes from %u", part, off);
	}
	/* a table of the greatest number of segments beside one of user space */
	iov.iov_base = data;
	iov.iov_len = len;
	res_is(ring_update(&ring, 1, &iov, NULL, 1), 1, "user buffer");
	res_is(rw_fixed(&ring, IORING_OP_WRITE_FIXED, file, (uintptr_t)data + 512, 4096, 0, 1),
	       4096, "user buffer");
	file_read(file, back, 4096, 0);
	mem_is(back, data + 512, 4096, "user buffer");
}
