// SPDX-License-Identifier: GPL-2.0
#include "burst.h"

/* When the next sum is to be told. */
static u64 burst_when(const struct burst *b)
{
	return min_u64(b->last + BURST_QUIET_MS, b->told + BURST_SUM_MS);
}

bool burst_event(struct burst *b, u64 now)
{
	bool first = !b->last;

	b->last = now ? now : 1;
	if (first)
		b->told = b->last;
	else
		b->untold++;
	return first;
}

int burst_due(const struct burst *b, u64 now)
{
	if (!b->last)
		return -1;
	return burst_when(b) > now ? burst_when(b) - now : 0;
}

u64 burst_sum(struct burst *b, u64 now)
{
	u64 nr = b->untold;

	if (!b->last || now < burst_when(b))
		return 0;
	if (now >= b->last + BURST_QUIET_MS)
		b->last = 0;
	b->told = now;
	b->untold = 0;
	return nr;
}

u64 burst_end(struct burst *b)
{
	u64 nr = b->untold;

	*b = (struct burst){ 0 };
	return nr;
}
