// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "../../clock.h"
#include "../../log.h"
#include "resync.h"
#include "resync_io.h"

#define RESYNC_FLUSH_MS		500	/* what was copied is flushed so often */
#define RESYNC_WRITE_MS		5000	/* how far it has got is written down so often */
#define RESYNC_SPEED_MS		1000
#define RESYNC_RETRY_MS		2000	/* when a write hangs, or something cannot be copied */
#define RESYNC_SYNC_MS		500	/* clients wait so long for a write that hangs, and not longer */
#define RESYNC_NEVER_MS		(24 * 3600 * 1000ULL)
#define RESYNC_REST		4	/* of so many parts of the time, clients have all but one */
#define RESYNC_BLOCK		4096U	/* that a check counts */

/* Waiting. */

static void resync_deadline(struct timespec *ts, u64 ms)
{
	*ts = (struct timespec){ .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };
}

/* Until @ms, or resync_stop(), or other limits. */
static void resync_sleep_until(struct resync *s, u64 ms)
{
	struct timespec ts;

	resync_deadline(&ts, ms);
	pthread_mutex_lock(&s->lock);
	s->repace = false;
	while (!s->stop && !s->repace && clock_ms() < ms)
		pthread_cond_timedwait(&s->wake, &s->lock, &ts);
	pthread_mutex_unlock(&s->lock);
}

/* Until somebody comes, or @ms have passed. */
static void resync_wait(struct resync *s, u64 ms)
{
	struct timespec ts;
	u64 end = clock_ms() + ms;

	resync_deadline(&ts, end);
	pthread_mutex_lock(&s->lock);
	while (!s->stop && !s->kicked && !s->check && !s->nr_rewrites && clock_ms() < end)
		pthread_cond_timedwait(&s->wake, &s->lock, &ts);
	s->kicked = false;
	pthread_mutex_unlock(&s->lock);
}

/* How long a round of @bytes has to take, in ms, when it took @ms. */
static u64 resync_pace_ms(const struct resync_conf *c, u64 bytes, u64 ms, bool busy)
{
	u64 byte_ms = bytes * 1000, want = ms;

	if (busy) {
		want *= RESYNC_REST;
		if (c->min)
			want = min_u64(want, byte_ms / c->min);
	}
	return c->max ? max_u64(want, byte_ms / c->max) : want;
}

static void resync_pace(struct resync *s, u64 began, u64 bytes, bool busy)
{
	struct resync_conf conf;
	u64 want;

	pthread_mutex_lock(&s->lock);
	conf = s->conf;
	pthread_mutex_unlock(&s->lock);
	want = resync_pace_ms(&conf, bytes, clock_ms() - began, busy);
	resync_sleep_until(s, began + want);
}

/* Progress. */

static void resync_begin(struct resync *s, enum resync_what what, u64 total)
{
	pthread_mutex_lock(&s->lock);
	if (s->progress.what != what) {
		s->progress.what = what;
		s->progress.done = s->progress.kib_s = 0;
		s->progress.eta_s = -1;
		s->mark_at = clock_ms();
		s->mark_done = 0;
	}
	s->progress.total = s->progress.done + total;
	pthread_mutex_unlock(&s->lock);
}

static void resync_idle(struct resync *s)
{
	pthread_mutex_lock(&s->lock);
	s->progress.what = RESYNC_IDLE;
	s->using = 0;
	pthread_mutex_unlock(&s->lock);
}

static void resync_got_on(struct resync *s, u64 bytes)
{
	struct resync_progress *p = &s->progress;
	u64 now = clock_ms();

	pthread_mutex_lock(&s->lock);
	p->done = min_u64(p->done + bytes, p->total);
	if (now - s->mark_at >= RESYNC_SPEED_MS) {
		p->kib_s = (p->done - s->mark_done) / 1024 * 1000 / (now - s->mark_at);
		p->eta_s = p->kib_s ? (s64)((p->total - p->done) / 1024 / p->kib_s) : -1;
		s->mark_at = now;
		s->mark_done = p->done;
	}
	pthread_mutex_unlock(&s->lock);
}

