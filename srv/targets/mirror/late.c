// SPDX-License-Identifier: GPL-2.0
#include <stdlib.h>

#include "format.h"
#include "late.h"

u8 *late_renew(struct late_bufs *l, u8 *buf, size_t room)
{
	u8 **v = realloc(l->v, (l->nr + 1) * sizeof(*v));
	u8 *next;

	if (!v)
		return NULL;
	l->v = v;
	next = aligned_alloc(FORMAT_ALIGN, room);
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
