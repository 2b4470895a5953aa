// SPDX-License-Identifier: GPL-2.0
/*
 * Fused commands: what they refuse, that their secondaries use the right bytes in the
 * right direction, and that the buffer comes back exactly once, after the last of them
 * and before the primary's completion.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring_fused.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lender.h"
#include "pattern.h"
#include "proc.h"
#include "ring.h"
#include "tmpfile.h"

#define LEN	16384
#define PRIMARY	100	/* its user_data; secondaries are 0 to 7 */

static struct io_uring ring;
static int lender, file;
static u8 buf[LEN], got[LEN];

static void setup(void)
{
	need(ring_knows(IORING_OP_FUSED_CMD), "no kernel with CONFIG_IO_URING_FUSED");
	ring_init(&ring, 64, 0);
	lender = lender_open();
	for (unsigned int i = 0; i < 4; i++)
		lender_simple(lender, i, LEN);
	pat_fill(buf, LEN, 1, 0);
	lender_write(lender, 0, 0, buf, LEN);
	file = file_mem(8 * LEN);
}

static void teardown(void)
{
	close(lender);
}

TestSuite(fused, .init = setup, .fini = teardown, .timeout = 120);

static struct io_uring_sqe *primary(int fd, unsigned int index, unsigned int nr)
{
	struct io_uring_sqe *sqe = ring_sqe(&ring);

	sqe->opcode = IORING_OP_FUSED_CMD;
	sqe->fd = fd;
	sqe->off = LEND_TEST_POS(index, 0);
	sqe->rw_flags = nr;
	sqe->user_data = PRIMARY;
	return sqe;
}

static struct io_uring_sqe *secondary(int op, int fd, u64 addr, u32 len, u64 pos, u64 data)
{
	struct io_uring_sqe *sqe = ring_sqe(&ring);

	/* its buffer is the primary's, whatever the index, which is 0 */
	prep_rw_fixed(sqe, op, fd, addr, len, pos, 0);
	sqe->user_data = data;
	return sqe;
}

/* The next @nr completions: res by user_data, and the primary's place among them. */
struct outcome {
	int res[8];
	int primary;
	unsigned int place;	/* of the primary's, from 0 */
};

static void reap(struct outcome *o, unsigned int nr)
{
	struct done done;

	memset(o, 0, sizeof(*o));
	for (unsigned int i = 0; i < nr; i++) {
		must(ring_next(&ring, &done, SOON_MS), "completion %u of %u", i + 1, nr);
		if (done.data == PRIMARY) {
			o->primary = done.res;
			o->place = i;
		} else {
			o->res[done.data & 7] = done.res;
		}
	}
	must(!ring_next(&ring, &done, 0), "one completion too many: data %llu res %d",
	     (unsigned long long)done.data, done.res);
}

static void run(struct outcome *o, unsigned int nr)
{
	ring_submit(&ring);
	reap(o, nr);
}

static void not_lent(const char *what)
{
	struct lend_test_stats st = lender_stats(lender, 0);

	must(st.lent == st.released, "%s: lent %llu times, came back %llu times", what,
	     (unsigned long long)st.lent, (unsigned long long)st.released);
}

Test(fused, a_write_takes_the_pages_and_a_read_fills_them)
{
	struct outcome o;

	primary(lender, 0, 1);
	secondary(IORING_OP_WRITE, file, 512, LEN - 512, 0, 0);
	run(&o, 2);
	res_is(o.primary, LEN, "primary");
	res_is(o.res[0], LEN - 512, "write");
	cr_assert_eq(o.place, 1, "the primary completes last");
	lender_released(lender, 0, 1, SOON_MS);
	file_read(file, got, LEN - 512, 0);
	mem_is(got, buf + 512, LEN - 512, "what was written");

	primary(lender, 1, 1);
	secondary(IORING_OP_READ, file, 0, LEN - 512, 0, 0);
	run(&o, 2);
	res_is(o.res[0], LEN - 512, "read");
	lender_read(lender, 1, 0, got, LEN - 512);
	mem_is(got, buf + 512, LEN - 512, "what was read");
}

