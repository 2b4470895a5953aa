// SPDX-License-Identifier: GPL-2.0
/* The record of a mirror's set: its bytes, and what is refused. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "targets/mirror/crc32c.h"
#include "targets/mirror/super.h"

#define GIB	(1ULL << 30)
#define AREA	(1ULL << 20)

static const struct super_place place0 = { .leg = "/dev/a", .copy = 0 };

/* Two legs in sync and a third that was full-rebuilt half-way; this is the first. */
static struct super example(void)
{
	struct super s = {
		.set = {
			.name = "home", .event = { 0x0102030405060708, 0x1112131415161718 },
			.created = 0x65000000, .size = 10 * GIB, .lbs_shift = 9, .chunk_shift = 20,
			.source = 1, .nr = 3,
			.legs = {
				{ .state = FORMAT_IN_SYNC, .held = { 7, 0x77 }, .sent = { 8, 0x88 } },
				{ .state = FORMAT_IN_SYNC, .write_mostly = true,
				  .held = { 7, 0x77 }, .sent = { 8, 0x88 } },
				{ .state = FORMAT_REBUILDING, .full = true, .rebuilt = 5 * GIB,
				  .held = { 6, 0x66 }, .sent = { 8, 0x88 } },
			},
		},
		.own = { .self = 0, .copy = 0, .seq = 42, .written = 0x65000001,
			 .data_offset = AREA, .bitmap_offset = FORMAT_BITMAP },
	};

	for (unsigned int i = 0; i < 16; i++) {
		s.set.uuid[i] = 0xa0 + i;
		for (unsigned int leg = 0; leg < 3; leg++)
			s.set.legs[leg].uuid[i] = 0x10 * (leg + 1) + i;
	}
	s.own.bitmap_bytes = super_bitmap_bytes(&s.set);
	return s;
}

/* The same, by hand from FORMAT.md. */
static const struct {
	unsigned int at;
	const char *hex;
} golden[] = {
	{ 0, "7265676275664d6972726f725365740a" },
	{ 16, "763fc26d" },
	{ 20, "0100" "0010" },
	{ 32, "a0a1a2a3a4a5a6a7a8a9aaabacadaeaf" "101112131415161718191a1b1c1d1e1f" },
	{ 64, "2a00000000000000" "0807060504030201" "1817161514131211" },
	{ 88, "0000008002000000" "0000100000000000" "0000000000000000" "0000020000000000" },
	{ 120, "00100000" "14" "09" "00" "03" },
	{ 128, "00000000" "00" "01" },
	{ 136, "0000006500000000" "0100006500000000" "686f6d6500" },
	{ 256, "101112131415161718191a1b1c1d1e1f" "01" "00" },
	{ 280, "0700000000000000" "7700000000000000" "0800000000000000" "8800000000000000" },
	{ 320, "202122232425262728292a2b2c2d2e2f" "01" "02" },
	{ 344, "0700000000000000" "7700000000000000" "0800000000000000" "8800000000000000" },
	{ 384, "303132333435363738393a3b3c3d3e3f" "04" "01" },
	{ 408, "0600000000000000" "6600000000000000" "0800000000000000" "8800000000000000"
	       "0000004001000000" },
};

static void golden_image(u8 *image)
{
	memset(image, 0, FORMAT_COPY_BYTES);
	for (unsigned int i = 0; i < ARRAY_SIZE(golden); i++)
		for (unsigned int j = 0; golden[i].hex[2 * j]; j++) {
			unsigned int byte;

			sscanf(golden[i].hex + 2 * j, "%2x", &byte);
			image[golden[i].at + j] = byte;
		}
}

Test(mirror_format, crc32c_is_the_one_of_iscsi)
{
	u32 crc = 0;
	u8 bytes[32];

	cr_assert_eq(crc32c(0, "123456789", 9), 0xe3069283);
	/* RFC 3720, B.4 */
	memset(bytes, 0, sizeof(bytes));
	cr_assert_eq(crc32c(0, bytes, 32), 0x8a9136aa);
	memset(bytes, 0xff, sizeof(bytes));
	cr_assert_eq(crc32c(0, bytes, 32), 0x62a8ab43);
	for (unsigned int i = 0; i < 32; i++)
		bytes[i] = i;
	cr_assert_eq(crc32c(0, bytes, 32), 0x46dd794e);
	cr_assert_eq(crc32c(crc32c(0, bytes, 11), bytes + 11, 21), 0x46dd794e);
	/* Single bytes go another way than words, where the processor has that. */
	for (unsigned int i = 0; i < 32; i++)
		crc = crc32c(crc, bytes + i, 1);
	cr_assert_eq(crc, 0x46dd794e);
}

