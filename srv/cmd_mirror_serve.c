// SPDX-License-Identifier: GPL-2.0
/* A set is served as `add` serves a target: what is its own is in targets/mirror. */
#include "cmd_mirror.h"
#include "targets/mirror/mirror.h"
#include "targets/targets.h"

/* What assemble() has decided, and where the legs are that are served. */
static void mirror_fill_set(struct mirror_set *set, const struct candidate *c, const struct assembly *a)
{
	set->assembly = *a;
	for (u32 left = mirror_set_uses(a); left; left &= left - 1) {
		unsigned int slot = __builtin_ctz(left);

		set->paths[slot] = c[a->leg[slot]].path;
		set->own[slot] = c[a->leg[slot]].super.own;
	}
}

int mirror_serve(const char *cmd, const struct candidate *c, const struct assembly *a,
		 struct mirror_serving *s)
{
	struct target *t = target_create(&target_mirror);
	struct mirror_set set = { 0 };
	int ret;

	if (!t)
		return 1;
	mirror_fill_set(&set, c, a);
	set.limits = s->limits;
	mirror_use_set(t, &set);
	ret = serving_run(cmd, &s->serving, t);
	target_destroy(t);
	return ret;
}
