// SPDX-License-Identifier: GPL-2.0
/*
 * What a ublk device with zero copy lends, and refuses to: which bytes of which requests,
 * and with which results it ends them.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "fail.h"
#include "lender.h"
#include "pattern.h"
#include "tmpfile.h"
#include "ublkraw.h"

#define LEN	16384

static struct raw r;

static void setup(void)
{
	raw_begin(&r);
}

TestSuite(ublk_zc, .init = setup, .fini = raw_sweep, .timeout = 60);

static const struct raw_opt zc = { .flags = RAW_ZC };

Test(ublk_zc, fetch_and_commit_take_no_address)
{
	struct raw copy;
	struct client *c;
	unsigned int tag;

	res_is(raw_add(&r, &zc), 0, "ADD_DEV");
	raw_open(&r);
	res_is(raw_run_cmd(&r, UBLK_U_IO_FETCH_REQ, 0, 0, 0, 4096), -EINVAL, "FETCH, zero copy");
	res_is(raw_run_cmd(&r, UBLK_U_IO_FETCH_REQ, 0, 0, 0, (uintptr_t)r.bufs), -EINVAL,
	       "FETCH, zero copy");
	res_is(raw_run_cmd(&r, UBLK_U_IO_FETCH_REQ, 1, 0, 0, 0), -EINVAL, "FETCH, queue 1 of 1");
	res_is(raw_run_cmd(&r, UBLK_U_IO_FETCH_REQ, 0, 4, 0, 0), -EINVAL, "FETCH, tag 4 of 4");
	raw_fetch_all(&r);
	res_is(raw_start(&r), 0, "START_DEV");
	c = client_start(&(struct client_job){ .id = r.id, .op = CLIENT_READ, .len = LEN });
	tag = raw_expect(&r, UBLK_IO_OP_READ, LEN);
	res_is(raw_run_cmd(&r, UBLK_U_IO_COMMIT_AND_FETCH_REQ, 0, tag, LEN, 4096), -EINVAL,
	       "COMMIT, zero copy");
	must(!client_done(c, NEVER_MS), "a refused COMMIT ended the request");
	raw_serve(&r, tag);
	res_is(client_wait(c), LEN, "the read");
	raw_down(&r);

	res_is(raw_add(&copy, &(struct raw_opt){ .flags = UBLK_F_CMD_IOCTL_ENCODE }), 0, "ADD_DEV");
	raw_open(&copy);
	res_is(raw_run_cmd(&copy, UBLK_U_IO_FETCH_REQ, 0, 0, 0, 0), -EINVAL, "FETCH, copying");
	raw_close(&copy);
	res_is(raw_del(copy.id, SOON_MS), 0, "DEL_DEV");
}

Test(ublk_zc, lends_no_tag_that_the_server_does_not_have)
{
	struct client *c, *more[3];
	unsigned int tag, tags[3];

	raw_up(&r, &zc);
	for (unsigned int i = 0; i < 4; i++)
		res_is(raw_lend(&r, i, 0, 0, 0), -EINVAL, "idle tag %u", i);
	c = client_start(&(struct client_job){ .id = r.id, .op = CLIENT_WRITE, .len = LEN });
	tag = raw_expect(&r, UBLK_IO_OP_WRITE, LEN);
	res_is(raw_lend(&r, (tag + 1) % 4, 0, 0, 0), -EINVAL, "another tag");
	/* all tags have a request now: a number that is cut off would find one */
	for (unsigned int i = 0; i < 3; i++) {
		more[i] = client_start(&(struct client_job){ .id = r.id, .op = CLIENT_WRITE,
							     .len = LEN, .off = (i + 1) * 65536 });
		tags[i] = raw_expect(&r, UBLK_IO_OP_WRITE, LEN);
	}
	res_is(raw_lend(&r, 4, 0, 0, 0), -EINVAL, "tag 4 of 4");
	res_is(raw_lend(&r, 0xffff, 0, 0, 0), -EINVAL, "tag 65535");
	res_is(raw_lend_at(&r, raw_pos(1, tag, 0), 0, 0), -EINVAL, "queue 1 of 1");
	res_is(raw_lend_at(&r, raw_pos(4095, tag, 0), 0, 0), -EINVAL, "queue 4095");
	res_is(raw_lend_at(&r, raw_pos(4096, tag, 0), 0, 0), -EINVAL, "behind the last queue");
	res_is(raw_lend_at(&r, raw_pos(0, tag, 0) - UBLKSRV_IO_BUF_OFFSET, 0, 0), -EINVAL,
	       "before the first");
	res_is(raw_lend_at(&r, UBLKSRV_IO_BUF_OFFSET - 1, 0, 0), -EINVAL, "before the first");
	res_is(raw_lend_at(&r, raw_pos(0, tag, 0) + (1ULL << 53), 0, 0), -EINVAL, "bit 53");
	res_is(raw_lend_at(&r, raw_pos(0, tag, 0) + (1ULL << 63), 0, 0), -EINVAL, "bit 63");
	res_is(raw_lend_at(&r, -1ULL, 0, 0), -EINVAL, "all ones");
	raw_serve(&r, tag);
	res_is(client_wait(c), LEN, "the write");
	for (unsigned int i = 0; i < 3; i++) {
		raw_serve(&r, tags[i]);
		res_is(client_wait(more[i]), LEN, "write %u more", i);
	}
	res_is(raw_lend(&r, tag, 0, 0, 0), -EINVAL, "completed tag");
	res_is(raw_unlend(&r, 0), -EINVAL, "the slot stayed empty");
	raw_down(&r);
}

