// SPDX-License-Identifier: GPL-2.0
#include <inttypes.h>
#include <linux/limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "machine.h"
#include "mountinfo.h"

/*
 * struct cgroup_files - how a version of cgroups says it
 * Several limits: the smallest counts.  What is beyond memory.high is slowed down
 * until it is of no use, so it is a limit as well.
 */
struct cgroup_files {
	const char *fs;			/* type of the file system */
	const char *option;		/* that it must be mounted with, or NULL */
	const char *limits[3];
	const char *usage;
	const char *cache[2];		/* in memory.stat */
};

static const struct cgroup_files cgroup_v2 = {
	.fs	= "cgroup2",
	.limits	= { "memory.max", "memory.high" },
	.usage	= "memory.current",
	.cache	= { "inactive_file", "active_file" },
};

static const struct cgroup_files cgroup_v1 = {
	.fs	= "cgroup",
	.option	= "memory",
	.limits	= { "memory.limit_in_bytes" },
	.usage	= "memory.usage_in_bytes",
	.cache	= { "total_inactive_file", "total_active_file" },
};

static FILE * __attribute__((format(printf, 1, 2))) machine_open(const char *fmt, ...)
{
	char path[2 * PATH_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(path, sizeof(path), fmt, ap);
	va_end(ap);
	return fopen(path, "re");
}

/* The number in a file; @absent when there is none, also for "max". */
static u64 machine_number(const char *dir, const char *name, u64 absent)
{
	FILE *f = machine_open("%s/%s", dir, name);
	u64 v;

	if (!f)
		return absent;
	if (fscanf(f, "%" SCNu64, &v) != 1)
		v = absent;
	fclose(f);
	return v;
}

/* Sums up the lines of @dir's memory.stat that @names has. */
static u64 cgroup_cache(const char *dir, const char *const names[2])
{
	FILE *f = machine_open("%s/memory.stat", dir);
	char line[256], name[64];
	u64 v, sum = 0;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "%63s %" SCNu64, name, &v) == 2 &&
		    (!strcmp(name, names[0]) || !strcmp(name, names[1])))
			sum += v;
	if (f)
		fclose(f);
	return sum;
}

static void memory_bound(struct memory *m, u64 bytes, const char *dir, const char *name)
{
	if (bytes >= m->bytes)
		return;
	m->bytes = bytes;
	snprintf(m->limit, sizeof(m->limit), "%.400s%s%.100s", dir, *dir ? "/" : "", name);
}

static void cgroup_bound(const char *dir, const struct cgroup_files *cg, struct memory *m)
{
	u64 used = machine_number(dir, cg->usage, 0), cache = cgroup_cache(dir, cg->cache);

	used -= min_u64(used, cache);
	for (const char *const *l = cg->limits; *l; l++) {
		u64 limit = machine_number(dir, *l, UINT64_MAX);

		/* v1 has no word for "none", but a number that no machine has. */
		if (limit != UINT64_MAX)
			memory_bound(m, limit > used ? limit - used : 0, dir, *l);
	}
}

/* Is @word one of a list with commas? */
static bool machine_has_word(const char *list, const char *word)
{
	size_t len = strlen(word);

	for (const char *s = list; s; s = strchr(s, ',')) {
		s += *s == ',';
		if (!strncmp(s, word, len) && (s[len] == ',' || s[len] == '\0'))
			return true;
	}
	return false;
}

/* This process's cgroup as /proc/self/cgroup names it; false: there is none. */
static bool cgroup_name(const char *root, const struct cgroup_files *cg, char *name)
{
	FILE *f = machine_open("%s/proc/self/cgroup", root);
	char line[PATH_MAX + 256];
	bool found = false;

	while (f && !found && fgets(line, sizeof(line), f)) {
		char *controllers = strchr(line, ':'), *path;

		line[strcspn(line, "\n")] = '\0';
		path = controllers ? strchr(++controllers, ':') : NULL;
		if (!path)
			continue;
		*path++ = '\0';
		found = cg->option ? machine_has_word(controllers, cg->option) : !*controllers;
		snprintf(name, PATH_MAX, "%s", path);
	}
	if (f)
		fclose(f);
	return found;
}

/* Where these cgroups are mounted, and which of them is the mount's root. */
static bool cgroup_mount(const char *root, const struct cgroup_files *cg, char *point, char *top)
{
	struct mountinfo m;
	bool found = false;

	mountinfo_open(&m, root);
	while (!found && mountinfo_next(&m)) {
		found = !strcmp(m.type, cg->fs) &&
			(!cg->option || machine_has_word(m.options, cg->option));
		snprintf(point, PATH_MAX, "%s", m.point);
		snprintf(top, PATH_MAX, "%s", m.root);
	}
	mountinfo_close(&m);
	return found;
}

/* From this process's cgroup up to the one that is mounted. */
static void cgroup_memory(const char *root, const struct cgroup_files *cg, struct memory *m)
{
	char name[PATH_MAX], point[PATH_MAX], top[PATH_MAX], dir[3 * PATH_MAX];
	size_t keep, skip;

	if (!cgroup_name(root, cg, name) || !cgroup_mount(root, cg, point, top))
		return;
	/* A part of the tree may be mounted; outside of it nothing can be seen. */
	skip = strcmp(top, "/") ? strlen(top) : 0;
	if (strncmp(name, top, skip) || strstr(name, "/.."))
		name[skip = 0] = '\0';
	keep = snprintf(dir, sizeof(dir), "%s%s", root, point);
	snprintf(dir + keep, sizeof(dir) - keep, "%s", name + skip);
	if (!strcmp(dir + keep, "/"))
		dir[keep] = '\0';
	for (;;) {
		cgroup_bound(dir, cg, m);
		if (strlen(dir) <= keep)
			return;
		*strrchr(dir, '/') = '\0';
	}
}

static void machine_available(const char *root, struct memory *m)
{
	FILE *f = machine_open("%s/proc/meminfo", root);
	char line[128];
	u64 kib;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "MemAvailable: %" SCNu64 " kB", &kib) == 1)
			memory_bound(m, kib << 10, "", "MemAvailable");
	if (f)
		fclose(f);
}

void machine_memory(const char *root, struct memory *m)
{
	m->bytes = UINT64_MAX;
	m->limit[0] = '\0';
	machine_available(root, m);
	cgroup_memory(root, &cgroup_v2, m);
	cgroup_memory(root, &cgroup_v1, m);
}

unsigned int machine_cpus(const char *root)
{
	FILE *f = machine_open("%s/sys/devices/system/cpu/possible", root);
	char text[256] = "", *last;

	if (!f)
		return 0;
	if (!fgets(text, sizeof(text), f))
		text[0] = '\0';
	fclose(f);
	/* "0-3,8-15": one more than the last number */
	last = text + strlen(text);
	while (last > text && !strchr(",-", last[-1]))
		last--;
	return *last >= '0' && *last <= '9' ? strtoul(last, NULL, 10) + 1 : 0;
}
