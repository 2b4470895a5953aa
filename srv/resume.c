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

/* struct kept - what a file says */
struct kept {
	u32 id;
	u64 identity;
	char uuid[UUID_TEXT];	/* "": it has none */
};

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

bool resume_check_name(const char *cmd, const char *name)
{
	bool good = resume_name_is_good(name);

	if (!good)
		log_err("%s: name %s: wrong value; right are 1 to %u letters, digits, '.', '_' and '-', the first a letter or a digit",
			cmd, name, RESUME_NAME_MAX);
	return good;
}

static void resume_file(const char *name, const char *behind, char *file)
{
	snprintf(file, RESUME_FILE_MAX, "%s" RESUME_SUFFIX "%s", name, behind);
}

/* The directory of the files, open, for the caller to close; or -errno, with the cause in @why. */
static int resume_dir(char *why)
{
	char path[RUNDIR_MAX];
	int ret = control_own_dir(path, why);

	return ret ? ret : rundir_open(path, why, CONTROL_WHY_MAX);
}

/* What @file in open directory @dir says: 1; 0: nothing that is right, or it is not there; or -errno. */
static int resume_read(int dir, const char *file, struct kept *k)
{
	char text[128] = "";
	ssize_t len;
	int fd = openat(dir, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW), ret;

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	len = read(fd, text, sizeof(text) - 1);
	ret = len < 0 ? -errno : 0;
	close(fd);
	k->uuid[0] = '\0';
	return ret ? ret : sscanf(text, "%" SCNu32 " %" SCNx64 " %36[0-9a-f-]", &k->id, &k->identity, k->uuid) >= 2;
}

/* What is kept for @name: 1; 0: nothing; or -errno, with the cause in @why. */
static int resume_read_name(const char *name, struct kept *k, char *why)
{
	char file[RESUME_FILE_MAX];
	int dir = resume_dir(why), ret;

	if (dir < 0)
		return dir == -ENOENT ? 0 : dir;
	resume_file(name, "", file);
	ret = resume_read(dir, file, k);
	close(dir);
	if (ret < 0)
		snprintf(why, CONTROL_WHY_MAX, "%s: %s", file, strerror(-ret));
	return ret;
}

/* 1: it is that one.  It may have a server, which is for others to say. */
static int resume_ask(void *arg)
{
	const struct kept *k = arg;
	struct ublksrv_ctrl_dev_info info;
	struct ctrl c;
	int ret = ctrl_init(&c);

	if (ret)
		return ret;
	ret = ctrl_get_info(&c, k->id, &info);
	ctrl_deinit(&c);
	if (!ret)
		return info.ublksrv_flags == k->identity && info.state != UBLK_S_DEV_DEAD;
	if (ret == -ENODEV)
		return 0;
	log_err("device %u: %s", k->id, strerror(-ret));
	return ret;
}

int resume_find(const char *cmd, struct device *d)
{
	char why[CONTROL_WHY_MAX];
	struct kept k;
	int ret = resume_read_name(d->name, &k, why);

	if (ret < 0)
		log_err("%s: --name %s: which device that is cannot be known: %s", cmd, d->name, why);
	if (ret == 1)
		ret = identity_is_ours(k.identity) ? apart(cmd, resume_ask, &k) : 0;
	if (ret != 1)
		return ret;
	if (d->id != ID_ANY && d->id != k.id) {
		log_err("%s: --name %s is device %u, not %u; right is to leave out --id, or to remove that device", cmd,
			d->name, k.id, d->id);
		return -EBUSY;
	}
	d->id = k.id;
	return 1;
}

int resume_id(const char *cmd, const char *name, unsigned int *id)
{
	struct device d = { .name = name, .id = ID_ANY };
	int ret = resume_find(cmd, &d);

	if (!ret)
		log_err("%s: no device is called %s; 'regbuf list' shows what there is", cmd, name);
	if (ret != 1)
		return ret ? ret : -ENODEV;
	*id = d.id;
	return 0;
}

/* Whole or not at all. */
static int resume_write(int dir, const struct device *d)
{
	const struct target *t = d->target;
	const u8 *uuid = t->ops->uuid ? t->ops->uuid(t) : NULL;
	char new[RESUME_FILE_MAX], file[RESUME_FILE_MAX], text[UUID_TEXT] = "";
	int fd, ret;

	resume_file(d->name, ".new", new);
	resume_file(d->name, "", file);
	fd = openat(dir, new, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	if (uuid)
		uuid_text(uuid, text);
	ret = dprintf(fd, "%u %" PRIx64 "%s%s\n", d->id, d->identity, uuid ? " " : "", text) < 0 ? -errno : 0;
	close(fd);
	if (!ret && renameat(dir, new, dir, file))
		ret = -errno;
	return ret;
}

int resume_keep(const struct device *d)
{
	char path[RUNDIR_MAX], why[CONTROL_WHY_MAX];
	int dir, ret = control_own_dir(path, why);

	dir = ret ? ret : rundir_make(path, why, sizeof(why));
	if (dir < 0) {
		log_err("device %u: its name %s cannot be kept: %s", d->id, d->name, why);
		return dir;
	}
	ret = rundir_lock(dir, path, why, sizeof(why));
	if (!ret) {
		ret = resume_write(dir, d);
		if (ret)
			snprintf(why, sizeof(why), "%s: %s", path, strerror(-ret));
	}
	if (ret)
		log_err("device %u: its name %s cannot be kept: %s", d->id, d->name, why);
	/* and the lock with it */
	close(dir);
	return ret;
}

/* Is it device @id, of identity @identity, that *k is of? */
static bool resume_is_of(const struct kept *k, u32 id, u64 identity)
{
	return k->id == id && k->identity == identity;
}

void resume_forget(const struct device *d)
{
	char file[RESUME_FILE_MAX], why[CONTROL_WHY_MAX];
	struct kept k;
	int dir = d->name ? resume_dir(why) : -ENOENT;

	if (dir < 0)
		return;
	resume_file(d->name, "", file);
	/* another device may have the name now */
	if (resume_read(dir, file, &k) == 1 && resume_is_of(&k, d->id, d->identity))
		unlinkat(dir, file, 0);
	close(dir);
}

/* Is @file that of a name?  Then it is in @name. */
static bool resume_is_file(const char *file, char *name)
{
	size_t len = strlen(file), suffix = strlen(RESUME_SUFFIX);

	if (len <= suffix || len - suffix > RESUME_NAME_MAX || strcmp(file + len - suffix, RESUME_SUFFIX))
		return false;
	memcpy(name, file, len - suffix);
	name[len - suffix] = '\0';
	return resume_name_is_good(name);
}

int resume_name_of(u32 id, u64 identity, struct resume_name *n, char *why)
{
	int at = resume_dir(why), found = 0;
	struct dirent *entry;
	struct kept k;
	DIR *dir;

	if (at < 0)
		return at == -ENOENT ? 0 : at;
	/* from here on @at is its */
	dir = fdopendir(at);
	if (!dir) {
		found = -errno;
		snprintf(why, CONTROL_WHY_MAX, "the names of devices: %s", strerror(-found));
		close(at);
		return found;
	}
	while (!found && (entry = readdir(dir)))
		found = resume_is_file(entry->d_name, n->name) && resume_read(at, entry->d_name, &k) == 1 &&
			resume_is_of(&k, id, identity);
	closedir(dir);
	if (found)
		strcpy(n->uuid, k.uuid);
	return found;
}
