// SPDX-License-Identifier: GPL-2.0
/*
 * mirror status: of a set that is served what its server says, of another one what is on its legs.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "cmd_mirror.h"
#include "log.h"
#include "mirror_find.h"
#include "mirror_show.h"
#include "uuid.h"

/* What the exit status says. */
enum { STATUS_WHOLE = 0, STATUS_DEGRADED = 1, STATUS_NOT_SERVED = 2 };

/* struct status_conf - the options' values, on the stack of cmd_mirror_status() */
struct status_conf {
	struct strlist paths;
	bool json;
};

static const struct opt status_opts[] = {
	{ .name = "leg", .letter = 'l', .type = OPT_LIST, .arg = "PATH",
	  .offset = offsetof(struct status_conf, paths),
	  .help = "a leg, to look at when the set is not served; give all [look at all block devices]" },
	{ .name = "json", .letter = 'j', .type = OPT_FLAG, .offset = offsetof(struct status_conf, json),
	  .help = "as JSON" },
	{ 0 }
};

static void status_show(const struct status_conf *conf, const struct mirror_status *s)
{
	struct json j;

	if (!conf->json) {
		mirror_show_text(s, stdout);
		return;
	}
	json_init(&j, stdout);
	mirror_show_json(&j, NULL, s);
	putchar('\n');
}

/* What its legs say of a set that is not served. */
static void status_show_stopped(const struct status_conf *conf, const struct candidate *c,
				const struct assembly *a)
{
	char uuid[UUID_TEXT], legs[FORMAT_LEGS][UUID_TEXT];
	struct mirror_status s = { .name = a->set.name, .uuid = uuid, .state = "stopped", .eta_s = -1 };

	uuid_text(a->set.uuid, uuid);
	for (unsigned int i = 0; i < a->set.nr; i++) {
		if (!super_is_leg(&a->set, i))
			continue;
		uuid_text(a->set.legs[i].uuid, legs[i]);
		s.legs[s.nr_legs++] = (struct mirror_leg_status){
			.slot = i,
			.path = mirror_leg_path(c, a, i),
			.uuid = legs[i],
			.state = mirror_leg_state(a, i),
			.write_mostly = a->set.legs[i].write_mostly,
		};
	}
	status_show(conf, &s);
}

static void status_stopped(const char *cmd, const struct status_conf *conf, const char *name)
{
	struct scan s = { 0 };
	struct candidate *c;
	struct assembly a;
	int nr = mirror_candidates(cmd, &conf->paths, name, &s, &c);

	if (nr >= 0) {
		/* Missing legs are told as such, and whether they may be is another command's. */
		mirror_decide(c, nr, true, &a);
		if (a.verdict == ASSEMBLE_REFUSE)
			log_err("%s: %s", cmd, a.text);
		if (a.set.nr && mirror_is_meant(cmd, &a, name))
			status_show_stopped(conf, c, &a);
	}
	free(c);
	scan_free(&s);
}

static int status_run(const char *cmd, const struct status_conf *conf, const char *name)
{
	const struct mirror_found *f;
	struct mirror_sets s = { 0 };
	int ret = mirror_sets_ask(&s, cmd), status = STATUS_NOT_SERVED;

	if (!ret)
		ret = mirror_sets_find(&s, cmd, name, &f);
	if (!ret) {
		status_show(conf, &f->status);
		status = f->status.whole ? STATUS_WHOLE : STATUS_DEGRADED;
	} else if (ret == -ENOENT) {
		status_stopped(cmd, conf, name);
	}
	mirror_sets_free(&s);
	return status;
}

int cmd_mirror_status(int argc, char **argv)
{
	struct status_conf conf = { 0 };
	const struct opt_group group = { status_opts, &conf };
	unsigned int nr_words;
	const char *name;
	int ret = opts_parse_words(argc, argv, &group, 1, &nr_words);

	if (ret == OPTS_HELP) {
		printf("usage: regbuf mirror status NAME [--leg PATH...] [--json]\n\n"
		       "Shows a set.  The exit status is 0 if it is whole, 1 if it is degraded, 2 if it is not\n"
		       "served.\n\n");
		opts_help(stdout, status_opts);
		return 0;
	}
	name = ret ? NULL : mirror_name_of(argv, nr_words);
	return name ? status_run(argv[0], &conf, name) : EXIT_USAGE;
}