Test(fused, secondaries_run_on_one_buffer_and_the_primary_comes_last)
{
	struct outcome o;

	for (unsigned int nr = 1; nr <= 8; nr++) {
		primary(lender, 0, nr);
		for (unsigned int i = 0; i < nr; i++)
			secondary(IORING_OP_WRITE, file, i * 512, 8192, i * LEN, i);
		run(&o, nr + 1);
		res_is(o.primary, LEN, "%u secondaries", nr);
		cr_assert_eq(o.place, nr, "%u secondaries: the primary came as number %u", nr, o.place);
		for (unsigned int i = 0; i < nr; i++) {
			res_is(o.res[i], 8192, "%u of %u", i, nr);
			file_read(file, got, 8192, i * LEN);
			mem_is(got, buf + i * 512, 8192, "%u of %u", i, nr);
		}
		lender_released(lender, 0, nr, SOON_MS);
	}
}

/* One field of a primary that is wrong; its secondary must not run by itself. */
struct refusal {
	const char *what;
	void (*spoil)(struct io_uring_sqe *sqe);
	int res;
};

static void spoil_ioprio(struct io_uring_sqe *sqe) { sqe->ioprio = 1; }
static void spoil_addr(struct io_uring_sqe *sqe) { sqe->addr = 4096; }
static void spoil_buf_index(struct io_uring_sqe *sqe) { sqe->buf_index = 1; }
static void spoil_addr3(struct io_uring_sqe *sqe) { sqe->addr3 = 1; }
static void spoil_pad(struct io_uring_sqe *sqe) { sqe->__pad2[0] = 1; }
static void spoil_splice(struct io_uring_sqe *sqe) { sqe->splice_fd_in = 1; }
static void spoil_personality(struct io_uring_sqe *sqe) { sqe->personality = 77; }
static void spoil_select(struct io_uring_sqe *sqe) { sqe->flags = IOSQE_BUFFER_SELECT; }
static void spoil_fd(struct io_uring_sqe *sqe) { sqe->fd = 999; }
static void spoil_file(struct io_uring_sqe *sqe) { sqe->fd = file; }
static void spoil_cookie(struct io_uring_sqe *sqe) { sqe->off = LEND_TEST_POS(63, 0); }
static void spoil_len(struct io_uring_sqe *sqe) { sqe->len = LEN + 1; }

Test(fused, a_primary_that_is_refused_takes_its_secondaries_with_it)
{
	static const struct refusal refusals[] = {
		{ "ioprio", spoil_ioprio, -EINVAL },
		{ "addr", spoil_addr, -EINVAL },
		{ "buf_index", spoil_buf_index, -EINVAL },
		{ "addr3", spoil_addr3, -EINVAL },
		{ "padding", spoil_pad, -EINVAL },
		{ "splice_fd_in", spoil_splice, -EINVAL },
		{ "personality", spoil_personality, -EINVAL },
		{ "buffer select", spoil_select, -EOPNOTSUPP },
		{ "fd", spoil_fd, -EBADF },
		{ "a file that lends nothing", spoil_file, -EOPNOTSUPP },
		{ "cookie", spoil_cookie, -EINVAL },
		{ "length", spoil_len, -EINVAL },
	};
	struct outcome o;

	for (unsigned int i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		refusals[i].spoil(primary(lender, 0, 2));
		/* an address of ours: by themselves they would write it */
		secondary(IORING_OP_WRITE, file, (u64)(uintptr_t)buf, 512, 0, 0);
		secondary(IORING_OP_WRITE, file, (u64)(uintptr_t)buf, 512, 0, 1);
		ring_submit(&ring);
		reap(&o, 3);
		res_is(o.primary, refusals[i].res, "%s", refusals[i].what);
		res_is(o.res[0], -ECANCELED, "%s: first", refusals[i].what);
		res_is(o.res[1], -ECANCELED, "%s: second", refusals[i].what);
		cr_assert_eq(o.place, 2, "%s: the primary comes last", refusals[i].what);
		not_lent(refusals[i].what);
	}
}

Test(fused, the_number_of_secondaries_is_one_to_eight)
{
	static const u32 wrong[] = { 0, 9, 256, 0x101, 0x80000001 };
	struct outcome o;

	for (unsigned int i = 0; i < 5; i++) {
		primary(lender, 0, wrong[i]);
		run(&o, 1);
		res_is(o.primary, -EINVAL, "%#x", wrong[i]);
	}
	/* announced, and missing when the submission ends */
	primary(lender, 0, 3);
	secondary(IORING_OP_WRITE, file, 0, 512, 0, 0);
	secondary(IORING_OP_WRITE, file, 0, 512, 0, 1);
	run(&o, 3);
	res_is(o.primary, -EINVAL, "one is missing");
	res_is(o.res[0], -ECANCELED, "first");
	res_is(o.res[1], -ECANCELED, "second");
	not_lent("missing");
}

