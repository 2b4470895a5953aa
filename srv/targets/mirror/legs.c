// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../clock.h"
#include "../../log.h"
#include "../../watch.h"
#include "state.h"

/* How often it is looked whether a leg is still in use. */
#define MIRROR_LEAVE_MS	20

/* What has been waited for so long, on a leg that was dropped, is given up where that is possible. */
#define MIRROR_HURRY_MS	1000

#define HOUR_MS		(3600 * 1000)

/* The one that is read when it can be one only. */
static u32 mirror_one_of(const struct mirror *m, u32 legs)
{
	legs = mirror_preferred(legs, m->write_mostly);
	return legs & -legs;
}

/* With the lock held, and another leg in sync. */
static void mirror_leave_out(struct mirror *m, unsigned int leg)
{
	u32 live = m->live & ~(1U << leg), sync = m->sync & ~(1U << leg), read;

	/* One that is in sync since just now, and of which mirror_rebuilt() has not told yet. */
	if (!sync && m->record)
		sync = live & record_in_sync(m->record);
	read = m->read & sync;
	atomic_store_explicit(&m->read, read ? read : mirror_one_of(m, sync), memory_order_release);
	atomic_store_explicit(&m->sync, sync, memory_order_release);
	atomic_store_explicit(&m->live, live, memory_order_release);
}

/* The same, after mirror_blame(). */
static void mirror_drop(struct target *t, unsigned int leg, int err)
{
	struct mirror *m = t->priv;
	struct mirror_leg *ml = &m->legs[leg];

	ml->dropped_err = err;
	ml->dropped_at = time(NULL);
	mirror_leave_out(m, leg);
	mirror_tell_drop(&t->legs[leg], ml);
}

/* With the lock held: what the leg is about to be dropped for. */
static void mirror_blame(struct mirror *m, unsigned int leg, int err, unsigned int op, u64 off, u32 len)
{
	struct mirror_leg *ml = &m->legs[leg];

	ml->blamed = err;
	ml->dropped_op = op;
	ml->dropped_sector = off >> SECTOR_SHIFT;
	ml->dropped_len = len;
}

/* With the lock held: of the record's thread, or the one that copies.  Disks may have time limits, too. */
static bool mirror_is_timeout(const struct mirror *m, int err)
{
	return m->limits.leg_timeout && err == -ETIMEDOUT;
}

void mirror_dropped(void *arg, unsigned int leg, int err)
{
	struct target *t = arg;
	struct mirror *m = t->priv;
	struct mirror_leg *ml = &m->legs[leg];

	pthread_mutex_lock(&m->lock);
	if (!ml->blamed)
		ml->dropped_op = mirror_is_timeout(m, err) ? MIRROR_OP_TIMEOUT : MIRROR_OP_RECORD;
	mirror_drop(t, leg, ml->blamed ? ml->blamed : err);
	pthread_mutex_unlock(&m->lock);
}

/* What was blamed is dropped, and false; or some of it stays, as no other leg would be left. */
static bool mirror_fail(struct mirror *m, u32 slots, int err)
{
	u32 stay = record_failed(m->record, slots, err);

	pthread_mutex_lock(&m->lock);
	for (u32 left = stay; left; left &= left - 1)
		m->legs[__builtin_ctz(left)].blamed = 0;
	pthread_mutex_unlock(&m->lock);
	return stay;
}

void mirror_drop_shrunk(struct target *t, unsigned int leg)
{
	struct mirror *m = t->priv;
	bool last;

	pthread_mutex_lock(&m->lock);
	last = m->sync == 1U << leg;
	if (!last) {
		mirror_blame(m, leg, -ENODATA, MIRROR_OP_SHRUNK, 0, 0);
		if (!m->record)
			mirror_drop(t, leg, -ENODATA);
	}
	pthread_mutex_unlock(&m->lock);
	if (!last && m->record)
		mirror_fail(m, 1U << leg, -ENODATA);
}

/* Without a record that says where: one leg is read from now on.  With the lock held. */
static void mirror_read_one(struct mirror *m)
{
	if (!m->record)
		m->read = mirror_one_of(m, m->sync);
}

static void mirror_drop_legs(struct target *t, const struct io *io, u32 drop)
{
	struct mirror *m = t->priv;

	for (unsigned int i = 0; i < io->nr_steps; i++) {
		const struct step *s = &io->steps[i];

		if (s->old || !(drop >> s->leg & 1))
			continue;
		mirror_blame(m, s->leg, s->res, s->op, io->off, io->len);
		if (!m->record)
			mirror_drop(t, s->leg, s->res);
	}
}

void mirror_blame_owner(struct mirror *m, unsigned int leg)
{
	pthread_mutex_lock(&m->lock);
	if (!m->legs[leg].dropped_err)
		mirror_blame(m, leg, -ECANCELED, MIRROR_OP_OWNER, 0, 0);
	pthread_mutex_unlock(&m->lock);
}

