// SPDX-License-Identifier: GPL-2.0
/*
 * mirror: sets of legs that keep a record.  The table of subcommands, and what they share.
 */
#include <stdio.h>
#include <string.h>

#include "cmd.h"
#include "cmd_mirror.h"
#include "log.h"
#include "targets/mirror/format.h"
#include "uuid.h"

/* @cmd: argv[0] of the subcommand, for its messages */
static const struct {
	const char *name;
	char *cmd;
	int (*run)(int argc, char **argv);
	const char *help;
} subcommands[] = {
	{ "create",	"mirror create",	cmd_mirror_create,	"make a set of legs, with a record on each" },
	{ "assemble",	"mirror assemble",	cmd_mirror_assemble,	"find the legs of a set, and serve it" },
	{ "stop",	"mirror stop",		cmd_mirror_stop,	"end a set that is served, cleanly" },
	{ "status",	"mirror status",	cmd_mirror_status,	"show a set, its legs and its health" },
	{ "monitor",	"mirror monitor",	cmd_mirror_monitor,	"tell what happens to sets, as it happens" },
	{ "fail",	"mirror fail",		cmd_mirror_ctl,		"take a leg for failed" },
	{ "remove",	"mirror remove",	cmd_mirror_ctl,		"take a leg out of its set" },
	{ "add",	"mirror add",		cmd_mirror_ctl,		"put a leg into a set, and copy to it" },
	{ "replace",	"mirror replace",	cmd_mirror_ctl,		"copy to a new leg, and take the old one out then" },
	{ "mark",	"mirror mark",		cmd_mirror_ctl,		"say whether a leg is read as any other" },
	{ "check",	"mirror check",		cmd_mirror_ctl,		"compare the legs" },
	{ "repair",	"mirror repair",	cmd_mirror_ctl,		"the same, and make them equal" },
	{ "limits",	"mirror limits",	cmd_mirror_ctl,		"change how fast legs are copied, and when one is failed" },
	{ "examine",	"mirror examine",	cmd_mirror_examine,	"show the record on a leg" },
};

static void mirror_usage(FILE *out)
{
	fprintf(out, "usage: regbuf mirror SUBCOMMAND [OPTIONS]\n\n"
		"A mirror that keeps a record on its legs.\n\n");
	for (unsigned int i = 0; i < ARRAY_SIZE(subcommands); i++)
		fprintf(out, "  %-10s %s\n", subcommands[i].name, subcommands[i].help);
	fprintf(out, "\n'regbuf mirror SUBCOMMAND --help' tells the options of a subcommand.\n");
}

int cmd_mirror(int argc, char **argv)
{
	if (argc < 2) {
		mirror_usage(stderr);
		return EXIT_USAGE;
	}
	if (opts_is_help(argv[1])) {
		mirror_usage(stdout);
		return 0;
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(subcommands); i++)
		if (!strcmp(argv[1], subcommands[i].name)) {
			argv[1] = subcommands[i].cmd;
			return subcommands[i].run(argc - 1, argv + 1);
		}
	log_err("mirror %s: no such subcommand; 'regbuf mirror --help' lists them", argv[1]);
	return EXIT_USAGE;
}

bool mirror_name_is_good(const char *name)
{
	size_t len = strlen(name);
	u8 uuid[UUID_BYTES];

	if (!len || len >= FORMAT_NAME_BYTES || !json_is_utf8(name) || uuid_parse(name, uuid))
		return false;
	if (!strcmp(name, ".") || !strcmp(name, ".."))
		return false;
	for (; *name; name++)
		if ((unsigned char)*name <= ' ' || *name == 0x7f || *name == '/')
			return false;
	return true;
}

const char *mirror_name_of(char **argv, unsigned int nr_words)
{
	if (nr_words == 1)
		return argv[1];
	log_err("%s: right is one NAME, that of a set, or its UUID%s", argv[0],
		nr_words ? "; legs are given as --leg PATH" : "");
	return NULL;
}

bool mirror_limits_are_right(const char *cmd, const struct mirror_limits *l)
{
	const char *why = mirror_limits_check(l);

	if (why)
		log_err("%s: %s", cmd, why);
	return !why;
}

void mirror_json_uuid(struct json *j, const char *key, const u8 uuid[16])
{
	char text[UUID_TEXT];

	uuid_text(uuid, text);
	json_str(j, key, text);
}

void mirror_json_source(struct json *j, u8 source)
{
	if (source == FORMAT_NO_SOURCE)
		json_null(j, "source");
	else
		json_u64(j, "source", source);
}
