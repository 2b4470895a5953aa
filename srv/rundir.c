// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rundir.h"

/* Ours is held for the time of a few system calls. */
#define LOCK_WAIT_MS	2000
#define LOCK_STEP_MS	10

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

/* systemd makes directories of mode 0755, where anybody can take our lock. */
static int rundir_close_to_others(int fd, const char *path, char *why, size_t len)
{
	struct stat st;

	if (fstat(fd, &st))
		return rundir_refuse(fd, -errno);
	if (st.st_uid != geteuid() || !(st.st_mode & 077) || !fchmod(fd, 0700))
		return fd;
	snprintf(why, len, "%s has mode %04o: %s; right is 0700", path, st.st_mode & 07777,
		 strerror(errno));
	return rundir_refuse(fd, -EPERM);
}

int rundir_make(const char *path, char *why, size_t len)
{
	int fd;

	if (mkdir(path, 0700) && errno != EEXIST) {
		int err = errno;

		snprintf(why, len, "%s: %s", path, strerror(err));
		return -err;
	}
	fd = rundir_open(path, why, len);
	return fd < 0 ? fd : rundir_close_to_others(fd, path, why, len);
}

int rundir_lock(int dir, const char *path, char *why, size_t len)
{
	for (int ms = 0; ms < LOCK_WAIT_MS; ms += LOCK_STEP_MS) {
		if (!flock(dir, LOCK_EX | LOCK_NB))
			return 0;
		if (errno != EWOULDBLOCK && errno != EINTR) {
			int err = errno;

			snprintf(why, len, "%s: flock: %s", path, strerror(err));
			return -err;
		}
		usleep(LOCK_STEP_MS * 1000);
	}
	snprintf(why, len, "%s: another process has had its lock for %d s; right is mode 0700, and none that holds it",
		 path, LOCK_WAIT_MS / 1000);
	return -EWOULDBLOCK;
}