/* Copying. */

/* A chunk begins.  false: there is none, or no room until a flush.  With the lock held. */
static bool resync_next_chunk(struct resync *s)
{
	struct resync_chunk *c = &s->chunks[s->nr_chunks];

	if (s->nr_chunks == RESYNC_CHUNKS || !record_next(s->r, s->from, &c->w))
		return false;
	c->ended = c->bad = false;
	s->nr_chunks++;
	s->from = c->w.chunk + 1;
	s->at = c->w.off;
	s->using |= c->w.dst | c->w.sources | 1U << c->w.src;
	return true;
}

/* A chunk of which there are windows to come. */
static bool resync_in_chunk(const struct resync *s)
{
	return s->nr_chunks && !s->chunks[s->nr_chunks - 1].ended;
}

static bool resync_next_window(struct resync *s)
{
	struct resync_window *w = &s->windows[s->nr_windows];
	struct resync_chunk *c = &s->chunks[s->nr_chunks - 1];
	u64 end = c->w.off + c->w.len;

	*w = (struct resync_window){ .chunk = s->nr_chunks - 1, .off = s->at, .src = c->w.src, .dst = c->w.dst,
				     .sources = c->w.sources, .len = min_u64(end - s->at, RESYNC_WINDOW) };
	if (w->dst) {
		w->lock = region_lock(s->g, w->off, w->len);
		if (w->lock < 0)
			return false;
		s->nr_windows++;
		s->at += w->len;
	} else {
		/* One leg has it, and no other one is to. */
		s->at = end;
	}
	c->ended = s->at == end;
	return true;
}

/* The windows of a round. */
static void resync_fill(struct resync *s)
{
	s->nr_windows = 0;
	pthread_mutex_lock(&s->lock);
	while (s->nr_windows < REGIONS && (resync_in_chunk(s) || resync_next_chunk(s)))
		if (!resync_next_window(s))
			break;
	pthread_mutex_unlock(&s->lock);
}

/* It is not copied to its end: it is looked at again in the next pass. */
static void resync_spoilt(struct resync_chunk *c)
{
	c->bad = c->ended = true;
}

/*
 * Older writes have ended and the windows are locked: may what was decided before be done?  A leg that
 * has failed one of these writes has the old data there, and is no source any more.
 */
static bool resync_still_right(struct resync *s)
{
	for (unsigned int i = 0; i < s->nr_windows; i++) {
		struct resync_window *w = &s->windows[i];
		u32 right = w->chunk < 0 ? record_readable(s->r, w->off, w->len) : record_in_sync(s->r);

		if (!(right >> w->src & 1))
			return false;
		w->sources &= right;
	}
	return true;
}

/* Copies the windows.  @quiet: who fails stays.  false: it was given up. */
static bool resync_round(struct resync *s, bool quiet)
{
	u32 epoch = record_epoch(s->r);
	u64 began = clock_ms(), bytes = 0;
	bool ok = record_sync(s->r, &s->stop, RESYNC_SYNC_MS) && resync_still_right(s), busy;

	if (ok)
		resync_io_copy(s, quiet);
	else
		/* Writes that hang do not hang others with them. */
		resync_io_give_up(s);
	for (unsigned int i = 0; i < s->nr_windows; i++) {
		bytes += s->windows[i].len;
		if (s->windows[i].bad && s->windows[i].chunk >= 0)
			resync_spoilt(&s->chunks[s->windows[i].chunk]);
	}
	if (!ok)
		return false;
	busy = record_is_busy(s->r, epoch);
	if (!quiet)
		resync_got_on(s, bytes);
	resync_pace(s, began, bytes, busy);
	return true;
}

/* What the thread has I/O on from now on: the chunks that are left, @nr of them, and nothing else. */
static void resync_forget(struct resync *s, unsigned int nr)
{
	const struct record_work *w = &s->chunks[0].w;

	pthread_mutex_lock(&s->lock);
	s->nr_chunks = nr;
	s->using = nr ? w->dst | w->sources | 1U << w->src : 0;
	pthread_mutex_unlock(&s->lock);
}

