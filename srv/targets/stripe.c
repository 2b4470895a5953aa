// SPDX-License-Identifier: GPL-2.0
/*
 * Target stripe: the device's bytes spread over two legs or more, in chunks (RAID 0).
 *
 * stripe_plan.c cuts a request, this file has the parts done.  A leg that fails fails what
 * it has a part in, and nothing else: there is no other copy, so nothing is dropped either.
 *
 * Data is a step for each chunk, as a lent buffer cannot be used in pieces.  Those of a
 * leg are queued one behind the other, so the kernel makes those that touch one I/O of the
 * disk.  A request of more than MAX_STEPS chunks is done in rounds.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "../identity.h"
#include "../log.h"
#include "stripe_plan.h"
#include "targets.h"

#define STRIPE_DEF_CHUNK	(512U << 10)
#define STRIPE_MAX_CHUNK	(1U << 30)

struct stripe_conf {
	struct strlist legs;
	u64 size;
	u64 block;
	u64 chunk;
};

/* struct stripe_io - of one request; @planned: bytes of it that have had a step */
struct stripe_io {
	u32 planned;
};

static const struct opt stripe_opts[] = {
	{ .name = "leg", .letter = 'l', .type = OPT_LIST, .arg = "PATH",
	  .offset = offsetof(struct stripe_conf, legs),
	  .help = "a file or block device; give it twice or more, in the same order each time" },
	{ .name = "chunk", .letter = 'c', .type = OPT_SIZE, .arg = "SIZE",
	  .offset = offsetof(struct stripe_conf, chunk), .min = SECTOR_SIZE,
	  .max = STRIPE_MAX_CHUNK, .align = SECTOR_SIZE,
	  .help = "so much on one leg, then on the next; whole blocks [512K]" },
	{ .name = "size", .letter = 's', .type = OPT_SIZE, .arg = "SIZE",
	  .offset = offsetof(struct stripe_conf, size), .min = SECTOR_SIZE, .align = SECTOR_SIZE,
	  .help = "use the first SIZE bytes of each leg [as many as the smallest has]" },
	{ .name = "block", .letter = 'b', .type = OPT_SIZE, .arg = "SIZE",
	  .offset = offsetof(struct stripe_conf, block), .min = SECTOR_SIZE, .max = LIMITS_MAX_LBS,
	  .help = "bytes of a block, 512 to 4096 [the least that every leg takes]" },
	{ 0 }
};

static void stripe_defaults(void *conf)
{
	struct stripe_conf *c = conf;

	c->chunk = STRIPE_DEF_CHUNK;
}

static int stripe_check(const struct target *t)
{
	const struct stripe_conf *conf = t->conf;

	return legs_check_several(t->ops->name, &conf->legs, conf->block);
}

/* The device's limits, of those that all legs have together. */
static int stripe_limits(struct target *t, const struct stripe *s)
{
	u64 leg = t->lim.size, row = s->chunk * s->nr;

	if (s->chunk % t->lim.lbs) {
		log_err("--chunk %" PRIu64
			": it has to be whole blocks, which are of %u bytes here", s->chunk,
			t->lim.lbs);
		return -EINVAL;
	}
	t->lim.size = stripe_size(s, leg);
	if (!t->lim.size) {
		log_err("--chunk %" PRIu64 ": the smallest leg has %" PRIu64
			" bytes; each leg needs one chunk or more", s->chunk, leg);
		return -ENOSPC;
	}
	if (t->lim.size > STRIPE_MAX_SIZE) {
		log_err("%u legs of %" PRIu64 " bytes: a device has less than 8 EiB; right is a --size of less of each leg",
			s->nr, leg);
		return -EFBIG;
	}
	t->lim.io_min = max_u64(t->lim.io_min, s->chunk);
	/* A hint, by which the kernel reads twice as much ahead: no more than a request can have. */
	t->lim.io_opt = row <= LIMITS_MAX_IO ? row : 0;
	return 0;
}

static void stripe_tell_tails(const struct target *t, const struct stripe *s, u64 size)
{
	u64 used = t->lim.size / s->nr;

	for (unsigned int i = 0; i < s->nr; i++) {
		u64 has = size ? size : t->legs[i].lim.size;

		if (has > used)
			log_warn("leg %s: its last %" PRIu64 " of %" PRIu64
				 " bytes are left out: of each leg the same number of chunks is used",
				 t->legs[i].path, has - used, has);
	}
}

