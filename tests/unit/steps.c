// SPDX-License-Identifier: GPL-2.0
/*
 * A request's steps on real files, through a real ring: what becomes of those that a
 * leg refuses, and of zeroes.  There is no driver: a file in memory stands for the
 * char device, with the request's data at the request's position.
 */
#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/stat.h>

/* for what it keeps to itself */
#include "../../srv/queue.c"
#include "cookie.h"
#include "opts.h"
#include "targets/targets.h"

#define LEN	(256U << 10)
#define SIZE	(1U << 20)
#define OFF	(128U << 10)	/* of the request, on the device */
#define POS	cookie(0, 0, 0)

static char paths[2][64];
static struct ublksrv_io_desc desc;
static struct step steps[MAX_STEPS];
static u64 state[32];	/* the target's of the request */
static struct io io = { .steps = steps, .tio = state };
static const struct device device = { .depth = 1, .max_io = LEN };
static struct queue q;
static char data[LEN] __attribute__((aligned(4096))), found[SIZE];
static int chardev;
static u32 refusing;	/* legs whose next step gets EINVAL */
static bool refused;
static s32 cut;		/* through the buffer at most so many bytes are said to have moved */
static u64 asked;	/* bytes of requests that were asked for */
static unsigned int linked;	/* COMMITs that were linked behind a step, and came to their turn */
static unsigned int handed;	/* requests that were handed off, and how many of those have come back */
static unsigned int came_back, steps_again;
static bool heard;	/* of a step of one: it has failed */
static bool miscounted;	/* the driver gives one back of which nothing failed */
static bool no_memory;	/* the next COMMIT that is linked is refused before it is queued */
static bool spoiling;	/* what is told of steps is spoilt at random */

static void fake_issue(struct queue *queue, struct io *i)
{
	for (unsigned int n = 0; n < i->nr_steps; n++) {
		struct step *s = &i->steps[n];
		struct io_uring_sqe *sqe;

		if (s->state != STEP_TODO)
			continue;
		sqe = queue_rw_step(queue, i, n, s->op == STEP_READ ? IORING_OP_READ : IORING_OP_WRITE,
				    (uintptr_t)data, 0);
		/* no such priority: EINVAL, and nothing is done */
		if (refusing >> s->leg & 1) {
			sqe->ioprio = 0xffff;
			refused = true;
		}
	}
}

static const struct mode_ops fake = { .name = "fake", .lends = true, .issue = fake_issue };
static const struct mode_ops fake_copy = { .name = "fake copy", .issue = fake_issue };

static void setup(void)
{
	cr_redirect_stderr();
	for (unsigned int i = 0; i < 2; i++) {
		int fd;

		snprintf(paths[i], sizeof(paths[i]), "/tmp/steps.XXXXXX");
		fd = mkstemp(paths[i]);
		memset(found, 'o' + i, SIZE);
		cr_assert_eq(write(fd, found, SIZE), SIZE);
		cr_assert_eq(fsync(fd), 0);
		close(fd);
	}
	if (io_uring_queue_init(16, &q.ring, IORING_SETUP_SUBMIT_ALL))
		cr_skip_test("there is no io_uring here");
}

static void teardown(void)
{
	unlink(paths[0]);
	unlink(paths[1]);
}

TestSuite(steps, .init = setup, .fini = teardown, .timeout = 30);

static void serve_as(const struct target_ops *ops, int argc, char **argv)
{
	struct target *t = target_create(ops);
	const struct opt_group group = { ops->opts, t->conf };
	int fds[3];

	chardev = memfd_create("request", MFD_CLOEXEC);
	cr_assert_eq(opts_parse(argc, argv, &group, 1), 0);
	cr_assert_eq(t->ops->open(t), 0);
	if (t->ops->start)
		cr_assert_eq(t->ops->start(t, 1), 0);
	q.tq = t->ops->queue ? t->ops->queue(t, 0, NULL) : NULL;
	q.target = t;
	q.mode = &fake;
	q.device = &device;
	queue_rules_init(&q);
	handoff_init(&q);
	q.descs = &desc;
	q.ios = (char *)&io;
	memset(data, 'n', LEN);
	cr_assert_eq(pwrite(chardev, data, LEN, POS), LEN);
	fds[FILE_UBLKC] = chardev;
	for (unsigned int i = 0; i < t->nr_legs; i++)
		fds[FILE_LEG(i)] = t->legs[i].fd;
	cr_assert_eq(io_uring_register_files(&q.ring, fds, 1 + t->nr_legs), 0);
}

