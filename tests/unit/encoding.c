// SPDX-License-Identifier: GPL-2.0
#include <criterion/criterion.h>

#include "cookie.h"
#include "udata.h"

Test(udata, every_field_comes_back)
{
	static const unsigned int tags[] = { 0, 1, 127, 4095, 65535 };
	static const unsigned int indexes[] = { 0, 1, MAX_LEGS - 1, 255 };

	for (unsigned int kind = 0; kind < UD_KINDS; kind++)
		for (unsigned int t = 0; t < ARRAY_SIZE(tags); t++)
			for (unsigned int i = 0; i < ARRAY_SIZE(indexes); i++) {
				u64 ud = udata(kind, tags[t], indexes[i]);

				cr_expect_eq(udata_kind(ud), kind, "kind of %lx", (unsigned long)ud);
				cr_expect_eq(udata_io(ud), tags[t], "tag of %lx", (unsigned long)ud);
				cr_expect_eq(udata_index(ud), indexes[i], "index of %lx", (unsigned long)ud);
			}
}

Test(udata, the_upper_half_is_free)
{
	cr_assert_eq(udata(UD_KINDS - 1, 65535, 255) >> 32, 0);
}

Test(cookie, first_byte_of_the_first_tag)
{
	cr_assert_eq(cookie(0, 0, 0), 0x80000000ULL);
}

/* What the driver does with a position, from the comments of its header. */
Test(cookie, decodes_as_the_driver_does)
{
	static const unsigned int qids[] = { 0, 1, 4095 }, tags[] = { 0, 1, 4095, 65535 };
	static const u32 offsets[] = { 0, 512, (1U << UBLK_IO_BUF_BITS) - 1 };

	for (unsigned int q = 0; q < ARRAY_SIZE(qids); q++)
		for (unsigned int t = 0; t < ARRAY_SIZE(tags); t++)
			for (unsigned int o = 0; o < ARRAY_SIZE(offsets); o++) {
				u64 pos = cookie(qids[q], tags[t], offsets[o]) - UBLKSRV_IO_BUF_OFFSET;

				cr_expect_eq(pos % (1U << 25), offsets[o]);
				cr_expect_eq(pos / (1U << 25) % (1U << 16), tags[t]);
				cr_expect_eq(pos / (1ULL << 41), qids[q]);
			}
}

Test(cookie, is_a_positive_file_position)
{
	cr_assert_gt((s64)cookie(4095, 65535, (1U << 25) - 1), 0);
}
