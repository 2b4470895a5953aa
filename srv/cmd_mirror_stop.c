// SPDX-License-Identifier: GPL-2.0
/*
 * mirror stop: the device of a set goes, and its record says that it was stopped cleanly.  Other
 * than `del`, it refuses a device that is mounted: what is not written yet would be lost.
 */
#include <stdio.h>

#include "cmd.h"
#include "cmd_mirror.h"
#include "json.h"
#include "mirror_find.h"
#include "remove.h"

/* struct stop_conf - the options' values, on the stack of cmd_mirror_stop() */
struct stop_conf {
	bool json;
};

static const struct opt stop_opts[] = {
	{ .name = "json", .letter = 'j', .type = OPT_FLAG, .offset = offsetof(struct stop_conf, json),
	  .help = "print what was stopped as JSON" },
	{ 0 }
};

static int stop_device(struct ctrl *c, const char *cmd, const struct mirror_found *f, bool *removed)
{
	char what[128];

	snprintf(what, sizeof(what), "set %s", f->status.name);
	return remove_unused(c, cmd, what, f->id, removed);
}

static void stop_json(const struct mirror_status *s, bool removed)
{
	struct json j;

	json_init(&j, stdout);
	json_open(&j, NULL, '{');
	json_str(&j, "name", s->name);
	json_str(&j, "uuid", s->uuid);
	json_str(&j, "device", s->device);
	json_bool(&j, "removed", removed);
	json_close(&j, '}');
	putchar('\n');
}

static int stop_found(const char *cmd, const struct mirror_found *f, bool json)
{
	struct ctrl c;
	bool removed;
	int ret = ctrl_init(&c);

	if (ret)
		return ret;
	ret = stop_device(&c, cmd, f, &removed);
	ctrl_deinit(&c);
	if (!ret && json)
		stop_json(&f->status, removed);
	return ret;
}

static int stop_run(const char *cmd, const char *name, bool json)
{
	const struct mirror_found *f;
	struct mirror_sets s = { 0 };
	int ret = mirror_sets_served(&s, cmd, name, &f);

	if (!ret)
		ret = stop_found(cmd, f, json);
	mirror_sets_free(&s);
	return ret ? 1 : 0;
}

int cmd_mirror_stop(int argc, char **argv)
{
	struct stop_conf conf = { 0 };
	const struct opt_group group = { stop_opts, &conf };
	unsigned int nr_words;
	const char *name;
	int ret = opts_parse_words(argc, argv, &group, 1, &nr_words);

	if (ret == OPTS_HELP) {
		printf("usage: regbuf mirror stop NAME [--json]\n\n"
		       "Removes the device of a set, and records that it was stopped cleanly.  A device that is\n"
		       "mounted, or used in another way, is left alone.\n\n");
		opts_help(stdout, stop_opts);
		return 0;
	}
	name = ret ? NULL : mirror_name_of(argv, nr_words);
	return name ? stop_run(argv[0], name, conf.json) : EXIT_USAGE;
}
