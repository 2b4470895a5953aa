// SPDX-License-Identifier: GPL-2.0
#include <criterion/criterion.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

static bool in_child;

void check_in_child(void)
{
	in_child = true;
}

static void __attribute__((noreturn)) fail(const char *file, int line, const char *what,
					   const char *more)
{
	if (in_child) {
		dprintf(2, "failed: %s:%d: %s: %s\n", file, line, what, more);
		_exit(99);
	}
	cr_assert_fail("%s:%d: %s: %s", file, line, what, more);
	__builtin_unreachable();
}

void check_fail(const char *file, int line, const char *cond, const char *fmt, ...)
{
	char more[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(more, sizeof(more), fmt, ap);
	va_end(ap);
	fail(file, line, cond, more);
}

void check_skip(const char *file, int line, const char *cond, const char *fmt, ...)
{
	char more[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(more, sizeof(more), fmt, ap);
	va_end(ap);
	if (getenv("REGBUF_MUST_RUN") || in_child)
		fail(file, line, cond, more);
	cr_skip_test("%s", more);
	__builtin_unreachable();
}

bool in_guest(void)
{
	return getenv("REGBUF_GUEST");
}

bool takes_its_time(void)
{
	const char *kernel = getenv("REGBUF_GUEST");

	return kernel && !strcmp(kernel, "release") && !getenv("REGBUF_SLICE");
}

const char *res_str(long res)
{
	static char text[2][64];
	static unsigned int next;
	char *s = text[next++ % 2];

	if (res < 0)
		snprintf(s, sizeof(text[0]), "%ld (%s)", res, strerror(-res));
	else
		snprintf(s, sizeof(text[0]), "%ld", res);
	return s;
}

void check_res(const char *file, int line, long res, long want, const char *fmt, ...)
{
	char more[512], what[160];
	va_list ap;

	if (res == want)
		return;
	va_start(ap, fmt);
	vsnprintf(more, sizeof(more), fmt, ap);
	va_end(ap);
	snprintf(what, sizeof(what), "result %s, not %s", res_str(res), res_str(want));
	fail(file, line, what, more);
}

u64 now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000ULL + ts.tv_nsec / 1000000;
}

void sleep_ms(unsigned int ms)
{
	struct timespec ts = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L };

	while (nanosleep(&ts, &ts))
		;
}

bool wait_until(bool (*done)(void *arg), void *arg, unsigned int ms)
{
	u64 end = now_ms() + ms;

	while (!done(arg)) {
		if (now_ms() >= end)
			return done(arg);
		sleep_ms(2);
	}
	return true;
}
