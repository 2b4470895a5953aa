/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What all tests say and wait with.
 *
 * must() is the library's own assertion, beside Criterion's: it also works in a
 * child that proc_start() made, where there is no Criterion, and ends that child.
 * Neither may be used in a thread other than the test's own.
 */
#ifndef TESTS_CHECK_H
#define TESTS_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;

/* Long enough for anything that happens at all, on a debug kernel under emulation. */
#define SOON_MS		10000
/* Long enough to see that something does not happen. */
#define NEVER_MS	300

#define must(cond, ...) \
	do { \
		if (!(cond)) \
			check_fail(__FILE__, __LINE__, #cond, __VA_ARGS__); \
	} while (0)

/* @res is @want, a number of bytes or -errno; the rest says of what it is the result. */
#define res_is(res, want, ...) \
	check_res(__FILE__, __LINE__, (res), (want), __VA_ARGS__)

void check_fail(const char *file, int line, const char *cond, const char *fmt, ...)
	__attribute__((format(printf, 4, 5), noreturn));
void check_res(const char *file, int line, long res, long want, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));

/*
 * What the test needs of the machine is there, or it is skipped.  Where everything has
 * to be there, in our own guest, that it is not is a failure (REGBUF_MUST_RUN).
 */
#define need(cond, ...) \
	do { \
		if (!(cond)) \
			check_skip(__FILE__, __LINE__, #cond, __VA_ARGS__); \
	} while (0)
void check_skip(const char *file, int line, const char *cond, const char *fmt, ...)
	__attribute__((format(printf, 4, 5), noreturn));
/* Whatever is here is ours to remove: no other programs, no disks of anybody. */
bool in_guest(void);
/*
 * A test that does the same again and again does it more often: on the release kernel, which is
 * the fastest, unless the run is a part of all that could be run (tests/run).
 */
bool takes_its_time(void);

/* For proc_start(): failures end the process instead of the test. */
void check_in_child(void);

/* "-16 (Device or resource busy)" or "4096"; valid until the second call after. */
const char *res_str(long res);

u64 now_ms(void);
void sleep_ms(unsigned int ms);

/* Calls @done(@arg) until it is true, for at most @ms.  Returns what it said last. */
bool wait_until(bool (*done)(void *arg), void *arg, unsigned int ms);

#endif
