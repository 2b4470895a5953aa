/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What there is on this machine for a server: memory and processors.
 *
 * Each takes @root, "" but in tests: where proc and sys are looked for.
 */
#ifndef SRV_MACHINE_H
#define SRV_MACHINE_H

#include "types.h"

/*
 * struct memory - how much can be had, and what bounds it
 * @bytes: UINT64_MAX when nobody says
 * @limit: "MemAvailable", or the file that has the limit of a cgroup
 */
struct memory {
	u64 bytes;
	char limit[512];
};

/*
 * The memory that this process can still have: the machine's, and that of its memory
 * cgroup and of every one above it.  What the kernel can drop at once counts as free.
 */
void machine_memory(const char *root, struct memory *m);

/* The kernel's nr_cpu_ids, the most queues that a device has; 0 when nobody says. */
unsigned int machine_cpus(const char *root);

#endif
