// SPDX-License-Identifier: GPL-2.0
/*
 * A server that is killed, at every step of a request: the request fails, or waits for
 * the next server, in seconds; its pages are nobody's but its own until then; nothing
 * is left and nobody else notices.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring_fused.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lender.h"
#include "pattern.h"
#include "proc.h"
#include "tmpfile.h"
#include "ublkraw.h"

#define LEN	16384
#define IO_MS	700	/* the I/O that is under way when the server dies */
#define LAG_MS	50	/* so much early it may end: it counts jiffies, which lag while a guest stands still */
#define FAST_MS	5000	/* in which everything must have ended */

/* How far the server gets with the request that it dies with. */
enum step {
	ARRIVED,
	LENT,
	IO,		/* lent, I/O under way */
	IO_UNREGISTERED,/* the same, and the slot cleared */
	UNREGISTERED,	/* I/O done, slot cleared, not committed */
	COMMITTED,	/* lent and committed */
	IO_COMMITTED,	/* the same, I/O under way */
	LENT_TWICE,
	FUSED,		/* two fused commands under way, with one I/O and with two */
	FUSED_COMMITTED,
	NR_STEPS,
};

static const char *const step_names[NR_STEPS] = {
	"arrived", "lent", "I/O under way", "I/O under way, unregistered", "unregistered",
	"committed", "committed, I/O under way", "lent twice", "fused commands under way",
	"committed, fused commands under way",
};

/* The test and its servers. */
struct shared {
	volatile int serving;	/* the device is started: the next request is the one */
	volatile int step;
	volatile int reached;
	volatile u64 io_began;
};

static struct shared *sh;
static struct raw r;
static int lender = -1;

static void setup(void)
{
	raw_need();
	raw_sweep();
	sh = shared_alloc(sizeof(*sh));
}

/* Not in setup(): devices that copy are tried on kernels that lend nothing, too. */
static int the_lender(void)
{
	if (lender < 0) {
		lender = lender_open();
		lender_simple(lender, 0, LEN);
	}
	return lender;
}

TestSuite(ublk_kill, .init = setup, .fini = raw_sweep, .timeout = 300);

/* Is what comes to the server lent already? */
static bool is_auto(void)
{
	return r.opt.flags & UBLK_F_AUTO_BUF_REG;
}

/* Two slots and one request of the test's own for each tag. */
static unsigned int tag_slot(unsigned int tag)
{
	return 2 * tag;
}

static void slow_io(unsigned int tag)
{
	bool write = raw_op(&r, tag) == UBLK_IO_OP_WRITE;
	const struct lend_move m = {
		.op = write ? LEND_TEST_CMD_DRAIN : LEND_TEST_CMD_FILL, .len = LEN,
		.slot = tag_slot(tag), .delay_ms = IO_MS,
	};

	sh->io_began = now_ms();
	lender_prep_move(raw_sqe(&r, tag), lender, &m);
	ring_submit(&r.ring);
}

static bool step_is_io(int step)
{
	return step == IO || step == IO_UNREGISTERED || step == IO_COMMITTED;
}

static bool step_is_committed(int step)
{
	return step == COMMITTED || step == IO_COMMITTED || step == FUSED_COMMITTED;
}

static bool step_is_fused(int step)
{
	return step == FUSED || step == FUSED_COMMITTED;
}

/* Those of fused commands are the last. */
static int nr_steps(void)
{
	return ring_knows(IORING_OP_FUSED_CMD) ? NR_STEPS : FUSED;
}

/* Pipes of this server's on which no I/O ends: one that is empty, one that is full. */
static int pipe_empty[2], pipe_full[2];

static void make_pipes(void)
{
	static const u8 page[4096];

	must(!pipe2(pipe_empty, O_CLOEXEC) && !pipe2(pipe_full, O_CLOEXEC | O_NONBLOCK), "pipe");
	while (write(pipe_full[1], page, sizeof(page)) > 0)
		;
	fcntl(pipe_full[1], F_SETFL, 0);
}

