// SPDX-License-Identifier: GPL-2.0
#include <stdlib.h>
#include <string.h>

#include "target.h"
#include "targets/targets.h"

const struct target_ops *const target_list[] = {
	&target_null,
	&target_loop,
	&target_mirror,
	&target_stripe,
	&target_fault,
	NULL
};

const struct target_ops *target_find(const char *name)
{
	for (const struct target_ops *const *t = target_list; *t; t++)
		if (!strcmp((*t)->name, name))
			return *t;
	return NULL;
}

struct target *target_create(const struct target_ops *ops)
{
	struct target *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->ops = ops;
	t->legs = t->own_legs;
	t->conf = calloc(1, ops->conf_size);
	if (!t->conf) {
		free(t);
		return NULL;
	}
	if (ops->defaults)
		ops->defaults(t->conf);
	return t;
}

void target_destroy(struct target *t)
{
	if (!t)
		return;
	if (t->ops->close)
		t->ops->close(t);
	target_destroy(t->inner);
	free(t->conf);
	free(t);
}

size_t target_io_size(const struct target *t)
{
	size_t inner = t->inner ? target_io_size(t->inner) : 0;

	return inner + round_up_u64(t->ops->io_size, 8);
}

void target_leg_json(const struct leg *leg, struct json *j)
{
	json_name(j, "path", leg->absolute);
	json_str(j, "kind", leg->is_blk ? "block" : "file");
	json_bool(j, "direct", leg->direct);
	json_u64(j, "size", leg->lim.size);
}

void target_legs_json(struct target *t, struct json *j)
{
	json_open(j, "legs", '[');
	for (unsigned int i = 0; i < t->nr_legs; i++) {
		json_open(j, NULL, '{');
		target_leg_json(&t->legs[i], j);
		json_close(j, '}');
	}
	json_close(j, ']');
}

void target_legs_text(struct target *t, FILE *out)
{
	for (unsigned int i = 0; i < t->nr_legs; i++)
		fprintf(out, "  leg %u  %s%s\n", i, t->legs[i].absolute,
			t->legs[i].direct ? "" : "  (through the page cache)");
}
