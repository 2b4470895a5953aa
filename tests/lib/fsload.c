// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fsload.h"
#include "pattern.h"
#include "proc.h"

static u8 buf[FSLOAD_MAX];

/* False, and says so in @f, if @ok is. */
static bool is_ok(struct fsload *f, bool ok, const char *what, unsigned int i)
{
	if (!ok && !f->broken[0])
		snprintf(f->broken, sizeof(f->broken), "%s of file %u: %s", what, i,
			 errno ? strerror(errno) : "other data");
	return ok;
}

static void file_path(const struct fsload *f, unsigned int i, char *path, size_t size)
{
	snprintf(path, size, "%s/%u", f->mnt, i);
}

static bool is_right(struct fsload *f, unsigned int i)
{
	char path[96];
	ssize_t len;
	int fd;

	if (!f->sizes[i])
		return true;
	file_path(f, i, path, sizeof(path));
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (!is_ok(f, fd >= 0, "open", i))
		return false;
	/* what the device has, not what is in memory */
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	len = read(fd, buf, FSLOAD_MAX);
	close(fd);
	if (!is_ok(f, len >= 0, "read", i))
		return false;
	errno = 0;
	return is_ok(f, len == (ssize_t)f->sizes[i] && pat_diff(buf, len, f->seeds[i], 0) < 0, "read", i);
}

/* A new one in the place of the old one. */
static bool replace(struct fsload *f, unsigned int i)
{
	u32 seed = f->writes + 1, size = 1 + random() % FSLOAD_MAX;
	char path[96], new[96];
	int fd;

	pat_fill(buf, size, seed, 0);
	snprintf(new, sizeof(new), "%s/new", f->mnt);
	fd = open(new, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (!is_ok(f, fd >= 0, "creation", i))
		return false;
	if (!is_ok(f, write(fd, buf, size) == (ssize_t)size, "write", i) ||
	    !is_ok(f, !fsync(fd), "fsync", i) || !is_ok(f, !close(fd), "close", i))
		return false;
	file_path(f, i, path, sizeof(path));
	if (!is_ok(f, !rename(new, path), "rename", i))
		return false;
	f->seeds[i] = seed;
	f->sizes[i] = size;
	f->writes++;
	return true;
}

static void client(void *arg)
{
	struct fsload *f = arg;

	while (!f->stop && replace(f, random() % FSLOAD_FILES) && is_right(f, random() % FSLOAD_FILES))
		;
	__sync_synchronize();
	f->done = 1;
	_exit(0);
}

struct fsload *fsload_start(const char *mnt)
{
	struct fsload *f = shared_alloc(sizeof(*f));

	snprintf(f->mnt, sizeof(f->mnt), "%s", mnt);
	f->pid = proc_start(client, f);
	return f;
}

struct progress {
	struct fsload *f;
	u32 writes;
};

static bool has_written(void *arg)
{
	struct progress *p = arg;

	return p->f->writes >= p->writes || p->f->done;
}

void fsload_runs(struct fsload *f, const char *what)
{
	struct progress p = { f, f->writes + 2 };

	must(wait_until(has_written, &p, 3 * SOON_MS), "%s: the client does not go on", what);
	must(!f->done, "%s: the client: %s", what, f->broken);
}

static bool is_done(void *arg)
{
	return ((struct fsload *)arg)->done;
}

void fsload_stop(struct fsload *f, const char *what)
{
	f->stop = 1;
	must(wait_until(is_done, f, 3 * SOON_MS), "%s: the client hangs", what);
	must(!f->broken[0], "%s: the client: %s", what, f->broken);
	proc_gone(f->pid, SOON_MS);
}

void fsload_is(struct fsload *f, const char *what)
{
	for (unsigned int i = 0; i < FSLOAD_FILES; i++)
		must(is_right(f, i), "%s: %s", what, f->broken);
}
