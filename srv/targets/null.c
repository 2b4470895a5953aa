// SPDX-License-Identifier: GPL-2.0
/*
 * Target null: every request succeeds, nothing is stored.  A read leaves the
 * client whatever its pages held (or, in mode copy, the server's buffer): it is
 * for measuring, not for data.
 */
#include "targets.h"

struct null_conf {
	u64 size;
};

static const struct opt null_opts[] = {
	{ .name = "size", .letter = 's', .type = OPT_SIZE, .arg = "SIZE",
	  .offset = offsetof(struct null_conf, size), .min = 4096, .align = 4096,
	  .help = "size of the device [250G]" },
	{ 0 }
};

static int null_open(struct target *t)
{
	const struct null_conf *conf = t->conf;

	limits_init(&t->lim);
	t->lim.size = conf->size ? conf->size : 250ULL << 30;
	t->lim.discard_max = 0;
	t->lim.zeroes_max = 0;
	return limits_finish(&t->lim);
}

static enum verdict null_plan(struct target *t, void *tq, struct io *io)
{
	io->result = io_success(io);
	return VERDICT_DONE;
}

const struct target_ops target_null = {
	.name		= "null",
	.summary	= "answers at once and keeps nothing; for measuring",
	.opts		= null_opts,
	.conf_size	= sizeof(struct null_conf),
	.open		= null_open,
	.plan		= null_plan,
};
