// SPDX-License-Identifier: GPL-2.0
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "pool.h"

/* The first ones are taken first. */
static void pool_fill(struct pool *p)
{
	for (unsigned int i = 0; i < p->nr; i++)
		p->free[i] = p->nr - 1 - i;
	p->nr_free = p->nr;
	p->touched = 0;
}

int pool_init(struct pool *p, unsigned int nr, size_t size)
{
	*p = (struct pool){ .nr = nr, .size = round_up_u64(size, getpagesize()) };
	p->free = calloc(nr, sizeof(*p->free));
	if (!p->free)
		return -ENOMEM;
	p->mem = mmap(NULL, nr * p->size, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p->mem == MAP_FAILED) {
		p->mem = NULL;
		return -ENOMEM;
	}
	/* what is given back one by one is not to come in pieces of 2 MiB */
	madvise(p->mem, nr * p->size, MADV_NOHUGEPAGE);
	pool_fill(p);
	return 0;
}

void pool_deinit(struct pool *p)
{
	if (p->mem)
		munmap(p->mem, p->nr * p->size);
	free(p->free);
	*p = (struct pool){ 0 };
}

char *pool_get(struct pool *p)
{
	unsigned int i;

	if (!p->nr_free)
		return NULL;
	i = p->free[--p->nr_free];
	if (i >= p->touched)
		p->touched = i + 1;
	return p->mem + i * p->size;
}

void pool_put(struct pool *p, char *buf)
{
	size_t at = buf - p->mem;

	assert(at % p->size == 0 && at / p->size < p->nr && p->nr_free < p->nr);
	p->free[p->nr_free++] = at / p->size;
}

size_t pool_trim(struct pool *p)
{
	size_t bytes = p->touched * p->size;

	if (p->nr_free < p->nr || !bytes)
		return 0;
	/* locked or not, see protect.h */
	madvise(p->mem, bytes, MADV_DONTNEED_LOCKED);
	pool_fill(p);
	return bytes;
}
