/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Short names for fixed-width integers, and the few macros that every file of
 * the server uses.  Nothing else belongs here.
 */
#ifndef SRV_TYPES_H
#define SRV_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int32_t s32;
typedef int64_t s64;

#define likely(x)	__builtin_expect(!!(x), 1)
#define unlikely(x)	__builtin_expect(!!(x), 0)
#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

#define SECTOR_SHIFT	9
#define SECTOR_SIZE	(1U << SECTOR_SHIFT)

/* Legs of one target.  A bitmap of legs is a u32. */
#define MAX_LEGS	16

static inline u64 min_u64(u64 a, u64 b)
{
	return a < b ? a : b;
}

static inline u64 max_u64(u64 a, u64 b)
{
	return a > b ? a : b;
}

/* @align is a power of two. */
static inline u64 round_up_u64(u64 v, u64 align)
{
	return (v + align - 1) & ~(align - 1);
}

static inline u64 round_down_u64(u64 v, u64 align)
{
	return v & ~(align - 1);
}

static inline bool is_pow2(u64 v)
{
	return v && !(v & (v - 1));
}

/* log2 of a power of two. */
static inline u8 ilog2_u64(u64 v)
{
	return 63 - __builtin_clzll(v);
}

#endif
