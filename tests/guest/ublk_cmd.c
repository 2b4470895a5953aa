// SPDX-License-Identifier: GPL-2.0
/*
 * Mainline's commands that lend a request, UBLK_U_IO_REGISTER_IO_BUF and UNREGISTER_IO_BUF:
 * what they lend, refuse and answer, from whom and through which ring, and that their loan
 * is the same as that of io_uring's own operations.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "lender.h"
#include "pattern.h"
#include "proc.h"
#include "tmpfile.h"
#include "ublkraw.h"

#define LEN	16384
#define DEFER	(IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN)

static struct raw r;

static void setup(void)
{
	raw_begin(&r);
}

TestSuite(ublk_cmd, .init = setup, .fini = raw_sweep, .timeout = 60);

static const struct raw_opt zc = { .flags = RAW_ZC };

static struct client *comes(enum client_op op, u32 seed, unsigned int *tag)
{
	return client_comes(&r, &(struct client_job){ .id = r.id, .op = op, .len = LEN,
						      .seed = seed }, tag);
}

static struct client *write_comes(u32 seed, unsigned int *tag)
{
	return comes(CLIENT_WRITE, seed, tag);
}

/* The client's write, whose tag is @tag, ends as it should. */
static void write_ends(struct client *c, unsigned int tag, u32 seed)
{
	raw_serve(&r, tag);
	res_is(client_wait(c), LEN, "the write");
	pat_is(r.mem, LEN, seed, 0, "what it wrote");
}

static void lends_all_of(enum client_op op, const char *what)
{
	bool write = op == CLIENT_WRITE;
	int file = file_mem(LEN);
	u8 *buf = page_alloc(LEN);
	struct client *c;
	unsigned int tag;

	pat_fill(buf, LEN, 2, 0);
	if (!write)
		file_write(file, buf, LEN, 0);
	c = comes(op, 2, &tag);
	res_is(raw_lend_cmd(&r, tag, 3), 0, "%s: REGISTER_IO_BUF", what);
	res_is(raw_rw(&r, write ? IORING_OP_WRITE_FIXED : IORING_OP_READ_FIXED, file, 512,
		      LEN - 512, 512, 3), LEN - 512, "%s: the rest", what);
	res_is(raw_rw(&r, write ? IORING_OP_WRITE_FIXED : IORING_OP_READ_FIXED, file, 0, LEN, 0,
		      3), LEN, "%s: all of it", what);
	res_is(raw_rw(&r, write ? IORING_OP_READ_FIXED : IORING_OP_WRITE_FIXED, file, 0, LEN, 0,
		      3), -EFAULT, "%s: the other direction", what);
	res_is(raw_unlend_cmd(&r, tag, 3), 0, "%s: UNREGISTER_IO_BUF", what);
	raw_commit(&r, tag, LEN);
	res_is(client_wait_in_ring(c, &r), LEN, "%s", what);
	if (write)
		file_read(file, buf, LEN, 0);
	pat_is(write ? buf : c->buf, LEN, 2, 0, "%s: what came over", what);
}

Test(ublk_cmd, all_data_of_a_request_is_lent)
{
	static const u32 rings[] = { 0, DEFER, IORING_SETUP_COOP_TASKRUN, IORING_SETUP_SQPOLL };

	for (unsigned int i = 0; i < 4; i++) {
		raw_up(&r, &(struct raw_opt){ .flags = RAW_ZC, .ring_flags = rings[i],
					      .fixed_file = i & 1 });
		lends_all_of(CLIENT_WRITE, "write");
		lends_all_of(CLIENT_READ, "read");
		raw_down(&r);
	}
}

/* A device, and slot 7 of its server's ring with a buffer of user space. */
static void up_with_buffer(void)
{
	const struct iovec iov = { .iov_base = page_alloc(4096), .iov_len = 4096 };

	raw_up(&r, &zc);
	res_is(ring_update(&r.ring, 7, &iov, NULL, 1), 1, "a buffer of user space");
}

