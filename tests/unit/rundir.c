// SPDX-License-Identifier: GPL-2.0
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rundir.h"

static char dir[] = "/tmp/rundir.XXXXXX", path[64], why[256];

static void setup(void)
{
	cr_assert_not_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/regbuf", dir);
}

static void teardown(void)
{
	unlink(path);
	rmdir(path);
	rmdir(dir);
}

TestSuite(rundir, .init = setup, .fini = teardown, .timeout = 30);

static void path_is(uid_t uid, const char *runtime, const char *want)
{
	char got[RUNDIR_MAX];

	cr_assert_eq(rundir_path(uid, runtime, got), 0);
	cr_assert_str_eq(got, want);
}

Test(rundir, is_roots_or_the_users_own)
{
	path_is(0, NULL, "/run/regbuf");
	path_is(0, "/run/user/0", "/run/regbuf");
	path_is(1000, "/run/user/1000", "/run/user/1000/regbuf");
	path_is(1000, NULL, "/tmp/regbuf-1000");
	path_is(1000, "", "/tmp/regbuf-1000");
	path_is(1000, "here", "/tmp/regbuf-1000");
}

Test(rundir, has_room_for_a_socket)
{
	char runtime[2 * RUNDIR_MAX] = "/", got[RUNDIR_MAX];

	memset(runtime + 1, 'x', RUNDIR_MAX - sizeof("/regbuf") - 1);
	cr_assert_eq(rundir_path(1000, runtime, got), 0);
	strcat(runtime, "x");
	cr_assert_eq(rundir_path(1000, runtime, got), -ENAMETOOLONG);
}

/* opened_is(0) or what it is refused with, which @text is in */
static void opened_is(int want, const char *text)
{
	int fd = rundir_open(path, why, sizeof(why));

	cr_assert_eq(fd < 0 ? fd : 0, want, "%d: %s", fd, why);
	if (fd >= 0)
		close(fd);
	else
		cr_assert(strstr(why, text), "it says: %s", why);
}

Test(rundir, is_made_for_its_user_alone)
{
	struct stat st;
	int fd = rundir_make(path, why, sizeof(why));

	cr_assert_geq(fd, 0, "%s", why);
	close(fd);
	cr_assert_eq(stat(path, &st), 0);
	cr_assert_eq(st.st_mode & 07777, 0700);
	fd = rundir_make(path, why, sizeof(why));
	cr_assert_geq(fd, 0, "once more: %s", why);
	close(fd);
}

Test(rundir, that_is_not_there_is_told)
{
	opened_is(-ENOENT, path);
}

Test(rundir, that_others_may_write_to_is_refused)
{
	cr_assert_eq(mkdir(path, 0700), 0);
	opened_is(0, NULL);
	chmod(path, 0777);
	opened_is(-EPERM, "has mode 0777");
	chmod(path, 0770);
	opened_is(-EPERM, "has mode 0770");
}

Test(rundir, of_another_user_is_refused)
{
	if (geteuid())
		cr_skip_test("needs root, to make another user's directory");
	cr_assert_eq(mkdir(path, 0700), 0);
	cr_assert_eq(chown(path, 65534, 65534), 0);
	opened_is(-EPERM, "belongs to user 65534");
}

Test(rundir, that_is_a_link_is_refused)
{
	cr_assert_eq(symlink("/", path), 0);
	opened_is(-ENOTDIR, path);
}
