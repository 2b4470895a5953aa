/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How long the oldest step on each leg has been under way.
 *
 * A queue takes no time of what it sends.  Instead somebody looks at its requests each second,
 * and remembers which he has seen before.  The price: a second of precision.
 */
#ifndef SRV_WATCH_H
#define SRV_WATCH_H

#include "io.h"

/* ms between two looks */
#define WATCH_MS	1000

/*
 * struct watch_ages - by leg, how many ms the oldest step has been under way, 0: none
 * @sure: of requests that are known to wait for this leg
 * @maybe: also of those that wait for one of several, which was not heard: handed off, to more legs than one
 */
struct watch_ages {
	u64 sure[MAX_LEGS], maybe[MAX_LEGS];
};

/*
 * struct watch - the looks at one queue's requests
 * The main thread's.
 * @seen: by index: the round that was under way, and since when, ms of CLOCK_MONOTONIC
 */
struct watch {
	struct watch_seen {
		u32 round;
		bool busy;
		u64 since;
	} *seen;
};

/* For @nr requests.  0 or -ENOMEM. */
int watch_init(struct watch *w, unsigned int nr);
void watch_deinit(struct watch *w);

/*
 * A look, at @now, at request @io, at place @index, which its queue may be writing meanwhile: what is
 * read is then old or new.  Raises @ages for the legs that it waits for.
 */
void watch_look(struct watch *w, unsigned int index, const struct io *io, u64 now,
		struct watch_ages *ages);

/* There is no request at place @index. */
void watch_idle(struct watch *w, unsigned int index, u64 now);

#endif
