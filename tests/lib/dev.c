// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dev.h"
#include "tmpfile.h"
#include "ublkraw.h"

int dev_open(int id, const char *part, int flags)
{
	char path[48];

	snprintf(path, sizeof(path), "/dev/ublkb%d%s", id, part);
	return file_open(path, flags);
}

static int attr_open(int id, const char *attr, int flags)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/block/ublkb%d/%s", id, attr);
	return file_open(path, flags);
}

u64 dev_attr(int id, const char *attr)
{
	int fd = attr_open(id, attr, O_RDONLY);
	char text[32] = "";

	must(read(fd, text, sizeof(text) - 1) > 0, "%s of device %d: %s", attr, id, strerror(errno));
	close(fd);
	return strtoull(text, NULL, 10);
}

void dev_set(int id, const char *attr, const char *value)
{
	int fd = attr_open(id, attr, O_WRONLY);

	must(write(fd, value, strlen(value)) > 0, "%s of device %d: %s: %s", attr, id, value, strerror(errno));
	close(fd);
}

u64 dev_sectors_written(int id)
{
	int fd = attr_open(id, "stat", O_RDONLY);
	unsigned long long sectors = 0;
	char text[256] = "";

	must(read(fd, text, sizeof(text) - 1) > 0 &&
	     sscanf(text, "%*u %*u %*u %*u %*u %*u %llu", &sectors) == 1, "stat of device %d: %s", id, text);
	close(fd);
	return sectors;
}

pid_t dev_server(int id)
{
	struct ublksrv_ctrl_dev_info info;

	res_is(raw_info(id, &info), 0, "GET_DEV_INFO of device %d", id);
	return info.ublksrv_pid;
}
