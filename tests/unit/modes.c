// SPDX-License-Identifier: GPL-2.0
/* What follows from what a mode says of itself. */
#include <criterion/criterion.h>
#include <errno.h>
#include <linux/ublk_cmd.h>

#include "caps.h"
#include "mainline.h"
#include "mode.h"

Test(modes, lend_on_zero_copy_devices_only)
{
	for (const struct mode_ops *const *m = mode_list; *m; m++)
		cr_assert_eq(!!(*m)->lends, !!((*m)->ublk_flags & UBLK_F_SUPPORT_ZERO_COPY), "%s",
			     (*m)->name);
}

Test(modes, that_lend_have_no_buffers)
{
	for (const struct mode_ops *const *m = mode_list; *m; m++)
		cr_assert(!(*m)->lends || !(*m)->has_bufs, "%s", (*m)->name);
}

/* Each needs its own way to lend, and no other. */
Test(modes, that_lend_need_a_kernel_that_lends_so)
{
	const char *missing;

	for (const struct mode_ops *const *m = mode_list; *m; m++) {
		struct caps caps = { .ublk = UINT64_MAX };

		cr_assert_eq(mode_check(*m, &caps, &missing), (*m)->lends ? -EOPNOTSUPP : 0, "%s", (*m)->name);
		caps.lends[(*m)->lends] = true;
		cr_assert_eq(mode_check(*m, &caps, &missing), 0, "%s: lacks %s", (*m)->name, missing);
	}
}

Test(modes, by_command_are_of_the_kernels_that_have_them)
{
	const u64 zc = UBLK_F_SUPPORT_ZERO_COPY, zc_auto = zc | UBLK_F_AUTO_BUF_REG;

	cr_expect(!caps_has_commands(UBLK_F_USER_COPY, false), "6.12");
	cr_expect(caps_has_commands(zc, false), "6.15");
	cr_expect(caps_has_commands(zc_auto, false), "6.16");
	cr_expect(!caps_has_commands(zc, true), "ours, before it had them");
	cr_expect(caps_has_commands(zc_auto, true), "ours");
}

/* The kernels that there are, from ours to one of 6.5. */
Test(modes, best_is_the_first_that_the_kernel_has)
{
	struct caps caps = { .ublk = UINT64_MAX };

	for (unsigned int way = 0; way < LENDS_WAYS; way++)
		caps.lends[way] = true;
	cr_expect_str_eq(mode_best(&caps, NULL)->name, "handoff");
	caps.ublk &= ~UBLK_F_HANDOFF;
	cr_expect_str_eq(mode_best(&caps, NULL)->name, "auto");
	caps.ublk &= ~UBLK_F_AUTO_BUF_REG;
	cr_expect_str_eq(mode_best(&caps, NULL)->name, "register");
	caps.lends[LENDS_BY_OPERATION] = caps.lends[LENDS_BY_FUSED] = false;
	cr_expect_str_eq(mode_best(&caps, NULL)->name, "register-cmd");
	caps.lends[LENDS_BY_COMMAND] = false;
	cr_expect_str_eq(mode_best(&caps, NULL)->name, "copy");
	caps.ublk = 0;
	cr_expect_str_eq(mode_best(&caps, NULL)->name, "copy");
}

static const char *best_for(const struct caps *caps, const struct mode_ops *made)
{
	const struct mode_ops *mode = mode_best(caps, &made->ublk_flags);

	return mode ? mode->name : "none";
}

Test(modes, best_for_a_device_moves_data_as_that_does)
{
	struct caps caps = { .ublk = UINT64_MAX };

	for (unsigned int way = 0; way < LENDS_WAYS; way++)
		caps.lends[way] = true;
	cr_expect_str_eq(best_for(&caps, mode_find("copy")), "copy");
	cr_expect_str_eq(best_for(&caps, mode_find("get-data")), "get-data");
	cr_expect_str_eq(best_for(&caps, mode_find("user-copy")), "user-copy");
	cr_expect_str_eq(best_for(&caps, mode_find("fused")), "register");
	cr_expect_str_eq(best_for(&caps, mode_find("register-cmd")), "register");
	cr_expect_str_eq(best_for(&caps, mode_find("auto")), "auto");
	cr_expect_str_eq(best_for(&caps, mode_find("handoff")), "handoff");
	caps.lends[LENDS_BY_OPERATION] = false;
	cr_expect_str_eq(best_for(&caps, mode_find("register")), "register-cmd");
	caps.lends[LENDS_BY_COMMAND] = false;
	cr_expect_str_eq(best_for(&caps, mode_find("register")), "fused");
	cr_expect_str_eq(best_for(&caps, mode_find("auto")), "none");
}