Test(ublk_zc, lends_no_bytes_outside_the_request)
{
	struct client *c;
	unsigned int tag;

	raw_up(&r, &zc);
	c = client_start(&(struct client_job){ .id = r.id, .op = CLIENT_WRITE, .len = LEN });
	tag = raw_expect(&r, UBLK_IO_OP_WRITE, LEN);
	res_is(raw_lend(&r, tag, LEN, 0, 0), -EINVAL, "offset == length");
	res_is(raw_lend(&r, tag, LEN + 1, 0, 0), -EINVAL, "offset > length");
	res_is(raw_lend(&r, tag, LEN + 512, 512, 0), -EINVAL, "offset > length");
	res_is(raw_lend(&r, tag, (1 << 25) - 1, 1, 0), -EINVAL, "the greatest offset");
	res_is(raw_lend(&r, tag, 0, LEN + 1, 0), -EINVAL, "length > request");
	res_is(raw_lend(&r, tag, 512, LEN, 0), -EINVAL, "end > request");
	res_is(raw_lend(&r, tag, 512, 0xffffffff, 0), -EINVAL, "end wraps");
	res_is(raw_lend(&r, tag, 0, 0x80000000, 0), -EINVAL, "2 GiB");
	res_is(raw_lend(&r, tag, 0, LEN, 0), LEN, "all");
	res_is(raw_lend(&r, tag, LEN - 1, 1, 1), 1, "the last byte");
	res_is(raw_lend(&r, tag, 512, 0, 2), LEN - 512, "from 512 on");
	res_is(raw_lend(&r, tag, 0, 512, 0), -EBUSY, "the slot is taken");
	res_is(raw_rw(&r, IORING_OP_WRITE_FIXED, file_mem(LEN), 1, 1, 0, 1), -EFAULT,
	       "behind the last byte");
	for (unsigned int i = 0; i < 3; i++)
		res_is(raw_unlend(&r, i), 0, "slot %u", i);
	raw_serve(&r, tag);
	res_is(client_wait(c), LEN, "the write");
	raw_down(&r);
}

static void lends_no(unsigned int tag, const char *name)
{
	res_is(raw_lend(&r, tag, 0, 0, 0), -EINVAL, "%s", name);
	res_is(raw_lend(&r, tag, 0, 512, 0), -EINVAL, "%s", name);
}

