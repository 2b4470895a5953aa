// SPDX-License-Identifier: GPL-2.0
/*
 * SEND with a registered buffer: the bytes of the range and no others are copied to any
 * socket, and the buffer is given back when the request completes.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lender.h"
#include "pattern.h"
#include "ring.h"
#include "tmpfile.h"

#define LEN	18944	/* of each buffer */
#define BIG	(1 << 20)	/* more than a socket takes */
#define SLOTS	4

static struct io_uring ring;
static int lender;
static u8 *user;	/* slot 1; slot 0 is lent */
static u8 before[LEN], got[BIG];

static void setup(void)
{
	static const struct lend_test_seg segs[] = {
		{ 0, 512 }, { 0, 4096 }, { 512, 1536 }, { 0, 8192 }, { 2048, 512 }, { 0, 4096 },
	};
	struct iovec iov;

	ring_init(&ring, 64, 0);
	ring_table(&ring, SLOTS);
	lender = lender_open();
	lender_setup(lender, 0, &(struct lend_spec){ .segs = segs, .nr_segs = 6 });
	pat_fill(before, LEN, 1, 0);
	lender_write(lender, 0, 0, before, LEN);
	res_is(lent_register(&ring, lender, LEND_TEST_POS(0, 0), 0, 0), LEN, "lend");
	user = (u8 *)page_alloc(LEN + 4096) + 512;
	memcpy(user, before, LEN);
	iov = (struct iovec){ .iov_base = user, .iov_len = LEN };
	res_is(ring_update(&ring, 1, &iov, NULL, 1), 1, "user buffer");
}

static void teardown(void)
{
	io_uring_queue_exit(&ring);
	close(lender);
}

TestSuite(lend_send, .init = setup, .fini = teardown, .timeout = 60);

/* What addresses of slot @slot count from. */
static u64 base_of(unsigned int slot)
{
	return slot ? (uintptr_t)user : 0;
}

/* Two ends of a connection of sockets of the kernel. */
struct pair {
	const char *name;
	int tx, rx;
	bool datagrams;
};

static void unix_pair(struct pair *p, int type, const char *name)
{
	int fds[2];

	must(!socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fds), "socketpair: %s", strerror(errno));
	*p = (struct pair){ .name = name, .tx = fds[0], .rx = fds[1],
			    .datagrams = type != SOCK_STREAM };
}

static void all_pairs(struct pair *pairs)
{
	struct tcp_pair tcp;

	tcp_pair(&tcp, 0, 0);
	pairs[0] = (struct pair){ .name = "TCP", .tx = tcp.tx, .rx = tcp.rx };
	unix_pair(&pairs[1], SOCK_STREAM, "unix stream");
	unix_pair(&pairs[2], SOCK_DGRAM, "unix datagram");
	unix_pair(&pairs[3], SOCK_SEQPACKET, "unix seqpacket");
}
#define NR_PAIRS	4

static void received_is(const struct pair *p, u32 off, u32 len, const char *what)
{
	if (p->datagrams)
		res_is(recv(p->rx, got, LEN, MSG_DONTWAIT), len, "%s: %s: received", p->name, what);
	else
		tcp_read(p->rx, got, len);
	mem_is(got, before + off, len, "%s: %s: %u bytes from %u", p->name, what, len, off);
}

