// SPDX-License-Identifier: GPL-2.0
/*
 * The pages of block requests: every byte where it belongs, whatever the request is
 * made of, and nobody's but the request's until it ends.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lender.h"
#include "pattern.h"
#include "proc.h"
#include "tleg.h"
#include "tmpfile.h"
#include "ublkraw.h"

#define SIZE	(1 << 20)
#define LEN	16384
#define OP_SLOW	1	/* the test's own request in the server's ring */

static struct raw r;
static int lender = -1, file;

static void setup(void)
{
	raw_need();
	raw_sweep();
	file = file_mem(SIZE);
}

/* Not in setup(): devices that copy are tried on kernels that lend nothing, too. */
static int the_lender(void)
{
	if (lender < 0) {
		lender = lender_open();
		lender_simple(lender, 0, SIZE);
	}
	return lender;
}

static void teardown(void)
{
	raw_sweep();
	tlegs_remove();
}

TestSuite(ublk_data, .init = setup, .fini = teardown, .timeout = 60);

/* How the server gets at the data of a request: in pieces of @piece bytes each. */
struct way {
	const char *name;
	u32 piece;	/* 0: all */
	bool loans;	/* a loan for each piece, instead of a range of one */
};

static void way_step(const struct way *w, int backend, unsigned int tag, u32 off, u32 len)
{
	bool write = raw_op(&r, tag) == UBLK_IO_OP_WRITE;
	u32 from = w->loans ? off : 0, size = w->loans ? len : raw_len(&r, tag);

	res_is(raw_lend(&r, tag, from, size, tag), size, "%s: REGISTER %u at %u", w->name, size,
	       from);
	res_is(raw_rw(&r, write ? IORING_OP_WRITE_FIXED : IORING_OP_READ_FIXED, backend,
			off - from, len, raw_off(&r, tag) + off, tag), len,
	       "%s: %u bytes from %u of %u", w->name, len, off, raw_len(&r, tag));
	res_is(raw_unlend(&r, tag), 0, "%s: UNREGISTER", w->name);
}

/* Runs @c's requests.  Returns how many there were, *@longest the bytes of the longest. */
static unsigned int serve_way(struct client *c, const struct way *w, int backend, u32 *longest)
{
	unsigned int nr = 0;
	int tag;

	*longest = 0;
	while (!c->done) {
		u32 len, piece;

		tag = raw_request(&r, 5);
		if (tag < 0)
			continue;
		nr++;
		len = raw_len(&r, tag);
		piece = w->piece ?: len;
		if (len > *longest)
			*longest = len;
		for (u32 off = 0; off < len; off += piece)
			way_step(w, backend, tag, off, piece < len - off ? piece : len - off);
		raw_commit(&r, tag, len);
	}
	return nr;
}

/* What clients do, in shapes that make requests of many kinds. */
static const struct shape {
	const char *name;
	u32 off, len, nr, iovs;
	bool buffered;
} shapes[] = {
	{ "one page", 0, 4096, 1, 1, false },
	{ "one sector", 1536, 512, 1, 1, false },
	{ "one segment", 8192, 65536, 1, 1, false },
	{ "unequal segments", 4096, 32768, 1, 17, false },
	{ "eight bios, merged", 65536, 32768, 8, 1, false },
	{ "eight bios of unequal segments", 131072, 57344, 8, 5, false },
	{ "longer than a request", 262144, 262144, 1, 1, false },
	{ "longer, of unequal segments", 1024, 262144, 1, 40, false },
	{ "page cache", 524288, 262144, 1, 1, true },
};
#define NR_SHAPES	(sizeof(shapes) / sizeof(shapes[0]))

