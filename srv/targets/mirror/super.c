// SPDX-License-Identifier: GPL-2.0
#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "crc32c.h"
#include "super.h"

#define SUPER_CHUNKS_WANTED	32768
#define SUPER_CHUNK_LEAST	20

static const u8 super_zeroes[2816];

u64 super_tag(void)
{
	u64 tag;

	/* So few bytes always come whole. */
	while (getrandom(&tag, sizeof(tag), 0) != sizeof(tag))
		;
	return tag;
}

bool super_knows(const struct super_set *s, unsigned int slot, struct super_event event)
{
	return super_event_same(event, s->event) || super_event_same(event, s->legs[slot].held) ||
	       super_event_same(event, s->legs[slot].sent);
}

u32 super_slots(const struct super_set *s, enum format_state state)
{
	u32 slots = 0;

	for (unsigned int i = 0; i < s->nr; i++)
		if (s->legs[i].state == state)
			slots |= 1U << i;
	return slots;
}

bool super_is_leg(const struct super_set *s, unsigned int slot)
{
	enum format_state state = s->legs[slot].state;

	return state != FORMAT_EMPTY && state != FORMAT_REMOVED;
}

u8 super_first(const struct super_set *s, u32 slots)
{
	for (u32 rest = slots; rest; rest &= rest - 1)
		if (!s->legs[__builtin_ctz(rest)].write_mostly)
			return __builtin_ctz(rest);
	return __builtin_ctz(slots);
}

/* Without a sum that could overflow. */
static u64 super_divide_up(u64 v, u64 by)
{
	return v / by + !!(v % by);
}

u64 super_chunks(const struct super_set *s)
{
	return super_divide_up(s->size, 1ULL << s->chunk_shift);
}

u64 super_bitmap_bytes(const struct super_set *s)
{
	return super_divide_up(super_divide_up(super_chunks(s), FORMAT_SECTOR_BITS) * SECTOR_SIZE,
			       FORMAT_ALIGN) * FORMAT_ALIGN;
}

u8 super_chunk_shift(u64 size)
{
	u8 shift = SUPER_CHUNK_LEAST;

	while (shift < FORMAT_CHUNK_MAX && size >> shift >= SUPER_CHUNKS_WANTED)
		shift++;
	return shift;
}

int super_area(u64 bytes, bool at_end, u64 *area_offset)
{
	if (bytes < 2 * FORMAT_AREA_BYTES)
		return -ENOSPC;
	*area_offset = at_end ? round_down_u64(bytes, FORMAT_ALIGN) - FORMAT_AREA_BYTES : 0;
	return 0;
}

u64 super_copy_offset(u64 area_offset, unsigned int copy)
{
	return area_offset + (copy ? FORMAT_COPY1 : FORMAT_COPY0);
}

void super_next(struct super_own *own, u64 now)
{
	own->seq++;
	own->copy ^= 1;
	own->written = now;
}

/* Out. */

static void super_encode_leg(const struct super_leg *l, struct format_leg *out)
{
	memcpy(out->uuid, l->uuid, sizeof(out->uuid));
	out->state = l->state;
	out->flags = (l->full ? FORMAT_LEG_FULL : 0) |
		     (l->write_mostly ? FORMAT_LEG_WRITE_MOSTLY : 0);
	out->held_event = htole64(l->held.nr);
	out->held_tag = htole64(l->held.tag);
	out->sent_event = htole64(l->sent.nr);
	out->sent_tag = htole64(l->sent.tag);
	out->rebuilt = htole64(l->rebuilt);
}

static u32 super_crc(const struct format_copy *c)
{
	static const u8 zero[sizeof(c->crc)];
	size_t behind = offsetof(struct format_copy, crc) + sizeof(c->crc);
	u32 crc = crc32c(0, c, offsetof(struct format_copy, crc));

	crc = crc32c(crc, zero, sizeof(zero));
	return crc32c(crc, (const u8 *)c + behind, sizeof(*c) - behind);
}

