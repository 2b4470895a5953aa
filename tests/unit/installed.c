// SPDX-License-Identifier: GPL-2.0
/* Which kernel of ours is in /boot. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "installed.h"

static char boot[] = "/tmp/unit-installed-XXXXXX";

static void setup(void)
{
	cr_assert(mkdtemp(boot));
}

static void teardown(void)
{
	char command[64];

	snprintf(command, sizeof(command), "rm -r %s", boot);
	cr_assert_eq(system(command), 0);
}

TestSuite(installed, .init = setup, .fini = teardown);

static void has(const char *file)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", boot, file);
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	cr_assert(fd >= 0, "%s", path);
	close(fd);
}

Test(installed, is_nothing_where_only_others_are)
{
	char release[64];

	cr_expect(!installed_kernel("/nonexistent", release, sizeof(release)));
	has("vmlinuz-6.12.118+deb13-amd64");
	has("vmlinuz-6.12.117-regbuf.old");
	has("config-6.12.117-regbuf");
	has("vmlinuz-regbuf");
	cr_expect(!installed_kernel(boot, release, sizeof(release)), "%s", release);
}

Test(installed, is_the_newest_by_its_version)
{
	char release[64];

	has("vmlinuz-6.12.99-regbuf");
	has("vmlinuz-6.12.117-regbuf");
	has("vmlinuz-6.12.117-rc1-regbuf");
	has("vmlinuz-6.12.9-regbuf");
	has("vmlinuz-6.13.1+deb13-amd64");
	cr_assert(installed_kernel(boot, release, sizeof(release)));
	cr_expect_str_eq(release, "6.12.117-regbuf");
}
