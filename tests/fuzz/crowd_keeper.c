// SPDX-License-Identifier: GPL-2.0
/*
 * The keeper: starts the crowd, kills and replaces its members, sees that none stands
 * still, and counts what is left at the end.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "census.h"
#include "crowd.h"
#include "crowd_bytes.h"
#include "crowd_keeper.h"
#include "lender.h"
#include "proc.h"

/* Of so many servers one has handed a request off: half of them may, and most of those do. */
#define HANDS_OFF	30

/* A process of the keeper's. */
static struct place {
	struct crowd_start start;
	pid_t pid;
	u64 killed_at;		/* 0: it lives */
} places[NR_STARTED];
static struct rng rng;

static u64 ops_done(void)
{
	u64 ops = 0;

	for (unsigned int m = 0; m < NR_MEMBERS; m++)
		for (unsigned int t = 0; t < CROWD_THREADS; t++)
			ops += crowd->voice[m][t].ops;
	return ops;
}

static void tell(bool now)
{
	static u64 told, before;
	u64 ops = ops_done(), ms = now_ms() - crowd->began;

	if (!now && ms < told + 10000)
		return;
	printf("crowd: seed %u, %llu s: %llu operations, %llu/s now; %llu succeeded, %llu were refused; %u devices, %u servers, %u recoveries, %u killed, %u handed off, %u back, %llu MiB looked at\n",
	       crowd->seed, (unsigned long long)ms / 1000, (unsigned long long)ops,
	       (unsigned long long)((ops - before) * 1000 / (ms - told ?: 1)),
	       (unsigned long long)crowd->ok, (unsigned long long)crowd->refused, crowd->devices,
	       crowd->servers, crowd->recovered, crowd->killed, crowd->handed_off, crowd->handed_back,
	       (unsigned long long)crowd->bytes >> 20);
	fflush(stdout);
	told = ms;
	before = ops;
}

static void member_start(enum crowd_member m)
{
	static void (*const fns[])(void *) = {
		[MEMBER_LENDER] = crowd_lender, [MEMBER_LENDER + 1] = crowd_lender,
		[MEMBER_CLIENT] = crowd_client, [MEMBER_CLIENT + 1] = crowd_client,
		[MEMBER_CTRL] = crowd_ctrl, [MEMBER_OWNER] = crowd_owner,
	};
	struct place *p = &places[m];

	p->start.member = m;
	p->start.incarnation++;
	p->killed_at = 0;
	p->pid = proc_start_fd(fns[m], &p->start, crowd->lender);
}

static void member_kill(enum crowd_member m)
{
	if (places[m].killed_at)
		return;
	proc_signal(places[m].pid);
	places[m].killed_at = now_ms();
	crowd->killed++;
}

static bool has_told(void *arg)
{
	return crowd->failed || !crowd->blamed;
}

/* Ends the program, and with it all that it started. */
static void give_up(void)
{
	wait_until(has_told, NULL, 2000);
	for (unsigned int m = 0; m < NR_STARTED; m++)
		if (places[m].pid)
			kill(places[m].pid, SIGKILL);
	printf("crowd: FAILED, do it again with --seed %u\n", crowd->seed);
	fflush(stdout);
	exit(1);
}

static void is_alive(enum crowd_member m, unsigned int thread)
{
	u64 beat = crowd->voice[m][thread].beat, now = now_ms();
	u64 limit = crowd->wrong == CROWD_WRONG_STUCK ? 3000 : CROWD_HANG_MS;

	if (!beat || now < beat + limit)
		return;
	crowd_blame(m, thread, "HANG: it has done nothing for long");
	give_up();
}

/* Ended by itself: what fails says so, and nothing else may end. */
static void member_ended(enum crowd_member m, int status)
{
	struct place *p = &places[m];

	for (unsigned int t = 0; t < CROWD_THREADS; t++)
		crowd->voice[m][t].beat = 0;
	p->pid = 0;
	if (p->killed_at || (crowd->stop && m == MEMBER_OWNER && !status))
		return;
	fprintf(stderr, "FAILED: %s %u ended with status %#x\n", crowd_name(m), m, status);
	give_up();
}

