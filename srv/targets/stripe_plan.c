// SPDX-License-Identifier: GPL-2.0
#include "stripe_plan.h"

u64 stripe_size(const struct stripe *s, u64 leg)
{
	u64 used = leg / s->chunk * s->chunk;

	return used > STRIPE_MAX_SIZE / s->nr ? UINT64_MAX : used * s->nr;
}

/* What chunk @k has of the bytes from @off to @end. */
static struct stripe_part stripe_part(const struct stripe *s, u64 k, u64 off, u64 end)
{
	u64 from = max_u64(off, k * s->chunk), to = min_u64(end, (k + 1) * s->chunk);

	return (struct stripe_part){
		.off = k / s->nr * s->chunk + from % s->chunk,
		.len = to - from,
		.data = from - off,
		.leg = k % s->nr,
	};
}

unsigned int stripe_cut(const struct stripe *s, u64 off, u64 len, struct stripe_part *parts,
			u64 *covered)
{
	u64 first = off / s->chunk, last = (off + len - 1) / s->chunk, end;
	unsigned int nr = 0;

	last = min_u64(last, first + STRIPE_PARTS - 1);
	end = min_u64(off + len, (last + 1) * s->chunk);
	*covered = end - off;
	for (u64 lead = first; lead <= last && lead < first + s->nr; lead++)
		for (u64 k = lead; k <= last; k += s->nr)
			parts[nr++] = stripe_part(s, k, off, end);
	return nr;
}

unsigned int stripe_ranges(const struct stripe *s, u64 off, u64 len, struct stripe_part *parts)
{
	u64 first = off / s->chunk, last = (off + len - 1) / s->chunk;
	unsigned int nr = 0;

	for (u64 lead = first; lead <= last && lead < first + s->nr; lead++) {
		u64 tail = lead + (last - lead) / s->nr * s->nr;
		struct stripe_part p = stripe_part(s, lead, off, off + len);
		struct stripe_part end = stripe_part(s, tail, off, off + len);

		p.len = end.off + end.len - p.off;
		parts[nr++] = p;
	}
	return nr;
}
