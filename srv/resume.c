// SPDX-License-Identifier: GPL-2.0
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "apart.h"
#include "ctrl.h"
#include "identity.h"
#include "ids.h"
#include "log.h"
#include "resume.h"
#include "rundir.h"
#include "target.h"

#define RESUME_SUFFIX	".device"
#define RESUME_FILE_MAX	(RESUME_NAME_MAX + sizeof(RESUME_SUFFIX) + 4)	/* bytes; room for ".new" */

bool resume_name_is_good(const char *name)
{
	size_t len = strlen(name);

	if (!len || len > RESUME_NAME_MAX || !isalnum((unsigned char)*name))
		return false;
	for (; *name; name++)
		if (!isalnum((unsigned char)*name) && !strchr("._-", *name))
			return false;
	return true;
}

static void resume_file(const char *name, const char *behind, char *file)
{
	snprintf(file, RESUME_FILE_MAX, "%s" RESUME_SUFFIX "%s", name, behind);
}

/* What is kept for @name: 1; 0: nothing; or -errno, with the cause in @why. */
static int resume_read(const char *name, u32 *id, u64 *identity, char *why)
{
	char dir[RUNDIR_MAX], file[RESUME_FILE_MAX], text[64] = "";
	int at, fd, ret = control_own_dir(dir, why);

	if (ret)
		return ret;
	at = rundir_open(dir, why, CONTROL_WHY_MAX);
	if (at < 0)
		return at == -ENOENT ? 0 : at;
	resume_file(name, "", file);
	fd = openat(at, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0)
		ret = -errno;
	close(at);
	if (fd >= 0)
		close(fd);
	if (!ret)
		return sscanf(text, "%" SCNu32 " %" SCNx64, id, identity) == 2;
	snprintf(why, CONTROL_WHY_MAX, "%s/%s: %s", dir, file, strerror(-ret));
	return ret == -ENOENT ? 0 : ret;
}

struct resume_job {
	u32 id;
	u64 identity;
};

/* 1: it is that one.  It may have a server, which is for others to say. */
static int resume_ask(void *arg)
{
	const struct resume_job *job = arg;
	struct ublksrv_ctrl_dev_info info;
	struct ctrl c;
	int ret = ctrl_init(&c);

	if (ret)
		return ret;
	ret = ctrl_get_info(&c, job->id, &info);
	ctrl_deinit(&c);
	if (ret && ret != -ENODEV)
		log_err("device %u: %s", job->id, strerror(-ret));
	if (ret)
		return ret == -ENODEV ? 0 : ret;
	return info.ublksrv_flags == job->identity && info.state != UBLK_S_DEV_DEAD;
}

int resume_find(const char *cmd, struct device *d)
{
	char why[CONTROL_WHY_MAX];
	struct resume_job job;
	int ret = resume_read(d->name, &job.id, &job.identity, why);

	if (ret < 0)
		log_err("%s: --name %s: which device that is cannot be known: %s", cmd, d->name, why);
	if (ret != 1 || !identity_is_ours(job.identity))
		return ret < 0 ? ret : 0;
	ret = apart(cmd, resume_ask, &job);
	if (ret != 1)
		return ret;
	if (d->id != ID_ANY && d->id != job.id) {
		log_err("%s: --name %s is device %u, not %u; right is to leave out --id, or to remove that device", cmd,
			d->name, job.id, d->id);
		return -EBUSY;
	}
	d->id = job.id;
	return 1;
}

/* Whole or not at all. */
static int resume_write(int dir, const struct device *d)
{
	const struct target *t = d->target;
	const u8 *uuid = t->ops->uuid ? t->ops->uuid(t) : NULL;
	char new[RESUME_FILE_MAX], file[RESUME_FILE_MAX], text[UUID_TEXT];
	int fd, ret;

	resume_file(d->name, ".new", new);
	resume_file(d->name, "", file);
	fd = openat(dir, new, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	if (uuid)
		uuid_text(uuid, text);
	ret = dprintf(fd, "%u %" PRIx64 "%s%s\n", d->id, d->identity, uuid ? " " : "", uuid ? text : "") < 0 ? -errno : 0;
	close(fd);
	if (!ret && renameat(dir, new, dir, file))
		ret = -errno;
	return ret;
}

int resume_keep(const struct device *d)
{
	char path[RUNDIR_MAX], why[CONTROL_WHY_MAX];
	int dir, ret = rundir_own(path);

	if (ret) {
		log_err("device %u: its name %s cannot be kept: %s", d->id, d->name, strerror(-ret));
		return ret;
	}
	dir = rundir_make(path, why, sizeof(why));
	if (dir < 0) {
		log_err("device %u: its name %s cannot be kept: %s", d->id, d->name, why);
		return dir;
	}
	ret = rundir_lock(dir, path, why, sizeof(why));
	if (!ret)
		ret = resume_write(dir, d);
	if (ret)
		log_err("device %u: its name %s cannot be kept in %s: %s", d->id, d->name, path, strerror(-ret));
	close(dir);
	return ret;
}

void resume_forget(const struct device *d)
{
	char path[RUNDIR_MAX], file[RESUME_FILE_MAX], why[CONTROL_WHY_MAX];
	u64 identity;
	u32 id;
	int dir;

	/* another device may have the name now */
	if (!d->name || resume_read(d->name, &id, &identity, why) != 1 || id != d->id || identity != d->identity ||
	    rundir_own(path))
		return;
	dir = rundir_open(path, why, sizeof(why));
	if (dir < 0)
		return;
	resume_file(d->name, "", file);
	unlinkat(dir, file, 0);
	close(dir);
}

/* Is @name that of a file, and whose? */
static bool resume_is_file(const char *file, char *name)
{
	size_t len = strlen(file), suffix = strlen(RESUME_SUFFIX);

	if (len <= suffix || len - suffix > RESUME_NAME_MAX || strcmp(file + len - suffix, RESUME_SUFFIX))
		return false;
	memcpy(name, file, len - suffix);
	name[len - suffix] = '\0';
	return resume_name_is_good(name);
}

/* 1: the file of open directory @at is of that device; *n is filled. */
static int resume_is_of(int at, const char *file, u32 id, u64 identity, struct resume_name *n)
{
	char text[128] = "";
	u64 its_identity;
	u32 its_id;
	int fd = openat(at, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	ssize_t len = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (fd >= 0)
		close(fd);
	n->uuid[0] = '\0';
	return len > 0 && sscanf(text, "%" SCNu32 " %" SCNx64 " %36[0-9a-f-]", &its_id, &its_identity, n->uuid) >= 2 &&
	       its_id == id && its_identity == identity;
}

int resume_name_of(u32 id, u64 identity, struct resume_name *n, char *why)
{
	char path[RUNDIR_MAX];
	int at, found = control_own_dir(path, why);
	struct dirent *entry;
	DIR *dir;

	if (found)
		return found;
	at = rundir_open(path, why, CONTROL_WHY_MAX);
	if (at < 0)
		return at == -ENOENT ? 0 : at;
	dir = fdopendir(at);
	if (!dir) {
		snprintf(why, CONTROL_WHY_MAX, "%s: %s", path, strerror(errno));
		close(at);
		return -ENOMEM;
	}
	while (!found && (entry = readdir(dir)))
		found = resume_is_file(entry->d_name, n->name) && resume_is_of(at, entry->d_name, id, identity, n);
	closedir(dir);
	return found;
}
