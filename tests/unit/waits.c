// SPDX-License-Identifier: GPL-2.0
/*
 * Requests that wait, before their steps and behind them, until another thread lets them go on;
 * through a queue's own loop.  There is no driver: a file in memory stands for the char
 * device, and what ends the loop is that it takes no COMMIT.
 */
#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <fcntl.h>
#include <stdio.h>

/* for what it keeps to itself */
#include "../../srv/queue.c"
#include "../../srv/queue_setup.c"

#define LEN	4096U
#define NR	16U

enum place { NOWHERE, BEFORE, BEHIND, SOON };

struct patient {
	struct inbox_item item;
	enum place place;
	unsigned int resumed;
	unsigned int batch;	/* when it was posted */
};

static struct queue q;
static struct target target;
static const struct device device = { .depth = NR };
static struct ublksrv_io_desc descs[NR];
static char data[LEN];
static enum place waits;	/* where requests do */
static int posted[2];		/* pipe to the poster: items */
static unsigned int ended, batches;
static bool entered;
static bool went_on;	/* in this batch, what the queue has posted itself */

static enum verdict wait_at(struct io *io, enum place place)
{
	struct patient *p = io->tio;

	p->place = place;
	p->item.io = io;
	p->batch = batches;
	if (place == SOON) {
		inbox_post(&q.inbox, &p->item);
		return VERDICT_WAIT;
	}
	cr_assert_eq(write(posted[1], &(void *){ &p->item }, sizeof(void *)), sizeof(void *));
	return VERDICT_WAIT;
}

static enum verdict patient_plan(struct target *t, void *tq, struct io *io)
{
	if (waits == BEFORE)
		return wait_at(io, BEFORE);
	io_add_step(io, STEP_WRITE, 0);
	return VERDICT_STEPS;
}

static enum verdict patient_end(struct io *io)
{
	cr_assert_eq(io->steps[0].res, 0);
	io->result = io_success(io);
	ended++;
	return VERDICT_DONE;
}

static enum verdict patient_settle(struct target *t, void *tq, struct io *io)
{
	cr_assert(entered, "a step ended outside a batch");
	cr_assert(!went_on, "a request went on before the others of its batch were looked at");
	return waits >= BEHIND ? wait_at(io, waits) : patient_end(io);
}

static enum verdict patient_resume(struct target *t, void *tq, struct io *io)
{
	struct patient *p = io->tio;

	cr_assert(entered, "a request goes on outside a batch");
	if (p->place == SOON) {
		cr_assert_eq(p->batch, batches, "a batch later");
		went_on = true;
	}
	/* It may have to wait more than once. */
	if (++p->resumed % 3)
		return wait_at(io, p->place);
	if (p->place != BEFORE)
		return patient_end(io);
	io_add_step(io, STEP_WRITE, 0);
	return VERDICT_STEPS;
}

static void patient_enter(struct target *t, void *tq, bool alone)
{
	cr_assert_eq(alone, io_uring_cq_ready(&q.ring) == 1);
	cr_assert(!entered);
	entered = true;
	went_on = false;
	batches++;
}

static void patient_leave(struct target *t, void *tq)
{
	cr_assert(entered);
	entered = false;
}

static const struct target_ops patient = {
	.name		= "patient",
	.io_size	= sizeof(struct patient),
	.enter		= patient_enter,
	.leave		= patient_leave,
	.plan		= patient_plan,
	.settle		= patient_settle,
	.resume		= patient_resume,
};

static void write_issue(struct queue *queue, struct io *io)
{
	cr_assert(!(waits == BEFORE && ((struct patient *)io->tio)->resumed < 3), "it did not wait");
	queue_rw_step(queue, io, 0, IORING_OP_WRITE, (uintptr_t)data, 0);
}

static const struct mode_ops writes = { .name = "writes", .issue = write_issue };

static void *poster(void *arg)
{
	void *item;

	while (read(posted[0], &item, sizeof(item)) == sizeof(item))
		inbox_post(&q.inbox, item);
	return NULL;
}

static void setup(void)
{
	int fds[2] = { memfd_create("char", MFD_CLOEXEC), memfd_create("leg", MFD_CLOEXEC) };

	cr_redirect_stderr();
	target = (struct target){ .ops = &patient, .nr_legs = 1, .max_steps = 1, .batches = true,
				  .lim = { .lbs = 512 } };
	q = (struct queue){ .device = &device, .mode = &writes, .target = &target, .descs = descs };
	cr_assert_eq(inbox_init(&q.inbox), 0);
	cr_assert_eq(pipe2(posted, O_CLOEXEC), 0);
	if (queue_ring_init(&q))
		cr_skip_test("there is no io_uring here");
	queue_rules_init(&q);
	cr_assert_eq(queue_ios_init(&q), 0);
	cr_assert_eq(io_uring_register_files(&q.ring, fds, 2), 0);
}

static void teardown(void)
{
	io_uring_queue_exit(&q.ring);
	inbox_deinit(&q.inbox);
	munmap(q.ios, queue_nr_ios(&q) * q.io_stride);
}

TestSuite(waits, .init = setup, .fini = teardown, .timeout = 60);

static void serve(enum place where)
{
	pthread_t thread;

	waits = where;
	cr_assert_eq(pthread_create(&thread, NULL, poster, NULL), 0);
	queue_inbox_arm(&q);
	for (unsigned int tag = 0; tag < NR; tag++) {
		descs[tag] = (struct ublksrv_io_desc){ .op_flags = UBLK_IO_OP_WRITE, .nr_sectors = LEN / 512,
						       .start_sector = tag * LEN / 512 };
		q.fetched++;
		queue_request(&q, queue_io(&q, tag));
	}
	queue_loop(&q);
	close(posted[1]);
	pthread_join(thread, NULL);
	for (unsigned int tag = 0; tag < NR; tag++)
		cr_assert_eq(queue_io(&q, tag)->result, (int)LEN, "request %u", tag);
	cr_assert_eq(ended, NR, "%u of %u requests ended", ended, NR);
	cr_assert(!entered && batches, "%u batches", batches);
}

static void all_went_on(void)
{
	for (unsigned int tag = 0; tag < NR; tag++) {
		const struct patient *p = queue_io(&q, tag)->tio;

		cr_assert_eq(p->resumed, 3, "request %u was resumed %u times", tag, p->resumed);
	}
}

Test(waits, none_do)
{
	serve(NOWHERE);
}

Test(waits, before_their_steps)
{
	serve(BEFORE);
	all_went_on();
}

Test(waits, behind_their_steps)
{
	serve(BEHIND);
	all_went_on();
}

/* No eventfd is written, and nobody else tells. */
Test(waits, until_the_end_of_the_batch)
{
	inbox_own(&q.inbox);
	serve(SOON);
	all_went_on();
}
