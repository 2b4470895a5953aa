/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the record of a set has in memory, and what its files share: which legs are left, who
 * waits.
 *
 *	record.c ---> record_event.c ---> record_change.c ---> record_state.c, record_io.c
 *		 '--> record_bits.c  ------------------------'
 *	record_copy.c --> record_bits.c
 *
 * No file calls one to its left, but for an op's @done.
 */
#ifndef SRV_RECORD_STATE_H
#define SRV_RECORD_STATE_H

#include <liburing.h>
#include <pthread.h>
#include <semaphore.h>

#include "assemble.h"
#include "bitmap.h"
#include "change.h"
#include "late.h"
#include "pending.h"

struct record;
struct record_change;

/*
 * struct record_wait - a request that waits for the record
 * In the target's state of the request.  The request's queue fills in wake; from when it is
 * parked until wake() is called it is the record's.
 * @wake: called once, by the record's thread or a queue's, without a lock: it must not block.  The
 *	request then asks again.
 */
struct record_wait {
	struct record_wait *next;
	void (*wake)(struct record_wait *w);
};

/*
 * struct record_note - a block of the bitmap that the queue of a request writes, as nobody else does
 * In the target's state of the request, from record_write_slow() that has returned RECORD_NOTE to
 * record_noted().
 * @files: legs that the queue can write to
 * @last: the other requests of the batch have asked
 * @buf: for the block
 * What is to be written:
 * @block: its number
 * @slots: to these legs
 */
struct record_note {
	u32 files, slots;
	unsigned int block;
	bool last;
	void *buf;
};

/* struct record_list - requests that wait, in the order in which they came; the record's lock */
struct record_list {
	struct record_wait *first, **end;
};

/*
 * struct record_queue - the writes of one queue of the device
 * In struct record, on a cache line of its own; the queue's thread writes it.
 * @epoch: that writes of the present batch begin in, or of the latest one
 */
struct record_queue {
	_Alignas(64) struct bitmap_queue bits;
	_Atomic u32 epoch;
};

/*
 * struct record_leg - a leg that is here
 * Set by record_init() and by the record's thread, whose it is from record_begin() on.
 * @fd: the owner's, and open until record_let_go() or the record's end; -1: not here
 */
struct record_leg {
	int fd;
	struct super_own own;
};

/* The I/O of the record's thread: the event, the flush, and blocks of the bitmap. */
enum { RECORD_EVENT, RECORD_FLUSH, RECORD_BLOCK0, RECORD_OPS = RECORD_BLOCK0 + 16 };

/*
 * struct record_op - one I/O, on several legs at once
 * In struct record; the thread's.
 * @slots: it was sent to these; @left: who has not answered; 0: it is free
 * @failed: who has failed it, with @err
 * @len: what each leg has to answer
 * @tries: how often it was repeated, for want of memory
 * @block: of the bitmap
 * @buf: aligned for direct I/O; the event's has a copy of the record for each slot
 * @done: when all have answered
 */
struct record_op {
	u32 slots, left, failed;
	int err[FORMAT_LEGS];
	int len;
	unsigned int tries, block;
	u8 *buf;
	void (*done)(struct record *r, struct record_op *op);
};

/* How far an event has got: the legs that get it first, the rest, everybody's other copy. */
enum record_phase { RECORD_IDLE, RECORD_FIRST, RECORD_REST, RECORD_SECOND };

/*
 * struct record - the record of one set
 * The owner (a target) has it, zeroed before record_init(), up to record_deinit().
 *
 * @set: what the legs have, durably.  @bits, @set and the lists: under @lock.  The thread alone
 *	changes @set, so it reads that without.
 * @changing: a leg was dropped, and no event says so yet: no write may be acknowledged.  Set
 *	before @dropped is called.
 * @broken: no leg in sync takes the record any more: what changes data fails with EIO
 * @differs: legs in sync may differ where record_source() says so
 * @dropped: a leg is of use no more: the owner sends it nothing from now on.  Called by the
 *	record's thread and by record_failed(), once for each leg, without the lock.  What it
 *	stores is a release, and queues acquire it: who leaves out a leg sees @changing as well.
 * @look: a queue that has writes under way is to look now which have ended, and to call record_wrote().  It does so
 *	soon, not before this returns.  Any thread but a queue's, without the lock; NULL: queues know at once
 *
 * Invariant: who is broken is changing.
 */
struct record {
	pthread_mutex_t lock;
	struct super_set set;
	struct record_leg legs[FORMAT_LEGS];
	struct bitmap bits;
	_Atomic bool changing, broken, differs;

	struct record_queue *queues;
	unsigned int nr_queues;

	void (*dropped)(void *arg, unsigned int slot, int err);
	void (*look)(void *arg, unsigned int queue);
	void *arg;

	/* Set by record_init(), for tests to change before record_begin(). */
	unsigned int age_ms, retry_ms;

	/*
	 * A leg that has not answered for so long this thread, or the one that copies, is dropped; 0: it
	 * is waited for.  The owner's.
	 */
	_Atomic unsigned int timeout_ms;

