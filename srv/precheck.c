// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "apart.h"
#include "caps.h"
#include "ctrl.h"
#include "log.h"
#include "machine.h"
#include "precheck.h"
#include "recover.h"
#include "rlimits.h"
#include "sysfs.h"

/* What the mode of the device is, if this kernel has it: its number in mode_list, or -errno after a message. */
static int precheck_mode(const char *cmd, const struct mode_ops *mode, const struct caps *caps, const u64 *alike)
{
	const char *missing;
	char names[128];
	int nr = 0;

	if (mode && mode_check(mode, caps, &missing)) {
		log_err("%s: -m %s: this kernel lacks %s; 'regbuf features' tells what it has",
			cmd, mode->name, missing);
		return -EOPNOTSUPP;
	}
	if (!mode)
		mode = mode_best(caps, alike);
	if (!mode) {
		mode_names_of(*alike, names, sizeof(names));
		log_err("%s: the device was made in another mode than this kernel has; right is one of %s", cmd, names);
		return -EOPNOTSUPP;
	}
	while (mode_list[nr] != mode)
		nr++;
	return nr;
}

static int precheck_kernel(const char *cmd, const struct launch *l)
{
	struct caps caps;
	struct ctrl c;
	u64 flags;
	int ret = ctrl_init(&c);

	if (ret)
		return ret;
	ret = caps_probe(&c, &caps);
	/* Not of the kernel, but in time, and before the legs are opened. */
	if (!ret && l->recover)
		ret = recover_wait_dead(&c, l->device.id, &flags);
	ctrl_deinit(&c);
	return ret ? ret : precheck_mode(cmd, l->device.mode, &caps, l->recover ? &flags : NULL);
}

struct precheck_job {
	const char *cmd;
	const struct launch *l;
};

static int precheck_job(void *arg)
{
	const struct precheck_job *job = arg;

	return precheck_kernel(job->cmd, job->l);
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
	struct device *d = &l->device;
	int ret;

	if (!l->recover)
		precheck_bound_queues(cmd, d);
	ret = l->foreground ? apart(cmd, precheck_job, &(struct precheck_job){ cmd, l }) : precheck_kernel(cmd, l);
	if (ret < 0)
		return ret;
	d->mode = mode_list[ret];
	ret = l->recover ? 0 : precheck_memory(cmd, d);
	return ret ? ret : precheck_machine(cmd, d);
}