Test(fused, a_secondary_that_is_refused_fails_the_whole)
{
	static const u8 ops[] = {
		IORING_OP_NOP, IORING_OP_READV, IORING_OP_WRITEV, IORING_OP_READ_FIXED,
		IORING_OP_WRITE_FIXED, IORING_OP_FSYNC, IORING_OP_URING_CMD, IORING_OP_FUSED_CMD,
		IORING_OP_LENT_BUF_REGISTER, IORING_OP_SENDMSG, IORING_OP_RECVMSG, IORING_OP_SPLICE,
		IORING_OP_POLL_ADD, 100, 255,
	};
	struct outcome o;

	for (unsigned int i = 0; i < sizeof(ops); i++) {
		primary(lender, 0, 2);
		secondary(IORING_OP_WRITE, file, 0, 512, 0, 0);
		secondary(ops[i], file, 0, 512, 0, 1);
		run(&o, 3);
		res_is(o.primary, -ECANCELED, "opcode %u", ops[i]);
		res_is(o.res[0], -ECANCELED, "opcode %u: the other", ops[i]);
		res_is(o.res[1], -EINVAL, "opcode %u", ops[i]);
	}
	/* what would have the pages longer than the primary, or as iovecs */
	for (unsigned int i = 0; i < 2; i++) {
		struct io_uring_sqe *sqe;

		primary(lender, 0, 1);
		sqe = secondary(i ? IORING_OP_SEND : IORING_OP_RECV, file, 0, 512, 0, 0);
		if (i)
			sqe->msg_flags = MSG_ZEROCOPY;
		else
			sqe->ioprio = RING_RECVSEND_BUNDLE;
		run(&o, 2);
		res_is(o.primary, -ECANCELED, "%s", i ? "MSG_ZEROCOPY" : "bundle");
		res_is(o.res[0], -EINVAL, "%s", i ? "MSG_ZEROCOPY" : "bundle");
	}
	for (unsigned int i = 0; i < 3; i++) {
		static const u8 flags[] = { IOSQE_BUFFER_SELECT, IOSQE_IO_DRAIN, IOSQE_IO_LINK };

		primary(lender, 0, 2);
		secondary(IORING_OP_READ, file, 0, 512, 0, 0)->flags = flags[i];
		secondary(IORING_OP_READ, file, 0, 512, 0, 1);
		/* no chain of the refused one's making */
		secondary(IORING_OP_NOP, -1, 0, 0, 0, 5);
		run(&o, 4);
		res_is(o.res[5], 0, "flag %u: what comes behind", flags[i]);
		res_is(o.primary, -ECANCELED, "flag %u", flags[i]);
		res_is(o.res[0], -EINVAL, "flag %u", flags[i]);
		res_is(o.res[1], -ECANCELED, "flag %u: the other", flags[i]);
	}
	not_lent("refused");
}

Test(fused, ranges_and_directions_are_those_of_the_buffer)
{
	static const struct { u64 addr; u32 len; int res; } ranges[] = {
		{ 0, LEN, LEN }, { 1, LEN, -EFAULT }, { LEN, 1, -EFAULT }, { LEN + 1, 0, -EFAULT },
		{ ~0ULL, 512, -EFAULT }, { 0, 0x7ffff001, -EFAULT }, { LEN - 512, 512, 512 },
	};
	const struct lend_test_seg seg = { 0, LEN };
	struct lend_spec spec = { .segs = &seg, .nr_segs = 1, .dir = LEND_TEST_SOURCE };
	struct outcome o;

	for (unsigned int i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
		primary(lender, 0, 1);
		secondary(IORING_OP_WRITE, file, ranges[i].addr, ranges[i].len, 0, 0);
		run(&o, 2);
		res_is(o.primary, LEN, "range %u: the buffer was lent", i);
		res_is(o.res[0], ranges[i].res, "range %u", i);
	}
	for (unsigned int dir = 0; dir < 2; dir++) {
		spec.dir = dir ? LEND_TEST_DEST : LEND_TEST_SOURCE;
		lender_setup(lender, 2, &spec);
		primary(lender, 2, 2);
		secondary(IORING_OP_WRITE, file, 0, 512, 0, 0);
		secondary(IORING_OP_READ, file, 0, 512, 0, 1);
		run(&o, 3);
		res_is(o.res[0], dir ? -EFAULT : 512, "write, direction %u", dir);
		res_is(o.res[1], dir ? 512 : -EFAULT, "read, direction %u", dir);
	}
}

