// SPDX-License-Identifier: GPL-2.0
/*
 * features: what the running kernel has (caps.h), and what each mode would lack.
 */
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "caps.h"
#include "cmd.h"
#include "installed.h"
#include "json.h"
#include "log.h"
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

/* struct kernels - the one that runs, and one of ours beside it; on the stack of cmd_features() */
struct kernels {
	struct utsname runs;
	char ours[256];	/* its release, "" for none */
};

static void kernels_find(struct kernels *k)
{
	uname(&k->runs);
	if (installed_kernel("/boot", k->ours, sizeof(k->ours)) && !strcmp(k->ours, k->runs.release))
		k->ours[0] = '\0';
}

/* Fused commands are for comparison: a kernel lends if the best mode does. */
static bool best_lends(const struct mode_ops *best)
{
	return best && best->lends;
}

static void features_json(const struct caps *caps, const struct kernels *k)
{
	const struct mode_ops *best = mode_best(caps, NULL);
	const char *missing;
	struct json j;

	json_init(&j, stdout);
	json_open(&j, NULL, '{');
	json_str(&j, "kernel", k->runs.release);
	json_bool(&j, "lends", best_lends(best));
	json_str(&j, "best_mode", best ? best->name : NULL);
	json_str(&j, "installed", k->ours[0] ? k->ours : NULL);
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

static void summary_text(const struct mode_ops *best, const struct kernels *k)
{
	const char *name = best ? best->name : "none";

	if (best_lends(best)) {
		printf("Linux %s lends buffers: the best mode is %s\n", k->runs.release, name);
		return;
	}
	printf("Linux %s lends no buffers: data is copied, the best mode is %s", k->runs.release, name);
	if (k->ours[0])
		printf("; %s is installed, and lends: boot it", k->ours);
	putchar('\n');
}

static void features_text(const struct caps *caps, const struct kernels *k)
{
	summary_text(mode_best(caps, NULL), k);
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

static int features_probe(struct caps *caps)
{
	struct ctrl c;
	int ret = ctrl_init(&c);

	if (ret)
		return ret;
	ret = caps_probe(&c, caps);
	ctrl_deinit(&c);
	return ret;
}

int cmd_features(int argc, char **argv)
{
	struct features_conf conf = { 0 };
	const struct opt_group group = { features_opts, &conf };
	int ret = opts_parse(argc, argv, &group, 1);
	struct kernels kernels;
	struct caps caps;

	if (ret == OPTS_HELP) {
		printf("usage: regbuf features [--json]\n\n");
		opts_help(stdout, features_opts);
		return 0;
	}
	if (ret)
		return EXIT_USAGE;
	kernels_find(&kernels);
	ret = features_probe(&caps);
	if (ret) {
		if (kernels.ours[0])
			log_warn("Linux %s is installed too, and lends", kernels.ours);
		return 1;
	}
	if (conf.json)
		features_json(&caps, &kernels);
	else
		features_text(&caps, &kernels);
	return 0;
}
