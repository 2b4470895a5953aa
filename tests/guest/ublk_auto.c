// SPDX-License-Identifier: GPL-2.0
/*
 * UBLK_F_AUTO_BUF_REG: requests that the driver lends when it hands them over, to the slot
 * that the command named, and takes back when the server commits.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "fail.h"
#include "lender.h"
#include "pattern.h"
#include "proc.h"
#include "tmpfile.h"
#include "ublkraw.h"

#define LEN	16384
#define DEFER	(IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN)
#define AUTO	(UBLK_F_AUTO_BUF_REG | UBLK_F_CMD_IOCTL_ENCODE)
#define BOTH	(AUTO | UBLK_F_SUPPORT_ZERO_COPY)
#define FALLBACK UBLK_AUTO_BUF_REG_FALLBACK

static struct raw r;
/* the server's second ring, if it has one */
static struct io_uring second;

static void setup(void)
{
	raw_begin(&r);
}

static void second_close(void)
{
	if (second.ring_fd > 0)
		io_uring_queue_exit(&second);
	memset(&second, 0, sizeof(second));
}

/* A failed test has left it; what it has borrowed would keep the device. */
static void teardown(void)
{
	second_close();
	raw_sweep();
}

TestSuite(ublk_auto, .init = setup, .fini = teardown, .timeout = 120);

static struct client *start(enum client_op op, u32 seed)
{
	return client_start(&(struct client_job){ .id = r.id, .op = op, .len = LEN,
						  .seed = seed });
}

static struct client *write_comes(u32 seed, unsigned int *tag)
{
	return client_comes(&r, &(struct client_job){ .id = r.id, .op = CLIENT_WRITE, .len = LEN,
						      .seed = seed }, tag);
}

/* Fixed I/O of all of a request, in its direction, between @slot and a new file. */
static int io_file;

static int io(unsigned int tag, unsigned int slot)
{
	bool write = raw_op(&r, tag) == UBLK_IO_OP_WRITE;
	u32 len = raw_len(&r, tag);

	return raw_rw(&r, write ? IORING_OP_WRITE_FIXED : IORING_OP_READ_FIXED, io_file, 0, len,
		      raw_off(&r, tag), slot);
}

/* What clients write gets there, and what they read comes from there. */
static void disk_file(void)
{
	io_file = file_mem(1 << 20);
}

static void wrote(u32 seed, const char *what)
{
	static u8 buf[LEN];

	file_read(io_file, buf, LEN, 0);
	pat_is(buf, LEN, seed, 0, "%s", what);
}

static bool needs_buf(unsigned int tag)
{
	return r.iods[tag].op_flags & UBLK_IO_F_NEED_REG_BUF;
}

static void slot_is_empty(unsigned int slot, const char *what)
{
	res_is(raw_unlend(&r, slot), -EINVAL, "%s: slot %u is empty", what, slot);
}

/* A write from its arrival to its end, lent to @slot. */
static void write_through(unsigned int slot, u32 seed, const char *what)
{
	unsigned int tag;
	struct client *c = write_comes(seed, &tag);

	must(!needs_buf(tag), "%s: the request is not lent", what);
	res_is(io(tag, slot), LEN, "%s: WRITE_FIXED", what);
	raw_commit(&r, tag, LEN);
	res_is(client_wait_in_ring(c, &r), LEN, "%s: the write", what);
	wrote(seed, what);
}

static void read_through(const char *what)
{
	struct client *c = start(CLIENT_READ, 0);
	unsigned int tag = raw_expect(&r, UBLK_IO_OP_READ, LEN);
	u8 *buf = page_alloc(LEN);

	file_read(io_file, buf, LEN, 0);
	res_is(raw_rw(&r, IORING_OP_WRITE_FIXED, io_file, 0, LEN, 0, tag), -EFAULT,
	       "%s: the other direction", what);
	res_is(io(tag, tag), LEN, "%s: READ_FIXED", what);
	raw_commit(&r, tag, LEN);
	res_is(client_wait_in_ring(c, &r), LEN, "%s: the read", what);
	mem_is(c->buf, buf, LEN, what);
}

