// SPDX-License-Identifier: GPL-2.0
/*
 * READV_FIXED and WRITEV_FIXED: the parts of a buffer that a vector names, in its order,
 * and no other bytes; of lent buffers and of those of user space.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fail.h"
#include "lender.h"
#include "pattern.h"
#include "ring.h"
#include "tleg.h"
#include "tmpfile.h"

#define SECTOR	512
#define LEN	18944	/* of each buffer */
#define SLOTS	8
#define VEC_MAX	1024	/* parts of one request: UIO_MAXIOV */
#define READV	RING_OP_READV_FIXED
#define WRITEV	RING_OP_WRITEV_FIXED

/* Where a buffer is, and what a vector's addresses count from. */
struct kind {
	const char *name;
	unsigned int slot;
	u8 *base;	/* NULL: lent */
};
enum { LENT, USER, HUGE_PAGE, NR_KINDS };

static struct kind kinds[NR_KINDS] = {
	[LENT]		= { "lent", 0 },
	[USER]		= { "user", 1 },
	[HUGE_PAGE]	= { "user, huge page", 2 },
};

static struct io_uring ring;
static int lender;
static u8 before[LEN], after[LEN], expect[LEN];

static void buf_write(const struct kind *k, u32 off, const void *data, u32 len)
{
	if (k->base)
		memcpy(k->base + off, data, len);
	else
		lender_write(lender, 0, off, data, len);
}

static void buf_read(const struct kind *k, void *data)
{
	if (k->base)
		memcpy(data, k->base, LEN);
	else
		lender_read(lender, 0, 0, data, LEN);
}

static void lend(struct io_uring *r)
{
	res_is(lent_register(r, lender, LEND_TEST_POS(0, 0), 0, kinds[LENT].slot), LEN, "lend");
}

static void fill_table(struct io_uring *r)
{
	ring_table(r, SLOTS);
	lend(r);
	for (unsigned int i = USER; i < NR_KINDS; i++) {
		struct iovec iov = { .iov_base = kinds[i].base, .iov_len = LEN };

		res_is(ring_update(r, kinds[i].slot, &iov, NULL, 1), 1, "%s", kinds[i].name);
	}
}

static void setup(void)
{
	static const struct lend_test_seg segs[] = {
		{ 0, 512 }, { 0, 4096 }, { 512, 1536 }, { 0, 8192 }, { 2048, 512 }, { 0, 4096 },
	};

	ring_init(&ring, 64, 0);
	lender = lender_open();
	lender_setup(lender, 0, &(struct lend_spec){ .segs = segs, .nr_segs = 6 });
	kinds[USER].base = (u8 *)page_alloc(LEN + 4096) + SECTOR;
	kinds[HUGE_PAGE].base = (u8 *)huge_page_alloc() + 3 * SECTOR;
	fill_table(&ring);
	pat_fill(before, LEN, 1, 0);
	for (unsigned int i = 0; i < NR_KINDS; i++)
		buf_write(&kinds[i], 0, before, LEN);
}

static void teardown(void)
{
	io_uring_queue_exit(&ring);
	close(lender);
	tlegs_remove();
}

TestSuite(lend_vectors, .init = setup, .fini = teardown, .timeout = 240);

/* Parts of a buffer, as offsets in it. */
struct part {
	u32 off, len;
};

static void make_vec(const struct kind *k, const struct part *parts, unsigned int nr,
		     struct iovec *iov)
{
	for (unsigned int i = 0; i < nr; i++)
		iov[i] = (struct iovec){ .iov_base = k->base + parts[i].off,
					 .iov_len = parts[i].len };
}

static u32 bytes_of(const struct part *parts, unsigned int nr)
{
	u32 len = 0;

	for (unsigned int i = 0; i < nr; i++)
		len += parts[i].len;
	return len;
}

static bool overlap(const struct part *parts, unsigned int nr)
{
	for (unsigned int i = 0; i < nr; i++) {
		for (unsigned int j = 0; j < i; j++) {
			if (parts[i].off < parts[j].off + parts[j].len &&
			    parts[j].off < parts[i].off + parts[i].len)
				return true;
		}
	}
	return false;
}

