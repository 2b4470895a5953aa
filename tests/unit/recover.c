// SPDX-License-Identifier: GPL-2.0
/* Which device may be taken over with what, and what is not as its clients were told. */
#include <criterion/criterion.h>
#include <string.h>

#include "identity.h"
#include "recover.h"

#define MIB		(1ULL << 20)
#define RECOVERABLE	UBLK_F_USER_RECOVERY

static const struct target_ops mirror = { .name = "mirror" };
static struct leg legs[] = { { .ino = 1 }, { .ino = 2 }, { .ino = 3 } };
static struct target target;
static struct device device;
static struct ublksrv_ctrl_dev_info info;
static struct ublk_params params;

/* A device in mode copy, and the legs that it was made of. */
static void setup(void)
{
	target = (struct target){ .ops = &mirror, .legs = legs, .nr_legs = 2 };
	limits_init(&target.lim);
	target.lim.size = 64 * MIB;
	target.lim.lbs = target.lim.pbs = 512;
	device = (struct device){ .target = &target, .mode = mode_find("copy"), .id = 3 };
	device.identity = identity_make(&target, 1);
	info = (struct ublksrv_ctrl_dev_info){
		.flags = RECOVERABLE | device.mode->ublk_flags,
		.ublksrv_flags = identity_make(&target, 2),
	};
	limits_to_params(&target.lim, LIMITS_DEF_IO, false, &params);
}

TestSuite(recover, .init = setup);

static void answer_is(enum recover_answer want)
{
	cr_assert_eq(recover_decide(&device, false, &info, &params), want, "%d, not %d",
		     recover_decide(&device, false, &info, &params), want);
}

/* What --force does not change. */
static void answer_is_always(enum recover_answer want)
{
	answer_is(want);
	cr_assert_eq(recover_decide(&device, true, &info, &params), want);
}

static void as_mode(const char *name)
{
	device.mode = mode_find(name);
}

static void made_in_mode(const char *name)
{
	info.flags = RECOVERABLE | mode_find(name)->ublk_flags;
}

Test(recover, what_it_was_made_of_is_taken)
{
	answer_is_always(RECOVER_TAKEN);
}

Test(recover, with_reissue_it_is_taken_too)
{
	info.flags |= UBLK_F_USER_RECOVERY_REISSUE;
	answer_is_always(RECOVER_TAKEN);
}

Test(recover, a_device_made_without_it_is_refused)
{
	info.flags &= ~(u64)UBLK_F_USER_RECOVERY;
	answer_is_always(RECOVER_NOT_MADE_FOR_IT);
}

/* Modes of a kind are the same to the driver; that a device which lends is read and written too does not matter. */
Test(recover, a_mode_that_moves_data_the_same_way_is_taken)
{
	static const struct {
		const char *mode;
		unsigned int kind;
	} modes[] = {
		{ "copy", 0 }, { "user-copy", 1 }, { "get-data", 2 }, { "register", 3 }, { "register-cmd", 3 },
		{ "register-chain", 3 }, { "fused", 3 }, { "fused-n", 3 }, { "auto", 4 }, { "handoff", 5 },
	};
	unsigned int nr = 0;

	while (mode_list[nr])
		nr++;
	cr_assert_eq(nr, ARRAY_SIZE(modes));
	for (unsigned int made = 0; made < nr; made++) {
		made_in_mode(modes[made].mode);
		for (unsigned int m = 0; m < nr; m++) {
			as_mode(modes[m].mode);
			answer_is_always(modes[m].kind == modes[made].kind ? RECOVER_TAKEN : RECOVER_OTHER_MODE);
		}
	}
}

Test(recover, flags_that_do_not_move_data_do_not_matter)
{
	info.flags |= UBLK_F_URING_CMD_COMP_IN_TASK | UBLK_F_CMD_IOCTL_ENCODE;
	answer_is_always(RECOVER_TAKEN);
}

