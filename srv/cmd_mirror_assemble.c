// SPDX-License-Identifier: GPL-2.0
/*
 * mirror assemble: find the legs of a set, decide whether they can be served, and serve them.
 * assemble.h decides; this file brings it the legs, and tells what it said.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "cmd_mirror.h"
#include "log.h"
#include "uuid.h"

/* struct assemble_conf - the options' values, on the stack of cmd_mirror_assemble() */
struct assemble_conf {
	struct strlist paths;
	struct mirror_serving serving;
};

static const struct opt assemble_opts[] = {
	{ .name = "leg", .letter = 'l', .type = OPT_LIST, .arg = "PATH",
	  .offset = offsetof(struct assemble_conf, paths), .help = "a leg; give all of them [look at all block devices]" },
	{ .name = "degraded", .type = OPT_FLAG, .offset = offsetof(struct assemble_conf, serving.degraded),
	  .help = "serve although legs are missing, which are stale then" },
	{ .name = "recover", .type = OPT_FLAG, .offset = offsetof(struct assemble_conf, serving.serving.launch.recover),
	  .help = "serve device -n ID, made with --recovery, whose server died" },
	{ .name = "dry-run", .type = OPT_FLAG, .offset = offsetof(struct assemble_conf, serving.dry_run),
	  .help = "say what would be served, and change nothing" },
	{ 0 }
};

/* What is told. */

static const char *assemble_verdict_name(enum assemble_verdict verdict)
{
	static const char *const names[] = {
		[ASSEMBLE_SERVE]	= "serve",
		[ASSEMBLE_RESYNC]	= "resync",
		[ASSEMBLE_DEGRADED]	= "degraded",
		[ASSEMBLE_REFUSE]	= "refuse",
	};

	return names[verdict];
}

static const char *assemble_reason_name(enum assemble_reason reason)
{
	static const char *const names[] = {
		[ASSEMBLE_FINE]			= "fine",
		[ASSEMBLE_FOREIGN]		= "foreign",
		[ASSEMBLE_NEWER]		= "newer",
		[ASSEMBLE_MIXED]		= "mixed",
		[ASSEMBLE_TWICE]		= "twice",
		[ASSEMBLE_SPLIT]		= "split",
		[ASSEMBLE_CONTRADICTION]	= "contradiction",
		[ASSEMBLE_STRANGER]		= "stranger",
		[ASSEMBLE_NO_LEG]		= "no-leg",
		[ASSEMBLE_MISSING]		= "missing",
	};

	return names[reason];
}

const char *mirror_leg_state(const struct assembly *a, unsigned int slot)
{
	return a->missing >> slot & 1 ? "missing" : leginfo_state_name(a->set.legs[slot].state);
}

const char *mirror_leg_path(const struct candidate *c, const struct assembly *a, unsigned int slot)
{
	return a->leg[slot] < 0 ? NULL : c[a->leg[slot]].path;
}

static void assemble_json_legs(struct json *j, const struct candidate *c, const struct assembly *a)
{
	json_open(j, "legs", '[');
	for (unsigned int i = 0; i < a->set.nr; i++) {
		if (a->set.legs[i].state == FORMAT_EMPTY)
			continue;
		json_open(j, NULL, '{');
		json_u64(j, "slot", i);
		json_name(j, "path", mirror_leg_path(c, a, i));
		mirror_json_uuid(j, "uuid", a->set.legs[i].uuid);
		json_str(j, "state", mirror_leg_state(a, i));
		json_bool(j, "serve", a->serve >> i & 1);
		json_close(j, '}');
	}
	json_close(j, ']');
}

/* Without a set when none was agreed on. */
static void assemble_json(const struct candidate *c, const struct assembly *a)
{
	struct json j;

	json_init(&j, stdout);
	json_open(&j, NULL, '{');
	json_str(&j, "verdict", assemble_verdict_name(a->verdict));
	json_str(&j, "reason", assemble_reason_name(a->reason));
	json_str(&j, "text", a->text);
	if (a->set.nr) {
		json_str(&j, "name", a->set.name);
		mirror_json_uuid(&j, "uuid", a->set.uuid);
		json_u64(&j, "event", a->set.event.nr);
		json_u64(&j, "size", a->set.size);
		json_u64(&j, "block", 1U << a->set.lbs_shift);
		mirror_json_source(&j, a->source);
		assemble_json_legs(&j, c, a);
	}
	json_close(&j, '}');
	putchar('\n');
}

