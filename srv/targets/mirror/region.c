// SPDX-License-Identifier: GPL-2.0
#include "record.h"
#include "region.h"

void regions_init(struct regions *g)
{
	g->nr = 0;
	pthread_mutex_init(&g->lock, NULL);
	for (unsigned int i = 0; i < REGIONS; i++) {
		g->of[i].off = g->of[i].end = 0;
		record_list_init(&g->of[i].waits);
	}
}

void regions_deinit(struct regions *g)
{
	pthread_mutex_destroy(&g->lock);
}

/* The one that overlaps, or NULL. */
static const struct region *region_find(const struct regions *g, u64 off, u64 len)
{
	for (unsigned int i = 0; i < REGIONS; i++) {
		const struct region *r = &g->of[i];

		if (off < atomic_load_explicit(&r->end, memory_order_acquire) &&
		    off + len > atomic_load_explicit(&r->off, memory_order_acquire))
			return r;
	}
	return NULL;
}

bool region_overlaps(const struct regions *g, u64 off, u64 len)
{
	return region_find(g, off, len);
}

static int region_lock_held(struct regions *g, u64 off, u64 len)
{
	if (region_find(g, off, len))
		return -EBUSY;
	for (unsigned int i = 0; i < REGIONS; i++) {
		struct region *r = &g->of[i];

		if (r->end)
			continue;
		r->off = off;
		r->end = off + len;
		g->nr++;
		return i;
	}
	return -EBUSY;
}

int region_lock(struct regions *g, u64 off, u64 len)
{
	int ret;

	pthread_mutex_lock(&g->lock);
	ret = region_lock_held(g, off, len);
	pthread_mutex_unlock(&g->lock);
	return ret;
}

void region_unlock(struct regions *g, int index)
{
	struct region *r = &g->of[index];
	struct record_wait *waits;

	pthread_mutex_lock(&g->lock);
	r->end = 0;
	g->nr--;
	waits = record_list_take(&r->waits);
	pthread_mutex_unlock(&g->lock);
	record_list_wake(waits);
}

int region_wait(struct regions *g, struct record_wait *w, u64 off, u32 len)
{
	const struct region *r;

	pthread_mutex_lock(&g->lock);
	r = region_find(g, off, len);
	if (r)
		record_list_add(&g->of[r - g->of].waits, w);
	pthread_mutex_unlock(&g->lock);
	return r ? RECORD_PARKED : 0;
}
