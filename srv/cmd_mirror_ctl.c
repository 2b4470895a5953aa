// SPDX-License-Identifier: GPL-2.0
/*
 * mirror fail, remove, add, replace, mark, check, repair, limits: each is one command to the server of the set
 * (targets/mirror/ops.h).  What it begins goes on when this command is interrupted.
 */
#include <errno.h>
#include <inttypes.h>
#include <linux/limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "cmd.h"
#include "cmd_mirror.h"
#include "log.h"
#include "mirror_find.h"
#include "mirror_show.h"

/* How often progress is looked at, and told where nobody looks at a terminal. */
#define CTL_LOOK_MS	250
#define CTL_TELL_MS	10000

/* struct ctl_conf - the options' values, on the stack of cmd_mirror_ctl() */
struct ctl_conf {
	const char *leg, *with;
	bool write_mostly, read;
	bool wait;
	bool json;
	struct mirror_limits limits;
};

#define CTL_LEG(text) \
	{ .name = "leg", .letter = 'l', .type = OPT_STR, .arg = "PATH", \
	  .offset = offsetof(struct ctl_conf, leg), .help = text }
#define CTL_WITH \
	{ .name = "with", .letter = 'w', .type = OPT_STR, .arg = "PATH", \
	  .offset = offsetof(struct ctl_conf, with), .help = "the new leg" }
#define CTL_FLAG(flag, member, text) \
	{ .name = flag, .type = OPT_FLAG, .offset = offsetof(struct ctl_conf, member), .help = text }
#define CTL_WAIT \
	{ .name = "wait", .type = OPT_FLAG, .offset = offsetof(struct ctl_conf, wait), \
	  .help = "until it is done, and tell how far it is" }
#define CTL_JSON \
	{ .name = "json", .letter = 'j', .type = OPT_FLAG, .offset = offsetof(struct ctl_conf, json), \
	  .help = "print the set as JSON, as it is then" }

#define CTL_OLD "a leg, as 'status' names it: its path, or its UUID if it is not here"

static const struct opt ctl_leg_opts[] = { CTL_LEG(CTL_OLD), CTL_JSON, { 0 } };
static const struct opt ctl_add_opts[] = {
	CTL_LEG("the new leg, or one that was away"),
	CTL_FLAG("write-mostly", write_mostly, "read it only if no other leg can be [as it was, if it was away]"),
	CTL_WAIT, CTL_JSON, { 0 }
};
static const struct opt ctl_replace_opts[] = { CTL_LEG(CTL_OLD), CTL_WITH, CTL_WAIT, CTL_JSON, { 0 } };
static const struct opt ctl_mark_opts[] = {
	CTL_LEG(CTL_OLD), CTL_FLAG("write-mostly", write_mostly, "read it only if no other leg can be"),
	CTL_FLAG("read", read, "read it as any leg"), CTL_JSON, { 0 }
};
static const struct opt ctl_check_opts[] = { CTL_WAIT, CTL_JSON, { 0 } };
static const struct opt ctl_limits_opts[] = { CTL_JSON, { 0 } };

/* The commands.  @leg, @with: these options are needed.  @mark: one of two, @limits: one of mirror_limit_opts is. */
static const struct ctl {
	const char *name;
	const char *usage, *help;
	const struct opt *opts;
	bool leg, with, mark, limits;
} ctls[] = {
	{ .name = "fail", .usage = "--leg PATH", .opts = ctl_leg_opts, .leg = true,
	  .help = "Takes a leg for failed: it is not used any more, and is let go of." },
	{ .name = "remove", .usage = "--leg PATH", .opts = ctl_leg_opts, .leg = true,
	  .help = "Takes a leg out of the set for good.  The last one in sync is refused." },
	{ .name = "add", .usage = "--leg PATH [--write-mostly] [--wait]", .opts = ctl_add_opts, .leg = true,
	  .help = "Puts a leg into the set, and copies to it.  To a leg that was away, only what it has missed." },
	{ .name = "replace", .usage = "--leg PATH --with PATH [--wait]", .opts = ctl_replace_opts, .leg = true, .with = true,
	  .help = "Copies to a new leg while the old one is in use, and takes the old one out then." },
	{ .name = "mark", .usage = "--leg PATH --write-mostly | --read", .opts = ctl_mark_opts, .leg = true, .mark = true,
	  .help = "Says whether a leg is read as any other, or only if no other one can be.  The set remembers that." },
	{ .name = "check", .usage = "[--wait]", .opts = ctl_check_opts,
	  .help = "Compares the legs.  With --wait the exit status is 1 if they differ." },
	{ .name = "repair", .usage = "[--wait]", .opts = ctl_check_opts,
	  .help = "Compares the legs, and makes them equal where they differ." },
	{ .name = "limits", .usage = "--LIMIT VALUE...", .opts = ctl_limits_opts, .limits = true,
	  .help = "Changes limits of a set until its server ends.  'status --json' shows them." },
};