Test(ublk_auto, a_request_is_lent_from_hand_over_to_commit)
{
	static const u32 rings[] = { 0, DEFER, IORING_SETUP_COOP_TASKRUN, IORING_SETUP_SQPOLL };

	disk_file();
	for (unsigned int i = 0; i < 4; i++) {
		raw_up(&r, &(struct raw_opt){ .flags = i & 1 ? AUTO : BOTH, .depth = 1,
					      .ring_flags = rings[i], .fixed_file = i & 2 });
		write_through(0, 20 + i, "write");
		read_through("read");
		slot_is_empty(0, "after the read");
		raw_down(&r);
	}
}

/* Each tag in the slot that its own last command named, whatever the others do. */
Test(ublk_auto, each_command_names_its_slot)
{
	struct client *c[4];
	unsigned int tag[4];

	disk_file();
	raw_up(&r, &(struct raw_opt){ .flags = AUTO });
	for (unsigned int round = 0; round < 3; round++) {
		for (unsigned int i = 0; i < 4; i++) {
			c[i] = client_start(&(struct client_job){ .id = r.id, .op = CLIENT_WRITE,
								  .len = LEN, .off = i * 65536,
								  .seed = 30 + round });
			tag[i] = raw_request(&r, SOON_MS);
		}
		for (unsigned int i = 0; i < 4; i++) {
			unsigned int slot = r.auto_reg[tag[i]].index;

			res_is(io(tag[i], slot), LEN, "round %u, tag %u", round, tag[i]);
			r.auto_reg[tag[i]].index = RAW_SLOTS - 1 - (4 * round + tag[i]);
			raw_commit(&r, tag[i], LEN);
			res_is(client_wait(c[i]), LEN, "round %u, tag %u", round, tag[i]);
			slot_is_empty(slot, "after COMMIT");
		}
		wrote(30 + round, "the first of four");
	}
	raw_down(&r);
}

static int cmd_at(u32 cmd_op, unsigned int tag, u64 sqe_addr)
{
	struct io_uring_sqe *sqe = raw_sqe(&r, 0);

	raw_prep_cmd(&r, sqe, cmd_op, 0, tag, LEN, 0);
	sqe->addr = sqe_addr;
	ring_submit(&r.ring);
	return raw_wait(&r, 0, SOON_MS);
}

Test(ublk_auto, unknown_flags_and_reserved_fields_are_refused)
{
	static const struct ublk_auto_buf_reg bad[] = {
		{ .flags = 1 << 1 }, { .flags = 0x80 | FALLBACK }, { .reserved0 = 1 },
		{ .reserved0 = 0x80 }, { .reserved1 = 1 }, { .reserved1 = 1U << 31 },
	};
	struct client *c;
	unsigned int tag;

	disk_file();
	res_is(raw_add(&r, &(struct raw_opt){ .flags = AUTO }), 0, "ADD_DEV");
	raw_open(&r);
	for (unsigned int i = 0; i < 6; i++)
		res_is(cmd_at(UBLK_U_IO_FETCH_REQ, 0, ublk_auto_buf_reg_to_sqe_addr(&bad[i])), -EINVAL,
		       "FETCH, case %u", i);
	res_is(raw_run_cmd(&r, UBLK_U_IO_FETCH_REQ, 0, 0, 0, 4096), -EINVAL,
	       "FETCH with an address of data");
	raw_fetch_all(&r);
	res_is(raw_start(&r), 0, "START_DEV");
	c = write_comes(40, &tag);
	for (unsigned int i = 0; i < 6; i++)
		res_is(cmd_at(UBLK_U_IO_COMMIT_AND_FETCH_REQ, tag,
			      ublk_auto_buf_reg_to_sqe_addr(&bad[i])), -EINVAL, "COMMIT, case %u", i);
	must(!client_done(c, NEVER_MS), "a refused COMMIT ended the request");
	res_is(io(tag, tag), LEN, "it is lent as before");
	raw_commit(&r, tag, LEN);
	res_is(client_wait(c), LEN, "the write");
	wrote(40, "what was written");
	raw_down(&r);
}

