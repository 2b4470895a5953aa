/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a target is: the thing that decides which legs a request goes to.  It
 * never knows how the data gets there.
 */
#ifndef SRV_TARGET_H
#define SRV_TARGET_H

#include <linux/time_types.h>
#include <stdio.h>

#include "control.h"
#include "inbox.h"
#include "io.h"
#include "json.h"
#include "leg.h"
#include "limits.h"
#include "opts.h"

struct target;
struct watch_ages;

/* What a target says of a request. */
enum verdict {
	VERDICT_DONE,	/* io->result is set: commit */
	VERDICT_STEPS,	/* steps are planned: run them */
	/*
	 * The same, of a request that has sent no data before: if each does all of it the request is done, with
	 * io_success(), and may be told before the target is asked.  Where legs leave (legs_leave) that is
	 * ended(), or settle() as ever, which then says VERDICT_DONE; where they stay it may be neither.
	 */
	VERDICT_LAST_STEPS,
	/*
	 * resume() is to be asked, when the request is posted to the queue's inbox.  One that the target
	 * posts here and now is asked behind the others of the batch.
	 */
	VERDICT_WAIT,
};

/*
 * struct target_ops - one kind of target
 * Static tables, one per file in targets/, listed in target.c and targets/targets.h.
 */
struct target_ops {
	const char *name;
	const char *summary;		/* for the help */
	const struct opt *opts;		/* offsets into struct conf_size bytes */
	size_t conf_size;
	void (*defaults)(void *conf);	/* what is not all zero; optional */
	bool wraps;			/* takes another target, option --inner */

	/*
	 * Needs the pages of a write to hold still: its legs would differ when
	 * the client changed them under way.
	 */
	bool wants_stable_data;

	/* Are the options complete?  0, or -EINVAL after a message.  Optional. */
	int (*check)(const struct target *t);

	/*
	 * Open the legs, fill t->lim, t->nr_legs and t->max_steps.  In the process that
	 * runs `add`.  0, or -errno after a message, with nothing open.  Required.
	 */
	int (*open)(struct target *t);

	/*
	 * A number that tells how the data lies on the legs, beside which legs these are in
	 * whatever order: a recovery needs the same.  After open().  Optional.
	 */
	u32 (*arrangement)(const struct target *t);

	/*
	 * The 16 bytes of the UUID of what its legs hold, or NULL: a recovery then needs the same
	 * one, whichever legs are there.  After open().  Optional.
	 */
	const u8 *(*uuid)(const struct target *t);

	/* Undo open(), which may have failed, or not been called.  Optional. */
	void (*close)(struct target *t);

	/*
	 * Make room for the state of @nr_queues queues.  In the server, before
	 * the queue threads.  0 or -errno.  Optional.
	 */
	int (*start)(struct target *t, unsigned int nr_queues);

	/*
	 * The target's own state of each request: bytes behind io->tio, zeroed before the first
	 * one.  A target that wraps has its own behind that of the inner one.
	 */
	size_t io_size;

	/* What the operations below get as @tq in this queue, which has @inbox.  Optional. */
	void *(*queue)(struct target *t, unsigned int qid, struct inbox *inbox);

	/*
	 * A batch of requests begins, and ends before the queue waits for more: around what
	 * follows, when t->batches is set.  @alone: whatever follows is for one request.  In the
	 * queue's thread.
	 */
	void (*enter)(struct target *t, void *tq, bool alone);
	void (*leave)(struct target *t, void *tq);

	/*
	 * Plan the steps of a request whose description stands in io, or set io->result.
	 * In the queue's thread; must not block or allocate.  Required.
	 */
	enum verdict (*plan)(struct target *t, void *tq, struct io *io);

	/*
	 * Every step is DONE.  Set io->result, or plan again (io->nr_steps = 0,
	 * then new steps).  In the queue's thread; must not block for long.
	 * Required when plan() ever plans a step.
	 */
	enum verdict (*settle)(struct target *t, void *tq, struct io *io);

	/*
	 * Of VERDICT_LAST_STEPS: each has done all that it was asked, and the request was ended with that some time
	 * ago.  What is kept of it is over.  io->steps is still what was planned.  In the queue's thread.  Required
	 * where legs leave.
	 */
	void (*ended)(struct target *t, void *tq, const struct io *io);

	/*
	 * What the request waited for has come, whether in plan() or in settle().  In the
	 * queue's thread.  Required when these ever say VERDICT_WAIT.
	 */
	enum verdict (*resume)(struct target *t, void *tq, struct io *io);

	/*
	 * Serving has ended: no queue runs, and the driver has no request any more.  In the
	 * server's main thread; not after a server died, nor for a device that never was
	 * usable.  Optional.
	 */
	void (*stop)(struct target *t);

	/*
	 * Log what is due at @now, in ms of CLOCK_MONOTONIC; UINT64_MAX: everything,
	 * the server ends.  Returns the ms until the next time, -1 when nothing waits.
	 * What makes it wait has to log a line, which wakes the caller up.  In the
	 * server's main thread.  Optional.
	 */
	int (*tick)(struct target *t, u64 now);

	/*
	 * Each second: how long the oldest step on each leg has been under way.  In
	 * the server's main thread.  Optional: without, nobody looks.
	 */
	void (*watch)(struct target *t, const struct watch_ages *ages);

	/* Tell the state, as JSON members or as lines.  In the server's main thread. */
	void (*status_json)(struct target *t, struct json *j);
	void (*status_text)(struct target *t, FILE *out);

	/*
	 * What it can be told over the server's socket, in the server's main thread: @arg is the
	 * target.  Optional.
	 */
	const struct control_cmd *commands;
};

/*
 * struct target - the target of the device that this process serves
 * target_create() before the server is forked; target_destroy() by whichever
 * process ends.  Everything but priv is read-only once the queues run.
 */
struct target {
	const struct target_ops *ops;
	void *conf;		/* ops->conf_size bytes, the options */
	void *priv;		/* the target's own */
	struct target *inner;	/* what it wraps, and destroys with itself, or NULL */
	struct leg own_legs[MAX_LEGS];
	struct leg *legs;	/* own_legs, or the inner target's */
	unsigned int nr_legs;
	unsigned int patience_ms;	/* for open(): how long to wait for legs in use */
	unsigned int max_steps;	/* of one request at once, at most MAX_STEPS */
	unsigned int note_bytes;	/* of each io->note, 0: it plans no STEP_NOTE; set by open() */
	bool batches;		/* enter() and leave() are to be called; set by start() */
	bool legs_leave;	/* legs may become other files, or none (struct inbox_leg); set by open() */
	bool silent;		/* ended() may come late: who waits for it posts INBOX_LOOK; set before start() */
	struct limits lim;
	struct __kernel_timespec delay;	/* of STEP_DELAY */
};

extern const struct target_ops *const target_list[];	/* NULL-terminated */

const struct target_ops *target_find(const char *name);
/* Returns NULL without memory. */
struct target *target_create(const struct target_ops *ops);
void target_destroy(struct target *t);

/* Bytes of each io->tio, with those of what it wraps; a multiple of 8. */
size_t target_io_size(const struct target *t);

/* For status callbacks: what every leg tells, inside an open object. */
void target_leg_json(const struct leg *leg, struct json *j);

/* Status callbacks that tell of the legs only: a list "legs"; a line for each. */
void target_legs_json(struct target *t, struct json *j);
void target_legs_text(struct target *t, FILE *out);

#endif
