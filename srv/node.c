// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "log.h"
#include "mountinfo.h"
#include "node.h"

/* udev takes its time on a busy machine. */
#define NODE_UDEV_MS	10000
/* devtmpfs takes none; a hot-plug script of whoever has neither cannot be seen. */
#define NODE_ALONE_MS	2000
#define NODE_POLL_US	10000

static const char *node_kind_name(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return "a regular file";
	case S_IFDIR:
		return "a directory";
	case S_IFLNK:
		return "a symbolic link";
	case S_IFIFO:
		return "a fifo";
	case S_IFSOCK:
		return "a socket";
	case S_IFBLK:
		return "another block device";
	}
	return "another character device";
}

static void node_path(char *path, size_t len, const char *root, enum node_kind kind, u32 id)
{
	snprintf(path, len, "%s/dev/ublk%c%u", root, kind == NODE_BLOCK ? 'b' : 'c', id);
}

static mode_t node_type(enum node_kind kind)
{
	return kind == NODE_BLOCK ? S_IFBLK : S_IFCHR;
}

static int node_taken(const char *path, mode_t mode)
{
	log_err("%s: %s stands where the device's node belongs%s; remove it", path, node_kind_name(mode),
		S_ISREG(mode) ? ": somebody wrote to a device that was gone" : "");
	return -EEXIST;
}

int node_check_names(const char *root, u32 id)
{
	char path[128];
	struct stat st;

	for (enum node_kind kind = NODE_CHAR; kind <= NODE_BLOCK; kind++) {
		node_path(path, sizeof(path), root, kind, id);
		/* A node may be the device's, which exists then: that is ADD_DEV's to say. */
		if (!lstat(path, &st) && (st.st_mode & S_IFMT) != node_type(kind))
			return node_taken(path, st.st_mode);
	}
	return 0;
}

void node_fs_type(const char *root, const char *path, char *type, size_t len)
{
	struct mountinfo m;

	*type = '\0';
	mountinfo_open(&m, root);
	/* the last one is on top */
	while (mountinfo_next(&m))
		if (!strcmp(m.point, path))
			snprintf(type, len, "%s", m.type);
	mountinfo_close(&m);
}

static bool node_has_udev(void)
{
	return !access("/run/udev/control", F_OK);
}

static int node_absent(const char *path, unsigned int ms)
{
	char type[64];

	node_fs_type("", "/dev", type, sizeof(type));
	if (strcmp(type, "devtmpfs") && !node_has_udev())
		log_err("%s: did not appear within %u s: /dev is %s, and no udevd runs; right is a devtmpfs: mount -t devtmpfs dev /dev",
			path, ms / 1000, *type ? type : "of unknown type");
	else
		log_err("%s: did not appear within %u s", path, ms / 1000);
	return -ETIMEDOUT;
}

int node_wait(enum node_kind kind, u32 id, dev_t dev)
{
	unsigned int patience = node_has_udev() ? NODE_UDEV_MS : NODE_ALONE_MS;
	mode_t other = 0;
	char path[128];
	struct stat st;

	node_path(path, sizeof(path), "", kind, id);
	for (unsigned int ms = 0; ms < patience; ms += NODE_POLL_US / 1000) {
		if (!stat(path, &st) && (st.st_mode & S_IFMT) == node_type(kind) &&
		    (!dev || st.st_rdev == dev))
			return 0;
		other = lstat(path, &st) ? 0 : st.st_mode;
		/* A node of another device may be udev's to replace, nothing else is. */
		if (other && (other & S_IFMT) != node_type(kind))
			return node_taken(path, other);
		usleep(NODE_POLL_US);
	}
	return other ? node_taken(path, other) : node_absent(path, patience);
}
