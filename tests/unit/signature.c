// SPDX-License-Identifier: GPL-2.0
/* What is on a disk already. */
#include <criterion/criterion.h>
#include <string.h>

#include "signature.h"

#define MIB	(1ULL << 20)

static u8 span[SIGNATURE_SPAN];

/* Where each is, by the documents of who writes it. */
static const struct {
	u64 at;
	const char *magic, *what;
} at_begin[] = {
	{ 1080, "\x53\xef", "ext4" },
	{ 0, "XFSB", "XFS" },
	{ 65600, "_BHRfS_M", "Btrfs" },
	{ 3, "NTFS    ", "NTFS" },
	{ 512, "EFI PART", "GPT" },
	{ 4096, "EFI PART", "GPT" },
	{ 510, "\x55\xaa", "partition table or boot sector" },
	{ 536, "LVM2 001", "LVM" },
	{ 0, "LUKS\xba\xbe", "LUKS" },
	{ 4086, "SWAPSPACE2", "swap" },
	{ 4096, "\xfc\x4e\x2b\xa9", "md RAID" },
	{ 32769, "CD001", "ISO 9660" },
};

Test(signature, well_known_ones_are_found_at_the_begin)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(at_begin); i++) {
		const char *what;

		memset(span, 0, sizeof(span));
		memcpy(span + at_begin[i].at, at_begin[i].magic, strlen(at_begin[i].magic));
		what = signature_at_begin(span, sizeof(span));
		cr_assert(what && strstr(what, at_begin[i].what), "%s at %llu: '%s'", at_begin[i].what,
			  (unsigned long long)at_begin[i].at, what ? what : "nothing");
	}
}

/* As create reads it: the last 128 KiB and what is before them in their block. */
static const char *found_at_end(u64 bytes, u64 place, const char *magic)
{
	u64 at = round_down_u64(bytes - (128U << 10), 4096);

	memset(span, 0, sizeof(span));
	cr_assert(place >= at && place + strlen(magic) <= at + sizeof(span), "%llu is not read",
		  (unsigned long long)place);
	memcpy(span + (place - at), magic, strlen(magic));
	return signature_at_end(span, sizeof(span), at, bytes);
}

Test(signature, those_at_the_end_are_found_on_disks_of_any_size)
{
	for (u64 bytes = 8 * MIB; bytes < 8 * MIB + 65536 + 4096; bytes += 512) {
		cr_assert(found_at_end(bytes, bytes - 512, "EFI PART"), "GPT, %llu", (unsigned long long)bytes);
		cr_assert(found_at_end(bytes, ((bytes / 512 - 16) & ~7ULL) * 512, "\xfc\x4e\x2b\xa9"),
			  "md 1.0, %llu", (unsigned long long)bytes);
		cr_assert(found_at_end(bytes, (bytes & ~65535ULL) - 65536, "\xfc\x4e\x2b\xa9"),
			  "md 0.90, %llu", (unsigned long long)bytes);
	}
}

Test(signature, nothing_is_found_where_nothing_is)
{
	memset(span, 0, sizeof(span));
	cr_assert_null(signature_at_begin(span, sizeof(span)));
	for (u64 bytes = 0; bytes < 2 * MIB; bytes += 512)
		cr_assert_null(signature_at_end(span, sizeof(span), 0, bytes));
	/* Cut in two by the end of what was read. */
	memcpy(span + 1080, "\x53\xef", 2);
	cr_assert_null(signature_at_begin(span, 1081));
	memset(span, 0xff, sizeof(span));
	cr_assert_null(signature_at_begin(span, sizeof(span)));
}