/* The buffer's parts, which hold @before, get to @file. */
static void write_parts(const struct kind *k, int file, const struct part *parts, unsigned int nr,
			const char *what)
{
	static struct iovec iov[VEC_MAX];
	u32 len = bytes_of(parts, nr), at = 0;
	static u8 *data;

	if (!data)
		data = page_alloc(VEC_MAX * 1024);
	make_vec(k, parts, nr, iov);
	res_is(rwv_fixed(&ring, WRITEV, file, iov, nr, 0, k->slot), len, "%s: %s: write %u parts",
	       what, k->name, nr);
	file_read(file, data, len, 0);
	for (unsigned int i = 0; i < nr; i++) {
		mem_is(data + at, before + parts[i].off, parts[i].len,
		       "%s: %s: wrote part %u of %u, %u bytes from %u", what, k->name, i, nr,
		       parts[i].len, parts[i].off);
		at += parts[i].len;
	}
}

/* What @file holds, pattern 2, gets to the parts: their first @len bytes. */
static void parts_hold(const struct kind *k, const struct part *parts, unsigned int nr, u32 len,
		       const char *what)
{
	u32 at = 0;

	memcpy(expect, before, LEN);
	for (unsigned int i = 0; i < nr && at < len; i++) {
		u32 part = parts[i].len < len - at ? parts[i].len : len - at;

		pat_fill(expect + parts[i].off, part, 2, at);
		at += part;
	}
	buf_read(k, after);
	mem_is(after, expect, LEN, "%s: %s: read %u bytes to %u parts", what, k->name, len, nr);
	buf_write(k, 0, before, LEN);
}

static void read_parts(const struct kind *k, int file, const struct part *parts, unsigned int nr,
		       const char *what)
{
	static struct iovec iov[VEC_MAX];
	u32 len = bytes_of(parts, nr);

	make_vec(k, parts, nr, iov);
	res_is(rwv_fixed(&ring, READV, file, iov, nr, 0, k->slot), len, "%s: %s: read %u parts",
	       what, k->name, nr);
	parts_hold(k, parts, nr, len, what);
}

/* @file holds pattern 2. */
static void fill_file(int file, size_t len)
{
	void *data = page_alloc(len);

	pat_fill(data, len, 2, 0);
	file_write(file, data, len, 0);
	munmap(data, len);
}

/* Edges of segments, of sectors and between, one and several segments long. */
static const struct part grid[] = {
	{ 0, 512 }, { 0, 1024 }, { 512, 4096 }, { 512, 4608 }, { 1536, 1024 }, { 3584, 2048 },
	{ 4096, 512 }, { 4608, 1536 }, { 5120, 9216 }, { 6144, 8192 }, { 6656, 512 },
	{ 13824, 1024 }, { 14336, 512 }, { 14848, 4096 }, { 18432, 512 }, { 0, LEN },
};
#define NR_GRID	(sizeof(grid) / sizeof(grid[0]))

static void every_pair(int file, const char *what)
{
	for (unsigned int n = 0; n < NR_KINDS; n++) {
		for (unsigned int i = 0; i < NR_GRID * NR_GRID; i++) {
			const struct part parts[] = { grid[i / NR_GRID], grid[i % NR_GRID] };

			write_parts(&kinds[n], file, parts, 2, what);
		}
		fill_file(file, 4 * LEN);
		for (unsigned int i = 0; i < NR_GRID * NR_GRID; i++) {
			const struct part parts[] = { grid[i / NR_GRID], grid[i % NR_GRID] };

			/* which of both is there in the end is nobody's promise */
			if (!overlap(parts, 2))
				read_parts(&kinds[n], file, parts, 2, what);
		}
	}
}

Test(lend_vectors, every_pair_of_parts_of_a_buffered_file)
{
	every_pair(file_mem(4 * LEN), "file in memory");
}

Test(lend_vectors, every_pair_of_parts_of_a_disk_without_queue)
{
	every_pair(disk_ram(0), "ram disk");
}

Test(lend_vectors, every_pair_of_parts_of_a_disk_that_splits)
{
	struct null_disk opt = { .max_sectors = 8 };

	tleg_null(0, &opt);
	every_pair(tleg_open(0, O_RDWR | O_DIRECT), "null_blk, 8 sectors");
}

/* Segments that do not fill pages are bounced or split off. */
Test(lend_vectors, every_pair_of_parts_of_a_disk_with_page_boundaries)
{
	struct null_disk opt = { .virt_boundary = true };

	tleg_null(0, &opt);
	every_pair(tleg_open(0, O_RDWR | O_DIRECT), "null_blk, virt_boundary");
}