static const struct ctl *ctl_find(const char *cmd)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(ctls); i++)
		if (!strcmp(cmd + strlen("mirror "), ctls[i].name))
			return &ctls[i];
	return NULL;
}

/* Waiting. */

static void ctl_tell(const struct mirror_status *s, u64 *told_at)
{
	bool terminal = isatty(STDERR_FILENO);
	u64 now = clock_ms();
	char text[128];

	if (!terminal && now < *told_at + CTL_TELL_MS)
		return;
	*told_at = now;
	mirror_show_progress(s, text, sizeof(text));
	fprintf(stderr, terminal ? "\r\033[K%s" : "%s\n", text);
}

/* Until nothing goes through the set any more.  0 and the last status in *f; -errno after a message. */
static int ctl_wait(const char *cmd, const struct mirror_found *set, struct mirror_found *f)
{
	char why[CONTROL_WHY_MAX];
	u64 told_at = clock_ms();
	bool told = false;
	int ret;

	for (;;) {
		ret = mirror_ask(f, set->id, why);
		if (ret || !f->status.work || strcmp(f->status.uuid, set->status.uuid))
			break;
		ctl_tell(&f->status, &told_at);
		told = true;
		mirror_found_free(f);
		usleep(CTL_LOOK_MS * 1000);
	}
	if (told && isatty(STDERR_FILENO))
		fprintf(stderr, "\r\033[K");
	if (!ret && !strcmp(f->status.uuid, set->status.uuid))
		return 0;
	log_err("%s: set %s: %s", cmd, set->status.name, ret ? why : "its server has ended");
	mirror_found_free(f);
	return ret ? ret : -ENOENT;
}

/* The command. */

/* The server has another working directory.  What is no file may be a leg that is not here. */
static const char *ctl_path(const char *path, char *absolute)
{
	char cwd[PATH_MAX];

	/* Where a link there leads may be another disk tomorrow: its name is what is kept. */
	if (!strncmp(path, "/dev/", strlen("/dev/")))
		return path;
	if (realpath(path, absolute))
		return absolute;
	if (*path == '/' || !strchr(path, '/') || !getcwd(cwd, sizeof(cwd)) ||
	    snprintf(absolute, PATH_MAX, "%s/%s", cwd, path) >= PATH_MAX)
		return path;
	return absolute;
}

static int ctl_send(const char *cmd, const struct ctl *ctl, const struct ctl_conf *conf,
		    const struct mirror_found *f)
{
	char leg[PATH_MAX], with[PATH_MAX], why[CONTROL_WHY_MAX], limits[MIRROR_LIMITS_NR][MIRROR_LIMIT_WORD];
	const char *words[CONTROL_WORDS] = { ctl->name };
	struct control_answer a;
	int ret;

	if (ctl->leg)
		words[1] = ctl_path(conf->leg, leg);
	if (ctl->with)
		words[2] = ctl_path(conf->with, with);
	if (conf->write_mostly || conf->read)
		words[2] = conf->read ? "read" : "write-mostly";
	for (unsigned int i = ctl->limits ? mirror_limits_words(&conf->limits, limits) : 0; i; i--)
		words[i] = limits[i - 1];
	ret = control_ask(f->id, 0, words, &a, why);
	if (ret) {
		log_err("%s: set %s: %s", cmd, f->status.name, why);
		return ret;
	}
	if (a.err)
		log_err("%s: set %s: %s", cmd, f->status.name, a.text);
	free(a.text);
	return a.err;
}

