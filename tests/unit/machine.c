// SPDX-License-Identifier: GPL-2.0
/*
 * A machine of files: proc, sys and cgroups below a directory of the test's own.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "machine.h"

#define MIB	(1ULL << 20)

static char root[64];

static void sh(const char *line)
{
	char all[1024];

	snprintf(all, sizeof(all), "cd %s && %s", root, line);
	cr_assert_eq(system(all), 0, "%s", all);
}

/* File @name, with the directories above it. */
static void put(const char *name, const char *text)
{
	char line[1024];

	snprintf(line, sizeof(line), "mkdir -p \"$(dirname '%s')\" && printf '%s' > '%s'", name, text, name);
	sh(line);
}

static void setup(void)
{
	strcpy(root, "/tmp/machine-XXXXXX");
	cr_assert(mkdtemp(root));
	put("proc/meminfo", "MemTotal:  2097152 kB\nMemAvailable:    1048576 kB\n");
}

static void teardown(void)
{
	sh("rm -r \"$PWD\"");
}

TestSuite(machine, .init = setup, .fini = teardown);

static void memory_is(u64 bytes, const char *limit)
{
	struct memory m;

	machine_memory(root, &m);
	cr_assert_eq(m.bytes, bytes, "%llu bytes by %s, not %llu", (unsigned long long)m.bytes, m.limit,
		     (unsigned long long)bytes);
	cr_assert(strstr(m.limit, limit), "bound by %s, not %s", m.limit, limit);
}

#define MOUNT_V2	"30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
#define MOUNT_V1	"31 23 0:27 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n" \
			"32 23 0:28 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"

static void v2(const char *name)
{
	char line[256];

	snprintf(line, sizeof(line), "0::%s\n", name);
	put("proc/self/cgroup", line);
	put("proc/self/mountinfo", "23 1 0:21 / /sys rw - sysfs sysfs rw\n" MOUNT_V2);
}

Test(machine, without_cgroups_it_is_all_that_is_available)
{
	memory_is(1024 * MIB, "MemAvailable");
}

Test(machine, without_proc_nobody_says)
{
	sh("rm proc/meminfo");
	memory_is(UINT64_MAX, "");
	cr_assert_eq(machine_cpus(root), 0);
}

Test(machine, a_cgroups_limit_counts_less_what_it_uses)
{
	v2("/a.slice/b.service");
	put("sys/fs/cgroup/a.slice/b.service/memory.max", "104857600\n");
	put("sys/fs/cgroup/a.slice/b.service/memory.current", "20971520\n");
	memory_is(80 * MIB, "/sys/fs/cgroup/a.slice/b.service/memory.max");
}

Test(machine, page_cache_can_be_had)
{
	v2("/a");
	put("sys/fs/cgroup/a/memory.max", "104857600\n");
	put("sys/fs/cgroup/a/memory.current", "94371840\n");
	put("sys/fs/cgroup/a/memory.stat", "anon 10\nfile 62914560\ninactive_file 31457280\nactive_file 10485760\nslab 3\n");
	memory_is(50 * MIB, "memory.max");
}

Test(machine, every_cgroup_above_counts)
{
	v2("/a/b/c");
	put("sys/fs/cgroup/a/b/c/memory.max", "max\n");
	put("sys/fs/cgroup/a/memory.max", "52428800\n");
	memory_is(50 * MIB, "cgroup/a/memory.max");
	put("sys/fs/cgroup/a/b/memory.max", "10485760\n");
	memory_is(10 * MIB, "cgroup/a/b/memory.max");
}

Test(machine, a_limit_that_slows_down_is_one)
{
	v2("/a");
	put("sys/fs/cgroup/a/memory.max", "52428800\n");
	put("sys/fs/cgroup/a/memory.high", "31457280\n");
	memory_is(30 * MIB, "memory.high");
}

Test(machine, what_is_used_up_is_nothing)
{
	v2("/a");
	put("sys/fs/cgroup/a/memory.max", "1048576\n");
	put("sys/fs/cgroup/a/memory.current", "2097152\n");
	memory_is(0, "memory.max");
}

/* In a container: the root is the container's own, and its limit is in it. */
Test(machine, the_root_of_a_namespace_counts)
{
	v2("/");
	put("sys/fs/cgroup/memory.max", "73400320\n");
	memory_is(70 * MIB, "/sys/fs/cgroup/memory.max");
}

/* The process is elsewhere than what can be seen. */
Test(machine, a_cgroup_outside_of_the_namespace_is_not_looked_for)
{
	v2("/../../x");
	put("sys/fs/memory.max", "1\n");
	put("sys/fs/cgroup/memory.max", "73400320\n");
	memory_is(70 * MIB, "/sys/fs/cgroup/memory.max");
}

Test(machine, part_of_the_tree_may_be_mounted)
{
	put("proc/self/cgroup", "0::/docker/1f/in\n");
	put("proc/self/mountinfo", "30 23 0:26 /docker/1f /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
	put("sys/fs/cgroup/in/memory.max", "62914560\n");
	memory_is(60 * MIB, "/sys/fs/cgroup/in/memory.max");
}

Test(machine, version_1_has_limits_too)
{
	put("proc/self/cgroup", "5:cpu,cpuacct:/x\n4:memory:/a/b\n0::/\n");
	put("proc/self/mountinfo", MOUNT_V1);
	put("sys/fs/cgroup/memory/a/b/memory.limit_in_bytes", "9223372036854771712\n");
	put("sys/fs/cgroup/memory/a/memory.limit_in_bytes", "41943040\n");
	put("sys/fs/cgroup/memory/a/memory.usage_in_bytes", "20971520\n");
	put("sys/fs/cgroup/memory/a/memory.stat", "inactive_file 1\ntotal_inactive_file 5242880\ntotal_active_file 5242880\n");
	memory_is(30 * MIB, "memory/a/memory.limit_in_bytes");
}

Test(machine, processors_are_those_that_can_come)
{
	put("sys/devices/system/cpu/possible", "0\n");
	cr_assert_eq(machine_cpus(root), 1);
	put("sys/devices/system/cpu/possible", "0-15\n");
	cr_assert_eq(machine_cpus(root), 16);
	put("sys/devices/system/cpu/possible", "0,2-7\n");
	cr_assert_eq(machine_cpus(root), 8);
	put("sys/devices/system/cpu/possible", "");
	cr_assert_eq(machine_cpus(root), 0);
}