Test(fused, sockets_send_and_receive_the_pages)
{
	static const u8 sends[] = { IORING_OP_SEND, IORING_OP_SEND_ZC };
	struct tcp_pair pair;
	struct outcome o;
	struct done done;

	tcp_pair(&pair, 0, 0);
	for (unsigned int i = 0; i < 2; i++) {
		primary(lender, 0, 1);
		secondary(sends[i], pair.tx, 512, 8192, 0, 0)->msg_flags = MSG_WAITALL;
		ring_submit(&ring);
		tcp_read(pair.rx, got, 8192);
		mem_is(got, buf + 512, 8192, "opcode %u", sends[i]);
		o.primary = 0;
		while (!o.primary && ring_next(&ring, &done, SOON_MS)) {
			if (done.data == PRIMARY)
				o.primary = done.res;
			else if (!(done.data & RING_NOTIF))
				res_is(done.res, 8192, "opcode %u", sends[i]);
		}
		res_is(o.primary, LEN, "opcode %u: primary", sends[i]);
	}
	lender_released(lender, 0, 2, SOON_MS);

	primary(lender, 1, 1);
	secondary(IORING_OP_RECV, pair.rx, 1024, 8192, 0, 0)->msg_flags = MSG_WAITALL;
	ring_submit(&ring);
	must(!ring_next(&ring, &done, NEVER_MS), "nothing was sent yet");
	must(write(pair.tx, buf, 8192) == 8192, "write: %s", strerror(errno));
	reap(&o, 2);
	res_is(o.res[0], 8192, "receive");
	cr_assert_eq(o.place, 1, "the primary came first");
	lender_read(lender, 1, 1024, got, 8192);
	mem_is(got, buf, 8192, "received");
}

Test(fused, a_chain_goes_on_when_the_buffer_is_back)
{
	int fds[2];
	struct outcome o;
	struct done done;
	u8 byte = 7;

	must(!pipe(fds), "pipe: %s", strerror(errno));
	primary(lender, 1, 1);
	secondary(IORING_OP_READ, fds[0], 0, 1, -1, 0)->flags = IOSQE_IO_LINK;
	secondary(IORING_OP_NOP, -1, 0, 0, 0, 5);
	ring_submit(&ring);
	must(!ring_next(&ring, &done, NEVER_MS), "the chain did not wait for the secondary");
	must(write(fds[1], &byte, 1) == 1, "pipe");
	reap(&o, 3);
	res_is(o.res[0], 1, "read");
	res_is(o.primary, LEN, "primary");
	res_is(o.res[5], 0, "what is linked behind");
	lender_released(lender, 1, 1, SOON_MS);

	/* a head that fails: nothing of it starts */
	secondary(IORING_OP_READ, 999, 0, 1, 0, 6)->flags = IOSQE_IO_LINK;
	primary(lender, 0, 2);
	secondary(IORING_OP_WRITE, file, 0, 512, 0, 0);
	secondary(IORING_OP_WRITE, file, 0, 512, 0, 1)->flags = IOSQE_IO_LINK;
	secondary(IORING_OP_NOP, -1, 0, 0, 0, 5);
	run(&o, 5);
	cr_assert_eq(o.place, 3, "the primary came as number %u", o.place);
	res_is(o.res[6], -EBADF, "head");
	res_is(o.primary, -ECANCELED, "primary");
	res_is(o.res[0], -ECANCELED, "first");
	res_is(o.res[1], -ECANCELED, "second");
	res_is(o.res[5], -ECANCELED, "behind");
	not_lent("chain that failed");

	/* and one whose members are then silent */
	secondary(IORING_OP_READ, 999, 0, 1, 0, 6)->flags = IOSQE_IO_LINK | IOSQE_CQE_SKIP_SUCCESS;
	primary(lender, 0, 1);
	secondary(IORING_OP_WRITE, file, 0, 512, 0, 0)->flags = IOSQE_IO_LINK;
	secondary(IORING_OP_NOP, -1, 0, 0, 0, 5);
	run(&o, 1);
	res_is(o.res[6], -EBADF, "silent head");
	not_lent("silent chain that failed");
}