Test(mirror_format, a_record_is_these_bytes)
{
	struct super s = example();
	u8 image[FORMAT_COPY_BYTES], buf[FORMAT_COPY_BYTES];

	golden_image(image);
	super_encode(&s.set, &s.own, buf);
	for (unsigned int i = 0; i < sizeof(buf); i++)
		cr_expect_eq(buf[i], image[i], "byte %u is %02x, not %02x", i, buf[i], image[i]);
}

Test(mirror_format, these_bytes_are_a_record)
{
	struct super s = example(), got;
	struct super_why why = { "" };
	u8 image[FORMAT_COPY_BYTES];

	golden_image(image);
	cr_assert_eq(super_decode(&got, image, &place0, &why), 0, "%s", why.text);
	cr_assert_eq(memcmp(got.set.uuid, s.set.uuid, 16), 0);
	cr_assert_str_eq(got.set.name, "home");
	cr_assert(super_event_same(got.set.event, s.set.event));
	cr_assert_eq(got.set.created, s.set.created);
	cr_assert_eq(got.set.size, s.set.size);
	cr_assert_eq(got.set.lbs_shift, 9);
	cr_assert_eq(got.set.chunk_shift, 20);
	cr_assert_eq(got.set.clean, false);
	cr_assert_eq(got.set.source, 1);
	cr_assert_eq(got.set.nr, 3);
	for (unsigned int i = 0; i < 3; i++) {
		const struct super_leg *l = &got.set.legs[i], *r = &s.set.legs[i];

		cr_assert_eq(memcmp(l->uuid, r->uuid, 16), 0);
		cr_assert(l->state == r->state && l->full == r->full && l->write_mostly == r->write_mostly);
		cr_assert(super_event_same(l->held, r->held) && super_event_same(l->sent, r->sent));
		cr_assert_eq(l->rebuilt, r->rebuilt);
	}
	cr_assert_eq(got.own.self, 0);
	cr_assert_eq(got.own.seq, 42);
	cr_assert_eq(got.own.written, s.own.written);
	cr_assert_eq(got.own.data_offset, AREA);
	cr_assert_eq(got.own.bitmap_offset, FORMAT_BITMAP);
	cr_assert_eq(got.own.bitmap_bytes, 4096);
}

/* Any flipped bit is noticed: as damage, as no record, or as a newer one's. */
Test(mirror_format, every_flipped_bit_is_noticed)
{
	u8 image[FORMAT_COPY_BYTES];
	struct super_why why;
	struct super got;

	golden_image(image);
	for (unsigned int bit = 0; bit < 8 * sizeof(image); bit += bit < 8 * 512 ? 1 : 37) {
		int ret;

		image[bit / 8] ^= 1U << bit % 8;
		ret = super_decode(&got, image, &place0, &why);
		cr_assert(ret == -EBADMSG || ret == -ENOENT || ret == -EPROTONOSUPPORT,
			  "bit %u: %d", bit, ret);
		image[bit / 8] ^= 1U << bit % 8;
	}
}

/* Any number of sectors of a write that got through, over what was there before. */
Test(mirror_format, a_torn_write_is_noticed)
{
	u8 old[FORMAT_COPY_BYTES], new[FORMAT_COPY_BYTES], torn[FORMAT_COPY_BYTES];
	struct super s = example();
	struct super_why why;
	struct super got;

	/* so many legs that the record takes more than one sector */
	for (; s.set.nr < FORMAT_LEGS; s.set.nr++)
		s.set.legs[s.set.nr] = (struct super_leg){ .uuid = { s.set.nr }, .state = FORMAT_SPARE };
	super_encode(&s.set, &s.own, old);
	s.own.seq += 2;
	s.set.legs[1].state = s.set.legs[9].state = s.set.legs[15].state = FORMAT_STALE;
	s.set.source = 0;
	super_encode(&s.set, &s.own, new);
	for (unsigned int mask = 0; mask < 256; mask++) {
		bool all_old, all_new;

		for (unsigned int i = 0; i < 8; i++)
			memcpy(torn + 512 * i, (mask >> i & 1 ? new : old) + 512 * i, 512);
		all_old = !memcmp(torn, old, sizeof(torn));
		all_new = !memcmp(torn, new, sizeof(torn));
		cr_assert_eq(super_decode(&got, torn, &place0, &why), all_old || all_new ? 0 : -EBADMSG,
			     "sectors %02x", mask);
	}
}

