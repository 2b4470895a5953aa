// SPDX-License-Identifier: GPL-2.0
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "../../clock.h"
#include "../../log.h"
#include "record.h"
#include "record_bits.h"
#include "record_change.h"
#include "record_event.h"
#include "record_io.h"

#define RECORD_AGE_MS	2500
#define RECORD_RETRY_MS	1000

/* Waking. */

static void record_fail_changes(struct record *r)
{
	pthread_mutex_lock(&r->lock);
	record_change_fail(r);
	pthread_mutex_unlock(&r->lock);
}

/* Behind what the thread has done. */
static void record_wake(struct record *r)
{
	struct record_wait *writes = NULL, *ends = NULL;

	if (r->broken)
		record_fail_changes(r);
	if (!r->wake_writes && !r->wake_ends)
		return;
	pthread_mutex_lock(&r->lock);
	if (r->wake_writes)
		writes = record_list_take(&r->writes);
	if (r->wake_ends)
		ends = record_list_take(&r->ends);
	pthread_mutex_unlock(&r->lock);
	r->wake_writes = r->wake_ends = false;
	record_list_wake(writes);
	record_list_wake(ends);
}

/* What a queue calls. */

/* Under the lock: may the request's queue write the block?  Then it is being written. */
static bool record_note_take(struct record *r, struct record_note *n, int block)
{
	u32 slots = change_writers(&r->set) & r->here & ~r->gone;

	/* The queue does not know yet of a leg that joins. */
	if (r->thread_writes || slots & ~n->files || !bitmap_take_block(&r->bits, block, n->buf))
		return false;
	n->block = block;
	n->slots = slots;
	r->blocks++;
	return true;
}

/* Under the lock: the bit is not there.  Who writes the block?  *kick: the thread is to. */
static int record_wait_for_bit(struct record *r, struct record_wait *w, struct record_note *n, u64 off, u32 len,
			       bool *kick)
{
	int block = bitmap_block(&r->bits, off, len);

	if (n && !n->last)
		return RECORD_LATER;
	if (n && block >= 0 && record_note_take(r, n, block))
		return RECORD_NOTE;
	record_list_add(&r->writes, w);
	/* Whoever is writing it wakes all that wait. */
	*kick = block < 0 || !bitmap_is_flying(&r->bits, block);
	return RECORD_PARKED;
}

int record_write_slow(struct record *r, struct record_queue *rq, struct record_wait *w, struct record_note *n,
		      u64 off, u32 len)
{
	bool kick = false;
	int ret = 0;

	if (!r->broken && bitmap_stamp(&r->bits, rq->epoch, off, len))
		return 0;
	pthread_mutex_lock(&r->lock);
	if (r->broken) {
		ret = -EIO;
	} else if (!bitmap_want(&r->bits, rq->epoch, off, len)) {
		ret = record_wait_for_bit(r, w, n, off, len, &kick);
	}
	/* Not before the queue writes its block: the thread would be faster. */
	if (ret != -EIO && ret != RECORD_LATER && !r->ageing) {
		r->ageing = kick = true;
		r->age_at = clock_ms() + r->age_ms;
	}
	if (kick)
		record_unlock_kick(r);
	else
		pthread_mutex_unlock(&r->lock);
	/* It may be woken already: only the queue's own memory is touched. */
	if (ret)
		bitmap_queue_end(&rq->bits, rq->epoch);
	return ret;
}

void record_noted(struct record *r, const struct record_note *n, u32 ok)
{
	struct record_wait *writes = NULL;
	bool done;

	pthread_mutex_lock(&r->lock);
	/* Of one that was dropped since, the queues may not know yet: the thread goes into that. */
	done = !(n->slots & ~ok);
	bitmap_wrote(&r->bits, n->block, done);
	if (done)
		writes = record_list_take(&r->writes);
	else
		r->thread_writes = true;
	/* It may wait for that: for a leg that joins, or to clear bits of the block. */
	if (!done || r->unwritten || bitmap_is_lazy(&r->bits, n->block))
		record_unlock_kick(r);
	else
		pthread_mutex_unlock(&r->lock);
	record_list_wake(writes);
}

