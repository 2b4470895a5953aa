// SPDX-License-Identifier: GPL-2.0
#include <criterion/criterion.h>

#include "mounts.h"

Test(mounts, what_is_on_the_way_is_needed)
{
	cr_assert(mounts_needs("/", "/run/regbuf"));
	cr_assert(mounts_needs("/run", "/run/regbuf"));
	cr_assert(mounts_needs("/run/regbuf", "/run/regbuf"));
}

Test(mounts, what_is_beside_or_below_is_not)
{
	cr_assert_not(mounts_needs("/mnt", "/run/regbuf"));
	cr_assert_not(mounts_needs("/ru", "/run/regbuf"));
	cr_assert_not(mounts_needs("/run/regbuf/below", "/run/regbuf"));
	cr_assert_not(mounts_needs("/run/regbuf2", "/run/regbuf"));
}