Test(ublk_cmd, register_refuses_what_mainline_refuses)
{
	struct client *c;
	unsigned int tag;

	up_with_buffer();
	res_is(raw_lend_cmd(&r, 0, 0), -EBUSY, "a tag that waits for a request");
	c = write_comes(3, &tag);
	res_is(raw_lend_cmd(&r, (tag + 1) % 4, 0), -EBUSY, "another tag");
	res_is(raw_lend_cmd(&r, 4, 0), -EINVAL, "tag 4 of 4");
	res_is(raw_lend_cmd(&r, 0xffff, 0), -EINVAL, "tag 65535");
	res_is(raw_run_cmd(&r, UBLK_U_IO_REGISTER_IO_BUF, 1, tag, 0, 0), -EINVAL, "queue 1 of 1");
	res_is(raw_run_cmd(&r, UBLK_U_IO_REGISTER_IO_BUF, 0xffff, tag, 0, 0), -EINVAL,
	       "queue 65535");
	res_is(raw_lend_cmd(&r, tag, RAW_SLOTS), -EINVAL, "the slot behind the last");
	res_is(raw_lend_cmd(&r, tag, 1ULL << 31), -EINVAL, "slot 2^31");
	res_is(raw_lend_cmd(&r, tag, 1ULL << 32), -EINVAL, "slot 2^32");
	res_is(raw_lend_cmd(&r, tag, ~0ULL), -EINVAL, "slot 2^64 - 1");
	res_is(raw_lend_cmd(&r, tag, 7), -EBUSY, "a slot with a buffer of user space");
	/* none of these has left anything behind, or the request would not end */
	res_is(raw_lend_cmd(&r, tag, 0), 0, "REGISTER_IO_BUF");
	res_is(raw_lend_cmd(&r, tag, 0), -EBUSY, "a slot that is lent to");
	res_is(raw_unlend_cmd(&r, tag, 0), 0, "UNREGISTER_IO_BUF");
	write_ends(c, tag, 3);
	res_is(raw_lend_cmd(&r, tag, 0), -EBUSY, "a completed tag");
	raw_down(&r);
}

Test(ublk_cmd, unregister_refuses_what_mainline_refuses)
{
	struct client *c;
	unsigned int tag;

	up_with_buffer();
	c = write_comes(4, &tag);
	res_is(raw_lend_cmd(&r, tag, 0), 0, "REGISTER_IO_BUF");
	res_is(raw_unlend_cmd(&r, tag, 1), -EINVAL, "an empty slot");
	res_is(raw_unlend_cmd(&r, tag, 7), -EBUSY, "a slot with a buffer of user space");
	res_is(raw_unlend_cmd(&r, tag, RAW_SLOTS), -EINVAL, "the slot behind the last");
	res_is(raw_unlend_cmd(&r, tag, 1ULL << 32), -EINVAL, "slot 2^32");
	res_is(raw_unlend_cmd(&r, tag, 0), 0, "UNREGISTER_IO_BUF");
	res_is(raw_unlend_cmd(&r, tag, 0), -EINVAL, "the same again");
	write_ends(c, tag, 4);
	raw_down(&r);
}

static void is_not_lent(unsigned int tag, const char *name)
{
	res_is(raw_lend_cmd(&r, tag, 0), -EINVAL, "%s", name);
}

Test(ublk_cmd, requests_without_data_are_not_lent)
{
	raw_up(&r, &(struct raw_opt){ .attrs = UBLK_ATTR_VOLATILE_CACHE, .discard = true });
	client_without_data(&r, is_not_lent);
	raw_down(&r);
}

static void has_no_commands(u64 flags, const char *name)
{
	struct client *c;
	unsigned int tag;

	raw_up(&r, &(struct raw_opt){ .flags = flags });
	c = write_comes(5, &tag);
	res_is(raw_lend_cmd(&r, tag, 0), -EINVAL, "%s: REGISTER_IO_BUF", name);
	res_is(raw_unlend_cmd(&r, tag, 0), -EINVAL, "%s: UNREGISTER_IO_BUF", name);
	write_ends(c, tag, 5);
	raw_down(&r);
}

Test(ublk_cmd, a_device_without_zero_copy_refuses_both)
{
	has_no_commands(UBLK_F_CMD_IOCTL_ENCODE, "copying");
	has_no_commands(UBLK_F_CMD_IOCTL_ENCODE | UBLK_F_USER_COPY, "user copy");
	has_no_commands(UBLK_F_CMD_IOCTL_ENCODE | UBLK_F_AUTO_BUF_REG, "automatic only");
}