u32 record_failed(struct record *r, u32 slots, int err)
{
	u32 stay;

	pthread_mutex_lock(&r->lock);
	slots = record_drop_locked(r, slots, &stay);
	pthread_mutex_unlock(&r->lock);
	for (u32 rest = slots; rest; rest &= rest - 1)
		r->dropped(r->arg, __builtin_ctz(rest), err);
	if (slots) {
		pthread_mutex_lock(&r->lock);
		record_unlock_kick(r);
	}
	return stay;
}

int record_may_end_slow(struct record *r, struct record_wait *w)
{
	int ret = 0;

	pthread_mutex_lock(&r->lock);
	if (r->broken) {
		ret = -EIO;
	} else if (r->changing) {
		record_list_add(&r->ends, w);
		ret = RECORD_PARKED;
	}
	pthread_mutex_unlock(&r->lock);
	return ret;
}

int record_differ(struct record *r, struct record_wait *w, u64 off, u32 len)
{
	pthread_mutex_lock(&r->lock);
	bitmap_differ(&r->bits, off, len);
	r->differs = true;
	r->differed++;
	if (r->set.source == FORMAT_NO_SOURCE || r->agreeing) {
		r->want_source = r->changing = true;
		record_unlock_kick(r);
	} else {
		pthread_mutex_unlock(&r->lock);
	}
	return record_may_end(r, w);
}

int record_source(struct record *r, u64 off, u32 len)
{
	int slot = -1;

	pthread_mutex_lock(&r->lock);
	if (record_may_differ(&r->bits, off, len))
		slot = record_source_slot(r);
	pthread_mutex_unlock(&r->lock);
	return slot;
}

void record_tell(struct record *r, struct super_set *set, u64 *differ, u64 *missed)
{
	pthread_mutex_lock(&r->lock);
	*set = r->set;
	*differ = (u64)bitmap_count_differ(&r->bits) << r->bits.shift;
	*missed = (u64)bitmap_count_missed(&r->bits) << r->bits.shift;
	pthread_mutex_unlock(&r->lock);
	/* The last chunk may be short. */
	*differ = min_u64(*differ, set->size);
	*missed = min_u64(*missed, set->size);
}

/* The thread. */

static void record_mend(struct record *r)
{
	pthread_mutex_lock(&r->lock);
	r->broken = false;
	r->changing = record_event_due(r);
	pthread_mutex_unlock(&r->lock);
	r->wake_writes = r->wake_ends = true;
}

/* Legs that hang are dropped; the last one in sync is waited for. */
static void record_time_out(struct record *r)
{
	u32 slots = record_io_silent(r);
	int err[FORMAT_LEGS];

	if (!slots)
		return;
	for (unsigned int slot = 0; slot < FORMAT_LEGS; slot++)
		err[slot] = -ETIMEDOUT;
	record_drop(r, slots, err);
	/* One that joins is not of the set yet. */
	pthread_mutex_lock(&r->lock);
	r->gone |= slots & ~change_writers(&r->set);
	pthread_mutex_unlock(&r->lock);
}

/* Begins what is to be done, but for ageing. */
static void record_start(struct record *r)
{
	if (r->broken && clock_ms() < r->retry_at)
		return;
	record_time_out(r);
	record_io_leave(r);
	pthread_mutex_lock(&r->lock);
	record_change_written(r);
	pthread_mutex_unlock(&r->lock);
	record_event_start(r);
	record_bits_start(r);
	/* It has been tried again, and all that was due is on the legs. */
	if (r->broken && !r->inflight && clock_ms() >= r->retry_at)
		record_mend(r);
}

/* Until nothing is under way, and nothing more can be begun. */
static void record_settle(struct record *r)
{
	for (record_start(r); r->inflight; record_start(r))
		record_io_turn(r, record_io_patience(r));
	record_wake(r);
}

/* How long there is nothing to do, in ms; -1: until somebody comes. */
static s64 record_idle_ms(struct record *r)
{
	s64 patience = record_io_patience(r);
	u64 now = clock_ms(), at;
	bool due;

	pthread_mutex_lock(&r->lock);
	due = r->broken || (r->ageing && !r->ops[RECORD_FLUSH].left);
	at = r->broken ? r->retry_at : r->age_at;
	pthread_mutex_unlock(&r->lock);
	if (!due)
		return patience;
	if (at <= now)
		return 0;
	return patience < 0 ? at - now : min_u64(at - now, patience);
}

