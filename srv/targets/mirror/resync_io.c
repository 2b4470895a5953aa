// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "plan.h"
#include "resync_io.h"

/* How often it is looked whether a leg is gone. */
#define RESYNC_LOOK_MS	500

/* user_data: a piece and a slot. */
#define RESYNC_TAG(piece, slot)	((piece) * FORMAT_LEGS + (slot))

#define RESYNC_BUFS	((size_t)RESYNC_PIECES * RESYNC_PIECE)

int resync_io_init(struct resync *s)
{
	int ret;

	s->bufs = late_alloc(RESYNC_BUFS);
	if (!s->bufs)
		return -ENOMEM;
	ret = io_uring_queue_init(RESYNC_PIECES * FORMAT_LEGS, &s->ring, IORING_SETUP_CLAMP);
	if (ret) {
		free(s->bufs);
		s->bufs = NULL;
	}
	return ret;
}

void resync_io_deinit(struct resync *s)
{
	io_uring_queue_exit(&s->ring);
	/* What a leg that hangs may still read or write stays. */
	if (!s->late) {
		free(s->bufs);
		late_free(&s->old);
	}
	late_forget(&s->old);
	s->bufs = NULL;
}

/* Legs that are gone. */

/* Other buffers, as a leg that is gone may still use these.  false: no memory. */
static bool resync_io_renew(struct resync *s)
{
	u8 *bufs = late_renew(&s->old, s->bufs, RESYNC_BUFS);

	if (!bufs)
		return false;
	s->bufs = bufs;
	s->renew = false;
	return true;
}

static void resync_io_set_late(struct resync *s, u32 slots)
{
	pthread_mutex_lock(&s->lock);
	s->late = slots;
	pthread_mutex_unlock(&s->lock);
}

/* Legs that hang are failed; the last one in sync stays, and is waited for. */
static void resync_io_time_out(struct resync *s)
{
	u64 now = clock_ms();
	unsigned int ms = s->r->timeout_ms;

	for (unsigned int slot = 0; ms && slot < FORMAT_LEGS; slot++)
		if (!(s->late >> slot & 1) && pending_ms(&s->pending[slot], now) >= ms)
			s->legs.failed(s->legs.arg, slot, -ETIMEDOUT);
}

/* Legs that are gone since, and have not answered: what they have is not waited for any more. */
static u32 resync_io_lost(struct resync *s)
{
	u32 usable, slots = 0;

	resync_io_time_out(s);
	usable = record_usable(s->r) | s->late;

	/* The record may have let go of one already. */
	for (unsigned int slot = 0; slot < FORMAT_LEGS; slot++)
		if (s->pending[slot].nr && !(usable >> slot & 1))
			slots |= 1U << slot;
	return slots;
}

/* It was waited for if true. */
static bool resync_io_answered(struct resync *s, unsigned int slot)
{
	pending_end(&s->pending[slot]);
	if (!(s->late >> slot & 1))
		return true;
	if (!s->pending[slot].nr)
		resync_io_set_late(s, s->late & ~(1U << slot));
	return false;
}

/* While nothing is under way that is waited for: others may have had an old buffer as well. */
static void resync_io_tidy(struct resync *s)
{
	if (!s->late)
		late_free(&s->old);
}

/* One answer that is waited for: what user_data and result are.  false: there is none. */
static bool resync_io_peek(struct resync *s, u64 *data, int *res)
{
	struct io_uring_cqe *cqe;

	while (!io_uring_peek_cqe(&s->ring, &cqe)) {
		*data = cqe->user_data;
		*res = cqe->res;
		io_uring_cqe_seen(&s->ring, cqe);
		if (resync_io_answered(s, *data % FORMAT_LEGS))
			return true;
	}
	return false;
}

/* The same, and waits for it.  false: none came for some time. */
static bool resync_io_wait(struct resync *s, u64 *data, int *res)
{
	struct __kernel_timespec ts = { .tv_nsec = RESYNC_LOOK_MS * 1000000LL };
	u64 end = clock_ms() + RESYNC_LOOK_MS;
	struct io_uring_cqe *cqe;

	while (!resync_io_peek(s, data, res)) {
		int ret = io_uring_submit_and_wait_timeout(&s->ring, &cqe, 1, &ts, NULL);

		/* No memory: what is queued stays, and is submitted the next time. */
		if (ret < 0 && ret != -EINTR && ret != -ETIME)
			nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
		if (clock_ms() >= end)
			return resync_io_peek(s, data, res);
	}
	return true;
}

void resync_io_look(struct resync *s)
{
	u64 data;
	int res;

	/* Only what is late can come. */
	while (resync_io_peek(s, &data, &res))
		;
	resync_io_tidy(s);
}

/* One on each leg at most. */

enum resync_op { RESYNC_READ, RESYNC_WRITE, RESYNC_FLUSH };

