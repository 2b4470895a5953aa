// SPDX-License-Identifier: GPL-2.0
/* Records on legs that are files: fresh ones are written, and what a leg says is read. */
#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "targets/mirror/bitmap.h"
#include "targets/mirror/fresh.h"
#include "targets/mirror/leginfo.h"

#define MIB	(1ULL << 20)
#define AREA	FORMAT_AREA_BYTES

/* Two legs, of 16 MiB and of 20 MiB and a bit. */
static struct leg legs[2];
static char paths[2][64];
static const u64 sizes[2] = { 16 * MIB, 20 * MIB + 512 };
static struct leginfo info;

/* In place of libc's: so many are done, and the next one fails. */
static unsigned int syncs = UINT32_MAX;

int fsync(int fd)
{
	if (syncs--)
		return syscall(SYS_fsync, fd);
	errno = EIO;
	return -1;
}

static void make_legs(void)
{
	cr_redirect_stderr();
	for (unsigned int i = 0; i < 2; i++) {
		int fd = memfd_create("leg", MFD_CLOEXEC);

		cr_assert_geq(fd, 0);
		cr_assert_eq(ftruncate(fd, sizes[i]), 0);
		snprintf(paths[i], sizeof(paths[i]), "/proc/self/fd/%d", fd);
		legs[i] = (struct leg){ .path = paths[i], .fd = fd, .lim = { .size = sizes[i] } };
	}
}

static struct super_set example(const char *name, u8 uuid, u64 size)
{
	struct super_set s = {
		.uuid = { uuid }, .event = { 1, 0x1234 }, .created = 1000, .size = size, .lbs_shift = 9,
		.chunk_shift = 16, .source = 0, .nr = 2,
	};

	snprintf(s.name, sizeof(s.name), "%s", name);
	for (unsigned int i = 0; i < s.nr; i++)
		s.legs[i] = (struct super_leg){ .uuid = { uuid, i }, .state = FORMAT_IN_SYNC,
						.held = s.event, .sent = s.event };
	return s;
}

static void fill(int fd, int byte, u64 from, u64 to)
{
	static u8 block[4096];

	memset(block, byte, sizeof(block));
	for (u64 at = from; at < to; at += sizeof(block))
		cr_assert_eq(pwrite(fd, block, min_u64(sizeof(block), to - at), at), (ssize_t)min_u64(sizeof(block), to - at));
}

static void expect_filled(int fd, u8 byte, u64 from, u64 to)
{
	static u8 block[4096];

	for (u64 at = from; at < to; at += sizeof(block)) {
		u64 len = min_u64(sizeof(block), to - at);

		cr_assert_eq(pread(fd, block, len, at), (ssize_t)len);
		for (u64 i = 0; i < len; i++)
			cr_assert_eq(block[i], byte, "byte %llu is %#x", (unsigned long long)(at + i), block[i]);
	}
}

static void read_leg(unsigned int leg, int err)
{
	leginfo_read(&info, paths[leg]);
	cr_assert_eq(info.err, err, "leg %u: %d: %s", leg, info.err, info.why.text);
}

static void write_set(const struct super_set *s, bool at_end, bool differ)
{
	cr_assert_eq(fresh_write(s, legs, at_end, differ), 0);
}

static void expect_error(const char *want)
{
	char text[2048] = "";

	fflush(stderr);
	text[fread(text, 1, sizeof(text) - 1, cr_get_redirected_stderr())] = '\0';
	cr_assert(strstr(text, want), "stderr is '%s', without '%s'", text, want);
}

TestSuite(mirror_leginfo, .init = make_legs);

Test(mirror_leginfo, fresh_records_are_read_as_they_were_written)
{
	for (unsigned int at_end = 0; at_end < 2; at_end++) {
		struct super_set s = example("home", 1, fresh_room(sizes[0], at_end));

		write_set(&s, at_end, true);
		for (unsigned int i = 0; i < 2; i++) {
			read_leg(i, 0);
			cr_assert_eq(info.super.own.self, i);
			cr_assert_eq(info.super.own.seq, 2);
			cr_assert_eq(info.super.own.data_offset, at_end ? 0 : AREA);
			cr_assert_eq(info.super.set.size, s.size);
			cr_assert_eq(info.bytes, sizes[i]);
			cr_assert(!info.copies[0].err && !info.copies[1].err, "one copy only");
		}
	}
}

Test(mirror_leginfo, data_of_a_raw_leg_stays)
{
	struct super_set s = example("home", 1, 15 * MIB);

	for (unsigned int i = 0; i < 2; i++)
		fill(legs[i].fd, 0xa5, 0, sizes[i]);
	write_set(&s, true, true);
	expect_filled(legs[0].fd, 0xa5, 0, 15 * MIB);
	expect_filled(legs[1].fd, 0xa5, 0, 19 * MIB);
}

