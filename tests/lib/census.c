// SPDX-License-Identifier: GPL-2.0
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "census.h"
#include "cli.h"

/*
 * Caches by how their names begin: requests, rings, devices, processes, and kmalloc().
 * Not bios: each processor keeps hundreds of them for io_uring, on purpose.
 */
static const char *const counted[] = {
	"bdev_cache",
	"eventpoll",
	"files_cache",
	"io_",
	"iommu_iova",
	"kmalloc-",
	"mm_struct",
	"request_queue",
	"sighand_cache",
	"signal_cache",
	"task_group",
	"task_struct",
	"ublk",
	/* EOL */
};

static bool is_counted(const char *name)
{
	for (unsigned int i = 0; i < sizeof(counted) / sizeof(counted[0]); i++)
		if (!strncmp(name, counted[i], strlen(counted[i])))
			return true;
	return false;
}

/*
 * The file that makes a cache shrink, open from the first use on: what the kernel has
 * for an open file of sysfs it frees seconds later, so that counting would be counted.
 */
static int shrink_file(const char *name)
{
	static struct {
		char name[40];
		int fd;
	} files[CENSUS_CACHES];
	static unsigned int nr;
	char path[128];

	for (unsigned int i = 0; i < nr; i++)
		if (!strcmp(files[i].name, name))
			return files[i].fd;
	if (nr == CENSUS_CACHES)
		return -1;
	snprintf(path, sizeof(path), "/sys/kernel/slab/%s/shrink", name);
	snprintf(files[nr].name, sizeof(files[nr].name), "%s", name);
	files[nr].fd = open(path, O_WRONLY | O_CLOEXEC);
	return files[nr++].fd;
}

static bool shrink(const char *name)
{
	return pwrite(shrink_file(name), "1", 1, 0) == 1;
}

static bool take_caches(struct census *c)
{
	FILE *f = fopen("/proc/slabinfo", "re");
	struct census_cache *cache = c->caches;
	bool counts = f;
	char line[512];

	c->nr_caches = 0;
	/* shrunk first, all of them: what one gives back may be of another */
	for (unsigned int pass = 0; f && pass < 2; pass++) {
		rewind(f);
		while (c->nr_caches < CENSUS_CACHES && fgets(line, sizeof(line), f)) {
			if (sscanf(line, "%39s %ld %*d %*d %ld", cache->name, &cache->objects,
				   &cache->per_slab) != 3 ||
			    !is_counted(cache->name))
				continue;
			if (!pass) {
				counts = shrink(cache->name) && counts;
				continue;
			}
			c->nr_caches++;
			cache++;
		}
	}
	if (f)
		fclose(f);
	return counts && c->nr_caches;
}

static void add_names(struct census *c, const char *dir, const char *prefix)
{
	struct dirent **names = NULL;
	int nr = scandir(dir, &names, NULL, alphasort);

	for (int i = 0; i < nr; i++) {
		size_t used = strlen(c->devices);

		if (!strncmp(names[i]->d_name, prefix, strlen(prefix)))
			snprintf(c->devices + used, sizeof(c->devices) - used, "%s/%s\n", dir,
				 names[i]->d_name);
		free(names[i]);
	}
	free(names);
}

static void take_devices(struct census *c)
{
	static struct cli list;
	size_t used;

	c->devices[0] = '\0';
	add_names(c, "/dev", "ublkb");
	add_names(c, "/dev", "ublkc");
	add_names(c, "/sys/class/ublk-char", "ublkc");
	add_names(c, "/sys/block", "ublkb");
	cli_run(&list, CLI("list"));
	must(!list.status, "regbuf list: status %d: %s", list.status, list.err);
	used = strlen(c->devices);
	snprintf(c->devices + used, sizeof(c->devices) - used, "%s", list.out);
}

bool census_take(struct census *c)
{
	take_devices(c);
	return take_caches(c);
}

static long objects(const struct census *c, const char *name)
{
	for (unsigned int i = 0; i < c->nr_caches; i++)
		if (!strcmp(c->caches[i].name, name))
			return c->caches[i].objects;
	return 0;
}

const char *census_grown(const struct census *before, const struct census *after, long slack,
			 long *by)
{
	const char *name = NULL;

	*by = 0;
	for (unsigned int i = 0; i < after->nr_caches; i++) {
		const struct census_cache *a = &after->caches[i];
		long more = a->objects - objects(before, a->name);

		if (more <= slack + CENSUS_SLABS * a->per_slab || more <= *by)
			continue;
		*by = more;
		name = a->name;
	}
	return name;
}

struct comparison {
	const struct census *before;
	struct census now;
	long slack, by;
	const char *grown;
};

static bool is_same(void *arg)
{
	struct comparison *cmp = arg;

	census_take(&cmp->now);
	cmp->grown = census_grown(cmp->before, &cmp->now, cmp->slack, &cmp->by);
	return !cmp->grown && !strcmp(cmp->before->devices, cmp->now.devices);
}

/* Some of what is freed is freed a moment later, by RCU or a work queue. */
void census_is(const struct census *before, long slack, const char *what)
{
	static struct comparison cmp;

	cmp = (struct comparison){ .before = before, .slack = slack };
	if (wait_until(is_same, &cmp, SOON_MS))
		return;
	must(!strcmp(before->devices, cmp.now.devices), "%s: devices now:\n%s\nbefore:\n%s", what,
	     cmp.now.devices, before->devices);
	must(false, "%s: %s has %ld objects more than before, more than %ld and %u slabs", what,
	     cmp.grown, cmp.by, slack, CENSUS_SLABS);
}