Test(ublk_zc, lends_no_request_without_data)
{
	raw_up(&r, &(struct raw_opt){ .attrs = UBLK_ATTR_VOLATILE_CACHE, .discard = true });
	client_without_data(&r, lends_no);
	raw_down(&r);
}

static void lends_nothing(u64 flags, const char *name)
{
	struct client *c;
	unsigned int tag;

	raw_up(&r, &(struct raw_opt){ .flags = flags });
	c = client_start(&(struct client_job){ .id = r.id, .op = CLIENT_WRITE, .len = LEN,
					       .seed = 3 });
	tag = raw_expect(&r, UBLK_IO_OP_WRITE, LEN);
	res_is(raw_lend(&r, tag, 0, 0, 0), -EOPNOTSUPP, "%s", name);
	raw_serve(&r, tag);
	res_is(client_wait(c), LEN, "%s", name);
	pat_is(r.mem, LEN, 3, 0, "%s", name);
	raw_down(&r);
}

Test(ublk_zc, a_device_without_it_lends_nothing)
{
	lends_nothing(UBLK_F_CMD_IOCTL_ENCODE, "copying");
	lends_nothing(UBLK_F_CMD_IOCTL_ENCODE | UBLK_F_USER_COPY, "user copy");
}

/* V1: a write's pages are the page cache's, a read's hold what was there before. */
static void direction(enum client_op job, bool writes)
{
	int lender = lender_open(), file = file_mem(LEN), want = writes ? LEN : -EFAULT;
	const struct client_job what = { .id = r.id, .op = job, .len = LEN, .seed = 1 };
	struct lend_move m = { .index = 0, .len = LEN, .slot = 0 };
	struct client *c = client_start(&what);
	unsigned int tag = raw_expect(&r, writes ? UBLK_IO_OP_WRITE : UBLK_IO_OP_READ, LEN);
	struct tcp_pair tcp;
	static u8 zero[LEN];

	tcp_pair(&tcp, 0, 0);
	lender_simple(lender, 0, LEN);
	memset(r.mem, 7, LEN);
	res_is(raw_lend(&r, tag, 0, 0, 0), LEN, "REGISTER");
	/* what overwrites, first those that must not */
	if (writes) {
		res_is(raw_rw(&r, IORING_OP_READ_FIXED, file, 0, LEN, 0, 0), -EFAULT, "READ_FIXED");
		m.op = LEND_TEST_CMD_FILL;
		res_is(lender_move(&r.ring, lender, &m), -EFAULT, "fill");
	}
	res_is(raw_rw(&r, IORING_OP_WRITE_FIXED, file, 0, LEN, 0, 0), want, "WRITE_FIXED");
	m.op = LEND_TEST_CMD_DRAIN;
	res_is(lender_move(&r.ring, lender, &m), want, "drain");
	prep_send_fixed(ring_sqe(&r.ring), tcp.tx, 0, LEN, 0);
	res_is(ring_run(&r.ring), want, "SEND_ZC");
	if (!writes) {
		u8 *back = page_alloc(LEN);

		file_read(file, back, LEN, 0);
		mem_is(back, zero, LEN, "the file stayed as it was");
		lender_read(lender, 0, 0, back, LEN);
		mem_is(back, zero, LEN, "so did the device's buffer");
		m.op = LEND_TEST_CMD_FILL;
		res_is(lender_move(&r.ring, lender, &m), LEN, "fill");
		res_is(raw_rw(&r, IORING_OP_READ_FIXED, file, 0, LEN, 0, 0), LEN, "READ_FIXED");
	}
	res_is(raw_unlend(&r, 0), 0, "UNREGISTER");
	raw_serve(&r, tag);
	res_is(client_wait(c), LEN, "the request");
	if (writes)
		pat_is(r.mem, LEN, 1, 0, "what is written was not overwritten");
}

Test(ublk_zc, pages_are_used_in_the_requests_direction_only)
{
	raw_up(&r, &zc);
	direction(CLIENT_WRITE, true);
	direction(CLIENT_READ, false);
	raw_down(&r);
}

