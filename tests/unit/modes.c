// SPDX-License-Identifier: GPL-2.0
/* What follows from what a mode says of itself. */
#include <criterion/criterion.h>
#include <errno.h>
#include <linux/ublk_cmd.h>

#include "caps.h"
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