	/*
	 * Under @lock.
	 * @here: legs that have a descriptor; only the thread changes it
	 * @gone: those that were dropped; they get no I/O any more
	 * @stale: of these, those that did not fail
	 * @letting: those that record_let_go() was asked for
	 * @bitmap_at: where each leg's bitmap begins; read without @lock by a queue that writes to the leg,
	 *	as it does not change then
	 * @unwritten: legs that have joined, and may lack some of the bitmap
	 * @sent: legs being rebuilt that the owner sends writes to
	 * @lacks: what they lack, a bit for each chunk; NULL: not known yet
	 * @agreeing: an event is being made that says that nothing differs
	 * @former: the latest source that was, or FORMAT_NO_SOURCE
	 * @differed: how often record_differ() was called
	 * @changes: asked for, and not begun
	 * @want_source: record_differ() waits for an event that names one
	 * @ageing: there are bits that will be cleared; at @age_at, ms
	 * @kicked: the thread was woken and has not looked yet
	 * @thread_writes: a queue has not got a block onto every leg: the thread does it, and what comes of
	 *	that is its to say
	 * @stop: record_end() waits
	 * @blocks: of the bitmap, written so far
	 */
	u32 here, gone, stale, letting, unwritten, sent;
	u64 bitmap_at[FORMAT_LEGS];
	u8 *lacks[FORMAT_LEGS];
	bool agreeing;
	u8 former;
	u32 differed;
	struct record_change *changes;
	bool want_source, ageing, kicked, thread_writes, stop;
	u64 age_at, blocks;
	struct record_list writes, ends;

	/*
	 * The thread's.
	 * @next, @next_own, @phase: the event that is being written
	 * @change: that is in the event
	 * @start_source: of the first event
	 * @done: the epoch that is cleared when all legs are flushed
	 * @lazy: there are bits to clear on the legs
	 * @retry_at: when broken, ms; @why: what was the error
	 * @serving: it has begun, and is not ending
	 * @wake_writes, @wake_ends: the lists are to be woken
	 * @inflight: answers that are due
	 * @pending: I/O on each leg
	 * @late: of the legs that are gone, those whose I/O is not waited for any more: see
	 *	record_io_leave().  A leg's number is not used again before that has ended.
	 * @old: buffers that such I/O may still use
	 * @kicks: what eventfd @kick_fd says; @listening: it is being read
	 */
	struct super_set next;
	struct super_own next_own[FORMAT_LEGS];
	enum record_phase phase;
	struct record_change *change;
	u8 start_source;
	u32 done;
	bool lazy, serving, wake_writes, wake_ends;
	int why;
	u64 retry_at;
	struct io_uring ring;
	struct record_op ops[RECORD_OPS];
	unsigned int inflight;
	struct pending pending[FORMAT_LEGS];
	u32 late;
	struct late_bufs old;
	int kick_fd;
	u64 kicks;
	bool listening, closing;

	/* Between the owner and the thread that begins. */
	pthread_t thread;
	sem_t begun;
	int ret;
};

/* Legs that are here and not dropped; of these, those in sync.  Without the lock. */
u32 record_usable(struct record *r);
u32 record_in_sync(struct record *r);
/* Those that have data to flush: in sync, or being rebuilt. */
u32 record_with_data(struct record *r);

/*
 * The thread, without the lock: @slots have failed, each with its err[]: they are dropped.
 * Returns those in sync that stay, as no other one would be left.
 */
u32 record_drop(struct record *r, u32 slots, const int err[FORMAT_LEGS]);

/* The thread, without the lock: no leg in sync takes the record.  It is tried again later. */
void record_break(struct record *r, int err);

/* Without a lock: what record_list_take() has returned. */
void record_list_wake(struct record_wait *w);

/* -------------------- the record's lock is held below this line -------------------- */

/* The lock is dropped, and the thread woken if it does not know yet that there is work. */
void record_unlock_kick(struct record *r);

/* Legs in sync that are here and not dropped. */
u32 record_in_sync_locked(const struct record *r);

bool record_may_differ(const struct bitmap *b, u64 off, u64 len);

/* Finds what a leg that is being rebuilt lacks: what is missed, and what a full rebuild has left. */
int record_find_lacks(struct record *r, unsigned int slot);

/* The first chunk that it lacks; r->bits.nr: none. */
u32 record_first_lacking(const struct record *r, unsigned int slot);

/* It is known what it lacks, and that is nothing. */
bool record_lacks_nothing(const struct record *r, unsigned int slot);

/* The set, or what is known of its legs, has changed: does somebody miss what is written? */
void record_keep(struct record *r);

/* Are there bits that nothing keeps?  They are cleared one day; if nobody cares yet, from now on. */
bool record_age_due(const struct record *r);
void record_age_soon(struct record *r);

/*
 * The same as record_drop(), but that @dropped is the caller's to call, for those that are
 * returned.  *stay: those that stay.
 */
u32 record_drop_locked(struct record *r, u32 slots, u32 *stay);

/* The leg to read where legs may differ, as the next event will name it. */
u8 record_source_slot(const struct record *r);

/* Legs that are dropped, and that the set still counts on. */
u32 record_drops_due(const struct record *r);

/* An event is due: for these, or for a source. */
bool record_event_due(const struct record *r);

void record_list_init(struct record_list *l);
void record_list_add(struct record_list *l, struct record_wait *w);
struct record_wait *record_list_take(struct record_list *l);

#endif
