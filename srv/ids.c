// SPDX-License-Identifier: GPL-2.0
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ids.h"

static int ids_cmp(const void *a, const void *b)
{
	u32 x = *(const u32 *)a, y = *(const u32 *)b;

	return x < y ? -1 : x > y;
}

/* A number, and then @suffix. */
static bool ids_parse(const char *text, const char *suffix, u32 *id)
{
	char *end;
	unsigned long v;

	if (!isdigit((unsigned char)*text))
		return false;
	errno = 0;
	v = strtoul(text, &end, 10);
	*id = v;
	return !errno && !strcmp(end, suffix) && v < UINT32_MAX;
}

/* Room for one more behind @nr: doubled whenever that is a power of two. */
static int ids_grow(u32 **ids, unsigned int nr)
{
	u32 *more;

	if (nr && !is_pow2(nr))
		return 0;
	more = realloc(*ids, (nr ? 2 * (size_t)nr : 1) * sizeof(**ids));
	if (!more)
		return -ENOMEM;
	*ids = more;
	return 0;
}

static int ids_read(DIR *dir, const char *prefix, const char *suffix, u32 **ids)
{
	size_t len = strlen(prefix);
	struct dirent *de;
	unsigned int nr = 0;
	u32 id;

	while ((de = readdir(dir))) {
		if (strncmp(de->d_name, prefix, len) || !ids_parse(de->d_name + len, suffix, &id))
			continue;
		if (ids_grow(ids, nr))
			return -ENOMEM;
		(*ids)[nr++] = id;
	}
	if (nr)
		qsort(*ids, nr, sizeof(**ids), ids_cmp);
	return nr;
}

int ids_list(const char *dir, const char *prefix, const char *suffix, u32 **ids)
{
	DIR *d = opendir(dir);
	int nr;

	*ids = NULL;
	if (!d)
		return -errno;
	nr = ids_read(d, prefix, suffix, ids);
	closedir(d);
	return nr;
}