/* Over these legs; NULL: one. */
static void serve(const char *first, const char *second)
{
	char *argv[] = { "test", "-l", (char *)first, "-l", (char *)second, NULL };

	serve_as(second ? &target_mirror : &target_loop, second ? 5 : 3, argv);
}

/* All has moved, but the server has to believe what it is told. */
static void cut_short(struct io_uring_cqe *cqe)
{
	bool fetches = udata_index(cqe->user_data) == 0x80;

	if (cut && udata_kind(cqe->user_data) == UD_BOUNCE && !fetches && cqe->res > cut)
		cqe->res = cut;
}

/* Nothing of it is a failure: less than was done, or another time. */
static s32 spoilt(enum udata_kind kind, s32 res)
{
	static const s32 passing[] = { -EAGAIN, -EINTR, -EINVAL };

	switch (random() % 6) {
	case 0:
		/* a copy has no shape that could be refused, and who copies refuses none */
		return passing[random() % (kind == UD_STEP && q.mode->lends ? 3 : 2)];
	case 1:
		/* of a block or two that would be nothing, and nothing too often is an error */
		return res > 8192 ? 1 + random() % res : res;
	}
	return res;
}

static void spoil(struct io_uring_cqe *cqe)
{
	enum udata_kind kind = udata_kind(cqe->user_data);
	bool step = kind == UD_STEP || (kind == UD_BOUNCE && udata_index(cqe->user_data) != 0x80);

	if (spoiling && step && cqe->res > 0)
		cqe->res = spoilt(kind, cqe->res);
}

/* What the driver makes of a request that was handed off: any step that is heard of has failed.  Has it ended? */
static bool handed_off(void)
{
	struct io_uring_cqe cqe = { .user_data = udata(UD_HANDED, 0, 0), .res = UBLK_IO_RES_HANDED_BACK };

	handed++;
	cr_assert_not(quiet_is(&q), "it is under way");
	if (heard || miscounted) {
		came_back++;
		queue_cqe(&q, &cqe);
		return false;
	}
	desc.addr++;
	cr_assert(quiet_is(&q), "it has ended");
	if (q.target->legs_leave)
		handoff_look(&q);
	else
		handoff_ended(&q, &io);
	io.result = LEN;
	return true;
}

/*
 * The command is not waited for by the file in memory: what comes of the steps is waited for, which is nothing
 * if they succeed.
 */
static bool run_handed_off(void)
{
	struct __kernel_timespec ts = { .tv_nsec = 200 * 1000000 };
	struct io_uring_cqe *cqe;

	while (!io_uring_wait_cqe_timeout(&q.ring, &cqe, &ts)) {
		cr_assert_eq(udata_kind(cqe->user_data), UD_STEP);
		heard = true;
		queue_cqe(&q, cqe);
		io_uring_cqe_seen(&q.ring, cqe);
		cr_assert(io.handed_off && io.pending, "it was settled before it came back");
	}
	return handed_off();
}

/* One request, to its end.  Returns its result. */
static int request(u32 op, u32 flags)
{
	struct io_uring_cqe *cqe;
	bool committed = false;

	desc = (struct ublksrv_io_desc){ .op_flags = op | flags, .nr_sectors = LEN / 512,
					 .start_sector = OFF / 512 };
	queue_request(&q, &io);
	if (no_memory) {
		struct io_uring_sqe *sqe = &q.ring.sq.sqes[(q.ring.sq.sqe_tail - 1) & q.ring.sq.ring_mask];

		cr_assert_eq(udata_kind(sqe->user_data), UD_LINKED);
		sqe->ioprio = 0xffff;
		no_memory = false;
	}
	while (!committed) {
		cr_assert_geq(io_uring_submit_and_wait(&q.ring, 1), 0);
		while (!io_uring_peek_cqe(&q.ring, &cqe)) {
			/* the file in memory takes no COMMIT, but that is the end */
			committed = udata_kind(cqe->user_data) == UD_FETCH;
			if (udata_kind(cqe->user_data) == UD_BOUNCE && udata_index(cqe->user_data) == 0x80)
				asked += cqe->res;
			if (udata_kind(cqe->user_data) == UD_LINKED) {
				linked++;
				committed = true;
				io.pending = 0;
			}
			if (udata_kind(cqe->user_data) == UD_HANDED) {
				io_uring_cqe_seen(&q.ring, cqe);
				committed = run_handed_off();
				if (!committed)
					io_uring_submit(&q.ring);
				continue;
			}
			heard |= io.handed_off && udata_kind(cqe->user_data) == UD_STEP;
			steps_again += came_back && udata_kind(cqe->user_data) == UD_STEP;
			cut_short(cqe);
			spoil(cqe);
			if (!committed)
				queue_cqe(&q, cqe);
			cr_assert(!io.handed_off || io.pending, "it was settled before it came back");
			io_uring_cqe_seen(&q.ring, cqe);
		}
	}
	cr_assert_eq(io.pending, 0);
	cr_assert(!q.bounce || !q.bounce->bufs[0], "the buffer was not freed");
	return io.result;
}

