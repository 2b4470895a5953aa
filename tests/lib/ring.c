// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "ring.h"

int ring_try_init(struct io_uring *ring, unsigned int entries, unsigned int flags)
{
	struct io_uring_params p = { .flags = flags, .sq_thread_idle = 100 };

	int ret = io_uring_queue_init_params(entries, ring, &p);

	/* a child's mappings would keep it open */
	return ret ?: io_uring_ring_dontfork(ring);
}

void ring_init(struct io_uring *ring, unsigned int entries, unsigned int flags)
{
	int ret = ring_try_init(ring, entries, flags);

	must(!ret, "ring of %u entries, flags %#x: %s", entries, flags, res_str(ret));
}

bool ring_knows(unsigned int opcode)
{
	/* asked once: a kernel does not learn */
	static struct io_uring_probe *probe;

	if (!probe)
		probe = io_uring_get_probe();
	return probe && io_uring_opcode_supported(probe, opcode);
}

void ring_table(struct io_uring *ring, unsigned int nr)
{
	int ret = io_uring_register_buffers_sparse(ring, nr);

	must(!ret, "table of %u buffers: %s", nr, res_str(ret));
}

int ring_register(struct io_uring *ring, unsigned int op, void *arg, unsigned int nr)
{
	long ret = syscall(__NR_io_uring_register, ring->ring_fd, op, arg, nr);

	return ret < 0 ? -errno : ret;
}

int ring_update(struct io_uring *ring, unsigned int slot, const struct iovec *iov,
		const u64 *tags, unsigned int nr)
{
	struct io_uring_rsrc_update2 up = {
		.offset	= slot,
		.data	= (uintptr_t)iov,
		.tags	= (uintptr_t)tags,
		.nr	= nr,
	};

	return ring_register(ring, IORING_REGISTER_BUFFERS_UPDATE, &up, sizeof(up));
}

struct io_uring_sqe *ring_sqe(struct io_uring *ring)
{
	struct io_uring_sqe *sqe;
	u64 end = now_ms() + SOON_MS;

	/* SQPOLL's thread frees entries when it has taken all, after the first CQEs */
	while (!(sqe = io_uring_get_sqe(ring)) && (ring->flags & IORING_SETUP_SQPOLL) &&
	       now_ms() < end)
		sleep_ms(1);
	must(sqe, "the submission queue of %u is full", *ring->sq.kring_entries);
	memset(sqe, 0, sizeof(*sqe));
	return sqe;
}

void lent_prep_register(struct io_uring_sqe *sqe, int fd, u64 cookie, u32 len,
			unsigned int slot, u32 flags)
{
	sqe->opcode = IORING_OP_LENT_BUF_REGISTER;
	sqe->fd = fd;
	sqe->off = cookie;
	sqe->len = len;
	sqe->buf_index = slot;
	sqe->rw_flags = flags;
}

void lent_prep_unregister(struct io_uring_sqe *sqe, unsigned int slot)
{
	sqe->opcode = IORING_OP_LENT_BUF_UNREGISTER;
	sqe->fd = -1;
	sqe->buf_index = slot;
}

void prep_rw_fixed(struct io_uring_sqe *sqe, int op, int fd, u64 addr, u32 len, u64 pos,
		   unsigned int slot)
{
	sqe->opcode = op;
	sqe->fd = fd;
	sqe->addr = addr;
	sqe->len = len;
	sqe->off = pos;
	sqe->buf_index = slot;
}

void prep_send_fixed(struct io_uring_sqe *sqe, int sock, u64 addr, u32 len,
		     unsigned int slot)
{
	sqe->opcode = IORING_OP_SEND_ZC;
	sqe->fd = sock;
	sqe->addr = addr;
	sqe->len = len;
	sqe->ioprio = IORING_RECVSEND_FIXED_BUF;
	sqe->msg_flags = MSG_WAITALL;
	sqe->buf_index = slot;
}

void prep_rwv_fixed(struct io_uring_sqe *sqe, int op, int fd, const struct iovec *iov,
		    u32 nr, u64 pos, unsigned int slot)
{
	prep_rw_fixed(sqe, op, fd, (uintptr_t)iov, nr, pos, slot);
}

void prep_copy_fixed(struct io_uring_sqe *sqe, int sock, u64 addr, u32 len,
		     unsigned int slot)
{
	prep_send_fixed(sqe, sock, addr, len, slot);
	sqe->opcode = IORING_OP_SEND;
}

void prep_nop(struct io_uring_sqe *sqe, u32 flags, int fd, unsigned int slot, int result)
{
	sqe->opcode = IORING_OP_NOP;
	sqe->rw_flags = flags;
	sqe->fd = fd;
	sqe->buf_index = slot;
	sqe->len = result;
}

void ring_submit(struct io_uring *ring)
{
	unsigned int queued = io_uring_sq_ready(ring), tries = 0;
	bool polled = ring->flags & IORING_SETUP_SQPOLL;
	int ret;

	/* not all at once: a request that fails at prep ends a submission */
	while (queued) {
		ret = io_uring_submit(ring);
		/* no memory for requests, which tests may have made so */
		if (ret == -EAGAIN && tries++ < 1000)
			continue;
		/* SQPOLL's thread may have taken all before liburing counts what it has to take */
		must(ret > 0 || (polled && !ret), "io_uring_submit, flags %#x: %s", ring->flags,
		     res_str(ret));
		if (polled)
			return;
		queued = io_uring_sq_ready(ring);
	}
}

