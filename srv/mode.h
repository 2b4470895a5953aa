/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a mode is: the way in which a request's data gets from the client to the
 * legs and back.  It never knows what the target does.
 */
#ifndef SRV_MODE_H
#define SRV_MODE_H

#include "io.h"
#include "lending.h"
#include "types.h"

struct queue;
struct caps;

/*
 * struct mode_ops - one way of moving data
 * Static tables in modes/, listed in modes/modes.h.  The operations
 * run in the queue's thread and must not block.
 */
struct mode_ops {
	const char *name;
	const char *summary;	/* for the help */
	u64 ublk_flags;		/* the device has these, and the kernel must */
	/*
	 * The legs' I/O is on the client's own pages, lent by the driver
	 * (UBLK_F_SUPPORT_ZERO_COPY).  All the rest follows: the kernel must have
	 * this way to lend, pages are announced to be as the legs want them
	 * (limits_to_params()) and to hold still where a leg or the target needs
	 * that, and what a leg refuses for its shape goes through a buffer
	 * (bounce.h).  LENDS_NOT, 0: the data is a copy, in buffers that fit any
	 * leg, and which the client cannot change any more.
	 */
	enum lending lends;

	/*
	 * Requests may be handed off (handoff.h): of an issue() that queues nothing but the SQEs of steps.  With
	 * UBLK_F_HANDOFF in ublk_flags, and without finish() and committed().
	 */
	bool hands_off;

	bool has_bufs;		/* memory of the server's for each tag, of max_io bytes */

	/* SQEs of one request at once, beside one per step; and of each step, beside its own. */
	unsigned int extra_sqes;
	unsigned int sqes_per_step;

	/*
	 * The result of a step that says: the data could not be reached, which
	 * is not the leg's fault, try once more.  0: there is none.
	 */
	int lost_errno;

	/* The mode's own state, zeroed before init(): of each queue, q->mq; of each tag, io->mio. */
	size_t queue_size, io_size;

	/* Set up buffers, and each io's cmd_addr and lend_addr.  0 or -errno.  Optional. */
	int (*init)(struct queue *q);
	/*
	 * Undo init(), of which any part may not have been done: the state is zeroed there.
	 * Only with queue_size.  Optional.
	 */
	void (*deinit)(struct queue *q);

	/*
	 * Queue the SQEs for every data step that is TODO, with queue_step().  Called again
	 * for the rest of a step, for one that is repeated, and for the target's next steps.
	 * If the data cannot be had: set io->result and call queue_commit(), at once or from
	 * cqe().  No step may fail for that, or the target would blame its leg.  Required.
	 */
	void (*issue)(struct queue *q, struct io *io);

	/*
	 * The target is done and io->result set, also to an error, and also of a request
	 * without steps.  True: more was queued, and queue_commit() will be called from cqe().
	 * Optional.
	 */
	bool (*finish)(struct queue *q, struct io *io);

	/*
	 * A write has come, and the driver asks where its data is to go: set
	 * io->cmd_addr.  The request comes again with the data there.  Required
	 * with UBLK_F_NEED_GET_DATA.
	 */
	void (*get_data)(struct queue *q, struct io *io);

	/*
	 * @io stands in for @from, whose buffer is not to be used any more (standin.h).  Its state is a
	 * copy: give it a buffer of its own, by its index, with the data of a write if
	 * io_data_is_due().  committed() is called for @from when that is free.
	 * Optional.
	 */
	void (*stand_in)(struct queue *q, struct io *io, const struct io *from);

	/*
	 * COMMIT has been queued.  It is carried out before whatever is queued
	 * behind it, which may use the request's buffer again.  Optional.
	 */
	void (*committed)(struct queue *q, struct io *io);

	/* No request came for QUEUE_IDLE_MS.  Optional. */
	void (*idle)(struct queue *q);

	/* A CQE of kind UD_MODE.  Required when such SQEs are queued. */
	void (*cqe)(struct queue *q, struct io *io, unsigned int index, int res);
};

extern const struct mode_ops *const mode_list[];	/* of modes/modes.h, NULL-terminated */
extern const char *mode_choices[];		/* MODE_BEST and their names, for options; never written to */

const struct mode_ops *mode_find(const char *name);

/* Does a device with these UBLK_F_* move data as the mode's do? */
bool mode_is_alike(const struct mode_ops *mode, u64 ublk_flags);

/* All modes that are: their names, with ", " between. */
void mode_names_of(u64 ublk_flags, char *names, size_t len);

/*
 * Does this kernel have what the mode needs?  0, or -EOPNOTSUPP; *missing then
 * says what is not there.
 */
int mode_check(const struct mode_ops *mode, const struct caps *caps, const char **missing);

/*
 * The first that the kernel has of handoff, auto, register, register-cmd and copy: what the name MODE_BEST
 * stands for.  @alike: the flags of a device that is recovered, or NULL; of the modes that are alike, which
 * may be others.  NULL: there is none.
 */
#define MODE_BEST	"best"
const struct mode_ops *mode_best(const struct caps *caps, const u64 *alike);

#endif