void super_encode(const struct super_set *set, const struct super_own *own, void *buf)
{
	struct format_copy *c = buf;

	memset(c, 0, sizeof(*c));
	memcpy(c->magic, FORMAT_MAGIC, sizeof(c->magic));
	c->version = htole16(FORMAT_VERSION);
	c->bytes = htole16(FORMAT_COPY_BYTES);
	memcpy(c->set_uuid, set->uuid, sizeof(c->set_uuid));
	memcpy(c->leg_uuid, set->legs[own->self].uuid, sizeof(c->leg_uuid));
	c->seq = htole64(own->seq);
	c->event = htole64(set->event.nr);
	c->event_tag = htole64(set->event.tag);
	c->size = htole64(set->size);
	c->data_offset = htole64(own->data_offset);
	c->area_offset = htole64(own->area_offset);
	c->bitmap_offset = htole64(own->bitmap_offset);
	c->bitmap_bytes = htole32(own->bitmap_bytes);
	c->chunk_shift = set->chunk_shift;
	c->lbs_shift = set->lbs_shift;
	c->copy = own->copy;
	c->nr_legs = set->nr;
	c->flags = htole32(set->clean ? FORMAT_CLEAN : 0);
	c->self = own->self;
	c->source = set->source;
	c->created = htole64(set->created);
	c->written = htole64(own->written);
	memcpy(c->name, set->name, sizeof(c->name));
	for (unsigned int i = 0; i < set->nr; i++)
		super_encode_leg(&set->legs[i], &c->legs[i]);
	c->crc = htole32(super_crc(c));
}

/* In. */

static __attribute__((format(printf, 4, 5)))
int super_bad(struct super_why *why, const struct super_place *p, int err, const char *fmt, ...)
{
	va_list args;
	int n = snprintf(why->text, sizeof(why->text), "leg %s, copy %u of the record: ", p->leg, p->copy);

	if (n < 0 || (size_t)n >= sizeof(why->text))
		return err;
	va_start(args, fmt);
	vsnprintf(why->text + n, sizeof(why->text) - n, fmt, args);
	va_end(args);
	return err;
}

#define bad(...)	super_bad(why, p, -EINVAL, __VA_ARGS__)

static bool super_is_zero(const void *data, size_t len)
{
	return !memcmp(data, super_zeroes, len);
}

/* Is it a record, of a kind that is known, and whole? */
static int super_check_kind(const struct format_copy *c, const struct super_place *p,
			    struct super_why *why)
{
	if (memcmp(c->magic, FORMAT_MAGIC, sizeof(c->magic)))
		return super_bad(why, p, -ENOENT, "there is none");
	if (le16toh(c->version) > FORMAT_VERSION)
		return super_bad(why, p, -EPROTONOSUPPORT,
				 "version %u, this program knows %u: use the newer regbuf that wrote it",
				 le16toh(c->version), FORMAT_VERSION);
	if (le32toh(c->crc) != super_crc(c))
		return super_bad(why, p, -EBADMSG, "checksum %#010x, right is %#010x: damaged, or written in part",
				 le32toh(c->crc), super_crc(c));
	if (le16toh(c->version) != FORMAT_VERSION)
		return bad("version %u, right is %u", le16toh(c->version), FORMAT_VERSION);
	if (le64toh(c->features) & ~FORMAT_FEATURES)
		return super_bad(why, p, -EPROTONOSUPPORT,
				 "features %#" PRIx64 ", this program knows %#" PRIx64 ": use the newer regbuf that wrote it",
				 (u64)le64toh(c->features), (u64)FORMAT_FEATURES);
	if (le16toh(c->bytes) != FORMAT_COPY_BYTES)
		return bad("%u bytes, right is %u", le16toh(c->bytes), FORMAT_COPY_BYTES);
	if (!super_is_zero(c->zero0, sizeof(c->zero0)) || !super_is_zero(c->zero1, sizeof(c->zero1)) ||
	    !super_is_zero(c->zero2, sizeof(c->zero2)))
		return bad("bytes that have no meaning are not 0");
	if (le32toh(c->flags) & ~FORMAT_CLEAN)
		return bad("flags %#x, known are %#x", le32toh(c->flags), FORMAT_CLEAN);
	return 0;
}

/* Is it where it says it is?  Not when a partition at a disk's end is taken for the disk. */
static int super_check_place(const struct format_copy *c, const struct super_place *p,
			     struct super_why *why)
{
	if (c->copy != p->copy)
		return bad("it is copy %u, right is %u", c->copy, p->copy);
	if (le64toh(c->area_offset) != p->area_offset)
		return bad("its area is at byte %" PRIu64 ", found at %" PRIu64
			   ": give the partition or device that it was made on",
			   (u64)le64toh(c->area_offset), p->area_offset);
	if (!le64toh(c->seq))
		return bad("number 0 of its writes, right is 1 or more");
	return 0;
}