static void timeout_behind(const struct __kernel_timespec *when)
{
	struct io_uring_sqe *sqe = ring_sqe(&ring);

	sqe->opcode = IORING_OP_LINK_TIMEOUT;
	sqe->fd = -1;
	sqe->addr = (unsigned long)when;
	sqe->len = 1;
	sqe->user_data = 6;
}

Test(fused, a_timeout_linked_to_it_cancels_nothing)
{
	const struct __kernel_timespec soon = { .tv_nsec = 20000000 }, late = { .tv_sec = 600 };
	struct outcome o;
	struct done done;
	int fds[2];
	u8 byte = 7;

	must(!pipe(fds), "pipe: %s", strerror(errno));
	primary(lender, 1, 1);
	secondary(IORING_OP_READ, fds[0], 0, 1, -1, 0)->flags = IOSQE_IO_LINK;
	timeout_behind(&soon);
	ring_submit(&ring);
	must(ring_next(&ring, &done, SOON_MS) && done.data == 6, "no timeout");
	res_is(done.res, -ENOENT, "timeout");
	must(!ring_next(&ring, &done, NEVER_MS), "%llu ended with the timeout",
	     (unsigned long long)done.data);
	must(write(fds[1], &byte, 1) == 1, "pipe");
	reap(&o, 2);
	res_is(o.res[0], 1, "read");
	res_is(o.primary, LEN, "primary");
	lender_released(lender, 1, 1, SOON_MS);

	must(write(fds[1], &byte, 1) == 1, "pipe");
	primary(lender, 1, 1);
	secondary(IORING_OP_READ, fds[0], 0, 1, -1, 0)->flags = IOSQE_IO_LINK;
	timeout_behind(&late);
	run(&o, 3);
	res_is(o.res[0], 1, "read in time");
	res_is(o.primary, LEN, "primary in time");
	res_is(o.res[6], -ECANCELED, "timeout that has not come");
	lender_released(lender, 1, 2, SOON_MS);
	close(fds[0]);
	close(fds[1]);
}

Test(fused, it_may_be_asynchronous_and_drained)
{
	static const u8 flags[] = { 0, IOSQE_ASYNC };
	struct outcome o;

	for (unsigned int i = 0; i < 8; i++) {
		primary(lender, 0, 2)->flags = flags[i & 1];
		secondary(IORING_OP_WRITE, file, 0, 512, 0, 0)->flags = flags[i >> 1 & 1];
		secondary(IORING_OP_WRITE, file, 512, 512, 512, 1)->flags = flags[i >> 2 & 1];
		run(&o, 3);
		res_is(o.primary, LEN, "case %u", i);
		res_is(o.res[0], 512, "case %u", i);
		res_is(o.res[1], 512, "case %u", i);
	}
	for (unsigned int i = 0; i < 2; i++) {
		/* a drain behind it counts its secondaries; one on it waits for what is before */
		primary(lender, 0, 2)->flags = i ? IOSQE_IO_DRAIN : 0;
		secondary(IORING_OP_WRITE, file, 0, 512, 0, 0);
		secondary(IORING_OP_WRITE, file, 512, 512, 512, 1);
		secondary(IORING_OP_NOP, -1, 0, 0, 0, 5)->flags = IOSQE_IO_DRAIN;
		run(&o, 4);
		res_is(o.primary, LEN, "drain %u", i);
		res_is(o.res[5], 0, "drain %u", i);
	}
	lender_released_in(&ring, lender, 0, 10, SOON_MS);
}

/* Who sent what comes to @sock: its effective user. */
static uid_t sender(int sock)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(struct ucred))];
	} control;
	struct iovec iov = { got, LEN };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control,
			      .msg_controllen = sizeof(control) };
	struct cmsghdr *c;

	must(recvmsg(sock, &msg, 0) == 512, "recvmsg: %s", strerror(errno));
	c = CMSG_FIRSTHDR(&msg);
	must(c && c->cmsg_type == SCM_CREDENTIALS, "no credentials came");
	return ((struct ucred *)CMSG_DATA(c))->uid;
}