Test(mirror_leginfo, nothing_older_stays_at_the_begin_and_at_the_end)
{
	struct super_set s = example("home", 1, fresh_room(sizes[0], false));

	for (unsigned int i = 0; i < 2; i++)
		fill(legs[i].fd, 0xa5, 0, sizes[i]);
	write_set(&s, false, false);
	expect_filled(legs[0].fd, 0, 0, FORMAT_COPY0);
	expect_filled(legs[0].fd, 0, FORMAT_COPY0 + FORMAT_COPY_BYTES, FORMAT_COPY1);
	expect_filled(legs[0].fd, 0xa5, AREA, 15 * MIB);
	expect_filled(legs[0].fd, 0, 15 * MIB, 16 * MIB);
	expect_filled(legs[1].fd, 0xa5, AREA, 19 * MIB);
	expect_filled(legs[1].fd, 0, 19 * MIB, 20 * MIB);
}

/* As the server reads it, see bitmap_load(). */
static u32 bits_loaded(const struct super_set *s)
{
	struct bitmap b;
	u8 sector[SECTOR_SIZE];
	const void *sectors[] = { sector };
	u32 nr;

	cr_assert_eq(bitmap_init(&b, s->uuid, s->size, s->chunk_shift, s->lbs_shift), 0);
	for (u32 i = 0; i < b.nr_blocks; i++) {
		cr_assert_eq(pread(legs[1].fd, sector, sizeof(sector), FORMAT_BITMAP + i * SECTOR_SIZE), (ssize_t)sizeof(sector));
		cr_assert_eq(bitmap_load(&b, i, sectors, 1), 1, "sector %u is damaged", i);
	}
	bitmap_loaded(&b, true, false);
	nr = bitmap_count_differ(&b);
	bitmap_deinit(&b);
	return nr;
}

Test(mirror_leginfo, legs_that_may_differ_do_so_everywhere)
{
	struct super_set s = example("home", 1, fresh_room(sizes[0], false) - 512);
	struct leginfo_bits bits;

	write_set(&s, false, true);
	cr_assert_eq(bits_loaded(&s), 14 * 16);
	read_leg(1, 0);
	cr_assert_eq(leginfo_read_bits(&info, &bits), 0);
	cr_assert_eq(bits.chunks, 14 * 16);
	cr_assert_eq(bits.set, bits.chunks);
	cr_assert_eq(bits.damaged, 0);

	write_set(&s, false, false);
	cr_assert_eq(bits_loaded(&s), 0);
	read_leg(1, 0);
	cr_assert_eq(leginfo_read_bits(&info, &bits), 0);
	cr_assert_eq(bits.set, 0);
	fill(legs[1].fd, 0x11, FORMAT_BITMAP, FORMAT_BITMAP + 512);
	cr_assert_eq(leginfo_read_bits(&info, &bits), 0);
	cr_assert_eq(bits.set, bits.chunks);
	cr_assert_eq(bits.damaged, 1);
}

static struct assembly assembled(void)
{
	struct leginfo l[2];
	struct candidate c[2];
	struct assembly a;

	for (unsigned int i = 0; i < 2; i++) {
		leginfo_read(&l[i], paths[i]);
		c[i] = leginfo_candidate(&l[i]);
	}
	assemble(c, 2, false, &a);
	return a;
}

Test(mirror_leginfo, a_fresh_set_is_resynchronised_from_its_first_leg)
{
	struct super_set s = example("home", 1, MIB);
	struct assembly a;

	write_set(&s, false, true);
	a = assembled();
	cr_assert_eq(a.verdict, ASSEMBLE_RESYNC, "%s", a.text);
	cr_assert_eq(a.serve, 3);
	cr_assert_eq(a.source, 0);

	s.clean = true;
	s.source = FORMAT_NO_SOURCE;
	write_set(&s, false, false);
	a = assembled();
	cr_assert_eq(a.verdict, ASSEMBLE_SERVE, "%s", a.text);
}

Test(mirror_leginfo, a_failure_at_any_moment_leaves_no_record)
{
	struct super_set s = example("home", 1, MIB);
	unsigned int nr = 0;

	for (;; nr++) {
		int ret;

		syncs = nr;
		ret = fresh_write(&s, legs, false, true);
		if (!ret)
			break;
		cr_assert_eq(ret, -EIO);
		syncs = UINT32_MAX;
		read_leg(0, -ENOENT);
		read_leg(1, -ENOENT);
	}
	cr_assert_eq(nr, 8, "%u steps are durable, each before the next", nr);
	expect_error("no set is made");
}

