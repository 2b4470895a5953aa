// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "clock.h"
#include "leg.h"
#include "log.h"
#include "mountinfo.h"
#include "probe.h"
#include "rlimits.h"

#define BUSY_POLL_US	20000

/* Where a block device is mounted, or "" */
static void leg_mountpoint(dev_t dev, char *where, size_t len)
{
	struct mountinfo m;

	*where = '\0';
	mountinfo_open(&m, "");
	while (!*where && mountinfo_next(&m))
		if (makedev(m.major, m.minor) == dev)
			snprintf(where, len, "%s", m.point);
	mountinfo_close(&m);
}

static int leg_open_failed(const struct leg *leg, const struct stat *st, int err,
			   const struct patience *p)
{
	char where[1024] = "";
	const char *why;

	switch (err) {
	case EBUSY:
		leg_mountpoint(st->st_rdev, where, sizeof(where));
		if (*where)
			log_err("leg %s: in use: it is mounted on %s; unmount it first",
				leg->path, where);
		else
			log_err("leg %s: in use by another program or device, still after %u ms; a leg must be free",
				leg->path, p->ms);
		break;
	case EPERM:
	case EROFS:
		why = err == EPERM ? probe_attributes(leg->path) : NULL;
		log_err("leg %s: %s; a leg must be writable", leg->path, why ? why : strerror(err));
		break;
	default:
		log_err("leg %s: %s", leg->path, strerror(err));
	}
	return -err;
}

/*
 * Should a leg that is busy be tried again?  A server that ended a moment ago
 * lets go of its legs only when the I/O that it had in flight is done and the
 * kernel has taken its rings apart.  Nobody tells of that, so it is polled for.
 */
static bool leg_wait(const struct leg *leg, const struct stat *st, const struct patience *p)
{
	char where[1024] = "";

	if (leg->is_blk)
		leg_mountpoint(st->st_rdev, where, sizeof(where));
	if (*where || clock_ms() >= p->until)
		return false;
	usleep(BUSY_POLL_US);
	return true;
}

static int leg_open_blk(struct leg *leg, const struct stat *st, u32 block, const struct patience *p)
{
	leg->is_blk = true;
	leg->direct = true;
	leg->dev = st->st_rdev;
	do {
		leg->fd = open(leg->path, O_RDWR | O_DIRECT | O_EXCL | O_CLOEXEC);
	} while (leg->fd < 0 && errno == EBUSY && leg_wait(leg, st, p));
	if (leg->fd < 0)
		return leg_open_failed(leg, st, errno, p);
	return probe_blk(leg, block);
}

static int leg_lock_file(const struct leg *leg, const struct stat *st, const struct patience *p)
{
	while (flock(leg->fd, LOCK_EX | LOCK_NB)) {
		if (errno != EWOULDBLOCK)
			return leg_open_failed(leg, st, errno, p);
		if (!leg_wait(leg, st, p))
			return leg_open_failed(leg, st, EBUSY, p);
	}
	return 0;
}

static int leg_open_file(struct leg *leg, const struct stat *st, u32 block, const struct patience *p)
{
	int ret;

	leg->is_blk = false;
	leg->direct = true;
	leg->dev = st->st_dev;
	leg->ino = st->st_ino;
	leg->fd = open(leg->path, O_RDWR | O_DIRECT | O_CLOEXEC);
	if (leg->fd < 0 && errno == EINVAL) {
		/* The file system has no O_DIRECT. */
		leg->direct = false;
		leg->fd = open(leg->path, O_RDWR | O_CLOEXEC);
	}
	if (leg->fd < 0)
		return leg_open_failed(leg, st, errno, p);
	ret = leg_lock_file(leg, st, p);
	return ret ? ret : probe_file(leg, st, block);
}

void patience_init(struct patience *p, unsigned int ms)
{
	p->ms = ms;
	p->until = clock_ms() + ms;
}

