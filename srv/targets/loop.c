// SPDX-License-Identifier: GPL-2.0
/*
 * Target loop: one leg, a file or a block device.
 */
#include <errno.h>

#include "../log.h"
#include "targets.h"

struct loop_conf {
	struct strlist legs;
	u64 size;
	u64 block;
};

static const struct opt loop_opts[] = {
	{ .name = "leg", .letter = 'l', .type = OPT_LIST, .arg = "PATH",
	  .offset = offsetof(struct loop_conf, legs),
	  .help = "the file or block device to serve" },
	{ .name = "size", .letter = 's', .type = OPT_SIZE, .arg = "SIZE",
	  .offset = offsetof(struct loop_conf, size), .min = SECTOR_SIZE, .align = SECTOR_SIZE,
	  .help = "serve its first SIZE bytes only [all]" },
	{ .name = "block", .letter = 'b', .type = OPT_SIZE, .arg = "SIZE",
	  .offset = offsetof(struct loop_conf, block), .min = SECTOR_SIZE, .max = LIMITS_MAX_LBS,
	  .help = "bytes of a block, 512 to 4096 [the least that every leg takes]" },
	{ 0 }
};

static int loop_check(const struct target *t)
{
	const struct loop_conf *conf = t->conf;

	if (conf->legs.nr == 1)
		return legs_check_block(conf->block);
	log_err("target loop takes one --leg PATH, here are %u", conf->legs.nr);
	return -EINVAL;
}

static int loop_open(struct target *t)
{
	const struct loop_conf *conf = t->conf;
	int ret;

	ret = legs_open(t->legs, &conf->legs, conf->size, conf->block, t->patience_ms, &t->lim);
	if (ret)
		return ret;
	t->nr_legs = 1;
	t->max_steps = 1;
	return 0;
}

static void loop_close(struct target *t)
{
	legs_close(t->legs, t->nr_legs);
}

static enum verdict loop_plan(struct target *t, void *tq, struct io *io)
{
	int op = io_step_op(io->op);

	if (unlikely(op < 0)) {
		io->result = op;
		return VERDICT_DONE;
	}
	io_add_step(io, op, 0);
	return VERDICT_LAST_STEPS;
}

static enum verdict loop_settle(struct target *t, void *tq, struct io *io)
{
	io->result = likely(!io->steps[0].res) ? io_success(io) : io->steps[0].res;
	return VERDICT_DONE;
}

const struct target_ops target_loop = {
	.name		= "loop",
	.summary	= "one file or block device",
	.opts		= loop_opts,
	.conf_size	= sizeof(struct loop_conf),
	.check		= loop_check,
	.open		= loop_open,
	.close		= loop_close,
	.plan		= loop_plan,
	.settle		= loop_settle,
	.status_json	= target_legs_json,
	.status_text	= target_legs_text,
};
