// SPDX-License-Identifier: GPL-2.0
/* UUIDs and their text. */
#include <criterion/criterion.h>
#include <string.h>

#include "uuid.h"

static const u8 example[UUID_BYTES] = {
	0x6b, 0xa7, 0xb8, 0x10, 0x9d, 0xad, 0x41, 0xd1, 0x80, 0xb4, 0x00, 0xc0, 0x4f, 0xd4, 0x30, 0xc8
};
static const char example_text[] = "6ba7b810-9dad-41d1-80b4-00c04fd430c8";

Test(uuid, text_is_the_usual_one)
{
	char text[UUID_TEXT];

	uuid_text(example, text);
	cr_assert_str_eq(text, example_text);
}

Test(uuid, text_is_read_in_any_case)
{
	u8 uuid[UUID_BYTES] = { 0 };

	cr_assert(uuid_parse(example_text, uuid));
	cr_assert(!memcmp(uuid, example, sizeof(uuid)));
	cr_assert(uuid_parse("6BA7B810-9DAD-41D1-80B4-00C04FD430C8", uuid));
	cr_assert(!memcmp(uuid, example, sizeof(uuid)));
}

Test(uuid, a_text_is_one_uuid_s_and_no_other_s)
{
	u8 other[UUID_BYTES];

	memcpy(other, example, sizeof(other));
	other[UUID_BYTES - 1] ^= 1;
	cr_assert(uuid_is(example_text, example));
	cr_assert(uuid_is("6BA7B810-9DAD-41D1-80B4-00C04FD430C8", example));
	cr_assert(!uuid_is(example_text, other));
	cr_assert(!uuid_is("home", example));
}

Test(uuid, what_is_none_is_refused)
{
	static const char *const bad[] = {
		"", "home", "6ba7b810-9dad-41d1-80b4-00c04fd430c", "6ba7b810-9dad-41d1-80b4-00c04fd430c80",
		"6ba7b8109-dad-41d1-80b4-00c04fd430c8", "6ba7b810-9dad-41d1-80b4-00c04fd430cx",
		"6ba7b810x9dad-41d1-80b4-00c04fd430c8",
	};
	u8 uuid[UUID_BYTES];

	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++)
		cr_assert(!uuid_parse(bad[i], uuid), "'%s' was taken", bad[i]);
}

Test(uuid, a_new_one_is_random_and_of_version_4)
{
	u8 a[UUID_BYTES], b[UUID_BYTES];

	cr_assert(!uuid_make(a) && !uuid_make(b));
	cr_assert(memcmp(a, b, sizeof(a)));
	cr_assert_eq(a[6] >> 4, 4);
	cr_assert_eq(a[8] >> 6, 2);
}