/* The range of the request holds @byte, the rest of the leg what it had. */
static void leg_has(unsigned int i, char byte)
{
	int fd = open(paths[i], O_RDONLY | O_CLOEXEC);

	cr_assert_eq(pread(fd, found, SIZE, 0), SIZE);
	close(fd);
	for (unsigned int n = 0; n < SIZE; n++) {
		char want = n >= OFF && n < OFF + LEN ? byte : (char)('o' + i);

		cr_assert_eq(found[n], want, "leg %u: byte %u is %#x, not %#x", i, n, found[n], want);
	}
}

/* What the client would have read. */
static void request_has(char byte)
{
	cr_assert_eq(pread(chardev, found, LEN, POS), LEN);
	for (unsigned int n = 0; n < LEN; n++)
		cr_assert_eq(found[n], byte, "byte %u is %#x, not %#x", n, found[n], byte);
}

static void all_are_live(void)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	q.target->ops->status_text(q.target, out);
	fclose(out);
	cr_assert_null(strstr(text, "dropped"), "%s", text);
	free(text);
}

Test(steps, a_write_that_a_leg_refuses_arrives)
{
	serve(paths[0], NULL);
	refusing = 1;
	cr_assert_eq(request(UBLK_IO_OP_WRITE, 0), LEN);
	cr_assert(refused);
	leg_has(0, 'n');
}

/* A request that comes alone: its result, and how many COMMITs came to their turn behind a step. */
static void is_done_alone(u32 op, int result, unsigned int commits)
{
	q.alone = true;
	cr_assert_eq(request(op, 0), result);
	cr_assert_eq(linked, commits);
	cr_assert_eq(q.pace.inflight, q.pace.done);
}

Test(steps, a_step_that_is_done_is_committed_behind_it)
{
	serve(paths[0], NULL);
	is_done_alone(UBLK_IO_OP_WRITE, LEN, 1);
	leg_has(0, 'n');
}

/* Neither has been begun then. */
Test(steps, a_step_without_the_commit_behind_it_is_done_again)
{
	serve(paths[0], NULL);
	no_memory = true;
	is_done_alone(UBLK_IO_OP_WRITE, LEN, 0);
	cr_assert_not(no_memory);
	leg_has(0, 'n');
}

/* The leg ends within the request. */
Test(steps, a_step_that_is_cut_short_is_not_committed_behind_it)
{
	serve(paths[0], NULL);
	cr_assert_eq(truncate(paths[0], OFF + LEN / 2), 0);
	is_done_alone(UBLK_IO_OP_READ, -EIO, 0);
}

Test(steps, a_step_that_goes_another_way_is_not_committed_behind_it)
{
	serve(paths[0], NULL);
	refusing = 1;
	is_done_alone(UBLK_IO_OP_WRITE, LEN, 0);
	cr_assert(refused);
	leg_has(0, 'n');
}

/* Over these legs, as is_done_alone(): its result, and how many have come back of one. */
static void is_handed_off(const char *first, const char *second, u32 op, int result, unsigned int back)
{
	serve(first, second);
	q.hands_off = true;
	cr_assert_eq(request(op, 0), result);
	cr_assert_eq(handed, 1);
	cr_assert_eq(came_back, back);
	cr_assert_not(io.handed_off);
	cr_assert_eq(q.handed_first, QUEUE_NO_IO);
	cr_assert_eq(q.pace.inflight, q.pace.done);
}