static void is_not_lent(unsigned int tag, unsigned int slot, const char *what)
{
	must(needs_buf(tag), "%s: nothing is said", what);
	res_is(raw_lend_cmd(&r, tag, slot), 0, "%s: by hand", what);
	res_is(io(tag, slot), LEN, "%s: by hand", what);
	res_is(raw_unlend_cmd(&r, tag, slot), 0, "%s: by hand", what);
}

/*
 * The device's one command waits, without UBLK_AUTO_BUF_REG_FALLBACK, for a slot that is not
 * to be had: requests fail, and the server sees nothing of them.
 */
static void fails_unseen(const char *what)
{
	res_is(client_wait(start(CLIENT_WRITE, 53)), -EIO, "%s: the write", what);
	must(raw_request(&r, NEVER_MS) < 0, "%s: a request came that cannot be lent", what);
}

/* The next request is for @slot, which is not to be had, and the one after it too. */
static void cannot_be_lent(unsigned int slot, const char *what)
{
	unsigned int tag;
	struct client *c = write_comes(50, &tag);

	must(!needs_buf(tag), "%s: the request before is not lent", what);
	r.auto_reg[0].index = slot;
	r.auto_reg[0].flags = FALLBACK;
	raw_commit(&r, tag, LEN);
	res_is(client_wait(c), LEN, "%s: the write before", what);

	c = write_comes(51, &tag);
	is_not_lent(tag, 1, what);
	r.auto_reg[0].flags = 0;
	raw_commit(&r, tag, LEN);
	res_is(client_wait(c), LEN, "%s: the write", what);
	wrote(51, what);
	fails_unseen(what);
}

Test(ublk_auto, a_slot_that_is_not_there_is_told_or_fails)
{
	static const unsigned int slots[] = { RAW_SLOTS, 0xffff };

	disk_file();
	for (unsigned int i = 0; i < 2; i++) {
		raw_up(&r, &(struct raw_opt){ .flags = BOTH, .depth = 1 });
		cannot_be_lent(slots[i], i ? "slot 65535" : "the slot behind the last");
		raw_down(&r);
	}
}

Test(ublk_auto, a_slot_that_is_taken_is_told_or_fails)
{
	const struct iovec iov = { .iov_base = page_alloc(4096), .iov_len = 4096 }, none = {};
	int lender = lender_open();

	disk_file();
	lender_simple(lender, 0, LEN);
	for (unsigned int i = 0; i < 2; i++) {
		raw_up(&r, &(struct raw_opt){ .flags = BOTH, .depth = 1 });
		if (i)
			res_is(lent_register(&r.ring, lender, 0, 0, 9), LEN, "another driver's");
		else
			res_is(ring_update(&r.ring, 9, &iov, NULL, 1), 1, "user space's");
		cannot_be_lent(9, i ? "another driver's" : "user space's");
		/* when it is free again, the same command gets the next one */
		if (i)
			res_is(raw_unlend(&r, 9), 0, "UNREGISTER");
		else
			res_is(ring_update(&r.ring, 9, &none, NULL, 1), 1, "emptying the slot");
		write_through(9, 56, "the slot is free again");
		raw_down(&r);
	}
}

