// SPDX-License-Identifier: GPL-2.0
#include "reader.h"

/* The leg with the least to do; among equals the one behind the latest. */
static unsigned int reader_least(const struct reader *r, u32 candidates)
{
	u32 least = UINT32_MAX;
	unsigned int best = 0;

	for (; candidates; candidates &= candidates - 1) {
		unsigned int leg = __builtin_ctz(candidates);
		u32 load = r->legs[leg].inflight << 1 | (leg <= r->last);

		if (load < least) {
			least = load;
			best = leg;
		}
	}
	return best;
}

unsigned int reader_pick(const struct reader *r, u32 candidates, u64 off)
{
	unsigned int best = reader_least(r, candidates);

	if (likely(!r->seek))
		return best;
	for (; candidates; candidates &= candidates - 1) {
		unsigned int leg = __builtin_ctz(candidates);

		if (r->legs[leg].next == off &&
		    r->legs[leg].inflight <= r->legs[best].inflight + READER_STREAM_WORTH)
			return leg;
	}
	return best;
}