/* Fields, each with a value that is refused, under a checksum that is right. */
static const struct {
	const char *what;
	unsigned int at;
	const char *hex;
	int err;
	const char *says;
} refused[] = {
	{ "another magic", 0, "00", -ENOENT, "there is none" },
	{ "a newer version", 20, "0200", -EPROTONOSUPPORT, "version 2, this program knows 1" },
	{ "version 0", 20, "0000", -EINVAL, "version 0, right is 1" },
	{ "another length", 22, "0020", -EINVAL, "8192 bytes, right is 4096" },
	{ "an unknown feature", 24, "01", -EPROTONOSUPPORT, "features 0x1, this program knows 0" },
	{ "the last feature bit", 31, "80", -EPROTONOSUPPORT, "features 0x8000000000000000" },
	{ "no set", 32, "00000000000000000000000000000000", -EINVAL, "the set's UUID is 0" },
	{ "another leg", 48, "ff", -EINVAL, "slot 0 has another leg's UUID" },
	{ "no write of it", 64, "0000000000000000", -EINVAL, "number 0 of its writes" },
	{ "no event", 72, "0000000000000000", -EINVAL, "kept event 7, sent 8, right is at most the set's, 0|event 0" },
	{ "no size", 88, "0000000000000000", -EINVAL, "size 0, right is a multiple of 512" },
	{ "an odd size", 88, "01", -EINVAL, "right is a multiple of 512" },
	{ "a size that overflows", 95, "80", -EINVAL, "" },
	{ "data in the area", 96, "0000000000000000", -EINVAL, "which meets the area" },
	{ "data at an odd place", 96, "01", -EINVAL, "right is a multiple of 4096" },
	{ "data far away", 103, "ff", -EINVAL, "right is a multiple of 4096" },
	{ "another place", 104, "0010", -EINVAL, "its area is at byte 4096, found at 0" },
	{ "a bitmap over the copies", 112, "0010000000000000", -EINVAL, "right is inside the area" },
	{ "a bitmap behind the area", 112, "0000100000000000", -EINVAL, "right is inside the area" },
	{ "a small bitmap", 120, "00020000", -EINVAL, "bitmap of 512 bytes, right is 4096" },
	{ "a bitmap of all", 120, "ffffffff", -EINVAL, "right is inside the area" },
	{ "small chunks", 124, "0f", -EINVAL, "chunks of 2^15 bytes, right is 2^16 to 2^32" },
	{ "large chunks", 124, "21", -EINVAL, "chunks of 2^33 bytes" },
	{ "huge chunks", 124, "ff", -EINVAL, "chunks of 2^255 bytes" },
	{ "small blocks", 125, "08", -EINVAL, "blocks of 2^8 bytes, right is 2^9 to 2^12" },
	{ "large blocks", 125, "0d", -EINVAL, "blocks of 2^13 bytes" },
	{ "the other copy", 126, "01", -EINVAL, "it is copy 1, right is 0" },
	{ "no legs", 127, "00", -EINVAL, "0 slots, right is 1 to 16" },
	{ "too many legs", 127, "11", -EINVAL, "17 slots, right is 1 to 16" },
	{ "a leg that is not counted", 127, "02", -EINVAL, "slot 2 is used, and only 2 are counted" },
	{ "an unknown flag", 128, "02", -EINVAL, "flags 0x2, known are 0x1" },
	{ "itself an empty slot", 132, "03", -EINVAL, "the leg in slot 3, which has none" },
	{ "itself no slot", 132, "ff", -EINVAL, "the leg in slot 255, which has none" },
	{ "itself another leg", 132, "01", -EINVAL, "slot 1 has another leg's UUID" },
	{ "a source that is being rebuilt", 133, "02", -EINVAL, "read from slot 2, right is a leg in sync" },
	{ "a source that is no slot", 133, "03", -EINVAL, "read from slot 3" },
	{ "what has no meaning", 134, "01", -EINVAL, "bytes that have no meaning" },
	{ "what has no meaning, behind the name", 255, "01", -EINVAL, "bytes that have no meaning" },
	{ "what has no meaning, at the end", 4095, "01", -EINVAL, "bytes that have no meaning" },
	{ "no name", 152, "00", -EINVAL, "the name is empty" },
	{ "a name without end", 215, "61", -EINVAL, "does not end within 64 bytes" },
	{ "an unknown state", 272, "07", -EINVAL, "slot 0: state 7, right is 0 to 6" },
	{ "an unknown flag of a leg", 273, "04", -EINVAL, "slot 0: flags 0x4, known are 0x3" },
	{ "a rebuild of a leg in sync", 273, "01", -EINVAL, "slot 0: a leg in state 1 has no copying" },
	{ "what has no meaning, of a leg", 274, "01", -EINVAL, "slot 0: bytes that have no meaning" },
	{ "a leg in an empty slot", 272, "00", -EINVAL, "slot 0: bytes that have no meaning" },
	{ "a leg without UUID", 320, "00000000000000000000000000000000", -EINVAL, "slot 1: the leg's UUID is 0" },
	{ "two legs with one UUID", 320, "101112131415161718191a1b1c1d1e1f", -EINVAL, "slots 0 and 1 have one UUID" },
	{ "more kept than sent", 280, "0900000000000000", -EINVAL, "slot 0: kept event 9, sent 8" },
	{ "more sent than was", 296, "ffffffffffffffff", -EINVAL, "slot 0: kept event 7, sent" },
	{ "more copied than there is", 440, "00000000ff", -EINVAL, "slot 2: 1095216660480 bytes are copied" },
};

