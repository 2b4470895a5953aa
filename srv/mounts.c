// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "log.h"
#include "mountinfo.h"
#include "mounts.h"
#include "types.h"

/* A mount may hide others, which are seen in the next round. */
#define MAX_ROUNDS	16

/*
 * What every server needs: del is a program, whose libraries are found by these paths,
 * and talks to the driver; syslog is a socket.
 */
static const char *const always[] = {
	"/proc", "/sys", "/dev/log", "/dev/ublk-control", "/run",
	"/etc/ld.so.cache", "/lib", "/lib64", "/usr/lib", NULL
};

/*
 * struct view - the namespace, while it is being taken apart
 * On the stack of mounts_leave().  Descriptors are -1 when they are not open.
 * @proc: /proc/self
 * @old_ns, @old_root: what we came from, to go back there
 * @root: the root directory, which is not that of the namespace after a chroot
 * @base: its path in the namespace, "" if it is the same
 * @keep: paths that must go on to lead where they lead
 */
struct view {
	int proc, old_ns, old_root, root;
	char base[PATH_MAX];
	char **keep;
	size_t nr_keep;
};

bool mounts_needs(const char *point, const char *path)
{
	size_t len = strlen(point);

	if (len == 1)
		return true;
	return !strncmp(path, point, len) && (!path[len] || path[len] == '/');
}

static int view_keep(struct view *v, const char *path)
{
	char **more = realloc(v->keep, (v->nr_keep + 1) * sizeof(*more)), *copy = strdup(path);

	if (more)
		v->keep = more;
	if (!more || !copy) {
		free(copy);
		return -ENOMEM;
	}
	v->keep[v->nr_keep++] = copy;
	return 0;
}

/* Paths as they are, and where they lead: /dev/log is a link with systemd. */
static int view_keep_paths(struct view *v, const char *const *paths)
{
	int ret = 0;

	for (; !ret && *paths; paths++) {
		char *real = realpath(*paths, NULL);

		ret = view_keep(v, *paths);
		if (!ret && real)
			ret = view_keep(v, real);
		free(real);
	}
	return ret;
}

/* So far they were paths from our root. */
static int view_rebase(struct view *v)
{
	for (size_t i = 0; *v->base && i < v->nr_keep; i++) {
		char *path;

		if (asprintf(&path, "%s%s", v->base, v->keep[i]) < 0)
			return -ENOMEM;
		free(v->keep[i]);
		v->keep[i] = path;
	}
	return 0;
}

static FILE *view_fopen(const struct view *v, const char *name)
{
	int fd = openat(v->proc, name, O_RDONLY | O_CLOEXEC);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "r");

	if (fd >= 0 && !f)
		close(fd);
	return f;
}

/* The program and its libraries: `regbuf del` is the same.  Their paths are the namespace's. */
static int view_keep_program(struct view *v)
{
	FILE *maps = view_fopen(v, "maps");
	char *line = NULL;
	size_t size = 0;
	int ret = 0;

	if (!maps)
		return -errno;
	while (!ret && getline(&line, &size, maps) > 0) {
		char *path = strchr(line, '/');

		if (!path)
			continue;
		path[strcspn(path, "\n")] = '\0';
		if (!v->nr_keep || strcmp(path, v->keep[v->nr_keep - 1]))
			ret = view_keep(v, path);
	}
	free(line);
	fclose(maps);
	return ret;
}

static bool view_needs(const struct view *v, const char *point)
{
	for (size_t i = 0; i < v->nr_keep; i++)
		if (mounts_needs(point, v->keep[i]))
			return true;
	return false;
}

/*
 * Detaches what is seen and not needed.  Returns how many mounts that were, with all
 * below them, or -errno.
 */
static int view_detach(const struct view *v)
{
	FILE *f = view_fopen(v, "mountinfo");
	struct mountinfo m;
	int nr = 0;

	if (!f)
		return -errno;
	mountinfo_of(&m, f);
	while (mountinfo_next(&m))
		if (!view_needs(v, m.point) && !umount2(m.point, MNT_DETACH | UMOUNT_NOFOLLOW))
			nr++;
	mountinfo_close(&m);
	return nr;
}

