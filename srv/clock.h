/* SPDX-License-Identifier: GPL-2.0 */
#ifndef SRV_CLOCK_H
#define SRV_CLOCK_H

#include <time.h>

#include "types.h"

/* CLOCK_MONOTONIC, in ns. */
static inline u64 clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (u64)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/* The same, in ms. */
static inline u64 clock_ms(void)
{
	return clock_ns() / 1000000;
}

#endif