static void put_hex(u8 *image, unsigned int at, const char *hex)
{
	for (; *hex; hex += 2, at++) {
		unsigned int byte;

		sscanf(hex, "%2x", &byte);
		image[at] = byte;
	}
}

static void put_crc(u8 *image)
{
	u32 crc;

	memset(image + 16, 0, 4);
	crc = crc32c(0, image, FORMAT_COPY_BYTES);
	for (unsigned int i = 0; i < 4; i++)
		image[16 + i] = crc >> 8 * i;
}

static bool says(const char *text, const char *alternatives)
{
	char first[128];
	const char *bar = strchr(alternatives, '|');

	if (!bar)
		return strstr(text, alternatives);
	snprintf(first, sizeof(first), "%.*s", (int)(bar - alternatives), alternatives);
	return strstr(text, first) || strstr(text, bar + 1);
}

Test(mirror_format, every_wrong_field_is_named)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(refused); i++) {
		u8 image[FORMAT_COPY_BYTES];
		struct super_why why = { "" };
		struct super got;
		int ret;

		golden_image(image);
		put_hex(image, refused[i].at, refused[i].hex);
		put_crc(image);
		ret = super_decode(&got, image, &place0, &why);
		cr_expect_eq(ret, refused[i].err, "%s: %d, not %d", refused[i].what, ret, refused[i].err);
		cr_expect(says(why.text, refused[i].says), "%s: %s", refused[i].what, why.text);
		cr_expect(!strncmp(why.text, "leg /dev/a, copy 0 of the record: ", 34), "%s", why.text);
	}
}

/* No leg in sync, for which more than one field has to change. */
Test(mirror_format, a_set_without_a_leg_in_sync_is_refused)
{
	struct super s = example(), got;
	u8 image[FORMAT_COPY_BYTES];
	struct super_why why;

	s.set.legs[0].state = s.set.legs[1].state = FORMAT_STALE;
	s.set.source = FORMAT_NO_SOURCE;
	super_encode(&s.set, &s.own, image);
	cr_assert_eq(super_decode(&got, image, &place0, &why), -EINVAL);
	cr_assert(strstr(why.text, "no leg is in sync"), "%s", why.text);
}