Test(steps, what_is_handed_off_is_done)
{
	is_handed_off(paths[0], NULL, UBLK_IO_OP_WRITE, LEN, 0);
	leg_has(0, 'n');
}

Test(steps, what_is_handed_off_is_done_on_all_legs)
{
	is_handed_off(paths[0], paths[1], UBLK_IO_OP_WRITE, LEN, 0);
	leg_has(0, 'n');
	leg_has(1, 'n');
}

Test(steps, what_a_leg_refuses_comes_back_and_goes_another_way)
{
	refusing = 2;
	is_handed_off(paths[0], paths[1], UBLK_IO_OP_WRITE, LEN, 1);
	leg_has(0, 'n');
	leg_has(1, 'n');
	all_are_live();
}

Test(steps, what_is_cut_short_comes_back)
{
	serve(paths[0], NULL);
	q.hands_off = true;
	cr_assert_eq(truncate(paths[0], OFF + LEN / 2), 0);
	cr_assert_eq(request(UBLK_IO_OP_READ, 0), -EIO);
	cr_assert_eq(came_back, 1);
}

/* Silence says nothing then: it is done again, and not told before. */
Test(steps, what_comes_back_without_a_failure_is_done_again)
{
	miscounted = true;
	is_handed_off(paths[0], paths[1], UBLK_IO_OP_WRITE, LEN, 1);
	cr_assert_eq(steps_again, 2);
	leg_has(0, 'n');
	leg_has(1, 'n');
}

/* Of a copy nothing is lent. */
Test(steps, what_is_copied_is_not_handed_off)
{
	serve(paths[0], NULL);
	q.hands_off = true;
	q.copy_mask = 0xff;
	cr_assert_eq(request(UBLK_IO_OP_WRITE, 0), LEN);
	cr_assert_eq(handed, 0);
	leg_has(0, 'n');
}

static bool may_link(const struct mode_ops *mode, const struct target_ops *ops, bool legs_leave)
{
	const struct target t = { .ops = ops, .legs_leave = legs_leave };
	const struct queue some = { .mode = mode, .target = (struct target *)&t };

	return queue_may_link(&some);
}

Test(steps, commit_is_linked_where_a_step_is_all_and_legs_stay)
{
	cr_expect(may_link(mode_find("auto"), &target_loop, false));
	cr_expect(may_link(mode_find("auto"), &target_stripe, false));
	for (unsigned int i = 0; mode_list[i]; i++) {
		if (!mode_list[i]->lends)
			cr_expect_not(may_link(mode_list[i], &target_loop, false), "%s", mode_list[i]->name);
		cr_expect_not(may_link(mode_list[i], &target_mirror, true), "%s", mode_list[i]->name);
	}
}

/* The kernel has taken the step, and had no memory for what was behind it. */
Test(steps, a_link_that_was_cut_is_noticed)
{
	struct io_uring_sqe *sqe;
	unsigned int head, *khead = q.ring.sq.khead;

	serve(paths[0], NULL);
	cr_assert_eq(io_uring_submit(&q.ring), 0);
	head = *khead;
	cr_expect_not(queue_link_is_cut(&q));
	sqe = queue_sqe(&q);
	sqe->user_data = udata(UD_STEP, 0, 0);
	sqe = queue_sqe(&q);
	sqe->user_data = udata(UD_LINKED, 0, 0);
	cr_expect_not(queue_link_is_cut(&q), "both are there");
	q.ring.sq.khead = &head;
	head++;
	cr_expect(queue_link_is_cut(&q));
	head++;
	cr_expect_not(queue_link_is_cut(&q), "both were taken");
	q.ring.sq.khead = khead;
}

/* As much memory as all tags need, and nothing is heard of it. */
Test(steps, a_ring_is_filled_in_silence)
{
	struct io_uring_cqe *cqe;

	serve(paths[0], NULL);
	cr_assert(queue_fill_ring(&q));
	cr_expect_neq(io_uring_peek_cqe(&q.ring, &cqe), 0);
}

Test(steps, a_read_that_a_leg_refuses_arrives)
{
	serve(paths[0], NULL);
	refusing = 1;
	cr_assert_eq(request(UBLK_IO_OP_READ, 0), LEN);
	cr_assert(refused);
	request_has('o');
}