Test(recover, another_size_is_refused)
{
	target.lim.size -= 512;
	answer_is_always(RECOVER_OTHER_SIZE);
	target.lim.size += 1024;
	answer_is_always(RECOVER_OTHER_SIZE);
}

/* A size that 32 bits do not tell from the right one. */
Test(recover, a_size_is_compared_in_full)
{
	target.lim.size += 4096 * 1024 * MIB;
	answer_is_always(RECOVER_OTHER_SIZE);
}

Test(recover, other_blocks_are_refused)
{
	target.lim.lbs = 4096;
	answer_is_always(RECOVER_OTHER_SIZE);
}

/* Clients of a device without a cache send no flush. */
Test(recover, legs_that_need_flushes_are_refused_by_a_device_without)
{
	target.lim.volatile_cache = true;
	answer_is_always(RECOVER_NO_CACHE);
	params.basic.attrs |= UBLK_ATTR_VOLATILE_CACHE;
	answer_is_always(RECOVER_TAKEN);
	/* a flush that nobody needs does no harm */
	target.lim.volatile_cache = false;
	answer_is_always(RECOVER_TAKEN);
}

Test(recover, other_legs_want_force)
{
	target.legs = legs + 1;
	device.identity = identity_make(&target, 1);
	answer_is(RECOVER_OTHER_LEGS);
	cr_assert_eq(recover_decide(&device, true, &info, &params), RECOVER_FORCED);
}

/* It may have been made by another program, which says what it likes there. */
Test(recover, a_device_that_is_not_ours_says_nothing_of_its_legs)
{
	info.ublksrv_flags = 0;
	answer_is_always(RECOVER_TAKEN);
}

/* What cannot be forced is said first: with force it would come again. */
Test(recover, what_force_cannot_change_is_told_before_other_legs)
{
	target.legs = legs + 1;
	device.identity = identity_make(&target, 1);
	target.lim.size -= 512;
	answer_is_always(RECOVER_OTHER_SIZE);
}

static void lending(void)
{
	as_mode("register");
	made_in_mode("register");
	limits_to_params(&target.lim, LIMITS_DEF_IO, true, &params);
}

Test(recover, the_shape_that_it_was_made_with_needs_no_word)
{
	const struct recover_shape none = { 0 };
	struct recover_shape shape;

	lending();
	shape = recover_shape(&device, &params);
	cr_assert_eq(memcmp(&shape, &none, sizeof(none)), 0);
}

Test(recover, legs_that_want_more_alignment_are_told_of)
{
	struct recover_shape shape;

	lending();
	params.dma.alignment = 511;
	target.lim.dma_align = 4096;
	shape = recover_shape(&device, &params);
	cr_assert_eq(shape.has_align, 512);
	cr_assert_eq(shape.wants_align, 4096);
	cr_assert_eq(shape.wants_mask, 0);
}

/* An old kernel's device, or another program's. */
Test(recover, a_device_that_announces_no_alignment_has_that_of_a_sector)
{
	struct recover_shape shape;

	lending();
	params.types &= ~UBLK_PARAM_TYPE_DMA_ALIGN;
	params.dma.alignment = 4095;
	target.lim.dma_align = 4096;
	shape = recover_shape(&device, &params);
	cr_assert_eq(shape.has_align, 512);
	cr_assert_eq(shape.wants_align, 4096);
}

Test(recover, legs_with_boundaries_are_told_of)
{
	struct recover_shape shape;

	lending();
	target.lim.virt_boundary = 4095;
	shape = recover_shape(&device, &params);
	cr_assert_eq(shape.has_mask, 0);
	cr_assert_eq(shape.wants_mask, 4095);
	params.basic.virt_boundary_mask = 4095;
	cr_assert_eq(recover_shape(&device, &params).wants_mask, 0);
}

Test(recover, the_shape_does_not_matter_where_data_is_copied)
{
	target.lim.dma_align = 4096;
	target.lim.virt_boundary = 4095;
	cr_assert_eq(recover_shape(&device, &params).wants_align, 0);
	cr_assert_eq(recover_shape(&device, &params).wants_mask, 0);
}
