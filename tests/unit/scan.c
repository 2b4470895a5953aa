// SPDX-License-Identifier: GPL-2.0
/* Which block devices are looked at, and which set is meant. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "scan.h"

#define HOME	"6ba7b810-9dad-41d1-80b4-00c04fd430c8"
#define OTHER	"7ba7b810-9dad-41d1-80b4-00c04fd430c8"

static const u8 home_uuid[16] = { 0x6b, 0xa7, 0xb8, 0x10, 0x9d, 0xad, 0x41, 0xd1, 0x80, 0xb4, 0x00, 0xc0, 0x4f, 0xd4, 0x30, 0xc8 };
static const u8 other_uuid[16] = { 0x7b, 0xa7, 0xb8, 0x10, 0x9d, 0xad, 0x41, 0xd1, 0x80, 0xb4, 0x00, 0xc0, 0x4f, 0xd4, 0x30, 0xc8 };

static struct leginfo leg(const char *path, const char *name, const u8 uuid[16])
{
	struct leginfo l = { .path = path };

	snprintf(l.super.set.name, sizeof(l.super.set.name), "%s", name);
	memcpy(l.super.set.uuid, uuid, 16);
	return l;
}

static struct leginfo damaged(int err, const u8 uuid[16])
{
	struct leginfo l = { .path = "/dev/x", .err = err, .claims = true };

	memcpy(l.claimed_uuid, uuid, 16);
	return l;
}

static void chooses(const struct leginfo *legs, unsigned int nr, const char *name, const u8 uuid[16])
{
	struct scan_why why;
	u8 got[16];

	cr_assert_eq(scan_choose(legs, nr, name, got, &why), 0, "%s: %s", name ? name : "(none)", why.text);
	cr_assert(!memcmp(got, uuid, 16), "%s: another set", name ? name : "(none)");
}

static void refuses(const struct leginfo *legs, unsigned int nr, const char *name, int err, const char *text)
{
	struct scan_why why;
	u8 got[16];

	cr_assert_eq(scan_choose(legs, nr, name, got, &why), err, "%s", name ? name : "(none)");
	cr_assert(strstr(why.text, text), "'%s', without '%s'", why.text, text);
}

Test(scan, a_set_is_meant_by_its_name_or_its_uuid)
{
	const struct leginfo legs[] = {
		leg("/dev/a", "home", home_uuid), leg("/dev/b", "work", other_uuid),
		leg("/dev/c", "home", home_uuid), { .path = "/dev/d", .err = -ENOENT },
	};

	chooses(legs, 4, "home", home_uuid);
	chooses(legs, 4, HOME, home_uuid);
	chooses(legs, 4, "work", other_uuid);
	chooses(legs, 4, OTHER, other_uuid);
	chooses(legs, 1, NULL, home_uuid);
	refuses(legs, 4, "hom", -ENOENT, "no leg of set hom is found");
	refuses(legs, 0, NULL, -ENOENT, "no leg of any set is found");
	refuses(legs, 4, NULL, -ENOTUNIQ, "there are several sets");
	refuses(legs, 4, NULL, -ENOTUNIQ, "home (" HOME ", on /dev/a), work (" OTHER ", on /dev/b)");
}

Test(scan, two_sets_of_one_name_are_both_named_and_refused)
{
	const struct leginfo legs[] = {
		leg("/dev/a", "home", home_uuid), leg("/dev/b", "home", other_uuid),
		leg("/dev/c", "home", home_uuid), leg("/dev/d", "work", home_uuid),
	};

	refuses(legs, 3, "home", -ENOTUNIQ, "several sets have the name home");
	refuses(legs, 3, "home", -ENOTUNIQ, "home (" HOME ", on /dev/a), home (" OTHER ", on /dev/b)");
	chooses(legs, 3, OTHER, other_uuid);
}

Test(scan, many_sets_do_not_overrun_the_message)
{
	struct leginfo legs[100];
	u8 uuid[16];

	memcpy(uuid, home_uuid, 16);
	for (unsigned int i = 0; i < ARRAY_SIZE(legs); i++) {
		uuid[15] = i;
		legs[i] = leg("/dev/some-device", "home", uuid);
	}
	refuses(legs, ARRAY_SIZE(legs), "home", -ENOTUNIQ, "several sets");
}

Test(scan, a_leg_that_is_damaged_or_newer_is_of_the_set_that_it_names)
{
	struct leginfo l = damaged(-EINVAL, home_uuid);

	cr_assert(scan_is_of(&l, home_uuid));
	cr_assert(!scan_is_of(&l, other_uuid));
	l.elsewhere = true;
	cr_assert(!scan_is_of(&l, home_uuid), "the record of a partition");
	l = damaged(-EPROTONOSUPPORT, home_uuid);
	cr_assert(scan_is_of(&l, home_uuid));
	l = (struct leginfo){ .err = -ENOENT };
	cr_assert(!scan_is_of(&l, home_uuid));
	l = leg("/dev/a", "home", home_uuid);
	cr_assert(scan_is_of(&l, home_uuid) && !scan_is_of(&l, other_uuid));
}

/* A tree like /sys/class/block. */

