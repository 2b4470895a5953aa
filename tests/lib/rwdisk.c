// SPDX-License-Identifier: GPL-2.0
#include <stdlib.h>
#include <string.h>

#include "pattern.h"
#include "rwdisk.h"
#include "tmpfile.h"

void rwdisk_range(const struct rwdisk *d, u32 *off, u32 *len)
{
	*off = random() % (d->size / d->block) * d->block;
	*len = (1 + random() % ((random() % 4 ? d->small : d->large) / d->block)) * d->block;
	if (*len > d->size - *off)
		*len = d->size - *off;
}

void rwdisk_write(const struct rwdisk *d, int fd, unsigned int nr)
{
	for (unsigned int i = 0; i < nr; i++) {
		u32 off, len;

		rwdisk_range(d, &off, &len);
		pat_fill(d->model + off, len, random(), off);
		memcpy(d->buf, d->model + off, len);
		file_write(fd, d->buf, len, off);
	}
}

void rwdisk_read(const struct rwdisk *d, int fd, unsigned int nr, const char *what)
{
	for (unsigned int i = 0; i < nr; i++) {
		u32 off, len;

		rwdisk_range(d, &off, &len);
		memset(d->buf, 0x5a, len);
		file_read(fd, d->buf, len, off);
		mem_is(d->buf, d->model + off, len, "%s: %u bytes at %u", what, len, off);
	}
}
