/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Copying from leg to leg while a set is served: what may differ after a crash, and what a leg
 * lacks that is back or new.  Also comparing all legs, and writing again what one leg could not
 * read.  A thread and a ring of its own; the record says what is to be copied.
 *
 * A round is up to REGIONS windows of up to RESYNC_WINDOW bytes each.  They are locked, older writes
 * are waited for once, and all are copied at the same time; so one leg reads while another one
 * writes, and a write waits for the copy of 4 MiB at most.  Why not in the queues' rings: a copy has
 * no request that it belongs to, and waits for what no queue may wait for.
 *
 * How fast: without limits and without clients as fast as the legs can.  When a queue has had
 * anything to do since the last round, the thread rests three times as long as the round took: it
 * has the legs for a quarter of the time, however fast they are and however much slower clients have
 * made them.  The least that is asked for comes before that, the most before both.
 *
 * Locks: @lock, then the record's.  The callbacks are called without.
 */
#ifndef SRV_RESYNC_H
#define SRV_RESYNC_H

#include "resync_state.h"

/* After record_begin().  0, or -errno after a message. */
int resync_start(struct resync *s, struct record *r, struct regions *g, const struct resync_legs *legs);

/* Before record_end().  Waits for the I/O that is under way, a round at most. */
void resync_stop(struct resync *s);

/* There may be something to copy. */
void resync_kick(struct resync *s);

void resync_limits(struct resync *s, const struct resync_conf *c);

/* All legs are compared; @repair: and made equal.  -EBUSY: that is being done. */
int resync_check(struct resync *s, bool repair);

/*
 * A queue's thread: the leg in @slot could not read @len bytes at @off, another one could: they are
 * written there again.  Forgotten if there are too many.
 */
void resync_rewrite(struct resync *s, unsigned int slot, u64 off, u32 len);

/* As record_let_go(), after that. */
bool resync_let_go(struct resync *s, unsigned int slot);

void resync_tell(struct resync *s, struct resync_progress *p);

#endif
