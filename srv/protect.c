// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "log.h"
#include "protect.h"
#include "types.h"

#define OOM_FILE	"/proc/self/oom_score_adj"
#define OOM_NEVER	"-1000"

/* What it was, for processes that are no servers. */
static char oom_before[8] = "0";

static void protect_from_oom(void)
{
	int fd = open(OOM_FILE, O_RDWR | O_CLOEXEC);
	ssize_t len = fd < 0 ? -1 : pread(fd, oom_before, sizeof(oom_before) - 1, 0);

	if (len > 0)
		oom_before[len] = '\0';
	if (fd < 0 || write(fd, OOM_NEVER, strlen(OOM_NEVER)) < 0)
		log_warn("the kernel may kill the server when memory is short: " OOM_FILE
			 ": %s; right is CAP_SYS_RESOURCE", strerror(errno));
	if (fd >= 0)
		close(fd);
}

/* Does /proc call processes what we call them?  It may be another pid namespace's. */
static bool protect_knows_pids(void)
{
	char self[16] = "";

	return readlink("/proc/self", self, sizeof(self) - 1) > 0 && atoi(self) == getpid();
}

void protect_give_back(pid_t pid)
{
	char path[48];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/oom_score_adj", pid);
	fd = protect_knows_pids() ? open(path, O_WRONLY | O_CLOEXEC) : -1;
	if (fd < 0)
		return;
	if (write(fd, oom_before, strlen(oom_before)) < 0)
		log_warn("%s: %s", path, strerror(errno));
	close(fd);
}

void protect_process(void)
{
	protect_from_oom();
	if (prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0))
		log_warn("the server may wait for its own device when memory is short: PR_SET_IO_FLUSHER: %s; right is CAP_SYS_RESOURCE",
			 strerror(errno));
	/*
	 * The code too, also what only runs when a leg fails.  Whether that is
	 * permitted protect_memory() finds out.
	 */
	mlockall(MCL_CURRENT);
}

void protect_memory(void)
{
	struct rlimit limit = { 0 };
	int err;

	if (!mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT))
		return;
	err = errno;
	getrlimit(RLIMIT_MEMLOCK, &limit);
	log_warn("the server's memory may be swapped out: mlockall: %s: RLIMIT_MEMLOCK is %" PRIu64
		 " KiB; right is 'ulimit -l unlimited' or CAP_IPC_LOCK",
		 strerror(err), (u64)limit.rlim_cur >> 10);
}
