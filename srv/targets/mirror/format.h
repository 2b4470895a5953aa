/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a leg of a mirror with a record holds beside its data.  FORMAT.md is the page for
 * others; tests/host/format compares the two, field by field.
 *
 * All numbers are little endian.  All bytes that have no meaning yet are 0, and a reader
 * refuses others: what it does not know may matter.
 */
#ifndef SRV_FORMAT_H
#define SRV_FORMAT_H

#include <linux/types.h>

#include "../../types.h"

#define FORMAT_MAGIC		"regbufMirrorSet\n"	/* without the 0 at its end */
#define FORMAT_VERSION		1
#define FORMAT_FEATURES		0ULL		/* those that this program knows */

/* Where things are, in bytes from the start of the area. */
#define FORMAT_AREA_BYTES	(1ULL << 20)
#define FORMAT_COPY_BYTES	4096U
#define FORMAT_COPY0		4096ULL
#define FORMAT_COPY1		65536ULL
#define FORMAT_BITMAP		131072ULL
#define FORMAT_BITMAP_ROOM	(FORMAT_AREA_BYTES - FORMAT_BITMAP)

/* Where the area may begin is a multiple of it. */
#define FORMAT_ALIGN		4096ULL

/* Bounds, as exponents of two. */
#define FORMAT_LBS_MIN		9
#define FORMAT_LBS_MAX		12
#define FORMAT_CHUNK_MIN	16
#define FORMAT_CHUNK_MAX	32

#define FORMAT_LEGS		16
#define FORMAT_NAME_BYTES	64
#define FORMAT_NO_SOURCE	0xff

/* Flags of a record. */
#define FORMAT_CLEAN		(1U << 0)

/* Flags of a leg. */
#define FORMAT_LEG_FULL		(1U << 0)
#define FORMAT_LEG_WRITE_MOSTLY	(1U << 1)

/* States of a leg. */
enum format_state {
	FORMAT_EMPTY		= 0,	/* no leg in this slot */
	FORMAT_IN_SYNC		= 1,	/* has every write that was acknowledged */
	FORMAT_STALE		= 2,	/* was away */
	FORMAT_FAILED		= 3,	/* stale, because it erred */
	FORMAT_REBUILDING	= 4,	/* is being copied to, and gets new writes */
	FORMAT_SPARE		= 5,
	FORMAT_REMOVED		= 6,	/* of the set no more */
	FORMAT_STATES
};

/* struct format_leg - what a record knows of one leg of the set */
struct format_leg {
	__u8	uuid[16];
	__u8	state;		/* enum format_state */
	__u8	flags;		/* FORMAT_LEG_* */
	__u8	zero[6];
	__le64	held_event;	/* the last event that it is known to have kept */
	__le64	held_tag;
	__le64	sent_event;	/* the last one that was sent to it */
	__le64	sent_tag;
	__le64	rebuilt;	/* bytes from the start of the data that have been copied */
};

/* struct format_copy - one copy of a leg's record */
struct format_copy {
	__u8	magic[16];
	__le32	crc;		/* CRC-32C of all FORMAT_COPY_BYTES, with 0 here */
	__le16	version;
	__le16	bytes;		/* FORMAT_COPY_BYTES */
	__le64	features;	/* a reader that does not know one leaves the leg alone */
	__u8	set_uuid[16];
	__u8	leg_uuid[16];
	__le64	seq;		/* of the two copies, the one with the higher number counts */
	__le64	event;		/* changes of the set, counted */
	__le64	event_tag;	/* random, for each event */
	__le64	size;		/* bytes of data */
	__le64	data_offset;	/* bytes */
	__le64	area_offset;	/* bytes; the area that this copy is in */
	__le64	bitmap_offset;	/* bytes */
	__le32	bitmap_bytes;
	__u8	chunk_shift;	/* bytes that a bit of the bitmap stands for, exponent of two */
	__u8	lbs_shift;	/* bytes of a logical block, exponent of two */
	__u8	copy;		/* 0 or 1 */
	__u8	nr_legs;	/* slots of legs[] that are in use */
	__le32	flags;		/* FORMAT_CLEAN */
	__u8	self;		/* slot of the leg that this is */
	__u8	source;		/* slot that dirty regions are read from, or FORMAT_NO_SOURCE */
	__u8	zero0[2];
	__le64	created;	/* seconds since 1970 */
	__le64	written;	/* the same, of this copy */
	__u8	name[FORMAT_NAME_BYTES];	/* UTF-8, ends with a 0 */
	__u8	zero1[40];
	struct format_leg legs[FORMAT_LEGS];
	__u8	zero2[2816];
};

