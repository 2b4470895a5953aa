// SPDX-License-Identifier: GPL-2.0
/*
 * UBLK_F_HANDOFF: the server hands a request to the driver together with the I/O on its
 * pages, and is asked again only if that did not do all that it was to do.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "lender.h"
#include "pattern.h"
#include "proc.h"
#include "tleg.h"
#include "tmpfile.h"
#include "ublkraw.h"

#define LEN	16384
#define DEFER	(IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN)
#define HANDOFF	(UBLK_F_HANDOFF | UBLK_F_CMD_IOCTL_ENCODE)
#define AUTO	(HANDOFF | UBLK_F_AUTO_BUF_REG)
#define ZC	(HANDOFF | UBLK_F_SUPPORT_ZERO_COPY)
#define RECOVERY UBLK_F_USER_RECOVERY
#define REISSUE	(RECOVERY | UBLK_F_USER_RECOVERY_REISSUE)
#define DISK	(16 << 20)	/* bytes of a null_blk disk */
#define IO_MS	500	/* that I/O takes which is under way when the server dies */

static struct raw r;
static int file;	/* of memory: what clients write gets there, what they read comes from there */

static void setup(void)
{
	raw_begin(&r);
	file = file_mem(1 << 20);
}

static void teardown(void)
{
	raw_sweep();
	tlegs_remove();
}

TestSuite(ublk_handoff, .init = setup, .fini = teardown, .timeout = 180);

static void up(u64 flags, u32 ring_flags)
{
	raw_up(&r, &(struct raw_opt){ .flags = flags, .depth = 1, .ring_flags = ring_flags });
}

static struct client *comes(enum client_op op, u32 seed)
{
	unsigned int tag;

	return client_comes(&r, &(struct client_job){ .id = r.id, .op = op, .len = LEN, .seed = seed },
			    &tag);
}

/* Queues I/O number @nr on the first @len bytes of the request that the server has. */
static struct io_uring_sqe *io(unsigned int nr, int fd, u32 len, u64 pos)
{
	int op = raw_op(&r, 0) == UBLK_IO_OP_WRITE ? IORING_OP_WRITE_FIXED : IORING_OP_READ_FIXED;
	struct io_uring_sqe *sqe = raw_sqe(&r, nr);

	prep_rw_fixed(sqe, op, fd, 0, len, pos, 0);
	sqe->user_data = nr;
	return sqe;
}

/* The same, and nothing is to be heard of it if it succeeds. */
static void silent_io(unsigned int nr, int fd, u32 len, u64 pos)
{
	io(nr, fd, len, pos)->flags |= IOSQE_CQE_SKIP_SUCCESS;
}

static void comes_back(const char *what)
{
	res_is(raw_request(&r, SOON_MS), 0, "%s: does not come back", what);
	must(r.back[0], "%s: it is another request", what);
	res_is(raw_len(&r, 0), LEN, "%s: its length", what);
}

/* The request that has come back is done by the server after all. */
static void serve_it(struct client *c, const char *what)
{
	raw_serve(&r, 0);
	res_is(client_wait_in_ring(c, &r), LEN, "%s: the request", what);
}

static u64 nr_ended(void)
{
	return __atomic_load_n(&r.iods[0].addr, __ATOMIC_ACQUIRE);
}

static void file_has(u32 seed, u64 pos, const char *what)
{
	static u8 buf[LEN];

	file_read(file, buf, LEN, pos);
	pat_is(buf, LEN, seed, 0, "%s", what);
}

static u64 features(u64 asked)
{
	u64 got = 0;
	const struct ublksrv_ctrl_cmd cmd = {
		.dev_id = -1, .queue_id = -1, .addr = (uintptr_t)&got, .len = 8, .data[0] = asked,
	};

	res_is(raw_ctl(UBLK_U_CMD_GET_FEATURES, &cmd, SOON_MS), 0, "GET_FEATURES");
	return got;
}