Test(ublk_auto, a_ring_without_a_table_is_told_or_fails)
{
	struct client *c;
	unsigned int tag;

	disk_file();
	raw_up(&r, &(struct raw_opt){ .flags = BOTH, .depth = 1, .auto_flags = FALLBACK });
	res_is(ring_register(&r.ring, IORING_UNREGISTER_BUFFERS, NULL, 0), 0, "no table any more");
	c = write_comes(57, &tag);
	must(needs_buf(tag), "nothing is said");
	res_is(raw_lend_cmd(&r, tag, 0), -EINVAL, "REGISTER_IO_BUF without a table");
	ring_table(&r.ring, RAW_SLOTS);
	is_not_lent(tag, 1, "with a table again");
	raw_commit(&r, tag, LEN);
	res_is(client_wait(c), LEN, "the write");
	write_through(0, 58, "the next one");
	raw_down(&r);
}

/* Whose table is unregistered takes back what was lent, and COMMIT finds nothing. */
Test(ublk_auto, the_table_may_go_while_requests_are_lent)
{
	struct client *c;
	unsigned int tag;

	disk_file();
	raw_up(&r, &(struct raw_opt){ .flags = BOTH });
	c = write_comes(59, &tag);
	res_is(ring_register(&r.ring, IORING_UNREGISTER_BUFFERS, NULL, 0), 0, "unregistering");
	ring_table(&r.ring, RAW_SLOTS);
	res_is(io(tag, tag), -EFAULT, "the slot is empty");
	res_is(raw_lend(&r, tag, 0, 0, 1), LEN, "by hand");
	res_is(io(tag, 1), LEN, "by hand");
	res_is(raw_unlend(&r, 1), 0, "by hand");
	raw_commit(&r, tag, LEN);
	res_is(client_wait(c), LEN, "the write");
	wrote(59, "what was written");
	raw_down(&r);
}

/* The server may use the slot for something else: COMMIT takes what it has put there only. */
Test(ublk_auto, commit_leaves_a_slot_that_the_server_has_used_again)
{
	int lender = lender_open(), fd = file_mem(LEN);
	u8 *buf = page_alloc(4096);
	const struct iovec iov = { .iov_base = buf, .iov_len = 4096 };
	struct client *c, *d;
	unsigned int tag, other;

	disk_file();
	lender_simple(lender, 0, LEN);
	raw_up(&r, &(struct raw_opt){ .flags = BOTH, .auto_flags = FALLBACK });
	/* another driver's buffer */
	c = write_comes(60, &tag);
	res_is(raw_unlend_cmd(&r, tag, tag), 0, "UNREGISTER_IO_BUF");
	res_is(lent_register(&r.ring, lender, 0, 0, tag), LEN, "another driver's");
	raw_commit(&r, tag, LEN);
	res_is(client_wait(c), LEN, "the write");
	lender_is(lender, 0, 1, 0, "the other driver's buffer is where it was");
	res_is(raw_rw(&r, IORING_OP_WRITE_FIXED, fd, 0, LEN, 0, tag), LEN, "and can be used");
	res_is(raw_unlend(&r, tag), 0, "and given back");
	lender_is(lender, 0, 1, 1, "given back");

	/* user space's own */
	c = write_comes(61, &tag);
	res_is(raw_unlend(&r, r.auto_reg[tag].index), 0, "UNREGISTER");
	res_is(ring_update(&r.ring, r.auto_reg[tag].index, &iov, NULL, 1), 1, "user space's");
	r.auto_reg[tag].index += 8;
	raw_commit(&r, tag, LEN);
	res_is(client_wait(c), LEN, "the write");
	res_is(raw_unlend(&r, tag), -EBUSY, "it is there still");

	/* another request of the same device */
	c = write_comes(62, &tag);
	d = client_start(&(struct client_job){ .id = r.id, .op = CLIENT_WRITE, .len = LEN,
					       .off = 65536, .seed = 63 });
	other = raw_expect(&r, UBLK_IO_OP_WRITE, LEN);
	res_is(raw_unlend(&r, r.auto_reg[tag].index), 0, "UNREGISTER");
	res_is(raw_lend_cmd(&r, other, r.auto_reg[tag].index), 0, "the other one there");
	raw_commit(&r, tag, LEN);
	res_is(client_wait(c), LEN, "the write");
	res_is(io(other, r.auto_reg[tag].index), LEN, "the other one is there still");
	raw_commit(&r, other, LEN);
	must(!client_done(d, NEVER_MS), "it ended while it was lent");
	res_is(raw_unlend(&r, r.auto_reg[tag].index), 0, "UNREGISTER");
	res_is(client_wait(d), LEN, "the other write");
	raw_down(&r);
}

