// SPDX-License-Identifier: GPL-2.0
/*
 * The commands' table, and what every one of them needs before it begins.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"
#include "log.h"
#include "signals.h"
#include "types.h"

#define REGBUF_VERSION	"0.1"

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *help;
} commands[] = {
	{ "add",	cmd_add,	"make a block device and serve it" },
	{ "recover",	cmd_recover,	"give a device whose server died a new one" },
	{ "del",	cmd_del,	"remove a device, or all" },
	{ "quiesce",	cmd_quiesce,	"end the server of a device that another one is to serve" },
	{ "list",	cmd_list,	"show the devices, their legs and their health" },
	{ "stat",	cmd_stat,	"show what devices do, each second" },
	{ "mirror",	cmd_mirror,	"sets of legs that keep a record" },
	{ "run",	cmd_run,	"serve the device of a file, in the foreground" },
	{ "check-config", cmd_check_config, "look at such files" },
	{ "udev",	cmd_udev,	"say what a device is called, for udev" },
	{ "features",	cmd_features,	"show what this kernel has" },
};

static void usage(FILE *out)
{
	fprintf(out, "usage: regbuf COMMAND [OPTIONS]\n\n");
	for (unsigned int i = 0; i < ARRAY_SIZE(commands); i++)
		fprintf(out, "  %-12s %s\n", commands[i].name, commands[i].help);
	fprintf(out, "\n'regbuf COMMAND --help' tells the options of a command, 'regbuf --version' the version.\n");
}

static int command_run(int argc, char **argv)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(commands); i++)
		if (!strcmp(argv[0], commands[i].name))
			return commands[i].run(argc, argv);
	log_err("%s: no such command; 'regbuf --help' lists them", argv[0]);
	return EXIT_USAGE;
}

/*
 * What is opened next would get the number of a standard stream that is closed: a leg,
 * and messages would be written into it.  Not for writing: who printed would otherwise
 * not learn that nobody can read it.
 */
static int main_fill_streams(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		if (fcntl(fd, F_GETFD) >= 0)
			continue;
		if (open("/dev/null", O_RDONLY) != fd) {
			log_err("descriptor %d is closed, and /dev/null cannot stand for it: %s; right is an open one",
				fd, strerror(errno));
			return -EBADF;
		}
	}
	return 0;
}

int main(int argc, char **argv)
{
	if (main_fill_streams())
		return 1;
	signals_hear_of_children();
	if (argc < 2) {
		usage(stderr);
		return EXIT_USAGE;
	}
	if (!strcmp(argv[1], "help") && argc > 2)
		return command_run(2, (char *[]){ argv[2], "--help", NULL });
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
		usage(stdout);
		return 0;
	}
	if (!strcmp(argv[1], "--version")) {
		printf("regbuf %s\n", REGBUF_VERSION);
		return 0;
	}
	return command_run(argc - 1, argv + 1);
}