/* Also says that the thread looks now for what it was woken for. */
static bool record_stopped(struct record *r)
{
	bool stop;

	pthread_mutex_lock(&r->lock);
	r->kicked = false;
	stop = r->stop;
	pthread_mutex_unlock(&r->lock);
	return stop;
}

/* Does some I/O that is under way use the leg? */
static bool record_uses(const struct record *r, unsigned int slot)
{
	return r->pending[slot].nr;
}

static void record_let_legs_go(struct record *r)
{
	pthread_mutex_lock(&r->lock);
	for (u32 rest = r->letting & r->here; rest; rest &= rest - 1) {
		unsigned int slot = __builtin_ctz(rest);

		if (record_uses(r, slot))
			continue;
		r->legs[slot].fd = -1;
		r->here &= ~(1U << slot);
		r->letting &= ~(1U << slot);
	}
	pthread_mutex_unlock(&r->lock);
}

bool record_let_go(struct record *r, unsigned int slot)
{
	u32 bit = 1U << slot;
	bool here;

	pthread_mutex_lock(&r->lock);
	here = r->here & bit;
	if (!here || (change_writers(&r->set) & ~r->gone & bit)) {
		pthread_mutex_unlock(&r->lock);
		return !here;
	}
	/* It may have failed to join. */
	r->gone |= bit;
	r->letting |= bit;
	record_unlock_kick(r);
	return false;
}

static void record_serve(struct record *r)
{
	r->serving = true;
	while (!record_stopped(r)) {
		record_let_legs_go(r);
		record_start(r);
		record_bits_age(r);
		record_wake(r);
		record_io_turn(r, record_idle_ms(r));
		record_wake(r);
	}
	r->serving = false;
}

static int record_open(struct record *r)
{
	u32 missing = super_slots(&r->set, FORMAT_IN_SYNC) & ~r->here;
	u32 absent = super_slots(&r->set, FORMAT_REBUILDING) & ~r->here;
	struct super_set next = r->set;
	int ret;

	change_start(&next, super_tag(), missing, absent, r->start_source);
	record_event_make(r, &next);
	record_settle(r);
	if (!r->broken) {
		ret = record_bits_load(r);
		if (ret) {
			log_err("set %s: its bitmap: %s", r->set.name, strerror(-ret));
			return ret;
		}
		record_settle(r);
	}
	if (!r->broken)
		return 0;
	log_err("set %s: no leg in sync takes its record (%s): it cannot be served", r->set.name,
		strerror(-r->why));
	return -EIO;
}

static void record_close_flushed(struct record *r, struct record_op *op)
{
	if (op->failed && record_drop(r, op->failed, op->err))
		record_break(r, op->err[__builtin_ctz(op->failed)]);
}

/* All data, and then a bitmap without bits, are on every leg. */
static bool record_close_bits(struct record *r)
{
	record_io_send(r, RECORD_FLUSH, record_with_data(r), record_close_flushed);
	record_settle(r);
	if (r->broken)
		return false;
	pthread_mutex_lock(&r->lock);
	bitmap_age_all(&r->bits);
	pthread_mutex_unlock(&r->lock);
	r->lazy = true;
	record_settle(r);
	return !r->broken;
}

static void record_close(struct record *r)
{
	struct super_set next;

	/* What could not be written is tried once more. */
	r->retry_at = 0;
	record_settle(r);
	if (!record_bits_quiet(r)) {
		log_err("set %s: writes are still under way: it is not recorded as clean",
			r->set.name);
		return;
	}
	if (r->broken || !record_close_bits(r))
		goto failed;
	/* Again, when a leg is dropped for not taking it: each time there is one less. */
	while (!r->set.clean) {
		next = r->set;
		change_stop(&next, super_tag());
		record_event_make(r, &next);
		record_settle(r);
		if (r->broken)
			goto failed;
	}
	return;
failed:
	log_err("set %s: no leg in sync takes its record (%s): it is not recorded as clean",
		r->set.name, strerror(-r->why));
}