static char root[] = "/tmp/scan.XXXXXX";

static void file(const char *name, const char *text)
{
	char path[256], dir[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", root, name);
	for (char *c = path + strlen(root) + 1; (c = strchr(c, '/')); c++) {
		snprintf(dir, sizeof(dir), "%.*s", (int)(c - path), path);
		mkdir(dir, 0755);
	}
	f = fopen(path, "w");
	cr_assert_not_null(f, "%s", path);
	fputs(text, f);
	fclose(f);
}

static void remove_tree(void)
{
	char command[64];

	snprintf(command, sizeof(command), "rm -rf %s", root);
	if (system(command))
		cr_log_warn("%s stays", root);
}

static void make_tree(void)
{
	cr_assert_not_null(mkdtemp(root));
}

#define BLOCK	"sys/class/block/"

Test(scan, topmost_devices_with_a_medium_are_looked_at, .init = make_tree, .fini = remove_tree)
{
	static const char *const want[] = { "/dev/cciss/c0d0", "/dev/dm-1", "/dev/mapper/home-data", "/dev/sdb", "/dev/sdb1" };
	struct scan s = { 0 };

	file(BLOCK "sda/size", "2048\n");
	file(BLOCK "sda/holders/dm-0", "");
	file(BLOCK "dm-0/size", "2048\n");
	file(BLOCK "dm-0/dm/name", "home-data\n");
	file(BLOCK "dm-0/dm/suspended", "0\n");
	file("dev/mapper/home-data", "");
	file(BLOCK "dm-1/size", "2048\n");
	file(BLOCK "dm-1/dm/name", "without-a-node\n");
	file(BLOCK "dm-2/size", "2048\n");
	file(BLOCK "dm-2/dm/suspended", "1\n");
	file(BLOCK "sdb/size", "2048\n");
	file(BLOCK "sdb1/size", "1024\n");
	file(BLOCK "loop0/size", "0\n");
	file(BLOCK "ublkb0/size", "2048\n");
	file(BLOCK "nvme0c0n1/size", "2048\n");
	file(BLOCK "nvme0c0n1/hidden", "1\n");
	file(BLOCK "cciss!c0d0/size", "2048\n");

	cr_assert_eq(scan_list(&s, root), 0);
	cr_assert_eq(s.nr, ARRAY_SIZE(want), "%u devices", s.nr);
	for (unsigned int i = 0; i < s.nr; i++) {
		bool found = false;

		for (unsigned int j = 0; j < s.nr; j++)
			found |= !strcmp(s.paths[j] + strlen(root), want[i]);
		cr_assert(found, "%s is left out", want[i]);
	}
	scan_free(&s);
}

Test(scan, without_a_sysfs_it_says_what_would_be_right, .init = make_tree, .fini = remove_tree)
{
	struct scan s = { 0 };

	cr_assert_eq(scan_list(&s, root), -ENOENT);
}