/* Three ways to ask, one loan: each may end what another has begun. */
Test(ublk_cmd, commands_and_operations_are_for_the_same_loan)
{
	int file = file_mem(LEN);
	u8 *buf = page_alloc(LEN);
	struct client *c;
	unsigned int tag;

	raw_up(&r, &zc);
	c = write_comes(6, &tag);
	res_is(raw_lend_cmd(&r, tag, 0), 0, "by command");
	res_is(raw_lend(&r, tag, 0, 0, 1), LEN, "by operation");
	res_is(raw_lend(&r, tag, 512, 0, 2), LEN - 512, "by operation, a part");
	res_is(raw_lend_cmd(&r, tag, 3), 0, "by command, again");
	res_is(raw_lend(&r, tag, 0, 0, 0), -EBUSY, "by operation, where the command was");
	raw_commit(&r, tag, LEN);
	res_is(raw_unlend(&r, 0), 0, "what the command lent, by operation");
	res_is(raw_unlend_cmd(&r, tag, 1), 0, "what the operation lent, by command");
	res_is(raw_unlend_cmd(&r, tag, 2), 0, "a part, by command");
	must(!client_done(c, NEVER_MS), "the request ended while it was lent");
	res_is(raw_rw(&r, IORING_OP_WRITE_FIXED, file, 0, LEN, 0, 3), LEN, "WRITE_FIXED");
	res_is(raw_unlend_cmd(&r, tag, 3), 0, "the last one");
	res_is(client_wait(c), LEN, "the write");
	file_read(file, buf, LEN, 0);
	pat_is(buf, LEN, 6, 0, "what was written");
	raw_down(&r);
}

Test(ublk_cmd, a_committed_request_is_not_lent_any_more)
{
	struct client *c;
	unsigned int tag;

	raw_up(&r, &zc);
	c = write_comes(7, &tag);
	res_is(raw_lend_cmd(&r, tag, 0), 0, "REGISTER_IO_BUF");
	raw_commit(&r, tag, LEN);
	res_is(raw_lend_cmd(&r, tag, 1), -EBUSY, "REGISTER_IO_BUF after COMMIT");
	must(!client_done(c, NEVER_MS), "the request ended while it was lent");
	res_is(raw_unlend_cmd(&r, tag, 0), 0, "UNREGISTER_IO_BUF after COMMIT");
	res_is(client_wait(c), LEN, "the write");
	raw_down(&r);
}

Test(ublk_cmd, the_file_must_be_open_for_the_requests_direction)
{
	struct raw_opt opt = zc;
	struct client *c;
	unsigned int tag;

	opt.read_only = true;
	raw_up(&r, &opt);
	c = comes(CLIENT_READ, 0, &tag);
	res_is(raw_lend_cmd(&r, tag, 0), -EBADF, "a read, of a file open for reading");
	res_is(raw_unlend_cmd(&r, tag, 0), -EINVAL, "the slot is empty");
	raw_commit(&r, tag, -EIO);
	res_is(client_wait(c), -EIO, "the read");
	c = comes(CLIENT_WRITE, 0, &tag);
	res_is(raw_lend_cmd(&r, tag, 0), 0, "a write, of a file open for reading");
	res_is(raw_unlend_cmd(&r, tag, 0), 0, "UNREGISTER_IO_BUF");
	raw_commit(&r, tag, LEN);
	res_is(client_wait(c), LEN, "the write");
	raw_down(&r);
}

/* REGISTER, I/O and UNREGISTER at once, unlinked, in a chain, and each by a worker. */
static void in_one_submission(u32 flags, const char *what)
{
	int file = file_mem(LEN);
	u8 *buf = page_alloc(LEN);
	struct io_uring_sqe *sqe[3];
	struct client *c;
	unsigned int tag;

	c = write_comes(8, &tag);
	for (unsigned int i = 0; i < 3; i++)
		sqe[i] = raw_sqe(&r, i);
	raw_prep_cmd(&r, sqe[0], UBLK_U_IO_REGISTER_IO_BUF, 0, tag, 0, 5);
	prep_rw_fixed(sqe[1], IORING_OP_WRITE_FIXED, file, 0, LEN, 0, 5);
	raw_prep_cmd(&r, sqe[2], UBLK_U_IO_UNREGISTER_IO_BUF, 0, tag, 0, 5);
	for (unsigned int i = 0; i < 3; i++)
		sqe[i]->flags |= flags;
	sqe[2]->flags &= ~IOSQE_IO_LINK;
	ring_submit(&r.ring);
	res_is(raw_wait(&r, 0, SOON_MS), 0, "%s: REGISTER_IO_BUF", what);
	res_is(raw_wait(&r, 1, SOON_MS), LEN, "%s: WRITE_FIXED", what);
	res_is(raw_wait(&r, 2, SOON_MS), 0, "%s: UNREGISTER_IO_BUF", what);
	raw_commit(&r, tag, LEN);
	res_is(client_wait_in_ring(c, &r), LEN, "%s: the write", what);
	file_read(file, buf, LEN, 0);
	pat_is(buf, LEN, 8, 0, "%s: what was written", what);
}