/* By hand as well: COMMIT ends the automatic loan only, the request with the last. */
Test(ublk_auto, a_request_may_be_lent_by_hand_on_top)
{
	struct client *c;
	unsigned int tag;

	disk_file();
	raw_up(&r, &(struct raw_opt){ .flags = BOTH });
	c = write_comes(64, &tag);
	res_is(raw_lend_cmd(&r, tag, 10), 0, "by command");
	res_is(raw_lend(&r, tag, 0, 0, 11), LEN, "by operation");
	res_is(raw_lend(&r, tag, 4096, 512, 12), 512, "a part, by operation");
	raw_commit(&r, tag, LEN);
	must(!client_done(c, NEVER_MS), "the request ended while it was lent");
	slot_is_empty(tag, "after COMMIT");
	res_is(raw_rw(&r, IORING_OP_WRITE_FIXED, io_file, 0, LEN, 0, 10), LEN, "WRITE_FIXED");
	res_is(raw_unlend(&r, 10), 0, "by command");
	res_is(raw_unlend_cmd(&r, tag, 12), 0, "a part");
	must(!client_done(c, NEVER_MS), "the request ended while it was lent");
	res_is(raw_unlend_cmd(&r, tag, 11), 0, "by operation");
	res_is(client_wait(c), LEN, "the write");
	wrote(64, "what was written");

	/* and in the very slot of the automatic one, when that is empty: COMMIT takes it */
	c = write_comes(65, &tag);
	res_is(raw_unlend(&r, r.auto_reg[tag].index), 0, "UNREGISTER");
	res_is(raw_lend_cmd(&r, tag, r.auto_reg[tag].index), 0, "by command");
	raw_commit(&r, tag, LEN);
	res_is(client_wait(c), LEN, "the write");
	slot_is_empty(r.auto_reg[tag].index, "after COMMIT");
	raw_down(&r);
}

Test(ublk_auto, a_committed_request_waits_for_its_io)
{
	int lender = lender_open();
	const struct lend_move slow = { .op = LEND_TEST_CMD_DRAIN, .len = LEN, .delay_ms = 700 };
	struct client *c;
	unsigned int tag;

	lender_simple(lender, 0, LEN);
	raw_up(&r, &(struct raw_opt){ .flags = AUTO, .depth = 1 });
	for (unsigned int i = 0; i < 2; i++) {
		u64 began = now_ms();
		static u8 buf[LEN];

		c = write_comes(66 + i, &tag);
		lender_prep_move(raw_sqe(&r, 1), lender, &slow);
		ring_submit(&r.ring);
		raw_commit(&r, tag, LEN);
		slot_is_empty(0, "after COMMIT");
		res_is(client_wait_in_ring(c, &r), LEN, "the write");
		must(c->done_at >= began + 650, "it ended after %lld ms, its I/O takes 700",
		     (long long)(c->done_at - began));
		res_is(raw_wait(&r, 1, SOON_MS), LEN, "the I/O");
		lender_read(lender, 0, 0, buf, LEN);
		pat_is(buf, LEN, 66 + i, 0, "what it wrote");
	}
	raw_down(&r);
}

static void nothing_is_lent(unsigned int tag, const char *name)
{
	must(!needs_buf(tag), "%s is said to need a buffer", name);
	slot_is_empty(0, name);
}

