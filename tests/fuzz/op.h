/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One operation of a random sequence: what is asked of the kernel, and, once the model
 * has seen it, what has to come of it.
 */
#ifndef FUZZ_OP_H
#define FUZZ_OP_H

#include <linux/types.h>

#include "check.h"

struct io_uring_sqe;

enum op_kind {
	/* requests, which go into a batch */
	OP_REGISTER,
	OP_UNREGISTER,
	OP_READ,
	OP_WRITE,
	OP_SEND,
	OP_FILL,	/* command: from a buffer of the device into the slot's */
	OP_DRAIN,	/* the other way */
	OP_NOP,		/* looks a file and a slot's buffer up; its result is len */
	OP_FUSED,	/* with the requests after it, which are its secondaries */
	NR_REQUESTS,
	/* what is done between batches */
	OP_PARK = NR_REQUESTS,	/* READ_FIXED of an empty pipe: waits */
	OP_FEED,		/* a parked one gets its bytes */
	OP_CANCEL,
	OP_UPDATE,
	OP_TABLE,		/* the table is dropped, or a new one made */
	OP_CLONE,
	OP_SETUP,		/* the exporter's buffer gets another shape */
	OP_EXIT,		/* the ring is closed as it is, and a new one made */
	NR_OPS,
};

/* What a request's fd is. */
enum op_file {
	FILE_LENDER,
	FILE_DISK,	/* direct I/O */
	FILE_MEM,	/* page cache: done by a worker */
	FILE_NULL,
	FILE_SOCK,
	FILE_PIPE,	/* of OP_PARK */
	FILE_BAD,	/* no file at all */
	NR_FILES,
};

/* Where bytes are. */
enum place_kind { PLACE_NONE, PLACE_LENT, PLACE_USER, PLACE_DISK, PLACE_MEM, PLACE_SOCK, PLACE_PIPE };

struct place {
	enum place_kind kind;
	unsigned int index;	/* which buffer */
	u64 off;
};

/* Bytes that a request moves. */
struct move {
	struct place src, dst;
	u32 len;
};

struct op {
	u64 nr;			/* since the start */
	enum op_kind kind;
	u8 flags;		/* IOSQE_*, without FIXED_FILE */
	const struct spoil *spoil;	/* what is wrong with its SQE, or NULL */
	enum op_file file;
	bool fixed;		/* file is a registered one */
	unsigned int slot;
	u64 addr;
	u32 len;
	u64 pos;
	/* REGISTER: what is borrowed; commands: the device's side; UPDATE: the area */
	u32 buf;
	u32 off;
	bool pick;
	/* FUSED: how many secondaries it announces */
	u32 secondaries;
	/* READ, WRITE, SEND: a secondary; one that no secondary can be; SEND: not SEND_ZC */
	bool secondary, alien, plain;
	/* READ, WRITE: READV_FIXED, WRITEV_FIXED, of so many parts that follow each other; 0: neither */
	unsigned int parts;

	/* the model's answer */
	int res;
	int loan;		/* that it has at its end, or -1 */
	bool cqe;		/* there is a CQE */
	bool notif;		/* and a notification after it */
	struct move move;	/* len 0: nothing */

	/* the kernel's */
	bool done;
	int got;
	u32 got_flags;
};

#define OP_PARTS	8	/* at most */

/* The length of part @i of a request of several: whole sectors, if all of it is. */
u32 op_part(const struct op *op, unsigned int i);

/* When a spoiled field is found. */
enum stage {
	AT_FLAGS = 1,	/* before anything else */
	AT_INIT,	/* before the request's own preparation */
	AT_PREP,
	AT_ISSUE,	/* before the buffer is looked at */
	AT_LAST,	/* after, before the file is asked */
};

/* One way of making an SQE wrong, of the kinds of requests in the bit mask @kinds. */
struct spoil {
	const char *name;
	unsigned int kinds;
	enum stage stage;
	int res;
	unsigned int at;	/* byte of the SQE */
	unsigned int size;
	u32 value;
	bool notif;		/* found so late that there is a notification already */
};

extern const struct spoil op_spoils[];
extern const unsigned int op_nr_spoils;

const char *op_name(enum op_kind kind);
/* The operation in words, valid until the next call. */
const char *op_words(const struct op *op);
const char *place_words(const struct place *p);

#endif
