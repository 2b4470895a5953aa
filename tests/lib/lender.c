// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "lender.h"

int lender_open_for(int access)
{
	int fd = open("/dev/lend_test", access | O_CLOEXEC);

	need(fd >= 0, "/dev/lend_test: %s", strerror(errno));
	return fd;
}

int lender_open(void)
{
	return lender_open_for(O_RDWR);
}

int lender_try_setup(int fd, unsigned int index, const struct lend_spec *spec)
{
	struct lend_test_setup setup = {
		.index		= index,
		.nr_segs	= spec->nr_segs,
		.segs		= (uintptr_t)spec->segs,
		.dir		= spec->dir ?: LEND_BOTH,
		.error		= spec->error,
		.skip		= spec->skip,
		.fault		= spec->fault,
		.learn		= spec->learn,
	};

	return ioctl(fd, LEND_TEST_SETUP, &setup) ? -errno : 0;
}

void lender_setup(int fd, unsigned int index, const struct lend_spec *spec)
{
	res_is(lender_try_setup(fd, index, spec), 0, "setting up buffer %u", index);
}

void lender_simple(int fd, unsigned int index, u32 len)
{
	const struct lend_test_seg seg = { .len = len };

	lender_setup(fd, index, &(struct lend_spec){ .segs = &seg, .nr_segs = 1 });
}

struct lend_test_stats lender_stats(int fd, unsigned int index)
{
	struct lend_test_stats stats = { .index = index };

	must(!ioctl(fd, LEND_TEST_STATS, &stats), "buffer %u: %s", index, strerror(errno));
	return stats;
}

struct lend_test_sum lender_sum(int fd, unsigned int index)
{
	struct lend_test_sum sum = { .index = index };

	must(!ioctl(fd, LEND_TEST_SUM, &sum), "buffer %u: %s", index, strerror(errno));
	return sum;
}

void lender_check_sum(const char *file, int line, int fd, const struct lend_test_sum *want,
		      const char *fmt, ...)
{
	struct lend_test_sum got = lender_sum(fd, want->index);
	char what[256], more[256];
	va_list ap;

	if (!memcmp(&got, want, sizeof(got)))
		return;
	va_start(ap, fmt);
	vsnprintf(more, sizeof(more), fmt, ap);
	va_end(ap);
	snprintf(what, sizeof(what),
		 "buffer %u: %u full, %u not, error %d, %u bytes filled, %u units, not %u, %u, %d, %u, %u",
		 got.index, got.nr_full, got.nr_short, got.error, got.filled, got.units,
		 want->nr_full, want->nr_short, want->error, want->filled, want->units);
	check_fail(file, line, what, "%s", more);
}

struct wait_release {
	struct io_uring *ring;	/* to be entered meanwhile, or NULL */
	int fd;
	unsigned int index;
	u64 n;
};

static bool came_back(void *arg)
{
	struct wait_release *w = arg;

	if (w->ring)
		io_uring_get_events(w->ring);
	return lender_stats(w->fd, w->index).released >= w->n;
}

void lender_released(int fd, unsigned int index, u64 n, unsigned int ms)
{
	lender_released_in(NULL, fd, index, n, ms);
}

void lender_released_in(struct io_uring *ring, int fd, unsigned int index, u64 n, unsigned int ms)
{
	struct wait_release w = { .ring = ring, .fd = fd, .index = index, .n = n };
	struct lend_test_stats stats;

	wait_until(came_back, &w, ms);
	stats = lender_stats(fd, index);
	must(stats.released == n, "buffer %u: lent %llu times, released %llu times, not %llu",
	     index, stats.lent, stats.released, (unsigned long long)n);
}

void lender_check(const char *file, int line, int fd, unsigned int index, u64 lent,
		  u64 released, const char *fmt, ...)
{
	struct lend_test_stats stats = lender_stats(fd, index);
	char what[128], more[256];
	va_list ap;

	/* a worker's last reference takes a moment more; never is anything early */
	if (stats.released < released) {
		wait_until(came_back, &(struct wait_release){ .fd = fd, .index = index,
							      .n = released }, SOON_MS);
		stats = lender_stats(fd, index);
	}
	if (stats.lent == lent && stats.released == released)
		return;
	va_start(ap, fmt);
	vsnprintf(more, sizeof(more), fmt, ap);
	va_end(ap);
	snprintf(what, sizeof(what), "buffer %u: lent %llu released %llu, not %llu and %llu",
		 index, stats.lent, stats.released, (unsigned long long)lent,
		 (unsigned long long)released);
	check_fail(file, line, what, "%s", more);
}

void lender_read(int fd, unsigned int index, u32 offset, void *buf, size_t len)
{
	ssize_t ret = pread(fd, buf, len, LEND_TEST_POS(index, offset));

	must(ret == (ssize_t)len, "buffer %u, %zu bytes at %u: %zd", index, len, offset, ret);
}

void lender_write(int fd, unsigned int index, u32 offset, const void *buf, size_t len)
{
	ssize_t ret = pwrite(fd, buf, len, LEND_TEST_POS(index, offset));

	must(ret == (ssize_t)len, "buffer %u, %zu bytes at %u: %zd", index, len, offset, ret);
}

void lender_prep_move(struct io_uring_sqe *sqe, int fd, const struct lend_move *move)
{
	const struct lend_test_cmd cmd = {
		.index		= move->index,
		.offset		= move->offset,
		.delay_ms	= move->delay_ms,
	};

	sqe->opcode = IORING_OP_URING_CMD;
	sqe->fd = fd;
	sqe->cmd_op = move->op;
	sqe->addr = move->addr;
	sqe->len = move->len;
	sqe->uring_cmd_flags = IORING_URING_CMD_FIXED;
	sqe->buf_index = move->slot;
	memcpy(sqe->cmd, &cmd, sizeof(cmd));
}

int lender_move(struct io_uring *ring, int fd, const struct lend_move *move)
{
	lender_prep_move(ring_sqe(ring), fd, move);
	return ring_run(ring);
}
