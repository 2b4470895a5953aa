/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A ring of the crowd: random requests, any number in flight, each completion looked at.
 */
#ifndef FUZZ_CROWD_RING_H
#define FUZZ_CROWD_RING_H

#include <pthread.h>

#include "crowd_legal.h"
#include "ring.h"
#include "rng.h"

#define CRING_OPS	48	/* in flight that complete in any case */
#define CRING_SLOTS	12
#define CRING_LEN	16384	/* of the longest request */
#define CRING_SECONDARIES	4	/* at most */
#define CRING_AREA	(1U << 17)

/* The files that requests name; -1: there is none. */
struct cring_files {
	int lender, disk, source, null;
	int cdev;		/* of a ublk device */
};

/* A request in flight.  @used until its CQE, and its notification, are there. */
struct cop {
	bool used, notif;
	enum crowd_kind kind;
	unsigned int slot;
	u64 addr;
	u32 len;
	bool file;		/* wrote to its place in cring's file */
	bool secondary;		/* of a fused command, which may have borrowed @held */
	u64 held;
};

/* What a slot probably has, after what was submitted last: most requests are to fit. */
struct guess {
	bool used, source, dest;
	u32 len;
};

/*
 * struct cring - one ring, of one thread or of all in the process
 * @lock is for all of it but @ring's fd, which the holders of @open may use in
 * io_uring_register().  @open is taken for writing by who closes the ring.
 */
struct cring {
	pthread_rwlock_t open;
	pthread_mutex_t lock;
	struct io_uring ring;
	const struct cring_files *files;
	u32 nr;			/* for the log */
	bool drains;		/* then it skips no CQEs: Linux wants one or the other */
	unsigned int inflight;
	struct cop ops[CRING_OPS];
	struct iovec vecs[CRING_OPS][2];	/* of those that have one */
	u64 held[CRING_SLOTS];	/* what each slot may ever have held, see crowd_bytes.h */
	struct guess guess[CRING_SLOTS];
	int mem;		/* where writes go, a place for each of @ops */
	int sock;		/* datagrams to itself */
	int pipe[2];		/* always empty */
	u8 *area;		/* of user space, with the source's bytes */
	u8 *tmp;
};

void cring_init(struct cring *c, const struct cring_files *files, u32 nr);
void cring_open(struct cring *c, struct rng *r, bool shared);
/* With everything in flight. */
void cring_close(struct cring *c);
/* Submits some requests. */
void cring_batch(struct cring *c, struct rng *r);
/* Looks at all completions that are there. */
void cring_reap(struct cring *c);
/* Waits until nothing is in flight; others may not submit. */
void cring_drain(struct cring *c);
/* One random thing with the table, @other being one to clone from. */
void cring_table(struct cring *c, struct cring *other, struct rng *r);

/*
 * A fused command: a primary, and @nr secondaries, each with its number @index.  All its
 * SQEs are one behind the other, and in one submission.  Called with the lock.
 */
void cring_prep_primary(struct cring *c, struct rng *r, struct io_uring_sqe *sqe, struct cop *op,
			unsigned int nr);
void cring_prep_secondary(struct cring *c, struct rng *r, struct io_uring_sqe *sqe,
			  const struct cop *primary, struct cop *op, unsigned int index);
/* Makes a random request, number @index or one that skips its CQE.  Called with the lock. */
void cring_prep(struct cring *c, struct rng *r, struct io_uring_sqe *sqe, struct cop *op,
		unsigned int index);

#endif
