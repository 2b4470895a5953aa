// SPDX-License-Identifier: GPL-2.0
/* Opening legs that are files: what is refused, and that nothing stays open. */
#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "identity.h"
#include "leg.h"

#define MIB	(1ULL << 20)

static char dir[] = "/tmp/legs.XXXXXX";
static char a[64], b[64], c[64];
static struct leg legs[MAX_LEGS];
static struct limits lim;

static void make_file(char *path, const char *name, u64 size)
{
	int fd;

	snprintf(path, 64, "%s/%s", dir, name);
	fd = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	cr_assert_geq(fd, 0);
	cr_assert_eq(ftruncate(fd, size), 0);
	close(fd);
}

static void setup(void)
{
	cr_redirect_stderr();
	cr_assert_not_null(mkdtemp(dir));
	make_file(a, "a", 4 * MIB);
	make_file(b, "b", 4 * MIB);
	make_file(c, "c", 8 * MIB);
}

static void teardown(void)
{
	unlink(a);
	unlink(b);
	unlink(c);
	rmdir(dir);
}

TestSuite(legs, .init = setup, .fini = teardown, .timeout = 30);

static int open_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	int nr = 0;

	while (readdir(d))
		nr++;
	closedir(d);
	return nr;
}

static void expect_error(const char *want)
{
	char text[512] = "";

	fflush(stderr);
	text[fread(text, 1, sizeof(text) - 1, cr_get_redirected_stderr())] = '\0';
	cr_assert(strstr(text, want), "stderr is '%s', without '%s'", text, want);
	cr_assert_eq(strchr(text, '\n'), text + strlen(text) - 1, "more than one message: '%s'", text);
}

static void expect_refused(const struct strlist *paths, u64 size, int err, const char *message)
{
	int before = open_fds();

	cr_assert_eq(legs_open(legs, paths, size, 0, 0, &lim), err);
	cr_assert_eq(open_fds(), before, "a descriptor stays open");
	expect_error(message);
}

Test(legs, equal_legs_are_opened)
{
	struct strlist paths = { 2, { a, b } };

	cr_assert_eq(legs_open(legs, &paths, 0, 0, 0, &lim), 0);
	cr_assert_eq(lim.size, 4 * MIB);
	cr_assert_geq(lim.lbs, 512);
	cr_assert(lim.volatile_cache);
	legs_close(legs, 2);
}

/* Reads @path's first block by @fd; is that noted? */
static bool notes_a_read(const char *path, int fd)
{
	char *buf = NULL;
	struct stat st;

	cr_assert_eq(posix_memalign((void **)&buf, 4096, 4096), 0);
	cr_assert_eq(pread(fd, buf, 4096, 0), 4096);
	cr_assert_eq(stat(path, &st), 0);
	free(buf);
	return st.st_atim.tv_sec != 1000;
}

/* An access time that is older than the data is noted, unless the mount says noatime. */
Test(legs, a_servers_read_is_no_access)
{
	const struct timespec old[] = { { .tv_sec = 1000 }, { .tv_nsec = UTIME_NOW } };
	struct strlist paths = { 1, { a } };
	int fd = open(a, O_RDONLY | O_CLOEXEC);

	cr_assert_eq(utimensat(AT_FDCWD, a, old, 0), 0);
	cr_assert_eq(legs_open(legs, &paths, 0, 0, 0, &lim), 0);
	cr_assert_not(notes_a_read(a, legs[0].fd));
	need(notes_a_read(a, fd), "/tmp notes no access (noatime)");
	leg_close(&legs[0]);
	close(fd);
}

Test(legs, a_missing_leg_is_named)
{
	struct strlist paths = { 2, { a, "/nonexistent/leg" } };

	expect_refused(&paths, 0, -ENOENT, "leg /nonexistent/leg: No such file");
}

Test(legs, the_same_name_twice_is_refused)
{
	struct strlist paths = { 2, { a, a } };

	expect_refused(&paths, 0, -EINVAL, "used twice");
}