static void nothing_came(const struct pair *p, const char *what)
{
	must(recv(p->rx, got, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN, "%s: %s: bytes came",
	     p->name, what);
}

static int send_range(const struct pair *p, u64 off, u32 len, unsigned int slot)
{
	prep_copy_fixed(ring_sqe(&ring), p->tx, base_of(slot) + off, len, slot);
	return ring_run(&ring);
}

Test(lend_send, any_range_reaches_any_socket)
{
	static const u32 edges[] = { 0, 1, 511, 512, 513, 1535, 1536, 2560, 4095, 4096, 4608, 5000,
				     9000, 9215, 9216 };
	const unsigned int nr = sizeof(edges) / sizeof(edges[0]);
	struct pair pairs[NR_PAIRS];

	all_pairs(pairs);
	for (unsigned int i = 0; i < NR_PAIRS; i++) {
		for (unsigned int n = 0; n < 2 * nr * nr; n++) {
			u32 off = edges[n / 2 / nr], len = edges[n / 2 % nr];
			unsigned int slot = n % 2;

			/* a datagram of 0 bytes is one */
			if (!len && !pairs[i].datagrams)
				continue;
			res_is(send_range(&pairs[i], off, len, slot), len,
			       "%s: slot %u: %u bytes from %u", pairs[i].name, slot, len, off);
			received_is(&pairs[i], off, len, slot ? "user" : "lent");
		}
	}
	res_is(lent_unregister(&ring, 0), 0, "unregister");
	lender_is(lender, 0, 1, 1, "each send gave it back");
}

static void send_is_refused(const struct pair *p, u64 off, u32 len, unsigned int slot, int res)
{
	struct io_uring_sqe *sqe;

	for (u32 flags = 0; flags <= IOSQE_ASYNC; flags += IOSQE_ASYNC) {
		sqe = ring_sqe(&ring);
		prep_copy_fixed(sqe, p->tx, base_of(slot) + off, len, slot);
		sqe->flags = flags;
		res_is(ring_run(&ring), res, "%s: slot %u: %u bytes at %#llx", p->name, slot, len,
		       (unsigned long long)off);
	}
	nothing_came(p, "refused");
}

Test(lend_send, wrong_ranges_and_slots_are_refused)
{
	struct pair pairs[NR_PAIRS];

	all_pairs(pairs);
	for (unsigned int i = 0; i < NR_PAIRS; i++) {
		for (unsigned int slot = 0; slot < 2; slot++) {
			send_is_refused(&pairs[i], 0, LEN + 1, slot, -EFAULT);
			send_is_refused(&pairs[i], LEN, 1, slot, -EFAULT);
			send_is_refused(&pairs[i], LEN + 1, 0, slot, -EFAULT);
			send_is_refused(&pairs[i], -1ULL, 2, slot, -EFAULT);
			send_is_refused(&pairs[i], 0, INT_MAX, slot, -EFAULT);
			/* SEND has a length with a sign */
			send_is_refused(&pairs[i], 0, 0x80000000, slot, -EINVAL);
			send_is_refused(&pairs[i], 0, 0xffffffff, slot, -EINVAL);
		}
		send_is_refused(&pairs[i], 0, 512, 2, -EFAULT);
		send_is_refused(&pairs[i], 0, 512, SLOTS, -EFAULT);
		send_is_refused(&pairs[i], 0, 512, 0xffff, -EFAULT);
	}
	res_is(lent_unregister(&ring, 0), 0, "unregister");
	lender_released_in(&ring, lender, 0, 1, SOON_MS);
}

Test(lend_send, flags_and_opcodes_that_do_not_go_with_it_are_refused)
{
	static const struct {
		const char *what;
		int res;
		u8 opcode;
		u16 ioprio;
		u8 flags;
		u32 msg_flags;
	} rows[] = {
		{ "SENDMSG", -EINVAL, IORING_OP_SENDMSG, 0, 0, 0 },
		{ "RECV", -EINVAL, IORING_OP_RECV, 0, 0, 0 },
		{ "a provided buffer", -EINVAL, IORING_OP_SEND, 0, IOSQE_BUFFER_SELECT, 0 },
		{ "a bundle", -EINVAL, IORING_OP_SEND, RING_RECVSEND_BUNDLE, 0, 0 },
		{ "a bundle of provided buffers", -EINVAL, IORING_OP_SEND, RING_RECVSEND_BUNDLE,
		  IOSQE_BUFFER_SELECT, 0 },
		{ "RECV_MULTISHOT", -EINVAL, IORING_OP_SEND, IORING_RECV_MULTISHOT, 0, 0 },
		{ "SEND_ZC's report", -EINVAL, IORING_OP_SEND, 1 << 3, 0, 0 },
		{ "an unknown flag", -EINVAL, IORING_OP_SEND, 1 << 15, 0, 0 },
		{ "MSG_ZEROCOPY", -EINVAL, IORING_OP_SEND, 0, 0, MSG_ZEROCOPY },
	};
	struct pair pairs[NR_PAIRS];

	all_pairs(pairs);
	for (unsigned int i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct io_uring_sqe *sqe = ring_sqe(&ring);

		prep_copy_fixed(sqe, pairs[1].tx, 0, 512, 0);
		sqe->opcode = rows[i].opcode;
		sqe->ioprio |= rows[i].ioprio;
		sqe->flags = rows[i].flags;
		sqe->msg_flags = rows[i].msg_flags;
		res_is(ring_run(&ring), rows[i].res, "%s", rows[i].what);
		nothing_came(&pairs[1], rows[i].what);
	}
	prep_copy_fixed(ring_sqe(&ring), file_mem(LEN), 0, 512, 0);
	res_is(ring_run(&ring), -ENOTSOCK, "a file");
	prep_copy_fixed(ring_sqe(&ring), 1000, 0, 512, 0);
	res_is(ring_run(&ring), -EBADF, "no file");
	res_is(lent_unregister(&ring, 0), 0, "unregister");
	lender_is(lender, 0, 1, 1, "none kept it");
}

/* A socket that is asked for it keeps pages of user space, but not those that are lent. */
Test(lend_send, zero_copy_is_for_buffers_of_user_space)
{
	struct tcp_pair tcp;
	int one = 1;

	tcp_pair(&tcp, 0, 0);
	must(!setsockopt(tcp.tx, SOL_SOCKET, SO_ZEROCOPY, &one, sizeof(one)), "SO_ZEROCOPY: %s",
	     strerror(errno));
	for (unsigned int slot = 0; slot < 2; slot++) {
		struct io_uring_sqe *sqe = ring_sqe(&ring);

		prep_copy_fixed(sqe, tcp.tx, base_of(slot), LEN, slot);
		sqe->msg_flags = MSG_ZEROCOPY;
		res_is(ring_run(&ring), slot ? LEN : -EINVAL, "slot %u", slot);
	}
	tcp_read(tcp.rx, got, LEN);
	mem_is(got, before, LEN, "the user's bytes");
}

/* Slot 2 gets buffer @index of BIG bytes of pattern @seed. */
static void lend_big(unsigned int index, u32 seed)
{
	lender_simple(lender, index, BIG);
	pat_fill(got, BIG, seed, 0);
	lender_write(lender, index, 0, got, BIG);
	res_is(lent_register(&ring, lender, LEND_TEST_POS(index, 0), 0, 2), BIG, "the big one");
}

/* The socket takes no more; returns how many bytes its reader has to read first. */
static size_t fill_socket(const struct pair *p)
{
	size_t len = 0;
	ssize_t n;

	while ((n = send(p->tx, got, 512, MSG_DONTWAIT)) > 0)
		len += n;
	must(errno == EAGAIN && len <= BIG, "%s: %zu bytes, then %s", p->name, len, strerror(errno));
	return len;
}

/*
 * A send of all takes many steps, each of which goes on where the one before ended, on the
 * buffer that was there at first.
 */
static void send_in_steps(const struct pair *p, u32 flags, u16 ioprio)
{
	struct lend_test_stats old = lender_stats(lender, 1), new = lender_stats(lender, 2);
	/* one that is put off at first has to find it nevertheless */
	size_t others = ioprio & IORING_RECVSEND_POLL_FIRST ? fill_socket(p) : 0;
	struct io_uring_sqe *sqe;
	struct done done;

	lend_big(1, 5);
	sqe = ring_sqe(&ring);
	prep_copy_fixed(sqe, p->tx, 0, BIG, 2);
	sqe->flags = flags;
	sqe->ioprio |= ioprio;
	ring_submit(&ring);
	must(!ring_next(&ring, &done, NEVER_MS), "%s: the socket took all of it", p->name);
	res_is(lent_unregister(&ring, 2), 0, "unregister");
	lend_big(2, 6);
	lender_is(lender, 1, old.lent + 1, old.released, "%s: still being sent", p->name);
	tcp_read(p->rx, got, others);
	tcp_read(p->rx, got, BIG);
	pat_is(got, BIG, 5, 0, "%s: what was sent", p->name);
	must(ring_next(&ring, &done, SOON_MS), "%s: the send does not complete", p->name);
	res_is(done.res, BIG, "%s: the send", p->name);
	must(!(done.flags & IORING_CQE_F_MORE), "%s: SEND has no notification", p->name);
	lender_released_in(&ring, lender, 1, old.released + 1, SOON_MS);
	res_is(lent_unregister(&ring, 2), 0, "unregister");
	lender_is(lender, 2, new.lent + 1, new.released + 1, "%s: nobody used the other", p->name);
}

Test(lend_send, a_send_in_steps_keeps_the_buffer)
{
	struct tcp_pair tcp;
	struct pair pairs[2] = { { .name = "TCP" } };

	tcp_pair(&tcp, 8192, 8192);
	pairs[0].tx = tcp.tx;
	pairs[0].rx = tcp.rx;
	unix_pair(&pairs[1], SOCK_STREAM, "unix stream");
	for (unsigned int i = 0; i < 2; i++) {
		send_in_steps(&pairs[i], 0, 0);
		send_in_steps(&pairs[i], IOSQE_ASYNC, 0);
		send_in_steps(&pairs[i], 0, IORING_RECVSEND_POLL_FIRST);
	}
}

/* Without MSG_WAITALL a send that the socket takes a part of tells how much. */
Test(lend_send, a_part_is_told)
{
	struct pair p;
	struct io_uring_sqe *sqe;
	int ret, more;

	unix_pair(&p, SOCK_STREAM, "unix stream");
	lend_big(1, 5);
	sqe = ring_sqe(&ring);
	prep_copy_fixed(sqe, p.tx, 0, BIG, 2);
	sqe->msg_flags = MSG_DONTWAIT;
	ret = ring_run(&ring);
	must(ret > 0 && ret < BIG, "the first part: %s", res_str(ret));
	tcp_read(p.rx, got, ret);
	pat_is(got, ret, 5, 0, "the first part");
	sqe = ring_sqe(&ring);
	prep_copy_fixed(sqe, p.tx, ret, BIG - ret, 2);
	sqe->msg_flags = MSG_DONTWAIT;
	more = ring_run(&ring);
	must(more > 0, "the second part: %s", res_str(more));
	tcp_read(p.rx, got, more);
	pat_is(got, more, 5, ret, "the second part");
	/* full: nothing more is taken, and the buffer is free at once */
	for (unsigned int i = 0; i < 3; i++) {
		sqe = ring_sqe(&ring);
		prep_copy_fixed(sqe, p.tx, 0, BIG, 2);
		sqe->msg_flags = MSG_DONTWAIT;
		ret = ring_run(&ring);
		must(i ? ret == -EAGAIN : ret > 0, "round %u: %s", i, res_str(ret));
	}
	res_is(lent_unregister(&ring, 2), 0, "unregister");
	lender_released_in(&ring, lender, 1, 1, SOON_MS);
}

/* A datagram that is too long for its socket, or a reader that is gone. */
Test(lend_send, a_send_that_fails_gives_the_buffer_back)
{
	struct pair pairs[NR_PAIRS];

	all_pairs(pairs);
	lend_big(1, 5);
	prep_copy_fixed(ring_sqe(&ring), pairs[2].tx, 0, BIG, 2);
	res_is(ring_run(&ring), -EMSGSIZE, "a datagram");
	close(pairs[1].rx);
	prep_copy_fixed(ring_sqe(&ring), pairs[1].tx, 0, BIG, 2);
	res_is(ring_run(&ring), -EPIPE, "nobody reads");
	res_is(lent_unregister(&ring, 2), 0, "unregister");
	lender_is(lender, 1, 1, 1, "given back");
}

/* One that waits, and is cancelled, or ends with its ring. */
Test(lend_send, a_send_that_is_cancelled_gives_the_buffer_back)
{
	struct io_uring_sqe *sqe;
	struct pair p;
	int res[2];

	unix_pair(&p, SOCK_STREAM, "unix stream");
	lend_big(1, 5);
	prep_copy_fixed(ring_sqe(&ring), p.tx, 0, BIG, 2);
	ring_submit(&ring);
	sleep_ms(20);
	sqe = ring_sqe(&ring);
	io_uring_prep_cancel64(sqe, 0, 0);
	sqe->user_data = 1;
	ring_submit(&ring);
	ring_reap(&ring, res, 2);
	/* a part has gone out */
	must(res[0] > 0 && res[0] < BIG, "the send: %s", res_str(res[0]));
	lender_is(lender, 1, 1, 0, "its slot has it");
	prep_copy_fixed(ring_sqe(&ring), p.tx, 0, BIG, 2);
	ring_submit(&ring);
	res_is(lent_unregister(&ring, 2), 0, "unregister");
	lender_is(lender, 1, 1, 0, "the send has it");
	io_uring_queue_exit(&ring);
	lender_released(lender, 1, 1, SOON_MS);
	ring_init(&ring, 4, 0);
}

/* The buffer is found at issue, behind what registers it. */
Test(lend_send, a_chain_lends_sends_and_gives_back)
{
	struct pair pairs[NR_PAIRS];
	int res[3];

	all_pairs(pairs);
	for (unsigned int i = 0; i < NR_PAIRS; i++) {
		struct io_uring_sqe sqe = { 0 };

		prep_copy_fixed(&sqe, pairs[i].tx, 512, 5000, 3);
		lent_run_chain(&ring, lender, LEND_TEST_POS(0, 0), &sqe, 3, res);
		res_is(res[0], LEN, "%s: register", pairs[i].name);
		res_is(res[1], 5000, "%s: send", pairs[i].name);
		res_is(res[2], 0, "%s: unregister", pairs[i].name);
		received_is(&pairs[i], 512, 5000, "a chain");
		lender_is(lender, 0, 2 + i, 1 + i, "%s", pairs[i].name);
	}
}
