/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Many at once: processes and threads that use lent buffers and ublk devices without
 * waiting for each other, see README.md.
 *
 * Nobody can say what exactly comes of an operation here, as others change what it
 * finds.  What may come of it is in a table, and holds whatever the others do.
 */
#ifndef FUZZ_CROWD_H
#define FUZZ_CROWD_H

#include <sys/types.h>

#include "check.h"
#include "rng.h"

#define CROWD_LENDERS	2
#define CROWD_CLIENTS	2
#define CROWD_THREADS	8	/* of one process, at most */
#define CROWD_LOG	48
#define CROWD_HANG_MS	90000	/* nobody may do nothing for so long */
#define CROWD_NOTICE_MS	150000	/* so long at least for what is wrong on purpose */
#define CROWD_DISK	"lend-crowd"

enum crowd_member {
	MEMBER_LENDER,
	MEMBER_CLIENT = MEMBER_LENDER + CROWD_LENDERS,
	MEMBER_CTRL = MEMBER_CLIENT + CROWD_CLIENTS,
	MEMBER_OWNER,
	NR_STARTED,		/* by the keeper; the others by the owner */
	MEMBER_SERVER = NR_STARTED,
	MEMBER_FRIEND,		/* of the server: has its device open, too */
	NR_MEMBERS,
};

enum crowd_wrong {
	CROWD_RIGHT, CROWD_WRONG_RESULT, CROWD_WRONG_COUNT, CROWD_WRONG_DATA, CROWD_WRONG_READ,
	CROWD_WRONG_LOAN, CROWD_WRONG_HANG, CROWD_WRONG_STUCK,
};
extern const char *const crowd_wrongs[];

/* What somebody did last: submitted, or (@res) found done. */
struct crowd_event {
	const char *what;	/* a literal: the same in all processes, which are forks */
	u32 ms;
	u32 ring;		/* which, in its process */
	u64 a, b;
	int res;
	bool done;
};

/*
 * struct voice - what one thread says of itself, in shared memory
 * Written by that thread only.  It is judged by @beat.
 */
struct voice {
	volatile u64 beat;	/* now_ms(), or 0: not there */
	volatile u64 ops;
	volatile u32 nr_events;
	struct crowd_event events[CROWD_LOG];
};

/* What all processes share.  Made by the keeper. */
struct crowd {
	u32 seed, threads;
	enum crowd_wrong wrong;
	u64 began;
	int lender;		/* one open /dev/lend_test for all */
	volatile int stop;
	volatile int blamed, failed;	/* somebody tells what was illegal; has told it */
	volatile int id;	/* of the ublk device, or -1 */
	volatile u32 devices, servers, recovered, killed;
	volatile u32 handed_off, handed_back;	/* requests */
	volatile u64 ok, refused;
	volatile u64 bytes;	/* looked at */
	char disk[64];
	struct voice voice[NR_MEMBERS][CROWD_THREADS];
};
extern struct crowd *crowd;

/* The voice of this thread, from crowd_join() on. */
void crowd_join(enum crowd_member member, unsigned int thread);
/* One process is told from the other that had its place before. */
void crowd_rng(struct rng *r, enum crowd_member member, unsigned int thread, u32 incarnation);
void crowd_beat(void);
/* @what is begun, or done with @res; for those that look for what went wrong. */
void crowd_began(const char *what, u32 ring, u64 a, u64 b);
void crowd_ended(const char *what, u32 ring, u64 a, int res);
/* Something illegal was found: tells what this thread did last, and ends the process. */
void crowd_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));
/* The same of another thread. */
void crowd_blame(enum crowd_member member, unsigned int thread, const char *why);
const char *crowd_name(enum crowd_member member);

/* The members; each runs in a process of its own, whose number is in @arg. */
struct crowd_start {
	enum crowd_member member;
	u32 incarnation;
};
void crowd_lender(void *arg);
void crowd_client(void *arg);
void crowd_ctrl(void *arg);
void crowd_owner(void *arg);
void crowd_server(void *arg);

#endif