static void assemble_text(const struct candidate *c, const struct assembly *a)
{
	char uuid[UUID_TEXT];

	uuid_text(a->set.uuid, uuid);
	printf("set %s, %s, %" PRIu64 " bytes in blocks of %u\n", a->set.name, uuid, a->set.size,
	       1U << a->set.lbs_shift);
	for (unsigned int i = 0; i < a->set.nr; i++) {
		const char *path = mirror_leg_path(c, a, i);

		if (!super_is_leg(&a->set, i))
			continue;
		uuid_text(a->set.legs[i].uuid, uuid);
		printf("  slot %-2u  %-10s  %s  %s\n", i, mirror_leg_state(a, i), uuid, path ? path : "not here");
	}
	if (a->verdict == ASSEMBLE_RESYNC)
		printf("legs may differ: slot %u is read there\n", a->source);
}

/* Which legs are not here, and what the others know of them. */
static void assemble_tell_missing(const char *cmd, const struct assembly *a)
{
	char uuid[UUID_TEXT];

	for (u32 rest = a->missing; rest; rest &= rest - 1) {
		unsigned int slot = __builtin_ctz(rest);
		const struct super_leg *leg = &a->set.legs[slot];

		uuid_text(leg->uuid, uuid);
		log_err("%s: slot %u is leg %s, which had event %" PRIu64 " of the set's %" PRIu64, cmd, slot,
			uuid, leg->held.nr, a->set.event.nr);
	}
}

bool mirror_is_meant(const char *cmd, const struct assembly *a, const char *name)
{
	char text[UUID_TEXT];

	if (!name || !strcmp(name, a->set.name) || uuid_is(name, a->set.uuid))
		return true;
	uuid_text(a->set.uuid, text);
	log_err("%s: the legs are of set %s (%s), not of %s: give the legs of that one, or the right name",
		cmd, a->set.name, text, name);
	return false;
}

void mirror_decide(const struct candidate *c, unsigned int nr, bool degraded, struct assembly *a)
{
	size_t len;

	assemble(c, nr, degraded, a);
	/* Notes that nothing follows end in a blank. */
	len = strlen(a->text);
	if (len && a->text[len - 1] == ' ')
		a->text[len - 1] = '\0';
}

int mirror_assemble(const char *cmd, const struct candidate *c, unsigned int nr, const char *name,
		    struct mirror_serving *s)
{
	struct assembly a;

	mirror_decide(c, nr, s->degraded, &a);
	if (a.set.nr && !mirror_is_meant(cmd, &a, name))
		return 1;
	if (s->dry_run && s->serving.launch.json)
		assemble_json(c, &a);
	if (a.verdict == ASSEMBLE_REFUSE || a.verdict == ASSEMBLE_DEGRADED) {
		log_err("%s: %s", cmd, a.text);
		assemble_tell_missing(cmd, &a);
		return 1;
	}
	if (a.text[0])
		log_warn("%s: %s", cmd, a.text);
	if (!s->dry_run)
		return mirror_serve(cmd, c, &a, s);
	if (!s->serving.launch.json)
		assemble_text(c, &a);
	return 0;
}

/* The legs. */

/* All that were given: one that does not belong there is a mistake, and refused. */
static int assemble_named(const char *cmd, const struct scan *s, struct candidate *c)
{
	for (unsigned int i = 0; i < s->nr; i++) {
		c[i] = leginfo_candidate(&s->legs[i]);
		if (s->legs[i].err && s->legs[i].err != -ENOENT)
			log_warn("%s: %s", cmd, s->legs[i].why.text);
	}
	return s->nr;
}