Test(ublk_handoff, is_told_to_who_asks_and_needs_lending)
{
	must(!(features(0) & UBLK_F_HANDOFF), "who does not know it is told of it");
	must(features(UBLK_F_HANDOFF) & UBLK_F_HANDOFF, "who asks is not told");
	must(!(features(UBLK_F_STABLE_PAGES) & UBLK_F_HANDOFF), "who asks for another is told");
	res_is(raw_add(&r, &(struct raw_opt){ .flags = HANDOFF }), -EINVAL, "a device that copies");
	res_is(raw_add(&r, &(struct raw_opt){ .flags = HANDOFF | UBLK_F_USER_COPY }), -EINVAL, "user copy");
	res_is(raw_add(&r, &(struct raw_opt){ .flags = HANDOFF | UBLK_F_UNPRIVILEGED_DEV }), -EINVAL,
	       "unprivileged");
}

/* A device that does not have it, and what is no request to hand off; the request stays. */
Test(ublk_handoff, what_cannot_be_handed_off_is_refused_and_stays)
{
	static const int32_t bad[] = { 0, -1, -EIO, INT32_MIN };
	struct client *c;

	up(AUTO & ~UBLK_F_HANDOFF, 0);
	c = comes(CLIENT_WRITE, 1);
	res_is(raw_run_cmd(&r, UBLK_U_IO_HANDOFF_AND_FETCH_REQ, 0, 0, 1, 0), -EINVAL, "a device without it");
	serve_it(c, "a device without it");
	raw_down(&r);

	up(AUTO, 0);
	c = comes(CLIENT_WRITE, 2);
	for (unsigned int i = 0; i < 4; i++)
		res_is(raw_run_cmd(&r, UBLK_U_IO_HANDOFF_AND_FETCH_REQ, 0, 0, bad[i], 0), -EINVAL,
		       "%d users", bad[i]);
	res_is(raw_run_cmd(&r, UBLK_U_IO_HANDOFF_AND_FETCH_REQ, 0, 0, 1, 4096), -EINVAL, "an address");
	serve_it(c, "refused before");
	raw_down(&r);
}

Test(ublk_handoff, a_flush_is_not_handed_off)
{
	struct client *c;
	unsigned int tag;

	raw_up(&r, &(struct raw_opt){ .flags = AUTO, .depth = 1, .attrs = UBLK_ATTR_VOLATILE_CACHE });
	c = client_start(&(struct client_job){ .id = r.id, .op = CLIENT_FLUSH });
	tag = raw_expect(&r, UBLK_IO_OP_FLUSH, 0);
	res_is(raw_run_cmd(&r, UBLK_U_IO_HANDOFF_AND_FETCH_REQ, 0, tag, 1, 0), -EINVAL, "a flush");
	raw_commit(&r, tag, 0);
	res_is(client_wait(c), 0, "the flush");
	raw_down(&r);
}

/* By a file, for which a worker runs the I/O, and by disks; one user, and three. */
Test(ublk_handoff, what_all_have_done_ends_by_itself)
{
	static const u32 rings[] = { 0, DEFER, IORING_SETUP_COOP_TASKRUN };
	u8 *buf = page_alloc(LEN);
	struct client *c;
	u64 ended;
	int disk;

	tleg_null(0, &(struct null_disk){ .mb = 16 });
	disk = tleg_open(0, O_RDWR | O_DIRECT);
	for (unsigned int i = 0; i < 3; i++) {
		up(AUTO, rings[i]);
		ended = nr_ended();
		c = comes(CLIENT_WRITE, 10 + i);
		silent_io(0, file, LEN, 0);
		raw_hand_off(&r, 0, 1);
		res_is(client_wait_in_ring(c, &r), LEN, "ring %u: a write", i);
		file_has(10 + i, 0, "one user");
		res_is(r.res[0], RING_TIMEOUT, "ring %u: the success is told", i);
		res_is(nr_ended() - ended, 1, "ring %u: ended by the driver", i);

		c = comes(CLIENT_WRITE, 20 + i);
		silent_io(0, file, LEN, 0);
		silent_io(1, file, LEN, 65536);
		silent_io(2, disk, LEN, 0);
		raw_hand_off(&r, 0, 3);
		res_is(client_wait_in_ring(c, &r), LEN, "ring %u: a write of three", i);
		file_has(20 + i, 0, "the first of three");
		file_has(20 + i, 65536, "the second of three");
		file_read(disk, buf, LEN, 0);
		pat_is(buf, LEN, 20 + i, 0, "the third of three");

		c = comes(CLIENT_READ, 0);
		io(0, file, LEN, 65536);
		raw_hand_off(&r, 0, 1);
		res_is(client_wait_in_ring(c, &r), LEN, "ring %u: a read", i);
		file_read(file, buf, LEN, 65536);
		mem_is(c->buf, buf, LEN, "ring %u: what was read", i);
		res_is(raw_wait(&r, 0, SOON_MS), LEN, "ring %u: the read tells who wants to know", i);
		res_is(nr_ended() - ended, 3, "ring %u: three ended by the driver", i);
		raw_down(&r);
	}
}

