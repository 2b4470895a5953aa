// SPDX-License-Identifier: GPL-2.0
/* What becomes of a step whose SQE gave something else than was asked for. */
#include <criterion/criterion.h>
#include <errno.h>

#include "io.h"

#define LEN	(64U << 10)

/* Of a mode that lends, and of one that has a copy. */
static const struct step_rules lending = { .block = 4096, .lost_errno = -EFAULT, .lends = true };
static const struct step_rules copying = { .block = 512 };

static struct step step(enum step_op op)
{
	struct step s = { .op = op, .state = STEP_BUSY };

	if (op != STEP_SYNC)
		s.len = LEN;
	if (step_op_has_data(op))
		s.want = LEN;
	return s;
}

/* How often it is done again before it has failed, when each time gives @res. */
static unsigned int repeated(struct step *s, int res, const struct step_rules *rules)
{
	unsigned int nr = 0;

	for (io_step_odd(s, res, rules); s->state == STEP_TODO && nr < 100; nr++)
		io_step_odd(s, res, rules);
	return nr;
}

static void fails(enum step_op op, int res, const struct step_rules *rules, int with)
{
	struct step s = step(op);

	io_step_odd(&s, res, rules);
	cr_expect_eq(s.state, STEP_DONE, "operation %u, %d: state %u", op, res, s.state);
	cr_expect_eq(s.res, with, "operation %u, %d: %d", op, res, s.res);
}

Test(io, each_operation_of_the_driver_is_a_step)
{
	cr_assert_eq(io_step_op(UBLK_IO_OP_READ), STEP_READ);
	cr_assert_eq(io_step_op(UBLK_IO_OP_WRITE), STEP_WRITE);
	cr_assert_eq(io_step_op(UBLK_IO_OP_FLUSH), STEP_SYNC);
	cr_assert_eq(io_step_op(UBLK_IO_OP_DISCARD), STEP_DISCARD);
	cr_assert_eq(io_step_op(UBLK_IO_OP_WRITE_ZEROES), STEP_ZERO);
}

Test(io, other_operations_are_none)
{
	cr_assert_eq(io_step_op(UBLK_IO_OP_WRITE_SAME), -EOPNOTSUPP);
	cr_assert_eq(io_step_op(UBLK_IO_OP_ZONE_OPEN), -EOPNOTSUPP);
	cr_assert_eq(io_step_op(255), -EOPNOTSUPP);
}

Test(io, an_error_of_the_leg_is_the_steps)
{
	for (unsigned int op = STEP_READ; op <= STEP_DISCARD; op++) {
		fails(op, -EIO, &lending, -EIO);
		fails(op, -ENOSPC, &copying, -ENOSPC);
	}
}

Test(io, no_byte_at_all_is_an_error)
{
	fails(STEP_READ, 0, &lending, -EIO);
	fails(STEP_WRITE, 0, &copying, -EIO);
}

/* Neither the leg's fault nor for ever. */
Test(io, what_passes_is_repeated_some_times)
{
	static const int errs[] = { -EAGAIN, -EINTR };

	for (unsigned int op = STEP_READ; op <= STEP_ZERO; op++) {
		for (unsigned int i = 0; i < ARRAY_SIZE(errs); i++) {
			struct step s = step(op);

			cr_expect_eq(repeated(&s, errs[i], &copying), STEP_TRIES, "operation %u", op);
			cr_expect_eq(s.res, errs[i], "operation %u: %d", op, s.res);
		}
	}
}

Test(io, data_that_was_lost_is_the_modes_affair)
{
	struct step s = step(STEP_WRITE);

	cr_assert_eq(repeated(&s, -EFAULT, &lending), STEP_TRIES);
	cr_assert_eq(s.res, -EFAULT);
	fails(STEP_WRITE, -EFAULT, &copying, -EFAULT);
}

Test(io, a_short_result_leaves_whole_blocks_to_do)
{
	struct step s = step(STEP_READ);

	io_step_odd(&s, 3 * 4096 + 100, &lending);
	cr_assert_eq(s.state, STEP_TODO);
	cr_assert_eq(s.done, 3 * 4096);
	cr_assert_eq(s.want, (s32)LEN - 3 * 4096);
	io_step_odd(&s, 4096, &lending);
	cr_assert_eq(s.done, 4 * 4096);
	cr_assert_eq(s.want, (s32)LEN - 4 * 4096);
	cr_assert_eq(s.tries, 0, "what moves is no try");
}

Test(io, a_short_result_without_a_block_fails_in_the_end)
{
	struct step s = step(STEP_READ);

	cr_assert_eq(repeated(&s, 100, &copying), STEP_TRIES);
	cr_assert_eq(s.res, -EIO);
	cr_assert_eq(s.done, 0);
}

Test(io, a_shape_that_is_refused_is_copied)
{
	struct step s = step(STEP_WRITE);

	cr_assert_eq(s.how, HOW_MODE);
	io_step_odd(&s, -EINVAL, &lending);
	cr_assert_eq(s.state, STEP_TODO);
	cr_assert_eq(s.how, HOW_COPY);
}

Test(io, a_copy_has_no_shape_to_refuse)
{
	fails(STEP_WRITE, -EINVAL, &copying, -EINVAL);
	fails(STEP_SYNC, -EINVAL, &lending, -EINVAL);
	fails(STEP_DISCARD, -EINVAL, &lending, -EINVAL);
}

Test(io, a_note_is_not_repeated)
{
	fails(STEP_NOTE, -EAGAIN, &copying, -EAGAIN);
	fails(STEP_NOTE, -EINVAL, &lending, -EINVAL);
	fails(STEP_NOTE, 512, &copying, -EIO);
}

/* Of no length: all of it is not done because nothing is left. */
Test(io, a_flush_that_is_repeated_is_not_done)
{
	struct step s = step(STEP_SYNC);

	io_step_odd(&s, -EAGAIN, &copying);
	cr_assert_eq(s.state, STEP_TODO);
}

Test(io, zeroes_are_done_when_all_are_written)
{
	struct step s = step(STEP_ZERO);

	/* the leg knows no other way than to write them */
	io_step_odd(&s, -EOPNOTSUPP, &lending);
	io_step_odd(&s, -EOPNOTSUPP, &lending);
	io_step_odd(&s, LEN / 2, &lending);
	cr_assert_eq(s.state, STEP_TODO);
	io_step_odd(&s, LEN / 2, &lending);
	cr_assert_eq(s.state, STEP_DONE);
	cr_assert_eq(s.res, 0);
}

Test(io, a_new_step_is_as_planned)
{
	struct step steps[1] = { { .tries = 3, .done = 512, .how = HOW_COPY } };
	struct io io = { .off = 4096, .len = LEN, .steps = steps };

	io_add_step(&io, STEP_WRITE, 1);
	cr_assert_eq(io.nr_steps, 1);
	cr_assert_eq(steps[0].off, 4096);
	cr_assert_eq(steps[0].done, 0);
	cr_assert_eq(steps[0].tries, 0);
	cr_assert_eq(steps[0].how, HOW_MODE);
	cr_assert_eq(steps[0].want, (s32)LEN);
}