/*
 * A server's read of a leg is nobody's access to it, and the kernel need not look at each one whether to
 * note the time.  Refused (EPERM) if the file is another user's: then it is noted.
 */
static void leg_no_atime(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags >= 0)
		fcntl(fd, F_SETFL, flags | O_NOATIME);
}

/* Symbolic links are left: /dev/mapper/x says more than /dev/dm-0. */
static char *leg_absolute(const char *path)
{
	char *cwd = *path == '/' ? NULL : getcwd(NULL, 0), *absolute;
	int n = asprintf(&absolute, "%s%s%s", cwd ? cwd : "", cwd ? "/" : "", path);

	free(cwd);
	return n < 0 ? NULL : absolute;
}

int leg_open(struct leg *leg, const char *path, u32 block, const struct patience *p)
{
	struct stat st;
	int ret;

	memset(leg, 0, sizeof(*leg));
	leg->path = path;
	leg->fd = -1;
	if (stat(path, &st)) {
		ret = -errno;
		log_err("leg %s: %s", path, strerror(errno));
		return ret;
	}
	if (S_ISBLK(st.st_mode)) {
		ret = leg_open_blk(leg, &st, block, p);
	} else if (S_ISREG(st.st_mode)) {
		ret = leg_open_file(leg, &st, block, p);
	} else {
		log_err("leg %s: neither a file nor a block device", path);
		return -EINVAL;
	}
	if (!ret)
		ret = probe_writable(leg);
	if (!ret) {
		leg_no_atime(leg->fd);
		leg->absolute = leg_absolute(path);
		ret = leg->absolute ? 0 : -ENOMEM;
	}
	if (ret)
		leg_close(leg);
	return ret;
}

void leg_close(struct leg *leg)
{
	if (leg->fd >= 0)
		close(leg->fd);
	leg->fd = -1;
	free(leg->absolute);
	leg->absolute = NULL;
}