Test(mirror_leginfo, a_leg_that_cannot_be_erased_is_named)
{
	struct super_set s = example("home", 1, MIB);
	int good = legs[1].fd;

	write_set(&s, false, true);
	legs[1].fd = open(paths[1], O_RDONLY);
	cr_assert_eq(fresh_write(&s, legs, false, true), -EBADF);
	expect_error("its new record cannot be erased: Bad file descriptor; do not serve it");
	read_leg(0, -ENOENT);
	close(legs[1].fd);
	legs[1].fd = good;
	read_leg(1, 0);
}

Test(mirror_leginfo, one_copy_is_enough)
{
	struct super_set s = example("home", 1, MIB);

	write_set(&s, false, true);
	fill(legs[0].fd, 0x11, FORMAT_COPY1 + 2048, FORMAT_COPY1 + 2049);
	read_leg(0, 0);
	cr_assert_eq(info.super.own.copy, 0);
	cr_assert_eq(info.copies[1].err, -EBADMSG);
	fill(legs[0].fd, 0x11, FORMAT_COPY0 + 2048, FORMAT_COPY0 + 2049);
	read_leg(0, -EBADMSG);
	cr_assert(info.claims && !memcmp(info.claimed_uuid, s.uuid, 16), "it does not say whose it was");
}

Test(mirror_leginfo, a_leg_that_became_short_still_says_what_it_was)
{
	struct super_set s = example("home", 1, 10 * MIB);

	write_set(&s, false, true);
	cr_assert_eq(ftruncate(legs[0].fd, MIB / 2), 0);
	read_leg(0, 0);
	cr_assert_eq(info.bytes, MIB / 2);
	cr_assert_eq(ftruncate(legs[0].fd, 0), 0);
	read_leg(0, -ENOENT);
}

/* What a client of a set with its area at the end writes to its first bytes. */
Test(mirror_leginfo, a_record_in_the_data_does_not_count)
{
	struct super_set inner = example("inner", 1, MIB), outer = example("outer", 2, 15 * MIB);

	write_set(&inner, false, true);
	write_set(&outer, true, true);
	read_leg(0, 0);
	cr_assert_str_eq(info.super.set.name, "outer");
	fill(legs[0].fd, 0, 15 * MIB, 16 * MIB);
	read_leg(0, 0);
	cr_assert_str_eq(info.super.set.name, "inner");
}

/* A set that uses all of its legs: its client may have written the record at the end. */
Test(mirror_leginfo, two_records_each_in_the_others_data_are_refused)
{
	struct super_set inner = example("inner", 1, 15 * MIB), outer = example("outer", 2, 15 * MIB);

	write_set(&inner, false, true);
	write_set(&outer, true, true);
	read_leg(0, -EUCLEAN);
	cr_assert(strstr(info.why.text, "inner") && strstr(info.why.text, "outer"), "%s", info.why.text);
	/* If it is damaged, it is data. */
	fill(legs[0].fd, 0x11, 15 * MIB, 16 * MIB - 4096);
	read_leg(0, 0);
	cr_assert_str_eq(info.super.set.name, "inner");
}

Test(mirror_leginfo, a_client_cannot_reach_the_record_at_the_end)
{
	for (u64 bytes = 0; bytes < 4 * MIB; bytes += 512) {
		u64 room = fresh_room(bytes, false), end;

		if (room) {
			cr_assert_eq(super_area(bytes, true, &end), 0);
			cr_assert_leq(AREA + room, end, "a leg of %llu", (unsigned long long)bytes);
		}
	}
}

Test(mirror_leginfo, the_record_of_a_partition_is_not_its_disks)
{
	struct super_set s = example("home", 1, MIB);
	static u8 area[AREA];
	u64 end;

	/* The disk: as much before it as fits the rounding. */
	write_set(&s, true, true);
	cr_assert_eq(pread(legs[0].fd, area, AREA, 15 * MIB), (ssize_t)AREA);
	cr_assert_eq(super_area(sizes[1], true, &end), 0);
	cr_assert_eq(pwrite(legs[1].fd, area, AREA, end), (ssize_t)AREA);
	read_leg(1, -EINVAL);
	cr_assert(info.elsewhere, "%s", info.why.text);
}

Test(mirror_leginfo, what_cannot_be_opened_or_is_no_leg_is_told)
{
	leginfo_read(&info, "/nowhere/at/all");
	cr_assert_eq(info.err, -EIO);
	cr_assert_str_eq(info.why.text, "leg /nowhere/at/all: No such file or directory");
	leginfo_read(&info, "/");
	cr_assert_eq(info.err, -EIO);
	cr_assert_str_eq(info.why.text, "leg /: neither a file nor a block device");
}
