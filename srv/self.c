// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <linux/limits.h>
#include <linux/magic.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "protect.h"
#include "self.h"
#include "types.h"

extern char **environ;

static char self_path[PATH_MAX];

void self_init(void)
{
	const char *name = (const char *)getauxval(AT_EXECFN);

	if (!name || !realpath(name, self_path))
		self_path[0] = '\0';
}

static bool self_has_proc(void)
{
	struct statfs fs;

	return !statfs("/proc", &fs) && fs.f_type == PROC_SUPER_MAGIC;
}

void self_let_go(int nr)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0)
		return;
	for (int fd = 0; fd < nr; fd++)
		dup2(null, fd);
	if (null >= nr)
		close(null);
}

/* Of /dev/null: 0 and 1, and 2 if @quiet. */
static int self_silence(posix_spawn_file_actions_t *files, bool quiet)
{
	int ret = 0;

	for (int fd = 0; !ret && fd < (quiet ? 3 : 2); fd++)
		ret = posix_spawn_file_actions_addopen(files, fd, "/dev/null", O_RDWR, 0);
	return ret;
}

/* In a process group of its own, every signal as in a program that a shell starts. */
static int self_signals(posix_spawnattr_t *attr)
{
	sigset_t set;

	sigemptyset(&set);
	posix_spawnattr_setsigmask(attr, &set);
	sigfillset(&set);
	posix_spawnattr_setsigdefault(attr, &set);
	return posix_spawnattr_setflags(attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
					      POSIX_SPAWN_SETPGROUP);
}

static int self_exec(pid_t *pid, char *const argv[], const posix_spawn_file_actions_t *files,
		     const posix_spawnattr_t *attr)
{
	int ret = ENOENT;

	if (self_has_proc())
		ret = posix_spawn(pid, "/proc/self/exe", files, attr, argv, environ);
	/* /proc may also be another pid namespace's, where we have no number. */
	if (ret == ENOENT)
		ret = posix_spawn(pid, self_path, files, attr, argv, environ);
	return ret;
}

pid_t self_spawn(char *const argv[], bool quiet)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	pid_t pid = 0;
	int ret;

	posix_spawnattr_init(&attr);
	posix_spawn_file_actions_init(&files);
	ret = self_signals(&attr);
	if (!ret)
		ret = self_silence(&files, quiet);
	if (!ret)
		ret = self_exec(&pid, argv, &files, &attr);
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&attr);
	if (ret)
		return -ret;
	protect_give_back(pid);
	return pid;
}