Test(ublk_zc, a_device_open_for_reading_lends_the_pages_of_writes_only)
{
	struct raw_opt opt = zc;
	int file = file_mem(LEN);
	struct client *c;
	unsigned int tag;

	opt.read_only = true;
	raw_up(&r, &opt);
	c = client_start(&(struct client_job){ .id = r.id, .op = CLIENT_READ, .len = LEN });
	tag = raw_expect(&r, UBLK_IO_OP_READ, LEN);
	res_is(raw_lend(&r, tag, 0, 0, 0), -EBADF, "REGISTER of a read");
	res_is(raw_rw(&r, IORING_OP_READ_FIXED, file, 0, LEN, 0, 0), -EFAULT, "the slot is empty");
	raw_commit(&r, tag, -EIO);
	res_is(client_wait(c), -EIO, "the read");

	c = client_start(&(struct client_job){ .id = r.id, .op = CLIENT_WRITE, .len = LEN,
					       .seed = 5 });
	tag = raw_expect(&r, UBLK_IO_OP_WRITE, LEN);
	res_is(raw_lend(&r, tag, 0, 0, 0), LEN, "REGISTER of a write");
	res_is(raw_rw(&r, IORING_OP_WRITE_FIXED, file, 0, LEN, 0, 0), LEN, "WRITE_FIXED");
	res_is(raw_unlend(&r, 0), 0, "UNREGISTER");
	raw_commit(&r, tag, LEN);
	res_is(client_wait(c), LEN, "the write");
	file_read(file, r.mem, LEN, 0);
	pat_is(r.mem, LEN, 5, 0, "what was written");
	raw_down(&r);
}

Test(ublk_zc, a_device_open_for_writing_lends_the_pages_of_reads_only)
{
	u8 *buf = page_alloc(LEN);
	struct raw_opt opt = zc;
	int file = file_mem(LEN), tag;
	struct client *c;

	opt.write_only = true;
	pat_fill(buf, LEN, 6, 0);
	file_write(file, buf, LEN, 0);
	raw_up(&r, &opt);
	c = client_start(&(struct client_job){ .id = r.id, .op = CLIENT_WRITE, .len = LEN });
	/* its description cannot be read through such a file */
	tag = raw_request(&r, SOON_MS);
	cr_assert_geq(tag, 0, "no request came");
	res_is(raw_lend(&r, tag, 0, 0, 0), -EBADF, "REGISTER of a write");
	raw_commit(&r, tag, -EIO);
	res_is(client_wait(c), -EIO, "the write");

	c = client_start(&(struct client_job){ .id = r.id, .op = CLIENT_READ, .len = LEN });
	tag = raw_request(&r, SOON_MS);
	cr_assert_geq(tag, 0, "no request came");
	res_is(raw_lend(&r, tag, 0, 0, 0), LEN, "REGISTER of a read");
	res_is(raw_rw(&r, IORING_OP_READ_FIXED, file, 0, LEN, 0, 0), LEN, "READ_FIXED");
	res_is(raw_unlend(&r, 0), 0, "UNREGISTER");
	raw_commit(&r, tag, LEN);
	res_is(client_wait(c), LEN, "the read");
	pat_is(c->buf, LEN, 6, 0, "what was read");
	raw_down(&r);
}

