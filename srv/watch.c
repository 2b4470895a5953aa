// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdlib.h>

#include "watch.h"

#define LOOK(field)	__atomic_load_n(&(field), __ATOMIC_RELAXED)

int watch_init(struct watch *w, unsigned int nr)
{
	w->seen = calloc(nr, sizeof(*w->seen));
	return w->seen ? 0 : -ENOMEM;
}

void watch_deinit(struct watch *w)
{
	free(w->seen);
}

void watch_idle(struct watch *w, unsigned int index, u64 now)
{
	w->seen[index].since = now;
	w->seen[index].busy = false;
}

void watch_look(struct watch *w, unsigned int index, const struct io *io, u64 now,
		struct watch_ages *ages)
{
	struct watch_seen *s = &w->seen[index];
	const struct step *steps = LOOK(io->steps);
	u32 round = LOOK(io->round);
	bool busy = LOOK(io->pending), sure = !LOOK(io->handed_off) || LOOK(io->nr_steps) == 1;

	if (!busy || !s->busy || s->round != round)
		s->since = now;
	s->busy = busy;
	s->round = round;
	/* One that has never been used has none. */
	if (!busy || !steps)
		return;
	for (unsigned int i = 0; i < LOOK(io->nr_steps) && i < MAX_STEPS; i++) {
		unsigned int leg = LOOK(steps[i].leg);

		if (LOOK(steps[i].state) != STEP_BUSY || LOOK(steps[i].old) || leg >= MAX_LEGS ||
		    LOOK(steps[i].op) == STEP_DELAY)
			continue;
		ages->maybe[leg] = max_u64(ages->maybe[leg], now - s->since);
		if (sure)
			ages->sure[leg] = max_u64(ages->sure[leg], now - s->since);
	}
}
