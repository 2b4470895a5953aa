// SPDX-License-Identifier: GPL-2.0
/* The fuzzer's model: what it says of the kernel is worth what it is itself. */
#include <criterion/criterion.h>
#include <errno.h>
#include <liburing.h>
#include <string.h>

#include "gen.h"
#include "model.h"

static struct model m;

static void setup(void)
{
	memset(&m, 0, sizeof(m));
	for (unsigned int i = 0; i < MODEL_BUFS; i++) {
		m.buf[i] = (struct model_buf){
			.segs = { { .len = 4096 }, { .len = 1000 } }, .nr_segs = 2,
			.dir = LEND_TEST_SOURCE,
		};
		model_buf_shape(&m.buf[i]);
	}
	model_reset(&m, 4);
}

TestSuite(fuzz_model, .init = setup);

static int run(struct op op)
{
	model_chain(&m, &op, 1);
	return op.res;
}

static struct op reg(unsigned int slot, u32 buf, u32 off, u32 len)
{
	return (struct op){ .kind = OP_REGISTER, .slot = slot, .buf = buf, .off = off, .len = len };
}

static struct op unreg(unsigned int slot)
{
	return (struct op){ .kind = OP_UNREGISTER, .slot = slot };
}

static struct op rw(enum op_kind kind, unsigned int slot, u64 addr, u32 len)
{
	return (struct op){ .kind = kind, .file = FILE_NULL, .slot = slot, .addr = addr, .len = len };
}

Test(fuzz_model, a_slot_is_lent_once)
{
	cr_assert_eq(run(reg(0, 1, 0, 0)), 5096);
	cr_assert_eq(run(reg(0, 2, 0, 0)), -EBUSY);
	cr_assert_eq(run(reg(4, 1, 0, 0)), -EINVAL);
	cr_assert_eq(run(reg(1, 1, 5096, 0)), -EINVAL);
	cr_assert_eq(run(reg(1, 1, 5000, 97)), -EINVAL);
	cr_assert_eq(m.buf[1].lent, 1);
	cr_assert_eq(run(unreg(0)), 0);
	cr_assert_eq(run(unreg(0)), -EINVAL);
	cr_assert_eq(m.buf[1].released, 1);
}

Test(fuzz_model, ranges_and_directions_are_checked)
{
	run(reg(0, 1, 1000, 0));
	cr_assert_eq(run(rw(OP_WRITE, 0, 0, 4096)), 4096);
	cr_assert_eq(run(rw(OP_WRITE, 0, 1, 4096)), -EFAULT);
	cr_assert_eq(run(rw(OP_WRITE, 0, 4096, 0)), 0);
	cr_assert_eq(run(rw(OP_WRITE, 0, -1ULL, 2)), -EFAULT);
	cr_assert_eq(run(rw(OP_READ, 0, 0, 512)), -EFAULT);
	cr_assert_eq(run(rw(OP_WRITE, 1, 0, 1)), -EFAULT);
}

Test(fuzz_model, a_link_breaks_and_a_hardlink_does_not)
{
	for (unsigned int hard = 0; hard < 2; hard++) {
		struct op ops[] = { reg(0, 1, 0, 0), rw(OP_READ, 0, 0, 1), unreg(0) };

		setup();
		ops[0].flags = ops[1].flags = hard ? IOSQE_IO_HARDLINK : IOSQE_IO_LINK;
		model_chain(&m, ops, 3);
		cr_assert_eq(ops[0].res, 5096);
		cr_assert_eq(ops[1].res, -EFAULT);
		cr_assert_eq(ops[2].res, hard ? 0 : -ECANCELED);
		cr_assert_eq(model_has_lent(&m), !hard);
	}
}

Test(fuzz_model, what_cannot_be_prepared_cancels_all_of_its_chain)
{
	struct op ops[] = { reg(0, 1, 0, 0), rw(OP_WRITE, 9, 0, 1), unreg(0) };

	ops[0].flags = ops[1].flags = IOSQE_IO_HARDLINK;
	model_chain(&m, ops, 3);
	cr_assert_eq(ops[0].res, -ECANCELED);
	cr_assert_eq(ops[1].res, -EFAULT);
	cr_assert_eq(ops[2].res, -ECANCELED);
	cr_assert(!model_has_lent(&m));
}