/* What a server sends with the request that it hands off, and how many it says there are. */
struct wrong {
	const char *what;
	void (*send)(int disk);
	int32_t nr;
};

static void send_one(int disk) { io(0, file, LEN, 0); }
static void send_two(int disk) { io(0, file, LEN, 0); io(1, file, LEN, 65536); }
static void send_none(int disk) { }
static void send_less(int disk) { io(0, file, LEN - 512, 0); io(1, disk, LEN, DISK - 512); }
static void send_error(int disk) { io(0, file, LEN, 0); io(1, disk, LEN, DISK); }

static void send_command(int disk)
{
	const struct lend_move m = { .op = LEND_TEST_CMD_DRAIN, .len = LEN };
	int lender = lender_open();

	lender_simple(lender, 0, LEN);
	lender_prep_move(raw_sqe(&r, 0), lender, &m);
}

static void send_out_of_it(int disk) { io(0, file, LEN + 512, 0); }

Test(ublk_handoff, what_is_not_done_comes_back)
{
	static const struct wrong wrong[] = {
		{ "fewer than said", send_one, 2 }, { "more than said", send_two, 1 },
		{ "none", send_none, 1 }, { "a short one", send_less, 2 },
		{ "a full one, and one that was not said", send_less, 1 },
		{ "one that fails", send_error, 2 }, { "a command, which does not tell", send_command, 1 },
		{ "one out of the buffer", send_out_of_it, 1 }, { "very many", send_one, INT32_MAX },
	};
	int disk;

	tleg_null(0, &(struct null_disk){ .mb = 16 });
	disk = tleg_open(0, O_RDWR | O_DIRECT);
	up(AUTO, DEFER);
	for (unsigned int i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		struct client *c = comes(CLIENT_WRITE, 30 + i);
		u64 ended = nr_ended();

		wrong[i].send(disk);
		raw_hand_off(&r, 0, wrong[i].nr);
		comes_back(wrong[i].what);
		must(!c->done, "%s: it has ended", wrong[i].what);
		res_is(nr_ended(), ended, "%s: counted as ended", wrong[i].what);
		/* it is lent again, and can be handed off again */
		silent_io(2, file, LEN, 0);
		raw_hand_off(&r, 0, 1);
		res_is(client_wait_in_ring(c, &r), LEN, "%s: the second time", wrong[i].what);
		file_has(30 + i, 0, wrong[i].what);
		res_is(nr_ended(), ended + 1, "%s: ended once", wrong[i].what);
	}
	raw_down(&r);
}

/* What failed is known when the request comes back: its CQE came before. */
Test(ublk_handoff, the_results_of_failures_come_first)
{
	struct client *c;
	int disk;

	tleg_null(0, &(struct null_disk){ .mb = 16 });
	disk = tleg_open(0, O_RDWR | O_DIRECT);
	for (unsigned int i = 0; i < 20; i++) {
		up(AUTO, i & 1 ? DEFER : 0);
		c = comes(i & 2 ? CLIENT_READ : CLIENT_WRITE, 50);
		silent_io(0, file, LEN, 0);
		silent_io(1, disk, LEN, DISK - 4096);
		silent_io(2, disk, LEN, 0);
		raw_hand_off(&r, 0, 3);
		comes_back("a short one of three");
		res_is(r.res[1], 4096, "round %u: the short one", i);
		res_is(r.res[0], RING_TIMEOUT, "round %u: a full one", i);
		res_is(r.res[2], RING_TIMEOUT, "round %u: a full one", i);
		serve_it(c, "one that came back");
		raw_down(&r);
	}
}

