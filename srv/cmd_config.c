// SPDX-License-Identifier: GPL-2.0
/*
 * run and check-config: devices whose options are in files (config.h), for service managers.
 */
#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <string.h>

#include "cmd.h"
#include "cmd_mirror.h"
#include "config.h"
#include "log.h"
#include "opts.h"
#include "resume.h"

/* struct config_use - a file, and the device that it is of; on the stack of the command */
struct config_use {
	char path[CONFIG_PATH_MAX];
	char name[CONFIG_PATH_MAX];
	struct config config;
};

static const struct {
	int (*run)(int argc, char **argv);
	int (*check)(int argc, char **argv);
} config_cmds[] = {
	[CONFIG_ADD]		= { cmd_add, cmd_add_check },
	[CONFIG_ASSEMBLE]	= { cmd_mirror_assemble, cmd_mirror_assemble_check },
};

/* False after a message. */
static bool config_use(const char *cmd, const char *word, struct config_use *use)
{
	if (config_path(word, use->path, use->name)) {
		log_err("%s: %s: %s", cmd, word, strerror(ENAMETOOLONG));
		return false;
	}
	return resume_check_name(cmd, use->name) && !config_read(use->path, &use->config);
}

static int config_check(const char *cmd, const char *word)
{
	struct config_use use;
	int ret;

	if (!config_use(cmd, word, &use))
		return EXIT_USAGE;
	ret = config_cmds[use.config.cmd].check(use.config.argc, use.config.argv);
	if (ret)
		log_err("%s: the device cannot be made, see above", use.path);
	config_free(&use.config);
	return ret;
}

static int config_run(const char *cmd, const char *word)
{
	struct config_use use;
	int ret = EXIT_USAGE;

	if (!config_use(cmd, word, &use))
		return EXIT_USAGE;
	if (!config_append(&use.config, "--foreground", NULL) && !config_append(&use.config, "--name", use.name))
		ret = config_cmds[use.config.cmd].run(use.config.argc, use.config.argv);
	if (ret == EXIT_USAGE)
		log_err("%s: the device cannot be made, see above", use.path);
	config_free(&use.config);
	return ret;
}

/* The exit status: of one that is wrong, if there is one. */
static int config_check_each(const char *cmd, char **words, unsigned int nr)
{
	int ret = 0;

	for (unsigned int i = 0; i < nr; i++)
		if (config_check(cmd, words[i]))
			ret = EXIT_USAGE;
	return ret;
}

/* All there are. */
static int config_check_all(const char *cmd)
{
	glob_t found;
	int ret;

	switch (glob(CONFIG_DIR "/*" CONFIG_SUFFIX, GLOB_ERR, NULL, &found)) {
	case 0:
		ret = config_check_each(cmd, found.gl_pathv, found.gl_pathc);
		globfree(&found);
		return ret;
	case GLOB_NOMATCH:
		log_warn("%s: " CONFIG_DIR " has no file *" CONFIG_SUFFIX, cmd);
		return 0;
	default:
		log_err("%s: " CONFIG_DIR ": %s", cmd, strerror(errno));
		return 1;
	}
}

int cmd_run(int argc, char **argv)
{
	static const char help[] =
		"usage: regbuf run NAME\n\n"
		"Serves the device of " CONFIG_DIR "/NAME" CONFIG_SUFFIX ", or of a file whose path is given, in the\n"
		"foreground.  If its server has died and it was made with --recovery, serves that one again.\n"
		"Tells a service manager when the device is usable.\n";
	unsigned int nr;
	int ret = opts_words(argc, argv, help, &nr);

	if (ret >= 0)
		return ret;
	if (nr == 1)
		return config_run(argv[0], argv[1]);
	log_err("%s: right is one NAME, of " CONFIG_DIR "/NAME" CONFIG_SUFFIX ", or the path of a file", argv[0]);
	return EXIT_USAGE;
}

int cmd_check_config(int argc, char **argv)
{
	static const char help[] =
		"usage: regbuf check-config [NAME...]\n\n"
		"Says what is wrong with " CONFIG_DIR "/NAME" CONFIG_SUFFIX ", or with files whose paths are given, or with\n"
		"all files there.  Legs are not looked at.\n";
	unsigned int nr;
	int ret = opts_words(argc, argv, help, &nr);

	if (ret >= 0)
		return ret;
	return nr ? config_check_each(argv[0], argv + 1, nr) : config_check_all(argv[0]);
}