static int super_check_set(const struct super_set *s, const struct super_place *p,
			   struct super_why *why)
{
	if (super_is_zero(s->uuid, sizeof(s->uuid)))
		return bad("the set's UUID is 0");
	if (!s->name[0] || s->name[FORMAT_NAME_BYTES - 1])
		return bad("the name is empty, or does not end within %u bytes", FORMAT_NAME_BYTES);
	if (!s->event.nr)
		return bad("event 0, right is 1 or more");
	if (s->lbs_shift < FORMAT_LBS_MIN || s->lbs_shift > FORMAT_LBS_MAX)
		return bad("blocks of 2^%u bytes, right is 2^%u to 2^%u", s->lbs_shift, FORMAT_LBS_MIN,
			   FORMAT_LBS_MAX);
	if (s->chunk_shift < FORMAT_CHUNK_MIN || s->chunk_shift > FORMAT_CHUNK_MAX)
		return bad("chunks of 2^%u bytes, right is 2^%u to 2^%u", s->chunk_shift,
			   FORMAT_CHUNK_MIN, FORMAT_CHUNK_MAX);
	if (!s->size || s->size & ((1ULL << s->lbs_shift) - 1))
		return bad("size %" PRIu64 ", right is a multiple of %u", s->size, 1U << s->lbs_shift);
	if (super_bitmap_bytes(s) > FORMAT_BITMAP_ROOM)
		return bad("chunks of 2^%u bytes: the bitmap of %" PRIu64 " bytes does not fit into %llu",
			   s->chunk_shift, super_bitmap_bytes(s), FORMAT_BITMAP_ROOM);
	return 0;
}

/* Do [a, a + a_len) and [b, b + b_len) meet?  Lengths are not 0, sums do not overflow. */
static bool super_overlap(u64 a, u64 a_len, u64 b, u64 b_len)
{
	return a < b + b_len && b < a + a_len;
}

static int super_check_own(const struct super_set *s, const struct super_own *o,
			   const struct super_place *p, struct super_why *why)
{
	u64 limit = 1ULL << 62, bitmap = o->bitmap_offset - o->area_offset;

	if (o->area_offset % FORMAT_ALIGN || o->area_offset > limit)
		return bad("area at byte %" PRIu64 ", right is a multiple of %llu", o->area_offset, FORMAT_ALIGN);
	if (o->data_offset % FORMAT_ALIGN || o->data_offset > limit || s->size > limit)
		return bad("data of %" PRIu64 " bytes at byte %" PRIu64 ", right is a multiple of %llu",
			   s->size, o->data_offset, FORMAT_ALIGN);
	if (super_overlap(o->area_offset, FORMAT_AREA_BYTES, o->data_offset, s->size))
		return bad("data of %" PRIu64 " bytes at byte %" PRIu64 ", which meets the area at byte %" PRIu64,
			   s->size, o->data_offset, o->area_offset);
	if (o->bitmap_offset < o->area_offset || bitmap % FORMAT_ALIGN || bitmap < FORMAT_BITMAP ||
	    bitmap > FORMAT_AREA_BYTES || o->bitmap_bytes > FORMAT_AREA_BYTES - bitmap)
		return bad("bitmap of %u bytes at byte %" PRIu64 ", right is inside the area, %llu bytes or more behind its begin",
			   o->bitmap_bytes, o->bitmap_offset, FORMAT_BITMAP);
	if (o->bitmap_bytes != super_bitmap_bytes(s))
		return bad("bitmap of %u bytes, right is %" PRIu64, o->bitmap_bytes, super_bitmap_bytes(s));
	return 0;
}

static int super_check_leg(const struct super_set *s, unsigned int slot, const struct super_place *p,
			   struct super_why *why)
{
	const struct super_leg *l = &s->legs[slot];

