// SPDX-License-Identifier: GPL-2.0
#include <criterion/criterion.h>
#include <string.h>

#include "mounts.h"

static void point_is(const char *text, const char *want)
{
	char line[256];
	const char *point;

	strcpy(line, text);
	point = mounts_point(line);
	if (want)
		cr_assert_str_eq(point ? point : "(none)", want, "in: %s", text);
	else
		cr_assert_null(point, "in: %s", text);
}

Test(mounts, the_point_is_the_fifth_word)
{
	point_is("36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw\n", "/mnt2");
	point_is("21 1 0:20 / / rw - 9p host rw\n", "/");
	point_is("36 35 98:0 / /last", "/last");
}

Test(mounts, escapes_are_undone)
{
	point_is("1 2 0:1 / /a\\040b\\011c\\134d rw - x y z\n", "/a b\tc\\d");
	point_is("1 2 0:1 / /not\\08x\\ rw - x y z\n", "/not\\08x\\");
}

Test(mounts, a_line_without_a_point_has_none)
{
	point_is("", NULL);
	point_is("36 35 98:0 /mnt1\n", NULL);
	point_is("36 35 98:0 /mnt1 mnt2 rw\n", NULL);
}

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