Test(ublk_zc, pread_and_pwrite_work_beside_it)
{
	u8 *buf = page_alloc(LEN);
	struct client *c;
	unsigned int tag;

	raw_up(&r, &zc);
	c = client_start(&(struct client_job){ .id = r.id, .op = CLIENT_WRITE, .len = LEN,
					       .seed = 5 });
	tag = raw_expect(&r, UBLK_IO_OP_WRITE, LEN);
	res_is(raw_lend(&r, tag, 0, 0, 0), LEN, "REGISTER");
	cr_assert_eq(pread(r.cdev, buf, 4096, raw_pos(0, tag, 1024)), 4096);
	pat_is(buf, 4096, 5, 1024, "pread of a part");
	cr_assert_eq(pwrite(r.cdev, buf, 512, raw_pos(0, tag, 0)), -1);
	cr_assert_eq(errno, EACCES, "pwrite to a write: %d", errno);
	cr_assert_eq(pread(r.cdev, buf, 512, raw_pos(0, (tag + 1) % 4, 0)), -1);
	cr_assert_eq(errno, EINVAL, "pread of an idle tag: %d", errno);
	res_is(raw_unlend(&r, 0), 0, "UNREGISTER");
	raw_serve(&r, tag);
	res_is(client_wait(c), LEN, "the write");

	c = client_start(&(struct client_job){ .id = r.id, .op = CLIENT_READ, .len = LEN });
	tag = raw_expect(&r, UBLK_IO_OP_READ, LEN);
	pat_fill(buf, LEN, 6, 0);
	cr_assert_eq(pwrite(r.cdev, buf + 8192, 8192, raw_pos(0, tag, 8192)), 8192);
	cr_assert_eq(pread(r.cdev, buf, 512, raw_pos(0, tag, 0)), -1);
	cr_assert_eq(errno, EACCES, "pread of a read: %d", errno);
	res_is(raw_lend(&r, tag, 0, 8192, 0), 8192, "REGISTER");
	{
		int file = file_mem(LEN);

		file_write(file, buf, LEN, 0);
		res_is(raw_rw(&r, IORING_OP_READ_FIXED, file, 0, 8192, 0, 0), 8192, "READ_FIXED");
	}
	res_is(raw_unlend(&r, 0), 0, "UNREGISTER");
	raw_commit(&r, tag, LEN);
	res_is(client_wait(c), LEN, "the read");
	pat_is(c->buf, LEN, 6, 0, "half by READ_FIXED, half by pwrite");
	raw_down(&r);
}

/* What the server says that it has done, and what the client is to see of it. */
Test(ublk_zc, a_nonsense_result_is_an_error_or_cut)
{
	static const struct { int res; long want; bool all; } cases[] = {
		{ LEN, LEN, true }, { 2 * LEN, LEN, true }, { __INT_MAX__, LEN, true },
		{ LEN + 1, LEN, true }, { 0, -EIO, false }, { 1, -EIO, false }, { 511, -EIO,
										  false },
		{ -EIO, -EIO, false }, { -1, -EIO, false }, { -ENOSPC, -ENOSPC, false },
		{ -5000, -EIO, false }, { -__INT_MAX__ - 1, -EIO, false }, { -4096, -EIO, false },
	};

	raw_up(&r, &zc);
	pat_fill(r.mem, LEN, 4, 0);
	for (unsigned int i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct client *c;
		unsigned int tag;

		for (unsigned int write = 0; write < 2; write++) {
			const struct client_job job = {
				.id = r.id,
				.op = write ? CLIENT_WRITE : CLIENT_READ, .len = LEN, .seed = 4,
			};

			c = client_start(&job);
			tag = raw_expect(&r, write ? UBLK_IO_OP_WRITE : UBLK_IO_OP_READ, LEN);
			if (!write)
				cr_assert_eq(pwrite(r.cdev, r.mem, LEN, raw_pos(0, tag, 0)), LEN);
			raw_commit(&r, tag, cases[i].res);
			res_is(client_wait(c), cases[i].want, "%s, COMMIT of %d",
			       write ? "write" : "read", cases[i].res);
			if (!write && cases[i].all)
				pat_is(c->buf, LEN, 4, 0, "COMMIT of %d", cases[i].res);
		}
	}
	raw_down(&r);
}