Test(steps, a_read_that_one_leg_refuses_brings_the_same)
{
	serve(paths[0], paths[1]);
	for (unsigned int i = 0; i < 8; i++) {
		refusing = i & 3;
		cr_assert_eq(request(UBLK_IO_OP_READ, 0), LEN);
	}
	cr_assert(refused);
	all_are_live();
}

/* What the driver says of a write, and whether it is copied. */
static bool copies(enum stable_policy stable, const struct mode_ops *mode, u32 op, u32 flags)
{
	const struct device some = { .depth = 1, .max_io = LEN, .stable = stable };
	u64 before = asked;

	q.device = &some;
	q.mode = mode;
	q.copy_mask = 0;
	queue_rules_init(&q);
	cr_assert_eq(request(op, flags), LEN);
	return asked != before;
}

Test(steps, of_writes_that_may_change_a_copy_is_taken)
{
	serve(paths[0], paths[1]);
	cr_assert(copies(STABLE_ALWAYS, &fake, UBLK_IO_OP_WRITE, 0));
	cr_assert(copies(STABLE_ALWAYS, &fake, UBLK_IO_OP_WRITE, UBLK_IO_F_FUA));
	leg_has(0, 'n');
	leg_has(1, 'n');
	cr_assert_not(copies(STABLE_ALWAYS, &fake, UBLK_IO_OP_WRITE, UBLK_IO_F_STABLE_PAGES));
	cr_assert_not(copies(STABLE_ALWAYS, &fake, UBLK_IO_OP_READ, 0));
	cr_assert_not(copies(STABLE_ALWAYS, &fake_copy, UBLK_IO_OP_WRITE, 0));
	cr_assert_not(copies(STABLE_CACHE, &fake, UBLK_IO_OP_WRITE, 0));
	cr_assert_not(copies(STABLE_OFF, &fake, UBLK_IO_OP_WRITE, 0));
	all_are_live();
}

/* That a leg was written behind another one is not seen in what they have. */
Test(steps, a_copy_is_taken_once_for_all_legs)
{
	serve(paths[0], paths[1]);
	copies(STABLE_ALWAYS, &fake, UBLK_IO_OP_WRITE, 0);
	cr_assert_eq(asked, LEN, "%lu bytes", (unsigned long)asked);
}

Test(steps, a_write_that_one_leg_refuses_is_on_both)
{
	for (unsigned int bad = 0; bad < 2; bad++) {
		serve(paths[0], paths[1]);
		refusing = 1 << bad;
		cr_assert_eq(request(UBLK_IO_OP_WRITE, 0), LEN);
		cr_assert(refused);
		all_are_live();
		leg_has(0, 'n');
		leg_has(1, 'n');
		target_destroy(q.target);
		io_uring_unregister_files(&q.ring);
	}
}

/* Something else than its shape is wrong then: it has to go, it has missed a write. */
Test(steps, a_leg_that_refuses_the_copy_too_is_dropped)
{
	char *text = NULL;
	size_t len;
	FILE *out;

	serve(paths[0], paths[1]);
	refusing = 1;
	/* unseekable, and not for writing */
	cr_assert_eq(io_uring_register_files_update(&q.ring, FILE_LEG(0), (int[]){ eventfd(0, 0) }, 1), 1);
	cr_assert_eq(request(UBLK_IO_OP_WRITE, 0), LEN);
	leg_has(1, 'n');
	out = open_memstream(&text, &len);
	q.target->ops->status_text(q.target, out);
	fclose(out);
	cr_assert_not_null(strstr(text, "dropped"), "%s", text);
	free(text);
}

/* In parts that end in the middle of a block. */
Test(steps, a_copy_that_is_moved_in_parts_arrives)
{
	serve(paths[0], paths[1]);
	cut = 3 * 4096 + 100;
	refusing = 3;
	cr_assert_eq(request(UBLK_IO_OP_READ, 0), LEN);
	cr_assert(refused);
	cr_assert_eq(pread(chardev, found, LEN, POS), LEN);
	cr_assert(!memcmp(found, found + 1, LEN - 1) && (*found == 'o' || *found == 'p'));
	for (refusing = 1; refusing <= 2; refusing++) {
		cr_assert_eq(pwrite(chardev, data, LEN, POS), LEN);
		cr_assert_eq(request(UBLK_IO_OP_WRITE, 0), LEN);
		all_are_live();
	}
	leg_has(0, 'n');
	leg_has(1, 'n');
}

