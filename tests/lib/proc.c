// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proc.h"
#include "sh.h"

static void child_init(pid_t parent, int keep)
{
	check_in_child();
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(98);
	if (keep < 3) {
		close_range(3, ~0U, 0);
		return;
	}
	if (keep > 3)
		close_range(3, keep - 1, 0);
	close_range(keep + 1, ~0U, 0);
}

pid_t proc_start_fd(void (*fn)(void *arg), void *arg, int fd)
{
	pid_t parent = getpid(), pid = fork();

	must(pid >= 0, "fork: %s", strerror(errno));
	if (!pid) {
		child_init(parent, fd);
		fn(arg);
		for (;;)
			pause();
	}
	return pid;
}

pid_t proc_start(void (*fn)(void *arg), void *arg)
{
	return proc_start_fd(fn, arg, -1);
}

static bool reaped(void *arg)
{
	pid_t *pid = arg;

	return waitpid(*pid, NULL, WNOHANG) != 0;
}

bool proc_gone(pid_t pid, unsigned int ms)
{
	return wait_until(reaped, &pid, ms);
}

void proc_signal(pid_t pid)
{
	must(!kill(pid, SIGKILL), "kill %d: %s", pid, strerror(errno));
}

void proc_kill(pid_t pid)
{
	proc_signal(pid);
	must(proc_gone(pid, SOON_MS), "process %d was killed but is still there", pid);
}

bool proc_other_gone(pid_t pid, unsigned int ms)
{
	struct pollfd pfd = { .fd = pidfd_open(pid, 0), .events = POLLIN };
	bool gone;

	if (pfd.fd < 0)
		return errno == ESRCH;
	gone = poll(&pfd, 1, ms) > 0;
	close(pfd.fd);
	return gone;
}

void proc_kill_other(pid_t pid)
{
	/* of a device without a server a later kernel says -1, and that would be everybody */
	must(pid > 0, "process %d cannot be killed", pid);
	must(!kill(pid, SIGKILL) || errno == ESRCH, "kill %d: %s", pid, strerror(errno));
	must(proc_other_gone(pid, SOON_MS), "process %d was killed but is still there", pid);
}

bool proc_has_io_worker(pid_t pid)
{
	return !sh("cat /proc/%d/task/*/comm 2> /dev/null | grep -q iou-wrk", pid);
}

int proc_run(int (*fn)(void *arg), void *arg)
{
	pid_t parent = getpid(), pid = fork();
	u64 end = now_ms() + 2 * SOON_MS;
	int status;

	must(pid >= 0, "fork: %s", strerror(errno));
	if (!pid) {
		child_init(parent, -1);
		_exit(fn(arg));
	}
	while (!waitpid(pid, &status, WNOHANG)) {
		must(now_ms() < end, "the child does not end");
		sleep_ms(2);
	}
	must(WIFEXITED(status), "the child ended with status %#x", status);
	return WEXITSTATUS(status);
}

#define PROGRAM_ARGS_MAX	16

int proc_program(const char *path, const char *const *args, const char *env)
{
	char file[512], *argv[PROGRAM_ARGS_MAX + 2] = { file };
	char *envp[] = { "PATH=/usr/sbin:/usr/bin:/sbin:/bin", (char *)env, NULL };
	int status, ret;
	pid_t pid;

	snprintf(file, sizeof(file), "%s/%s", getenv("REGBUF_BUILD") ?: "build", path);
	must(!access(file, X_OK), "%s is not there: make programs", file);
	for (unsigned int n = 0; args[n]; n++) {
		must(n < PROGRAM_ARGS_MAX, "%s: too many arguments", path);
		argv[n + 1] = (char *)args[n];
	}
	ret = posix_spawn(&pid, file, NULL, NULL, argv, envp);
	must(!ret, "%s: %s", file, res_str(-ret));
	must(waitpid(pid, &status, 0) == pid && WIFEXITED(status), "%s ended with status %#x", path,
	     status);
	return WEXITSTATUS(status);
}

void *shared_alloc(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	must(p != MAP_FAILED, "%zu shared bytes: %s", size, strerror(errno));
	return p;
}
