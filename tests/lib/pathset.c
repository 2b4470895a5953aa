// SPDX-License-Identifier: GPL-2.0
#include <stdio.h>
#include <string.h>

#include "pathset.h"
#include "sh.h"
#include "targets/mirror/format.h"

void pathset_add(struct pathset *s, const char *path)
{
	size_t len = strlen(s->args);

	snprintf(s->path[s->nr++], sizeof(s->path[0]), "%s", path);
	snprintf(s->args + len, sizeof(s->args) - len, " -l %s", path);
}

bool pathset_says(const struct pathset *s, struct super_set *says)
{
	struct leginfo l;
	bool any = false;

	for (unsigned int i = 0; i < s->nr; i++) {
		leginfo_read(&l, s->path[i]);
		if (l.err || (any && l.super.set.event.nr <= says->event.nr))
			continue;
		*says = l.super.set;
		any = true;
	}
	return any;
}

bool pathset_is_whole(void *arg)
{
	const struct pathset *s = arg;
	struct super_set says;

	if (!pathset_says(s, &says) || says.source != FORMAT_NO_SOURCE)
		return false;
	for (unsigned int i = 0; i < s->nr; i++)
		if (says.legs[i].state != FORMAT_IN_SYNC)
			return false;
	return true;
}

bool pathset_has_no_bits(void *arg)
{
	const struct pathset *s = arg;
	struct leginfo_bits bits;
	struct leginfo l;

	for (unsigned int i = 0; i < s->nr; i++) {
		leginfo_read(&l, s->path[i]);
		if (l.err || leginfo_read_bits(&l, &bits) || bits.set)
			return false;
	}
	return true;
}

bool pathset_assemble(const struct pathset *s, int id, const char *mode)
{
	return !sh("$REGBUF mirror assemble -n %d -d 32 --max-io 128K -m %s%s > /tmp/assembled 2>&1", id, mode,
		   s->args);
}

/* A leg that was dropped is free soon. */
static bool adds_all(void *arg)
{
	const struct pathset *s = arg;
	struct super_set says;
	bool all = pathset_says(s, &says);

	for (unsigned int i = 0; all && i < s->nr; i++)
		if (says.legs[i].state == FORMAT_STALE || says.legs[i].state == FORMAT_FAILED)
			all = !sh("$REGBUF mirror add set --leg %s > /dev/null 2>&1", s->path[i]);
	return all;
}

/* A leg is in sync for the server a moment after its record says so: when the thread that copies rests. */
static bool is_at_rest(void *arg)
{
	return !sh("$REGBUF mirror status set --json | grep -q '\"resync\": null'");
}

bool pathset_make_whole(struct pathset *s)
{
	return wait_until(adds_all, s, 2 * SOON_MS) && wait_until(pathset_is_whole, s, 4 * SOON_MS) &&
	       wait_until(is_at_rest, s, SOON_MS);
}
