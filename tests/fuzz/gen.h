/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Random operations: mostly such as a program would do, some wrong in one thing.
 */
#ifndef FUZZ_GEN_H
#define FUZZ_GEN_H

#include "model.h"
#include "rng.h"

#define GEN_MOVE_MAX	8192	/* bytes that a request moves, but for whole buffers */
#define GEN_SHORT	10000	/* operations */
#define GEN_FILE_LEN	(1U << 20)	/* of a file that reads come from */

/* Operation @nr, given the state of things.  Without flags that make a chain. */
void gen_op(struct rng *r, const struct model *m, u64 nr, struct op *op);
/* Operation @nr, a secondary of @primary. */
void gen_secondary(struct rng *r, const struct model *m, const struct op *primary, u64 nr,
		   struct op *op);
/* IOSQE_* for a request that is part of a chain, which goes on if @more, or is alone. */
u8 gen_flags(struct rng *r, const struct model *m, const struct op *op, bool chained, bool more,
	     u8 link);
/* A new shape for a buffer of the exporter, with everything but its counters. */
void gen_buf(struct rng *r, struct model_buf *buf);

#endif
