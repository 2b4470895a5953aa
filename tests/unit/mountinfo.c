// SPDX-License-Identifier: GPL-2.0
/* What the kernel says is mounted, and what it does not say. */
#include <criterion/criterion.h>
#include <string.h>

#include "mountinfo.h"

static struct mountinfo m;
static char line[1024];

static bool parse(const char *text)
{
	strcpy(line, text);
	return mountinfo_parse(&m, line);
}

Test(mountinfo, every_field_is_found)
{
	cr_assert(parse("36 35 98:5 /mnt1 /mnt2 rw,noatime master:1 shared:7 - ext3 /dev/root rw,errors=continue\n"));
	cr_assert_eq(m.major, 98);
	cr_assert_eq(m.minor, 5);
	cr_assert_str_eq(m.root, "/mnt1");
	cr_assert_str_eq(m.point, "/mnt2");
	cr_assert_str_eq(m.type, "ext3");
	cr_assert_str_eq(m.options, "rw,errors=continue");
}

Test(mountinfo, optional_fields_may_be_absent)
{
	cr_assert(parse("21 1 0:20 / / rw - 9p host rw"));
	cr_assert_str_eq(m.point, "/");
	cr_assert_str_eq(m.type, "9p");
	cr_assert_str_eq(m.options, "rw");
}

Test(mountinfo, a_source_may_be_empty)
{
	cr_assert(parse("21 1 0:20 / /mnt rw - tmpfs  rw,size=1k\n"));
	cr_assert_str_eq(m.type, "tmpfs");
	cr_assert_str_eq(m.options, "rw,size=1k");
}

Test(mountinfo, escapes_are_undone)
{
	cr_assert(parse("1 2 0:1 /r\\040r /a\\040b\\011c\\134d rw - x y z\n"));
	cr_assert_str_eq(m.root, "/r r");
	cr_assert_str_eq(m.point, "/a b\tc\\d");
	cr_assert(parse("1 2 0:1 / /not\\400\\048\\08x\\ rw - x y z\n"));
	cr_assert_str_eq(m.point, "/not\\400\\048\\08x\\");
}

/* A dash by itself ends the optional fields, and is in no name: names have no spaces. */
Test(mountinfo, a_dash_in_a_name_is_not_the_one)
{
	cr_assert(parse("1 2 0:1 /- /a\\040-\\040b rw - x - z\n"));
	cr_assert_str_eq(m.point, "/a - b");
	cr_assert_str_eq(m.type, "x");
	cr_assert_str_eq(m.options, "z");
}

Test(mountinfo, a_line_that_is_not_whole_is_none)
{
	static const char *const bad[] = {
		"", "\n", "36 35 98:0 /mnt1\n", "36 35 98:0 / /mnt2 rw\n", "36 35 98:0 / - ext3 a rw\n",
		"36 35 98:0 / /mnt2 rw - ext3\n", "36 35 98:0 / /mnt2 rw - ext3 /dev/root\n",
		"36 35 98:0 / mnt2 rw - ext3 /dev/root rw\n", "36 35 x / /mnt2 rw - ext3 /dev/root rw\n",
		" - ext3 /dev/root rw\n",
	};

	m.point = "kept";
	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
		cr_assert_not(parse(bad[i]), "'%s'", bad[i]);
		cr_assert_str_eq(m.point, "kept", "'%s'", bad[i]);
	}
}

Test(mountinfo, lines_come_in_their_order_and_bad_ones_are_left_out)
{
	char text[] = "1 0 0:1 / / rw - a s rw\n" "nothing\n" "2 1 0:2 / /mnt rw - b s rw\n";

	mountinfo_of(&m, fmemopen(text, strlen(text), "r"));
	cr_assert(mountinfo_next(&m));
	cr_assert_str_eq(m.point, "/");
	cr_assert(mountinfo_next(&m));
	cr_assert_str_eq(m.point, "/mnt");
	cr_assert_str_eq(m.type, "b");
	cr_assert_not(mountinfo_next(&m));
	mountinfo_close(&m);
}

/* An overlay's options are longer than any buffer that one would think of. */
Test(mountinfo, a_line_may_be_as_long_as_it_likes)
{
	static char text[20000];
	size_t len = sprintf(text, "1 0 0:1 / /long rw - overlay s lowerdir=");

	memset(text + len, 'x', sizeof(text) - len - 1);
	mountinfo_of(&m, fmemopen(text, strlen(text), "r"));
	cr_assert(mountinfo_next(&m));
	cr_assert_eq(strlen(m.options), strlen(text) - len + strlen("lowerdir="));
	mountinfo_close(&m);
}

Test(mountinfo, without_proc_there_are_none)
{
	mountinfo_open(&m, "/nonexistent");
	cr_assert_not(mountinfo_next(&m));
	mountinfo_close(&m);
}

Test(mountinfo, this_process_has_a_root)
{
	bool found = false;

	mountinfo_open(&m, "");
	while (mountinfo_next(&m))
		found |= !strcmp(m.point, "/");
	mountinfo_close(&m);
	cr_assert(found);
}
