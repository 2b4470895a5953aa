// SPDX-License-Identifier: GPL-2.0
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ids.h"

static char dir[64];

static void setup(void)
{
	strcpy(dir, "/tmp/ids-XXXXXX");
	cr_assert(mkdtemp(dir));
}

static void teardown(void)
{
	char line[128];

	snprintf(line, sizeof(line), "rm -r %s", dir);
	cr_assert_eq(system(line), 0);
}

TestSuite(ids, .init = setup, .fini = teardown, .timeout = 60);

static void name(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	cr_assert_eq(mkdir(path, 0755), 0);
}

Test(ids, there_is_no_end_at_4096)
{
	char text[32];
	u32 *ids;

	for (unsigned int i = 0; i < 5000; i++) {
		snprintf(text, sizeof(text), "ublkc%u", i * 3);
		name(text);
	}
	cr_assert_eq(ids_list(dir, "ublkc", "", &ids), 5000);
	for (unsigned int i = 0; i < 5000; i++)
		cr_assert_eq(ids[i], i * 3);
	free(ids);
}

Test(ids, only_numbers_count)
{
	u32 *ids;

	name("ublkc");
	name("ublkc7x");
	name("ublkc-1");
	name("ublkc99999999999999999999");
	name("ublkb3");
	name("ublkc12");
	cr_assert_eq(ids_list(dir, "ublkc", "", &ids), 1);
	cr_assert_eq(ids[0], 12);
	free(ids);
}

Test(ids, nothing_is_no_error)
{
	u32 *ids;

	cr_assert_eq(ids_list(dir, "ublkc", "", &ids), 0);
	free(ids);
	cr_assert_eq(ids_list("/nonexistent", "ublkc", "", &ids), -ENOENT);
	free(ids);
}
