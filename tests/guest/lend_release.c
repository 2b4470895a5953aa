// SPDX-License-Identifier: GPL-2.0
/*
 * A lent buffer comes back exactly once, however its slot is cleared, and not before
 * the last request that uses it is done.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lender.h"
#include "pattern.h"
#include "proc.h"
#include "ring.h"
#include "tmpfile.h"

#define LEN	16384

static struct io_uring ring;
static int lender;
static u8 buf[1 << 20];

static void setup(void)
{
	ring_init(&ring, 64, 0);
	ring_table(&ring, 8);
	lender = lender_open();
	for (unsigned int i = 0; i < 4; i++)
		lender_simple(lender, i, LEN);
	pat_fill(buf, LEN, 1, 0);
	lender_write(lender, 0, 0, buf, LEN);
}

static void teardown(void)
{
	close(lender);
}

TestSuite(lend_release, .init = setup, .fini = teardown, .timeout = 60);

static void lend(struct io_uring *r, unsigned int slot)
{
	res_is(lent_register(r, lender, LEND_TEST_POS(0, 0), 0, slot), LEN, "slot %u", slot);
}

/* Copies slot @slot to buffer @index of the lender after @ms; not waited for. */
static void drain_later(struct io_uring *r, unsigned int slot, unsigned int index, u32 ms)
{
	struct lend_move m = { .op = LEND_TEST_CMD_DRAIN, .index = index, .len = LEN,
			       .slot = slot, .delay_ms = ms };

	lender_prep_move(ring_sqe(r), lender, &m);
	ring_submit(r);
}

static void drained_is(unsigned int index, u32 seed, const char *what)
{
	lender_read(lender, index, 0, buf, LEN);
	pat_is(buf, LEN, seed, 0, "%s: what was copied", what);
}

Test(lend_release, at_unregister_when_nobody_uses_it)
{
	for (unsigned int i = 0; i < 200; i++) {
		lend(&ring, i % 8);
		lender_is(lender, 0, i + 1, i, "round %u", i);
		res_is(lent_unregister(&ring, i % 8), 0, "round %u", i);
		lender_is(lender, 0, i + 1, i + 1, "round %u", i);
	}
}

Test(lend_release, each_slot_is_a_loan_of_its_own)
{
	for (unsigned int i = 0; i < 8; i++)
		lend(&ring, i);
	for (unsigned int i = 0; i < 8; i++) {
		res_is(lent_unregister(&ring, i), 0, "slot %u", i);
		lender_is(lender, 0, 8, i + 1, "slot %u", i);
	}
}

Test(lend_release, not_before_the_last_request)
{
	struct done done;

	lend(&ring, 0);
	drain_later(&ring, 0, 1, 150);
	drain_later(&ring, 0, 2, 700);
	drain_later(&ring, 0, 3, 400);
	res_is(lent_unregister(&ring, 0), 0, "unregister does not wait");
	for (unsigned int i = 0; i < 3; i++) {
		lender_is(lender, 0, 1, 0, "%u of 3 are done", i);
		must(ring_next(&ring, &done, SOON_MS), "request %u of 3", i);
		res_is(done.res, LEN, "request %u of 3", i);
	}
	lender_released(lender, 0, 1, 200);
	for (unsigned int i = 1; i < 4; i++)
		drained_is(i, 1, "late copy");
}

Test(lend_release, at_the_last_of_many_parallel_writes)
{
	int file = file_mem(64 * LEN), res[64];

	for (unsigned int round = 0; round < 20; round++) {
		lend(&ring, 0);
		for (unsigned int i = 0; i < 61; i++) {
			struct io_uring_sqe *sqe = ring_sqe(&ring);

			if (i < 60)
				prep_rw_fixed(sqe, IORING_OP_WRITE_FIXED, file, 0, LEN, i * LEN, 0);
			else
				lent_prep_unregister(sqe, 0);
			sqe->user_data = i;
		}
		ring_submit(&ring);
		ring_reap(&ring, res, 61);
		for (unsigned int i = 0; i < 60; i++)
			res_is(res[i], LEN, "write %u", i);
		res_is(res[60], 0, "unregister");
		lender_released(lender, 0, round + 1, 1000);
	}
}

