/* SPDX-License-Identifier: GPL-2.0 */
/* The ring of the record's thread.  That thread, without the lock. */
#ifndef SRV_RECORD_IO_H
#define SRV_RECORD_IO_H

#include "record_state.h"

/* 0, or -errno after a message. */
int record_io_init(struct record *r);
void record_io_deinit(struct record *r);

/*
 * Begins op @nr on @slots, which are not none; it is free.  The caller has filled in @buf, and
 * @block or r->next_own.  @done is called by record_io_turn(), and may begin ops.
 */
void record_io_send(struct record *r, unsigned int nr, u32 slots,
		    void (*done)(struct record *r, struct record_op *op));

/* Bytes of the buffer of op @nr: of events, a copy of the record for each slot. */
size_t record_io_room(unsigned int nr);

/*
 * What is under way on legs that are gone has failed: it may hang, and holds up nobody.  It keeps
 * its buffer, and its leg, until it ends.
 */
void record_io_leave(struct record *r);

/* How long to wait at most, when there is nothing else to do: -1, or until legs are looked at. */
s64 record_io_patience(const struct record *r);

/* Legs that have not answered for r->timeout_ms. */
u32 record_io_silent(const struct record *r);

/* Waits until something has happened, or for @ms, -1: for ever; calls what is done. */
void record_io_turn(struct record *r, s64 ms);

#endif
