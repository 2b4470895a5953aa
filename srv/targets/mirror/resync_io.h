/* SPDX-License-Identifier: GPL-2.0 */
/* The I/O of the thread that copies.  That thread, without a lock. */
#ifndef SRV_RESYNC_IO_H
#define SRV_RESYNC_IO_H

#include "resync_state.h"

/* 0 or -errno. */
int resync_io_init(struct resync *s);
void resync_io_deinit(struct resync *s);

/*
 * Copies all windows, which are locked, and unlocks each when it is done.  What cannot be copied is
 * bad.  A leg that fails a write is told by @failed, unless @quiet.
 */
void resync_io_copy(struct resync *s, bool quiet);

/* No window is copied: all are unlocked, and bad. */
void resync_io_give_up(struct resync *s);

/* While nothing is waited for: what is late may have come. */
void resync_io_look(struct resync *s);

/* Returns those that have failed, which are told. */
u32 resync_io_flush(struct resync *s, u32 slots);

/* @len bytes at @off of each of @slots to its buffer.  Returns those that have failed. */
u32 resync_io_read(struct resync *s, u32 slots, u64 off, u32 len);
/* @buf to each of @slots.  The same. */
u32 resync_io_write(struct resync *s, u32 slots, u64 off, u32 len, u8 *buf);

/* The buffer of @slot, RESYNC_COMPARE bytes. */
#define RESYNC_COMPARE	(RESYNC_PIECES * RESYNC_PIECE / FORMAT_LEGS)

static inline u8 *resync_io_buf(const struct resync *s, unsigned int slot)
{
	return s->bufs + slot * RESYNC_COMPARE;
}

#endif