/* A personality is that of the SQE that names it. */
Test(fused, a_secondary_has_its_own_personality)
{
	int socks[2], one = 1, nobody;
	struct outcome o;

	must(!socketpair(AF_UNIX, SOCK_DGRAM, 0, socks), "socketpair: %s", strerror(errno));
	must(!setsockopt(socks[1], SOL_SOCKET, SO_PASSCRED, &one, sizeof(one)), "SO_PASSCRED");
	must(!setresuid(65534, 65534, 0), "setresuid: %s", strerror(errno));
	nobody = ring_register(&ring, IORING_REGISTER_PERSONALITY, NULL, 0);
	must(!setresuid(0, 0, 0), "setresuid: %s", strerror(errno));
	must(nobody > 0, "personality: %s", res_str(nobody));
	for (unsigned int i = 0; i < 4; i++) {
		struct io_uring_sqe *sqe = primary(lender, 0, 1);

		sqe->personality = i & 1 ? nobody : 0;
		sqe = secondary(IORING_OP_SEND, socks[0], 0, 512, 0, 0);
		sqe->personality = i & 2 ? nobody : 0;
		run(&o, 2);
		res_is(o.primary, LEN, "case %u", i);
		res_is(o.res[0], 512, "case %u", i);
		cr_assert_eq(sender(socks[1]), i & 2 ? 65534 : 0, "case %u: somebody else sent it", i);
	}
}

/* SQPOLL's thread takes eight SQEs of a ring at a time when it has several, and this is nine. */
Test(fused, a_thread_with_two_rings_takes_it_as_a_whole)
{
	struct io_uring_params params = { .flags = IORING_SETUP_SQPOLL, .sq_thread_idle = 1000 };
	struct io_uring other;
	struct outcome o;

	must(!io_uring_queue_init_params(8, &other, &params), "a ring with SQPOLL");
	io_uring_queue_exit(&ring);
	params = (struct io_uring_params){ .flags = IORING_SETUP_SQPOLL | IORING_SETUP_ATTACH_WQ,
					   .sq_thread_idle = 1000, .wq_fd = other.ring_fd };
	must(!io_uring_queue_init_params(64, &ring, &params), "a ring with its thread");
	for (unsigned int round = 0; round < 16; round++) {
		/* beginning anywhere in what is taken at a time */
		for (unsigned int i = 0; i < round; i++)
			secondary(IORING_OP_NOP, -1, 0, 0, 0, 0)->flags = IOSQE_CQE_SKIP_SUCCESS;
		primary(lender, 0, 8);
		for (unsigned int i = 0; i < 8; i++)
			secondary(IORING_OP_WRITE, file, i * 512, 512, i * 512, i);
		run(&o, 9);
		res_is(o.primary, LEN, "behind %u others", round);
		for (unsigned int i = 0; i < 8; i++)
			res_is(o.res[i], 512, "behind %u others: %u", round, i);
	}
	io_uring_queue_exit(&other);
}

Test(fused, a_secondary_can_be_cancelled)
{
	struct outcome o;
	int fds[2];

	must(!pipe(fds), "pipe: %s", strerror(errno));
	primary(lender, 1, 2);
	secondary(IORING_OP_READ, fds[0], 0, 1, -1, 0);
	secondary(IORING_OP_READ, file, 512, 512, 0, 1);
	ring_submit(&ring);
	secondary(IORING_OP_ASYNC_CANCEL, -1, 0, 0, 0, 7)->len = 0;
	run(&o, 4);
	res_is(o.res[0], -ECANCELED, "the read of a pipe");
	res_is(o.res[1], 512, "the other");
	res_is(o.primary, LEN, "primary");
	lender_released(lender, 1, 1, SOON_MS);
}

static bool was_lent(void *arg)
{
	return lender_stats(lender, 1).lent == *(u64 *)arg;
}

