// SPDX-License-Identifier: GPL-2.0
/*
 * list: what the driver knows of a device, and what its server says of itself.  The driver
 * comes first, as a server may be dead, or one that this process cannot see: then its part
 * is left out, and why is said in its place.
 */
#include <errno.h>
#include <inttypes.h>
#include <linux/limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"
#include "control_ask.h"
#include "ctrl.h"
#include "identity.h"
#include "ids.h"
#include "json.h"
#include "log.h"
#include "opts.h"

/* struct list_conf - the options' values, on the stack of cmd_list() */
struct list_conf {
	unsigned int id;
	bool json;
};

static const struct opt list_opts[] = {
	{ .name = "id", .letter = 'n', .type = OPT_UINT, .arg = "ID", .max = ID_MAX,
	  .offset = offsetof(struct list_conf, id), .help = "this device only [all]" },
	{ .name = "json", .letter = 'j', .type = OPT_FLAG,
	  .offset = offsetof(struct list_conf, json), .help = "as JSON" },
	{ 0 }
};

static const char *list_state(unsigned int state)
{
	static const char *const names[] = {
		[UBLK_S_DEV_DEAD]	= "dead",
		[UBLK_S_DEV_LIVE]	= "live",
		[UBLK_S_DEV_QUIESCED]	= "quiesced",
	};

	return state < ARRAY_SIZE(names) ? names[state] : "unknown";
}

/* How data gets to and from the server: what the device itself knows of the mode. */
static const char *list_data(u64 flags)
{
	if (flags & UBLK_F_SUPPORT_ZERO_COPY)
		return "zero-copy";
	if (flags & UBLK_F_USER_COPY)
		return "user-copy";
	return flags & UBLK_F_NEED_GET_DATA ? "get-data" : "copy";
}

/*
 * What the server tells, to be freed; or NULL, and in @why what is not known and why,
 * as a part of a sentence.
 */
static char *list_ask_server(const struct ublksrv_ctrl_dev_info *info, const char *form, char *why)
{
	struct control_answer a;

	if (info->state != UBLK_S_DEV_LIVE) {
		snprintf(why, CONTROL_WHY_MAX, "no server");
		return NULL;
	}
	if (!identity_is_ours(info->ublksrv_flags)) {
		snprintf(why, CONTROL_WHY_MAX, "another program's server");
		return NULL;
	}
	if (control_ask(info->dev_id, info->ublksrv_pid, (const char *[]){ "list", form, NULL }, &a, why))
		return NULL;
	if (!a.err)
		return a.text;
	snprintf(why, CONTROL_WHY_MAX, "the server refuses: %s", a.text);
	free(a.text);
	return NULL;
}

/* The same.  A text that is not whole would leave the whole list unreadable. */
static char *list_ask(const struct ublksrv_ctrl_dev_info *info, const char *form, char *why)
{
	char *text = list_ask_server(info, form, why);

	if (!text || strcmp(form, "json") || json_is_whole(text))
		return text;
	snprintf(why, CONTROL_WHY_MAX, "the server's answer is not whole");
	free(text);
	return NULL;
}

/* Has somebody replaced the program that serves, as an upgrade does?  What is not seen from here has not. */
static bool list_program_is_old(const struct ublksrv_ctrl_dev_info *info)
{
	static const char deleted[] = " (deleted)";
	const size_t tail = sizeof(deleted) - 1;
	char path[32], exe[PATH_MAX];
	ssize_t len;

	if (info->state != UBLK_S_DEV_LIVE || !identity_is_ours(info->ublksrv_flags))
		return false;
	snprintf(path, sizeof(path), "/proc/%d/exe", info->ublksrv_pid);
	len = readlink(path, exe, sizeof(exe));
	return len > (ssize_t)tail && !memcmp(exe + len - tail, deleted, tail);
}