Test(ublk_auto, requests_without_data_are_not_lent)
{
	disk_file();
	for (unsigned int flags = 0; flags < 2; flags++) {
		raw_up(&r, &(struct raw_opt){ .flags = AUTO, .attrs = UBLK_ATTR_VOLATILE_CACHE,
					      .discard = true, .depth = 1, .auto_flags = flags });
		client_without_data(&r, nothing_is_lent);
		write_through(0, 70 + flags, "a write after them");
		raw_down(&r);
	}
}

Test(ublk_auto, the_rest_of_a_short_result_is_lent_again)
{
	u8 *buf = page_alloc(LEN);
	struct client *c;
	unsigned int tag;

	disk_file();
	pat_fill(buf, LEN, 74, 0);
	file_write(io_file, buf, LEN, 0);
	raw_up(&r, &(struct raw_opt){ .flags = AUTO, .depth = 1 });
	c = start(CLIENT_READ, 0);
	tag = raw_expect(&r, UBLK_IO_OP_READ, LEN);
	res_is(raw_rw(&r, IORING_OP_READ_FIXED, io_file, 0, 4608, 0, 0), 4608, "READ_FIXED");
	r.auto_reg[tag].index = 3;
	raw_commit(&r, tag, 4608);
	tag = raw_expect(&r, UBLK_IO_OP_READ, LEN - 4608);
	slot_is_empty(0, "after the short COMMIT");
	res_is(raw_rw(&r, IORING_OP_READ_FIXED, io_file, LEN - 4608, 1, 0, 3), -EFAULT,
	       "behind the rest");
	res_is(io(tag, 3), LEN - 4608, "READ_FIXED of the rest");
	raw_commit(&r, tag, LEN - 4608);
	res_is(client_wait(c), LEN, "the read");
	pat_is(c->buf, LEN, 74, 0, "what was read");
	raw_down(&r);
}

static void second_commit(unsigned int tag)
{
	struct io_uring_sqe *sqe = ring_sqe(&second);

	raw_prep_cmd(&r, sqe, UBLK_U_IO_COMMIT_AND_FETCH_REQ, 0, tag, LEN, 0);
	sqe->addr = ublk_auto_buf_reg_to_sqe_addr(&r.auto_reg[tag]);
	ring_submit(&second);
}

static void second_request(unsigned int tag, const char *what)
{
	struct done done;

	must(ring_next(&second, &done, SOON_MS), "%s: no request through the second ring", what);
	res_is(done.res, UBLK_IO_RES_OK, "%s", what);
	must(raw_op(&r, tag) == UBLK_IO_OP_WRITE, "%s: operation %u", what, raw_op(&r, tag));
}

/* As client_wait_in_ring(), of two rings. */
static long wait_in_both(struct client *c)
{
	u64 end = now_ms() + SOON_MS;
	struct done done;

	while (!client_done(c, 1) && now_ms() < end) {
		raw_pump(&r, 1);
		must(!ring_next(&second, &done, 1), "a completion that nobody waits for");
	}
	return client_wait(c);
}