Test(steps, a_copy_that_does_not_move_is_an_error)
{
	serve(paths[0], NULL);
	cut = 100;
	refusing = 1;
	cr_assert_eq(request(UBLK_IO_OP_WRITE, 0), -EIO);
	cr_assert_eq(request(UBLK_IO_OP_READ, 0), -EIO);
}

/* The first leg ends in the middle of a block that the request has. */
static void cut_first_leg(void)
{
	cr_assert_eq(truncate(paths[0], OFF + 3 * 4096 + 100), 0);
}

Test(steps, a_read_behind_the_end_of_a_leg_is_an_error)
{
	static const struct mode_ops *const modes[] = { &fake_copy, &fake };

	for (unsigned int i = 0; i < 2; i++) {
		cr_assert_eq(truncate(paths[0], SIZE), 0);
		serve(paths[0], NULL);
		cut_first_leg();
		q.mode = modes[i];
		queue_rules_init(&q);
		cr_assert_eq(request(UBLK_IO_OP_READ, 0), -EIO, "mode %s", modes[i]->name);
		target_destroy(q.target);
		io_uring_unregister_files(&q.ring);
	}
}

Test(steps, a_read_behind_the_end_of_a_leg_is_done_on_another)
{
	serve(paths[0], paths[1]);
	cut_first_leg();
	q.mode = &fake_copy;
	queue_rules_init(&q);
	for (unsigned int i = 0; i < 8; i++) {
		cr_assert_eq(request(UBLK_IO_OP_READ, 0), LEN);
		for (unsigned int n = 0; n < LEN; n++)
			cr_assert_eq(data[n], 'p', "read %u: byte %u is %#x", i, n, data[n]);
	}
}

/* A target whose requests are four parts: the first and third on leg 0, the others on leg 1. */
#define PART	(LEN / 4)

static enum verdict parts_plan(struct target *t, void *tq, struct io *i)
{
	for (unsigned int n = 0; n < 4; n++)
		io_add_part(i, io_step_op(i->op), n & 1, OFF + n / 2 * PART, PART, n * PART);
	return VERDICT_STEPS;
}

static enum verdict parts_settle(struct target *t, void *tq, struct io *i)
{
	i->result = io_success(i);
	for (unsigned int n = 0; n < i->nr_steps; n++)
		if (i->steps[n].res)
			i->result = i->steps[n].res;
	return VERDICT_DONE;
}

static const struct target_ops parts = { .name = "parts", .plan = parts_plan, .settle = parts_settle };

/* No two sectors of a request are the same. */
static void fill_data(void)
{
	for (unsigned int n = 0; n < LEN / 512; n++)
		memset(data + n * 512, n & 1 ? n : -n, 512);
	cr_assert_eq(pwrite(chardev, data, LEN, POS), LEN);
}

static void serve_parts(const struct mode_ops *mode)
{
	serve(paths[0], paths[1]);
	q.target->ops = &parts;
	q.mode = mode;
	queue_rules_init(&q);
	fill_data();
}

static void parts_are(const char *where, unsigned int n, const char *what)
{
	int fd = open(paths[n & 1], O_RDONLY | O_CLOEXEC);

	cr_assert_eq(pread(fd, found, PART, OFF + n / 2 * PART), PART);
	close(fd);
	cr_assert_eq(memcmp(found, where + n * PART, PART), 0, "%s: part %u", what, n);
}

/* Whichever legs refuse them, and however little moves at once. */
static void parts_arrive(const struct mode_ops *mode, bool copies)
{
	static char fetched[LEN];

	serve_parts(mode);
	for (unsigned int bad = 0; bad < (copies ? 1 : 4); bad++) {
		refusing = bad;
		cut = bad & 1 ? 3 * 4096 + 100 : 0;
		cr_assert_eq(request(UBLK_IO_OP_WRITE, 0), LEN);
		for (unsigned int n = 0; n < 4; n++)
			parts_are(data, n, mode->name);
		memset(fetched, 0, LEN);
		cr_assert_eq(pwrite(chardev, fetched, LEN, POS), LEN);
		memset(found, 0, LEN);
		memcpy(fetched, data, LEN);
		memset(data, 0, LEN);
		cr_assert_eq(request(UBLK_IO_OP_READ, 0), LEN);
		cr_assert_eq(pread(chardev, found, LEN, POS), LEN);
		for (unsigned int n = 0; n < LEN; n++) {
			/* what went without a copy came into the client's own memory */
			char got = n / PART & 1 ? (bad & 2 ? found[n] : data[n]) : (bad & 1 ? found[n] : data[n]);

			cr_assert_eq(got, fetched[n], "%s: refusing %u: byte %u", mode->name, bad, n);
		}
		memcpy(data, fetched, LEN);
		cr_assert_eq(pwrite(chardev, data, LEN, POS), LEN);
	}
}

