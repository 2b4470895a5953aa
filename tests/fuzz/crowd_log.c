// SPDX-License-Identifier: GPL-2.0
/* Who did what last, for the day on which somebody asks. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crowd.h"

struct crowd *crowd;
static __thread struct voice *voice;
static __thread enum crowd_member my_member;
static __thread unsigned int my_thread;

const char *const crowd_wrongs[] = {
	"none", "result", "count", "data", "read", "loan", "hang", "stuck", NULL
};

static const char *const names[] = {
	[MEMBER_LENDER] = "lender", [MEMBER_CLIENT] = "client", [MEMBER_CTRL] = "control",
	[MEMBER_OWNER] = "owner", [MEMBER_SERVER] = "server", [MEMBER_FRIEND] = "server's friend",
};

const char *crowd_name(enum crowd_member member)
{
	while (!names[member])
		member--;
	return names[member];
}

void crowd_join(enum crowd_member member, unsigned int thread)
{
	my_member = member;
	my_thread = thread;
	voice = &crowd->voice[member][thread];
	voice->nr_events = 0;
	crowd_beat();
}

void crowd_rng(struct rng *r, enum crowd_member member, unsigned int thread, u32 incarnation)
{
	rng_seed(r, crowd->seed, (u64)incarnation << 16 | member << 8 | thread);
}

void crowd_beat(void)
{
	voice->beat = now_ms();
}

static void event(const char *what, u32 ring, u64 a, u64 b, int res, bool done)
{
	struct crowd_event *e = &voice->events[voice->nr_events % CROWD_LOG];

	*e = (struct crowd_event){
		.what = what, .ms = now_ms() - crowd->began, .ring = ring, .a = a, .b = b,
		.res = res, .done = done,
	};
	voice->nr_events++;
	crowd_beat();
}

void crowd_began(const char *what, u32 ring, u64 a, u64 b)
{
	event(what, ring, a, b, 0, false);
	voice->ops++;
}

void crowd_ended(const char *what, u32 ring, u64 a, int res)
{
	event(what, ring, a, 0, res, true);
	__atomic_fetch_add(res < 0 ? &crowd->refused : &crowd->ok, 1, __ATOMIC_RELAXED);
}

static void tell_events(const struct voice *v)
{
	u32 nr = v->nr_events, first = nr > CROWD_LOG ? nr - CROWD_LOG : 0;

	for (u32 i = first; i < nr; i++) {
		const struct crowd_event *e = &v->events[i % CROWD_LOG];

		if (e->done)
			fprintf(stderr, "  %7u ms ring %u: %s (%#llx) is done: %s\n", e->ms, e->ring,
				e->what, (unsigned long long)e->a, res_str(e->res));
		else
			fprintf(stderr, "  %7u ms ring %u: %s (%#llx, %#llx)\n", e->ms, e->ring,
				e->what, (unsigned long long)e->a, (unsigned long long)e->b);
	}
}

void crowd_blame(enum crowd_member member, unsigned int thread, const char *why)
{
	fprintf(stderr, "FAILED: seed %u, %s %u, thread %u: %s; what it did last:\n", crowd->seed,
		crowd_name(member), member, thread, why);
	tell_events(&crowd->voice[member][thread]);
	/* with whom it shares a ring */
	for (unsigned int t = 0; t < CROWD_THREADS; t++) {
		if (t == thread || !crowd->voice[member][t].nr_events)
			continue;
		fprintf(stderr, " thread %u:\n", t);
		tell_events(&crowd->voice[member][t]);
	}
	fflush(stderr);
}

void crowd_fail(const char *fmt, ...)
{
	char why[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	/* what comes of the first failure is not to be told too */
	if (!__atomic_exchange_n(&crowd->blamed, 1, __ATOMIC_SEQ_CST)) {
		crowd_blame(my_member, my_thread, why);
		crowd->failed = 1;
	}
	_exit(1);
}
