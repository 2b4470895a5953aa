// SPDX-License-Identifier: GPL-2.0
/*
 * What REGISTER, UNREGISTER and the requests that use a lent buffer refuse, row by
 * row of the table in the contract, and that a refusal changes nothing.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/io_uring_fused.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fail.h"
#include "lender.h"
#include "pattern.h"
#include "ring.h"
#include "tmpfile.h"

#define SLOTS	8
#define BUF_LEN	12800	/* of buffer 0: 4096 + 8192 + 512 */

static struct io_uring ring;
static int lender, file;

static void setup(void)
{
	static const struct lend_test_seg segs[] = {
		{ .len = 4096 }, { .len = 8192 }, { .offset = 1024, .len = 512 },
	};

	ring_init(&ring, 64, 0);
	ring_table(&ring, SLOTS);
	lender = lender_open();
	lender_setup(lender, 0, &(struct lend_spec){ .segs = segs, .nr_segs = 3 });
	file = file_mem(1 << 20);
}

static void teardown(void)
{
	io_uring_queue_exit(&ring);
	close(lender);
	close(file);
}

TestSuite(lend_errors, .init = setup, .fini = teardown, .timeout = 60);

static u64 buf0(u32 offset)
{
	return LEND_TEST_POS(0, offset);
}

/* A buffer of user space in @slot. */
static void *user_slot(unsigned int slot, size_t len)
{
	void *p = page_alloc(len);
	struct iovec iov = { .iov_base = p, .iov_len = len };

	res_is(ring_update(&ring, slot, &iov, NULL, 1), 1, "user buffer in slot %u", slot);
	return p;
}

Test(lend_errors, register_returns_the_bytes_lent)
{
	static const struct { u32 off, len, want; } cases[] = {
		{ 0, 0, BUF_LEN }, { 0, BUF_LEN, BUF_LEN }, { 0, 1, 1 }, { 512, 0, BUF_LEN - 512 },
		{ 4096, 8192, 8192 }, { BUF_LEN - 1, 0, 1 }, { BUF_LEN - 1, 1, 1 },
	};

	for (unsigned int i = 0; i < 7; i++) {
		res_is(lent_register(&ring, lender, buf0(cases[i].off), cases[i].len, i),
		       cases[i].want, "offset %u length %u", cases[i].off, cases[i].len);
	}
	lender_is(lender, 0, 7, 0, "seven loans");
}

Test(lend_errors, register_refuses_a_file_that_lends_nothing)
{
	int null = open("/dev/null", O_RDWR);

	res_is(lent_register(&ring, file, 0, 0, 0), -EOPNOTSUPP, "file in memory");
	res_is(lent_register(&ring, null, 0, 0, 0), -EOPNOTSUPP, "/dev/null");
	res_is(lent_register(&ring, ring.ring_fd, 0, 0, 0), -EOPNOTSUPP, "the ring itself");
	res_is(lent_register(&ring, -1, 0, 0, 0), -EBADF, "no file");
	res_is(lent_register(&ring, 1000, 0, 0, 0), -EBADF, "a descriptor that is not open");
	res_is(lent_unregister(&ring, 0), -EINVAL, "the slot stayed empty");
}

Test(lend_errors, register_works_on_a_registered_file)
{
	struct io_uring_sqe *sqe;
	int files[] = { file, lender };

	res_is(io_uring_register_files(&ring, files, 2), 0, "registering files");
	sqe = ring_sqe(&ring);
	lent_prep_register(sqe, 1, buf0(0), 0, 3, 0);
	sqe->flags = IOSQE_FIXED_FILE;
	res_is(ring_run(&ring), BUF_LEN, "registered file 1");
	sqe = ring_sqe(&ring);
	lent_prep_register(sqe, 0, buf0(0), 0, 4, 0);
	sqe->flags = IOSQE_FIXED_FILE;
	res_is(ring_run(&ring), -EOPNOTSUPP, "registered file 0 lends nothing");
	sqe = ring_sqe(&ring);
	lent_prep_register(sqe, 2, buf0(0), 0, 4, 0);
	sqe->flags = IOSQE_FIXED_FILE;
	res_is(ring_run(&ring), -EBADF, "registered file 2 is none");
}

Test(lend_errors, register_refuses_a_slot_out_of_range)
{
	static const unsigned int slots[] = { SLOTS, SLOTS + 1, 0x7fff, 0x8000, 0xffff };

	for (unsigned int i = 0; i < 5; i++) {
		res_is(lent_register(&ring, lender, buf0(0), 0, slots[i]), -EINVAL,
		       "slot %#x of %u", slots[i], SLOTS);
		res_is(lent_unregister(&ring, slots[i]), -EINVAL, "unregister slot %#x of %u",
		       slots[i], SLOTS);
	}
	lender_is(lender, 0, 0, 0, "nothing was lent");
	res_is(lent_register(&ring, lender, buf0(0), 0, SLOTS - 1), BUF_LEN, "the last slot");
}

