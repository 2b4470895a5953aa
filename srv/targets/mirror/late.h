/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Buffers that I/O may still use which nobody waits for any more, as its leg hangs.  Its thread goes on
 * with others.
 */
#ifndef SRV_MIRROR_LATE_H
#define SRV_MIRROR_LATE_H

#include <stddef.h>

#include "../../types.h"

/* struct late_bufs - those of one thread, which alone uses it; zeroed before the first one */
struct late_bufs {
	u8 **v;
	unsigned int nr;
};

/*
 * @room bytes for I/O, aligned as records are, in huge pages if it is that large; the caller's, to be given
 * to free().  NULL: no memory.
 */
u8 *late_alloc(size_t room);

/* Another such buffer of @room bytes; @buf is kept here from now on.  NULL: no memory, and nothing has changed. */
u8 *late_renew(struct late_bufs *l, u8 *buf, size_t room);

/* No I/O uses them any more. */
void late_free(struct late_bufs *l);

/* The end, while I/O may still use them: they stay until the process ends. */
void late_forget(struct late_bufs *l);

#endif