/* Is the leg in sync, for which it was waited? */
static int ctl_check_leg(const char *cmd, const struct mirror_status *s, const char *path)
{
	for (unsigned int i = 0; i < s->nr_legs; i++) {
		const struct mirror_leg_status *l = &s->legs[i];

		if (!l->path || strcmp(l->path, path))
			continue;
		if (!strcmp(l->state, "in-sync"))
			return 0;
		log_err("%s: set %s: leg %s is %s%s%s", cmd, s->name, path, l->state, l->error ? ": " : "",
			l->error ? l->error : "");
		return -EIO;
	}
	log_err("%s: set %s: %s is no leg of it any more", cmd, s->name, path);
	return -ENOENT;
}

/* What is to be told when it is done, or has begun. */
static int ctl_end(const char *cmd, const struct ctl_conf *conf, const struct mirror_found *set)
{
	char why[CONTROL_WHY_MAX], path[PATH_MAX];
	struct mirror_found f;
	struct json j;
	int ret = 0;

	if (!conf->wait && !conf->json)
		return 0;
	ret = conf->wait ? ctl_wait(cmd, set, &f) : mirror_ask(&f, set->id, why);
	if (ret && !conf->wait)
		log_err("%s: set %s: %s", cmd, set->status.name, why);
	if (ret)
		return ret;
	if (conf->json) {
		json_init(&j, stdout);
		mirror_show_json(&j, NULL, &f.status);
		putchar('\n');
	}
	if (conf->wait && conf->leg)
		ret = ctl_check_leg(cmd, &f.status, ctl_path(conf->with ? conf->with : conf->leg, path));
	if (conf->wait && f.status.mismatches && !strcmp(cmd, "mirror check")) {
		log_err("%s: set %s: %" PRIu64 " mismatches: 'regbuf mirror repair %s' makes the legs equal", cmd,
			f.status.name, f.status.mismatches, f.status.name);
		ret = -EILSEQ;
	}
	mirror_found_free(&f);
	return ret;
}

static int ctl_run(const char *cmd, const struct ctl *ctl, const struct ctl_conf *conf, const char *name)
{
	const struct mirror_found *f;
	struct mirror_sets s = { 0 };
	int ret = mirror_sets_served(&s, cmd, name, &f);

	if (!ret)
		ret = ctl_send(cmd, ctl, conf, f);
	if (!ret)
		ret = ctl_end(cmd, conf, f);
	mirror_sets_free(&s);
	return ret ? 1 : 0;
}

static int ctl_check(const char *cmd, const struct ctl *ctl, const struct ctl_conf *conf)
{
	bool leg = ctl->leg && !(conf->leg && *conf->leg), with = ctl->with && !(conf->with && *conf->with);
	char words[MIRROR_LIMITS_NR][MIRROR_LIMIT_WORD];

	if (leg || with) {
		log_err("%s: --%s PATH is missing", cmd, leg ? "leg" : "with");
		return -EINVAL;
	}
	if (ctl->mark && conf->write_mostly == conf->read) {
		log_err("%s: right is --write-mostly or --read, one of them", cmd);
		return -EINVAL;
	}
	if (ctl->limits && !mirror_limits_words(&conf->limits, words)) {
		log_err("%s: right is one limit or more; '--help' lists them", cmd);
		return -EINVAL;
	}
	return 0;
}

int cmd_mirror_ctl(int argc, char **argv)
{
	const struct ctl *ctl = ctl_find(argv[0]);
	struct ctl_conf conf = { .limits = MIRROR_LIMITS_UNSET };
	const struct opt_group groups[] = { { ctl->opts, &conf }, { mirror_limit_opts, &conf.limits } };
	unsigned int nr_words;
	const char *name;
	int ret = opts_parse_words(argc, argv, groups, ctl->limits ? 2 : 1, &nr_words);

	if (ret == OPTS_HELP) {
		printf("usage: regbuf %s NAME %s [--json]\n\n%s\n\n", argv[0], ctl->usage, ctl->help);
		if (ctl->limits)
			opts_help(stdout, mirror_limit_opts);
		opts_help(stdout, ctl->opts);
		return 0;
	}
	name = ret ? NULL : mirror_name_of(argv, nr_words);
	if (!name || ctl_check(argv[0], ctl, &conf))
		return EXIT_USAGE;
	return ctl_run(argv[0], ctl, &conf, name);
}
