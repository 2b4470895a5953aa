// SPDX-License-Identifier: GPL-2.0
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cache.h"
#include "log.h"

/* Open, its pages written and forgotten; or -1 after a message. */
static int cache_flush(const char *name)
{
	char path[300];
	int fd;

	snprintf(path, sizeof(path), "/dev/%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || ioctl(fd, BLKFLSBUF, 0))
		log_warn("%s: what is cached of it stays, and may be old: %s", path, strerror(errno));
	return fd;
}

/* Each has pages of its own. */
static void cache_flush_partitions(const char *disk)
{
	char path[64], prefix[40];
	struct dirent *e;
	DIR *dir;
	int fd;

	snprintf(path, sizeof(path), "/sys/block/%s", disk);
	snprintf(prefix, sizeof(prefix), "%sp", disk);
	dir = opendir(path);
	while (dir && (e = readdir(dir))) {
		if (strncmp(e->d_name, prefix, strlen(prefix)))
			continue;
		fd = cache_flush(e->d_name);
		if (fd >= 0)
			close(fd);
	}
	if (dir)
		closedir(dir);
}

void cache_drop(u32 id)
{
	char disk[32];
	int fd;

	snprintf(disk, sizeof(disk), "ublkb%u", id);
	cache_flush_partitions(disk);
	fd = cache_flush(disk);
	if (fd < 0)
		return;
	/* Held by a file system, or one of its partitions is. */
	if (ioctl(fd, BLKRRPART) && errno == EBUSY)
		log_warn("/dev/%s: it is in use: what a file system keeps of it in memory stays, which is right only if these legs have the same data; unmount it, if they have not",
			 disk);
	close(fd);
}
