/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A step: what a target wants done on one leg.
 */
#ifndef SRV_STEP_H
#define SRV_STEP_H

#include "types.h"

enum step_op {
	STEP_READ,	/* leg -> the request's data */
	STEP_WRITE,	/* the request's data -> leg */
	STEP_SYNC,	/* what was written is durable */
	STEP_DISCARD,
	STEP_ZERO,
	STEP_NOTE,	/* what the target has put into io->note -> leg, durably; never repeated */
	STEP_DELAY,	/* nothing, for a while; succeeds with -ETIME */
};

static inline bool step_op_has_data(enum step_op op)
{
	return op <= STEP_WRITE;
}

enum step_state {
	STEP_TODO,	/* planned, or to be continued */
	STEP_BUSY,	/* its SQE is queued, the CQE not yet reaped */
	STEP_DONE,	/* res is final */
};

/*
 * struct step - one operation on one leg
 * Part of struct io.  Written by the queue's thread only.
 *
 * TODO -> BUSY -> DONE, and back from BUSY to TODO for the rest after a short
 * result, or after a failure that was not the leg's.
 */
struct step {
	u64 off;	/* bytes, on the leg */
	u32 len;	/* bytes, of the whole step */
	u32 data;	/* where its data begins, bytes from the first one of the request */
	u32 done;	/* bytes that earlier rounds have moved */
	s32 want;	/* result of the SQE that means: all of it */
	s32 res;	/* DONE: 0 or -errno */
	u8 op;		/* enum step_op */
	u8 leg;
	u8 state;	/* enum step_state */
	u8 tries;	/* repetitions so far */
	u8 how;		/* enum step_how, or of STEP_ZERO enum zero_how */
	u8 old;		/* the leg is another file since it was sent: it says nothing of that one */
};

/*
 * A step is repeated so often when its failure was not the leg's: no memory
 * for an asynchronous retry, a lent buffer that was gone by then.
 */
#define STEP_TRIES	8

/* How a step's data gets to its leg and back. */
enum step_how {
	HOW_MODE,	/* as the mode does it */
	HOW_COPY,	/* through a buffer of the server's, bounce.h */
};

#endif
