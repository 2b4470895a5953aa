// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "dev.h"
#include "tmpfile.h"
#include "ublkraw.h"

static const char *dev_path(int id, const char *part)
{
	static char path[48];

	snprintf(path, sizeof(path), "/dev/ublkb%d%s", id, part);
	return path;
}

int dev_open(int id, const char *part, int flags)
{
	return file_open(dev_path(id, part), flags);
}

u64 dev_attr(int id, const char *attr)
{
	return disk_attr(dev_path(id, ""), attr);
}

void dev_set(int id, const char *attr, const char *value)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "/sys/block/ublkb%d/%s", id, attr);
	fd = file_open(path, O_WRONLY);
	must(write(fd, value, strlen(value)) > 0, "%s of device %d: %s: %s", attr, id, value, strerror(errno));
	close(fd);
}

u64 dev_sectors_written(int id)
{
	return disk_stat(dev_path(id, ""), DISK_SECTORS_WRITTEN);
}

pid_t dev_server(int id)
{
	struct ublksrv_ctrl_dev_info info;

	res_is(raw_info(id, &info), 0, "GET_DEV_INFO of device %d", id);
	return info.ublksrv_pid;
}

static bool attribute_begins(const char *path, const char *text)
{
	char is[64] = "";
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return false;
	if (read(fd, is, sizeof(is) - 1) < 0)
		is[0] = '\0';
	close(fd);
	return !strncmp(is, text, strlen(text));
}

bool dev_find(const char *attribute, const char *text, char *name, size_t len)
{
	size_t at = strchr(attribute, '*') - attribute;
	glob_t g = { 0 };

	while (attribute[at - 1] != '/')
		at--;
	*name = '\0';
	glob(attribute, 0, NULL, &g);
	for (size_t i = 0; i < g.gl_pathc && !*name; i++)
		if (attribute_begins(g.gl_pathv[i], text))
			snprintf(name, len, "%.*s", (int)strcspn(g.gl_pathv[i] + at, "/"), g.gl_pathv[i] + at);
	globfree(&g);
	return *name;
}