static void resync_io_queue(struct resync *s, enum resync_op op, unsigned int slot, u64 off, u32 len, u8 *buf,
			    u64 tag)
{
	/* There is one for each piece and leg. */
	struct io_uring_sqe *sqe = io_uring_get_sqe(&s->ring);
	int fd = s->legs.fds[slot];

	/* The buffers live until resync_io_deinit(), or as s->old. */
	if (op == RESYNC_READ)
		io_uring_prep_read(sqe, fd, buf, len, s->legs.at[slot] + off);
	else if (op == RESYNC_WRITE)
		io_uring_prep_write(sqe, fd, buf, len, s->legs.at[slot] + off);
	else
		io_uring_prep_fsync(sqe, fd, IORING_FSYNC_DATASYNC);
	sqe->user_data = tag;
	pending_begin(&s->pending[slot]);
}

/* They have failed, all that they have is late. */
static u32 resync_io_all_lost(struct resync *s, u32 slots, int *err)
{
	u32 lost = resync_io_lost(s) & slots;

	for (u32 rest = lost; rest; rest &= rest - 1)
		err[__builtin_ctz(rest)] = -ETIMEDOUT;
	if (lost) {
		s->renew = true;
		resync_io_set_late(s, s->late | lost);
	}
	return lost;
}

static u32 resync_io_all(struct resync *s, enum resync_op op, u32 slots, u64 off, u32 len, u8 *buf, int *err)
{
	u32 failed = slots & s->late, left = slots & ~s->late;

	for (u32 rest = failed; rest; rest &= rest - 1)
		err[__builtin_ctz(rest)] = -ETIMEDOUT;
	if (s->renew && !resync_io_renew(s)) {
		for (u32 rest = left; rest; rest &= rest - 1)
			err[__builtin_ctz(rest)] = -ENOMEM;
		return slots;
	}
	for (u32 rest = left; rest; rest &= rest - 1) {
		unsigned int slot = __builtin_ctz(rest);

		resync_io_queue(s, op, slot, off, len, op == RESYNC_READ ? resync_io_buf(s, slot) : buf, slot);
	}
	while (left) {
		u64 slot;
		int res;

		if (!resync_io_wait(s, &slot, &res)) {
			u32 lost = resync_io_all_lost(s, left, err);

			failed |= lost;
			left &= ~lost;
			continue;
		}
		left &= ~(1U << slot);
		if (res == (int)len)
			continue;
		failed |= 1U << slot;
		err[slot] = res < 0 ? res : -EIO;
	}
	return failed;
}

/*
 * The next pass finds what is to be copied without it.  But when there is no room, or the fault is
 * not the leg's, it stays, and it is tried again later.
 */
static void resync_io_failed(struct resync *s, unsigned int slot, int err)
{
	s->err = err;
	if (err == -ENOSPC || err == -EDQUOT || !mirror_leg_fault(err))
		return;
	s->got_on = true;
	s->legs.failed(s->legs.arg, slot, err);
}

u32 resync_io_flush(struct resync *s, u32 slots)
{
	int err[FORMAT_LEGS];
	u32 failed = resync_io_all(s, RESYNC_FLUSH, slots, 0, 0, NULL, err);

	for (u32 rest = failed; rest; rest &= rest - 1)
		resync_io_failed(s, __builtin_ctz(rest), err[__builtin_ctz(rest)]);
	return failed;
}

u32 resync_io_read(struct resync *s, u32 slots, u64 off, u32 len)
{
	int err[FORMAT_LEGS];

	return resync_io_all(s, RESYNC_READ, slots, off, len, NULL, err);
}

u32 resync_io_write(struct resync *s, u32 slots, u64 off, u32 len, u8 *buf)
{
	int err[FORMAT_LEGS];
	u32 failed = resync_io_all(s, RESYNC_WRITE, slots, off, len, buf, err);

	for (u32 rest = failed; rest; rest &= rest - 1)
		resync_io_failed(s, __builtin_ctz(rest), err[__builtin_ctz(rest)]);
	return failed;
}

/* Pieces. */

static void resync_piece_read(struct resync *s, struct resync_piece *p, unsigned int slot)
{
	p->src = slot;
	p->sources &= ~(1U << slot);
	p->left = 1U << slot;
	resync_io_queue(s, RESYNC_READ, slot, p->off, p->len, p->buf, RESYNC_TAG(p - s->pieces, slot));
}

/* What @slot has not got yet. */
static void resync_piece_write_rest(struct resync *s, const struct resync_piece *p, unsigned int slot)
{
	u32 wrote = p->wrote[slot];

	resync_io_queue(s, RESYNC_WRITE, slot, p->off + wrote, p->len - wrote, p->buf + wrote,
			RESYNC_TAG(p - s->pieces, slot));
}

static void resync_piece_write(struct resync *s, struct resync_piece *p)
{
	p->writing = true;
	p->left = p->dst & ~(1U << p->src) & ~s->late;
	p->w->bad |= p->dst & s->late;
	memset(p->wrote, 0, sizeof(p->wrote));
	for (u32 rest = p->left; rest; rest &= rest - 1)
		resync_piece_write_rest(s, p, __builtin_ctz(rest));
}

