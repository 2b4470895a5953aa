// SPDX-License-Identifier: GPL-2.0
/*
 * What a loan learns, see struct io_lent_sum in linux/io_uring/lend.h.
 *
 * A request that has a lent buffer tells what it did with it once, when it lets go of
 * it.  The result is final by then.  It is compared with what was asked: the flag that
 * says that a request has failed does not say it of polled I/O, nor does it tell short
 * from done.  That is
 *  - in io_clean_op(), before anything that the request owns is freed;
 *  - for SEND_ZC, when the socket has let go too: io_notif_put_lent();
 *  - for reads and writes that have done all, in ->ki_complete(), which may be a hard
 *    interrupt: io_rw_give_back().
 */
#include <linux/kernel.h>
#include <linux/bitmap.h>
#include <linux/indirect_call_wrapper.h>
#include <linux/io_uring.h>

#include "io_uring.h"
#include "opdef.h"
#include "rw.h"
#include "lend.h"

/* Bytes @from to @end, which has room behind @sum->filled for whole units only */
static void io_sum_fill_ahead(struct io_lent_sum *sum, unsigned int from,
			      unsigned int end)
	__must_hold(&sum->lock)
{
	unsigned int unit = 1U << sum->shift;
	unsigned int first, last;

	if (!sum->map)
		return;
	first = DIV_ROUND_UP(from, unit);
	/* the last unit may be smaller */
	last = end == sum->len ? DIV_ROUND_UP(end, unit) : end >> sum->shift;
	if (first >= last)
		return;
	bitmap_set(sum->map, first, last - first);
	sum->ahead = true;
}

/* What was ahead of @sum->filled may be no longer */
static void io_sum_catch_up(struct io_lent_sum *sum)
	__must_hold(&sum->lock)
{
	unsigned int nr = DIV_ROUND_UP(sum->len, 1U << sum->shift);
	unsigned int bit = sum->filled >> sum->shift;
	unsigned int next = find_next_zero_bit(sum->map, nr, bit);

	if (next == nr)
		sum->filled = sum->len;
	else if (next > bit)
		sum->filled = next << sum->shift;
}

static void io_sum_fill(struct io_lent_sum *sum, unsigned int from, unsigned int len)
	__must_hold(&sum->lock)
{
	unsigned int end = from + len;

	if (from > sum->filled) {
		io_sum_fill_ahead(sum, from, end);
	} else if (end > sum->filled) {
		sum->filled = end;
		if (sum->ahead && end < sum->len)
			io_sum_catch_up(sum);
	}
}

void __io_lent_buf_filled(const struct io_lent_buf *buf, unsigned int off,
			  unsigned int len)
{
	struct io_lent_sum *sum = buf->sum;
	unsigned long flags;

	spin_lock_irqsave(&sum->lock, flags);
	io_sum_fill(sum, buf->sum_pos + off, len);
	spin_unlock_irqrestore(&sum->lock, flags);
}

/*
 * A user of the buffer lets go: it was to move @asked bytes, and has moved @res.  The
 * reference that it drops behind this orders it before the reads of the last one.
 */
void io_lent_buf_used(const struct io_lent_buf *buf, unsigned int asked, int res)
{
	struct io_lent_sum *sum = buf->sum;

	if (likely(res >= 0 && res == asked)) {
		atomic_inc(&sum->nr_full);
		return;
	}
	atomic_inc(&sum->nr_short);
	if (res < 0)
		cmpxchg(&sum->error, 0, res);
}

/* A user of which nothing is known, but that it is done, and an error if it has one */
static void io_lent_buf_used_somehow(const struct io_lent_buf *buf, int res)
{
	io_lent_buf_used(buf, UINT_MAX, min(res, 0));
}

/* The request's buffer has a sum, and the request is done: its result is final. */
void __io_req_tell_lent(struct io_kiocb *req)
{
	const struct io_lent_buf *buf = io_slot_to_lent(req->imu);
	const struct io_cold_def *def = &io_cold_defs[req->opcode];

	/* it wanted to be tried again, and was not */
	if (unlikely(req->flags & REQ_F_REISSUE))
		io_lent_buf_used_somehow(buf, -EAGAIN);
	else if (def->tell_lent)
		INDIRECT_CALL_2(def->tell_lent, io_read_tell_lent,
				io_write_tell_lent, req, buf);
	else
		io_lent_buf_used_somehow(buf, req->cqe.res);
}