Test(legs, the_same_file_under_two_names_is_refused)
{
	struct strlist paths = { 2, { a, c } };

	unlink(c);
	cr_assert_eq(link(a, c), 0);
	expect_refused(&paths, 0, -EINVAL, "used twice");
}

/* of two legs, for a mirror */
static u32 identity(const char *first, const char *second)
{
	struct strlist paths = { 2, { first, second } };
	u32 id;

	cr_assert_eq(legs_open(legs, &paths, MIB, 0, 0, &lim), 0);
	id = identity_of_legs("mirror", legs, 2);
	legs_close(legs, 2);
	return id;
}

Test(legs, are_the_same_by_what_they_are)
{
	u32 id = identity(a, b);
	char dotted[80];

	snprintf(dotted, sizeof(dotted), "%s/./a", dir);
	cr_assert_eq(identity(b, a), id);
	cr_assert_eq(identity(dotted, b), id);
	cr_assert_neq(identity(a, c), id);
	cr_assert_neq(identity_of_legs("loop", legs, 0), identity_of_legs("mirror", legs, 0));
}

Test(legs, are_told_with_their_whole_path)
{
	struct strlist paths = { 2, { "a", b } };
	char want[80];

	snprintf(want, sizeof(want), "%s/a", dir);
	cr_assert_eq(chdir(dir), 0);
	cr_assert_eq(legs_open(legs, &paths, 0, 0, 0, &lim), 0);
	cr_assert_str_eq(legs[0].absolute, want);
	cr_assert_str_eq(legs[1].absolute, b);
	legs_close(legs, 2);
}

Test(legs, different_sizes_are_refused)
{
	struct strlist paths = { 2, { a, c } };

	expect_refused(&paths, 0, -EINVAL, "legs differ in size");
}

Test(legs, different_sizes_with_a_common_part)
{
	struct strlist paths = { 2, { a, c } };

	cr_assert_eq(legs_open(legs, &paths, 2 * MIB, 0, 0, &lim), 0);
	cr_assert_eq(lim.size, 2 * MIB);
	legs_close(legs, 2);
}

Test(legs, smaller_than_asked_for)
{
	struct strlist paths = { 2, { c, a } };

	expect_refused(&paths, 8 * MIB, -ENOSPC, "too small");
}

Test(legs, an_empty_file_is_too_small)
{
	struct strlist paths = { 1, { a } };

	cr_assert_eq(truncate(a, 0), 0);
	expect_refused(&paths, 0, -ENOSPC, "too small");
}

Test(legs, a_directory_is_no_leg)
{
	struct strlist paths = { 1, { dir } };

	expect_refused(&paths, 0, -EINVAL, "neither a file nor a block device");
}

Test(legs, a_file_that_is_served_already_is_refused)
{
	struct strlist paths = { 1, { a } };
	struct patience none;
	struct leg first;

	patience_init(&none, 0);
	cr_assert_eq(leg_open(&first, a, 0, &none), 0);
	expect_refused(&paths, 0, -EBUSY, "in use");
	leg_close(&first);
}