/* The I/O is there when the buffer is not any more. */
Test(ublk_handoff, who_comes_too_late_finds_nothing_and_counts_for_nothing)
{
	struct client *c;

	up(AUTO, 0);
	c = comes(CLIENT_WRITE, 60);
	raw_hand_off(&r, 0, 1);
	comes_back("nobody came");
	serve_it(c, "nobody came");
	/* the slot is empty between two requests */
	res_is(raw_rw(&r, IORING_OP_WRITE_FIXED, file, 0, LEN, 0, 0), -EFAULT, "between two");
	raw_down(&r);
}

/* Devices that do not lend by themselves: two loans of a request are one sum. */
Test(ublk_handoff, loans_that_the_server_asks_for_count_too)
{
	struct client *c;

	up(ZC, DEFER);
	for (unsigned int i = 0; i < 3; i++) {
		c = comes(CLIENT_WRITE, 70 + i);
		res_is(raw_lend(&r, 0, 0, 0, 0), LEN, "REGISTER");
		res_is(raw_lend(&r, 0, 512, 0, 1), LEN - 512, "REGISTER of a part");
		io(0, file, LEN, 0);
		prep_rw_fixed(raw_sqe(&r, 1), IORING_OP_WRITE_FIXED, file, 0, LEN - 512, 65536, 1);
		ring_submit(&r.ring);
		raw_hand_off(&r, 0, i < 2 ? 2 : 3);
		must(!client_done(c, 50), "the slots still have the pages");
		res_is(raw_unlend(&r, 0), 0, "UNREGISTER");
		res_is(raw_unlend(&r, 1), 0, "UNREGISTER");
		if (i < 2) {
			res_is(client_wait_in_ring(c, &r), LEN, "round %u", i);
			file_has(70 + i, 0, "the whole");
		} else {
			comes_back("one is missing");
			serve_it(c, "one is missing");
		}
	}
	raw_down(&r);
}

/* Where the driver cannot lend again, the server is told, whether it has asked for that or not. */
Test(ublk_handoff, comes_back_also_where_it_cannot_be_lent)
{
	struct client *c;

	up(AUTO | UBLK_F_SUPPORT_ZERO_COPY, 0);
	c = comes(CLIENT_WRITE, 80);
	/* the command names a slot that there is not */
	r.auto_reg[0].index = RAW_SLOTS;
	raw_hand_off(&r, 0, 1);
	comes_back("a slot out of range");
	must(r.iods[0].op_flags & UBLK_IO_F_NEED_REG_BUF, "the server is not told");
	res_is(raw_lend(&r, 0, 0, 0, 3), LEN, "REGISTER");
	res_is(raw_rw(&r, IORING_OP_WRITE_FIXED, file, 0, LEN, 0, 3), LEN, "write");
	res_is(raw_unlend(&r, 3), 0, "UNREGISTER");
	r.auto_reg[0].index = 0;
	raw_commit(&r, 0, LEN);
	res_is(client_wait_in_ring(c, &r), LEN, "the request");
	file_has(80, 0, "by another slot");
	raw_down(&r);
}

/* The next request has to wait for the end of the one that was handed off. */
Test(ublk_handoff, the_tag_is_in_use_until_the_request_has_ended)
{
	struct client *first, *second;
	int disk;

	tleg_null(0, &(struct null_disk){ .mb = 16, .delay_us = IO_MS * 1000 });
	disk = tleg_open(0, O_RDWR | O_DIRECT);
	up(AUTO, 0);
	first = comes(CLIENT_WRITE, 90);
	second = client_start(&(struct client_job){ .id = r.id, .op = CLIENT_WRITE, .len = LEN,
						    .off = 65536, .seed = 91 });
	silent_io(0, disk, LEN, 0);
	raw_hand_off(&r, 0, 1);
	must(!client_done(first, IO_MS / 2), "it ended before its I/O");
	res_is(raw_expect(&r, UBLK_IO_OP_WRITE, LEN), 0, "the second one");
	must(!r.back[0] && raw_off(&r, 0) == 65536, "it is not the second one");
	res_is(client_wait(first), LEN, "the first one");
	serve_it(second, "the second one");
	raw_down(&r);
}

/* Stopping and deleting wait for the I/O, and for nobody else. */
Test(ublk_handoff, a_device_can_be_stopped_with_requests_handed_off)
{
	struct client *c;
	int disk;

	tleg_null(0, &(struct null_disk){ .mb = 16, .delay_us = IO_MS * 1000 });
	disk = tleg_open(0, O_RDWR | O_DIRECT);
	up(AUTO, 0);
	c = comes(CLIENT_WRITE, 95);
	silent_io(0, disk, LEN, 0);
	raw_hand_off(&r, 0, 1);
	raw_down(&r);
	res_is(client_wait(c), LEN, "the request");
}