static int stripe_open(struct target *t)
{
	const struct stripe_conf *conf = t->conf;
	struct stripe *s = calloc(1, sizeof(*s));
	int ret;

	if (!s)
		return -ENOMEM;
	*s = (struct stripe){ .chunk = conf->chunk, .nr = conf->legs.nr };
	ret = legs_open_any(t->legs, &conf->legs, conf->size, conf->block, t->patience_ms, &t->lim);
	if (ret)
		goto free;
	ret = stripe_limits(t, s);
	if (ret)
		goto close;
	stripe_tell_tails(t, s, conf->size);
	t->priv = s;
	t->nr_legs = s->nr;
	t->max_steps = STRIPE_PARTS;
	return 0;
close:
	legs_close(t->legs, s->nr);
free:
	free(s);
	return ret;
}

static void stripe_close(struct target *t)
{
	if (!t->priv)
		return;
	legs_close(t->legs, t->nr_legs);
	free(t->priv);
}

static u32 stripe_arrangement(const struct target *t)
{
	const struct stripe *s = t->priv;
	u32 words[1 + MAX_LEGS] = { s->chunk / SECTOR_SIZE };

	for (unsigned int i = 0; i < s->nr; i++)
		words[1 + i] = identity_of_legs(t->ops->name, &t->legs[i], 1);
	/* The legs' own sum is added to it: with the low bits of the same it would cancel out. */
	return identity_hash(words, (1 + s->nr) * sizeof(words[0])) >> 8;
}

/* The next round of a request's data. */
static void stripe_plan_data(const struct stripe *s, struct io *io, enum step_op op)
{
	struct stripe_io *sio = io->tio;
	struct stripe_part parts[STRIPE_PARTS];
	u32 from = sio->planned;
	u64 covered;
	unsigned int nr = stripe_cut(s, io->off + from, io->len - from, parts, &covered);

	for (unsigned int i = 0; i < nr; i++)
		io_add_part(io, op, parts[i].leg, parts[i].off, parts[i].len, from + parts[i].data);
	sio->planned = from + covered;
}

static void stripe_plan_ranges(const struct stripe *s, struct io *io, enum step_op op)
{
	struct stripe_part parts[MAX_LEGS];
	unsigned int nr = stripe_ranges(s, io->off, io->len, parts);

	for (unsigned int i = 0; i < nr; i++)
		io_add_part(io, op, parts[i].leg, parts[i].off, parts[i].len, parts[i].data);
}

static enum verdict stripe_plan(struct target *t, void *tq, struct io *io)
{
	const struct stripe *s = t->priv;
	struct stripe_io *sio = io->tio;
	int op = io_step_op(io->op);

	if (likely(op >= 0 && step_op_has_data(op))) {
		sio->planned = 0;
		stripe_plan_data(s, io, op);
		/* else there was no room for all of them */
		return likely(sio->planned == io->len) ? VERDICT_LAST_STEPS : VERDICT_STEPS;
	}
	if (op < 0) {
		io->result = op;
		return VERDICT_DONE;
	}
	sio->planned = io->len;
	if (op == STEP_SYNC)
		for (unsigned int leg = 0; leg < s->nr; leg++)
			io_add_step(io, op, leg);
	else
		stripe_plan_ranges(s, io, op);
	return VERDICT_STEPS;
}

static enum verdict stripe_settle(struct target *t, void *tq, struct io *io)
{
	const struct stripe_io *sio = io->tio;
	enum step_op op = io->steps[0].op;
	int err = 0;

	for (unsigned int i = 0; i < io->nr_steps && !err; i++)
		err = io->steps[i].res;
	if (unlikely(err)) {
		io->result = err;
		return VERDICT_DONE;
	}
	if (unlikely(sio->planned < io->len)) {
		io->nr_steps = 0;
		stripe_plan_data(t->priv, io, op);
		return VERDICT_STEPS;
	}
	io->result = io_success(io);
	return VERDICT_DONE;
}

static void stripe_status_json(struct target *t, struct json *j)
{
	const struct stripe *s = t->priv;

	json_u64(j, "chunk", s->chunk);
	target_legs_json(t, j);
}

static void stripe_status_text(struct target *t, FILE *out)
{
	const struct stripe *s = t->priv;

	fprintf(out, "  chunks of %" PRIu64 " bytes\n", s->chunk);
	target_legs_text(t, out);
}

const struct target_ops target_stripe = {
	.name		= "stripe",
	.summary	= "two legs or more, each with a part of the data",
	.opts		= stripe_opts,
	.conf_size	= sizeof(struct stripe_conf),
	.io_size	= sizeof(struct stripe_io),
	.defaults	= stripe_defaults,
	.check		= stripe_check,
	.open		= stripe_open,
	.close		= stripe_close,
	.arrangement	= stripe_arrangement,
	.plan		= stripe_plan,
	.settle		= stripe_settle,
	.status_json	= stripe_status_json,
	.status_text	= stripe_status_text,
};