static void list_json(struct json *j, const struct ublksrv_ctrl_dev_info *info,
		      const struct ublk_params *p)
{
	char node[32], why[CONTROL_WHY_MAX], *text = list_ask(info, "json", why);

	snprintf(node, sizeof(node), "/dev/ublkb%u", info->dev_id);
	json_open(j, NULL, '{');
	json_u64(j, "id", info->dev_id);
	json_str(j, "node", node);
	json_str(j, "state", list_state(info->state));
	json_s64(j, "pid", info->ublksrv_pid);
	json_str(j, "data", list_data(info->flags));
	json_u64(j, "queues", info->nr_hw_queues);
	json_u64(j, "depth", info->queue_depth);
	json_u64(j, "max_io", info->max_io_buf_bytes);
	json_u64(j, "size", p->basic.dev_sectors << SECTOR_SHIFT);
	json_u64(j, "block", 1U << p->basic.logical_bs_shift);
	json_bool(j, "recovery", info->flags & UBLK_F_USER_RECOVERY);
	json_bool(j, "reissue", info->flags & UBLK_F_USER_RECOVERY_REISSUE);
	json_bool(j, "replaced", list_program_is_old(info));
	json_raw(j, "server", text);
	if (!text)
		json_str(j, "unseen", why);
	json_close(j, '}');
	free(text);
}

static void list_text(const struct ublksrv_ctrl_dev_info *info, const struct ublk_params *p)
{
	char why[CONTROL_WHY_MAX], *text = list_ask(info, "text", why);
	char *rest = text ? strchr(text, '\n') : NULL;

	if (rest)
		*rest++ = '\0';
	printf("/dev/ublkb%u  %s", info->dev_id, list_state(info->state));
	if (info->state == UBLK_S_DEV_LIVE)
		printf("  pid %d", info->ublksrv_pid);
	if (rest)
		printf("  %s", text);
	else
		printf("  (%s)", text ? "server says nothing of use" : why);
	printf("  %s  %u x %u  %" PRIu64 " bytes in blocks of %u\n", list_data(info->flags),
	       info->nr_hw_queues, info->queue_depth,
	       (u64)p->basic.dev_sectors << SECTOR_SHIFT, 1U << p->basic.logical_bs_shift);
	if (rest)
		fputs(rest, stdout);
	if (list_program_is_old(info))
		printf("  its server runs a program that was replaced since; a restart takes the new one\n");
	free(text);
}

static int list_one(struct ctrl *c, u32 id, struct json *j)
{
	struct ublksrv_ctrl_dev_info info;
	struct ublk_params params;
	int ret = ctrl_get_info(c, id, &info);

	if (ret)
		return ret;
	/* A device that is being made has none yet. */
	ctrl_get_params(c, id, &params);
	if (j)
		list_json(j, &info, &params);
	else
		list_text(&info, &params);
	return 0;
}

static int list_all(struct ctrl *c, u32 only, struct json *j)
{
	u32 *ids;
	int nr, ret;

	if (only != ID_ANY) {
		ret = list_one(c, only, j);
		if (ret == -ENODEV)
			log_err("list: device %u: there is none", only);
		else if (ret)
			log_err("list: device %u: %s", only, strerror(-ret));
		return ret;
	}
	nr = ctrl_list(&ids);
	if (nr < 0)
		log_err("list: the list of devices: %s", strerror(-nr));
	for (int i = 0; i < nr; i++) {
		ret = list_one(c, ids[i], j);
		/* It may have gone meanwhile. */
		if (ret && ret != -ENODEV)
			log_warn("list: device %u: %s", ids[i], strerror(-ret));
	}
	free(ids);
	return nr < 0 ? nr : 0;
}

int cmd_list(int argc, char **argv)
{
	struct list_conf conf = { .id = ID_ANY };
	const struct opt_group group = { list_opts, &conf };
	int ret = opts_parse(argc, argv, &group, 1);
	struct json j;
	struct ctrl c;

	if (ret == OPTS_HELP) {
		printf("usage: regbuf list [-n ID] [--json]\n\n");
		opts_help(stdout, list_opts);
		return 0;
	}
	if (ret)
		return EXIT_USAGE;
	if (ctrl_init(&c))
		return 1;
	if (conf.json) {
		json_init(&j, stdout);
		json_open(&j, NULL, '[');
	}
	ret = list_all(&c, conf.id, conf.json ? &j : NULL);
	if (conf.json) {
		json_close(&j, ']');
		putchar('\n');
	}
	ctrl_deinit(&c);
	return ret ? 1 : 0;
}