Test(lend_vectors, every_pair_of_parts_of_a_loop_device)
{
	every_pair(disk_loop(file_mem(4 << 20), O_DIRECT), "loop");
}

/* Up to 16 parts on a grid of @unit; for reading none that overlap. */
static unsigned int random_parts(struct part *parts, u32 unit, bool apart)
{
	unsigned int want = 1 + random() % 16, nr = 0;

	for (unsigned int tries = 0; nr < want && tries < 100; tries++) {
		u32 len = 1 + random() % (random() % 4 ? 900 / unit + 2 : 8000 / unit);
		u32 off = random() % (LEN / unit);

		if (len > LEN / unit - off)
			len = LEN / unit - off;
		parts[nr] = (struct part){ off * unit, len * unit };
		if (!apart || !overlap(parts, nr + 1))
			nr++;
	}
	return nr;
}

static void random_vectors(int file, u32 unit, const char *what)
{
	struct part parts[16];

	srandom(1);
	for (unsigned int i = 0; i < 150 * NR_KINDS; i++)
		write_parts(&kinds[i % NR_KINDS], file, parts, random_parts(parts, unit, false),
			    what);
	fill_file(file, 4 * LEN);
	for (unsigned int i = 0; i < 150 * NR_KINDS; i++)
		read_parts(&kinds[i % NR_KINDS], file, parts, random_parts(parts, unit, true),
			   what);
}

Test(lend_vectors, random_vectors_of_bytes)
{
	random_vectors(file_mem(16 * LEN), 1, "file in memory");
}

Test(lend_vectors, random_vectors_of_sectors)
{
	random_vectors(disk_ram(0), SECTOR, "ram disk");
}

Test(lend_vectors, as_many_parts_as_there_may_be)
{
	static struct part parts[VEC_MAX];
	static struct iovec iov[VEC_MAX + 1];
	int file = file_mem(VEC_MAX * 1024);

	for (unsigned int i = 0; i < VEC_MAX; i++)
		parts[i] = (struct part){ i * 18, 1 + i % 18 };
	for (unsigned int n = 0; n < NR_KINDS; n++) {
		const struct kind *k = &kinds[n];

		write_parts(k, file, parts, VEC_MAX, "1024 parts");
		fill_file(file, VEC_MAX * 1024);
		read_parts(k, file, parts, VEC_MAX, "1024 parts");
		make_vec(k, parts, VEC_MAX, iov);
		iov[VEC_MAX] = iov[0];
		for (int op = READV; op <= WRITEV; op++) {
			res_is(rwv_fixed(&ring, op, file, iov, VEC_MAX + 1, 0, k->slot), -EINVAL,
			       "%s: one too many", k->name);
			res_is(rwv_fixed(&ring, op, file, iov, UINT_MAX, 0, k->slot), -EINVAL,
			       "%s: far too many", k->name);
		}
	}
	/* all of it again and again: many segments of many parts */
	for (unsigned int i = 0; i < VEC_MAX; i++)
		iov[i] = (struct iovec){ .iov_len = LEN };
	res_is(rwv_fixed(&ring, WRITEV, open("/dev/null", O_WRONLY), iov, VEC_MAX, 0, 0),
	       VEC_MAX * LEN, "1024 times all of it");
}

Test(lend_vectors, no_parts_are_no_bytes)
{
	int file = file_mem(LEN);

	for (unsigned int n = 0; n < NR_KINDS; n++) {
		res_is(rwv_fixed(&ring, WRITEV, file, NULL, 0, 0, kinds[n].slot), 0, "write");
		res_is(rwv_fixed(&ring, READV, file, NULL, 0, 0, kinds[n].slot), 0, "read");
		parts_hold(&kinds[n], NULL, 0, 0, "nothing");
	}
}

/* One vector and what it is refused with, on both kinds of buffers. */
struct refusal {
	const char *why;
	int res;
	struct { u64 off, len; } parts[3];
	unsigned int nr;
};