/* A file of @size bytes in memory, where no file system tells what direct I/O takes. */
static const char *memory_file(u64 size, unsigned int flags, int *fd)
{
	static char path[64];

	*fd = memfd_create("leg", flags);
	cr_assert_geq(*fd, 0);
	cr_assert_eq(ftruncate(*fd, size), 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", *fd);
	return path;
}

Test(legs, what_a_file_takes_is_tried)
{
	int fd;
	struct strlist paths = { 1, { memory_file(MIB, MFD_CLOEXEC, &fd) } };

	cr_assert_eq(legs_open(legs, &paths, 0, 0, 0, &lim), 0);
	cr_assert_eq(lim.lbs, 512);
	legs_close(legs, 1);
}

Test(legs, trying_changes_nothing)
{
	static char before[16384], after[16384];
	struct strlist paths = { 1, { a } };
	int fd = open(a, O_RDWR | O_CLOEXEC);

	memset(before, 0x5a, sizeof(before));
	cr_assert_eq(write(fd, before, sizeof(before)), sizeof(before));
	cr_assert_eq(legs_open(legs, &paths, 0, 512, 0, &lim), 0);
	legs_close(legs, 1);
	cr_assert_eq(pread(fd, after, sizeof(after), 0), sizeof(after));
	cr_assert_eq(memcmp(before, after, sizeof(after)), 0);
	cr_assert_eq(lseek(fd, 0, SEEK_END), 4 * MIB);
	close(fd);
}

Test(legs, blocks_are_as_large_as_the_user_wants)
{
	struct strlist paths = { 1, { a } };

	for (u32 block = 512; block <= 4096; block *= 2) {
		cr_assert_eq(legs_open(legs, &paths, 0, block, 0, &lim), 0);
		cr_assert_eq(lim.lbs, block, "%u, not %u", lim.lbs, block);
		cr_assert_geq(lim.pbs, block);
		legs_close(legs, 1);
	}
}

Test(legs, blocks_are_a_power_of_two)
{
	cr_assert_eq(legs_check_block(0), 0);
	cr_assert_eq(legs_check_block(2048), 0);
	cr_assert_eq(legs_check_block(1536), -EINVAL);
	expect_error("--block 1536: right is 512, 1024, 2048 or 4096");
}

/* Opens @path, and the device has so many bytes less than asked for. */
static void expect_tail(const char *path, u64 size, u32 block, u64 left)
{
	struct strlist paths = { 1, { path } };
	char want[64];

	snprintf(want, sizeof(want), "the last %llu bytes are left out", (unsigned long long)left);
	if (!size)
		snprintf(want, sizeof(want), "its last %llu of", (unsigned long long)left);
	cr_assert_eq(legs_open(legs, &paths, size, block, 0, &lim), 0);
	legs_close(legs, 1);
	expect_error(want);
}

Test(legs, a_tail_that_is_left_out_is_told)
{
	cr_assert_eq(truncate(a, 1000001), 0);
	expect_tail(a, 0, 512, 65);
}

Test(legs, a_tail_of_a_larger_block_is_told)
{
	cr_assert_eq(truncate(a, 1000001), 0);
	expect_tail(a, 0, 4096, 577);
}

Test(legs, a_size_that_is_no_whole_blocks_is_told)
{
	expect_tail(a, 5 * 512, 4096 / 2, 512);
}

Test(legs, without_a_tail_nothing_is_told)
{
	struct strlist paths = { 2, { a, b } };

	cr_assert_eq(legs_open(legs, &paths, 0, 512, 0, &lim), 0);
	legs_close(legs, 2);
	fflush(stderr);
	cr_assert_eq(fgetc(cr_get_redirected_stderr()), EOF, "something was told");
}

Test(legs, a_sealed_file_is_refused)
{
	int fd;
	struct strlist paths = { 1, { memory_file(MIB, MFD_CLOEXEC | MFD_ALLOW_SEALING, &fd) } };

	cr_assert_eq(fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE), 0);
	expect_refused(&paths, 0, -EPERM, "sealed");
}

Test(legs, some_are_named_by_any_path_of_theirs)
{
	struct strlist paths = { 3, { a, b, c } }, none = { 0 }, some = { 2, { c, a } }, other = { 2, { a, "/dev/null" } };
	char link[80];
	u32 mask = ~0U;

	cr_assert_eq(legs_named("x", &paths, &none, &mask), 0);
	cr_assert_eq(mask, 0);
	cr_assert_eq(legs_named("x", &paths, &some, &mask), 0);
	cr_assert_eq(mask, 5);
	cr_assert_eq(legs_named("x", &paths, &other, &mask), -EINVAL);
	snprintf(link, sizeof(link), "%s/link", dir);
	cr_assert_eq(symlink(b, link), 0);
	some = (struct strlist){ 1, { link } };
	cr_assert_eq(legs_named("x", &paths, &some, &mask), 0);
	cr_assert_eq(mask, 2);
	unlink(link);
}