bool leg_same(const char *a, const char *b)
{
	struct stat x, y;

	if (stat(a, &x) || stat(b, &y))
		return false;
	if (S_ISBLK(x.st_mode) && S_ISBLK(y.st_mode))
		return x.st_rdev == y.st_rdev;
	return x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

int legs_check_block(u64 block)
{
	if (!block || (is_pow2(block) && block >= SECTOR_SIZE && block <= LIMITS_MAX_LBS))
		return 0;
	log_err("--block %" PRIu64 ": right is 512, 1024, 2048 or 4096", block);
	return -EINVAL;
}

int legs_check_several(const char *target, const struct strlist *paths, u64 block)
{
	if (paths->nr >= 2)
		return legs_check_block(block);
	log_err("target %s takes two --leg PATH or more, here are %u", target, paths->nr);
	return -EINVAL;
}

static int legs_find(const struct strlist *paths, const char *path)
{
	for (unsigned int i = 0; i < paths->nr; i++)
		if (!strcmp(paths->v[i], path) || leg_same(paths->v[i], path))
			return i;
	return -1;
}

int legs_named(const char *option, const struct strlist *paths, const struct strlist *some, u32 *mask)
{
	*mask = 0;
	for (unsigned int i = 0; i < some->nr; i++) {
		int leg = legs_find(paths, some->v[i]);

		if (leg < 0) {
			log_err("--%s %s: it is none of the legs; right is the PATH of a --leg", option, some->v[i]);
			return -EINVAL;
		}
		*mask |= 1U << leg;
	}
	return 0;
}

static int legs_check_paths(const struct strlist *paths)
{
	for (unsigned int i = 0; i < paths->nr; i++) {
		for (unsigned int j = 0; j < i; j++) {
			if (leg_same(paths->v[i], paths->v[j])) {
				log_err("leg %s: used twice, legs %u and %u are the same; they must be different",
					paths->v[i], j + 1, i + 1);
				return -EINVAL;
			}
		}
	}
	return 0;
}

/*
 * Legs that are files are written up to @size, 0: their end.  Before they are probed,
 * which writes: it would be SIGXFSZ that ends us then.
 */
static int legs_may_be_written(const struct strlist *paths, u64 size)
{
	struct stat st;
	int ret = 0;

	for (unsigned int i = 0; i < paths->nr && !ret; i++)
		if (!stat(paths->v[i], &st) && S_ISREG(st.st_mode))
			ret = rlimits_file_size(size ? size : (u64)st.st_size);
	return ret;
}

/* @first: the leg that it has to equal, NULL: none */
static int leg_check_size(const struct leg *leg, const struct leg *first, u64 size)
{
	if (size && leg->lim.size < size) {
		log_err("leg %s: too small: %" PRIu64 " bytes, %" PRIu64 " are asked for by --size",
			leg->path, leg->lim.size, size);
		return -ENOSPC;
	}
	if (!size && first && leg->lim.size != first->lim.size) {
		log_err("legs differ in size: %s has %" PRIu64 " bytes, %s %" PRIu64
			"; --size SIZE uses so many bytes of each",
			first->path, first->lim.size, leg->path, leg->lim.size);
		return -EINVAL;
	}
	return 0;
}

static int legs_finish(struct limits *lim, const struct leg *first)
{
	int ret = limits_finish(lim);

	if (ret == -ENOSPC)
		log_err("leg %s: too small: a device needs %u bytes or more", first->path, lim->lbs);
	else if (ret)
		log_err("leg %s: blocks or alignment of %u bytes: ublk takes at most %u",
			first->path, lim->lbs, LIMITS_MAX_LBS);
	return ret;
}

/* A device is whole blocks: what is behind them is not in it. */
static void legs_tell_tail(const struct leg *first, u64 size, const struct limits *lim)
{
	u64 left = (size ? size : first->lim.size) - lim->size;

	if (left && size)
		log_warn("--size %" PRIu64 ": the last %" PRIu64 " bytes are left out: a device is whole blocks, here of %u bytes",
			 size, left, lim->lbs);
	else if (left)
		log_warn("leg %s: its last %" PRIu64 " of %" PRIu64 " bytes are left out: a device is whole blocks, here of %u bytes",
			 first->path, left, first->lim.size, lim->lbs);
}

static int legs_open_sized(struct leg *legs, const struct strlist *paths, u64 size, bool equal,
			   u32 block, unsigned int patience_ms, struct limits *lim)
{
	struct patience p;
	unsigned int nr = 0;
	int ret = legs_check_paths(paths);

	if (!ret)
		ret = legs_may_be_written(paths, size);
	if (ret)
		return ret;
	limits_init(lim);
	patience_init(&p, patience_ms);
	while (nr < paths->nr) {
		ret = leg_open(&legs[nr], paths->v[nr], block, &p);
		if (ret)
			goto fail;
		nr++;
		ret = leg_check_size(&legs[nr - 1], equal ? &legs[0] : NULL, size);
		if (ret)
			goto fail;
		limits_merge(lim, &legs[nr - 1].lim);
	}
	if (size)
		lim->size = size;
	lim->lbs = max_u64(lim->lbs, block);
	ret = legs_finish(lim, &legs[0]);
	if (!ret)
		return 0;
fail:
	legs_close(legs, nr);
	return ret;
}

int legs_open(struct leg *legs, const struct strlist *paths, u64 size, u32 block,
	      unsigned int patience_ms, struct limits *lim)
{
	int ret = legs_open_sized(legs, paths, size, true, block, patience_ms, lim);

	if (!ret)
		legs_tell_tail(&legs[0], size, lim);
	return ret;
}

int legs_open_any(struct leg *legs, const struct strlist *paths, u64 size, u32 block,
		  unsigned int patience_ms, struct limits *lim)
{
	return legs_open_sized(legs, paths, size, false, block, patience_ms, lim);
}

void legs_close(struct leg *legs, unsigned int nr)
{
	while (nr--)
		leg_close(&legs[nr]);
}