static void run_shape(const struct shape *s, const struct way *w, int backend, u32 seed)
{
	struct client_job job = {
		.id = r.id, .op = CLIENT_WRITE, .off = s->off, .len = s->len, .nr = s->nr,
		.iovs = s->iovs, .seed = seed, .buffered = s->buffered,
	};
	u8 *back = page_alloc(s->len);
	struct client *c;
	u32 longest;

	c = client_start(&job);
	serve_way(c, w, backend, &longest);
	res_is(c->res, s->len, "%s, %s: write", s->name, w->name);
	if (s->nr > 1)
		must(longest == s->len, "%s: nothing was merged, the longest has %u bytes", s->name,
		     longest);
	file_read(backend, back, s->len, s->off);
	pat_is(back, s->len, seed, s->off, "%s, %s: what the backend has", s->name, w->name);

	/* the page cache may have it all: read what the backend has, directly */
	pat_fill(back, s->len, seed + 1, s->off);
	file_write(backend, back, s->len, s->off);
	job.op = CLIENT_READ;
	job.buffered = false;
	c = client_start(&job);
	serve_way(c, w, backend, &longest);
	res_is(c->res, s->len, "%s, %s: read", s->name, w->name);
	pat_is(c->buf, s->len, seed + 1, s->off, "%s, %s: what the client got", s->name, w->name);
	munmap(back, s->len);
}

static void all_shapes(int backend)
{
	static const struct way ways[] = {
		{ .name = "all at once" },
		{ .name = "in pieces of 4608", .piece = 4608 },
		{ .name = "a loan for each 12800", .piece = 12800, .loans = true },
		{ .name = "a loan for each 1536", .piece = 1536, .loans = true },
	};

	for (unsigned int fixed = 0; fixed < 2; fixed++) {
		raw_up(&r, &(struct raw_opt){ .fixed_file = fixed });
		for (unsigned int w = 0; w < 4; w++) {
			for (unsigned int s = 0; s < NR_SHAPES; s++)
				run_shape(&shapes[s], &ways[w], backend, 10 * w + s);
		}
		raw_down(&r);
	}
}

Test(ublk_data, requests_of_all_shapes_to_a_file, .timeout = 200)
{
	all_shapes(file);
}

Test(ublk_data, requests_of_all_shapes_to_a_disk, .timeout = 200)
{
	all_shapes(disk_ram(2));
}

Test(ublk_data, requests_of_all_shapes_to_a_disk_that_splits, .timeout = 200)
{
	struct null_disk opt = { .max_sectors = 8 };

	tleg_null(0, &opt);
	all_shapes(tleg_open(0, O_RDWR | O_DIRECT));
}

/* What was there before zero copy: the driver moves the data, or read() and write() do. */
static void copying_shape(const struct shape *s, const char *name, u32 seed)
{
	struct client_job job = {
		.id = r.id, .op = CLIENT_WRITE, .off = s->off, .len = s->len, .nr = s->nr,
		.iovs = s->iovs, .seed = seed, .buffered = s->buffered,
	};
	struct client *c = client_start(&job);

	res_is(client_serve(c, &r), s->len, "%s, %s: write", name, s->name);
	pat_is(r.mem + s->off, s->len, seed, s->off, "%s, %s: what the server has", name, s->name);
	pat_fill(r.mem + s->off, s->len, seed + 1, s->off);
	job.op = CLIENT_READ;
	job.buffered = false;
	c = client_start(&job);
	res_is(client_serve(c, &r), s->len, "%s, %s: read", name, s->name);
	pat_is(c->buf, s->len, seed + 1, s->off, "%s, %s: what the client got", name, s->name);
}