	if (super_is_zero(l->uuid, sizeof(l->uuid)))
		return bad("slot %u: the leg's UUID is 0", slot);
	for (unsigned int i = 0; i < slot; i++)
		if (!memcmp(s->legs[i].uuid, l->uuid, sizeof(l->uuid)))
			return bad("slots %u and %u have one UUID", i, slot);
	if (l->held.nr > l->sent.nr || l->sent.nr > s->event.nr)
		return bad("slot %u: kept event %" PRIu64 ", sent %" PRIu64 ", right is at most the set's, %" PRIu64,
			   slot, l->held.nr, l->sent.nr, s->event.nr);
	if (l->rebuilt > s->size)
		return bad("slot %u: %" PRIu64 " bytes are copied, right is at most %" PRIu64, slot, l->rebuilt,
			   s->size);
	if ((l->full || l->rebuilt) && l->state != FORMAT_REBUILDING && l->state != FORMAT_STALE &&
	    l->state != FORMAT_FAILED)
		return bad("slot %u: a leg in state %d has no copying to be done", slot, l->state);
	return 0;
}

static int super_check_legs(const struct super *s, const u8 leg_uuid[16],
			    const struct super_place *p, struct super_why *why)
{
	const struct super_set *set = &s->set;
	unsigned int self = s->own.self;
	int ret;

	for (unsigned int i = 0; i < set->nr; i++) {
		if (set->legs[i].state == FORMAT_EMPTY)
			continue;
		ret = super_check_leg(set, i, p, why);
		if (ret)
			return ret;
	}
	if (self >= set->nr || set->legs[self].state == FORMAT_EMPTY)
		return bad("it is the leg in slot %u, which has none", self);
	if (memcmp(set->legs[self].uuid, leg_uuid, 16))
		return bad("slot %u has another leg's UUID", self);
	if (!super_slots(set, FORMAT_IN_SYNC))
		return bad("no leg is in sync");
	if (set->source != FORMAT_NO_SOURCE &&
	    (set->source >= set->nr || set->legs[set->source].state != FORMAT_IN_SYNC))
		return bad("dirty regions are read from slot %u, right is a leg in sync", set->source);
	return 0;
}

static int super_decode_leg(struct super_leg *l, const struct format_leg *in, unsigned int slot,
			    const struct super_place *p, struct super_why *why)
{
	memset(l, 0, sizeof(*l));
	if (in->state >= FORMAT_STATES)
		return bad("slot %u: state %u, right is 0 to %u", slot, in->state, FORMAT_STATES - 1);
	if (in->flags & ~(FORMAT_LEG_FULL | FORMAT_LEG_WRITE_MOSTLY))
		return bad("slot %u: flags %#x, known are %#x", slot, in->flags,
			   FORMAT_LEG_FULL | FORMAT_LEG_WRITE_MOSTLY);
	if (!super_is_zero(in->zero, sizeof(in->zero)) ||
	    (in->state == FORMAT_EMPTY && !super_is_zero(in, sizeof(*in))))
		return bad("slot %u: bytes that have no meaning are not 0", slot);
	memcpy(l->uuid, in->uuid, sizeof(l->uuid));
	l->state = in->state;
	l->full = in->flags & FORMAT_LEG_FULL;
	l->write_mostly = in->flags & FORMAT_LEG_WRITE_MOSTLY;
	l->held = (struct super_event){ le64toh(in->held_event), le64toh(in->held_tag) };
	l->sent = (struct super_event){ le64toh(in->sent_event), le64toh(in->sent_tag) };
	l->rebuilt = le64toh(in->rebuilt);
	return 0;
}

static int super_decode_legs(struct super_set *s, const struct format_copy *c,
			     const struct super_place *p, struct super_why *why)
{
	int ret;

	s->nr = c->nr_legs;
	if (!s->nr || s->nr > FORMAT_LEGS)
		return bad("%u slots, right is 1 to %u", s->nr, FORMAT_LEGS);
	for (unsigned int i = 0; i < FORMAT_LEGS; i++) {
		ret = super_decode_leg(&s->legs[i], &c->legs[i], i, p, why);
		if (ret)
			return ret;
		if (i >= s->nr && s->legs[i].state != FORMAT_EMPTY)
			return bad("slot %u is used, and only %u are counted", i, s->nr);
	}
	return 0;
}

static void super_decode_set(struct super_set *s, const struct format_copy *c)
{
	memcpy(s->uuid, c->set_uuid, sizeof(s->uuid));
	memcpy(s->name, c->name, sizeof(s->name));
	s->event = (struct super_event){ le64toh(c->event), le64toh(c->event_tag) };
	s->created = le64toh(c->created);
	s->size = le64toh(c->size);
	s->lbs_shift = c->lbs_shift;
	s->chunk_shift = c->chunk_shift;
	s->clean = le32toh(c->flags) & FORMAT_CLEAN;
	s->source = c->source;
}