/* COMMIT through another ring leaves the loan to the server, and the next one is there. */
static void through_two_rings(u32 ring_flags)
{
	struct client *c;
	unsigned int tag;

	raw_up(&r, &(struct raw_opt){ .flags = BOTH, .depth = 1, .auto_flags = FALLBACK,
				      .ring_flags = ring_flags });
	ring_init(&second, 8, ring_flags);
	ring_table(&second, 8);
	c = write_comes(80, &tag);
	/* what the server has put into the same slot of the other ring is its own */
	raw_prep_cmd(&r, ring_sqe(&second), UBLK_U_IO_REGISTER_IO_BUF, 0, tag, 0, 0);
	res_is(ring_run(&second), 0, "REGISTER_IO_BUF");
	second_commit(tag);
	res_is(lent_unregister(&second, 0), 0, "what the second ring has");
	must(!client_done(c, NEVER_MS), "the request ended while the first ring has it");
	res_is(io(tag, 0), LEN, "it is there still");
	res_is(raw_unlend_cmd(&r, tag, 0), 0, "UNREGISTER_IO_BUF");
	res_is(wait_in_both(c), LEN, "the write");
	res_is(ring_register(&second, IORING_UNREGISTER_BUFFERS, NULL, 0), 0, "no table");

	/* the next one comes through the second ring, which has no table now */
	c = start(CLIENT_WRITE, 81);
	second_request(tag, "without a table");
	must(needs_buf(tag), "a ring without a table: nothing is said");
	slot_is_empty(0, "a request of the second ring");
	ring_table(&second, 8);
	r.auto_reg[0].index = 5;
	second_commit(tag);
	res_is(wait_in_both(c), LEN, "the write");

	/* and then it has one */
	c = start(CLIENT_WRITE, 82);
	second_request(tag, "with a table");
	must(!needs_buf(tag), "the request is not lent to the second ring");
	slot_is_empty(5, "a request of the second ring");
	res_is(rw_fixed(&second, IORING_OP_WRITE_FIXED, io_file, 0, LEN, 0, 5), LEN, "WRITE_FIXED");
	/* back to the first: the second keeps the loan until it is told to drop it */
	raw_commit(&r, tag, LEN);
	must(!client_done(c, NEVER_MS), "the request ended while the second ring has it");
	res_is(lent_unregister(&second, 5), 0, "UNREGISTER");
	res_is(wait_in_both(c), LEN, "the write");
	wrote(82, "what was written");
	write_through(5, 83, "the first ring again");
	second_close();
	raw_down(&r);
}

Test(ublk_auto, commit_may_come_through_another_ring)
{
	disk_file();
	through_two_rings(0);
	through_two_rings(DEFER);
}

/* A ring that is closed gives back what it had, though the commit came through another. */
Test(ublk_auto, a_ring_that_is_closed_gives_back)
{
	struct client *c;
	unsigned int tag;

	raw_up(&r, &(struct raw_opt){ .flags = BOTH, .depth = 1 });
	ring_init(&second, 8, 0);
	ring_table(&second, 8);
	c = write_comes(84, &tag);
	second_commit(tag);
	res_is(client_done(c, NEVER_MS), false, "the first ring has it");
	raw_close_ring(&r);
	res_is(client_wait(c), LEN, "the write");
	second_close();
	raw_close(&r);
	res_is(raw_del(r.id, SOON_MS), 0, "DEL_DEV");
}

/*
 * Two tags, each with the ring that it is committed through, and a request for both before
 * the server looks: each comes through its own ring, and is lent there.
 */
static void two_at_once(u64 flags, const char *what)
{
	const struct client_job job = { .op = CLIENT_WRITE, .len = LEN, .seed = 85 };
	struct client_job jobs[2] = { job, job };
	struct client *c[2];
	struct done done;

	raw_up(&r, &(struct raw_opt){ .flags = flags, .depth = 2, .ring_flags = DEFER });
	ring_init(&second, 8, DEFER);
	ring_table(&second, 8);
	jobs[1].off = 65536;
	for (unsigned int i = 0; i < 2; i++) {
		jobs[i].id = r.id;
		c[i] = client_start(&jobs[i]);
		raw_expect(&r, UBLK_IO_OP_WRITE, LEN);
	}
	if (flags & UBLK_F_AUTO_BUF_REG)
		res_is(raw_unlend(&r, 1), 0, "%s: what the first ring has of tag 1", what);
	second_commit(1);
	raw_commit(&r, 0, LEN);
	for (unsigned int i = 0; i < 2; i++)
		res_is(wait_in_both(c[i]), LEN, "%s: write %u", what, i);

	for (unsigned int i = 0; i < 2; i++)
		c[i] = client_start(&jobs[i]);
	sleep_ms(100);
	raw_expect(&r, UBLK_IO_OP_WRITE, LEN);
	second_request(1, what);
	if (flags & UBLK_F_AUTO_BUF_REG) {
		res_is(io(0, 0), LEN, "%s: the first ring's", what);
		res_is(rw_fixed(&second, IORING_OP_WRITE_FIXED, io_file, 0, LEN, 65536, 1), LEN,
		       "%s: the second's", what);
		slot_is_empty(1, what);
		res_is(lent_unregister(&second, 0), -EINVAL, "%s: slot 0 of the second", what);
	}
	second_commit(1);
	raw_commit(&r, 0, LEN);
	for (unsigned int i = 0; i < 2; i++)
		res_is(wait_in_both(c[i]), LEN, "%s: write %u", what, i);
	/* no command is left: a worker that ended one for a live task would be complained about */
	res_is(raw_ctl_data(UBLK_U_CMD_STOP_DEV, r.id, 0, SOON_MS), 0, "%s: STOP_DEV", what);
	must(ring_next(&second, &done, SOON_MS), "%s: the second ring's command", what);
	res_is(done.res, UBLK_IO_RES_ABORT, "%s: the second ring's command", what);
	second_close();
	raw_close(&r);
	res_is(raw_del(r.id, SOON_MS), 0, "%s: DEL_DEV", what);
}