/* Rewriting. */

/* The first of the list becomes the only window.  false: it is of no use any more. */
static bool resync_next_rewrite(struct resync *s, struct resync_window *w)
{
	struct resync_rewrite rw = s->rewrites[0];
	u32 readable = record_readable(s->r, rw.off, rw.len), sources = readable & ~(1U << rw.slot);

	s->nr_rewrites--;
	memmove(&s->rewrites[0], &s->rewrites[1], s->nr_rewrites * sizeof(rw));
	if (!(readable >> rw.slot & 1) || !sources)
		return false;
	*w = (struct resync_window){ .chunk = -1, .off = rw.off, .len = rw.len, .dst = 1U << rw.slot,
				     .sources = sources, .src = __builtin_ctz(sources) };
	s->using |= readable;
	w->lock = region_lock(s->g, w->off, w->len);
	return w->lock >= 0;
}

/*
 * A leg that fails it stays: what else is there is as good as before, and it is not read more often
 * than it was.  Between rounds: no region is locked.
 */
static void resync_rewrites(struct resync *s)
{
	while (s->nr_rewrites && !s->stop) {
		u32 using;

		pthread_mutex_lock(&s->lock);
		using = s->using;
		s->nr_windows = resync_next_rewrite(s, &s->windows[0]);
		pthread_mutex_unlock(&s->lock);
		if (s->nr_windows)
			resync_round(s, true);
		pthread_mutex_lock(&s->lock);
		s->using = using;
		pthread_mutex_unlock(&s->lock);
	}
}

/* Of the chunks that have ended: where they were written. */
static u32 resync_written(const struct resync *s)
{
	u32 dst = 0;

	for (unsigned int i = 0; i < s->nr_chunks; i++)
		if (s->chunks[i].ended && !s->chunks[i].bad)
			dst |= s->chunks[i].w.dst;
	return dst;
}

static void resync_flush(struct resync *s)
{
	u32 failed = resync_io_flush(s, resync_written(s));
	bool in_chunk = resync_in_chunk(s);

	for (unsigned int i = 0; i < s->nr_chunks; i++) {
		struct resync_chunk *c = &s->chunks[i];

		if (!c->ended || c->bad || c->w.dst & failed)
			continue;
		record_copied(s->r, &c->w);
		s->got_on = true;
	}
	if (in_chunk)
		s->chunks[0] = s->chunks[s->nr_chunks - 1];
	resync_forget(s, in_chunk);
	s->flushed_at = clock_ms();
	if (s->flushed_at - s->written_at >= RESYNC_WRITE_MS) {
		record_progress(s->r);
		s->written_at = s->flushed_at;
	}
}

static bool resync_flush_due(const struct resync *s)
{
	return s->nr_chunks && (!s->nr_windows || s->nr_chunks == RESYNC_CHUNKS ||
				clock_ms() - s->flushed_at >= RESYNC_FLUSH_MS);
}

/* From the first chunk to the last.  false: it was given up. */
static bool resync_pass(struct resync *s)
{
	bool ok = true;

	s->from = 0;
	s->got_on = false;
	s->flushed_at = clock_ms();
	while (ok && !s->stop) {
		resync_fill(s);
		if (!s->nr_chunks)
			break;
		if (s->nr_windows)
			ok = resync_round(s, false);
		if (resync_flush_due(s))
			resync_flush(s);
		resync_rewrites(s);
	}
	resync_forget(s, 0);
	return ok;
}

/* All that is to be copied is: that becomes an event. */
static void resync_end(struct resync *s)
{
	u32 slots;

	if (record_has_source(s->r) && !record_agree(s->r))
		log_info("set %s: its legs agree", s->r->set.name);
	for (slots = record_complete(s->r); slots; slots &= slots - 1)
		if (!record_rebuilt(s->r, __builtin_ctz(slots)))
			s->legs.rebuilt(s->legs.arg, __builtin_ctz(slots));
}