/* A newer format may have its checksum elsewhere, or none. */
Test(mirror_format, a_newer_version_is_known_by_its_number_alone)
{
	u8 image[FORMAT_COPY_BYTES];
	struct super_why why;
	struct super got;

	golden_image(image);
	memset(image + 24, 0xee, sizeof(image) - 24);
	put_hex(image, 20, "0300");
	cr_assert_eq(super_decode(&got, image, &place0, &why), -EPROTONOSUPPORT);
}

Test(mirror_format, what_has_been_decoded_is_encoded_to_the_same_bytes)
{
	u8 image[FORMAT_COPY_BYTES], again[FORMAT_COPY_BYTES];
	struct super s = example(), got;
	struct super_why why;

	for (unsigned int lbs = FORMAT_LBS_MIN; lbs <= FORMAT_LBS_MAX; lbs++)
		for (unsigned int chunk = FORMAT_CHUNK_MIN; chunk <= FORMAT_CHUNK_MAX; chunk++)
			for (unsigned int at_end = 0; at_end < 2; at_end++) {
				struct super_place p = { "/dev/a", at_end ? 12 * GIB : 0, lbs & 1 };

				s.set.lbs_shift = lbs;
				s.set.chunk_shift = chunk;
				s.set.clean = chunk & 1;
				s.own.copy = p.copy;
				s.own.area_offset = p.area_offset;
				s.own.data_offset = at_end ? 0 : AREA;
				s.own.bitmap_offset = p.area_offset + FORMAT_BITMAP;
				s.own.bitmap_bytes = super_bitmap_bytes(&s.set);
				super_encode(&s.set, &s.own, image);
				cr_assert_eq(super_decode(&got, image, &p, &why), 0, "%s", why.text);
				super_encode(&got.set, &got.own, again);
				cr_assert_eq(memcmp(image, again, sizeof(image)), 0);
			}
}

/* Copies. */

struct copies {
	u8 bytes[2][FORMAT_COPY_BYTES];
};

static struct copies two_copies(u64 seq0, u64 seq1)
{
	struct super s = example();
	struct copies c;

	for (unsigned int i = 0; i < 2; i++) {
		s.own.copy = i;
		s.own.seq = i ? seq1 : seq0;
		super_encode(&s.set, &s.own, c.bytes[i]);
	}
	return c;
}

/* What is read: the seq of the chosen copy, or -errno. */
static s64 chosen(const struct copies *c, struct super_why *why)
{
	const void *bufs[] = { c->bytes[0], c->bytes[1] };
	struct super s;
	int ret = super_read(&s, bufs, "/dev/a", 0, why);

	return ret ? ret : (s64)s.own.seq;
}

Test(mirror_format, the_copy_that_was_written_last_counts)
{
	struct copies c = two_copies(41, 42);
	struct super_why why;

	cr_assert_eq(chosen(&c, &why), 42);
	c = two_copies(43, 42);
	cr_assert_eq(chosen(&c, &why), 43);
}

Test(mirror_format, a_damaged_copy_leaves_the_other_one)
{
	struct super_why why;

	for (unsigned int bad = 0; bad < 2; bad++) {
		struct copies c = two_copies(41, 42);

		c.bytes[bad][2000] ^= 1;
		cr_assert_eq(chosen(&c, &why), bad ? 41 : 42);
		/* and one that has not been written yet */
		memset(c.bytes[bad], 0, FORMAT_COPY_BYTES);
		cr_assert_eq(chosen(&c, &why), bad ? 41 : 42);
	}
}

Test(mirror_format, a_leg_without_copies_is_told_from_a_damaged_one)
{
	struct copies c = two_copies(41, 42);
	struct super_why why;

	c.bytes[0][2000] ^= 1;
	c.bytes[1][2000] ^= 1;
	cr_assert_eq(chosen(&c, &why), -EBADMSG);
	memset(c.bytes[0], 0, FORMAT_COPY_BYTES);
	cr_assert_eq(chosen(&c, &why), -EBADMSG);
	cr_assert(strstr(why.text, "checksum"), "%s", why.text);
	memset(c.bytes[1], 0, FORMAT_COPY_BYTES);
	cr_assert_eq(chosen(&c, &why), -ENOENT);
}

