// SPDX-License-Identifier: GPL-2.0
#include "clock.h"
#include "handoff.h"
#include "quiet.h"

/* How long a silent step gets. */
#define QUIET_SILENT_MS	100

/* The step of one that is linked is waited for apart; what was left behind is a dropped leg's, and no request's. */
static bool quiet_is_io(const struct queue *q, const struct io *io)
{
	return !io->pending || io->linked || io->left_behind || (io->handed_off && handoff_has_ended(q, io));
}

bool quiet_is(struct queue *q)
{
	if (q->pace.inflight != q->pace.done)
		return false;
	for (unsigned int i = 0; i < queue_nr_ios(q); i++)
		if (!quiet_is_io(q, queue_io(q, i)))
			return false;
	io_uring_submit(&q->ring);
	return !io_uring_sq_ready(&q->ring);
}

static bool quiet_has_linked(struct queue *q)
{
	for (unsigned int i = 0; i < queue_nr_ios(q); i++)
		if (queue_io(q, i)->linked)
			return true;
	return false;
}

void quiet_wait_silent(struct queue *q)
{
	u64 now = clock_ms(), until = now + QUIET_SILENT_MS;

	for (; quiet_has_linked(q) && now < until; now = clock_ms()) {
		struct __kernel_timespec ts = { .tv_nsec = (until - now) * 1000000 };
		struct io_uring_cqe *cqe;

		/* in the ring: it is there that COMMIT goes on */
		io_uring_submit_and_wait_timeout(&q->ring, &cqe, io_uring_cq_ready(&q->ring) + 1, &ts, NULL);
	}
}
