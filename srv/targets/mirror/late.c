// SPDX-License-Identifier: GPL-2.0
#include <stdlib.h>
#include <sys/mman.h>

#include "format.h"
#include "late.h"

#define LATE_HUGE	(2U << 20)	/* a huge page, or a multiple where they are smaller */

u8 *late_alloc(size_t room)
{
	size_t align = room % LATE_HUGE ? FORMAT_ALIGN : LATE_HUGE;
	u8 *buf = aligned_alloc(align, room);

	/* The kernel takes the pages of each I/O one by one: with small ones that is most of what copying costs. */
	if (buf && align == LATE_HUGE)
		madvise(buf, room, MADV_HUGEPAGE);
	return buf;
}

u8 *late_renew(struct late_bufs *l, u8 *buf, size_t room)
{
	u8 **v = realloc(l->v, (l->nr + 1) * sizeof(*v));
	u8 *next;

	if (!v)
		return NULL;
	l->v = v;
	next = late_alloc(room);
	if (next)
		l->v[l->nr++] = buf;
	return next;
}

void late_free(struct late_bufs *l)
{
	while (l->nr)
		free(l->v[--l->nr]);
	late_forget(l);
}

void late_forget(struct late_bufs *l)
{
	free(l->v);
	*l = (struct late_bufs){ 0 };
}
