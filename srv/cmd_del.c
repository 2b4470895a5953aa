// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "ctrl.h"
#include "ids.h"
#include "json.h"
#include "log.h"
#include "opts.h"
#include "remove.h"
#include "resume.h"

/* struct del_conf - the options' values, on the stack of cmd_del() */
struct del_conf {
	unsigned int id;
	const char *name;
	bool all;
	bool unused;
	bool json;
};

static const struct opt del_opts[] = {
	{ .name = "id", .letter = 'n', .type = OPT_UINT, .arg = "ID", .max = ID_MAX,
	  .offset = offsetof(struct del_conf, id), .help = "the device /dev/ublkbID" },
	{ .name = "name", .type = OPT_STR, .arg = "NAME",
	  .offset = offsetof(struct del_conf, name), .help = "the device that was given this name, whichever number it has" },
	{ .name = "all", .letter = 'a', .type = OPT_FLAG,
	  .offset = offsetof(struct del_conf, all), .help = "every ublk device" },
	{ .name = "if-unused", .type = OPT_FLAG,
	  .offset = offsetof(struct del_conf, unused), .help = "leave one that is mounted, or used in another way, as it is" },
	{ .name = "json", .letter = 'j', .type = OPT_FLAG,
	  .offset = offsetof(struct del_conf, json), .help = "print what was removed as JSON" },
	{ 0 }
};

static void del_json(struct json *j, u32 id, bool removed)
{
	char node[32];

	snprintf(node, sizeof(node), "/dev/ublkb%u", id);
	json_open(j, NULL, '{');
	json_u64(j, "id", id);
	json_str(j, "node", node);
	json_bool(j, "removed", removed);
	json_close(j, '}');
}

/* The same, unless it is in use. */
static int del_unused(struct ctrl *c, u32 id, bool *removed)
{
	struct ublksrv_ctrl_dev_info info;
	char what[32];

	/* Nobody can use what was not started, or was stopped.  Who says that there is none, says it better. */
	if (ctrl_get_info(c, id, &info) || info.state == UBLK_S_DEV_DEAD)
		return remove_device(c, "del", id, removed);
	snprintf(what, sizeof(what), "device %u", id);
	return remove_unused(c, "del", what, id, removed);
}

/* @j: NULL, or an open array to tell of it in. */
static int del_one(struct ctrl *c, u32 id, bool unused, struct json *j)
{
	bool removed;
	int ret = unused ? del_unused(c, id, &removed) : remove_device(c, "del", id, &removed);

	if (!ret && j)
		del_json(j, id, removed);
	return ret;
}

static int del_all(struct ctrl *c, bool unused, struct json *j)
{
	u32 *ids;
	int nr = ctrl_list(&ids), ret = 0;

	if (nr < 0) {
		log_err("del: the list of devices: %s", strerror(-nr));
		ret = nr;
	}
	for (int i = 0; i < nr; i++)
		if (del_one(c, ids[i], unused, j))
			ret = 1;
	free(ids);
	return ret;
}

static int del_run(struct ctrl *c, const struct del_conf *conf)
{
	struct json j, *out = conf->json ? &j : NULL;
	int ret;

	if (out) {
		json_init(out, stdout);
		json_open(out, NULL, '[');
	}
	ret = conf->all ? del_all(c, conf->unused, out) : del_one(c, conf->id, conf->unused, out);
	if (out) {
		json_close(out, ']');
		putchar('\n');
	}
	return ret;
}

int cmd_del(int argc, char **argv)
{
	struct del_conf conf = { .id = ID_ANY };
	const struct opt_group group = { del_opts, &conf };
	struct ctrl c;
	int ret = opts_parse(argc, argv, &group, 1);

	if (ret == OPTS_HELP) {
		printf("usage: regbuf del -n ID | --name NAME | -a [--if-unused] [--json]\n\n"
		       "Stops a device, mounted or not, and removes it; its server ends.\n\n");
		opts_help(stdout, del_opts);
		return 0;
	}
	if (!ret && conf.all + (conf.id != ID_ANY) + !!conf.name != 1) {
		log_err("del: right is one of -n ID, --name NAME and -a");
		ret = -EINVAL;
	}
	if (ret || (conf.name && !resume_check_name("del", conf.name)))
		return EXIT_USAGE;
	if (conf.name && resume_id("del", conf.name, &conf.id))
		return 1;
	if (ctrl_init(&c))
		return 1;
	ret = del_run(&c, &conf);
	ctrl_deinit(&c);
	return ret ? 1 : 0;
}
