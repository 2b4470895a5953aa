/* SPDX-License-Identifier: GPL-2.0 */
/* What the files of resync share; resync.h says what it is for. */
#ifndef SRV_RESYNC_STATE_H
#define SRV_RESYNC_STATE_H

#include <liburing.h>
#include <pthread.h>

#include "record.h"
#include "region.h"

#define RESYNC_WINDOW	(1U << 20)
#define RESYNC_PIECE	(512U << 10)
#define RESYNC_PIECES	(REGIONS * (RESYNC_WINDOW / RESYNC_PIECE))
#define RESYNC_CHUNKS	64	/* copied, and not flushed yet */
#define RESYNC_REWRITES	16

/* Bytes a second; 0: no limit. */
struct resync_conf {
	u64 min, max;
};

/*
 * struct resync_legs - the owner's legs
 * @fds, @at: by slot: file, which is open until resync_let_go(), and where the data begins, bytes
 * @failed: a write to it has failed, and not for want of room: the owner asks record_failed().
 *	By the thread.
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
 * @wrote: bytes, on each leg
 */
struct resync_piece {
	struct resync_window *w;
	u64 off;
	u32 len, sources, dst, left;
	u32 wrote[FORMAT_LEGS];
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
	 * @late: legs that are gone, with I/O that is not waited for any more; changed by the thread
	 * @kicked: there may be work; @repace: limits have changed
	 * @check, @repair: all legs are to be compared
	 */
	pthread_mutex_t lock;
	pthread_cond_t wake;
	u32 using, late;
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
	 * @pending: I/O on each leg
	 * @old: buffers that late I/O may still use; @renew: @bufs is to be one of them
	 * @told: that something cannot be copied, because of @err
	 * @mark_*: of the latest look at the speed
	 */
	struct io_uring ring;
	struct pending pending[FORMAT_LEGS];
	u8 *bufs;
	struct late_bufs old;
	bool renew;
	struct resync_window windows[REGIONS];
	unsigned int nr_windows;
	struct resync_piece pieces[RESYNC_PIECES];
	unsigned int nr_pieces;
	struct resync_chunk chunks[RESYNC_CHUNKS];
	unsigned int nr_chunks;
	u32 from;
	u64 at;
	bool got_on, told;
	int err;
	u64 flushed_at, written_at, mark_at, mark_done;
};

#endif