/* How far the server gets that dies. */
struct death {
	const char *what;
	u64 flags;
	u64 pos;	/* of the I/O that is under way: not all of it may be on the disk */
	int res;	/* of the request; 0: it waits for the next server */
};

/* The test and its servers. */
struct shared {
	volatile int die, handed_off;
	volatile u64 pos;
	volatile bool was_back;
};
static struct shared *sh;
static int slow_disk;

static void server(void *arg)
{
	int tag;

	raw_open(&r);
	raw_fetch_all(&r);
	for (;;) {
		tag = raw_request(&r, 5);
		if (tag < 0)
			continue;
		sh->was_back |= r.back[tag];
		if (!sh->die || raw_op(&r, tag) != UBLK_IO_OP_WRITE) {
			raw_serve(&r, tag);
			continue;
		}
		silent_io(0, slow_disk, LEN, sh->pos);
		raw_hand_off(&r, tag, 1);
		sh->handed_off = 1;
	}
}

static bool handed_off(void *arg)
{
	return sh->handed_off;
}

static bool quiesced(void *arg)
{
	return raw_dev_state(r.id) == UBLK_S_DEV_QUIESCED;
}

static pid_t serve_from_child(u32 cmd_op)
{
	pid_t pid = proc_start_fd(server, NULL, slow_disk);

	res_is(raw_ctl_data(cmd_op, r.id, pid, SOON_MS), 0, "starting a server");
	return pid;
}

static void die(const struct death *d, u32 seed)
{
	struct client *c;
	pid_t pid;

	sh->die = sh->handed_off = 0;
	res_is(raw_add(&r, &(struct raw_opt){ .flags = d->flags, .depth = 1 }), 0, "ADD_DEV");
	pid = serve_from_child(UBLK_U_CMD_START_DEV);
	sh->pos = d->pos;
	sh->die = 1;
	c = client_start(&(struct client_job){ .id = r.id, .op = CLIENT_WRITE, .len = LEN, .seed = seed });
	must(wait_until(handed_off, NULL, SOON_MS), "%s: nothing was handed off", d->what);
	proc_signal(pid);
	if (d->res)
		res_is(client_wait(c), d->res, "%s", d->what);
	if (d->flags & RECOVERY) {
		must(wait_until(quiesced, NULL, SOON_MS), "%s: state %d", d->what, raw_dev_state(r.id));
		must(d->res || !c->done, "%s: it has ended", d->what);
		sh->die = 0;
		res_is(raw_ctl_data(UBLK_U_CMD_START_USER_RECOVERY, r.id, 0, SOON_MS), 0, "START_RECOVERY");
		pid = serve_from_child(UBLK_U_CMD_END_USER_RECOVERY);
		res_is(client_wait(c), d->res ?: LEN, "%s: with the next server", d->what);
		must(!sh->was_back, "%s: to the next server it is a new one", d->what);
		proc_kill(pid);
	}
	res_is(raw_del(r.id, SOON_MS), 0, "%s: DEL_DEV", d->what);
	raw_is_gone(r.id, SOON_MS);
}

Test(ublk_handoff, a_server_that_dies_leaves_it_to_the_io)
{
	static const struct death deaths[] = {
		{ "all is written", AUTO, 0, LEN },
		{ "a part is written", AUTO, DISK - 4096, -EIO },
		{ "all is written, recovery", AUTO | RECOVERY, 0, LEN },
		{ "a part is written, recovery", AUTO | RECOVERY, DISK - 4096, -EIO },
		{ "all is written, reissue", AUTO | REISSUE, 0, LEN },
		{ "a part is written, reissue", AUTO | REISSUE, DISK - 4096, 0 },
	};

	sh = shared_alloc(sizeof(*sh));
	tleg_null(0, &(struct null_disk){ .mb = 16, .delay_us = IO_MS * 1000 });
	slow_disk = tleg_open(0, O_RDWR | O_DIRECT);
	for (unsigned int i = 0; i < sizeof(deaths) / sizeof(*deaths); i++)
		die(&deaths[i], 100 + i);
}