Test(fuzz_model, a_request_that_waits_holds_the_loan)
{
	struct op op = rw(OP_PARK, 0, 0, 100);

	m.buf[1].dir = LEND_TEST_DEST;
	run(reg(0, 1, 0, 0));
	cr_assert(model_park(&m, &op, 0));
	run(unreg(0));
	cr_assert_eq(m.buf[1].released, 0);
	model_unpark(&m, 0, 512);
	cr_assert_eq(m.buf[1].released, 1);
}

static struct op secondary(enum op_kind kind, u64 addr, u32 len)
{
	return (struct op){ .kind = kind, .secondary = true, .file = FILE_NULL, .addr = addr, .len = len };
}

Test(fuzz_model, secondaries_have_a_buffer_of_their_own)
{
	struct op ops[] = {
		{ .kind = OP_FUSED, .buf = 1, .secondaries = 3 },
		secondary(OP_WRITE, 4096, 1000), secondary(OP_WRITE, 4096, 1001),
		secondary(OP_READ, 0, 1),
	};

	/* the slots are of no interest */
	m.nr_slots = 0;
	model_chain(&m, ops, 4);
	cr_assert_eq(ops[0].res, 5096);
	cr_assert_eq(ops[1].res, 1000);
	cr_assert_eq(ops[2].res, -EFAULT);
	cr_assert_eq(ops[3].res, -EFAULT);
	cr_assert_eq(m.buf[1].lent, 1);
	cr_assert_eq(m.buf[1].released, 1);
}

Test(fuzz_model, a_fused_command_that_is_refused_starts_nothing)
{
	for (unsigned int i = 0; i < 4; i++) {
		static const int res[] = { -ECANCELED, -EINVAL, -EINVAL, -EBADF };
		struct op ops[] = {
			{ .kind = OP_FUSED, .buf = 1, .secondaries = 2 },
			secondary(OP_WRITE, 0, 512), secondary(OP_WRITE, 0, 512),
		};

		ops[2].alien = i == 0;
		ops[0].secondaries += i == 1;	/* one does not come */
		ops[0].off = i == 2 ? 5096 : 0;
		ops[0].file = i == 3 ? FILE_BAD : FILE_LENDER;
		ops[1].flags = ops[2].flags = IOSQE_CQE_SKIP_SUCCESS;
		model_chain(&m, ops, 3);
		cr_assert_eq(ops[0].res, res[i], "case %u: %d", i, ops[0].res);
		cr_assert_eq(ops[1].res, -ECANCELED);
		cr_assert_eq(ops[2].res, i == 0 ? -EINVAL : -ECANCELED);
		cr_assert(ops[1].cqe && ops[2].cqe);
		cr_assert_eq(m.buf[1].lent, 0);
	}
}

Test(fuzz_model, the_same_seed_draws_the_same)
{
	struct rng a, b;
	struct op x, y;

	for (u64 nr = 0; nr < 1000; nr++) {
		rng_seed(&a, 3, nr);
		rng_seed(&b, 3, nr);
		gen_op(&a, &m, nr, &x);
		gen_op(&b, &m, nr, &y);
		cr_assert(!memcmp(&x, &y, sizeof(x)), "operation %lu", nr);
	}
}

Test(fuzz_model, a_vector_is_one_range_without_empty_parts)
{
	struct op op = rw(OP_WRITE, 0, 0, 1024);

	cr_assert_eq(run(reg(0, 1, 0, 0)), 5096);
	op.parts = 2;
	cr_assert_eq(run(op), 1024);
	op.parts = 3;
	cr_assert_eq(run(op), -EFAULT);
	op.len = 1023;
	cr_assert_eq(run(op), 1023);
	cr_assert_eq(op_part(&op, 0) + op_part(&op, 1) + op_part(&op, 2), 1023);
	op.addr = 5096;
	cr_assert_eq(run(op), -EFAULT);
	op = rw(OP_READ, 0, 0, 512);
	op.parts = 1;
	cr_assert_eq(run(op), -EFAULT);
}

Test(fuzz_model, a_nop_needs_a_file_and_a_buffer)
{
	struct op op = rw(OP_NOP, 0, 0, 7);

	cr_assert_eq(run(op), -EFAULT);
	cr_assert_eq(run(reg(0, 1, 0, 0)), 5096);
	cr_assert_eq(run(op), 7);
	op.file = FILE_BAD;
	cr_assert_eq(run(op), -EBADF);
}
