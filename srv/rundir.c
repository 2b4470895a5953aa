// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rundir.h"

int rundir_path(uid_t uid, const char *runtime, char *path)
{
	int n;

	if (!uid)
		n = snprintf(path, RUNDIR_MAX, RUNDIR_ROOT);
	else if (runtime && *runtime == '/')
		n = snprintf(path, RUNDIR_MAX, "%s/regbuf", runtime);
	else
		n = snprintf(path, RUNDIR_MAX, "/tmp/regbuf-%u", uid);
	return n < 0 || n >= RUNDIR_MAX ? -ENAMETOOLONG : 0;
}

int rundir_own(char *path)
{
	return rundir_path(geteuid(), getenv("XDG_RUNTIME_DIR"), path);
}

static int rundir_refuse(int fd, int err)
{
	close(fd);
	return err;
}

int rundir_open(const char *path, char *why, size_t len)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;
	int err = errno;

	if (fd < 0) {
		snprintf(why, len, "%s: %s", path, strerror(err));
		return -err;
	}
	if (fstat(fd, &st))
		return rundir_refuse(fd, -errno);
	if (st.st_uid != 0 && st.st_uid != geteuid()) {
		snprintf(why, len, "%s belongs to user %u; right is user %u", path, st.st_uid, geteuid());
		return rundir_refuse(fd, -EPERM);
	}
	if (st.st_mode & (S_IWGRP | S_IWOTH)) {
		snprintf(why, len, "%s has mode %04o, others may write to it; right is 0700", path,
			 st.st_mode & 07777);
		return rundir_refuse(fd, -EPERM);
	}
	return fd;
}

int rundir_make(const char *path, char *why, size_t len)
{
	if (mkdir(path, 0700) && errno != EEXIST) {
		int err = errno;

		snprintf(why, len, "%s: %s", path, strerror(err));
		return -err;
	}
	return rundir_open(path, why, len);
}