static void *record_main(void *arg)
{
	struct record *r = arg;
	int ret = record_io_init(r);

	if (!ret) {
		ret = record_open(r);
		if (ret)
			record_io_deinit(r);
	}
	r->ret = ret;
	sem_post(&r->begun);
	if (ret)
		return NULL;
	record_serve(r);
	record_close(r);
	record_fail_changes(r);
	record_io_deinit(r);
	return NULL;
}

/* The owner. */

static int record_alloc(struct record *r)
{
	for (unsigned int i = 0; i < RECORD_OPS; i++) {
		r->ops[i].buf = aligned_alloc(FORMAT_ALIGN, record_io_room(i));
		if (!r->ops[i].buf)
			return -ENOMEM;
	}
	return 0;
}

int record_init(struct record *r, const struct assembly *a, const struct super_own own[FORMAT_LEGS],
		const int fds[FORMAT_LEGS])
{
	int ret;

	r->set = a->set;
	r->start_source = a->source;
	r->age_ms = RECORD_AGE_MS;
	r->retry_ms = RECORD_RETRY_MS;
	r->kick_fd = -1;
	r->former = FORMAT_NO_SOURCE;
	record_list_init(&r->writes);
	record_list_init(&r->ends);
	for (unsigned int i = 0; i < FORMAT_LEGS; i++) {
		r->legs[i] = (struct record_leg){ .fd = fds[i], .own = own[i] };
		r->bitmap_at[i] = own[i].bitmap_offset;
		if (fds[i] >= 0)
			r->here |= 1U << i;
	}
	pthread_mutex_init(&r->lock, NULL);
	ret = record_alloc(r);
	if (!ret)
		ret = bitmap_init(&r->bits, r->set.uuid, r->set.size, r->set.chunk_shift,
				  r->set.lbs_shift);
	if (ret)
		record_deinit(r);
	return ret;
}

void record_deinit(struct record *r)
{
	if (r->kick_fd >= 0)
		close(r->kick_fd);
	for (unsigned int i = 0; i < FORMAT_LEGS; i++)
		free(r->lacks[i]);
	free(r->queues);
	/* What a leg that hangs may still write stays. */
	for (unsigned int i = 0; i < RECORD_OPS && !r->late; i++)
		free(r->ops[i].buf);
	if (!r->late)
		late_free(&r->old);
	late_forget(&r->old);
	bitmap_deinit(&r->bits);
	pthread_mutex_destroy(&r->lock);
	memset(r, 0, sizeof(*r));
}

static int record_queues_init(struct record *r, unsigned int nr)
{
	r->queues = aligned_alloc(_Alignof(struct record_queue), nr * sizeof(*r->queues));
	if (!r->queues)
		return -ENOMEM;
	memset(r->queues, 0, nr * sizeof(*r->queues));
	/* One that has not begun yet holds up nothing. */
	for (unsigned int i = 0; i < nr; i++)
		record_leave(&r->queues[i]);
	r->nr_queues = nr;
	return 0;
}

static int record_thread_init(struct record *r)
{
	int ret;

	r->kick_fd = eventfd(0, EFD_CLOEXEC);
	if (r->kick_fd < 0)
		return -errno;
	sem_init(&r->begun, 0, 0);
	ret = pthread_create(&r->thread, NULL, record_main, r);
	if (!ret)
		while (sem_wait(&r->begun) && errno == EINTR)
			;
	sem_destroy(&r->begun);
	return -ret;
}

int record_begin(struct record *r, unsigned int nr_queues)
{
	int ret = record_queues_init(r, nr_queues);

	if (!ret)
		ret = record_thread_init(r);
	if (ret) {
		log_err("set %s: its record's thread: %s", r->set.name, strerror(-ret));
		return ret;
	}
	if (r->ret)
		pthread_join(r->thread, NULL);
	return r->ret;
}

void record_end(struct record *r)
{
	pthread_mutex_lock(&r->lock);
	r->stop = true;
	record_unlock_kick(r);
	pthread_join(r->thread, NULL);
}