Test(lend_release, at_ring_close)
{
	for (unsigned int i = 0; i < 8; i++)
		lend(&ring, i);
	lender_is(lender, 0, 8, 0, "lent");
	io_uring_queue_exit(&ring);
	lender_released(lender, 0, 8, SOON_MS);
}

Test(lend_release, at_ring_close_after_the_last_request)
{
	lend(&ring, 0);
	lend(&ring, 1);
	drain_later(&ring, 0, 1, 3000);
	io_uring_queue_exit(&ring);
	/* slot 1 does not wait for slot 0's request */
	lender_released(lender, 0, 1, 2000);
	lender_released(lender, 0, 2, SOON_MS);
	drained_is(1, 1, "after the ring was closed");
}

Test(lend_release, at_close_of_a_ring_of_each_kind)
{
	static const u32 kinds[] = {
		IORING_SETUP_SQPOLL, IORING_SETUP_COOP_TASKRUN, IORING_SETUP_IOPOLL,
		IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
	};

	for (unsigned int i = 0; i < 4; i++) {
		struct io_uring r;

		ring_init(&r, 8, kinds[i]);
		ring_table(&r, 2);
		lend(&r, 1);
		if (!(kinds[i] & IORING_SETUP_IOPOLL))
			drain_later(&r, 1, 1, 100);
		io_uring_queue_exit(&r);
		lender_released(lender, 0, i + 1, SOON_MS);
	}
}

struct victim {
	int lender;
	u32 flags;
	u32 delay_ms;
	volatile int ready;
};

static void victim(void *arg)
{
	struct victim *v = arg;
	struct io_uring r;

	lender = v->lender;
	ring_init(&r, 8, v->flags);
	ring_table(&r, 2);
	lend(&r, 1);
	if (v->delay_ms)
		drain_later(&r, 1, 1, v->delay_ms);
	v->ready = 1;
}

static bool is_ready(void *arg)
{
	return *(volatile int *)arg;
}

static void killed_process(u32 flags, u32 delay_ms, u64 nr, const char *what)
{
	struct victim *v = shared_alloc(sizeof(*v));
	pid_t pid;

	*v = (struct victim){ .lender = lender, .flags = flags, .delay_ms = delay_ms };
	pid = proc_start_fd(victim, v, lender);
	must(wait_until(is_ready, (void *)&v->ready, SOON_MS), "%s: the child is not ready", what);
	lender_is(lender, 0, nr, nr - 1, "%s", what);
	proc_kill(pid);
	lender_released(lender, 0, nr, SOON_MS);
}

Test(lend_release, when_the_process_is_killed)
{
	u64 nr = 0;

	for (unsigned int i = 0; i < 5; i++) {
		killed_process(0, 0, ++nr, "idle");
		killed_process(0, 50 + 50 * i, ++nr, "command in flight");
		killed_process(IORING_SETUP_SQPOLL, 50 * i, ++nr, "SQPOLL");
		killed_process(IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN, 50 * i,
			       ++nr, "DEFER_TASKRUN");
	}
}

Test(lend_release, when_the_table_is_unregistered)
{
	struct iovec iov = { .iov_base = page_alloc(4096), .iov_len = 4096 };

	lend(&ring, 0);
	lend(&ring, 7);
	res_is(io_uring_unregister_buffers(&ring), 0, "only lent buffers");
	lender_released(lender, 0, 2, 1000);
	ring_table(&ring, 8);
	lend(&ring, 0);
	res_is(ring_update(&ring, 1, &iov, NULL, 1), 1, "user buffer");
	res_is(io_uring_unregister_buffers(&ring), 0, "with one of user space");
	lender_released(lender, 0, 3, 1000);
}

/*
 * The table goes, the request keeps what it uses.  Only a table with buffers of user
 * space may wait for the request: those are protected by waiting.
 */
static void unregister_table_under_io(bool user)
{
	struct iovec iov = { .iov_base = page_alloc(4096), .iov_len = 4096 };
	struct done done;
	u64 start;

	lend(&ring, 0);
	if (user)
		res_is(ring_update(&ring, 1, &iov, NULL, 1), 1, "user buffer");
	drain_later(&ring, 0, 1, 1000);
	start = now_ms();
	res_is(io_uring_unregister_buffers(&ring), 0, "unregister the table");
	if (!user) {
		must(now_ms() - start < 700, "it waited for the request");
		lender_is(lender, 0, 1, 0, "still in use");
	}
	ring_table(&ring, 8);
	lend(&ring, 0);
	res_is(lent_unregister(&ring, 0), 0, "the new table");
	must(ring_next(&ring, &done, SOON_MS), "the request");
	res_is(done.res, LEN, "the request");
	drained_is(1, 1, "table unregistered");
	lender_released(lender, 0, 2, 1000);
}