static const struct refusal refusals[] = {
	{ "an empty part",		-EFAULT, { { 0, 0 } }, 1 },
	{ "an empty part among others",	-EFAULT, { { 0, 512 }, { 512, 0 }, { 1024, 512 } }, 3 },
	{ "an empty part at the end",	-EFAULT, { { 0, 512 }, { LEN, 0 } }, 2 },
	{ "an empty part outside",	-EFAULT, { { 0, 512 }, { LEN + 4096, 0 } }, 2 },
	{ "one byte too many",		-EFAULT, { { 0, LEN + 1 } }, 1 },
	{ "the first part outside",	-EFAULT, { { LEN, 1 }, { 0, 512 } }, 2 },
	{ "the second part outside",	-EFAULT, { { 0, 512 }, { LEN, 1 } }, 2 },
	{ "the last part outside",	-EFAULT, { { 0, 512 }, { 512, 512 }, { LEN - 511, 512 } }, 3 },
	{ "begins before",		-EFAULT, { { 0, 512 }, { -1ULL, 2 } }, 2 },
	{ "all of it before",		-EFAULT, { { -512ULL, 512 } }, 1 },
	{ "4 GiB behind",		-EFAULT, { { 1ULL << 32, 512 } }, 1 },
	{ "4 GiB long",			-EFAULT, { { 0, 1ULL << 32 } }, 1 },
	{ "of the largest length",	-EFAULT, { { 512, LONG_MAX } }, 1 },
	{ "a negative length",		-EINVAL, { { 0, -1ULL } }, 1 },
	{ "a second negative length",	-EINVAL, { { 0, 512 }, { 0, -512ULL } }, 2 },
	/* one alone is refused for its range: the sum would be 0 */
	{ "a sum that overflows",	-EFAULT, { { 0, LONG_MAX }, { 0, LONG_MAX }, { 0, 2 } }, 3 },
};

static void vec_is_refused(const struct kind *k, const struct refusal *r, int file)
{
	struct iovec iov[3];

	for (unsigned int i = 0; i < r->nr; i++)
		iov[i] = (struct iovec){ .iov_base = (void *)((uintptr_t)k->base + r->parts[i].off),
					 .iov_len = r->parts[i].len };
	for (u32 flags = 0; flags <= IOSQE_ASYNC; flags += IOSQE_ASYNC) {
		for (int op = READV; op <= WRITEV; op++) {
			struct io_uring_sqe *sqe = ring_sqe(&ring);

			prep_rwv_fixed(sqe, op, file, iov, r->nr, 0, k->slot);
			sqe->flags = flags;
			res_is(ring_run(&ring), r->res, "%s: opcode %d: %s", k->name, op, r->why);
		}
	}
}

Test(lend_vectors, wrong_parts_are_refused_and_nothing_is_moved)
{
	int file = file_mem(2 * LEN);
	u8 *data = page_alloc(2 * LEN);

	fill_file(file, 2 * LEN);
	for (unsigned int n = 0; n < NR_KINDS; n++) {
		for (unsigned int i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++)
			vec_is_refused(&kinds[n], &refusals[i], file);
		parts_hold(&kinds[n], NULL, 0, 0, "refused");
	}
	file_read(file, data, 2 * LEN, 0);
	pat_is(data, 2 * LEN, 2, 0, "the file");
	res_is(lent_unregister(&ring, 0), 0, "unregister");
	lender_released_in(&ring, lender, 0, 1, SOON_MS);
}