Test(ublk_data, devices_that_copy_work_as_ever)
{
	static const struct { const char *name; u64 flags; } kinds[] = {
		{ "copying", UBLK_F_CMD_IOCTL_ENCODE },
		{ "user copy", UBLK_F_CMD_IOCTL_ENCODE | UBLK_F_USER_COPY },
		{ "get data", UBLK_F_CMD_IOCTL_ENCODE | UBLK_F_NEED_GET_DATA },
		{ "zero copy, with pread and pwrite", RAW_ZC },
		{ "zero copy and user copy", RAW_ZC | UBLK_F_USER_COPY },
	};

	for (unsigned int k = 0; k < 5; k++) {
		raw_up(&r, &(struct raw_opt){ .flags = kinds[k].flags, .discard = true,
					      .attrs = UBLK_ATTR_VOLATILE_CACHE });
		for (unsigned int s = 0; s < NR_SHAPES; s++)
			copying_shape(&shapes[s], kinds[k].name, 10 * k + s);
		for (unsigned int op = CLIENT_FLUSH; op <= CLIENT_ZERO; op++) {
			struct client *c = client_start(&(struct client_job){ .id = r.id, .op = op,
									      .len = LEN });

			res_is(client_serve(c, &r), 0, "%s: operation %u", kinds[k].name, op);
		}
		raw_down(&r);
	}
}

static struct client *start(enum client_op op, u32 seed)
{
	return client_start(&(struct client_job){ .id = r.id, .op = op, .len = LEN, .seed = seed });
}

/*
 * A server's buffer of which only the first bytes are there: whole blocks of them are
 * the result, and the rest is read once more; less than a block is an error.
 */