static void super_decode_own(struct super_own *o, const struct format_copy *c)
{
	o->self = c->self;
	o->copy = c->copy;
	o->seq = le64toh(c->seq);
	o->written = le64toh(c->written);
	o->data_offset = le64toh(c->data_offset);
	o->area_offset = le64toh(c->area_offset);
	o->bitmap_offset = le64toh(c->bitmap_offset);
	o->bitmap_bytes = le32toh(c->bitmap_bytes);
}

int super_decode(struct super *s, const void *buf, const struct super_place *p,
		 struct super_why *why)
{
	const struct format_copy *c = buf;
	int ret;

	memset(s, 0, sizeof(*s));
	ret = super_check_kind(c, p, why);
	if (!ret)
		ret = super_check_place(c, p, why);
	if (!ret)
		ret = super_decode_legs(&s->set, c, p, why);
	if (ret)
		return ret;
	super_decode_set(&s->set, c);
	super_decode_own(&s->own, c);
	ret = super_check_set(&s->set, p, why);
	if (!ret)
		ret = super_check_own(&s->set, &s->own, p, why);
	if (!ret)
		ret = super_check_legs(s, c->leg_uuid, p, why);
	return ret;
}

/* Which copy. */

static int super_choose_of_two(const struct super copies[2], const struct super_place *p,
			       struct super_why *why)
{
	const struct super *a = &copies[0], *b = &copies[1];

	if (memcmp(a->set.uuid, b->set.uuid, 16) ||
	    memcmp(a->set.legs[a->own.self].uuid, b->set.legs[b->own.self].uuid, 16))
		return super_bad(why, p, -EUCLEAN, "it is of another leg than copy %u", !p->copy);
	if (a->own.seq == b->own.seq)
		return super_bad(why, p, -EUCLEAN, "both copies are write %" PRIu64 " of the record", a->own.seq);
	return a->own.seq < b->own.seq;
}

int super_choose(const struct super copies[2], const int err[2], const struct super_place *p,
		 struct super_why why[2])
{
	/* A newer program may have got no further than one copy. */
	for (unsigned int i = 0; i < 2; i++)
		if (err[i] == -EPROTONOSUPPORT) {
			why[0] = why[i];
			return err[i];
		}
	if (!err[0] && !err[1])
		return super_choose_of_two(copies, p, &why[0]);
	if (!err[0] || !err[1])
		return !!err[0];
	if (err[0] == -ENOENT)
		why[0] = why[1];
	return err[0] == -ENOENT ? err[1] : err[0];
}

int super_read(struct super *s, const void *const bufs[2], const char *leg, u64 area_offset,
	       struct super_why *why)
{
	struct super_place p = { .leg = leg, .area_offset = area_offset };
	struct super_why whys[2];
	struct super copies[2];
	int err[2], ret;

	for (unsigned int i = 0; i < 2; i++) {
		p.copy = i;
		err[i] = super_decode(&copies[i], bufs[i], &p, &whys[i]);
	}
	ret = super_choose(copies, err, &p, whys);
	if (ret < 0) {
		*why = whys[0];
		return ret;
	}
	*s = copies[ret];
	return 0;
}

/* The bitmap's sectors. */

static u32 super_bits_crc(const u8 set_uuid[16], const struct format_bits *b)
{
	static const u8 zero[sizeof(b->crc)];
	u32 crc = crc32c(0, set_uuid, 16);

	crc = crc32c(crc, zero, sizeof(zero));
	return crc32c(crc, &b->index, sizeof(*b) - sizeof(b->crc));
}

void super_bits_encode(const u8 set_uuid[16], u32 index, const u8 *bits, void *sector)
{
	struct format_bits *b = sector;

	b->index = htole32(index);
	memcpy(b->bits, bits, sizeof(b->bits));
	b->crc = htole32(super_bits_crc(set_uuid, b));
}

int super_bits_decode(const u8 set_uuid[16], u32 index, const void *sector, u8 *bits)
{
	const struct format_bits *b = sector;

	if (le32toh(b->index) != index || le32toh(b->crc) != super_bits_crc(set_uuid, b))
		return -EBADMSG;
	memcpy(bits, b->bits, sizeof(b->bits));
	return 0;
}
