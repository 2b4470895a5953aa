// SPDX-License-Identifier: GPL-2.0
/*
 * features: what the running kernel has (caps.h), and what each mode would lack.
 */
#include <stdio.h>

#include "caps.h"
#include "cmd.h"
#include "json.h"
#include "mode.h"
#include "opts.h"

/* struct features_conf - the options' values, on the stack of cmd_features() */
struct features_conf {
	bool json;
};

static const struct opt features_opts[] = {
	{ .name = "json", .letter = 'j', .type = OPT_FLAG,
	  .offset = offsetof(struct features_conf, json), .help = "as JSON" },
	{ 0 }
};

static void features_json(const struct caps *caps)
{
	const char *missing;
	struct json j;

	json_init(&j, stdout);
	json_open(&j, NULL, '{');
	json_open(&j, "ublk", '{');
	for (const struct cap_name *n = cap_names; n->bit; n++)
		json_bool(&j, n->name, caps->ublk & n->bit);
	json_close(&j, '}');
	json_open(&j, "io_uring", '{');
	json_bool(&j, "lent-buffers", caps->lends[LENDS_BY_OPERATION]);
	json_bool(&j, "fused-commands", caps->lends[LENDS_BY_FUSED]);
	json_close(&j, '}');
	json_open(&j, "modes", '{');
	for (const struct mode_ops *const *m = mode_list; *m; m++)
		json_bool(&j, (*m)->name, !mode_check(*m, caps, &missing));
	json_close(&j, '}');
	json_close(&j, '}');
	putchar('\n');
}

static void features_text(const struct caps *caps)
{
	printf("ublk\n");
	for (const struct cap_name *n = cap_names; n->bit; n++)
		printf("  %-22s %s\n", n->name, caps->ublk & n->bit ? "yes" : "no");
	printf("io_uring\n  %-22s %s\n", "lent-buffers",
	       caps->lends[LENDS_BY_OPERATION] ? "yes" : "no");
	printf("  %-22s %s\n", "fused-commands", caps->lends[LENDS_BY_FUSED] ? "yes" : "no");
	printf("modes\n");
	for (const struct mode_ops *const *m = mode_list; *m; m++) {
		const char *missing = NULL;

		if (mode_check(*m, caps, &missing))
			printf("  %-22s no: lacks %s\n", (*m)->name, missing);
		else
			printf("  %-22s yes\n", (*m)->name);
	}
}

int cmd_features(int argc, char **argv)
{
	struct features_conf conf = { 0 };
	const struct opt_group group = { features_opts, &conf };
	int ret = opts_parse(argc, argv, &group, 1);
	struct caps caps;
	struct ctrl c;

	if (ret == OPTS_HELP) {
		printf("usage: regbuf features [--json]\n\n");
		opts_help(stdout, features_opts);
		return 0;
	}
	if (ret)
		return EXIT_USAGE;
	if (ctrl_init(&c))
		return 1;
	ret = caps_probe(&c, &caps);
	ctrl_deinit(&c);
	if (ret)
		return 1;
	if (conf.json)
		features_json(&caps);
	else
		features_text(&caps);
	return 0;
}
