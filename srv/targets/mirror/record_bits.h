/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The bitmap on the legs of a set that is served: loading it, writing blocks, ageing.  The
 * record's thread, without the lock.
 */
#ifndef SRV_RECORD_BITS_H
#define SRV_RECORD_BITS_H

#include "record_state.h"

/* What the legs in sync have; then all blocks are to be written.  0 or -ENOMEM. */
int record_bits_load(struct record *r);

/* Writes what is to be written. */
void record_bits_start(struct record *r);

/* Ageing, if it is time and none is under way. */
void record_bits_age(struct record *r);

/* Under the lock: the latest epoch whose writes have ended in every queue. */
u32 record_bits_done(const struct record *r);

/* No write of any queue is under way. */
bool record_bits_quiet(const struct record *r);

/* Queues that have writes under way are to look which have ended: record.look.  Any thread but a queue's. */
void record_bits_look(struct record *r);

#endif