/* From the directory that is our root to the namespace's, whose mounts are all seen. */
static int view_climb(struct view *v)
{
	int ns = openat(v->proc, "ns/mnt", O_RDONLY | O_CLOEXEC), ret;
	char link[32];
	ssize_t len;

	if (ns < 0)
		return -errno;
	ret = setns(ns, CLONE_NEWNS) ? -errno : 0;
	close(ns);
	if (ret)
		return ret;
	snprintf(link, sizeof(link), "fd/%d", v->root);
	len = readlinkat(v->proc, link, v->base, sizeof(v->base) - 1);
	if (len < 0)
		return -errno;
	v->base[len > 1 ? len : 0] = '\0';
	return 0;
}

/* Back to where the same paths mean the same. */
static int view_return(const struct view *v)
{
	if (fchdir(v->root) || (*v->base && chroot(".")) || chdir("/"))
		return -errno;
	return 0;
}

/* In the namespace's root. */
static int view_detach_all(struct view *v)
{
	int ret = view_rebase(v);

	if (!ret)
		ret = view_keep_program(v);
	/* Or what is detached here would be so elsewhere too. */
	if (!ret && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		ret = -errno;
	for (int round = 0; !ret && round < MAX_ROUNDS; round++) {
		int nr = view_detach(v);

		if (nr <= 0)
			return nr;
	}
	return ret;
}

static int view_strip(struct view *v)
{
	int ret = view_climb(v), back;

	if (ret)
		return ret;
	ret = view_detach_all(v);
	back = view_return(v);
	return ret ? ret : back;
}

/* setns() wants it, on the way there and on the way back. */
static int view_may_return(void)
{
	struct __user_cap_header_struct hdr = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { { 0 } };

	if (syscall(SYS_capget, &hdr, data))
		return -errno;
	return data[0].effective & 1U << CAP_SYS_CHROOT ? 0 : -EPERM;
}

/* All that may fail for what the machine is, while there is nothing to undo. */
static int view_open(struct view *v)
{
	FILE *f;

	v->old_root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (v->old_root < 0)
		return -errno;
	v->proc = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (v->proc < 0)
		return -errno;
	v->old_ns = openat(v->proc, "ns/mnt", O_RDONLY | O_CLOEXEC);
	if (v->old_ns < 0)
		return -errno;
	f = view_fopen(v, "mountinfo");
	if (!f)
		return -errno;
	fclose(f);
	return view_may_return();
}

/* A copy of the namespace would keep what is mounted, even when nobody sees it any more. */
static void view_undo(const struct view *v)
{
	if (setns(v->old_ns, CLONE_NEWNS) || fchdir(v->old_root) || chroot(".") || chdir("/"))
		log_warn("the server is in a copy of its mount namespace: %s", strerror(errno));
}

static int view_leave(struct view *v)
{
	int ret;

	if (unshare(CLONE_NEWNS))
		return -errno;
	v->root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	ret = v->root < 0 ? -errno : view_strip(v);
	if (ret)
		view_undo(v);
	return ret;
}

static void view_close(struct view *v)
{
	const int fds[] = { v->proc, v->old_ns, v->old_root, v->root };

	for (unsigned int i = 0; i < ARRAY_SIZE(fds); i++)
		if (fds[i] >= 0)
			close(fds[i]);
	for (size_t i = 0; i < v->nr_keep; i++)
		free(v->keep[i]);
	free(v->keep);
}

static const char *mounts_why(int err)
{
	switch (err) {
	case EPERM:
		return ": right are CAP_SYS_ADMIN and CAP_SYS_CHROOT";
	case ENOENT:
		return ": a mounted /proc is right";
	case ENOSPC:
		return ": a larger sysctl user.max_mnt_namespaces or fs.mount-max is right";
	}
	return "";
}

void mounts_leave(const char *const *keep)
{
	struct view v = { .proc = -1, .old_ns = -1, .old_root = -1, .root = -1 };
	int ret = chdir("/") ? -errno : view_open(&v);

	if (!ret)
		ret = view_keep_paths(&v, always);
	if (!ret)
		ret = view_keep_paths(&v, keep);
	if (!ret)
		ret = view_leave(&v);
	if (ret)
		log_warn("the server stays in this mount namespace and keeps what is mounted here: %s%s",
			 strerror(-ret), mounts_why(-ret));
	view_close(&v);
}