Test(ublk_cmd, register_io_unregister_in_one_submission)
{
	static const u32 rings[] = { 0, DEFER, IORING_SETUP_SQPOLL };

	for (unsigned int i = 0; i < 3; i++) {
		raw_up(&r, &(struct raw_opt){ .flags = RAW_ZC, .ring_flags = rings[i] });
		in_one_submission(0, "unlinked");
		in_one_submission(IOSQE_IO_LINK, "linked");
		in_one_submission(IOSQE_IO_LINK | IOSQE_ASYNC, "linked, in workers");
		raw_down(&r);
	}
}

/* What another task, which is no daemon, does with a request, and its results. */
struct other {
	unsigned int tag, idle;
	int idle_res, lent, wrote, unlent, empty, commit;
	u8 buf[LEN];
	volatile int done;
};

static int run_in(struct io_uring *ring, u32 cmd_op, unsigned int tag, u64 addr)
{
	raw_prep_cmd(&r, ring_sqe(ring), cmd_op, 0, tag, LEN, addr);
	return ring_run(ring);
}

static void other_task(void *arg)
{
	struct other *o = arg;
	struct io_uring ring;
	int file = file_mem(LEN);

	ring_init(&ring, 8, 0);
	ring_table(&ring, 4);
	o->idle_res = run_in(&ring, UBLK_U_IO_REGISTER_IO_BUF, o->idle, 1);
	o->lent = run_in(&ring, UBLK_U_IO_REGISTER_IO_BUF, o->tag, 1);
	o->wrote = rw_fixed(&ring, IORING_OP_WRITE_FIXED, file, 0, LEN, 0, 1);
	o->commit = run_in(&ring, UBLK_U_IO_COMMIT_AND_FETCH_REQ, o->tag, 0);
	/* of whatever queue and tag */
	raw_prep_cmd(&r, ring_sqe(&ring), UBLK_U_IO_UNREGISTER_IO_BUF, 77, 4444, 0, 1);
	o->unlent = ring_run(&ring);
	o->empty = run_in(&ring, UBLK_U_IO_UNREGISTER_IO_BUF, o->tag, 1);
	file_read(file, o->buf, LEN, 0);
	o->done = 1;
}

static bool other_done(void *arg)
{
	return ((struct other *)arg)->done;
}

Test(ublk_cmd, any_task_may_lend_through_its_own_ring)
{
	struct other *o = shared_alloc(sizeof(*o));
	struct ublksrv_ctrl_dev_info info;
	struct client *c;
	pid_t pid;

	raw_up(&r, &zc);
	res_is(raw_info(r.id, &info), 0, "GET_DEV_INFO");
	cr_assert(info.flags & UBLK_F_BUF_REG_OFF_DAEMON, "flags %#llx",
		  (unsigned long long)info.flags);
	c = write_comes(9, &o->tag);
	o->idle = (o->tag + 1) % 4;
	pid = proc_start_fd(other_task, o, r.cdev);
	must(wait_until(other_done, o, SOON_MS), "the other task does not end");
	res_is(o->idle_res, -EINVAL, "REGISTER_IO_BUF, a tag without request");
	res_is(o->lent, 0, "REGISTER_IO_BUF");
	res_is(o->wrote, LEN, "WRITE_FIXED");
	res_is(o->commit, -EINVAL, "COMMIT, which is the daemon's");
	res_is(o->unlent, 0, "UNREGISTER_IO_BUF");
	res_is(o->empty, -EINVAL, "the same again");
	pat_is(o->buf, LEN, 9, 0, "what it wrote");
	proc_kill(pid);
	raw_commit(&r, o->tag, LEN);
	res_is(client_wait(c), LEN, "the write");
	raw_down(&r);
}

/* As on mainline: the driver's commands cannot be polled for. */
Test(ublk_cmd, a_ring_that_polls_takes_none_of_them)
{
	static const u32 ops[] = {
		UBLK_U_IO_FETCH_REQ, UBLK_U_IO_REGISTER_IO_BUF, UBLK_U_IO_UNREGISTER_IO_BUF,
	};
	struct io_uring ring;
	struct client *c;
	unsigned int tag;

	raw_up(&r, &zc);
	c = write_comes(10, &tag);
	ring_init(&ring, 8, IORING_SETUP_IOPOLL);
	ring_table(&ring, 4);
	for (unsigned int i = 0; i < 3; i++)
		res_is(run_in(&ring, ops[i], tag, 0), -EOPNOTSUPP, "command %#x", ops[i]);
	io_uring_queue_exit(&ring);
	write_ends(c, tag, 10);
	raw_down(&r);
}