Test(steps, parts_of_a_request_have_their_own_data)
{
	parts_arrive(&fake_copy, true);
}

Test(steps, parts_that_legs_refuse_arrive)
{
	parts_arrive(&fake, false);
	cr_assert(refused);
}

Test(steps, a_part_behind_the_end_of_a_leg_is_an_error)
{
	serve_parts(&fake);
	cr_assert_eq(truncate(paths[1], OFF + PART + 4096), 0);
	cr_assert_eq(request(UBLK_IO_OP_READ, 0), -EIO);
	refusing = 3;
	cr_assert_eq(request(UBLK_IO_OP_READ, 0), -EIO);
}

/* Of two legs, more chunks than there are steps at once. */
static void chunks_are_on_their_legs(unsigned int chunk)
{
	for (unsigned int n = 0; n < LEN / chunk; n++) {
		unsigned int k = OFF / chunk + n;
		int fd = open(paths[k & 1], O_RDONLY | O_CLOEXEC);

		cr_assert_eq(pread(fd, found, chunk, k / 2 * chunk), chunk);
		close(fd);
		cr_assert_eq(memcmp(found, data + n * chunk, chunk), 0, "chunk %u", n);
	}
}

Test(steps, a_stripe_in_rounds_has_each_chunk_in_its_place)
{
	char *argv[] = { "test", "-l", paths[0], "-l", paths[1], "--chunk", "4K", NULL };
	static char written[LEN];

	serve_as(&target_stripe, 7, argv);
	cr_assert_gt(LEN / 4096, q.target->max_steps);
	for (refusing = 0; refusing < 4; refusing++) {
		fill_data();
		cr_assert_eq(request(UBLK_IO_OP_WRITE, 0), LEN);
		chunks_are_on_their_legs(4096);
	}
	refusing = 0;
	memcpy(written, data, LEN);
	memset(data, 0, LEN);
	cr_assert_eq(request(UBLK_IO_OP_READ, 0), LEN);
	cr_assert_eq(memcmp(data, written, LEN), 0);
}

Test(steps, a_stripe_that_is_refused_in_each_round_is_copied_once)
{
	char *argv[] = { "test", "-l", paths[0], "-l", paths[1], "--chunk", "512", NULL };

	serve_as(&target_stripe, 7, argv);
	fill_data();
	refusing = 3;
	cr_assert_eq(request(UBLK_IO_OP_WRITE, 0), LEN);
	chunks_are_on_their_legs(512);
	cr_assert_eq(asked, LEN, "%lu bytes", (unsigned long)asked);
}

/* As a mode that lends has it: the client's pages, whatever way the data comes. */
static void lend_data(void)
{
	cr_assert_eq(mmap(data, LEN, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, chardev, POS), data);
}

static void is_whole_though_spoilt(const struct mode_ops *mode, char *chunk)
{
	char *argv[] = { "test", "-l", paths[0], "-l", paths[1], "--chunk", chunk, NULL };
	static char written[LEN];

	serve_as(&target_stripe, 7, argv);
	q.mode = mode;
	queue_rules_init(&q);
	lend_data();
	for (unsigned int i = 0; i < 20; i++) {
		fill_data();
		memset(data, i, 512 * (i + 1));
		memcpy(written, data, LEN);
		cr_assert_eq(request(UBLK_IO_OP_WRITE, 0), LEN);
		chunks_are_on_their_legs(atoi(chunk));
		memset(data, 0, LEN);
		cr_assert_eq(request(UBLK_IO_OP_READ, 0), LEN);
		cr_assert_eq(memcmp(data, written, LEN), 0, "%s, chunks of %s", mode->name, chunk);
	}
	target_destroy(q.target);
	io_uring_unregister_files(&q.ring);
	close(chardev);
}

