// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "sysfs.h"

bool sysfs_is_mounted(void)
{
	struct statfs fs;

	return !statfs("/sys", &fs) && fs.f_type == SYSFS_MAGIC;
}

static int sysfs_queue_open(dev_t dev, const char *name, int flags)
{
	/* A partition's directory lies in its disk's. */
	static const char *const where[] = { "queue", "../queue" };
	char path[128];
	int fd = -1;

	for (unsigned int i = 0; i < ARRAY_SIZE(where) && fd < 0; i++) {
		snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/%s/%s",
			 major(dev), minor(dev), where[i], name);
		fd = open(path, flags | O_CLOEXEC);
	}
	return fd;
}

static bool sysfs_queue_get(dev_t dev, const char *name, char *buf, size_t len)
{
	int fd = sysfs_queue_open(dev, name, O_RDONLY);
	ssize_t n;

	if (fd < 0)
		return false;
	n = read(fd, buf, len - 1);
	close(fd);
	if (n <= 0)
		return false;
	buf[n] = '\0';
	return true;
}

u64 sysfs_queue_u64(dev_t dev, const char *name, u64 absent)
{
	char buf[64];

	return sysfs_queue_get(dev, name, buf, sizeof(buf)) ? strtoull(buf, NULL, 10) : absent;
}

bool sysfs_queue_is(dev_t dev, const char *name, const char *text)
{
	char buf[64];

	return sysfs_queue_get(dev, name, buf, sizeof(buf)) &&
	       !strncmp(buf, text, strlen(text));
}

int sysfs_queue_set(dev_t dev, const char *name, const char *text)
{
	int fd = sysfs_queue_open(dev, name, O_WRONLY);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = write(fd, text, strlen(text));
	n = n < 0 ? -errno : 0;
	close(fd);
	return n;
}