static void look(void)
{
	int status;

	if (crowd->failed)
		give_up();
	for (unsigned int m = 0; m < NR_MEMBERS; m++)
		for (unsigned int t = 0; t < CROWD_THREADS; t++)
			is_alive(m, t);
	for (unsigned int m = 0; m < NR_STARTED; m++) {
		struct place *p = &places[m];

		if (p->pid && waitpid(p->pid, &status, WNOHANG) == p->pid)
			member_ended(m, status);
		if (p->pid && p->killed_at && now_ms() > p->killed_at + CROWD_HANG_MS) {
			crowd_blame(m, 0, "it was killed but is still there");
			give_up();
		}
		if (!p->pid && !crowd->stop)
			member_start(m);
	}
	tell(false);
}

/* The owner is not killed: somebody has to delete what others leave. */
static void storm(u64 *next)
{
	if (now_ms() < *next)
		return;
	*next = now_ms() + rng_range(&rng, 50, 500);
	/* what hangs on purpose is to be found, not killed; and a disk is to live until it was read */
	if (crowd->wrong < CROWD_WRONG_HANG && crowd->wrong != CROWD_WRONG_READ)
		member_kill(rng_below(&rng, MEMBER_OWNER));
}

/* What is wrong on purpose may come late: a disk must be there to be read, for example. */
static bool to_be_noticed(void)
{
	return crowd->wrong && crowd->wrong != CROWD_WRONG_LOAN &&
	       now_ms() < crowd->began + CROWD_NOTICE_MS;
}

/* @part of four of all that there is to do. */
static void run(const struct crowd_opts *o, unsigned int part)
{
	u64 end = crowd->began + o->minutes * 15000ULL * part, next = now_ms() + 1000;
	u64 ops = (u64)o->ops * part / 4;

	crowd->stop = 0;
	while ((o->minutes ? now_ms() < end : ops_done() < ops) || to_be_noticed()) {
		look();
		storm(&next);
		sleep_ms(10);
	}
}

static bool all_gone(void *arg)
{
	bool gone = true;

	look();
	for (unsigned int m = 0; m < NR_STARTED; m++)
		gone &= !places[m].pid;
	/* and those whose parent was killed */
	return gone && waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD;
}

/* The owner first: clients may be waiting for what only its end ends. */
static void finish(void)
{
	crowd->stop = 1;
	for (unsigned int m = 0; m < MEMBER_OWNER; m++)
		if (places[m].pid)
			member_kill(m);
	must(wait_until(all_gone, NULL, CROWD_HANG_MS + 10000), "a process is still there");
}

static bool all_back(void *arg)
{
	for (unsigned int b = 0; b < BUF_SINK; b++) {
		struct lend_test_stats s = lender_stats(crowd->lender, b);

		if (s.lent != s.released) {
			*(unsigned int *)arg = b;
			return false;
		}
	}
	return true;
}

static void nothing_left(void)
{
	unsigned int b = 0;
	int damaged;

	if (!wait_until(all_back, &b, crowd->wrong ? 2000 : 30000)) {
		struct lend_test_stats s = lender_stats(crowd->lender, b);

		fprintf(stderr, "FAILED: buffer %u was lent %llu times and came back %llu times\n",
			b, s.lent, s.released);
		give_up();
	}
	damaged = bytes_damaged(crowd->lender);
	if (damaged >= 0) {
		fprintf(stderr, "FAILED: buffer %d has bytes that nobody may write there\n", damaged);
		give_up();
	}
	must(crowd->id < 0, "device %d is still there", crowd->id);
}

/*
 * Caches have filled after the first part; after the others no more objects of requests,
 * rings, devices and processes may be there, but for some that a kill frees late.
 */
void keeper_run(const struct crowd_opts *o)
{
	static struct census before;
	bool counts;

	prctl(PR_SET_CHILD_SUBREAPER, 1);
	rng_seed(&rng, o->seed, 0);
	crowd->began = now_ms();
	run(o, 1);
	finish();
	nothing_left();
	counts = census_take(&before);
	need(counts || !in_guest(), "/proc/slabinfo, /sys/kernel/slab: objects cannot be counted");
	run(o, 4);
	finish();
	nothing_left();
	if (counts)
		census_is(&before, 64 + (crowd->killed + crowd->servers) / 2, "after the crowd");
	tell(true);
	must(crowd->handed_off || crowd->servers < HANDS_OFF, "%u servers, and none has handed a request off",
	     crowd->servers);
}