Test(lend_release, when_the_table_is_unregistered_under_io)
{
	unregister_table_under_io(false);
}

Test(lend_release, when_a_mixed_table_is_unregistered_under_io)
{
	unregister_table_under_io(true);
}

/* A read that never ends, on a registered file: it holds back nothing that is lent. */
static void pend_on_registered_file(struct io_uring *r, int pipe_fd)
{
	static u8 byte;
	struct io_uring_sqe *sqe;

	res_is(io_uring_register_files(r, &pipe_fd, 1), 0, "registering a pipe");
	sqe = ring_sqe(r);
	io_uring_prep_read(sqe, 0, &byte, 1, 0);
	sqe->flags = IOSQE_FIXED_FILE;
	sqe->user_data = 99;
	ring_submit(r);
}

Test(lend_release, is_not_held_back_by_a_pending_request)
{
	int fds[2], file = file_mem(LEN);
	struct done done;

	must(!pipe(fds), "pipe: %s", strerror(errno));
	pend_on_registered_file(&ring, fds[0]);
	for (unsigned int i = 0; i < 10; i++) {
		lend(&ring, 0);
		res_is(rw_fixed(&ring, IORING_OP_WRITE_FIXED, file, 0, LEN, 0, 0), LEN, "write");
		res_is(lent_unregister(&ring, 0), 0, "unregister");
		lender_released_in(&ring, lender, 0, i + 1, SOON_MS);
	}
	/* nor does the table wait for it */
	lend(&ring, 3);
	res_is(io_uring_unregister_buffers(&ring), 0, "unregister the table");
	lender_released(lender, 0, 11, 1000);
	must(write(fds[1], "", 1) == 1 && ring_next(&ring, &done, SOON_MS) && done.data == 99,
	     "the read is still there");
	res_is(done.res, 1, "the read");
}

/*
 * A table that is being unregistered: slot 0 and 1 are lent, 2 is user space's, and a
 * request on a registered file lets a thread wait in IORING_UNREGISTER_BUFFERS.
 */
struct going {
	struct io_uring ring;
	pthread_t thread;
	int pipe[2];
	int file;
	u8 *user;
	volatile int ret;	/* of the call, RING_TIMEOUT until then */
};

static void *unregister_thread(void *arg)
{
	struct going *g = arg;

	g->ret = ring_register(&g->ring, IORING_UNREGISTER_BUFFERS, NULL, 0);
	return NULL;
}

static int user_io(struct going *g)
{
	return rw_fixed(&g->ring, IORING_OP_WRITE_FIXED, g->file, (uintptr_t)g->user, 4096, 0, 2);
}

static void lent_io_works(struct going *g, unsigned int slot, const char *what)
{
	struct lend_move m = { .op = LEND_TEST_CMD_DRAIN, .index = 1, .len = LEN, .slot = slot };

	res_is(rw_fixed(&g->ring, IORING_OP_WRITE_FIXED, g->file, 0, LEN, 0, slot), LEN,
	       "%s: a write", what);
	file_read(g->file, buf, LEN, 0);
	pat_is(buf, LEN, 1, 0, "%s: the file", what);
	res_is(rw_fixed(&g->ring, IORING_OP_READ_FIXED, g->file, 0, LEN, 0, slot), LEN,
	       "%s: a read", what);
	res_is(lender_move(&g->ring, lender, &m), LEN, "%s: a command", what);
	drained_is(1, 1, what);
}

