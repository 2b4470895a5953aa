// SPDX-License-Identifier: GPL-2.0
#include <string.h>

#include "proc.h"
#include "wcache.h"

u32 wcache_random(u32 *seed, u32 below)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 17;
	*seed ^= *seed << 5;
	return *seed % below;
}

struct wcache *wcache_alloc(u64 size)
{
	struct wcache *c = shared_alloc(sizeof(*c) + 2 * size);

	c->size = size;
	for (unsigned int i = 0; i < WCACHE_WRITES; i++)
		c->order[i] = i;
	return c;
}

static u8 *durable(struct wcache *c)
{
	return c->mem + c->size;
}

const u8 *wcache_durable(const struct wcache *c)
{
	return c->mem + c->size;
}

static void check_range(const struct wcache *c, u64 off, u32 len)
{
	must(off <= c->size && len <= c->size - off && !(off % WCACHE_SECTOR) && !(len % WCACHE_SECTOR),
	     "%u bytes at %llu of %llu", len, (unsigned long long)off, (unsigned long long)c->size);
}

void wcache_read(const struct wcache *c, u64 off, u32 len, void *buf)
{
	check_range(c, off, len);
	memcpy(buf, c->mem + off, len);
}

/* An older write of the same sector never comes after a newer one. */
static void supersede(struct wcache *c, unsigned int older, u64 pos)
{
	for (unsigned int i = 0; i < older; i++) {
		struct wcache_write *w = &c->writes[c->order[i]];

		if (pos >= w->off && pos < w->off + w->len)
			w->only_here[(pos - w->off) / WCACHE_SECTOR] = false;
	}
}

/* The write at @at in the order is durable, and kept no more. */
static void settle(struct wcache *c, unsigned int at)
{
	u16 nr = c->order[at];
	struct wcache_write *w = &c->writes[nr];

	for (u32 i = 0; i < w->len / WCACHE_SECTOR; i++) {
		u64 pos = w->off + i * WCACHE_SECTOR;

		if (!w->only_here[i])
			continue;
		memcpy(durable(c) + pos, w->data + i * WCACHE_SECTOR, WCACHE_SECTOR);
		supersede(c, at, pos);
	}
	c->nr--;
	memmove(&c->order[at], &c->order[at + 1], (c->nr - at) * sizeof(c->order[0]));
	c->order[c->nr] = nr;
}

static void make_room(struct wcache *c)
{
	for (unsigned int at = 0; at < c->nr; at++) {
		if (c->writes[c->order[at]].answered) {
			settle(c, at);
			return;
		}
	}
	must(0, "%u writes are in flight", c->nr);
}

unsigned int wcache_write(struct wcache *c, u64 off, u32 len, bool fua, const void *data)
{
	struct wcache_write *w;

	check_range(c, off, len);
	must(len <= WCACHE_WRITE_MAX, "%u bytes", len);
	if (c->nr == WCACHE_WRITES)
		make_room(c);
	w = &c->writes[c->order[c->nr]];
	w->off = off;
	w->len = len;
	w->answered = 0;
	w->fua = fua;
	memset(w->only_here, true, len / WCACHE_SECTOR);
	memcpy(w->data, data, len);
	memcpy(c->mem + off, data, len);
	return c->order[c->nr++];
}

void wcache_answer(struct wcache *c, unsigned int nr)
{
	unsigned int at = 0;

	while (at < c->nr && c->order[at] != nr)
		at++;
	must(at < c->nr && !c->writes[nr].answered, "write %u is not in flight", nr);
	c->writes[nr].answered = ++c->tick;
	if (c->writes[nr].fua)
		settle(c, at);
}

u32 wcache_flush(const struct wcache *c)
{
	return c->tick;
}

void wcache_flushed(struct wcache *c, u32 flush)
{
	unsigned int at = 0;

	while (at < c->nr) {
		const struct wcache_write *w = &c->writes[c->order[at]];

		if (w->answered && w->answered <= flush)
			settle(c, at);
		else
			at++;
	}
}

/* Of a torn write, the first sectors, the last ones, or any. */
enum tear { TEAR_FIRST, TEAR_LAST, TEAR_ANY, NR_TEARS };

static bool survives(enum tear tear, u32 i, u32 at, u32 *seed)
{
	switch (tear) {
	case TEAR_FIRST:
		return i < at;
	case TEAR_LAST:
		return i >= at;
	default:
		return wcache_random(seed, 2);
	}
}

static void cut_write(const struct wcache_write *w, const struct wcache_cut *cut, u8 *image)
{
	u32 nr = w->len / WCACHE_SECTOR, at = wcache_random(cut->seed, nr + 1);
	bool lost = wcache_random(cut->seed, 100) < cut->lost;
	bool torn = wcache_random(cut->seed, 100) < cut->torn;
	enum tear tear = wcache_random(cut->seed, NR_TEARS);

	for (u32 i = 0; !lost && i < nr; i++)
		if (w->only_here[i] && (!torn || survives(tear, i, at, cut->seed)))
			memcpy(image + w->off + i * WCACHE_SECTOR, w->data + i * WCACHE_SECTOR, WCACHE_SECTOR);
}

void wcache_cut(const struct wcache *c, const struct wcache_cut *cut, u8 *image)
{
	memcpy(image, wcache_durable(c), c->size);
	for (unsigned int at = 0; at < c->nr; at++)
		cut_write(&c->writes[c->order[at]], cut, image);
}

void wcache_load(struct wcache *c, const u8 *image)
{
	for (unsigned int at = 0; at < c->nr; at++)
		must(c->writes[c->order[at]].answered, "a write of %u bytes is in flight",
		     c->writes[c->order[at]].len);
	c->nr = 0;
	memcpy(c->mem, image, c->size);
	memcpy(durable(c), image, c->size);
}