Test(mirror_format, one_copy_of_a_newer_version_is_enough_to_leave_it_alone)
{
	struct super_why why;

	for (unsigned int newer = 0; newer < 2; newer++) {
		struct copies c = two_copies(41, 42);

		put_hex(c.bytes[newer], 20, "0200");
		cr_assert_eq(chosen(&c, &why), -EPROTONOSUPPORT);
		cr_assert(strstr(why.text, "version 2"), "%s", why.text);
	}
}

Test(mirror_format, copies_that_cannot_be_of_one_leg_are_refused)
{
	struct copies c = two_copies(42, 42);
	struct super_why why;

	cr_assert_eq(chosen(&c, &why), -EUCLEAN);
	c = two_copies(41, 42);
	put_hex(c.bytes[1], 32, "ff");
	put_crc(c.bytes[1]);
	cr_assert_eq(chosen(&c, &why), -EUCLEAN);
}

Test(mirror_format, copies_are_written_in_turn)
{
	struct super_own own = { .copy = 1, .seq = 7 };

	super_next(&own, 5);
	cr_assert(own.copy == 0 && own.seq == 8 && own.written == 5);
	super_next(&own, 6);
	cr_assert(own.copy == 1 && own.seq == 9 && own.written == 6);
}

/* Sizes. */

Test(mirror_format, chunks_go_by_the_size_of_the_set)
{
	static const struct { u64 size; u8 shift; } cases[] = {
		{ 4096, 20 }, { 1 * GIB, 20 }, { 32 * GIB - 512, 20 }, { 32 * GIB, 21 },
		{ 1024 * GIB, 26 }, { 1ULL << 50, 32 }, { 1ULL << 60, 32 },
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++)
		cr_expect_eq(super_chunk_shift(cases[i].size), cases[i].shift, "%llu: %u",
			     (unsigned long long)cases[i].size, super_chunk_shift(cases[i].size));
}

Test(mirror_format, the_bitmap_covers_the_last_byte)
{
	struct super_set s = { .chunk_shift = 20 };

	s.size = 1ULL << 20;
	cr_assert_eq(super_chunks(&s), 1);
	s.size += 512;
	cr_assert_eq(super_chunks(&s), 2);
	s.size = 8ULL * FORMAT_SECTOR_BITS << 20;
	cr_assert_eq(super_bitmap_bytes(&s), 4096);
	s.size += 512;
	cr_assert_eq(super_bitmap_bytes(&s), 8192);
}

Test(mirror_format, the_area_is_at_the_begin_or_at_the_end)
{
	u64 area;

	cr_assert_eq(super_area(GIB, false, &area), 0);
	cr_assert_eq(area, 0);
	cr_assert_eq(super_area(GIB + 512, true, &area), 0);
	cr_assert_eq(area, GIB - AREA);
	cr_assert_eq(super_area(2 * AREA - 1, false, &area), -ENOSPC);
}

/* Sectors of the bitmap. */

Test(mirror_format, a_sector_of_the_bitmap_is_known_by_its_place_and_its_set)
{
	u8 set[16] = { 1 }, other[16] = { 2 }, bits[504] = { 0x81, [503] = 0x10 }, got[504] = { 0 };
	u8 sector[512];

	super_bits_encode(set, 0x0304, bits, sector);
	cr_assert_eq(memcmp(sector + 4, "\x04\x03\0\0\x81", 5), 0);
	cr_assert_eq(super_bits_decode(set, 0x0304, sector, got), 0);
	cr_assert_eq(memcmp(bits, got, sizeof(bits)), 0);
	cr_assert_eq(super_bits_decode(set, 0x0305, sector, got), -EBADMSG);
	cr_assert_eq(super_bits_decode(other, 0x0304, sector, got), -EBADMSG);
	for (unsigned int bit = 0; bit < 8 * sizeof(sector); bit++) {
		sector[bit / 8] ^= 1U << bit % 8;
		cr_assert_eq(super_bits_decode(set, 0x0304, sector, got), -EBADMSG, "bit %u", bit);
		sector[bit / 8] ^= 1U << bit % 8;
	}
	/* A leg that never had one. */
	memset(sector, 0, sizeof(sector));
	cr_assert_eq(super_bits_decode(set, 0, sector, got), -EBADMSG);
}