static void table_starts_to_go(struct going *g, u32 ring_flags)
{
	struct iovec iov = { .iov_base = page_alloc(4096), .iov_len = 4096 };
	u64 end = now_ms() + SOON_MS;

	ring_init(&g->ring, 64, ring_flags);
	ring_table(&g->ring, 8);
	g->file = file_mem(LEN);
	g->user = iov.iov_base;
	lend(&g->ring, 0);
	lend(&g->ring, 1);
	res_is(ring_update(&g->ring, 2, &iov, NULL, 1), 1, "user buffer");
	must(!pipe(g->pipe), "pipe: %s", strerror(errno));
	pend_on_registered_file(&g->ring, g->pipe[0]);
	res_is(user_io(g), 4096, "a user buffer before");

	g->ret = RING_TIMEOUT;
	must(!pthread_create(&g->thread, NULL, unregister_thread, g), "thread");
	/* it waits when new requests do not get buffers of user space any more */
	while (user_io(g) == 4096 && now_ms() < end)
		sleep_ms(1);
	res_is(user_io(g), -EFAULT, "a user buffer while the table goes");
	res_is(g->ret, RING_TIMEOUT, "it waits");
}

static void table_is_gone(struct going *g)
{
	struct done done;

	must(write(g->pipe[1], "", 1) == 1, "ending the read");
	must(ring_next(&g->ring, &done, SOON_MS) && done.data == 99, "the read is still there");
	must(!pthread_join(g->thread, NULL), "the thread");
	res_is(g->ret, 0, "unregister the table");
	res_is(lent_register(&g->ring, lender, LEND_TEST_POS(0, 0), 0, 0), -EINVAL, "no table");
	io_uring_queue_exit(&g->ring);
}

static const u32 table_rings[] = { 0, IORING_SETUP_SQPOLL };
#define NR_TABLE_RINGS	(sizeof(table_rings) / sizeof(table_rings[0]))

Test(lend_release, while_a_table_of_both_kinds_waits_to_be_unregistered)
{
	for (unsigned int i = 0; i < NR_TABLE_RINGS; i++) {
		struct going g;

		table_starts_to_go(&g, table_rings[i]);
		lent_io_works(&g, 0, "the table goes");
		lender_is(lender, 0, i * 2 + 2, i * 2, "ring flags %#x", table_rings[i]);
		res_is(lent_unregister(&g.ring, 0), 0, "giving back");
		lender_is(lender, 0, i * 2 + 2, i * 2 + 1, "ring flags %#x", table_rings[i]);
		res_is(lent_unregister(&g.ring, 0), -EINVAL, "a slot that is empty by now");
		res_is(lent_unregister(&g.ring, 2), -EBUSY, "a slot of user space's");
		res_is(rw_fixed(&g.ring, IORING_OP_WRITE_FIXED, g.file, 0, LEN, 0, 0), -EFAULT,
		       "I/O on it");
		lent_io_works(&g, 1, "the other slot");
		table_is_gone(&g);
		lender_released(lender, 0, i * 2 + 2, SOON_MS);
	}
}

Test(lend_release, nothing_new_comes_into_a_table_that_waits_to_be_unregistered)
{
	struct iovec iov = { .iov_base = page_alloc(4096), .iov_len = 4096 };

	for (unsigned int i = 0; i < NR_TABLE_RINGS; i++) {
		struct {
			u32 src_fd, flags, pad[6];
		} clone = {};
		struct io_uring other;
		struct going g;

		ring_init(&other, 8, 0);
		table_starts_to_go(&g, table_rings[i]);
		res_is(lent_register(&g.ring, lender, LEND_TEST_POS(0, 0), 0, 5), -EINVAL, "lend");
		res_is(lent_register_pick(&g.ring, lender, LEND_TEST_POS(0, 0), 0), -EINVAL,
		       "pick a slot");
		lender_is(lender, 0, i * 2 + 2, i * 2, "nothing more was lent");
		res_is(ring_update(&g.ring, 4, &iov, NULL, 1), -EINVAL, "update");
		res_is(io_uring_register_buffers(&g.ring, &iov, 1), -EBUSY, "a second table");
		res_is(ring_register(&g.ring, IORING_UNREGISTER_BUFFERS, NULL, 0), -ENXIO,
		       "unregister once more");
		clone.src_fd = g.ring.ring_fd;
		res_is(ring_register(&other, RING_REGISTER_CLONE_BUFFERS, &clone, 1), -ENXIO, "clone");
		io_uring_queue_exit(&other);
		table_is_gone(&g);
		lender_released(lender, 0, i * 2 + 2, SOON_MS);
	}
}

static void interrupt(int signal)
{
}

