/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the contract says must happen: the state of a ring's buffer table, and the one
 * legal result of each operation on it.
 *
 * Pure logic: it knows no file descriptor and asks the kernel nothing, so that it has
 * unit tests.  It holds for one thread that waits for each batch; what may run at the
 * same time as others in a batch must not change what they find (see model_batch_ends()).
 */
#ifndef FUZZ_MODEL_H
#define FUZZ_MODEL_H

#include <linux/lend_test.h>

#include "learned.h"
#include "op.h"

#define MODEL_SLOTS	16	/* of the largest table */
#define MODEL_BUFS	8	/* of the exporter */
#define MODEL_SEGS	6
#define MODEL_AREAS	4	/* of user space */
#define MODEL_AREA_LEN	32768
#define MODEL_LEN_MAX	LEARNED_LEN_MAX	/* of any buffer */
#define MODEL_PARKED	4
#define MODEL_BATCH	32
#define MODEL_CHAIN	9	/* a primary and its secondaries */
#define MODEL_LOANS	(MODEL_SLOTS + MODEL_PARKED + 1)	/* and a fused command's */
#define MODEL_MAX_RW	0x7ffff000U

enum slot_kind { SLOT_EMPTY, SLOT_LENT, SLOT_USER };

struct model_slot {
	enum slot_kind kind;
	unsigned int buf;	/* of the exporter, or which area */
	u32 off;		/* the slot's first byte in that */
	u32 len;
	u64 base;		/* what addr counts from; 0 if lent */
	unsigned int loan;
	u64 tag;		/* 0: none */
};

/* A buffer of the exporter. */
struct model_buf {
	struct lend_test_seg segs[MODEL_SEGS];
	unsigned int nr_segs;
	u32 skip, len, dir, error, learn;
	u64 lent, released;
	struct learned_all learned;
};

/* A loan: references are its slot and parked requests. */
struct model_loan {
	unsigned int refs;
	unsigned int buf;
	struct learned learned;
};

/* A request that waits for its pipe. */
struct model_parked {
	bool used;
	struct op op;
	struct place dst;
};

/* Ways of being wrong on purpose, to see that somebody notices. */
enum wrong { RIGHT, WRONG_DIRECTION, WRONG_RANGE, WRONG_BUSY, WRONG_DATA, WRONG_LINK, WRONG_RELEASE, WRONG_FUSED, WRONG_SUM, NR_WRONGS };
extern const char *const wrong_names[];

struct model {
	bool iopoll;
	bool drains;		/* this ring drains; the others skip CQEs and send */
	bool drain_disabled;
	enum wrong wrong;
	unsigned int nr_slots;	/* 0: no table */
	struct model_slot slot[MODEL_SLOTS];
	struct model_buf buf[MODEL_BUFS];
	struct model_loan loan[MODEL_LOANS];
	struct model_slot fused;	/* what a primary has borrowed, for its secondaries */
	struct model_parked parked[MODEL_PARKED];
	u64 batch;		/* requests with the same one run at the same time */
	u64 area[MODEL_AREAS];	/* addresses */
};

/* A new ring, with an empty table of @nr_slots. */
void model_reset(struct model *m, unsigned int nr_slots);
/* The buffer's length, from its segments. */
void model_buf_shape(struct model_buf *buf);
u64 model_buf_held(const struct model_buf *buf);

/*
 * Sets the answers of @n requests, one chain by their LINK flags, or one request that
 * is not linked, or a fused command's primary with its secondaries.
 */
void model_chain(struct model *m, struct op *ops, unsigned int n);
/* What is submitted after these in the same batch might run before them. */
bool model_batch_ends(const struct op *ops, unsigned int n);
/* The slot that io_uring picked: must be empty.  Returns whether it was. */
bool model_picked(struct model *m, const struct op *op, unsigned int slot);

/* A read of an empty pipe.  Returns whether it waits; else op->res is set. */
bool model_park(struct model *m, struct op *op, unsigned int index);
/* Parked request @index has ended with result @res. */
void model_unpark(struct model *m, unsigned int index, int res);
/* A DRAIN of all of @slot, which is lent, is under way when the ring is closed. */
void model_leave(struct model *m, unsigned int slot);

/* IORING_REGISTER_BUFFERS_UPDATE of one slot; op->len 0 empties.  *tag: that will be posted. */
int model_update(struct model *m, const struct op *op, u64 new_tag, u64 *tag);
/* All lent buffers leave the table, with it or with the ring. */
void model_drop_lent(struct model *m);
bool model_has_lent(const struct model *m);
/* The ring is closed: parked requests are cancelled too. */
void model_exit(struct model *m);

#endif
