// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "inuse.h"
#include "log.h"
#include "mountinfo.h"

/* Where the device is mounted, as far as this process sees. */
static bool inuse_mount_point(const char *device, char *point, size_t len)
{
	struct mountinfo m;
	struct stat st;
	bool found = false;

	if (stat(device, &st))
		return false;
	mountinfo_open(&m, "");
	while (!found && mountinfo_next(&m)) {
		found = m.major == major(st.st_rdev) && m.minor == minor(st.st_rdev);
		if (found)
			snprintf(point, len, "%s", m.point);
	}
	mountinfo_close(&m);
	return found;
}

int inuse_claim(const char *cmd, const char *what, u32 id)
{
	char device[32], point[256];
	int fd, err;

	snprintf(device, sizeof(device), "/dev/ublkb%u", id);
	fd = open(device, O_RDONLY | O_EXCL | O_CLOEXEC);
	err = errno;
	if (fd >= 0)
		return fd;
	if (err != EBUSY)
		log_err("%s: %s: %s: %s", cmd, what, device, strerror(err));
	else if (inuse_mount_point(device, point, sizeof(point)))
		log_err("%s: %s: %s is mounted at %s: unmount it first", cmd, what, device, point);
	else
		log_err("%s: %s: %s is in use: a partition or another device of it, swap, or a mount that is not seen from here; end that first ('lsblk %s' may show it)",
			cmd, what, device, device);
	return -err;
}
