// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "onetarget.h"

#define LEG_BYTES	(4U << 20)

static char dir[] = "/tmp/onetarget.XXXXXX";
static struct step steps[MAX_STEPS];
static u64 state[32];	/* of the request; targets' own */

struct onetarget one = { .io = { .steps = steps, .tio = state } };
const int one_good[MAX_LEGS];

void one_begin(void)
{
	must(mkdtemp(dir), "%s: %s", dir, strerror(errno));
	for (unsigned int i = 0; i < ARRAY_SIZE(one.paths); i++) {
		int fd;

		snprintf(one.paths[i], sizeof(one.paths[i]), "%s/%u", dir, i);
		fd = open(one.paths[i], O_CREAT | O_RDWR | O_CLOEXEC, 0600);
		must(fd >= 0 && !ftruncate(fd, LEG_BYTES), "%s: %s", one.paths[i], strerror(errno));
		close(fd);
	}
}

void one_end(void)
{
	target_destroy(one.t);
	for (unsigned int i = 0; i < ARRAY_SIZE(one.paths); i++)
		unlink(one.paths[i]);
	rmdir(dir);
}

struct target *one_make(const char *name, unsigned int nr_legs)
{
	struct target *made = target_create(target_find(name));

	/* Every target with legs has their list first in its options. */
	for (unsigned int i = 0; i < nr_legs; i++) {
		struct strlist *legs = made->conf;

		legs->v[legs->nr++] = one.paths[i];
	}
	return made;
}

struct target *one_make_with(const char *name, unsigned int nr_legs, const char *option, const char *value)
{
	struct target *made = one_make(name, nr_legs);
	struct opt_group group = { made->ops->opts, made->conf };

	if (option)
		must(!opts_parse(3, (char *[]){ "add", (char *)option, (char *)value, NULL }, &group, 1), "%s %s",
		     option, value);
	return made;
}

void one_start(struct target *made)
{
	one.t = made;
	if (made->ops->check)
		must(!made->ops->check(made), "options of %s", made->ops->name);
	must(!made->ops->open(made), "opening %s", made->ops->name);
	if (made->ops->start)
		must(!made->ops->start(made, 1), "starting %s", made->ops->name);
	one.tq = made->ops->queue ? made->ops->queue(made, 0, NULL) : NULL;
}

enum verdict one_request(u8 op, u64 off, u32 len)
{
	one.io.op = op;
	one.io.off = off;
	one.io.len = len;
	one.io.nr_steps = 0;
	return one.t->ops->plan(one.t, one.tq, &one.io);
}

enum verdict one_settle(const int *res)
{
	for (unsigned int i = 0; i < one.io.nr_steps; i++) {
		one.io.steps[i].state = STEP_DONE;
		one.io.steps[i].res = res[one.io.steps[i].leg];
	}
	return one.t->ops->settle(one.t, one.tq, &one.io);
}

const char *one_status(void)
{
	static char text[4096];
	FILE *f = fmemopen(text, sizeof(text), "w");
	struct json j;

	json_init(&j, f);
	one.t->ops->status_json(one.t, &j);
	fclose(f);
	return text;
}
