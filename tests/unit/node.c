// SPDX-License-Identifier: GPL-2.0
#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node.h"

static char root[64];

static const char *at(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", root, name);
	return path;
}

static void setup(void)
{
	strcpy(root, "/tmp/node-XXXXXX");
	cr_assert(mkdtemp(root));
	mkdir(at("dev"), 0755);
	mkdir(at("proc"), 0755);
	mkdir(at("proc/self"), 0755);
	cr_redirect_stderr();
}

static void teardown(void)
{
	char line[128];

	snprintf(line, sizeof(line), "rm -r %s", root);
	cr_assert_eq(system(line), 0);
}

TestSuite(node, .init = setup, .fini = teardown);

static void write_file(const char *name, const char *text)
{
	FILE *f = fopen(at(name), "w");

	fputs(text, f);
	fclose(f);
}

static void stderr_has(const char *want)
{
	char text[512] = "";

	fflush(stderr);
	text[fread(text, 1, sizeof(text) - 1, cr_get_redirected_stderr())] = '\0';
	cr_assert(strstr(text, want), "stderr is '%s', without '%s'", text, want);
}

Test(node, free_names_are_right)
{
	write_file("dev/ublkb60", "");
	cr_assert_eq(node_check_names(root, 6), 0);
}

Test(node, a_regular_file_is_told)
{
	write_file("dev/ublkb6", "data");
	cr_assert_eq(node_check_names(root, 6), -EEXIST);
	stderr_has("ublkb6: a regular file stands where the device's node belongs: somebody wrote to a device that was gone; remove it");
}

Test(node, the_character_devices_name_counts_too)
{
	write_file("dev/ublkc6", "data");
	cr_assert_eq(node_check_names(root, 6), -EEXIST);
	stderr_has("ublkc6: a regular file");
}

Test(node, a_directory_is_told)
{
	mkdir(at("dev/ublkb6"), 0755);
	cr_assert_eq(node_check_names(root, 6), -EEXIST);
	stderr_has("ublkb6: a directory stands where the device's node belongs; remove it");
}

Test(node, a_link_to_nowhere_is_told)
{
	cr_assert_eq(symlink("nowhere", at("dev/ublkb6")), 0);
	cr_assert_eq(node_check_names(root, 6), -EEXIST);
	stderr_has("ublkb6: a symbolic link");
}

Test(node, a_fifo_is_told)
{
	cr_assert_eq(mkfifo(at("dev/ublkb6"), 0600), 0);
	cr_assert_eq(node_check_names(root, 6), -EEXIST);
	stderr_has("ublkb6: a fifo");
}

Test(node, the_file_system_on_top_counts)
{
	char type[32];

	write_file("proc/self/mountinfo",
		   "21 1 0:20 / / rw,relatime shared:1 - ext4 /dev/vda rw\n"
		   "22 21 0:6 / /dev rw,nosuid - devtmpfs dev rw,size=4k\n"
		   "23 22 0:7 / /dev/shm rw shared:3 master:4 - tmpfs tmpfs rw\n");
	node_fs_type(root, "/dev", type, sizeof(type));
	cr_assert_str_eq(type, "devtmpfs");
	write_file("proc/self/mountinfo",
		   "22 21 0:6 / /dev rw,nosuid - devtmpfs dev rw,size=4k\n"
		   "24 22 0:8 / /dev rw - tmpfs tmpfs rw\n");
	node_fs_type(root, "/dev", type, sizeof(type));
	cr_assert_str_eq(type, "tmpfs");
}

Test(node, nobody_says_what_file_system_it_is)
{
	char type[32] = "x";

	node_fs_type(root, "/dev", type, sizeof(type));
	cr_assert_str_eq(type, "");
}