/* The rest of a short result comes as a request of its own, until all is there. */
Test(ublk_zc, a_short_result_brings_the_rest_again)
{
	static const u32 parts[] = { 512, 4096, 4608, 8191, 16383 };
	int file = file_mem(LEN);

	raw_up(&r, &zc);
	pat_fill(r.mem, LEN, 8, 0);
	file_write(file, r.mem, LEN, 0);
	for (unsigned int i = 0; i < 5; i++) {
		u32 done = parts[i] & ~511;
		struct client *c = client_start(&(struct client_job){ .id = r.id, .op = CLIENT_READ,
								      .len = LEN });
		unsigned int tag = raw_expect(&r, UBLK_IO_OP_READ, LEN);

		res_is(raw_lend(&r, tag, 0, 0, 0), LEN, "REGISTER");
		res_is(raw_rw(&r, IORING_OP_READ_FIXED, file, 0, done, 0, 0), done, "READ_FIXED");
		res_is(raw_unlend(&r, 0), 0, "UNREGISTER");
		raw_commit(&r, tag, parts[i]);
		must(!client_done(c, 50), "a short read of %u ended as %s", parts[i],
		     res_str(c->res));
		tag = raw_expect(&r, UBLK_IO_OP_READ, LEN - done);
		cr_assert_eq(raw_off(&r, tag), done, "the rest is at %llu, not %u",
			     (unsigned long long)raw_off(&r, tag), done);
		/* it starts inside of the bio's segments */
		res_is(raw_lend(&r, tag, 0, 0, 0), LEN - done, "REGISTER");
		res_is(raw_rw(&r, IORING_OP_READ_FIXED, file, 0, LEN - done, done, 0), LEN - done,
		       "READ_FIXED");
		res_is(raw_unlend(&r, 0), 0, "UNREGISTER");
		raw_commit(&r, tag, LEN - done);
		res_is(client_wait(c), LEN, "COMMIT of %u", parts[i]);
		pat_is(c->buf, LEN, 8, 0, "COMMIT of %u", parts[i]);
	}
	raw_down(&r);
}

Test(ublk_zc, a_second_commit_is_refused)
{
	struct client *c;
	unsigned int tag;

	raw_up(&r, &zc);
	for (unsigned int lent = 0; lent < 2; lent++) {
		c = client_start(&(struct client_job){ .id = r.id, .op = CLIENT_WRITE,
						       .len = LEN });
		tag = raw_expect(&r, UBLK_IO_OP_WRITE, LEN);
		if (lent)
			res_is(raw_lend(&r, tag, 0, 0, 0), LEN, "REGISTER");
		raw_commit(&r, tag, LEN);
		res_is(raw_run_cmd(&r, UBLK_U_IO_COMMIT_AND_FETCH_REQ, 0, tag, -EIO, 0), -EBUSY,
		       "second COMMIT");
		res_is(raw_run_cmd(&r, UBLK_U_IO_FETCH_REQ, 0, tag, 0, 0), -EBUSY,
		       "FETCH after COMMIT");
		if (lent) {
			must(!client_done(c, NEVER_MS),
			     "the request ended while its pages were lent");
			res_is(raw_lend(&r, tag, 0, 0, 1), -EINVAL, "REGISTER after COMMIT");
			res_is(raw_unlend(&r, 0), 0, "UNREGISTER");
		}
		res_is(client_wait(c), LEN, "the first COMMIT counts");
	}
	for (unsigned int i = 0; i < 4; i++)
		res_is(raw_run_cmd(&r, UBLK_U_IO_COMMIT_AND_FETCH_REQ, 0, i, 512, 0), -EBUSY,
		       "COMMIT of idle tag %u", i);
	raw_down(&r);
}

/*
 * A write of several bios that came as one request, which it does unless the client was
 * preempted while it submitted them.
 */
static struct client *merged_write(const struct client_job *job, unsigned int *tag)
{
	for (unsigned int i = 0; i < 50; i++) {
		struct client *c = client_start(job);
		int t = raw_request(&r, SOON_MS);

		must(t >= 0, "no request came");
		*tag = t;
		if (raw_len(&r, t) == job->len)
			return c;
		raw_serve(&r, t);
		while (!client_done(c, 0))
			raw_serve_all(&r, 1);
		client_wait(c);
	}
	must(false, "%u bios never came as one request", job->nr);
	return NULL;
}