/* It is written over with what another leg has; if none has it, it stays. */
static void resync_piece_unread(struct resync *s, struct resync_piece *p, unsigned int slot, int err)
{
	p->left = 0;
	p->dst |= 1U << slot;
	p->sources &= ~s->late;
	if (p->sources)
		resync_piece_read(s, p, __builtin_ctz(p->sources));
	else
		p->w->bad = true;
	if (p->w->bad)
		s->err = err;
}

static void resync_piece_unwritten(struct resync *s, struct resync_piece *p, unsigned int slot, int err, bool quiet)
{
	p->w->bad = true;
	if (!quiet)
		resync_io_failed(s, slot, err);
}

static void resync_piece_has_read(struct resync *s, struct resync_piece *p, unsigned int slot, int res)
{
	if (res == (int)p->len)
		resync_piece_write(s, p);
	else
		resync_piece_unread(s, p, slot, res < 0 ? res : -EIO);
}

static void resync_piece_has_written(struct resync *s, struct resync_piece *p, unsigned int slot, int res, bool quiet)
{
	/* What is left says why it was short. */
	if (res > 0 && p->wrote[slot] + res < p->len) {
		p->wrote[slot] += res;
		resync_piece_write_rest(s, p, slot);
		return;
	}
	p->left &= ~(1U << slot);
	if (res <= 0)
		resync_piece_unwritten(s, p, slot, res ? res : -EIO, quiet);
}

static void resync_piece_answer(struct resync *s, struct resync_piece *p, unsigned int slot, int res, bool quiet)
{
	if (p->writing)
		resync_piece_has_written(s, p, slot, res, quiet);
	else
		resync_piece_has_read(s, p, slot, res);
}

static void resync_add_pieces(struct resync *s, struct resync_window *w)
{
	for (u32 at = 0; at < w->len; at += RESYNC_PIECE) {
		struct resync_piece *p = &s->pieces[s->nr_pieces];

		*p = (struct resync_piece){ .w = w, .off = w->off + at, .len = min_u64(w->len - at, RESYNC_PIECE),
					    .sources = w->sources, .dst = w->dst,
					    .buf = s->bufs + s->nr_pieces * RESYNC_PIECE };
		s->nr_pieces++;
		resync_piece_read(s, p, w->src);
	}
}

/* Writes that wait for it go on. */
static void resync_unlock_ended(struct resync *s, struct resync_window *w)
{
	for (unsigned int i = 0; i < s->nr_pieces; i++)
		if (s->pieces[i].w == w && s->pieces[i].left)
			return;
	region_unlock(s->g, w->lock);
	w->lock = -1;
}

static bool resync_pieces_left(const struct resync *s)
{
	for (unsigned int i = 0; i < s->nr_pieces; i++)
		if (s->pieces[i].left)
			return true;
	return false;
}

/* Behind what has become of it. */
static void resync_piece_looked_at(struct resync *s, struct resync_piece *p)
{
	if (!p->left)
		resync_unlock_ended(s, p->w);
}

/* Legs that hang are gone: their pieces go on without them.  Others keep their buffers to the end. */
static void resync_pieces_lost(struct resync *s, bool quiet)
{
	u32 lost = resync_io_lost(s);

	if (!lost || !resync_io_renew(s))
		return;
	resync_io_set_late(s, s->late | lost);
	for (unsigned int i = 0; i < s->nr_pieces; i++) {
		struct resync_piece *p = &s->pieces[i];
		u32 slots = p->left & lost;

		if (!slots)
			continue;
		if (!p->writing)
			p->buf = s->bufs + i * RESYNC_PIECE;
		for (; slots; slots &= slots - 1)
			resync_piece_answer(s, p, __builtin_ctz(slots), -ETIMEDOUT, quiet);
		resync_piece_looked_at(s, p);
	}
}

void resync_io_give_up(struct resync *s)
{
	for (unsigned int i = 0; i < s->nr_windows; i++) {
		region_unlock(s->g, s->windows[i].lock);
		s->windows[i].bad = true;
	}
}

void resync_io_copy(struct resync *s, bool quiet)
{
	s->nr_pieces = 0;
	resync_io_tidy(s);
	if (s->renew && !resync_io_renew(s)) {
		resync_io_give_up(s);
		return;
	}
	for (unsigned int i = 0; i < s->nr_windows; i++)
		resync_add_pieces(s, &s->windows[i]);
	while (resync_pieces_left(s)) {
		struct resync_piece *p;
		u64 tag;
		int res;

		if (!resync_io_wait(s, &tag, &res)) {
			resync_pieces_lost(s, quiet);
			continue;
		}
		p = &s->pieces[tag / FORMAT_LEGS];
		resync_piece_answer(s, p, tag % FORMAT_LEGS, res, quiet);
		resync_piece_looked_at(s, p);
	}
}