/* @bytes together are more than any request has: of a buffer of 64 MiB */
Test(lend_vectors, more_bytes_than_a_request_has_are_refused)
{
	enum { BIG = 64 << 20, MANY = 32 };
	struct iovec iov[MANY], big = { .iov_len = BIG };
	int null = open("/dev/null", O_WRONLY);

	big.iov_base = mmap(NULL, BIG, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	must(big.iov_base != MAP_FAILED, "mmap: %s", strerror(errno));
	res_is(ring_update(&ring, 3, &big, NULL, 1), 1, "the buffer");
	for (unsigned int i = 0; i < MANY; i++)
		iov[i] = big;
	res_is(rwv_fixed(&ring, WRITEV, null, iov, MANY, 0, 3), -EINVAL, "2 GiB");
	iov[0].iov_len -= 4096;
	res_is(rwv_fixed(&ring, WRITEV, null, iov, MANY, 0, 3), 0x7ffff000, "4096 bytes less");
	iov[0].iov_len++;
	res_is(rwv_fixed(&ring, WRITEV, null, iov, MANY, 0, 3), -EINVAL, "a byte too many");
	munmap(big.iov_base, BIG);
}

Test(lend_vectors, what_is_no_vector_slot_or_file_is_refused)
{
	struct iovec iov = { .iov_len = 512 };
	int file = file_mem(LEN), zero = open("/dev/zero", O_RDONLY);
	struct io_uring_sqe *sqe;

	for (int op = READV; op <= WRITEV; op++) {
		res_is(rwv_fixed(&ring, op, file, (void *)16, 1, 0, 0), -EFAULT, "no vector");
		res_is(rwv_fixed(&ring, op, file, (void *)-4096UL, 1, 0, 0), -EFAULT, "no vector");
		res_is(rwv_fixed(&ring, op, file, &iov, 1, 0, 4), -EFAULT, "an empty slot");
		res_is(rwv_fixed(&ring, op, file, &iov, 1, 0, SLOTS), -EFAULT, "no such slot");
		res_is(rwv_fixed(&ring, op, file, &iov, 1, 0, 0xffff), -EFAULT, "no such slot");
		res_is(rwv_fixed(&ring, op, file, NULL, 0, 0, 4), -EFAULT,
		       "an empty slot, no parts");
		res_is(rwv_fixed(&ring, op, 1000, &iov, 1, 0, 0), -EBADF, "no file");
		sqe = ring_sqe(&ring);
		prep_rwv_fixed(sqe, op, file, &iov, 1, 0, 0);
		sqe->flags = IOSQE_BUFFER_SELECT;
		res_is(ring_run(&ring), -EOPNOTSUPP, "a provided buffer");
	}
	res_is(rwv_fixed(&ring, WRITEV, zero, &iov, 1, 0, 0), -EBADF, "not open for writing");
	res_is(rwv_fixed(&ring, READV, open("/dev/null", O_WRONLY), &iov, 1, 0, 0), -EBADF,
	       "not open for reading");
	res_is(lent_unregister(&ring, 0), 0, "unregister");
	lender_released_in(&ring, lender, 0, 1, SOON_MS);
}

/* Its ->read() and ->write() would take the vector for the data. */
Test(lend_vectors, a_file_without_iterators_is_refused)
{
	lender_simple(lender, 1, LEN);
	pat_fill(after, LEN, 7, 0);
	lender_write(lender, 1, 0, after, LEN);
	for (unsigned int n = 0; n < NR_KINDS; n++) {
		const struct part parts[] = { { 0, 64 }, { 512, 64 } };
		const struct kind *k = &kinds[n];
		struct iovec iov[2];

		make_vec(k, parts, 2, iov);
		for (u32 nr = 1; nr <= 2; nr++) {
			int want = k->base ? -EINVAL : -EFAULT;

			res_is(rwv_fixed(&ring, WRITEV, lender, iov, nr, LEND_TEST_POS(1, 0), k->slot),
			       want, "%s: write %u parts", k->name, nr);
			res_is(rwv_fixed(&ring, READV, lender, iov, nr, LEND_TEST_POS(1, 0), k->slot),
			       want, "%s: read %u parts", k->name, nr);
		}
		parts_hold(k, NULL, 0, 0, "refused");
	}
	lender_read(lender, 1, 0, after, LEN);
	pat_is(after, LEN, 7, 0, "the file");
}

/* What the vector says is what it said at submission, whatever comes of its memory. */
Test(lend_vectors, the_vector_is_read_once)
{
	struct __kernel_timespec ts = { .tv_nsec = 100 * 1000 * 1000 };
	const struct part parts[] = { { 512, 1024 }, { 8192, 512 } };
	struct iovec *iov = page_alloc(4096);
	int file = file_mem(LEN), res[2];
	struct io_uring_sqe *sqe;

	for (unsigned int round = 0; round < 2 * NR_KINDS; round++) {
		const struct kind *k = &kinds[round % NR_KINDS];

		make_vec(k, parts, 2, iov);
		sqe = ring_sqe(&ring);
		io_uring_prep_timeout(sqe, &ts, 0, 0);
		sqe->flags = IOSQE_IO_HARDLINK;
		sqe->user_data = 0;
		sqe = ring_sqe(&ring);
		prep_rwv_fixed(sqe, WRITEV, file, iov, 2, 0, k->slot);
		sqe->user_data = 1;
		sqe->flags = round < NR_KINDS ? 0 : IOSQE_ASYNC;
		ring_submit(&ring);
		memset(iov, 0xff, 4096);
		ring_reap(&ring, res, 2);
		res_is(res[0], -ETIME, "the timeout");
		res_is(res[1], 1536, "%s", k->name);
		file_read(file, after, 1536, 0);
		mem_is(after, before + 512, 1024, "%s: the first part", k->name);
		mem_is(after + 1024, before + 8192, 512, "%s: the second part", k->name);
	}
}

static const u32 ring_kinds[] = {
	0, IORING_SETUP_SQPOLL, IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
	IORING_SETUP_COOP_TASKRUN,
};
#define NR_RINGS	(sizeof(ring_kinds) / sizeof(ring_kinds[0]))

/* In one chain: the buffer is found at issue. */
static void in_a_chain(u32 ring_flags, int file, const char *what)
{
	const struct part out[] = { { 4096, 1024 }, { 0, 512 } }, in[] = { { 6144, 512 }, { 512, 1024 } };
	struct iovec iov[2][2];
	struct io_uring r;
	int res[4];

	ring_init(&r, 16, ring_flags);
	ring_table(&r, 4);
	make_vec(&kinds[LENT], out, 2, iov[0]);
	make_vec(&kinds[LENT], in, 2, iov[1]);
	for (unsigned int i = 0; i < 4; i++) {
		struct io_uring_sqe *sqe = ring_sqe(&r);

		if (i == 0)
			lent_prep_register(sqe, lender, LEND_TEST_POS(0, 0), 0, 3, 0);
		else if (i == 3)
			lent_prep_unregister(sqe, 3);
		else
			prep_rwv_fixed(sqe, i == 1 ? WRITEV : READV, file, iov[i - 1], 2, 0, 3);
		sqe->user_data = i;
		sqe->flags = i < 3 ? IOSQE_IO_LINK : 0;
	}
	ring_submit(&r);
	ring_reap(&r, res, 4);
	res_is(res[0], LEN, "%s: register", what);
	res_is(res[1], 1536, "%s: write", what);
	res_is(res[2], 1536, "%s: read", what);
	res_is(res[3], 0, "%s: unregister", what);
	memcpy(expect, before, LEN);
	memcpy(expect + 6144, before + 4096, 512);
	memcpy(expect + 512, before + 4608, 512);
	memcpy(expect + 1024, before, 512);
	buf_read(&kinds[LENT], after);
	mem_is(after, expect, LEN, "%s: the buffer", what);
	buf_write(&kinds[LENT], 0, before, LEN);
	io_uring_queue_exit(&r);
}

Test(lend_vectors, a_chain_lends_writes_reads_and_gives_back)
{
	int file = file_mem(LEN), disk = disk_ram(0);

	for (unsigned int i = 0; i < NR_RINGS; i++) {
		in_a_chain(ring_kinds[i], file, "file in memory");
		in_a_chain(ring_kinds[i], disk, "ram disk");
	}
	res_is(lent_unregister(&ring, 0), 0, "unregister");
	lender_released_in(&ring, lender, 0, 1 + 2 * NR_RINGS, SOON_MS);
}

/* A disk with one tag refuses most at first: workers do them again. */
Test(lend_vectors, a_retry_keeps_the_parts)
{
	enum { NR = 24 };
	struct null_disk opt = { .depth = 1, .delay_us = 2000 };
	const struct part parts[] = { { 512, 1024 }, { 8192, 512 }, { 0, 512 } };
	struct iovec iov[NR_KINDS][3];
	u8 *data = page_alloc(4096);
	int disk, res[NR];

	tleg_null(0, &opt);
	disk = tleg_open(0, O_RDWR | O_DIRECT);
	for (unsigned int n = 0; n < NR_KINDS; n++)
		make_vec(&kinds[n], parts, 3, iov[n]);
	for (unsigned int round = 0; round < 10; round++) {
		for (unsigned int i = 0; i < NR; i++) {
			struct io_uring_sqe *sqe = ring_sqe(&ring);

			prep_rwv_fixed(sqe, WRITEV, disk, iov[i % NR_KINDS], 3, i * 4096,
				       kinds[i % NR_KINDS].slot);
			sqe->user_data = i;
		}
		ring_submit(&ring);
		/* the slot is empty, and filled anew, before most of them have begun */
		ring_reap(&ring, res, NR);
		for (unsigned int i = 0; i < NR; i++) {
			res_is(res[i], 2048, "request %u", i);
			file_read(disk, data, 2048, i * 4096);
			mem_is(data, before + 512, 1024, "request %u, first part", i);
			mem_is(data + 1024, before + 8192, 512, "request %u, second part", i);
			mem_is(data + 1536, before, 512, "request %u, third part", i);
		}
	}
}

/* A read that gets its bytes in steps: what is cached, then what has to come from the disk. */
static void read_in_steps(int disk, const struct kind *k)
{
	const struct part parts[] = { { 12288, 4096 }, { 512, 1000 }, { 4096, 8192 } };
	struct iovec iov[3];
	u8 byte;

	must(!posix_fadvise(disk, 0, 0, POSIX_FADV_DONTNEED), "fadvise");
	/* the page where the second part of the read ends */
	must(pread(disk, &byte, 1, 0) == 1, "pread: %s", strerror(errno));
	make_vec(k, parts, 3, iov);
	res_is(rwv_fixed(&ring, READV, disk, iov, 3, 0, k->slot), 13288, "%s", k->name);
	parts_hold(k, parts, 3, 13288, "in steps");
}

Test(lend_vectors, a_read_in_steps_goes_on_where_it_was)
{
	struct null_disk opt = { .delay_us = 5000 };
	int disk;

	tleg_null(0, &opt);
	disk = tleg_open(0, O_RDWR);
	posix_fadvise(disk, 0, 0, POSIX_FADV_RANDOM);
	fill_file(disk, 4 * LEN);
	must(!fsync(disk), "fsync: %s", strerror(errno));
	for (unsigned int round = 0; round < 5 * NR_KINDS; round++)
		read_in_steps(disk, &kinds[round % NR_KINDS]);
}

/* Where the file ends inside of a part, that many bytes are read, and no more. */
Test(lend_vectors, a_short_read_says_how_much)
{
	const struct part parts[] = { { 512, 1024 }, { 8192, 2048 }, { 0, 512 } };
	static const u32 lens[] = { 0, 1, 512, 1024, 1025, 3071, 3072, 3584 };
	struct iovec iov[3];

	for (unsigned int i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		int file = file_mem(4096);

		fill_file(file, 4096);
		must(!ftruncate(file, lens[i]), "ftruncate: %s", strerror(errno));
		for (unsigned int n = 0; n < NR_KINDS; n++) {
			make_vec(&kinds[n], parts, 3, iov);
			res_is(rwv_fixed(&ring, READV, file, iov, 3, 0, kinds[n].slot), lens[i],
			       "%s: a file of %u bytes", kinds[n].name, lens[i]);
			parts_hold(&kinds[n], parts, 3, lens[i], "short");
		}
		close(file);
	}
}

/* A pipe takes what fits; the request's steps are told together. */
Test(lend_vectors, a_read_that_waits_keeps_the_parts)
{
	const struct part parts[] = { { 512, 1024 }, { 8192, 2048 } };
	struct iovec iov[2];
	struct done done;
	int fds[2];

	must(!pipe(fds), "pipe: %s", strerror(errno));
	lender_simple(lender, 1, LEN);
	pat_fill(after, LEN, 9, 0);
	for (unsigned int round = 0; round < 4; round++) {
		struct io_uring_sqe *sqe = ring_sqe(&ring);

		make_vec(&kinds[LENT], parts, 2, iov);
		lender_write(lender, 1, 0, after, LEN);
		prep_rwv_fixed(sqe, READV, fds[0], iov, 2, -1ULL, 0);
		sqe->flags = round % 2 ? IOSQE_ASYNC : 0;
		ring_submit(&ring);
		memset(iov, 0xff, sizeof(iov));
		must(!ring_next(&ring, &done, NEVER_MS), "a read of an empty pipe ended");
		res_is(lent_unregister(&ring, 0), 0, "unregister");
		res_is(lent_register(&ring, lender, LEND_TEST_POS(1, 0), 0, 0), LEN, "another");
		lender_is(lender, 0, round + 1, round, "the read waits with it");
		pat_fill(expect, 2000, 2, 0);
		must(write(fds[1], expect, 2000) == 2000, "pipe: %s", strerror(errno));
		must(ring_next(&ring, &done, SOON_MS), "the read does not end");
		res_is(done.res, 2000, "the read");
		parts_hold(&kinds[LENT], parts, 2, 2000, "late");
		res_is(lent_unregister(&ring, 0), 0, "unregister");
		lender_released_in(&ring, lender, 0, round + 1, SOON_MS);
		lender_read(lender, 1, 0, expect, LEN);
		pat_fill(after, LEN, 9, 0);
		mem_is(expect, after, LEN, "the one that came later");
		lend(&ring);
	}
	/* cancelled, and by the end of the ring */
	make_vec(&kinds[LENT], parts, 2, iov);
	for (unsigned int i = 0; i < 2; i++) {
		prep_rwv_fixed(ring_sqe(&ring), READV, fds[0], iov, 2, -1ULL, 0);
		ring_submit(&ring);
	}
	res_is(lent_unregister(&ring, 0), 0, "unregister");
	io_uring_queue_exit(&ring);
	lender_released(lender, 0, 5, SOON_MS);
	ring_init(&ring, 4, 0);
}

Test(lend_vectors, a_polled_ring_reads_and_writes_parts)
{
	struct null_disk opt = { .poll_queues = 1 };
	const struct part parts[] = { { 512, 1024 }, { 8192, 2048 }, { 0, 512 } };
	struct iovec iov[3];
	struct io_uring r;
	u8 *data = page_alloc(4096);
	int disk;

	tleg_null(0, &opt);
	disk = tleg_open(0, O_RDWR | O_DIRECT);
	/* A polled null_blk may not sleep for memory, and does: it has this already. */
	fill_file(disk, 4096);
	ring_init(&r, 16, IORING_SETUP_IOPOLL);
	fill_table(&r);
	for (unsigned int round = 0; round < 10 * NR_KINDS; round++) {
		const struct kind *k = &kinds[round % NR_KINDS];

		make_vec(k, parts, 3, iov);
		res_is(rwv_fixed(&r, WRITEV, disk, iov, 3, 0, k->slot), 3584, "%s", k->name);
		file_read(disk, data, 3584, 0);
		mem_is(data, before + 512, 1024, "%s: first part", k->name);
		mem_is(data + 1024, before + 8192, 2048, "%s: second part", k->name);
		mem_is(data + 3072, before, 512, "%s: third part", k->name);
		fill_file(disk, 4096);
		res_is(rwv_fixed(&r, READV, disk, iov, 3, 0, k->slot), 3584, "%s", k->name);
		parts_hold(k, parts, 3, 3584, "polled");
	}
	io_uring_queue_exit(&r);
	lender_released(lender, 0, 1, SOON_MS);
}

static unsigned long free_mb(void)
{
	unsigned long kb = 0;
	char line[256];
	FILE *f = fopen("/proc/meminfo", "r");

	must(f, "/proc/meminfo: %s", strerror(errno));
	while (fgets(line, sizeof(line), f) && sscanf(line, "MemAvailable: %lu", &kb) != 1)
		;
	fclose(f);
	return kb / 1024;
}

/* A table of 6144 segments for each: 96 KiB, 140 MiB together. */
Test(lend_vectors, what_requests_allocate_is_freed)
{
	static struct iovec iov[VEC_MAX];
	int null = open("/dev/null", O_WRONLY);
	unsigned long before = free_mb(), after;

	for (unsigned int i = 0; i < VEC_MAX; i++)
		iov[i].iov_len = LEN;
	for (unsigned int i = 0; i < 1500; i++)
		res_is(rwv_fixed(&ring, WRITEV, null, iov, VEC_MAX, 0, 0), VEC_MAX * LEN,
		       "request %u", i);
	after = free_mb();
	must(after + 70 > before, "%lu MiB were free before, %lu after", before, after);
}

/* What the request allocates may be refused it: nothing is lost, and nothing wrong. */
Test(lend_vectors, no_memory_is_an_error_and_nothing_is_lost)
{
	static struct iovec iov[64];
	unsigned int good = 0, failed = 0;
	int file = file_mem(LEN), ret = 0;

	for (unsigned int i = 0; i < 64; i++)
		iov[i] = (struct iovec){ .iov_base = (void *)(uintptr_t)(i * 200), .iov_len = 100 };
	/* what is allocated once only is there, the worker among it */
	res_is(rwv_fixed(&ring, WRITEV, file, iov, 1, 0, 0), 100, "with memory");
	if (!failslab_start(20))
		cr_skip_test("the kernel cannot be made to run out of memory (CONFIG_FAILSLAB)");
	for (unsigned int i = 0; i < 500; i++) {
		ret = rwv_fixed(&ring, WRITEV, file, iov, 1 + i % 64, 0, 0);
		if (ret == (int)(1 + i % 64) * 100)
			good++;
		else if (ret == -ENOMEM || ret == -EAGAIN)
			failed++;
		else
			break;
	}
	failslab_stop();
	must(good && failed && good + failed == 500, "%u good, %u failed, of 500; the last: %s", good, failed,
	     res_str(ret));
	res_is(lent_unregister(&ring, 0), 0, "unregister");
	lender_released_in(&ring, lender, 0, 1, SOON_MS);
}