/* false: something is left, and to be tried again. */
static bool resync_copy(struct resync *s)
{
	bool ok;
	u64 todo;

	do {
		ok = !record_take_up(s->r, &s->stop, RESYNC_SYNC_MS);
		todo = record_todo(s->r);
		if (!todo)
			break;
		resync_begin(s, RESYNC_COPY, todo);
		ok &= resync_pass(s);
	} while (ok && !s->stop && s->got_on);
	if (!s->stop)
		resync_end(s);
	if (todo && ok && !s->stop && !s->told)
		log_warn("set %s: %" PRIu64 " bytes cannot be copied: %s; it is tried every %u ms",
			 s->r->set.name, todo, strerror(-s->err), RESYNC_RETRY_MS);
	s->told = todo && ok;
	resync_idle(s);
	return ok && !todo;
}

/* Comparing. */

/* Reads @slots.  Returns those that are not as the first one that could be read, *src. */
static u32 resync_unequal(struct resync *s, u32 slots, u64 off, u32 len, unsigned int *src)
{
	u32 failed = resync_io_read(s, slots, off, len), good = slots & ~failed, unequal = failed;

	if (!good)
		return 0;
	*src = __builtin_ctz(good);
	for (good &= good - 1; good; good &= good - 1)
		if (memcmp(resync_io_buf(s, __builtin_ctz(good)), resync_io_buf(s, *src), len))
			unequal |= good & -good;
	return unequal;
}

/* In how many blocks is one of @slots not as @src? */
static u64 resync_count_blocks(const struct resync *s, u32 slots, unsigned int src, u32 len)
{
	u64 nr = 0;

	for (u32 at = 0; at < len; at += RESYNC_BLOCK)
		for (u32 rest = slots; rest; rest &= rest - 1)
			if (memcmp(resync_io_buf(s, __builtin_ctz(rest)) + at, resync_io_buf(s, src) + at,
				   min_u64(len - at, RESYNC_BLOCK))) {
				nr++;
				break;
			}
	return nr;
}

/* While nobody writes there. */
static void resync_compare_locked(struct resync *s, u32 slots, u64 off, u32 len)
{
	unsigned int src;
	u32 unequal = resync_unequal(s, slots, off, len, &src);

	if (!unequal)
		return;
	pthread_mutex_lock(&s->lock);
	s->progress.mismatches += resync_count_blocks(s, unequal, src, len);
	pthread_mutex_unlock(&s->lock);
	if (s->repair && !resync_io_write(s, unequal, off, len, resync_io_buf(s, src)))
		resync_io_flush(s, unequal);
}

/* First as it is: most of it agrees, and no client has to wait. */
static void resync_compare(struct resync *s, u64 off, u32 len)
{
	unsigned int src;
	u32 slots;
	int lock;

	pthread_mutex_lock(&s->lock);
	slots = record_readable(s->r, off, len);
	s->using = slots;
	pthread_mutex_unlock(&s->lock);
	if (!(slots & (slots - 1)) || !resync_unequal(s, slots, off, len, &src))
		return;
	lock = region_lock(s->g, off, len);
	if (record_sync(s->r, &s->stop, RESYNC_SYNC_MS)) {
		/* Who has failed a write meanwhile is right no more. */
		slots &= record_readable(s->r, off, len);
		if (slots & (slots - 1))
			resync_compare_locked(s, slots, off, len);
	}
	region_unlock(s->g, lock);
}

static void resync_compare_all(struct resync *s)
{
	u64 mismatches;

	resync_begin(s, s->repair ? RESYNC_REPAIR : RESYNC_CHECK, s->legs.size);
	for (u64 off = 0; off < s->legs.size && !s->stop; off += RESYNC_COMPARE) {
		u64 began = clock_ms(), len = min_u64(s->legs.size - off, RESYNC_COMPARE);
		u32 epoch = record_epoch(s->r);

		resync_compare(s, off, len);
		resync_got_on(s, len);
		resync_pace(s, began, len, record_is_busy(s->r, epoch));
		resync_rewrites(s);
	}
	pthread_mutex_lock(&s->lock);
	s->check = false;
	mismatches = s->progress.mismatches;
	pthread_mutex_unlock(&s->lock);
	log_info("set %s: compared: %" PRIu64 " blocks of 4096 bytes differed", s->r->set.name, mismatches);
	resync_idle(s);
}

