// SPDX-License-Identifier: GPL-2.0
#include <string.h>

#include "signature.h"

/*
 * struct signature - one of them, in a static table
 * @at: byte, from the start; at the end a function tells
 */
struct signature {
	const char *what;
	u64 at;
	u64 (*at_end)(u64 bytes);
	const char *magic;
	size_t len;
};

#define MAGIC(m)	.magic = m, .len = sizeof(m) - 1

#define MD_MAGIC	"\xfc\x4e\x2b\xa9"

/* What tells most comes first: an NTFS has the mark of a boot sector too. */
static const struct signature signatures_begin[] = {
	{ .what = "a GPT partition table", .at = 512, MAGIC("EFI PART") },
	{ .what = "a GPT partition table", .at = 4096, MAGIC("EFI PART") },
	{ .what = "an ext2, ext3 or ext4 file system", .at = 0x438, MAGIC("\x53\xef") },
	{ .what = "an XFS file system", .at = 0, MAGIC("XFSB") },
	{ .what = "a Btrfs file system", .at = 0x10040, MAGIC("_BHRfS_M") },
	{ .what = "an F2FS file system", .at = 1024, MAGIC("\x10\x20\xf5\xf2") },
	{ .what = "an NTFS file system", .at = 3, MAGIC("NTFS    ") },
	{ .what = "an exFAT file system", .at = 3, MAGIC("EXFAT   ") },
	{ .what = "an ISO 9660 file system", .at = 0x8001, MAGIC("CD001") },
	{ .what = "a SquashFS file system", .at = 0, MAGIC("hsqs") },
	{ .what = "a LUKS container", .at = 0, MAGIC("LUKS\xba\xbe") },
	{ .what = "an LVM physical volume", .at = 0x218, MAGIC("LVM2 001") },
	{ .what = "swap space", .at = 4086, MAGIC("SWAPSPACE2") },
	{ .what = "an md RAID member", .at = 0, MAGIC(MD_MAGIC) },
	{ .what = "an md RAID member", .at = 4096, MAGIC(MD_MAGIC) },
	{ .what = "a bcache device", .at = 4120,
	  MAGIC("\xc6\x85\x73\xf6\x4e\x1a\x45\xca\x82\x65\xf8\x57\x48\xba\x6d\x81") },
	{ .what = "a Ceph OSD", .at = 0, MAGIC("bluestore block device") },
	{ .what = "a partition table or boot sector", .at = 510, MAGIC("\x55\xaa") },
};

static u64 signature_last_512(u64 bytes)
{
	return bytes - 512;
}

static u64 signature_last_4096(u64 bytes)
{
	return bytes - 4096;
}

/* 8 KiB or more before the end, in whole 4 KiB. */
static u64 signature_md_1_0(u64 bytes)
{
	return round_down_u64(bytes - 8192, 4096);
}

/* 64 KiB or more before the end, in whole 64 KiB. */
static u64 signature_md_0_90(u64 bytes)
{
	return round_down_u64(bytes, 65536) - 65536;
}

static const struct signature signatures_end[] = {
	{ .what = "the copy of a GPT partition table", .at_end = signature_last_512, MAGIC("EFI PART") },
	{ .what = "the copy of a GPT partition table", .at_end = signature_last_4096, MAGIC("EFI PART") },
	{ .what = "an md RAID member", .at_end = signature_md_1_0, MAGIC(MD_MAGIC) },
	{ .what = "an md RAID member", .at_end = signature_md_0_90, MAGIC(MD_MAGIC) },
};

/* @at: of the disk, as is the signature's place; what is outside of @data is not there. */
static bool signature_is_there(const struct signature *s, u64 place, const u8 *data, size_t len,
			       u64 at)
{
	return place >= at && place - at <= len && len - (place - at) >= s->len &&
	       !memcmp(data + (place - at), s->magic, s->len);
}

const char *signature_at_begin(const void *data, size_t len)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(signatures_begin); i++)
		if (signature_is_there(&signatures_begin[i], signatures_begin[i].at, data, len, 0))
			return signatures_begin[i].what;
	return NULL;
}

const char *signature_at_end(const void *data, size_t len, u64 at, u64 bytes)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(signatures_end); i++)
		if (signature_is_there(&signatures_end[i], signatures_end[i].at_end(bytes), data, len, at))
			return signatures_end[i].what;
	return NULL;
}
