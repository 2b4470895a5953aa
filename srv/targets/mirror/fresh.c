// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../log.h"
#include "fresh.h"

/*
 * struct fresh - the writing of a set
 * On the stack of fresh_write().
 * @mem: one area, aligned for direct I/O
 */
struct fresh {
	const struct super_set *set;
	const struct leg *legs;
	bool at_end, differ;
	u8 *mem;
};

u64 fresh_room(u64 bytes, bool at_end)
{
	u64 end;

	if (super_area(bytes, true, &end))
		return 0;
	return at_end ? end : end - FORMAT_AREA_BYTES;
}

void fresh_place(const struct super_set *set, unsigned int slot, u64 bytes, bool at_end,
		 struct super_own *own)
{
	*own = (struct super_own){ .self = slot, .written = set->created };
	super_area(bytes, at_end, &own->area_offset);
	own->data_offset = at_end ? 0 : FORMAT_AREA_BYTES;
	own->bitmap_offset = own->area_offset + FORMAT_BITMAP;
	own->bitmap_bytes = super_bitmap_bytes(set);
}

static int fresh_pwrite(const struct leg *leg, const void *buf, size_t len, u64 off)
{
	for (size_t done = 0; done < len; ) {
		ssize_t n = pwrite(leg->fd, (const u8 *)buf + done, len - done, off + done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -ENOSPC;
		done += n;
	}
	return 0;
}

static int fresh_sync(const struct leg *leg)
{
	return fsync(leg->fd) ? -errno : 0;
}

/* What was there: the area, and with it at the start also the end, where records may be. */
static int fresh_clear(const struct fresh *f, unsigned int slot)
{
	const struct leg *leg = &f->legs[slot];
	u64 off;
	int ret;

	memset(f->mem, 0, FORMAT_AREA_BYTES);
	ret = super_area(leg->lim.size, true, &off);
	if (!ret)
		ret = fresh_pwrite(leg, f->mem, FORMAT_AREA_BYTES, off);
	if (!ret && !f->at_end)
		ret = fresh_pwrite(leg, f->mem, FORMAT_AREA_BYTES, 0);
	return ret ? ret : fresh_sync(leg);
}

static int fresh_write_bitmap(const struct fresh *f, unsigned int slot)
{
	u64 chunks = super_chunks(f->set);
	struct super_own own;
	int ret;

	fresh_place(f->set, slot, f->legs[slot].lim.size, f->at_end, &own);
	for (u32 i = 0; i < own.bitmap_bytes / SECTOR_SIZE; i++) {
		u8 bits[FORMAT_SECTOR_BITS / 8] = { 0 };
		u64 first = (u64)i * FORMAT_SECTOR_BITS;

		for (u32 bit = 0; f->differ && bit < FORMAT_SECTOR_BITS && first + bit < chunks; bit++)
			bits[bit / 8] |= 1U << (bit % 8);
		super_bits_encode(f->set->uuid, i, bits, f->mem + i * SECTOR_SIZE);
	}
	ret = fresh_pwrite(&f->legs[slot], f->mem, own.bitmap_bytes, own.bitmap_offset);
	return ret ? ret : fresh_sync(&f->legs[slot]);
}

/* Both copies, each durable before the next. */
static int fresh_write_record(const struct fresh *f, unsigned int slot)
{
	struct super_own own;
	int ret = 0;

	fresh_place(f->set, slot, f->legs[slot].lim.size, f->at_end, &own);
	/* super_next() goes to the other one. */
	own.copy = 1;
	for (unsigned int i = 0; i < 2 && !ret; i++) {
		super_next(&own, f->set->created);
		super_encode(f->set, &own, f->mem);
		ret = fresh_pwrite(&f->legs[slot], f->mem, FORMAT_COPY_BYTES,
				   super_copy_offset(own.area_offset, own.copy));
		if (!ret)
			ret = fresh_sync(&f->legs[slot]);
	}
	return ret;
}

/* So that half a set is none. */
static void fresh_undo(const struct fresh *f)
{
	for (unsigned int i = 0; i < f->set->nr; i++) {
		int ret = fresh_clear(f, i);

		if (ret)
			log_err("leg %s: its new record cannot be erased: %s; do not serve it",
				f->legs[i].path, strerror(-ret));
	}
}

static int fresh_each(const struct fresh *f, const char *what,
		      int (*write)(const struct fresh *f, unsigned int slot))
{
	for (unsigned int i = 0; i < f->set->nr; i++) {
		int ret = write(f, i);

		if (ret) {
			log_err("leg %s: %s cannot be written: %s; no set is made, and the records are erased again",
				f->legs[i].path, what, strerror(-ret));
			return ret;
		}
	}
	return 0;
}

int fresh_write(const struct super_set *set, const struct leg *legs, bool at_end, bool differ)
{
	struct fresh f = { .set = set, .legs = legs, .at_end = at_end, .differ = differ };
	int ret;

	f.mem = aligned_alloc(FORMAT_ALIGN, FORMAT_AREA_BYTES);
	if (!f.mem) {
		log_err("memory for the record: %s", strerror(ENOMEM));
		return -ENOMEM;
	}
	ret = fresh_each(&f, "the record's area", fresh_clear);
	if (!ret)
		ret = fresh_each(&f, "the bitmap", fresh_write_bitmap);
	if (!ret)
		ret = fresh_each(&f, "the record", fresh_write_record);
	if (ret)
		fresh_undo(&f);
	free(f.mem);
	return ret;
}