/* A fused command on the request with @nr secondaries; @op is the first one's number. */
static void fuse(unsigned int tag, unsigned int op, unsigned int nr)
{
	bool write = raw_op(&r, tag) == UBLK_IO_OP_WRITE;
	struct io_uring_sqe *sqe = raw_sqe(&r, op++);

	sqe->opcode = IORING_OP_FUSED_CMD;
	sqe->fd = r.cdev;
	sqe->off = raw_pos(0, tag, 0);
	sqe->rw_flags = nr;
	while (nr--) {
		sqe = raw_sqe(&r, op++);
		sqe->opcode = write ? IORING_OP_WRITE : IORING_OP_READ;
		sqe->fd = write ? pipe_full[1] : pipe_empty[0];
		sqe->len = LEN;
		sqe->off = -1;
	}
}

static void fuse_twice(unsigned int tag)
{
	fuse(tag, 64 + 8 * tag, 1);
	fuse(tag, 64 + 8 * tag + 2, 2);
	ring_submit(&r.ring);
	for (unsigned int i = 0; i < 5; i++)
		res_is(r.res[64 + 8 * tag + i], RING_TIMEOUT, "fused command, request %u", i);
}

static void go_to_step(unsigned int tag, int step)
{
	if (step == ARRIVED)
		return;
	if (step_is_fused(step))
		fuse_twice(tag);
	else if (!is_auto())
		res_is(raw_lend(&r, tag, 0, 0, tag_slot(tag)), LEN, "REGISTER");
	/* or the commit would take back all that is lent */
	if (is_auto() && step == COMMITTED)
		res_is(raw_lend_cmd(&r, tag, tag_slot(tag) + 1), 0, "REGISTER_IO_BUF");
	if (step_is_io(step))
		slow_io(tag);
	if (step == LENT_TWICE)
		res_is(raw_lend(&r, tag, 512, 0, tag_slot(tag) + 1), LEN - 512, "REGISTER");
	if (step == IO_UNREGISTERED || step == UNREGISTERED)
		res_is(raw_unlend(&r, tag_slot(tag)), 0, "UNREGISTER");
	if (step_is_committed(step))
		raw_commit(&r, tag, LEN);
}

#define SERVE	(-1)	/* shared.step: serve what comes */
#define CLOSE	(-2)	/* close ring and device, and live on */

/* Serves until it is told to take requests to a step and no further. */
static void server(void *arg)
{
	int tag;

	make_pipes();
	raw_open(&r);
	for (unsigned int i = 0; i < r.opt.depth; i++)
		r.auto_reg[i].index = tag_slot(i);
	raw_fetch_all(&r);
	for (;;) {
		tag = raw_request(&r, 5);
		if (sh->step == CLOSE) {
			raw_close(&r);
			return;
		}
		if (tag < 0)
			continue;
		if (sh->step == SERVE) {
			raw_serve(&r, tag);
			continue;
		}
		go_to_step(tag, sh->step);
		sh->reached++;
	}
}

static pid_t server_start(void)
{
	sh->step = SERVE;
	sh->reached = 0;
	return proc_start_fd(server, NULL, r.opt.flags & UBLK_F_SUPPORT_ZERO_COPY ? the_lender() : -1);
}

static bool reached(void *arg)
{
	return sh->reached >= *(int *)arg;
}

static void wait_reached(int nr, const char *what)
{
	must(wait_until(reached, &nr, SOON_MS), "%s: the server is not there", what);
}

static pid_t device_up(const struct raw_opt *opt)
{
	pid_t pid;

	res_is(raw_add(&r, opt), 0, "ADD_DEV");
	pid = server_start();
	res_is(raw_ctl_data(UBLK_U_CMD_START_DEV, r.id, pid, SOON_MS), 0, "START_DEV");
	return pid;
}

static void device_gone(void)
{
	res_is(raw_del(r.id, FAST_MS), 0, "DEL_DEV");
	raw_is_gone(r.id, FAST_MS);
}

static struct client *start(enum client_op op, u64 off, u32 seed)
{
	return client_start(&(struct client_job){ .id = r.id, .op = op, .off = off, .len = LEN,
						  .seed = seed });
}

static bool is_quiesced(void *arg)
{
	return raw_dev_state(*(int *)arg) == UBLK_S_DEV_QUIESCED;
}

