// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "caps.h"
#include "ctrl.h"
#include "log.h"
#include "machine.h"
#include "precheck.h"
#include "recover.h"
#include "rlimits.h"
#include "sysfs.h"

static int precheck_kernel(const char *cmd, const struct launch *l)
{
	const char *missing;
	struct caps caps;
	struct ctrl c;
	int ret = ctrl_init(&c);

	if (ret)
		return ret;
	ret = caps_probe(&c, &caps);
	/* Not of the kernel, but in time, and before the legs are opened. */
	if (!ret && l->recover)
		ret = recover_wait_dead(&c, l->device.id);
	ctrl_deinit(&c);
	if (ret)
		return ret;
	ret = mode_check(l->device.mode, &caps, &missing);
	if (ret)
		log_err("%s: -m %s: this kernel lacks %s; 'regbuf features' tells what it has",
			cmd, l->device.mode->name, missing);
	return ret;
}

/*
 * In a process of its own: commands to the driver leave a worker thread of io_uring behind
 * for as long as the process lives, and in the foreground that is the server.  The
 * worker would stay in the mount namespace that the server leaves.
 */
static int precheck_kernel_apart(const char *cmd, const struct launch *l)
{
	pid_t child;
	int status;

	fflush(NULL);
	child = fork();
	if (!child)
		_exit(precheck_kernel(cmd, l) ? 1 : 0);
	if (child < 0 || waitpid(child, &status, 0) != child) {
		log_err("%s: looking at the kernel: %s", cmd, strerror(errno));
		return -EIO;
	}
	if (WIFSIGNALED(status))
		log_err("%s: looking at the kernel: %s", cmd, strsignal(WTERMSIG(status)));
	return status ? -EIO : 0;
}

/* The kernel makes no more queues than this, which it does not tell before. */
static void precheck_bound_queues(const char *cmd, struct device *d)
{
	unsigned int cpus = machine_cpus("");

	if (!cpus || d->nr_queues <= cpus)
		return;
	log_warn("%s: --queues %u: this machine takes %u, one for each processor that it can have; there will be %u",
		 cmd, d->nr_queues, cpus, cpus);
	d->nr_queues = cpus;
}

/* The buffers of all tags come by and by, as requests do: there must be memory for them. */
static int precheck_memory(const char *cmd, const struct device *d)
{
	u64 need = (u64)d->nr_queues * d->depth * d->max_io;
	struct memory have;

	if (!d->mode->has_bufs)
		return 0;
	machine_memory("", &have);
	if (need <= have.bytes)
		return 0;
	log_err("%s: %u x %u buffers of %u bytes, for every request of mode %s, are %" PRIu64 " MiB, and %" PRIu64
		" MiB of memory are available (%s); right is a smaller --depth or --max-io, or mode register or get-data",
		cmd, d->nr_queues, d->depth, d->max_io, d->mode->name, need >> 20, have.bytes >> 20, have.limit);
	return -ENOMEM;
}

/*
 * What a server would miss only later, or never know of: without sysfs a leg's write
 * cache, say, which is not flushed then.
 */
static int precheck_machine(const char *cmd, const struct device *d)
{
	int ret = rlimits_files(RLIMITS_FILES(d->nr_queues));

	if (ret)
		return ret;
	if (!sysfs_is_mounted()) {
		log_err("%s: /sys: what legs can do cannot be read; right is a sysfs there: mount -t sysfs sysfs /sys",
			cmd);
		return -ENOENT;
	}
	return 0;
}

int precheck(const char *cmd, struct launch *l)
{
	int ret = 0;

	if (!l->recover) {
		precheck_bound_queues(cmd, &l->device);
		ret = precheck_memory(cmd, &l->device);
	}
	if (ret)
		return ret;
	ret = l->foreground ? precheck_kernel_apart(cmd, l) : precheck_kernel(cmd, l);
	return ret ? ret : precheck_machine(cmd, &l->device);
}