void mirror_mark(struct mirror *m, unsigned int leg, bool write_mostly)
{
	u32 bit = 1U << leg;

	pthread_mutex_lock(&m->lock);
	m->write_mostly = write_mostly ? m->write_mostly | bit : m->write_mostly & ~bit;
	pthread_mutex_unlock(&m->lock);
}

bool mirror_drop_failed(struct target *t, struct io *io, int *err)
{
	struct mirror *m = t->priv;
	struct mirror_tally tally = { 0 };
	enum step_op op = io->steps[0].op;
	bool differ;
	u32 drop;

	/* What a leg did that was dropped since is known: it has missed it. */
	for (unsigned int i = 0; i < io->nr_steps; i++)
		if (!io->steps[i].old)
			mirror_count(&tally, op, io->steps[i].leg, io->steps[i].res);

	pthread_mutex_lock(&m->lock);
	*err = mirror_outcome(&tally, op, m->sync, &drop, &differ);
	*err = mirror_outcome_rebuilding(&tally, op, m->live & ~m->sync, *err, &drop, &differ);
	mirror_drop_legs(t, io, drop);
	if (differ)
		mirror_read_one(m);
	pthread_mutex_unlock(&m->lock);
	/* Others that have it may have been dropped meanwhile: then it has failed. */
	if (drop && m->record && mirror_fail(m, drop, tally.err)) {
		*err = tally.err;
		differ = true;
	}
	return differ;
}

void mirror_joined(struct target *t, unsigned int slot)
{
	struct mirror *m = t->priv;
	bool dropped;

	pthread_mutex_lock(&m->lock);
	dropped = m->legs[slot].dropped_err;
	if (!dropped)
		atomic_store_explicit(&m->live, m->live | 1U << slot, memory_order_release);
	pthread_mutex_unlock(&m->lock);
	if (dropped)
		return;
	record_joined(m->record, slot);
	resync_kick(&m->resync);
}

void mirror_rebuilt(void *arg, unsigned int leg)
{
	struct target *t = arg;
	struct mirror *m = t->priv;

	pthread_mutex_lock(&m->lock);
	/* It may have been dropped since. */
	if (m->live >> leg & 1) {
		for (unsigned int i = 0; i < m->nr_queues; i++)
			atomic_fetch_or(&m->queues[i].new_legs, 1U << leg);
		atomic_store_explicit(&m->sync, m->sync | 1U << leg, memory_order_release);
		atomic_store_explicit(&m->read, m->read | 1U << leg, memory_order_release);
		log_info("mirror: leg %s is in sync", t->legs[leg].absolute);
	}
	pthread_mutex_unlock(&m->lock);
}

void mirror_copy_failed(void *arg, unsigned int leg, int err)
{
	struct target *t = arg;
	struct mirror *m = t->priv;

	pthread_mutex_lock(&m->lock);
	if (m->live >> leg & 1)
		mirror_blame(m, leg, err, mirror_is_timeout(m, err) ? MIRROR_OP_TIMEOUT : MIRROR_OP_COPY, 0, 0);
	pthread_mutex_unlock(&m->lock);
	mirror_fail(m, 1U << leg, err);
}

/* With the lock held: one more.  Are they too many? */
static bool mirror_count_read_error(const struct mirror *m, struct mirror_leg *ml, u64 now)
{
	ml->read_errors++;
	if (!ml->hour_errors || now - ml->hour_at >= HOUR_MS) {
		ml->hour_at = now;
		ml->hour_errors = 0;
	}
	ml->hour_errors++;
	return m->limits.read_errors && ml->hour_errors > m->limits.read_errors;
}

void mirror_read_failed(struct target *t, const struct io *io, const struct step *s)
{
	struct mirror *m = t->priv;
	struct mirror_leg *ml = &m->legs[s->leg];
	bool fail;

	pthread_mutex_lock(&m->lock);
	fail = mirror_count_read_error(m, ml, clock_ms()) && !ml->dropped_err;
	if (fail)
		mirror_blame(m, s->leg, s->res, STEP_READ, io->off, io->len);
	ml->read_sector = io->off >> SECTOR_SHIFT;
	ml->read_err = s->res;
	if (burst_event(&ml->read_burst, clock_ms()))
		log_warn("mirror: leg %s: read of %u bytes at sector %" PRIu64 ": %s",
			 t->legs[s->leg].absolute, io->len, ml->read_sector, strerror(-s->res));
	pthread_mutex_unlock(&m->lock);
	if (fail)
		mirror_fail(m, 1U << s->leg, s->res);
}

/* A leg that hangs. */