static bool recovery_started(void *arg)
{
	return !raw_ctl_data(UBLK_U_CMD_START_USER_RECOVERY, *(int *)arg, 0, SOON_MS);
}

/* A new server for the device.  Returns its process. */
static pid_t recover(const char *what)
{
	pid_t pid;

	must(wait_until(is_quiesced, &r.id, FAST_MS), "%s: state %d", what, raw_dev_state(r.id));
	must(wait_until(recovery_started, &r.id, FAST_MS), "%s: START_USER_RECOVERY", what);
	pid = server_start();
	res_is(raw_ctl_data(UBLK_U_CMD_END_USER_RECOVERY, r.id, pid, SOON_MS), 0,
	       "%s: END_USER_RECOVERY", what);
	return pid;
}

/* The pages were the request's until its I/O was done. */
static void io_had_the_pages(const struct client *c, int step, u32 seed, const char *what)
{
	static u8 buf[LEN];

	if (!step_is_io(step))
		return;
	must(c->done_at >= sh->io_began + IO_MS - LAG_MS,
	     "%s: the request ended %lld ms after the I/O began, which takes %u", what,
	     (long long)(c->done_at - sh->io_began), IO_MS);
	if (c->job.op != CLIENT_WRITE)
		return;
	lender_read(lender, 0, 0, buf, LEN);
	pat_is(buf, LEN, seed, 0, "%s: what the I/O wrote", what);
}

static u64 kill_at(struct client *c, pid_t pid, int step, const char *what)
{
	wait_reached(1, what);
	must(!c->done, "%s: the request has ended before", what);
	proc_signal(pid);
	return now_ms();
}

struct round {
	enum client_op op;
	int step;
	struct raw_opt opt;
};

static void name_round(const struct round *rd, char *what, size_t size)
{
	snprintf(what, size, "%s, %s, depth %u, %s file%s",
		 rd->op == CLIENT_WRITE ? "write" : "read", step_names[rd->step], rd->opt.depth,
		 rd->opt.fixed_file ? "registered" : "plain",
		 rd->opt.flags & UBLK_F_AUTO_BUF_REG ? ", automatic" : "");
}

/* The request ends soon with the server: with its data, if it was committed, or with EIO. */
static void ends_with_its_server(const struct round *rd, u32 seed, const char *what)
{
	pid_t pid = device_up(&rd->opt);
	struct client *c;
	u64 killed;

	sh->step = rd->step;
	c = start(rd->op, 0, seed);
	killed = kill_at(c, pid, rd->step, what);
	must(client_done(c, FAST_MS), "%s: the request has not ended", what);
	must(c->done_at < killed + FAST_MS, "%s: after %lld ms", what,
	     (long long)(c->done_at - killed));
	res_is(c->res, step_is_committed(rd->step) ? LEN : -EIO, "%s", what);
	io_had_the_pages(c, rd->step, seed, what);
	must(proc_gone(pid, FAST_MS), "%s: the server is still there", what);
}

static void round_without_recovery(const struct round *rd)
{
	char what[128];

	name_round(rd, what, sizeof(what));
	ends_with_its_server(rd, 11, what);
	device_gone();
}

static void all_rounds(void (*run)(const struct round *rd), u64 flags)
{
	/* each with each would be twice as many, and take minutes on a debug kernel */
	for (unsigned int i = 0; i < 4; i++) {
		for (int step = 0; step < nr_steps(); step++) {
			u64 lend = (i ^ i >> 1 ^ step) & 1 ? UBLK_F_AUTO_BUF_REG : 0;

			run(&(struct round){
				.op = i & 1 ? CLIENT_WRITE : CLIENT_READ, .step = step,
				.opt = { .flags = RAW_ZC | lend | flags, .depth = i & 2 ? 1 : 4,
					 .fixed_file = (i + step) & 1 },
			});
		}
	}
}

Test(ublk_kill, at_every_step_without_recovery)
{
	all_rounds(round_without_recovery, 0);
}