Test(ublk_auto, requests_for_two_rings_at_once_come_through_both)
{
	disk_file();
	for (unsigned int i = 0; i < 5; i++) {
		two_at_once(RAW_ZC, "zero copy");
		two_at_once(BOTH, "automatic");
	}
}

Test(ublk_auto, a_ring_that_polls_fetches_nothing)
{
	struct io_uring ring;

	res_is(raw_add(&r, &(struct raw_opt){ .flags = AUTO }), 0, "ADD_DEV");
	raw_open(&r);
	ring_init(&ring, 8, IORING_SETUP_IOPOLL);
	ring_table(&ring, 4);
	raw_prep_cmd(&r, ring_sqe(&ring), UBLK_U_IO_FETCH_REQ, 0, 0, 0, 0);
	res_is(ring_run(&ring), -EOPNOTSUPP, "FETCH");
	io_uring_queue_exit(&ring);
	raw_close(&r);
	res_is(raw_del(r.id, SOON_MS), 0, "DEL_DEV");
}

/*
 * A request of several bios needs memory for its segments.  Without it the server is told,
 * or the request waits: it never fails.
 */
static void without_memory(unsigned int flags, const char *what)
{
	unsigned int told = 0, lent = 0;

	raw_up(&r, &(struct raw_opt){ .flags = AUTO, .depth = 1, .auto_flags = flags });
	for (unsigned int i = 0; i < 60; i++) {
		struct client *c = client_start(&(struct client_job){
			.id = r.id, .op = CLIENT_WRITE, .len = 32768, .nr = 8, .seed = 90 + i });

		if (!failslab_start(40))
			cr_skip_test("no CONFIG_FAILSLAB");
		while (!client_done(c, 1)) {
			int tag = raw_request(&r, 1);

			if (tag < 0)
				continue;
			failslab_stop();
			if (needs_buf(tag))
				told++;
			else
				lent += raw_len(&r, tag) > 4096;
			raw_serve(&r, tag);
			failslab_start(40);
		}
		failslab_stop();
		res_is(client_wait(c), 32768, "%s: write %u", what, i);
		pat_is(r.mem, 32768, 90 + i, 0, "%s: write %u", what, i);
	}
	must(lent, "%s: no request of several bios was lent", what);
	must(!told == !flags, "%s: %u requests were not lent", what, told);
	raw_down(&r);
}

Test(ublk_auto, no_memory_is_told_or_waited_for)
{
	bool can = failslab_start(0);

	failslab_stop();
	if (!can)
		cr_skip_test("the kernel cannot be made to run out of memory (CONFIG_FAILSLAB)");
	without_memory(FALLBACK, "with fallback");
	without_memory(0, "without");
}