/* The thread. */

static void *resync_main(void *arg)
{
	struct resync *s = arg;
	u64 ms = 0;

	while (!s->stop) {
		resync_wait(s, s->late ? min_u64(ms, RESYNC_RETRY_MS) : ms);
		resync_io_look(s);
		if (s->stop || s->hold) {
			ms = RESYNC_NEVER_MS;
			continue;
		}
		resync_rewrites(s);
		ms = resync_copy(s) ? RESYNC_NEVER_MS : RESYNC_RETRY_MS;
		if (s->check && !s->stop)
			resync_compare_all(s);
	}
	return NULL;
}

/* The owner, and queues. */

static void resync_cond_init(pthread_cond_t *cond)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(cond, &attr);
	pthread_condattr_destroy(&attr);
}

int resync_start(struct resync *s, struct record *r, struct regions *g, const struct resync_legs *legs)
{
	int ret;

	s->r = r;
	s->g = g;
	s->legs = *legs;
	s->progress.eta_s = -1;
	pthread_mutex_init(&s->lock, NULL);
	resync_cond_init(&s->wake);
	ret = resync_io_init(s);
	if (ret) {
		log_err("set %s: copying: %s", r->set.name, strerror(-ret));
		return ret;
	}
	ret = -pthread_create(&s->thread, NULL, resync_main, s);
	if (ret) {
		log_err("set %s: the thread that copies: %s", r->set.name, strerror(-ret));
		resync_io_deinit(s);
	}
	return ret;
}

void resync_stop(struct resync *s)
{
	pthread_mutex_lock(&s->lock);
	s->stop = true;
	pthread_cond_broadcast(&s->wake);
	pthread_mutex_unlock(&s->lock);
	pthread_join(s->thread, NULL);
	resync_io_deinit(s);
}

void resync_kick(struct resync *s)
{
	pthread_mutex_lock(&s->lock);
	s->kicked = true;
	pthread_cond_broadcast(&s->wake);
	pthread_mutex_unlock(&s->lock);
}

void resync_limits(struct resync *s, const struct resync_conf *c)
{
	pthread_mutex_lock(&s->lock);
	s->conf = *c;
	s->repace = true;
	pthread_cond_broadcast(&s->wake);
	pthread_mutex_unlock(&s->lock);
}

int resync_check(struct resync *s, bool repair)
{
	int ret = -EBUSY;

	pthread_mutex_lock(&s->lock);
	if (!s->check) {
		s->check = true;
		s->repair = repair;
		s->progress.mismatches = 0;
		ret = 0;
	}
	pthread_cond_broadcast(&s->wake);
	pthread_mutex_unlock(&s->lock);
	return ret;
}

/* With the lock held. */
static bool resync_knows(const struct resync *s, unsigned int slot, u64 off)
{
	for (unsigned int i = 0; i < s->nr_rewrites; i++)
		if (s->rewrites[i].slot == slot && s->rewrites[i].off == off)
			return true;
	return false;
}

void resync_rewrite(struct resync *s, unsigned int slot, u64 off, u32 len)
{
	pthread_mutex_lock(&s->lock);
	if (s->nr_rewrites < RESYNC_REWRITES && len <= RESYNC_WINDOW && !resync_knows(s, slot, off)) {
		s->rewrites[s->nr_rewrites] = (struct resync_rewrite){ .slot = slot, .off = off, .len = len };
		s->nr_rewrites++;
		pthread_cond_broadcast(&s->wake);
	}
	pthread_mutex_unlock(&s->lock);
}

bool resync_let_go(struct resync *s, unsigned int slot)
{
	bool used;

	pthread_mutex_lock(&s->lock);
	used = (s->using | s->late) >> slot & 1;
	pthread_mutex_unlock(&s->lock);
	return !used;
}

void resync_tell(struct resync *s, struct resync_progress *p)
{
	pthread_mutex_lock(&s->lock);
	*p = s->progress;
	pthread_mutex_unlock(&s->lock);
}
