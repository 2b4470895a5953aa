// SPDX-License-Identifier: GPL-2.0
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pattern.h"

/* Odd multiplier: one to one, and no byte stays the same for long. */
static u64 word(u32 seed, u64 nr)
{
	return (((u64)seed << 40) + nr) * 0x9e3779b97f4a7c15ULL;
}

static u8 byte(u32 seed, u64 pos)
{
	return word(seed, pos / 8) >> (pos % 8 * 8);
}

void pat_fill(void *buf, size_t len, u32 seed, u64 pos)
{
	u8 *p = buf;

	for (; len && pos % 8; len--)
		*p++ = byte(seed, pos++);
	for (; len >= 8; len -= 8, pos += 8, p += 8) {
		u64 w = word(seed, pos / 8);

		memcpy(p, &w, 8);
	}
	for (; len; len--)
		*p++ = byte(seed, pos++);
}

long pat_diff(const void *buf, size_t len, u32 seed, u64 pos)
{
	const u8 *p = buf;

	for (size_t i = 0; i < len; i++) {
		if (p[i] != byte(seed, pos + i))
			return i;
	}
	return -1;
}

static void __attribute__((noreturn)) differ(const char *file, int line, size_t at, size_t len,
					     u8 got, u8 want, const char *fmt, va_list ap)
{
	char what[128], more[256];

	vsnprintf(more, sizeof(more), fmt, ap);
	snprintf(what, sizeof(what), "byte %zu of %zu is %#x, not %#x", at, len, got, want);
	check_fail(file, line, what, "%s", more);
}

void pat_check(const char *file, int line, const void *buf, size_t len, u32 seed, u64 pos,
	       const char *fmt, ...)
{
	long at = pat_diff(buf, len, seed, pos);
	va_list ap;

	if (at < 0)
		return;
	va_start(ap, fmt);
	differ(file, line, at, len, ((const u8 *)buf)[at], byte(seed, pos + at), fmt, ap);
}

void mem_check(const char *file, int line, const void *buf, const void *want, size_t len,
	       const char *fmt, ...)
{
	const u8 *a = buf, *b = want;
	size_t at = 0;
	va_list ap;

	if (!memcmp(buf, want, len))
		return;
	while (a[at] == b[at])
		at++;
	va_start(ap, fmt);
	differ(file, line, at, len, a[at], b[at], fmt, ap);
}
