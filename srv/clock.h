/* SPDX-License-Identifier: GPL-2.0 */
#ifndef SRV_CLOCK_H
#define SRV_CLOCK_H

#include <time.h>

#include "types.h"

/* CLOCK_MONOTONIC, in ms. */
static inline u64 clock_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (u64)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

#endif
