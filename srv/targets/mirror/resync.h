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

#include <liburing.h>
#include <pthread.h>

#include "record.h"
#include "region.h"

#define RESYNC_WINDOW	(1U << 20)
#define RESYNC_PIECE	(512U << 10)
#define RESYNC_PIECES	(REGIONS * (RESYNC_WINDOW / RESYNC_PIECE))
#define RESYNC_CHUNKS	64	/* copied, and not flushed yet */
#define RESYNC_REWRITES	16

/* KiB a second; 0: no limit. */
struct resync_conf {
	u64 max_kib_s, min_kib_s;
};

/*
 * struct resync_legs - the owner's legs
 * @fds, @at: by slot: file, which is open until resync_let_go(), and where the data begins, bytes
 * @failed: a write to it has failed: the owner asks record_failed().  By the thread.
 * @rebuilt: the leg is in sync, and may be read
 */
struct resync_legs {
	const int *fds;
	const u64 *at;
	u64 size;
	void *arg;
	void (*failed)(void *arg, unsigned int slot, int err);
	void (*rebuilt)(void *arg, unsigned int slot);
};

enum resync_what { RESYNC_IDLE, RESYNC_COPY, RESYNC_CHECK, RESYNC_REPAIR };

/*
 * struct resync_progress - for status
 * @done, @total: bytes
 * @eta_s: -1: not known
 * @mismatches: blocks of 4 KiB that the latest check has found different
 */
struct resync_progress {
	enum resync_what what;
	u64 done, total, kib_s;
	s64 eta_s;
	u64 mismatches;
};

/* struct resync_window - a locked part of what is copied; @chunk: in struct resync, or -1 */
struct resync_window {
	int lock, chunk;
	u64 off;
	u32 len, dst, sources;
	unsigned int src;
	bool bad;		/* has not been copied */
};

/*
 * struct resync_piece - one I/O, first a read and then writes
 * @sources: legs that it can still be read from
 * @left: legs that have not answered; 0: it has ended
 */
struct resync_piece {
	struct resync_window *w;
	u64 off;
	u32 len, sources, dst, left;
	unsigned int src;
	bool writing;
	u8 *buf;
};

/* struct resync_chunk - one that is being copied; @ended: all of it is, and can be flushed */
struct resync_chunk {
	struct record_work w;
	bool ended, bad;
};

struct resync_rewrite {
	u64 off;
	u32 len;
	unsigned int slot;
};

/*
 * struct resync - of one set
 * The owner's, zeroed before resync_start(); until resync_stop().
 */
struct resync {
	struct record *r;
	struct regions *g;
	struct resync_legs legs;
	pthread_t thread;
	_Atomic bool stop;
	bool hold;		/* nothing is copied; set before resync_start(), for tests */

	/*
	 * Under @lock.
	 * @using: legs that the thread may have I/O on
	 * @kicked: there may be work; @repace: limits have changed
	 * @check, @repair: all legs are to be compared
	 */
	pthread_mutex_t lock;
	pthread_cond_t wake;
	u32 using;
	bool kicked, repace;
	_Atomic bool check, repair;
	struct resync_conf conf;
	struct resync_progress progress;
	struct resync_rewrite rewrites[RESYNC_REWRITES];
	_Atomic unsigned int nr_rewrites;

	/*
	 * The thread's.
	 * @from: the chunk to look from; @at: up to where chunks[nr_chunks - 1] is in windows,
	 *	unless it has @ended
	 * @got_on: something was copied in this pass, or a leg was lost
	 * @told: that something cannot be copied
	 * @mark_*: of the latest look at the speed
	 */
	struct io_uring ring;
	u8 *bufs;
	struct resync_window windows[REGIONS];
	unsigned int nr_windows;
	struct resync_piece pieces[RESYNC_PIECES];
	unsigned int nr_pieces;
	struct resync_chunk chunks[RESYNC_CHUNKS];
	unsigned int nr_chunks;
	u32 from;
	u64 at;
	bool got_on, told;
	u64 flushed_at, written_at, mark_at, mark_done;
};

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