Test(lend_release, a_table_whose_end_is_interrupted_is_as_before)
{
	const struct sigaction act = { .sa_handler = interrupt };

	must(!sigaction(SIGUSR1, &act, NULL), "sigaction");
	for (unsigned int i = 0; i < NR_TABLE_RINGS; i++) {
		struct going g;

		table_starts_to_go(&g, table_rings[i]);
		must(!pthread_kill(g.thread, SIGUSR1) && !pthread_join(g.thread, NULL), "signal");
		res_is(g.ret, -EINTR, "the call");
		res_is(user_io(&g), 4096, "the user buffer");
		lent_io_works(&g, 0, "interrupted");
		res_is(lent_unregister(&g.ring, 1), 0, "giving back");
		lend(&g.ring, 3);
		lent_io_works(&g, 3, "lent after it");
		res_is(lent_unregister(&g.ring, 3), 0, "giving back");
		must(!pthread_create(&g.thread, NULL, unregister_thread, &g), "thread");
		table_is_gone(&g);
		lender_released(lender, 0, i * 3 + 3, SOON_MS);
	}
}

/* The buffer, not a descriptor, keeps alive what was lent. */
Test(lend_release, the_exporters_file_may_be_closed_first)
{
	int other = lender_open();
	struct done done;

	lender_simple(other, 1, LEN);
	lend(&ring, 0);
	close(lender);
	lender = other;
	/* only its pages are used from here on */
	drain_later(&ring, 0, 1, 200);
	must(ring_next(&ring, &done, SOON_MS), "the command");
	res_is(done.res, LEN, "the command");
	drained_is(1, 1, "file closed");
	drain_later(&ring, 0, 1, 300);
	res_is(lent_unregister(&ring, 0), 0, "unregister");
	must(ring_next(&ring, &done, SOON_MS), "the command");
	res_is(done.res, LEN, "the command");
	/* and with the ring */
	lender = lender_open();
	lender_simple(lender, 0, LEN);
	lend(&ring, 0);
	close(lender);
	lender = other;
	drain_later(&ring, 0, 1, 100);
	io_uring_queue_exit(&ring);
	sleep_ms(300);
}

Test(lend_release, when_a_chain_that_waits_is_cancelled)
{
	int fds[2], file = file_mem(LEN);
	static u8 byte;

	must(!pipe(fds), "pipe: %s", strerror(errno));
	lend(&ring, 0);
	for (unsigned int i = 0; i < 4; i++) {
		struct io_uring_sqe *sqe = ring_sqe(&ring);

		if (i == 0)
			io_uring_prep_read(sqe, fds[0], &byte, 1, 0);
		else if (i == 1)
			prep_rw_fixed(sqe, IORING_OP_WRITE_FIXED, file, 0, LEN, 0, 0);
		else if (i == 2)
			lent_prep_register(sqe, lender, LEND_TEST_POS(0, 0), 0, 1, 0);
		else
			lent_prep_unregister(sqe, 0);
		sqe->flags = i < 3 ? IOSQE_IO_LINK : 0;
	}
	ring_submit(&ring);
	lender_is(lender, 0, 1, 0, "the chain waits");
	io_uring_queue_exit(&ring);
	lender_released(lender, 0, 1, SOON_MS);
	lender_is(lender, 0, 1, 1, "and was never issued");
}

Test(lend_release, when_a_waiting_read_is_cancelled)
{
	int fds[2], res[2];

	must(!pipe(fds), "pipe: %s", strerror(errno));
	for (unsigned int i = 0; i < 4; i++) {
		struct io_uring_sqe *sqe;

		lend(&ring, 0);
		sqe = ring_sqe(&ring);
		prep_rw_fixed(sqe, IORING_OP_READ_FIXED, fds[0], 0, LEN, -1ULL, 0);
		sqe->flags = i % 2 ? IOSQE_ASYNC : 0;
		ring_submit(&ring);
		/* a worker must have looked at its slot */
		sleep_ms(i % 2 ? NEVER_MS : 20);
		res_is(lent_unregister(&ring, 0), 0, "unregister");
		lender_is(lender, 0, i + 1, i, "the read waits with it");
		sqe = ring_sqe(&ring);
		io_uring_prep_cancel64(sqe, 0, 0);
		sqe->user_data = 1;
		ring_submit(&ring);
		ring_reap(&ring, res, 2);
		must(res[0] == -ECANCELED || res[0] == -EINTR, "the read: %s", res_str(res[0]));
		lender_released_in(&ring, lender, 0, i + 1, SOON_MS);
	}
	/* and by the end of the ring */
	lend(&ring, 0);
	prep_rw_fixed(ring_sqe(&ring), IORING_OP_READ_FIXED, fds[0], 0, LEN, -1ULL, 0);
	ring_submit(&ring);
	io_uring_queue_exit(&ring);
	lender_released(lender, 0, 5, SOON_MS);
}