Test(lend_errors, without_a_table_there_is_no_slot)
{
	struct io_uring bare;

	ring_init(&bare, 8, 0);
	res_is(lent_register(&bare, lender, buf0(0), 0, 0), -EINVAL, "register");
	res_is(lent_register_pick(&bare, lender, buf0(0), 0), -EINVAL, "register, pick");
	res_is(lent_unregister(&bare, 0), -EINVAL, "unregister");
	res_is(rw_fixed(&bare, IORING_OP_WRITE_FIXED, file, 0, 512, 0, 0), -EFAULT, "write");
	lender_is(lender, 0, 0, 0, "nothing was lent");
	io_uring_queue_exit(&bare);
}

Test(lend_errors, register_refuses_an_occupied_slot)
{
	res_is(lent_register(&ring, lender, buf0(0), 0, 0), BUF_LEN, "first");
	res_is(lent_register(&ring, lender, buf0(0), 0, 0), -EBUSY, "slot of a lent buffer");
	user_slot(1, 4096);
	res_is(lent_register(&ring, lender, buf0(0), 0, 1), -EBUSY, "slot of a user buffer");
	lender_is(lender, 0, 1, 0, "only the first was lent");
	res_is(lent_unregister(&ring, 0), 0, "unregister");
	lender_released(lender, 0, 1, SOON_MS);
	res_is(lent_register(&ring, lender, buf0(0), 0, 0), BUF_LEN, "again");
}

Test(lend_errors, pick_finds_each_empty_slot_once_and_then_none)
{
	unsigned int taken = 1 << 2;

	user_slot(2, 4096);
	for (unsigned int i = 0; i < SLOTS - 1; i++) {
		int slot = lent_register_pick(&ring, lender, buf0(0), 0);

		must(slot >= 0 && slot < SLOTS && !(taken & 1 << slot),
		     "round %u picked %s, taken %#x", i, res_str(slot), taken);
		taken |= 1 << slot;
	}
	res_is(lent_register_pick(&ring, lender, buf0(0), 0), -ENFILE, "the table is full");
	lender_is(lender, 0, SLOTS - 1, 0, "ENFILE lends nothing");
	res_is(lent_unregister(&ring, 5), 0, "unregister slot 5");
	res_is(lent_register_pick(&ring, lender, buf0(0), 0), 5, "the only empty slot");
	/* what was picked is what was told */
	res_is(rw_fixed(&ring, IORING_OP_WRITE_FIXED, file, 0, 512, 0, 5), 512, "write, slot 5");
}

Test(lend_errors, pick_leaves_the_slot_empty_when_the_exporter_refuses)
{
	for (unsigned int i = 0; i < 2 * SLOTS; i++)
		res_is(lent_register_pick(&ring, lender, LEND_TEST_POS(1, 0), 0), -EINVAL,
		       "no such buffer");
	for (unsigned int i = 0; i < SLOTS; i++)
		must(lent_register_pick(&ring, lender, buf0(0), 0) >= 0, "slot %u of %u", i, SLOTS);
}