/* Some steps of a round short, others refused or not now, and so in each round. */
Test(steps, a_stripe_is_whole_however_its_steps_go)
{
	static const struct mode_ops *const modes[] = { &fake, &fake_copy };

	srandom(1);
	spoiling = true;
	for (unsigned int i = 0; i < 2; i++) {
		is_whole_though_spoilt(modes[i], "512");
		is_whole_though_spoilt(modes[i], "4096");
		is_whole_though_spoilt(modes[i], "65536");
	}
}

static u64 allocated(int fd)
{
	struct stat st;

	cr_assert_eq(fstat(fd, &st), 0);
	return (u64)st.st_blocks * 512;
}

/* A file in memory can free a range, but not tell it to be zero. */
static int serve_memory(void)
{
	int fd = memfd_create("leg", MFD_CLOEXEC);
	char path[64];

	memset(found, 'o', SIZE);
	cr_assert_eq(write(fd, found, SIZE), SIZE);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	serve(path, NULL);
	return fd;
}

static void is_zeroed(int fd)
{
	cr_assert_eq(pread(fd, found, SIZE, 0), SIZE);
	for (unsigned int n = 0; n < SIZE; n++)
		cr_assert_eq(found[n], n >= OFF && n < OFF + LEN ? 0 : 'o', "byte %u is %#x", n, found[n]);
}

Test(steps, zeroes_free_memory_that_may_go)
{
	int fd = serve_memory();
	u64 before = allocated(fd);

	cr_assert_eq(request(UBLK_IO_OP_WRITE_ZEROES, 0), 0);
	is_zeroed(fd);
	cr_assert_leq(allocated(fd), before - LEN);
}

Test(steps, zeroes_keep_memory_that_must_stay)
{
	int fd = serve_memory();
	u64 before = allocated(fd);

	cr_assert_eq(request(UBLK_IO_OP_WRITE_ZEROES, UBLK_IO_F_NOUNMAP), 0);
	is_zeroed(fd);
	cr_assert_eq(allocated(fd), before);
}

Test(steps, zeroes_keep_blocks_of_all_legs_that_must_stay)
{
	u64 before[2];

	serve(paths[0], paths[1]);
	for (unsigned int i = 0; i < 2; i++)
		before[i] = allocated(q.target->legs[i].fd);
	cr_assert_eq(request(UBLK_IO_OP_WRITE_ZEROES, UBLK_IO_F_NOUNMAP), 0);
	for (unsigned int i = 0; i < 2; i++) {
		leg_has(i, 0);
		cr_assert_geq(allocated(q.target->legs[i].fd), before[i]);
	}
	all_are_live();
}

static char note[LEN] __attribute__((aligned(4096)));

static void note_is_written(void)
{
	struct io_uring_cqe *cqe;

	memset(note, 'N', LEN);
	io.note = note;
	io_add_part(&io, STEP_NOTE, 1, OFF, LEN, 0);
	nodata_start(&q, &io);
	cr_assert_eq(q.ring.sq.sqes[0].rw_flags, RWF_DSYNC);
	cr_assert_eq(io_uring_submit_and_wait(&q.ring, 1), 1);
	cr_assert_eq(io_uring_peek_cqe(&q.ring, &cqe), 0);
	cr_assert_eq(cqe->res, (int)LEN);
	cr_assert_eq(io.steps[0].want, (int)LEN, "that is all of it");
	leg_has(1, 'N');
	leg_has(0, 'o');
}

Test(steps, a_note_is_written_durably_to_its_place)
{
	serve(paths[0], paths[1]);
	note_is_written();
	cr_assert_eq(q.ring.sq.sqes[0].opcode, IORING_OP_WRITE);
}

/* In the slot behind those of the mode, which are empty. */
Test(steps, a_note_that_is_registered_is_written_the_same_way)
{
	static const struct device small = { .depth = 1 };

	serve(paths[0], paths[1]);
	q.device = &small;
	q.notes = note;
	q.target->note_bytes = 64 << 10;
	cr_assert_eq(queue_slots_init(&q, NULL, 3), 0);
	cr_assert(q.fixed_notes == 1 && q.note_slot == 3);
	io_uring_unregister_buffers(&q.ring);
	q.target->note_bytes = LEN;
	cr_assert_eq(io_uring_register_buffers(&q.ring, &(struct iovec){ note, LEN }, 1), 0);
	q.note_slot = 0;
	note_is_written();
	cr_assert_eq(q.ring.sq.sqes[0].opcode, IORING_OP_WRITE_FIXED);
}
