/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Which bytes may be where.
 *
 * Whatever is read into a buffer comes from a page that repeats itself, and goes to
 * the same place in a page again: so every byte of a buffer that many write to at once
 * has one of two values, its own or the source's, however the writes are interleaved.
 */
#ifndef FUZZ_CROWD_BYTES_H
#define FUZZ_CROWD_BYTES_H

#include "check.h"

#define BUF_LEN		65536		/* of each of the exporter's buffers */
#define BUF_MUTABLE	32		/* the first one that may be written to */
#define BUF_DEST	40		/* the first that may not be read from */
#define BUF_SINK	48		/* the first that is never lent: for DRAIN */
#define BUF_SOURCE	56		/* has the source's bytes, for FILL; not lent either */
#define BUF_ERROR	60		/* cannot be lent: -EIO */
#define NR_BUFS		61
#define HELD_UBLK	(1ULL << 63)	/* a slot may have held a ublk request */

void bytes_source(void *buf, size_t len, u64 pos);
/* What clients write to the disk. */
void bytes_client(void *buf, size_t len, u64 pos);
/* What clients have in memory where they read to. */
void bytes_poison(void *buf, size_t len, u64 pos);

/* Gives the exporter all its buffers. */
void bytes_setup(int lender);
/* The first of them that has a byte that it may not have, or -1. */
int bytes_damaged(int lender);

/*
 * The bytes are from @addr on of one buffer, of those whose bits are in @held, or of
 * the source's.
 */
bool bytes_of_slot(const u8 *p, u32 len, u64 held, u64 addr);
/* What a client read at @pos of the disk: the source's bytes, or what was there before. */
bool bytes_of_disk(const u8 *p, u32 len, u64 pos);

#endif