static void new_server_works(u32 seed, const char *what)
{
	struct client *c = start(CLIENT_WRITE, 65536, seed);

	res_is(client_wait(c), LEN, "%s: a write after the recovery", what);
	pat_is(r.mem + 65536, LEN, seed, 65536, "%s: what it wrote", what);
	c = start(CLIENT_READ, 65536, 0);
	res_is(client_wait(c), LEN, "%s: a read after the recovery", what);
	pat_is(c->buf, LEN, seed, 65536, "%s: what it read", what);
}

/* Without reissue, what the dead server had in its hands fails; the disk lives on. */
static void round_recovery(const struct round *rd)
{
	struct client *later;
	char what[128];
	pid_t pid;

	name_round(rd, what, sizeof(what));
	ends_with_its_server(rd, 12, what);
	must(wait_until(is_quiesced, &r.id, FAST_MS), "%s: state %d", what, raw_dev_state(r.id));
	later = start(CLIENT_READ, 131072, 0);
	must(!client_done(later, 20), "%s: a request without server: %s", what,
	     res_str(later->res));
	pid = recover(what);
	res_is(client_wait(later), LEN, "%s: the request that waited", what);
	new_server_works(13, what);
	proc_kill(pid);
	device_gone();
}

Test(ublk_kill, at_every_step_with_recovery)
{
	all_rounds(round_recovery, UBLK_F_USER_RECOVERY);
}

/* With reissue, nobody sees anything but that it takes longer. */
static void round_reissue(const struct round *rd)
{
	struct client *c;
	char what[128];
	pid_t pid;

	name_round(rd, what, sizeof(what));
	pid = device_up(&rd->opt);
	pat_fill(r.mem, LEN, 14, 0);
	sh->step = rd->step;
	c = start(rd->op, 0, 15);
	kill_at(c, pid, rd->step, what);
	must(proc_gone(pid, FAST_MS), "%s: the server is still there", what);
	if (!step_is_committed(rd->step))
		must(!c->done, "%s: it ended without server: %s", what, res_str(c->res));
	pid = recover(what);
	res_is(client_wait(c), LEN, "%s", what);
	io_had_the_pages(c, rd->step, 15, what);
	if (!step_is_committed(rd->step)) {
		if (rd->op == CLIENT_WRITE)
			pat_is(r.mem, LEN, 15, 0, "%s: what the second server wrote", what);
		else
			pat_is(c->buf, LEN, 14, 0, "%s: what the second server read", what);
	}
	new_server_works(16, what);
	proc_kill(pid);
	device_gone();
}

Test(ublk_kill, at_every_step_with_reissue)
{
	all_rounds(round_reissue, UBLK_F_USER_RECOVERY | UBLK_F_USER_RECOVERY_REISSUE);
}

/* The same for what was there before zero copy, which has nothing to lend. */
Test(ublk_kill, devices_that_copy_too)
{
	static const u64 kinds[] = {
		UBLK_F_CMD_IOCTL_ENCODE, UBLK_F_CMD_IOCTL_ENCODE | UBLK_F_USER_COPY,
		UBLK_F_CMD_IOCTL_ENCODE | UBLK_F_NEED_GET_DATA,
	};

	for (unsigned int i = 0; i < 12; i++) {
		struct round rd = {
			.op = i & 1 ? CLIENT_WRITE : CLIENT_READ, .step = ARRIVED,
			.opt = { .flags = kinds[i / 4], .depth = i & 2 ? 1 : 4 },
		};

		round_without_recovery(&rd);
		rd.opt.flags |= UBLK_F_USER_RECOVERY;
		round_recovery(&rd);
		rd.opt.flags |= UBLK_F_USER_RECOVERY_REISSUE;
		round_reissue(&rd);
	}
}

/* O6: no command is left that could be cancelled, so nobody tells the driver but close. */
static void all_tags(u64 flags, int step, const char *what)
{
	struct client *c[8];
	pid_t pid = device_up(&(struct raw_opt){ .flags = flags, .depth = 8, .max_io = 65536 });
	u64 killed;

	sh->step = step;
	for (unsigned int i = 0; i < 8; i++)
		c[i] = start(i % 2 ? CLIENT_WRITE : CLIENT_READ, i * 65536, i);
	wait_reached(8, what);
	killed = now_ms();
	proc_kill(pid);
	for (unsigned int i = 0; i < 8; i++) {
		must(client_done(c[i], FAST_MS), "%s: request %u has not ended", what, i);
		res_is(c[i]->res, -EIO, "%s: request %u", what, i);
	}
	must(now_ms() < killed + FAST_MS, "%s: after %llu ms", what,
	     (unsigned long long)(now_ms() - killed));
	device_gone();
}