static u64 mirror_oldest(const struct mirror *m, unsigned int leg, u64 requests, u64 now)
{
	if (!m->record)
		return requests;
	requests = max_u64(requests, pending_ms(&m->record->pending[leg], now));
	return max_u64(requests, pending_ms(&m->resync.pending[leg], now));
}

/* With the lock held: the legs that have not answered for longer than they may. */
static u32 mirror_timed_out(struct mirror *m, unsigned int nr_legs)
{
	u64 ms = m->limits.leg_timeout * 1000ULL;
	u32 slots = 0;

	for (unsigned int i = 0; ms && i < nr_legs; i++)
		if (m->live >> i & 1 && m->legs[i].sure_ms >= ms) {
			mirror_blame(m, i, -ETIMEDOUT, MIRROR_OP_TIMEOUT, 0, 0);
			slots |= 1U << i;
		}
	return slots;
}

/* Requests that wait for @leg only are to go on without it. */
static void mirror_hurry(struct mirror *m, unsigned int leg)
{
	struct mirror_leg *ml = &m->legs[leg];

	if (!ml->hurry)
		ml->hurry = calloc(m->nr_queues, sizeof(*ml->hurry));
	/* No memory: the next time. */
	if (!ml->hurry || atomic_load_explicit(&ml->to_hurry, memory_order_acquire))
		return;
	ml->to_hurry = m->nr_queues;
	for (unsigned int i = 0; i < m->nr_queues; i++) {
		ml->hurry[i] = (struct inbox_leg){ .item.kind = INBOX_LEG, .leg = leg, .fd = -1, .hangs = true, .left = &ml->to_hurry };
		inbox_post(m->queues[i].inbox, &ml->hurry[i].item);
	}
}

void mirror_watch(struct target *t, const struct watch_ages *ages)
{
	struct mirror *m = t->priv;
	u64 now = clock_ms();
	u32 slots;

	pthread_mutex_lock(&m->lock);
	for (unsigned int i = 0; i < t->nr_legs; i++) {
		m->legs[i].oldest_ms = mirror_oldest(m, i, ages->maybe[i], now);
		m->legs[i].sure_ms = mirror_oldest(m, i, ages->sure[i], now);
		if (m->legs[i].dropped_err && ages->maybe[i] >= MIRROR_HURRY_MS)
			mirror_hurry(m, i);
	}
	slots = mirror_timed_out(m, t->nr_legs);
	pthread_mutex_unlock(&m->lock);
	if (slots)
		mirror_fail(m, slots, -ETIMEDOUT);
}

bool mirror_drop_source(struct target *t, const struct io *io, const struct step *s)
{
	struct mirror *m = t->priv;
	bool last;

	pthread_mutex_lock(&m->lock);
	last = !(m->sync & ~(1U << s->leg));
	if (!last)
		mirror_blame(m, s->leg, s->res, s->op, io->off, io->len);
	pthread_mutex_unlock(&m->lock);
	return !last && !mirror_fail(m, 1U << s->leg, s->res);
}

/* All queues are to have no file for it; false: there is no memory, and it is tried again. */
static bool mirror_take_back(struct mirror *m, unsigned int leg)
{
	struct mirror_leg *ml = &m->legs[leg];

	ml->leaving = calloc(m->nr_queues, sizeof(*ml->leaving));
	if (!ml->leaving)
		return false;
	ml->left = m->nr_queues;
	for (unsigned int i = 0; i < m->nr_queues; i++) {
		ml->leaving[i].item.kind = INBOX_LEG;
		ml->leaving[i].leg = leg;
		ml->leaving[i].fd = -1;
		ml->leaving[i].left = &ml->left;
		inbox_post(m->queues[i].inbox, &ml->leaving[i].item);
	}
	return true;
}

/* True when it has been let go. */
static bool mirror_leg_leaves(struct target *t, unsigned int leg)
{
	struct mirror *m = t->priv;
	struct mirror_leg *ml = &m->legs[leg];

	if (!ml->leaving && !mirror_take_back(m, leg))
		return false;
	if (atomic_load_explicit(&ml->left, memory_order_acquire))
		return false;
	/* These two have it by its number; what they have under way may take long, on a leg that hangs. */
	if (m->record && (!record_let_go(m->record, leg) || !resync_let_go(&m->resync, leg)))
		return false;
	/* Requests under way hold the file itself: it is closed when the last one has ended. */
	close(t->legs[leg].fd);
	t->legs[leg].fd = m->fds[leg] = -1;
	free(ml->leaving);
	ml->leaving = NULL;
	return true;
}

int mirror_let_go(struct target *t)
{
	struct mirror *m = t->priv;
	int ms = -1;

	for (unsigned int i = 0; i < t->nr_legs; i++)
		if (m->legs[i].dropped_err && t->legs[i].fd >= 0 && !mirror_leg_leaves(t, i))
			ms = MIRROR_LEAVE_MS;
	return ms;
}