Test(fused, a_ring_that_is_closed_gives_the_buffer_back)
{
	static const u32 kinds[] = {
		0, IORING_SETUP_SQPOLL, IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
	};
	int fds[2];

	must(!pipe(fds), "pipe: %s", strerror(errno));
	for (unsigned int i = 0; i < 3; i++) {
		u64 nr = i + 1;

		io_uring_queue_exit(&ring);
		ring_init(&ring, 8, kinds[i]);
		primary(lender, 1, 2);
		secondary(IORING_OP_READ, fds[0], 0, 1, -1, 0);
		secondary(IORING_OP_READ, fds[0], 512, 512, -1, 1);
		io_uring_submit(&ring);
		must(wait_until(was_lent, &nr, SOON_MS), "kind %u: was not lent", i);
		io_uring_queue_exit(&ring);
		lender_released(lender, 1, i + 1, SOON_MS);
		ring_init(&ring, 64, 0);
	}
}

static void victim(void *arg)
{
	int fds[2];

	must(!pipe(fds), "pipe: %s", strerror(errno));
	ring_init(&ring, 8, 0);
	primary(lender, 1, 1);
	secondary(IORING_OP_READ, fds[0], 0, 1, -1, 0);
	ring_submit(&ring);
	pause();
}

Test(fused, a_process_that_is_killed_gives_the_buffer_back)
{
	for (u64 nr = 1; nr <= 5; nr++) {
		pid_t pid = proc_start_fd(victim, NULL, lender);

		must(wait_until(was_lent, &nr, SOON_MS), "round %llu: was not lent",
		     (unsigned long long)nr);
		proc_kill(pid);
		lender_released(lender, 1, nr, SOON_MS);
	}
}

static void not_borrowed(int fd, unsigned int index, int why, const char *what, unsigned int nr)
{
	struct outcome o;

	primary(fd, index, 2)->len = 512;
	secondary(IORING_OP_WRITE, file, 0, 512, 0, 0);
	secondary(IORING_OP_READ, file, 0, 512, 0, 1);
	run(&o, 3);
	res_is(o.primary, why, "%s %u: primary", what, nr);
	res_is(o.res[0], -ECANCELED, "%s %u: write", what, nr);
	res_is(o.res[1], -ECANCELED, "%s %u: read", what, nr);
}

Test(fused, what_a_broken_exporter_returns_is_refused)
{
	static const u32 errors[] = { 511, 512, 529, 3072, 4095 };
	const struct lend_test_seg seg = { .len = 4096 };

	for (unsigned int i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		lender_setup(lender, 1, &(struct lend_spec){ .segs = &seg, .nr_segs = 1,
							  .error = errors[i] });
		not_borrowed(lender, 1, -EIO, "error", errors[i]);
	}
	for (u32 fault = LEND_TEST_FAULT_NULL; fault < LEND_TEST_FAULTS; fault++) {
		lender_setup(lender, 1, &(struct lend_spec){ .segs = &seg, .nr_segs = 1,
							  .fault = fault });
		not_borrowed(lender, 1, -EIO, "fault", fault);
		lender_is(lender, 1, fault - 1, fault - 1, "fault %u", fault);
	}
}

Test(fused, a_file_lends_only_what_it_is_open_for)
{
	static const int modes[] = { O_RDONLY, O_WRONLY };
	const struct lend_test_seg seg = { .len = 4096 };

	for (unsigned int i = 0; i < 2; i++) {
		u32 allows = modes[i] == O_RDONLY ? LEND_TEST_SOURCE : LEND_TEST_DEST;
		int fd = lender_open_for(modes[i]);
		struct outcome o;

		lender_setup(fd, 1, &(struct lend_spec){ .segs = &seg, .nr_segs = 1,
						      .dir = LEND_BOTH & ~allows });
		not_borrowed(fd, 1, -EBADF, "access mode", modes[i]);
		lender_is(fd, 1, 1, 1, "access mode %d", modes[i]);
		lender_setup(fd, 1, &(struct lend_spec){ .segs = &seg, .nr_segs = 1, .dir = allows });
		primary(fd, 1, 1);
		secondary(modes[i] == O_RDONLY ? IORING_OP_WRITE : IORING_OP_READ, file, 0, 4096, 0, 0);
		run(&o, 2);
		res_is(o.primary, 4096, "primary, access mode %d", modes[i]);
		res_is(o.res[0], 4096, "secondary, access mode %d", modes[i]);
		close(fd);
	}
}
