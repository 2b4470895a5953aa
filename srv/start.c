// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cache.h"
#include "ctrl.h"
#include "launch_msg.h"
#include "log.h"
#include "node.h"
#include "self.h"
#include "start.h"
#include "sysfs.h"

/* For an errno: the failure has been logged. */
#define START_TOLD	255

static void start_set_queue(const struct device *d, const char *name, const char *value,
			    const char *why)
{
	char path[32];
	struct stat st;
	int ret;

	snprintf(path, sizeof(path), "/dev/ublkb%u", d->id);
	ret = stat(path, &st) ? -errno : sysfs_queue_set(st.st_rdev, name, value);
	if (ret)
		log_warn("%s: %s could not be set to %s: %s: %s", path, name, value, strerror(-ret), why);
}

/*
 * Nobody takes a copy: when the client changes pages under way, checksums are wrong and
 * legs differ.
 */
static bool start_wants_stable_pages(const struct device *d)
{
	const struct target *t = d->target;

	return d->mode->lends && ((t->ops->wants_stable_data && d->stable != STABLE_OFF) || t->lim.stable);
}

static void start_stable_pages(const struct device *d)
{
	if (start_wants_stable_pages(d))
		start_set_queue(d, "stable_writes", "1",
				"pages that change while they are written may differ between legs, or from their checksums");
}

/* What the kernel's defaults get wrong, and what others have left. */
static void start_settle(const struct device *d, enum start_kind kind)
{
	switch (kind) {
	case START_NEW:
		start_set_queue(d, "scheduler", "none",
				"requests are sorted here and by the legs' own schedulers again");
		start_stable_pages(d);
		break;
	case START_RECOVERED:
		break;
	case START_FORCED:
		start_stable_pages(d);
		cache_drop(d->id);
		break;
	}
}

/* In the process of its own.  What it returns, negated, is its exit status. */
static int start_main(const struct device *d, enum start_kind kind, int pid)
{
	struct ctrl c;
	int ret;

	/* It may outlive the launcher. */
	self_let_go(2);
	ret = ctrl_init(&c);
	if (ret)
		return -START_TOLD;
	if (kind == START_NEW)
		ret = ctrl_start_dev(&c, d->id, pid);
	else
		ret = ctrl_end_recovery(&c, d->id, pid);
	if (!ret && node_wait(NODE_BLOCK, d->id, ctrl_get_devt(&c, d->id, true)))
		ret = -START_TOLD;
	if (!ret)
		start_settle(d, kind);
	ctrl_deinit(&c);
	return ret;
}

/*
 * Until @child has ended, which it never does when the server dies: not before the device
 * is removed, and that is the launcher's to do.
 */
static int start_wait(const struct device *d, int sock, pid_t child, int *status)
{
	pid_t ended;

	while (!(ended = waitpid(child, status, WNOHANG))) {
		if (launch_msg_is_over(sock)) {
			kill(child, SIGKILL);
			return -ECONNRESET;
		}
		usleep(1000);
	}
	if (launch_msg_is_over(sock))
		return -ECONNRESET;
	if (ended == child)
		return 0;
	log_err("device %u: start: waiting for it: %s", d->id, strerror(errno));
	kill(child, SIGKILL);
	return -ECHILD;
}

static pid_t start_fork(const struct device *d, enum start_kind kind, int sock, int pid)
{
	pid_t parent = getpid(), child = fork();

	if (child)
		return child;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	close(sock);
	/* killed before it could be told */
	if (getppid() != parent)
		_exit(START_TOLD);
	_exit(-start_main(d, kind, pid));
}

int start_device(const struct device *d, enum start_kind kind, int sock, int pid)
{
	pid_t child = start_fork(d, kind, sock, pid);
	int ret, status;

	if (child < 0) {
		log_err("device %u: start: fork: %s", d->id, strerror(errno));
		return -errno;
	}
	ret = start_wait(d, sock, child, &status);
	if (ret || !status)
		return ret;
	status = WIFEXITED(status) ? WEXITSTATUS(status) : EINTR;
	if (status != START_TOLD)
		log_err("device %u: start: %s", d->id, strerror(status));
	return -status;
}