Test(lend_errors, register_refuses_unknown_flags_and_reserved_fields)
{
	struct io_uring_sqe *sqe;

	for (unsigned int bit = 1; bit < 32; bit++) {
		lent_prep_register(ring_sqe(&ring), lender, buf0(0), 0, 0, 1U << bit);
		res_is(ring_run(&ring), -EINVAL, "flag bit %u", bit);
	}
	lent_prep_register(ring_sqe(&ring), lender, buf0(0), 0, 1, IORING_LENT_BUF_PICK_SLOT);
	res_is(ring_run(&ring), -EINVAL, "slot to pick, and a slot");

#define WITH(field, value) \
	sqe = ring_sqe(&ring); \
	lent_prep_register(sqe, lender, buf0(0), 0, 0, 0); \
	sqe->field = (value); \
	res_is(ring_run(&ring), -EINVAL, #field)

	WITH(ioprio, 1);
	WITH(ioprio, 0x8000);
	WITH(addr, 1);
	WITH(addr, 1ULL << 63);
	WITH(addr3, 1);
	WITH(splice_fd_in, 1);
	WITH(splice_fd_in, -1);
	WITH(__pad2[0], 1);
#undef WITH
	sqe = ring_sqe(&ring);
	lent_prep_register(sqe, lender, buf0(0), 0, 0, 0);
	sqe->flags = IOSQE_BUFFER_SELECT;
	res_is(ring_run(&ring), -EOPNOTSUPP, "buffer select");
	lender_is(lender, 0, 0, 0, "nothing was lent");
	res_is(lent_unregister(&ring, 0), -EINVAL, "the slot stayed empty");
}

Test(lend_errors, unregister_refuses_what_is_not_a_lent_buffer)
{
	res_is(lent_unregister(&ring, 0), -EINVAL, "empty slot");
	user_slot(1, 4096);
	res_is(lent_unregister(&ring, 1), -EBUSY, "user buffer");
	res_is(rw_fixed(&ring, IORING_OP_WRITE_FIXED, file, 0, 0, 0, 1), -EFAULT,
	       "user buffers are addressed by address");
	res_is(lent_register(&ring, lender, buf0(0), 0, 0), BUF_LEN, "register");
	res_is(lent_unregister(&ring, 0), 0, "unregister");
	res_is(lent_unregister(&ring, 0), -EINVAL, "a second time");
	lender_is(lender, 0, 1, 1, "released at once");
}

Test(lend_errors, unregister_refuses_reserved_fields)
{
	struct io_uring_sqe *sqe;

	res_is(lent_register(&ring, lender, buf0(0), 0, 0), BUF_LEN, "register");
#define WITH(field, value) \
	sqe = ring_sqe(&ring); \
	lent_prep_unregister(sqe, 0); \
	sqe->field = (value); \
	res_is(ring_run(&ring), -EINVAL, #field)

	WITH(ioprio, 1);
	WITH(off, 1);
	WITH(addr, 1);
	WITH(len, 1);
	WITH(rw_flags, 1);
	WITH(rw_flags, 1 << 31);
	WITH(splice_fd_in, 1);
	WITH(addr3, 1);
	WITH(__pad2[0], 1);
	WITH(flags, IOSQE_FIXED_FILE);
#undef WITH
	lender_is(lender, 0, 1, 0, "still lent");
	/* the descriptor is not looked at */
	sqe = ring_sqe(&ring);
	lent_prep_unregister(sqe, 0);
	sqe->fd = 1000;
	res_is(ring_run(&ring), 0, "some descriptor");
	lender_is(lender, 0, 1, 1, "released");
}

static const u64 past_the_end[][2] = {
	/* offset, length of a buffer of BUF_LEN bytes */
	{ 0, BUF_LEN + 1 }, { 1, BUF_LEN }, { BUF_LEN, 1 }, { BUF_LEN - 1, 2 },
	{ BUF_LEN + 1, 0 }, { BUF_LEN + 1, 1 }, { 1ULL << 31, 1 }, { 1ULL << 32, 1 },
	{ (1ULL << 32) + 1, 1 }, { 1ULL << 63, 512 }, { -1ULL, 1 }, { -1ULL, 2 },
	{ -512ULL, 512 }, { -512ULL, 1024 }, { 0, 0x7fffffff }, { 0, 0x7ffff000 },
	{ 0, 0x7ffff001 }, { 0, 0x80000000 }, { 0, 0xffffffff }, { 512, 0xffffffff },
};
#define NR_PAST	(sizeof(past_the_end) / sizeof(past_the_end[0]))

/* All kinds of request that use a fixed buffer, each with the same range. */
static void all_refuse(u64 off, u32 len, unsigned int slot, struct tcp_pair *tcp,
		       const char *why)
{
	const struct lend_move fill = {
		.op = LEND_TEST_CMD_FILL, .addr = off, .len = len, .slot = slot,
	};
	const struct iovec iov[] = { { NULL, 1 }, { (void *)(uintptr_t)off, len } };
	struct lend_move drain = fill;

	drain.op = LEND_TEST_CMD_DRAIN;
	res_is(rw_fixed(&ring, IORING_OP_WRITE_FIXED, file, off, len, 0, slot), -EFAULT,
	       "%s: write, %u bytes at %#llx", why, len, (unsigned long long)off);
	res_is(rw_fixed(&ring, IORING_OP_READ_FIXED, file, off, len, 0, slot), -EFAULT,
	       "%s: read, %u bytes at %#llx", why, len, (unsigned long long)off);
	res_is(lender_move(&ring, lender, &fill), -EFAULT, "%s: fill, %u bytes at %#llx",
	       why, len, (unsigned long long)off);
	res_is(lender_move(&ring, lender, &drain), -EFAULT, "%s: drain, %u bytes at %#llx",
	       why, len, (unsigned long long)off);
	res_is(rwv_fixed(&ring, RING_OP_WRITEV_FIXED, file, iov, 2, 0, slot), -EFAULT,
	       "%s: a second part to write, %u bytes at %#llx", why, len, (unsigned long long)off);
	res_is(rwv_fixed(&ring, RING_OP_READV_FIXED, file, iov, 2, 0, slot), -EFAULT,
	       "%s: a second part to read, %u bytes at %#llx", why, len, (unsigned long long)off);
	prep_send_fixed(ring_sqe(&ring), tcp->tx, off, len, slot);
	res_is(ring_run(&ring), -EFAULT, "%s: send, %u bytes at %#llx", why, len,
	       (unsigned long long)off);
	prep_copy_fixed(ring_sqe(&ring), tcp->tx, off, len, slot);
	res_is(ring_run(&ring), len > INT_MAX ? -EINVAL : -EFAULT,
	       "%s: send a copy, %u bytes at %#llx", why, len, (unsigned long long)off);
}

Test(lend_errors, io_refuses_a_range_outside_the_buffer, .timeout = 120)
{
	struct tcp_pair tcp;

	tcp_pair(&tcp, 0, 0);
	res_is(lent_register(&ring, lender, buf0(0), 0, 0), BUF_LEN, "register");
	for (unsigned int i = 0; i < NR_PAST; i++)
		all_refuse(past_the_end[i][0], past_the_end[i][1], 0, &tcp, "outside");
	lender_is(lender, 0, 1, 0, "still lent, no reference lost");
	res_is(rw_fixed(&ring, IORING_OP_WRITE_FIXED, file, BUF_LEN - 512, 512, 0, 0), 512,
	       "the last bytes");
	res_is(lent_unregister(&ring, 0), 0, "unregister");
	lender_is(lender, 0, 1, 1, "every request dropped its reference");
}

Test(lend_errors, io_refuses_a_range_outside_a_part_of_a_buffer)
{
	struct tcp_pair tcp;

	tcp_pair(&tcp, 0, 0);
	res_is(lent_register(&ring, lender, buf0(4096), 4096, 0), 4096, "the middle");
	all_refuse(0, 4097, 0, &tcp, "part");
	all_refuse(4096, 1, 0, &tcp, "part");
	all_refuse(-4096ULL, 4096, 0, &tcp, "part");
	res_is(rw_fixed(&ring, IORING_OP_WRITE_FIXED, file, 0, 4096, 0, 0), 4096, "all of it");
}

Test(lend_errors, io_refuses_an_empty_slot_and_one_out_of_range)
{
	struct tcp_pair tcp;

	tcp_pair(&tcp, 0, 0);
	all_refuse(0, 512, 0, &tcp, "never used");
	all_refuse(0, 0, 1, &tcp, "never used");
	all_refuse(0, 512, SLOTS, &tcp, "out of range");
	all_refuse(0, 512, 0xffff, &tcp, "out of range");
	res_is(lent_register(&ring, lender, buf0(0), 0, 0), BUF_LEN, "register");
	res_is(lent_unregister(&ring, 0), 0, "unregister");
	all_refuse(0, 512, 0, &tcp, "unregistered");
}

/* The slot holds a lent buffer of BUF_LEN bytes of pattern @seed. */
static void slot_is_intact(unsigned int slot, u32 seed, const char *why)
{
	static u8 buf[BUF_LEN];

	res_is(rw_fixed(&ring, IORING_OP_WRITE_FIXED, file, 0, BUF_LEN, 0, slot), BUF_LEN,
	       "%s: the slot still works", why);
	file_read(file, buf, BUF_LEN, 0);
	pat_is(buf, BUF_LEN, seed, 0, "%s: the slot still has the buffer", why);
}

static void lend_pattern(unsigned int slot, u32 seed)
{
	static u8 buf[BUF_LEN];

	pat_fill(buf, BUF_LEN, seed, 0);
	lender_write(lender, 0, 0, buf, BUF_LEN);
	res_is(lent_register(&ring, lender, buf0(0), 0, slot), BUF_LEN, "register");
}

Test(lend_errors, update_does_not_touch_a_lent_buffer)
{
	struct iovec iov = { .iov_base = page_alloc(8192), .iov_len = 4096 };
	struct iovec two[2] = { iov, iov }, none = { 0 };
	const u64 tags[2] = { 17, 18 };
	struct done done;

	lend_pattern(1, 7);
	res_is(ring_update(&ring, 1, &iov, NULL, 1), -EBUSY, "an iovec");
	slot_is_intact(1, 7, "an iovec");
	res_is(ring_update(&ring, 1, &none, NULL, 1), -EBUSY, "NULL");
	slot_is_intact(1, 7, "NULL");
	res_is(ring_update(&ring, 1, &iov, tags, 1), -EBUSY, "an iovec with a tag");
	slot_is_intact(1, 7, "tag");
	/* as far as it gets */
	res_is(ring_update(&ring, 0, two, tags, 2), 1, "slots 0 and 1");
	slot_is_intact(1, 7, "slots 0 and 1");
	res_is(ring_update(&ring, 0, &none, NULL, 1), 1, "slot 0 again");
	must(ring_next(&ring, &done, SOON_MS) && done.data == 17, "the tag of slot 0");
	must(!ring_next(&ring, &done, 50), "no tag of slot 1, but %llu came",
	     (unsigned long long)done.data);
	res_is(ring_update(&ring, 2, &iov, NULL, 1), 1, "the slot beside it");
	lender_is(lender, 0, 1, 0, "still lent");
	res_is(lent_unregister(&ring, 1), 0, "unregister");
	res_is(ring_update(&ring, 1, &iov, NULL, 1), 1, "now it is free for it");
	lender_is(lender, 0, 1, 1, "released");
}

struct clone_buffers {
	u32 src_fd;
	u32 flags;
	u32 pad[6];
};

Test(lend_errors, a_table_with_a_lent_buffer_is_not_cloned)
{
	struct clone_buffers arg = { .src_fd = ring.ring_fd };
	struct io_uring dst;
	u8 *user = user_slot(2, 4096);

	ring_init(&dst, 8, 0);
	lend_pattern(1, 3);
	res_is(ring_register(&dst, RING_REGISTER_CLONE_BUFFERS, &arg, 1), -EBUSY, "clone");
	res_is(rw_fixed(&dst, IORING_OP_WRITE_FIXED, file, (uintptr_t)user, 512, 0, 2), -EFAULT,
	       "nothing was cloned");
	res_is(ring_register(&dst, IORING_UNREGISTER_BUFFERS, NULL, 0), -ENXIO,
	       "there is no table");
	slot_is_intact(1, 3, "clone");
	res_is(lent_unregister(&ring, 1), 0, "unregister");
	lender_is(lender, 0, 1, 1, "released");
	res_is(ring_register(&dst, RING_REGISTER_CLONE_BUFFERS, &arg, 1), 0,
	       "clone without a lent buffer");
	res_is(rw_fixed(&dst, IORING_OP_WRITE_FIXED, file, (uintptr_t)user, 512, 0, 2), 512,
	       "the user buffer was cloned");
	/* a clone is a table like any other */
	res_is(lent_register(&dst, lender, buf0(0), 0, 1), BUF_LEN, "lend to the clone");
	res_is(lent_register(&dst, lender, buf0(0), 0, 2), -EBUSY, "a cloned buffer's slot");
	io_uring_queue_exit(&dst);
	lender_released(lender, 0, 2, SOON_MS);
}

Test(lend_errors, a_second_table_is_refused_while_one_is_there)
{
	struct iovec iov = { .iov_base = page_alloc(4096), .iov_len = 4096 };

	lend_pattern(0, 4);
	res_is(io_uring_register_buffers(&ring, &iov, 1), -EBUSY, "a second table");
	slot_is_intact(0, 4, "a second table");
	res_is(io_uring_unregister_buffers(&ring), 0, "unregister the table");
	lender_released(lender, 0, 1, SOON_MS);
	res_is(lent_register(&ring, lender, buf0(0), 0, 0), -EINVAL, "no table");
	res_is(io_uring_register_buffers(&ring, &iov, 1), 0, "a new table");
	res_is(lent_register(&ring, lender, buf0(0), 0, 0), -EBUSY, "its only slot is taken");
}

Test(lend_errors, the_exporters_own_errors_are_passed_on)
{
	static const int errors[] = {
		EPERM, ENOENT, EIO, ENXIO, ENOMEM, EACCES, EFAULT, EBUSY, EINVAL,
		ENOSPC, EOPNOTSUPP, ESTALE, ECANCELED, EHWPOISON,
	};
	const struct lend_test_seg seg = { .len = 4096 };
	unsigned int nr = sizeof(errors) / sizeof(errors[0]);

	for (unsigned int i = 0; i < nr; i++) {
		lender_setup(lender, 1, &(struct lend_spec){ .segs = &seg, .nr_segs = 1,
							  .error = errors[i] });
		res_is(lent_register(&ring, lender, LEND_TEST_POS(1, 0), 0, 0), -errors[i], "lend");
		res_is(lent_register_pick(&ring, lender, LEND_TEST_POS(1, 0), 0), -errors[i],
		       "pick");
	}
	/* io_uring would take it for its own, and try again */
	lender_setup(lender, 1, &(struct lend_spec){ .segs = &seg, .nr_segs = 1,
						  .error = EAGAIN });
	res_is(lent_register(&ring, lender, LEND_TEST_POS(1, 0), 0, 0), -EBUSY, "EAGAIN");
	lender_is(lender, 1, 0, 0, "nothing was lent");
	res_is(lent_register(&ring, lender, LEND_TEST_POS(2, 0), 0, 0), -EINVAL, "no such buffer");
	res_is(lent_register(&ring, lender, LEND_TEST_POS(64, 0), 0, 0), -EINVAL, "index 64");
	res_is(lent_register(&ring, lender, -1ULL, 0, 0), -EINVAL, "cookie of all ones");
	res_is(lent_register(&ring, lender, buf0(BUF_LEN), 0, 0), -EINVAL, "offset == length");
	res_is(lent_register(&ring, lender, buf0(0), BUF_LEN + 1, 0), -EINVAL, "too long");
	res_is(lent_register(&ring, lender, buf0(512), BUF_LEN, 0), -EINVAL, "past the end");
	res_is(lent_register(&ring, lender, buf0(512), 0xffffffff, 0), -EINVAL, "wraps");
	res_is(lent_register(&ring, lender, buf0(0), 0, 0), BUF_LEN, "the slot stayed empty");
}

/* The kernel's log from now on. */
static int log_from_now(void)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	need(fd >= 0 && lseek(fd, 0, SEEK_END) >= 0, "/dev/kmsg: %s", strerror(errno));
	return fd;
}

/* The log has become a line with @what since then; closes it. */
static void log_says(int fd, const char *what)
{
	static char line[8192];
	bool found = false;
	ssize_t len;

	while (!found && ((len = read(fd, line, sizeof(line) - 1)) > 0 || errno == EPIPE)) {
		line[len > 0 ? len : 0] = '\0';
		found = strstr(line, what);
	}
	close(fd);
	cr_assert(found, "the kernel's log does not say '%s'", what);
}

static void broken(const struct lend_spec *spec, const char *name, unsigned int nr)
{
	/* a part of it, so that the bytes behind that are there */
	lender_setup(lender, 1, spec);
	res_is(lent_register(&ring, lender, LEND_TEST_POS(1, 0), 512, 0), -EIO, "%s %u: lend", name,
	       nr);
	res_is(lent_register_pick(&ring, lender, LEND_TEST_POS(1, 0), 512), -EIO, "%s %u: pick",
	       name, nr);
	res_is(rw_fixed(&ring, IORING_OP_WRITE_FIXED, file, 0, 512, 0, 0), -EFAULT,
	       "%s %u: the slot stayed empty", name, nr);
}

Test(lend_errors, an_exporter_that_returns_what_is_no_error_gets_eio)
{
	/* the kernel's own: ERESTARTSYS, EPROBE_DEFER, EIOCBQUEUED; io_uring's IOU_REQUEUE */
	static const u32 errors[] = { 134, 511, 512, 517, 529, 530, 3072, 4095 };
	const struct lend_test_seg seg = { .len = 4096 };
	int log = log_from_now();

	for (unsigned int i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
		broken(&(struct lend_spec){ .segs = &seg, .nr_segs = 1, .error = errors[i] }, "error",
		       errors[i]);
	lender_is(lender, 1, 0, 0, "nothing was lent");
	log_says(log, "lend_test_export() returned -");
}

Test(lend_errors, an_exporter_that_lends_a_broken_buffer_gets_it_back)
{
	const struct lend_test_seg seg = { .len = 4096 };
	int log = log_from_now();

	for (u32 fault = LEND_TEST_FAULT_NULL; fault < LEND_TEST_FAULTS; fault++) {
		broken(&(struct lend_spec){ .segs = &seg, .nr_segs = 1, .fault = fault }, "fault",
		       fault);
		lender_is(lender, 1, (fault - 1) * 2, (fault - 1) * 2, "fault %u", fault);
	}
	log_says(log, "lend_test_export() lent ");
	res_is(lent_register(&ring, lender, buf0(0), 0, 0), BUF_LEN, "another buffer of the same");
}

/* Opcodes from 6.12's last to our first, but for two of later kernels; and after our last. */
static bool in_hole(unsigned int op)
{
	return op >= 58 && op != RING_OP_READV_FIXED && op != RING_OP_WRITEV_FIXED &&
	       op != IORING_OP_LENT_BUF_REGISTER &&
	       op != IORING_OP_LENT_BUF_UNREGISTER && op != IORING_OP_FUSED_CMD;
}

Test(lend_errors, probe_shows_our_operations_and_the_hole)
{
	struct {
		struct io_uring_probe head;
		struct io_uring_probe_op ops[256];
	} probe = { 0 };

	res_is(ring_register(&ring, IORING_REGISTER_PROBE, &probe, 256), 0, "probe");
	cr_assert_eq(probe.head.last_op, 194, "last_op is %u", probe.head.last_op);
	for (unsigned int op = 0; op < 256; op++) {
		bool shown = probe.ops[op].flags & IO_URING_OP_SUPPORTED;

		/* an option; guest/fused fails where it has to be there and is not */
		if (op == IORING_OP_FUSED_CMD)
			continue;
		if (op >= 58)
			cr_assert_eq(shown, !in_hole(op), "opcode %u", op);
	}
	cr_assert(probe.ops[IORING_OP_SEND_ZC].flags & IO_URING_OP_SUPPORTED);
}

Test(lend_errors, opcodes_of_the_hole_are_invalid)
{
	for (unsigned int op = 58; op < 256; op++) {
		struct io_uring_sqe *sqe;

		if (!in_hole(op))
			continue;
		sqe = ring_sqe(&ring);
		sqe->opcode = op;
		sqe->fd = lender;
		res_is(ring_run(&ring), -EINVAL, "opcode %u", op);
	}
}

Test(lend_errors, restrictions_know_the_hole)
{
	struct io_uring_restriction allow = {
		.opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_LENT_BUF_REGISTER,
	};
	struct io_uring off;

	for (unsigned int op = 58; op < 256; op++) {
		struct io_uring_restriction hole = { .opcode = IORING_RESTRICTION_SQE_OP,
						     .sqe_op = op };

		if (!in_hole(op))
			continue;
		ring_init(&off, 4, IORING_SETUP_R_DISABLED);
		res_is(ring_register(&off, IORING_REGISTER_RESTRICTIONS, &hole, 1), -EINVAL,
		       "opcode %u", op);
		io_uring_queue_exit(&off);
	}

	ring_init(&off, 4, IORING_SETUP_R_DISABLED);
	ring_table(&off, 1);
	res_is(ring_register(&off, IORING_REGISTER_RESTRICTIONS, &allow, 1), 0, "allow REGISTER");
	res_is(ring_register(&off, IORING_REGISTER_ENABLE_RINGS, NULL, 0), 0, "enable");
	res_is(lent_register(&off, lender, buf0(0), 0, 0), BUF_LEN, "REGISTER is allowed");
	res_is(lent_unregister(&off, 0), -EACCES, "UNREGISTER is not");
	io_uring_queue_exit(&off);
	lender_released(lender, 0, 1, SOON_MS);
}

Test(lend_errors, a_file_without_iterators_takes_no_lent_buffer)
{
	static u8 buf[BUF_LEN];
	u8 *user = user_slot(1, 4096);

	lender_simple(lender, 1, 4096);
	lend_pattern(0, 9);
	res_is(rw_fixed(&ring, IORING_OP_READ_FIXED, lender, 0, 512, LEND_TEST_POS(1, 0), 0),
	       -EFAULT, "read");
	res_is(rw_fixed(&ring, IORING_OP_WRITE_FIXED, lender, 0, 512, LEND_TEST_POS(1, 0), 0),
	       -EFAULT, "write");
	lender_read(lender, 0, 0, buf, BUF_LEN);
	pat_is(buf, BUF_LEN, 9, 0, "the lent buffer did not change");
	lender_read(lender, 1, 0, buf, 4096);
	cr_assert(!buf[0] && !memcmp(buf, buf + 1, 4095), "nor did the file");
	lender_is(lender, 0, 1, 0, "still lent");

	/* user buffers as ever */
	pat_fill(user, 4096, 5, 0);
	res_is(rw_fixed(&ring, IORING_OP_WRITE_FIXED, lender, (uintptr_t)user, 4096,
			LEND_TEST_POS(1, 0), 1), 4096, "user buffer, write");
	memset(user, 0, 4096);
	res_is(rw_fixed(&ring, IORING_OP_READ_FIXED, lender, (uintptr_t)user, 4096,
			LEND_TEST_POS(1, 0), 1), 4096, "user buffer, read");
	pat_is(user, 4096, 5, 0, "user buffer");
}

static size_t read_text(const char *path, char *text, size_t size)
{
	FILE *f = fopen(path, "r");
	size_t len;

	must(f, "%s: %s", path, strerror(errno));
	len = fread(text, 1, size - 1, f);
	text[len] = 0;
	fclose(f);
	return len;
}

Test(lend_errors, fdinfo_shows_what_each_slot_holds)
{
	static char text[65536];
	char path[64];

	user_slot(1, 4096);
	res_is(lent_register(&ring, lender, buf0(512), 0, 3), BUF_LEN - 512, "register");
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", ring.ring_fd);
	must(read_text(path, text, sizeof(text)) > 0, "fdinfo is empty");
	cr_assert(strstr(text, "    3: lent/12288\n"), "no slot 3 in:\n%s", text);
	cr_assert(!strstr(text, "    1: lent"), "slot 1 in:\n%s", text);
	cr_assert(!strstr(text, "    0: lent"), "slot 0 in:\n%s", text);
	res_is(lent_unregister(&ring, 3), 0, "unregister");
	read_text(path, text, sizeof(text));
	cr_assert(!strstr(text, "lent"), "lent in:\n%s", text);
}

static long pinned_kb(void)
{
	static char text[16384];
	char *line;

	read_text("/proc/self/status", text, sizeof(text));
	line = strstr(text, "VmPin:");
	must(line, "no VmPin in /proc/self/status");
	return strtol(line + 6, NULL, 10);
}

/* A huge page is accounted once, however often it is registered. */
Test(lend_errors, accounting_is_the_same_beside_lent_buffers)
{
	static const struct lend_test_seg big = { .len = 1 << 20 };
	struct iovec huge = { .iov_base = huge_page_alloc(), .iov_len = 2 << 20 }, none = { 0 };
	long before = pinned_kb(), one, two;

	/* without: what it should be */
	res_is(ring_update(&ring, 4, &huge, NULL, 1), 1, "first");
	one = pinned_kb() - before;
	res_is(ring_update(&ring, 5, &huge, NULL, 1), 1, "second");
	two = pinned_kb() - before;
	res_is(ring_update(&ring, 4, &none, NULL, 1), 1, "remove");
	res_is(ring_update(&ring, 5, &none, NULL, 1), 1, "remove");
	cr_assert_eq(pinned_kb(), before, "%ld kB pinned at the end, %ld before", pinned_kb(),
		     before);

	/*
	 * The lent buffer's pages are compound too, and stand before the user's.  Its odd
	 * length shows who takes it for one of user space.
	 */
	lender_setup(lender, 1, &(struct lend_spec){ .segs = &big, .nr_segs = 1 });
	res_is(lent_register(&ring, lender, LEND_TEST_POS(1, 1), 0, 0), (1 << 20) - 1, "lend");
	res_is(lent_register(&ring, lender, buf0(0), 0, 7), BUF_LEN, "lend");
	cr_assert_eq(pinned_kb(), before, "lending was accounted: %ld kB", pinned_kb() - before);
	res_is(ring_update(&ring, 4, &huge, NULL, 1), 1, "first");
	cr_assert_eq(pinned_kb() - before, one, "%ld kB, not %ld", pinned_kb() - before, one);
	res_is(ring_update(&ring, 5, &huge, NULL, 1), 1, "second");
	cr_assert_eq(pinned_kb() - before, two, "%ld kB, not %ld", pinned_kb() - before, two);
	res_is(lent_unregister(&ring, 0), 0, "unregister");
	cr_assert_eq(pinned_kb() - before, two, "%ld kB, not %ld", pinned_kb() - before, two);
	res_is(io_uring_unregister_buffers(&ring), 0, "unregister the table");
	cr_assert_eq(pinned_kb(), before, "%ld kB pinned at the end, %ld before", pinned_kb(),
		     before);
	lender_released(lender, 0, 1, SOON_MS);
}

Test(lend_errors, no_memory_is_an_error_and_nothing_is_lost)
{
	unsigned int lent = 0, failed = 0;

	/* what is allocated once only is there */
	res_is(lent_register(&ring, lender, buf0(0), 0, 0), BUF_LEN, "register");
	res_is(lent_unregister(&ring, 0), 0, "unregister");
	if (!failslab_start(40))
		cr_skip_test("the kernel cannot be made to run out of memory (CONFIG_FAILSLAB)");
	for (unsigned int i = 0; i < 500; i++) {
		int ret = lent_register(&ring, lender, buf0(0), 0, 0);

		if (ret > 0) {
			lent++;
			ret = rw_fixed(&ring, IORING_OP_WRITE_FIXED, file, 0, 4096, 0, 0);
			/* it needs memory too, of many kinds */
			if (ret >= 0 && ret != 4096)
				break;
			ret = lent_unregister(&ring, 0);
			if (ret)
				break;
		} else if (ret == -ENOMEM) {
			failed++;
		} else {
			break;
		}
	}
	failslab_stop();
	must(lent && failed && lent + failed == 500, "%u lent, %u failed, of 500", lent, failed);
	lender_released(lender, 0, lent + 1, SOON_MS);
	lender_is(lender, 0, lent + 1, lent + 1, "at the end");
}
