/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The record of a set, as the program has it, and to and from the bytes of format.h.  No
 * I/O: reading and writing them is another file's.
 *
 * A record has two parts.  What the set is (struct super_set) is the same on every leg that
 * took the same event.  Where a leg has it (struct super_own) is the leg's.
 */
#ifndef SRV_SUPER_H
#define SRV_SUPER_H

#include "format.h"

/*
 * struct super_event - a change of the set
 * Counted from 1.  The tag is random: two histories that have come to the same number
 * differ by it.
 */
struct super_event {
	u64 nr;
	u64 tag;
};

/* The tag of a new event. */
u64 super_tag(void);

static inline bool super_event_same(struct super_event a, struct super_event b)
{
	return a.nr == b.nr && a.tag == b.tag;
}

/*
 * struct super_leg - what is known of one leg
 * @full: a rebuild copies everything from @rebuilt on, not only what the bitmap names
 * @held: the last event that it is known to have kept
 * @sent: the last one that was sent to it, and that it may have kept or not
 * @rebuilt: bytes from the start that a full rebuild has copied
 */
struct super_leg {
	u8 uuid[16];
	enum format_state state;
	bool full;
	bool write_mostly;
	struct super_event held, sent;
	u64 rebuilt;
};

/*
 * struct super_set - what the set is
 * @clean: stopped by its owner, no write was under way
 * @source: where the legs that are in sync may differ, that is where the bitmap has a bit,
 *	this one is read; FORMAT_NO_SOURCE: they do not differ
 * @nr: slots of @legs that are in use
 *
 * Invariants: at least one leg is in sync; the source is in sync.
 */
struct super_set {
	u8 uuid[16];
	char name[FORMAT_NAME_BYTES];
	struct super_event event;
	u64 created;
	u64 size;
	u8 lbs_shift;
	u8 chunk_shift;
	bool clean;
	u8 source;
	u8 nr;
	struct super_leg legs[FORMAT_LEGS];
};

/*
 * struct super_own - where a leg has its record and its data
 * @seq, @copy: of the copy that was read, or written last
 */
struct super_own {
	u8 self;
	u8 copy;
	u64 seq;
	u64 written;
	u64 data_offset;
	u64 area_offset;
	u64 bitmap_offset;
	u32 bitmap_bytes;
};

struct super {
	struct super_set set;
	struct super_own own;
};

/*
 * struct super_place - where bytes came from
 * @leg: the leg's name, for messages
 */
struct super_place {
	const char *leg;
	u64 area_offset;
	unsigned int copy;
};

/* One message: which leg, which field, which value, what would be right. */
struct super_why {
	char text[320];
};

/*
 * Is @event one that the leg in @slot can hold, for all that @s knows?  If not, the leg was
 * served without the others, and must not join them.
 */
bool super_knows(const struct super_set *s, unsigned int slot, struct super_event event);

/* Legs of @s in state @state, by slot. */
u32 super_slots(const struct super_set *s, enum format_state state);

/* Is there a leg in the slot, below FORMAT_LEGS, that is of the set still? */
bool super_is_leg(const struct super_set *s, unsigned int slot);

/* The first leg of @slots, better one that is meant to be read.  There is one. */
u8 super_first(const struct super_set *s, u32 slots);

/* How many bits a bitmap has, and how many bytes it takes on a leg. */
u64 super_chunks(const struct super_set *s);
u64 super_bitmap_bytes(const struct super_set *s);

/* The chunk of a set of @size bytes for which nobody asked: 32768 bits at most, 1 MiB at least. */
u8 super_chunk_shift(u64 size);

/* Where the area of a leg of @bytes is, at its start or at its end; -ENOSPC: no room. */
int super_area(u64 bytes, bool at_end, u64 *area_offset);

/*
 * Fill FORMAT_COPY_BYTES at @buf.  @set and @own must be what super_decode() would take.
 */
void super_encode(const struct super_set *set, const struct super_own *own, void *buf);

/* Where copy 0 or 1 of the record is on the leg, bytes. */
u64 super_copy_offset(u64 area_offset, unsigned int copy);

/* The copy to write next is the other one, with the next number. */
void super_next(struct super_own *own, u64 now);

/*
 * Fill *s from FORMAT_COPY_BYTES at @buf.  0, or after a message in @why:
 *   -ENOENT		no record is here
 *   -EPROTONOSUPPORT	a newer program's, to be left alone
 *   -EBADMSG		damaged, or torn
 *   -EINVAL		a field has a value that no program of ours writes
 */
int super_decode(struct super *s, const void *buf, const struct super_place *place,
		 struct super_why *why);

/*
 * Which of a leg's two copies counts: @err[i] is what super_decode() said of copies[i].
 * 0 or 1; or the -errno of the copies, with the message that belongs to it; or -EUCLEAN
 * when both are whole and cannot be of one leg.
 */
int super_choose(const struct super copies[2], const int err[2], const struct super_place *place,
		 struct super_why why[2]);

/* Decode both copies and choose.  0, or as above with *why. */
int super_read(struct super *s, const void *const bufs[2], const char *leg, u64 area_offset,
	       struct super_why *why);

/* A sector of the bitmap from its 504 bytes of bits, and back: -EBADMSG: damaged. */
void super_bits_encode(const u8 set_uuid[16], u32 index, const u8 *bits, void *sector);
int super_bits_decode(const u8 set_uuid[16], u32 index, const void *sector, u8 *bits);

#endif
