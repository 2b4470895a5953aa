// SPDX-License-Identifier: GPL-2.0
#include <linux/limits.h>
#include <linux/magic.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/vfs.h>

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

int self_spawn(char *const argv[])
{
	posix_spawnattr_t attr;
	sigset_t none;
	pid_t pid;
	int ret;

	sigemptyset(&none);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
	ret = posix_spawn(&pid, self_has_proc() ? "/proc/self/exe" : self_path, NULL, &attr, argv, environ);
	posix_spawnattr_destroy(&attr);
	return -ret;
}
