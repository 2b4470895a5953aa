/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Bytes that tell where they come from: every 8 bytes hold a seed and a position,
 * so that a comparison that fails says what was found instead.
 */
#ifndef TESTS_PATTERN_H
#define TESTS_PATTERN_H

#include "check.h"

/* @len bytes of pattern @seed, from position @pos on. */
void pat_fill(void *buf, size_t len, u32 seed, u64 pos);
/* Returns the offset of the first byte that is another, or -1. */
long pat_diff(const void *buf, size_t len, u32 seed, u64 pos);

#define pat_is(buf, len, seed, pos, ...) \
	pat_check(__FILE__, __LINE__, (buf), (len), (seed), (pos), __VA_ARGS__)
/* Two ranges of memory are the same. */
#define mem_is(buf, want, len, ...) \
	mem_check(__FILE__, __LINE__, (buf), (want), (len), __VA_ARGS__)

void pat_check(const char *file, int line, const void *buf, size_t len, u32 seed,
	       u64 pos, const char *fmt, ...)
	__attribute__((format(printf, 7, 8)));
void mem_check(const char *file, int line, const void *buf, const void *want, size_t len,
	       const char *fmt, ...)
	__attribute__((format(printf, 6, 7)));

#endif