Test(ublk_kill, with_all_tags_in_its_hands)
{
	all_tags(RAW_ZC, ARRIVED, "zero copy");
	all_tags(UBLK_F_CMD_IOCTL_ENCODE, ARRIVED, "copying");
	all_tags(UBLK_F_CMD_IOCTL_ENCODE | UBLK_F_USER_COPY, ARRIVED, "user copy");
	all_tags(RAW_ZC | UBLK_F_USER_RECOVERY, ARRIVED, "recovery");
	all_tags(UBLK_F_CMD_IOCTL_ENCODE | UBLK_F_USER_RECOVERY, ARRIVED, "recovery, copying");
}

/* Deleting the device of a server that is dead ends requests that wait for the next. */
static void deleted_without_recovery(u64 flags, int step)
{
	struct client *c;
	pid_t pid = device_up(&(struct raw_opt){ .flags = RAW_ZC | flags, .depth = 2 });

	sh->step = step;
	c = start(CLIENT_WRITE, 0, 3);
	kill_at(c, pid, step, step_names[step]);
	must(proc_gone(pid, FAST_MS), "the server is still there");
	device_gone();
	must(client_done(c, FAST_MS), "%s: the request has not ended", step_names[step]);
	res_is(c->res, step_is_committed(step) ? LEN : -EIO, "%s", step_names[step]);
}

Test(ublk_kill, and_deleted_instead_of_recovered)
{
	for (int step = 0; step < nr_steps(); step++) {
		deleted_without_recovery(UBLK_F_USER_RECOVERY, step);
		deleted_without_recovery(UBLK_F_USER_RECOVERY | UBLK_F_USER_RECOVERY_REISSUE, step);
	}
}

/* Fetches some of its tags, and waits. */
static void half_server(void *arg)
{
	raw_open(&r);
	for (unsigned int i = 0; i < *(unsigned int *)arg; i++)
		raw_fetch(&r, i);
	sh->reached = 1;
}

Test(ublk_kill, a_server_that_dies_while_it_fetches)
{
	for (unsigned int nr = 0; nr <= 4; nr++) {
		pid_t pid;

		res_is(raw_add(&r, &(struct raw_opt){ .depth = 4, .flags = RAW_ZC }), 0, "ADD_DEV");
		sh->reached = 0;
		pid = proc_start_fd(half_server, &nr, -1);
		wait_reached(1, "half a server");
		proc_kill(pid);
		device_gone();
	}
}

/* One that has fetched everything, and is gone when the device is to be started. */
Test(ublk_kill, a_device_whose_server_is_dead_does_not_start)
{
	static const u64 flags[] = { RAW_ZC, UBLK_F_CMD_IOCTL_ENCODE,
				     RAW_ZC | UBLK_F_USER_RECOVERY };
	unsigned int all = 4;

	for (unsigned int i = 0; i < 3; i++) {
		pid_t pid;

		res_is(raw_add(&r, &(struct raw_opt){ .depth = all, .flags = flags[i] }), 0,
		       "ADD_DEV");
		sh->reached = 0;
		pid = proc_start_fd(half_server, &all, -1);
		wait_reached(1, "a server");
		proc_kill(pid);
		/* the ring goes a little later than the process */
		sleep_ms(100);
		res_is(raw_ctl_data(UBLK_U_CMD_START_DEV, r.id, pid, FAST_MS), -ENODEV,
		       "START_DEV");
		device_gone();
	}
}