Test(ublk_data, a_buffer_that_ends_early_gives_whole_blocks)
{
	static const u32 there[] = { 100, 511, 512, 612, 4195 };
	u8 *whole, *mem = mmap(NULL, 16384, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	must(mem != MAP_FAILED && !mprotect(mem + 8192, 8192, PROT_NONE), "mmap: %s", strerror(errno));
	raw_up(&r, &(struct raw_opt){ .flags = UBLK_F_CMD_IOCTL_ENCODE, .depth = 1 });
	whole = r.bufs;
	for (unsigned int i = 0; i < sizeof(there) / sizeof(there[0]); i++) {
		struct client *c = start(CLIENT_READ, 0);
		u32 part = there[i] & ~511;

		raw_expect(&r, UBLK_IO_OP_READ, LEN);
		r.bufs = mem + 8192 - there[i];
		pat_fill(r.bufs, there[i], i, 0);
		raw_commit(&r, 0, LEN);
		r.bufs = whole;
		if (part) {
			raw_expect(&r, UBLK_IO_OP_READ, LEN - part);
			pat_fill(whole, LEN - part, i, part);
			raw_commit(&r, 0, LEN - part);
		}
		res_is(client_wait(c), part ? LEN : -EIO, "%u bytes", there[i]);
		if (part)
			pat_is(c->buf, LEN, i, 0, "%u bytes", there[i]);
	}
	raw_down(&r);
}

/* Moves slot 0 to or from buffer 0 of the lender, after @ms. */
static void slow_move(u32 op, u32 ms)
{
	const struct lend_move m = { .op = op, .len = LEN, .slot = 0, .delay_ms = ms };

	lender_prep_move(raw_sqe(&r, OP_SLOW), the_lender(), &m);
	ring_submit(&r.ring);
}

static void ends_with(struct client *c, long want, const char *what)
{
	res_is(client_wait(c), want, "%s", what);
}

static void has_not_ended(struct client *c, const char *what)
{
	must(!client_done(c, NEVER_MS), "%s: the request ended: %s", what, res_str(c->res));
}

Test(ublk_data, a_committed_request_waits_for_its_io)
{
	u8 *buf = page_alloc(LEN);

	raw_up(&r, &(struct raw_opt){ .depth = 2 });
	for (unsigned int write = 0; write < 2; write++) {
		struct client *c = start(write ? CLIENT_WRITE : CLIENT_READ, 1);
		unsigned int tag = raw_expect(&r, write ? UBLK_IO_OP_WRITE : UBLK_IO_OP_READ, LEN);
		u64 begin;

		pat_fill(buf, LEN, 2, 0);
		lender_write(the_lender(), 0, 0, buf, LEN);
		res_is(raw_lend(&r, tag, 0, 0, 0), LEN, "REGISTER");
		begin = now_ms();
		slow_move(write ? LEND_TEST_CMD_DRAIN : LEND_TEST_CMD_FILL, 1000);
		raw_commit(&r, tag, LEN);
		res_is(raw_unlend(&r, 0), 0, "UNREGISTER");
		has_not_ended(c, "committed and unregistered, I/O under way");
		res_is(raw_wait(&r, OP_SLOW, SOON_MS), LEN, "the I/O");
		ends_with(c, LEN, "the committed result");
		must(c->done_at >= begin + 990, "it ended %llu ms after the I/O began",
		     (unsigned long long)(c->done_at - begin));
		if (write) {
			lender_read(the_lender(), 0, 0, buf, LEN);
			pat_is(buf, LEN, 1, 0, "written");
		} else {
			pat_is(c->buf, LEN, 2, 0, "read");
		}
	}
	raw_down(&r);
}

Test(ublk_data, a_committed_request_waits_for_its_slot)
{
	static const int results[] = { LEN, -EIO, -ENOSPC };

	raw_up(&r, &(struct raw_opt){ .depth = 2 });
	for (unsigned int i = 0; i < 3; i++) {
		struct client *c = start(CLIENT_WRITE, 1);
		unsigned int tag = raw_expect(&r, UBLK_IO_OP_WRITE, LEN);

		res_is(raw_lend(&r, tag, 0, 0, 0), LEN, "REGISTER");
		raw_commit(&r, tag, results[i]);
		has_not_ended(c, "committed, still in the slot");
		res_is(raw_lend(&r, tag, 0, 0, 1), -EINVAL, "REGISTER after COMMIT");
		res_is(raw_rw(&r, IORING_OP_WRITE_FIXED, file, 0, LEN, 0, 0), LEN,
		       "I/O after COMMIT");
		has_not_ended(c, "committed, still in the slot");
		res_is(raw_unlend(&r, 0), 0, "UNREGISTER");
		ends_with(c, results[i], "the committed result");
	}
	raw_down(&r);
}

Test(ublk_data, the_slot_can_be_unregistered_long_before_commit)
{
	struct client *c;
	unsigned int tag;

	raw_up(&r, &(struct raw_opt){ .depth = 2 });
	c = start(CLIENT_WRITE, 1);
	tag = raw_expect(&r, UBLK_IO_OP_WRITE, LEN);
	res_is(raw_lend(&r, tag, 0, 0, 0), LEN, "REGISTER");
	slow_move(LEND_TEST_CMD_DRAIN, 100);
	res_is(raw_unlend(&r, 0), 0, "UNREGISTER");
	res_is(raw_wait(&r, OP_SLOW, SOON_MS), LEN, "the I/O");
	has_not_ended(c, "not committed");
	/* it may be lent again */
	res_is(raw_lend(&r, tag, 0, 0, 0), LEN, "REGISTER");
	res_is(raw_unlend(&r, 0), 0, "UNREGISTER");
	has_not_ended(c, "not committed");
	raw_commit(&r, tag, LEN);
	ends_with(c, LEN, "committed");
	raw_down(&r);
}

/* L9: a socket uses the pages until the notification. */
Test(ublk_data, a_committed_request_waits_for_the_socket)
{
	enum { BIG = 65536 * 4 };
	static u8 got[BIG];
	struct tcp_pair tcp;
	struct client *c;
	unsigned int tag;

	tcp_pair(&tcp, 16 << 20, 16384);
	raw_up(&r, &(struct raw_opt){ .depth = 2, .max_io = BIG });
	c = client_start(&(struct client_job){ .id = r.id, .op = CLIENT_WRITE, .len = BIG,
					       .seed = 9 });
	tag = raw_expect(&r, UBLK_IO_OP_WRITE, BIG);
	res_is(raw_lend(&r, tag, 0, 0, 0), BIG, "REGISTER");
	prep_send_fixed(raw_sqe(&r, OP_SLOW), tcp.tx, 0, BIG, 0);
	ring_submit(&r.ring);
	res_is(raw_wait(&r, OP_SLOW, SOON_MS), BIG, "SEND_ZC");
	res_is(raw_unlend(&r, 0), 0, "UNREGISTER at the first CQE");
	raw_commit(&r, tag, BIG);
	has_not_ended(c, "nothing was received yet");
	tcp_read(tcp.rx, got, BIG);
	pat_is(got, BIG, 9, 0, "received");
	raw_pump(&r, SOON_MS);
	ends_with(c, BIG, "received");
	raw_down(&r);
}

/* The same bytes twice, other lengths at the same place, other places of the same length. */
static const struct { u32 off, len; } loans[] = {
	{ 0, LEN }, { 4096, 8192 }, { 0, LEN }, { 0, 8192 }, { LEN - 8192, 8192 },
};
#define NR_LOANS	5

static void slot_has(unsigned int slot, u32 off, u32 len, unsigned int seed)
{
	u8 *back = page_alloc(LEN);

	res_is(raw_rw(&r, IORING_OP_WRITE_FIXED, file, 0, len, 0, slot), len, "slot %u", slot);
	file_read(file, back, len, 0);
	pat_is(back, len, seed, off, "slot %u", slot);
	munmap(back, LEN);
}

Test(ublk_data, a_request_lent_twice_ends_after_the_last)
{
	struct client *c;
	unsigned int tag;

	raw_up(&r, &(struct raw_opt){ .depth = NR_LOANS });
	for (unsigned int first = 0; first < NR_LOANS; first++) {
		c = start(CLIENT_WRITE, 4);
		tag = raw_expect(&r, UBLK_IO_OP_WRITE, LEN);
		for (unsigned int i = 0; i < NR_LOANS; i++) {
			unsigned int slot = (first + i) % NR_LOANS;

			res_is(raw_lend(&r, tag, loans[slot].off, loans[slot].len, slot),
			       loans[slot].len, "first %u: slot %u", first, slot);
		}
		for (unsigned int i = 0; i < NR_LOANS; i++)
			slot_has(i, loans[i].off, loans[i].len, 4);
		raw_commit(&r, tag, LEN);
		for (unsigned int i = 0; i < NR_LOANS; i++) {
			has_not_ended(c, "still in a slot");
			res_is(raw_unlend(&r, (first + i) % NR_LOANS), 0, "UNREGISTER");
		}
		ends_with(c, LEN, "the last slot is clear");
	}
	raw_down(&r);
}

/* Not only the server's own ring: whoever has the right may borrow, and holds it up. */
Test(ublk_data, another_ring_may_borrow_too)
{
	static const u32 kinds[] = { 0, IORING_SETUP_SQPOLL, IORING_SETUP_SINGLE_ISSUER |
				     IORING_SETUP_DEFER_TASKRUN };

	raw_up(&r, &(struct raw_opt){ .depth = 2 });
	for (unsigned int k = 0; k < 3; k++) {
		struct client *c = start(CLIENT_WRITE, k);
		unsigned int tag = raw_expect(&r, UBLK_IO_OP_WRITE, LEN);
		u8 *back = page_alloc(LEN);
		struct io_uring other;

		ring_init(&other, 8, kinds[k]);
		ring_table(&other, 4);
		must(lent_register_pick(&other, r.cdev, raw_pos(0, tag, 0), 0) >= 0,
		     "other ring %u", k);
		raw_commit(&r, tag, LEN);
		has_not_ended(c, "another ring has the pages");
		res_is(rw_fixed(&other, IORING_OP_WRITE_FIXED, file, 0, LEN, 0, 0), LEN,
		       "other ring %u", k);
		file_read(file, back, LEN, 0);
		pat_is(back, LEN, k, 0, "other ring %u", k);
		has_not_ended(c, "another ring has the pages");
		io_uring_queue_exit(&other);
		ends_with(c, LEN, "the other ring is closed");
	}
	raw_down(&r);
}

/*
 * One request idle, its FETCH pending on a registered file: in the order in which 6.12
 * releases buffers it stands before everything, and nothing else happens in the ring.
 */
Test(ublk_data, an_idle_tag_holds_back_nothing)
{
	for (unsigned int fixed = 0; fixed < 2; fixed++) {
		raw_up(&r, &(struct raw_opt){ .depth = 2, .fixed_file = fixed });
		for (unsigned int i = 0; i < 20; i++) {
			struct client *c = start(i % 2 ? CLIENT_WRITE : CLIENT_READ, 1);
			int op = i % 2 ? IORING_OP_WRITE_FIXED : IORING_OP_READ_FIXED;
			unsigned int tag;

			tag = raw_expect(&r, i % 2 ? UBLK_IO_OP_WRITE : UBLK_IO_OP_READ, LEN);
			res_is(raw_lend(&r, tag, 0, 0, 0), LEN, "REGISTER");
			res_is(raw_rw(&r, op, file, 0, LEN, 0, 0), LEN, "I/O");
			res_is(raw_unlend(&r, 0), 0, "UNREGISTER");
			raw_commit(&r, tag, LEN);
			must(client_done(c, 3000),
			     "round %u, registered file %u: the request does not end", i, fixed);
			res_is(c->res, LEN, "round %u", i);
		}
		raw_down(&r);
	}
}

/* All of a request in one submission, as a server does that means to be fast. */
Test(ublk_data, one_submission_serves_a_request)
{
	static const u32 rings[] = { 0, IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
				     IORING_SETUP_COOP_TASKRUN };
	u8 *back = page_alloc(LEN);

	for (unsigned int k = 0; k < 3; k++) {
		raw_up(&r, &(struct raw_opt){ .depth = 2, .ring_flags = rings[k],
					      .fixed_file = k });
		for (unsigned int i = 0; i < 30; i++) {
			struct client *c = start(CLIENT_WRITE, i);
			unsigned int tag = raw_expect(&r, UBLK_IO_OP_WRITE, LEN);
			struct io_uring_sqe *sqe = raw_sqe(&r, 10);

			lent_prep_register(sqe, k ? 0 : r.cdev, raw_pos(0, tag, 0), 0, tag, 0);
			sqe->flags = k ? IOSQE_FIXED_FILE : 0;
			for (unsigned int leg = 0; leg < 2; leg++)
				prep_rw_fixed(raw_sqe(&r, 11 + leg), IORING_OP_WRITE_FIXED, file, 0,
					      LEN, leg * LEN, tag);
			lent_prep_unregister(raw_sqe(&r, 13), tag);
			raw_commit(&r, tag, LEN);
			for (unsigned int n = 0; n < 4; n++)
				res_is(raw_wait(&r, 10 + n, SOON_MS), n < 3 ? LEN : 0, "request %u",
				       n);
			res_is(client_wait_in_ring(c, &r), LEN, "ring kind %u, round %u", k, i);
			for (unsigned int leg = 0; leg < 2; leg++) {
				file_read(file, back, LEN, leg * LEN);
				pat_is(back, LEN, i, 0, "leg %u", leg);
			}
		}
		raw_down(&r);
	}
}

static void delete(void *arg)
{
	volatile int *res = arg;

	*res = raw_del(res[1], 60000);
}

static bool changed(void *arg)
{
	return *(volatile int *)arg != RING_TIMEOUT;
}

/* L8: the char device is closed and deleted first, the ring that has the pages last. */
static void close_delete_exit(bool fixed_file, bool commit, u32 io_ms)
{
	volatile int *deleted = shared_alloc(4096);
	struct client *c;
	unsigned int tag;
	pid_t pid;

	raw_up(&r, &(struct raw_opt){ .depth = 1, .fixed_file = fixed_file });
	c = start(CLIENT_WRITE, 5);
	tag = raw_expect(&r, UBLK_IO_OP_WRITE, LEN);
	res_is(raw_lend(&r, tag, 0, 0, 0), LEN, "REGISTER");
	if (commit)
		raw_commit(&r, tag, LEN);
	if (io_ms)
		slow_move(LEND_TEST_CMD_DRAIN, io_ms);
	raw_close_file(&r);
	deleted[0] = RING_TIMEOUT;
	deleted[1] = r.id;
	pid = proc_start(delete, (void *)deleted);
	sleep_ms(200);
	has_not_ended(c, "a slot still has the pages");
	raw_close_ring(&r);
	must(wait_until(changed, (void *)deleted, SOON_MS), "DEL_DEV does not end");
	res_is(deleted[0], 0, "DEL_DEV");
	ends_with(c, commit ? LEN : -EIO, "the request");
	if (io_ms) {
		u8 *buf = page_alloc(LEN);

		lender_read(the_lender(), 0, 0, buf, LEN);
		pat_is(buf, LEN, 5, 0, "the I/O had the request's pages to its end");
	}
	proc_kill(pid);
	raw_is_gone(r.id, SOON_MS);
}

Test(ublk_data, the_device_may_be_closed_and_deleted_before_the_ring, .timeout = 120)
{
	for (unsigned int i = 0; i < 8; i++)
		close_delete_exit(i & 1, i & 2, i & 4 ? 900 : 0);
}

struct switcher {
	int id;
	volatile int stop;
};

static void write_attr(int id, const char *attr, const char *value)
{
	char path[96];
	int fd;

	snprintf(path, sizeof(path), "/sys/block/ublkb%d/queue/%s", id, attr);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	if (write(fd, value, strlen(value)) < 0) {
		/* refused while another change is under way: the next one may do */
	}
	close(fd);
}

static void switcher(void *arg)
{
	static const char *const names[] = { "mq-deadline", "none", "kyber", "bfq", "none" };
	struct switcher *s = arg;

	for (unsigned int i = 0; !s->stop; i++) {
		write_attr(s->id, "scheduler", names[i % 5]);
		write_attr(s->id, "nr_requests", i % 2 ? "4" : "16");
	}
	s->stop = 2;
}

static bool stopped(void *arg)
{
	return ((struct switcher *)arg)->stop == 2;
}

/* L7: the memory of requests comes and goes with the elevator; tags stay. */
Test(ublk_data, tags_can_be_looked_up_while_the_elevator_is_switched, .timeout = 120)
{
	struct switcher *s = shared_alloc(sizeof(*s));
	unsigned int lent = 0, served = 0;
	u64 end = now_ms() + 4000;
	struct client *c = NULL;
	int tag;

	raw_up(&r, &(struct raw_opt){ .depth = 16 });
	s->id = r.id;
	proc_start(switcher, s);
	srandom(7);
	while (now_ms() < end) {
		int ret = raw_lend(&r, random() % 16, random() % 2 * 512, 0, 0);

		must(ret > 0 || ret == -EINVAL, "REGISTER of any tag: %s", res_str(ret));
		if (ret > 0) {
			res_is(raw_unlend(&r, 0), 0, "UNREGISTER");
			lent++;
		}
		if (!c || c->done) {
			if (c)
				res_is(c->res, LEN, "a write");
			c = start(CLIENT_WRITE, served);
		}
		tag = raw_request(&r, 0);
		if (tag >= 0) {
			for (unsigned int i = 0; i < 16; i++) {
				if (raw_lend(&r, i, 0, 0, 0) > 0) {
					res_is(raw_unlend(&r, 0), 0, "UNREGISTER");
					lent++;
				}
			}
			raw_serve(&r, tag);
			served++;
		}
	}
	must(lent && served, "%u lent, %u served", lent, served);
	s->stop = 1;
	while (!stopped(s))
		raw_serve_all(&r, 2);
	res_is(client_serve(c, &r), LEN, "the last write");
	raw_down(&r);
}
