// SPDX-License-Identifier: GPL-2.0
/* Who goes on without a leg that hangs, and with what. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>

#include "standin.h"
#include "targets/targets.h"

#define DEPTH	4
#define LEGS	3
#define TAG	2

static struct target target = { .ops = &target_null, .legs_leave = true };
static const struct device device = { .depth = DEPTH, .target = &target };
static struct mode_ops mode;
static struct queue q;
static struct io *io;

static void setup(void)
{
	size_t size = sizeof(struct io) + LEGS * sizeof(struct step);

	mode = (struct mode_ops){ .name = "test" };
	q = (struct queue){ .device = &device, .mode = &mode, .target = &target, .io_stride = (size + 63) / 64 * 64 };
	q.ios = aligned_alloc(64, 2 * DEPTH * q.io_stride);
	memset(q.ios, 0, 2 * DEPTH * q.io_stride);
	for (unsigned int i = 0; i < DEPTH; i++) {
		struct io *one = queue_io(&q, i);

		one->tag = one->index = i;
		one->tio = one->mio = one + 1;
		one->steps = (struct step *)(one + 1);
	}
	io = queue_io(&q, TAG);
	cr_assert_eq(standin_init(&q), 0);
}

static void teardown(void)
{
	standin_deinit(&q);
	free(q.ios);
}

TestSuite(standin, .init = setup, .fini = teardown, .timeout = 30);

/* A step on each leg, all under way. */
static void plan(struct io *of, enum step_op op)
{
	of->op = op == STEP_WRITE ? UBLK_IO_OP_WRITE : UBLK_IO_OP_FLUSH;
	of->nr_steps = of->pending = 0;
	for (unsigned int leg = 0; leg < LEGS; leg++) {
		io_add_part(of, op, leg, 4096, 4096, 0);
		of->steps[leg].state = STEP_BUSY;
		of->pending++;
	}
}

static void ends(unsigned int leg, enum step_state state, int res)
{
	io->steps[leg].state = state;
	io->steps[leg].res = res;
	io->pending--;
}

static struct io *next(void)
{
	unsigned int at = 0;

	return standin_next(&q, &at);
}

Test(standin, who_waits_for_nothing_else)
{
	struct io *to;

	io->lend_addr = 0x10000 | TAG;
	plan(io, STEP_WRITE);
	q.hanging = 1 << 1;
	cr_assert_null(next(), "two other legs are under way");
	ends(0, STEP_DONE, 0);
	cr_assert_null(next(), "another leg is under way");
	ends(2, STEP_DONE, -EIO);
	to = next();
	cr_assert_not_null(to);
	cr_assert(io->left_behind && io->redo && io->pending == 1);
	cr_assert(to->index >= DEPTH && to == queue_io(&q, to->index));
	cr_assert(to->tag == TAG && to->op == UBLK_IO_OP_WRITE && to->nr_steps == LEGS && !to->pending && !to->redo);
	cr_assert_eq(to->lend_addr, io->lend_addr, "the slot is the tag's");
	cr_assert_eq(to->steps[0].res, 0);
	cr_assert_eq(to->steps[1].res, -ETIMEDOUT);
	cr_assert_eq(to->steps[2].res, -EIO);
	cr_assert_null(next(), "once");
}

Test(standin, two_legs_may_hang)
{
	struct io *to;

	plan(io, STEP_WRITE);
	ends(0, STEP_DONE, 0);
	q.hanging = 1 << 1;
	cr_assert_null(next());
	q.hanging |= 1 << 2;
	to = next();
	cr_assert_not_null(to);
	cr_assert(to->steps[1].res == -ETIMEDOUT && to->steps[2].res == -ETIMEDOUT);
}

/* It had a short result, say: what is left is to be done before the request ends. */
Test(standin, the_rest_of_another_leg_is_still_to_be_done)
{
	struct io *to;

	plan(io, STEP_WRITE);
	q.hanging = 1 << 1;
	ends(0, STEP_DONE, 0);
	ends(2, STEP_TODO, 0);
	io->steps[2].done = 512;
	io->redo = true;
	to = next();
	cr_assert_not_null(to);
	cr_assert(to->redo && to->steps[2].state == STEP_TODO && to->steps[2].done == 512);
}

Test(standin, what_is_lent_is_waited_for)
{
	mode.lends = true;
	plan(io, STEP_WRITE);
	q.hanging = (1 << LEGS) - 1;
	cr_assert_null(next());
	plan(io, STEP_SYNC);
	cr_assert_not_null(next(), "a flush lends nothing");
}

/* What a leg that hangs may still read is not written to. */
Test(standin, a_note_is_not_lent_and_stays_with_its_leg)
{
	static char notes[2 * DEPTH * 512];
	struct io *to;

	mode.lends = true;
	target.note_bytes = 512;
	q.notes = notes;
	io->note = queue_note(&q, TAG);
	plan(io, STEP_NOTE);
	q.hanging = (1 << LEGS) - 1;
	to = next();
	cr_assert_not_null(to);
	cr_assert_eq(to->note, notes + 512 * to->index);
	cr_assert_eq(io->note, notes + 512 * TAG);
	io->op = to->op = UBLK_IO_OP_WRITE;
	cr_assert(io_data_is_due(to), "of the write behind it nothing was moved yet");
}

Test(standin, a_write_that_was_copied_is_not_lent)
{
	mode.lends = true;
	plan(io, STEP_WRITE);
	io->copied = true;
	q.hanging = (1 << LEGS) - 1;
	cr_assert_not_null(next());
}

Test(standin, a_disk_that_was_there_before_is_not_waited_for)
{
	plan(io, STEP_WRITE);
	ends(0, STEP_DONE, 0);
	ends(1, STEP_DONE, 0);
	cr_assert_null(next());
	io->steps[2].old = true;
	cr_assert_not_null(next());
}

Test(standin, a_delay_is_on_no_leg)
{
	plan(io, STEP_DELAY);
	q.hanging = (1 << LEGS) - 1;
	cr_assert_null(next());
}

Test(standin, as_many_as_there_are_tags_may_be_left_behind)
{
	struct io *to[DEPTH];

	q.hanging = 1 << 1;
	for (unsigned int i = 0; i < DEPTH; i++) {
		plan(queue_io(&q, i), STEP_WRITE);
		for (unsigned int leg = 0; leg < LEGS; leg += 2) {
			queue_io(&q, i)->steps[leg].state = STEP_DONE;
			queue_io(&q, i)->pending--;
		}
	}
	for (unsigned int i = 0; i < DEPTH; i++) {
		to[i] = next();
		cr_assert_not_null(to[i]);
	}
	/* the same tags hang once more */
	plan(to[0], STEP_WRITE);
	q.hanging = 7;
	cr_assert_null(next(), "there is none left");
	standin_is_free(&q, queue_io(&q, 0));
	cr_assert(!queue_io(&q, 0)->left_behind && !queue_io(&q, 0)->redo);
	cr_assert_eq(next(), queue_io(&q, 0));
	cr_assert_eq(queue_io(&q, 0)->tag, to[0]->tag);
}