#define BIG	(256 << 10)	/* more than a socket's buffers take */

/* Lends a buffer of BIG bytes of pattern @seed and sends all of it, up to the first CQE. */
static void send_big(struct tcp_pair *tcp, u32 seed)
{
	struct done done;

	tcp_pair(tcp, 16 << 20, 16384);
	lender_simple(lender, 0, BIG);
	pat_fill(buf, BIG, seed, 0);
	lender_write(lender, 0, 0, buf, BIG);
	res_is(lent_register(&ring, lender, LEND_TEST_POS(0, 0), 0, 0), BIG, "register");
	prep_send_fixed(ring_sqe(&ring), tcp->tx, 0, BIG, 0);
	ring_submit(&ring);
	must(ring_next(&ring, &done, SOON_MS), "the send");
	res_is(done.res, BIG, "the send");
	cr_assert(done.flags & IORING_CQE_F_MORE, "a notification is to follow");
}

/*
 * A socket uses the pages until its notification, long after the CQE that tells how
 * much was queued.
 */
Test(lend_release, after_the_notification_of_a_send)
{
	struct done done;
	struct tcp_pair tcp;

	send_big(&tcp, 5);
	res_is(lent_unregister(&ring, 0), 0, "unregister at the first CQE");
	must(!ring_next(&ring, &done, NEVER_MS), "the notification came before the reader read");
	lender_is(lender, 0, 1, 0, "the socket still has the pages");
	/* they are not ours: another loan of them is, and a slot for it */
	res_is(lent_register(&ring, lender, LEND_TEST_POS(0, 0), 0, 0), BIG, "lend again");
	res_is(lent_unregister(&ring, 0), 0, "unregister");
	lender_is(lender, 0, 2, 1, "the second loan");
	for (u32 at = 0; at < BIG; at += 16384) {
		tcp_read(tcp.rx, buf, 16384);
		pat_is(buf, 16384, 5, at, "received at %u", at);
		if (at < BIG / 2)
			sleep_ms(5);
	}
	must(ring_next(&ring, &done, SOON_MS) && (done.data & RING_NOTIF), "no notification");
	lender_released(lender, 0, 2, 1000);
	/* only now the owner writes to them */
	memset(buf, 0, BIG);
	lender_write(lender, 0, 0, buf, BIG);
}

Test(lend_release, after_a_send_when_the_ring_is_closed)
{
	struct tcp_pair tcp;

	send_big(&tcp, 6);
	io_uring_queue_exit(&ring);
	sleep_ms(100);
	lender_is(lender, 0, 1, 0, "the socket still has the pages");
	tcp_read(tcp.rx, buf, BIG);
	pat_is(buf, BIG, 6, 0, "received");
	lender_released(lender, 0, 1, SOON_MS);
}

Test(lend_release, after_a_send_to_nobody)
{
	struct done done;
	struct tcp_pair tcp;

	send_big(&tcp, 7);
	res_is(lent_unregister(&ring, 0), 0, "unregister");
	/* the reader goes away with everything unread: reset */
	close(tcp.rx);
	must(ring_next(&ring, &done, SOON_MS) && (done.data & RING_NOTIF), "no notification");
	lender_released(lender, 0, 1, SOON_MS);
	/* a send that fails at once has nothing to wait for either */
	res_is(lent_register(&ring, lender, LEND_TEST_POS(0, 0), 0, 0), BIG, "register");
	prep_send_fixed(ring_sqe(&ring), tcp.tx, 0, BIG, 0);
	must(ring_run(&ring) < 0, "a send on a socket that was reset");
	res_is(lent_unregister(&ring, 0), 0, "unregister");
	lender_released(lender, 0, 2, SOON_MS);
	io_uring_queue_exit(&ring);
}
