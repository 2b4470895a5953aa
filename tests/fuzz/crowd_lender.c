// SPDX-License-Identifier: GPL-2.0
/* A process whose threads do everything to rings, one of which they share. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "crowd.h"
#include "crowd_bytes.h"
#include "crowd_lender.h"
#include "tmpfile.h"

/* All threads of this process. */
static struct crew {
	struct crowd_start start;
	struct cring_files files;
	struct cring shared;
	struct rng rng;		/* of who opens the shared ring */
} crew;

static void new_ring(struct cring *c, struct rng *r, bool shared)
{
	pthread_rwlock_wrlock(&c->open);
	cring_close(c);
	cring_open(c, r, shared);
	pthread_rwlock_unlock(&c->open);
}

/* A ring that belongs to one task may be asked by that only. */
static void round_of(struct cring *c, struct cring *other, struct rng *r, bool shared)
{
	pthread_rwlock_rdlock(&c->open);
	if (rng_chance(r, 4))
		cring_table(c, other, r);
	else
		cring_batch(c, r);
	pthread_rwlock_unlock(&c->open);
	if (!shared && rng_chance(r, 2))
		cring_drain(c);
	if (rng_chance(r, 1))
		new_ring(c, r, shared);
}

void crew_thread(unsigned int thread)
{
	struct cring *mine = calloc(1, sizeof(*mine));
	struct rng r;

	must(mine, "no memory");
	crowd_join(crew.start.member, thread);
	crowd_rng(&r, crew.start.member, thread, crew.start.incarnation);
	cring_init(mine, &crew.files, 1 + thread);
	cring_open(mine, &r, false);
	/* on purpose */
	while (crowd->wrong == CROWD_WRONG_STUCK)
		sleep_ms(1000);
	while (!crowd->stop) {
		if (rng_chance(&r, 50))
			round_of(mine, &crew.shared, &r, false);
		else
			round_of(&crew.shared, mine, &r, true);
		crowd_beat();
	}
	/* what is in flight is left to the end of the process */
	crowd->voice[crew.start.member][thread].beat = 0;
}

static void *thread_fn(void *arg)
{
	crew_thread((uintptr_t)arg);
	return NULL;
}

void crew_init(const struct crowd_start *start, int cdev)
{
	const int direct = O_RDWR | O_DIRECT | O_CLOEXEC;
	struct rng r;

	crew.start = *start;
	crew.files = (struct cring_files){
		.lender = crowd->lender, .cdev = cdev, .source = file_mem(1 << 17),
		.disk = open(crowd->disk, direct), .null = open("/dev/null", O_RDWR | O_CLOEXEC),
	};
	must(crew.files.disk >= 0 && crew.files.null >= 0, "%s, /dev/null: %s", crowd->disk,
	     strerror(errno));
	cring_init(&crew.shared, &crew.files, 0);
	file_write(crew.files.source, crew.shared.area, CRING_AREA, 0);
	crowd_rng(&r, start->member, CROWD_THREADS, start->incarnation);
	cring_open(&crew.shared, &r, true);
}

void crew_start_threads(unsigned int first, unsigned int nr)
{
	pthread_t thread;

	for (unsigned int i = first; i < nr; i++)
		must(!pthread_create(&thread, NULL, thread_fn, (void *)(uintptr_t)i), "a thread");
}

void crowd_lender(void *arg)
{
	const struct crowd_start *start = arg;

	crowd_join(start->member, 0);
	crew_init(start, -1);
	crew_start_threads(1, crowd->threads);
	crew_thread(0);
}
