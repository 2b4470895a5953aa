/* SPDX-License-Identifier: GPL-2.0 */
/* How long one leg has not answered a thread that has I/O on it. */
#ifndef SRV_MIRROR_PENDING_H
#define SRV_MIRROR_PENDING_H

#include <stdatomic.h>

#include "../../clock.h"

/*
 * struct pending - of one leg
 * The thread's that has the I/O; others may ask pending_ms().
 * @nr: that is under way
 * @since: when the leg answered last, or what it has not answered was begun, ms; 0: nothing is
 */
struct pending {
	unsigned int nr;
	_Atomic u64 since;
};

static inline void pending_begin(struct pending *p)
{
	if (!p->nr++)
		p->since = clock_ms();
}

static inline void pending_end(struct pending *p)
{
	p->since = --p->nr ? clock_ms() : 0;
}

static inline u64 pending_ms(const struct pending *p, u64 now)
{
	u64 since = p->since;

	return since && since < now ? now - since : 0;
}

#endif
