/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A pool of equal buffers, of which only those that are in use at the same time
 * ever have memory.
 *
 * Why not malloc: what is free here keeps its pages until pool_trim(), so a busy
 * queue takes no page faults, and an idle one gives all of it back.  The price is
 * address space for as many buffers as there may be.
 */
#ifndef SRV_POOL_H
#define SRV_POOL_H

#include <stddef.h>

#include "types.h"

/*
 * struct pool - @nr buffers of @size bytes
 * Used by one thread.  The buffer that was put last is taken first, so those from
 * @touched on have never been taken since the last trim and have no memory.
 *
 * Invariant: free[0] to free[nr_free - 1] are the indexes of the free ones.
 */
struct pool {
	char *mem;
	size_t size;		/* bytes, whole pages */
	u16 *free;
	unsigned int nr;
	unsigned int nr_free;
	unsigned int touched;
};

/* 0 or -ENOMEM; @nr up to 65536, @size is rounded up to whole pages. */
int pool_init(struct pool *p, unsigned int nr, size_t size);

/* Fine after a failed pool_init(), and for one that is zeroed. */
void pool_deinit(struct pool *p);

/* A buffer, with whatever its last user left; NULL if all are taken. */
char *pool_get(struct pool *p);

void pool_put(struct pool *p, char *buf);

/* Gives the memory of all buffers back, if none is taken.  Bytes that it gave back. */
size_t pool_trim(struct pool *p);

#endif
