// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "apart.h"
#include "log.h"

/* An exit status that is no answer. */
#define APART_FAILED	255

int apart(const char *cmd, int (*ask)(void *arg), void *arg)
{
	pid_t child;
	int status;

	fflush(NULL);
	child = fork();
	if (!child) {
		int ret = ask(arg);

		_exit(ret < 0 ? APART_FAILED : ret);
	}
	if (child < 0 || waitpid(child, &status, 0) != child) {
		log_err("%s: looking at the kernel: %s", cmd, strerror(errno));
		return -EIO;
	}
	if (WIFSIGNALED(status))
		log_err("%s: looking at the kernel: %s", cmd, strsignal(WTERMSIG(status)));
	if (!WIFEXITED(status) || WEXITSTATUS(status) == APART_FAILED)
		return -EIO;
	return WEXITSTATUS(status);
}
