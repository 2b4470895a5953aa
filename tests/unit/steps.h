/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A request's steps on real files, through a real ring.  There is no driver: a file in memory
 * stands for the char device, with the request's data at the request's position.
 *
 * For programs that each are one source: all of the queue is in here, for what it keeps to
 * itself.
 */
#ifndef UNIT_STEPS_H
#define UNIT_STEPS_H

#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/stat.h>

/* for what it keeps to itself */
#include "../../srv/queue.c"
#include "../../srv/queue_setup.c"
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

static inline void fake_issue(struct queue *queue, struct io *i)
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

static inline void setup(void)
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

static inline void teardown(void)
{
	unlink(paths[0]);
	unlink(paths[1]);
}

static inline void serve_as(const struct target_ops *ops, int argc, char **argv)
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
static inline void serve(const char *first, const char *second)
{
	char *argv[] = { "test", "-l", (char *)first, "-l", (char *)second, NULL };

	serve_as(second ? &target_mirror : &target_loop, second ? 5 : 3, argv);
}

/* All has moved, but the server has to believe what it is told. */
static inline void cut_short(struct io_uring_cqe *cqe)
{
	bool fetches = udata_index(cqe->user_data) == 0x80;

	if (cut && udata_kind(cqe->user_data) == UD_BOUNCE && !fetches && cqe->res > cut)
		cqe->res = cut;
}

/* Nothing of it is a failure: less than was done, or another time. */
static inline s32 spoilt(enum udata_kind kind, s32 res)
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

static inline void spoil(struct io_uring_cqe *cqe)
{
	enum udata_kind kind = udata_kind(cqe->user_data);
	bool step = kind == UD_STEP || (kind == UD_BOUNCE && udata_index(cqe->user_data) != 0x80);

	if (spoiling && step && cqe->res > 0)
		cqe->res = spoilt(kind, cqe->res);
}

/* What the driver makes of a request that was handed off: any step that is heard of has failed.  Has it ended? */
static inline bool handed_off(void)
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
static inline bool run_handed_off(void)
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
static inline int request(u32 op, u32 flags)
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
static inline void leg_has(unsigned int i, char byte)
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
static inline void request_has(char byte)
{
	cr_assert_eq(pread(chardev, found, LEN, POS), LEN);
	for (unsigned int n = 0; n < LEN; n++)
		cr_assert_eq(found[n], byte, "byte %u is %#x, not %#x", n, found[n], byte);
}

static inline void all_are_live(void)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	q.target->ops->status_text(q.target, out);
	fclose(out);
	cr_assert_null(strstr(text, "dropped"), "%s", text);
	free(text);
}

#endif