/* The same during recovery, which can then be begun anew. */
Test(ublk_kill, a_server_that_dies_during_recovery_can_be_replaced)
{
	unsigned int all = 4;
	struct client *c;
	pid_t pid = device_up(&(struct raw_opt){
		.flags = RAW_ZC | UBLK_F_USER_RECOVERY | UBLK_F_USER_RECOVERY_REISSUE,
		.depth = all });

	sh->step = LENT;
	c = start(CLIENT_WRITE, 0, 21);
	kill_at(c, pid, LENT, "the first server");
	must(proc_gone(pid, FAST_MS), "the first server is still there");
	for (unsigned int i = 0; i < 3; i++) {
		must(wait_until(is_quiesced, &r.id, FAST_MS), "state %d", raw_dev_state(r.id));
		must(wait_until(recovery_started, &r.id, FAST_MS), "START_USER_RECOVERY %u", i);
		sh->reached = 0;
		pid = proc_start_fd(half_server, &all, -1);
		wait_reached(1, "a server");
		proc_kill(pid);
		sleep_ms(100);
		res_is(raw_ctl_data(UBLK_U_CMD_END_USER_RECOVERY, r.id, pid, FAST_MS), -ENODEV,
		       "END_USER_RECOVERY %u", i);
		must(!c->done, "the request ended without server: %s", res_str(c->res));
	}
	pid = recover("at last");
	res_is(client_wait(c), LEN, "the request that waited");
	pat_is(r.mem, LEN, 21, 0, "what it wrote");
	proc_kill(pid);
	device_gone();
}

static void delete_slowly(void *arg)
{
	volatile int *res = arg;

	*res = raw_del(res[1], 60000);
}

static bool deleted(void *arg)
{
	return *(volatile int *)arg != RING_TIMEOUT;
}

/* L12: a device that cannot be deleted yet is no reason to wait for the others. */
Test(ublk_kill, others_come_and_go_while_one_is_being_deleted)
{
	volatile int *res = shared_alloc(4096);
	struct raw victim, other;
	struct client *stuck, *c;
	pid_t pid = device_up(&(struct raw_opt){ .flags = RAW_ZC, .depth = 1 }), del;

	sh->step = LENT;
	stuck = start(CLIENT_WRITE, 0, 1);
	wait_reached(1, "the one that holds");
	victim = r;
	res[0] = RING_TIMEOUT;
	res[1] = victim.id;
	del = proc_start(delete_slowly, (void *)res);
	sleep_ms(200);
	must(!stuck->done && !deleted((void *)res), "its server holds the request");
	for (unsigned int i = 0; i < 3; i++) {
		raw_up(&other, &(struct raw_opt){ .depth = 2 });
		c = client_start(&(struct client_job){ .id = other.id, .op = CLIENT_WRITE,
						       .len = LEN });
		res_is(client_serve(c, &other), LEN, "another device");
		raw_down(&other);
	}
	must(!deleted((void *)res), "its server still holds the request");
	proc_kill(pid);
	must(wait_until(deleted, (void *)res, FAST_MS), "DEL_DEV does not end");
	res_is(res[0], 0, "DEL_DEV");
	must(client_done(stuck, FAST_MS), "the request has not ended");
	raw_is_gone(victim.id, FAST_MS);
	proc_kill(del);
}

/* O5, O9: killed and deleted at random moments, under load, by others. */
/* Reads with pauses until there is an error. */
static void flow(void *arg)
{
	char path[32], *buf = page_alloc(LEN);
	int fd;

	snprintf(path, sizeof(path), "/dev/ublkb%d", r.id);
	fd = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC);
	must(fd >= 0, "%s: %s", path, strerror(errno));
	while (pread(fd, buf, LEN, (random() % 16) * LEN) > 0)
		usleep(random() % 1500);
	_exit(0);
}

static void end_under_flow(const struct raw_opt *opt, bool kill, unsigned int round)
{
	pid_t pid = device_up(opt), flows[6];

	for (unsigned int i = 0; i < 6; i++) {
		srandom(6 * round + i);
		flows[i] = proc_start(flow, NULL);
	}
	sleep_ms(20 + random() % 20);
	if (kill)
		proc_signal(pid);
	else
		sh->step = CLOSE;
	device_gone();
	for (unsigned int i = 0; i < 6; i++)
		must(proc_gone(flows[i], FAST_MS), "round %u: client %u has not ended", round, i);
	proc_kill(pid);
}