/* A request of several bios needs memory for its segments, as a second loan does. */
Test(ublk_zc, no_memory_is_an_error_and_the_request_lives)
{
	const struct client_job job = { .op = CLIENT_WRITE, .len = 32768, .nr = 8, .seed = 2 };
	unsigned int lent = 0, failed = 0, other = 0;
	struct client_job j = job;
	struct client *c;
	unsigned int tag;

	raw_up(&r, &zc);
	j.id = r.id;
	c = merged_write(&j, &tag);
	if (!failslab_start(40)) {
		raw_serve(&r, tag);
		raw_down(&r);
		cr_skip_test("the kernel cannot be made to run out of memory (CONFIG_FAILSLAB)");
	}
	for (unsigned int i = 0; i < 300; i++) {
		int first = raw_lend(&r, tag, 0, 0, 0), second = raw_lend(&r, tag, 512, 0, 1);

		lent += (first == 32768) + (second == 32768 - 512);
		failed += (first == -ENOMEM) + (second == -ENOMEM);
		if (first > 0)
			other += raw_unlend(&r, 0) != 0;
		if (second > 0)
			other += raw_unlend(&r, 1) != 0;
	}
	failslab_stop();
	must(lent && failed && !other && lent + failed == 600,
	     "%u lent, %u failed, of 600; %u other", lent, failed, other);
	raw_serve(&r, tag);
	res_is(client_wait(c), 32768, "the write");
	pat_is(r.mem, 32768, 2, 0, "what it wrote");
	raw_down(&r);
}

struct fetcher {
	pthread_t thread;
	pthread_barrier_t *barrier;
	struct io_uring ring;
	int res;
	volatile int stop;
};

/* FETCH of tag 0 at the same moment as the other; holds on to what it got. */
static void *fetcher(void *arg)
{
	struct fetcher *f = arg;
	struct io_uring_sqe *sqe = io_uring_get_sqe(&f->ring);
	struct io_uring_cqe *cqe;
	struct __kernel_timespec ts = { .tv_nsec = 100000000 };

	memset(sqe, 0, sizeof(*sqe));
	raw_prep_cmd(&r, sqe, UBLK_U_IO_FETCH_REQ, 0, 0, 0, 0);
	pthread_barrier_wait(f->barrier);
	io_uring_submit(&f->ring);
	f->res = RING_TIMEOUT;
	if (!io_uring_wait_cqe_timeout(&f->ring, &cqe, &ts))
		f->res = cqe->res;
	pthread_barrier_wait(f->barrier);
	while (!f->stop)
		sleep_ms(1);
	return NULL;
}

Test(ublk_zc, one_of_two_fetches_of_a_tag_wins, .timeout = 120)
{
	for (unsigned int round = 0; round < 30; round++) {
		pthread_barrier_t barrier;
		struct fetcher f[2];

		res_is(raw_add(&r, &(struct raw_opt){ .depth = 1 + round % 2 }), 0, "ADD_DEV");
		raw_open(&r);
		pthread_barrier_init(&barrier, NULL, 2);
		for (unsigned int i = 0; i < 2; i++) {
			f[i] = (struct fetcher){ .barrier = &barrier };
			ring_init(&f[i].ring, 4, 0);
			must(!pthread_create(&f[i].thread, NULL, fetcher, &f[i]), "thread");
		}
		for (unsigned int i = 0; i < 2; i++)
			f[i].stop = 1;
		for (unsigned int i = 0; i < 2; i++)
			pthread_join(f[i].thread, NULL);
		must((f[0].res == RING_TIMEOUT) + (f[1].res == RING_TIMEOUT) == 1,
		     "round %u: %d and %d", round, f[0].res, f[1].res);
		for (unsigned int i = 0; i < 2; i++) {
			if (f[i].res != RING_TIMEOUT)
				must(f[i].res == -EBUSY || f[i].res == -EINVAL, "the loser got %s",
				     res_str(f[i].res));
			io_uring_queue_exit(&f[i].ring);
		}
		raw_close(&r);
		res_is(raw_del(r.id, SOON_MS), 0, "DEL_DEV");
	}
}