/* A polled ring finds its completions only when asked, and knows no timeout. */
static int next_polled(struct io_uring *ring, struct io_uring_cqe **cqe, unsigned int ms)
{
	u64 end = now_ms() + ms;

	do {
		io_uring_get_events(ring);
		if (!io_uring_peek_cqe(ring, cqe))
			return 0;
		sleep_ms(1);
	} while (now_ms() < end);
	return -ETIME;
}

static int next_cqe(struct io_uring *ring, struct io_uring_cqe **cqe, unsigned int ms)
{
	struct __kernel_timespec ts = {
		.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000LL
	};
	int ret;

	if (ring->flags & IORING_SETUP_IOPOLL)
		return next_polled(ring, cqe, ms);
	do {
		ret = io_uring_wait_cqe_timeout(ring, cqe, &ts);
	} while (ret == -EINTR || ret == -EAGAIN);
	return ret;
}

bool ring_next(struct io_uring *ring, struct done *done, unsigned int ms)
{
	struct io_uring_cqe *cqe;
	int ret = next_cqe(ring, &cqe, ms);

	if (ret == -ETIME)
		return false;
	must(!ret, "waiting for a completion: %s", res_str(ret));
	done->data = cqe->user_data;
	done->res = cqe->res;
	done->flags = cqe->flags;
	if (cqe->flags & IORING_CQE_F_NOTIF)
		done->data |= RING_NOTIF;
	io_uring_cqe_seen(ring, cqe);
	return true;
}

void ring_reap(struct io_uring *ring, int *res, unsigned int nr)
{
	unsigned int left = nr, notifs = 0;
	struct done done;

	for (unsigned int i = 0; i < nr; i++)
		res[i] = RING_TIMEOUT;
	while (left || notifs) {
		must(ring_next(ring, &done, SOON_MS),
		     "%u of %u requests and %u notifications did not come", left, nr, notifs);
		if (done.data & RING_NOTIF) {
			notifs--;
			continue;
		}
		must(done.data < nr && res[done.data] == RING_TIMEOUT,
		     "request %llu of %u, or completed twice", (unsigned long long)done.data, nr);
		res[done.data] = done.res;
		notifs += !!(done.flags & IORING_CQE_F_MORE);
		left--;
	}
}

int ring_run_flags(struct io_uring *ring, u32 *flags)
{
	struct done done, notif;

	must(ring->flags & IORING_SETUP_SQPOLL || io_uring_sq_ready(ring) == 1,
	     "%u requests are queued", io_uring_sq_ready(ring));
	ring_submit(ring);
	must(ring_next(ring, &done, SOON_MS), "the request does not complete");
	if (done.flags & IORING_CQE_F_MORE)
		must(ring_next(ring, &notif, SOON_MS) && (notif.data & RING_NOTIF),
		     "the notification does not come");
	*flags = done.flags;
	return done.res;
}

int ring_run(struct io_uring *ring)
{
	u32 flags;

	return ring_run_flags(ring, &flags);
}

int lent_register(struct io_uring *ring, int fd, u64 cookie, u32 len, unsigned int slot)
{
	lent_prep_register(ring_sqe(ring), fd, cookie, len, slot, 0);
	return ring_run(ring);
}

int lent_unregister(struct io_uring *ring, unsigned int slot)
{
	lent_prep_unregister(ring_sqe(ring), slot);
	return ring_run(ring);
}

int lent_register_pick(struct io_uring *ring, int fd, u64 cookie, u32 len)
{
	u32 flags;
	int ret;

	lent_prep_register(ring_sqe(ring), fd, cookie, len, 0, IORING_LENT_BUF_PICK_SLOT);
	ret = ring_run_flags(ring, &flags);
	must(!!(flags & IORING_CQE_F_BUFFER) == (ret > 0), "result %s, flags %#x",
	     res_str(ret), flags);
	return ret < 0 ? ret : (int)(flags >> IORING_CQE_BUFFER_SHIFT);
}

void lent_run_chain(struct io_uring *ring, int fd, u64 cookie, const struct io_uring_sqe *io,
		    unsigned int slot, int res[3])
{
	struct io_uring_sqe *sqe[3];

	for (unsigned int i = 0; i < 3; i++)
		sqe[i] = ring_sqe(ring);
	lent_prep_register(sqe[0], fd, cookie, 0, slot, 0);
	*sqe[1] = *io;
	lent_prep_unregister(sqe[2], slot);
	for (unsigned int i = 0; i < 3; i++) {
		sqe[i]->user_data = i;
		sqe[i]->flags |= i < 2 ? IOSQE_IO_LINK : 0;
	}
	ring_submit(ring);
	ring_reap(ring, res, 3);
}

int rw_fixed(struct io_uring *ring, int op, int fd, u64 addr, u32 len, u64 pos,
	     unsigned int slot)
{
	prep_rw_fixed(ring_sqe(ring), op, fd, addr, len, pos, slot);
	return ring_run(ring);
}

int rwv_fixed(struct io_uring *ring, int op, int fd, const struct iovec *iov, u32 nr, u64 pos,
	      unsigned int slot)
{
	prep_rwv_fixed(ring_sqe(ring), op, fd, iov, nr, pos, slot);
	return ring_run(ring);
}