/* New ones come while those of the server are being aborted and its commands cancelled. */
Test(ublk_kill, while_requests_keep_coming)
{
	static const u64 flags[] = { 0, UBLK_F_USER_RECOVERY };

	for (unsigned int round = 0; round < 32; round++) {
		const struct raw_opt opt = {
			.flags = RAW_ZC | flags[round & 1], .depth = 8, .fixed_file = round & 2,
		};

		end_under_flow(&opt, round & 4, round);
	}
}

Test(ublk_kill, at_random_moments_under_load)
{
	static const u64 flags[] = {
		0, UBLK_F_USER_RECOVERY, UBLK_F_USER_RECOVERY | UBLK_F_USER_RECOVERY_REISSUE,
	};

	srandom(5);
	for (unsigned int round = 0; round < 30; round++) {
		const struct raw_opt opt = {
			.flags = RAW_ZC | flags[round % 3],
			.depth = 1 + round % 4, .fixed_file = round & 1,
		};
		struct client *c[6];
		pid_t pid = device_up(&opt);

		sh->step = random() % nr_steps();
		for (unsigned int i = 0; i < 6; i++)
			c[i] = start(i % 2 ? CLIENT_WRITE : CLIENT_READ, i * 65536, i);
		sleep_ms(random() % 40);
		proc_signal(pid);
		device_gone();
		must(proc_gone(pid, FAST_MS), "round %u: the server is still there", round);
		for (unsigned int i = 0; i < 6; i++)
			must(client_done(c[i], FAST_MS), "round %u: request %u has not ended",
			     round, i);
	}
}

/* L12: one that holds a buffer for ever, and then is killed, stops nobody else. */
Test(ublk_kill, others_are_not_affected)
{
	struct raw victim, other;
	struct client *stuck, *c;
	pid_t pid = device_up(&(struct raw_opt){ .flags = RAW_ZC | UBLK_F_USER_RECOVERY,
						 .depth = 1 });

	sh->step = LENT;
	stuck = start(CLIENT_WRITE, 0, 1);
	wait_reached(1, "the one that holds");
	victim = r;
	raw_up(&other, &(struct raw_opt){ .depth = 2 });
	for (unsigned int i = 0; i < 10; i++) {
		if (i == 5)
			proc_signal(pid);
		c = client_start(&(struct client_job){ .id = other.id, .op = CLIENT_WRITE,
						       .len = LEN, .seed = i });
		res_is(client_serve(c, &other), LEN, "another device, write %u", i);
		pat_is(other.mem, LEN, i, 0, "another device, write %u", i);
	}
	must(client_done(stuck, FAST_MS), "the request of the one that was killed");
	raw_down(&other);
	must(proc_gone(pid, FAST_MS), "the server is still there");
	r = victim;
	device_gone();
}

static void start_dev(void *arg)
{
	volatile int *res = arg;

	*res = raw_ctl_data(UBLK_U_CMD_START_DEV, res[1], res[2], 60000);
}

/* START_DEV looks for partitions: its request is one like any other. */
Test(ublk_kill, a_server_that_dies_while_its_device_starts)
{
	static const u64 flags[] = { 0, UBLK_F_USER_RECOVERY,
				     UBLK_F_USER_RECOVERY | UBLK_F_USER_RECOVERY_REISSUE };
	volatile int *res = shared_alloc(4096);

	for (unsigned int i = 0; i < 3; i++) {
		pid_t pid, starter;

		res_is(raw_add(&r, &(struct raw_opt){ .flags = RAW_ZC | flags[i] }), 0, "ADD_DEV");
		pid = server_start();
		sh->step = ARRIVED;
		res[0] = RING_TIMEOUT;
		res[1] = r.id;
		res[2] = pid;
		starter = proc_start(start_dev, (void *)res);
		wait_reached(1, "the request for partitions");
		proc_kill(pid);
		if (!i)
			must(wait_until(deleted, (void *)res, FAST_MS), "START_DEV does not end");
		device_gone();
		must(wait_until(deleted, (void *)res, FAST_MS), "START_DEV does not end");
		proc_kill(starter);
	}
}