/* Of all devices, those that are of the set.  How many; -errno after a message. */
static int assemble_found(const char *cmd, const struct scan *s, const char *name, struct candidate *c)
{
	u8 uuid[UUID_BYTES];
	struct scan_why why;
	int ret, nr = 0;

	if (s->denied)
		log_warn("%s: %u block devices may not be read, and are left out; root may", cmd, s->denied);
	ret = scan_choose(s->legs, s->nr, name, uuid, &why);
	if (ret) {
		log_err("%s: %s", cmd, why.text);
		return ret;
	}
	for (unsigned int i = 0; i < s->nr; i++) {
		if (!scan_is_of(&s->legs[i], uuid))
			continue;
		if (s->legs[i].err)
			log_warn("%s: %s", cmd, s->legs[i].why.text);
		c[nr++] = leginfo_candidate(&s->legs[i]);
	}
	return nr;
}

int mirror_candidates(const char *cmd, const struct strlist *paths, const char *name, struct scan *s,
		      struct candidate **c)
{
	int ret = paths->nr ? scan_named(s, paths) : scan_devices(s);

	*c = NULL;
	if (ret)
		return ret;
	*c = calloc(s->nr ? s->nr : 1, sizeof(**c));
	if (!*c) {
		log_err("%s: memory for %u legs: %s", cmd, s->nr, strerror(ENOMEM));
		return -ENOMEM;
	}
	return paths->nr ? assemble_named(cmd, s, *c) : assemble_found(cmd, s, name, *c);
}

static int assemble_run(const char *cmd, struct assemble_conf *conf, const char *name)
{
	struct candidate *c;
	struct scan s = { 0 };
	int ret = mirror_candidates(cmd, &conf->paths, name, &s, &c);

	ret = ret < 0 ? 1 : mirror_assemble(cmd, c, ret, name, &conf->serving);
	free(c);
	scan_free(&s);
	return ret;
}

static void assemble_help(void)
{
	printf("usage: regbuf mirror assemble [NAME] [--leg PATH...] [OPTIONS]\n\n"
	       "Finds the legs of a set and serves it.  NAME is the set's name or UUID; it may be left\n"
	       "out where there is one set only.  Of devices that are stacked the topmost is looked at.\n\n");
	opts_help(stdout, assemble_opts);
	opts_help(stdout, mirror_limit_opts);
	opts_help(stdout, serving_opts);
	serving_help_modes();
}

/* 0, OPTS_HELP, or -EINVAL after a message.  *name: the set's, or NULL. */
static int assemble_parse(int argc, char **argv, struct assemble_conf *conf, const char **name)
{
	const struct opt_group groups[] = {
		{ assemble_opts, conf }, { mirror_limit_opts, &conf->serving.limits },
		{ serving_opts, &conf->serving.serving },
	};
	unsigned int nr_words;
	int ret = opts_parse_words(argc, argv, groups, ARRAY_SIZE(groups), &nr_words);

	if (ret)
		return ret;
	*name = nr_words ? argv[1] : NULL;
	if (nr_words > 1) {
		log_err("%s: %s: right is one NAME; legs are given as --leg PATH", argv[0], argv[2]);
		return -EINVAL;
	}
	if (conf->serving.serving.launch.recover && conf->serving.serving.launch.device.id == ID_ANY) {
		log_err("%s: --recover: -n ID is missing", argv[0]);
		return -EINVAL;
	}
	return mirror_limits_are_right(argv[0], &conf->serving.limits) ? 0 : -EINVAL;
}

int cmd_mirror_assemble(int argc, char **argv)
{
	struct assemble_conf conf = { .serving = MIRROR_SERVING_DEFAULTS };
	const char *name;
	int ret = assemble_parse(argc, argv, &conf, &name);

	if (ret == OPTS_HELP) {
		assemble_help();
		return 0;
	}
	return ret ? EXIT_USAGE : assemble_run(argv[0], &conf, name);
}

int cmd_mirror_assemble_check(int argc, char **argv)
{
	struct assemble_conf conf = { .serving = MIRROR_SERVING_DEFAULTS };
	const char *name;

	return assemble_parse(argc, argv, &conf, &name) ? EXIT_USAGE : 0;
}