/* struct format_bits - a sector of the bitmap; the bit of chunk n is bit n % 8 of byte n / 8 */
struct format_bits {
	__le32	crc;		/* CRC-32C of the set's UUID and then of the sector, with 0 here */
	__le32	index;		/* of this sector in the bitmap */
	__u8	bits[504];
};

#define FORMAT_SECTOR_BITS	(504U * 8)

#define FORMAT_FIELD(type, field, at, bytes) \
	_Static_assert(offsetof(struct type, field) == (at) && \
		       sizeof(((struct type *)0)->field) == (bytes), #field)

FORMAT_FIELD(format_copy, magic, 0, 16);
FORMAT_FIELD(format_copy, crc, 16, 4);
FORMAT_FIELD(format_copy, version, 20, 2);
FORMAT_FIELD(format_copy, bytes, 22, 2);
FORMAT_FIELD(format_copy, features, 24, 8);
FORMAT_FIELD(format_copy, set_uuid, 32, 16);
FORMAT_FIELD(format_copy, leg_uuid, 48, 16);
FORMAT_FIELD(format_copy, seq, 64, 8);
FORMAT_FIELD(format_copy, event, 72, 8);
FORMAT_FIELD(format_copy, event_tag, 80, 8);
FORMAT_FIELD(format_copy, size, 88, 8);
FORMAT_FIELD(format_copy, data_offset, 96, 8);
FORMAT_FIELD(format_copy, area_offset, 104, 8);
FORMAT_FIELD(format_copy, bitmap_offset, 112, 8);
FORMAT_FIELD(format_copy, bitmap_bytes, 120, 4);
FORMAT_FIELD(format_copy, chunk_shift, 124, 1);
FORMAT_FIELD(format_copy, lbs_shift, 125, 1);
FORMAT_FIELD(format_copy, copy, 126, 1);
FORMAT_FIELD(format_copy, nr_legs, 127, 1);
FORMAT_FIELD(format_copy, flags, 128, 4);
FORMAT_FIELD(format_copy, self, 132, 1);
FORMAT_FIELD(format_copy, source, 133, 1);
FORMAT_FIELD(format_copy, zero0, 134, 2);
FORMAT_FIELD(format_copy, created, 136, 8);
FORMAT_FIELD(format_copy, written, 144, 8);
FORMAT_FIELD(format_copy, name, 152, 64);
FORMAT_FIELD(format_copy, zero1, 216, 40);
FORMAT_FIELD(format_copy, legs, 256, 1024);
FORMAT_FIELD(format_copy, zero2, 1280, 2816);
FORMAT_FIELD(format_leg, uuid, 0, 16);
FORMAT_FIELD(format_leg, state, 16, 1);
FORMAT_FIELD(format_leg, flags, 17, 1);
FORMAT_FIELD(format_leg, zero, 18, 6);
FORMAT_FIELD(format_leg, held_event, 24, 8);
FORMAT_FIELD(format_leg, held_tag, 32, 8);
FORMAT_FIELD(format_leg, sent_event, 40, 8);
FORMAT_FIELD(format_leg, sent_tag, 48, 8);
FORMAT_FIELD(format_leg, rebuilt, 56, 8);
FORMAT_FIELD(format_bits, crc, 0, 4);
FORMAT_FIELD(format_bits, index, 4, 4);
FORMAT_FIELD(format_bits, bits, 8, 504);
_Static_assert(sizeof(struct format_copy) == FORMAT_COPY_BYTES, "a copy");
_Static_assert(sizeof(struct format_leg) == 64, "a leg");
_Static_assert(sizeof(struct format_bits) == SECTOR_SIZE, "a sector of the bitmap");
_Static_assert(FORMAT_LEGS == MAX_LEGS, "a target's legs all have a slot");

#endif
