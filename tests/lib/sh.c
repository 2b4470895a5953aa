// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "cli.h"
#include "sh.h"

#define LINE_MAX_	2048

extern char **environ;

static void format(char *line, const char *fmt, va_list ap)
{
	int len = vsnprintf(line, LINE_MAX_, fmt, ap);

	must(len > 0 && len < LINE_MAX_, "a command of %d bytes", len);
	setenv("REGBUF", cli_program(), 1);
}

static int status_of(int status)
{
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int sh(const char *fmt, ...)
{
	char line[LINE_MAX_];
	va_list ap;

	va_start(ap, fmt);
	format(line, fmt, ap);
	va_end(ap);
	return status_of(system(line));
}

const char *sh_out(const char *fmt, ...)
{
	static char text[16384];
	char line[LINE_MAX_];
	va_list ap;
	size_t len;
	FILE *f;

	strcpy(line, "exec 2>&1; ");
	va_start(ap, fmt);
	vsnprintf(line + strlen(line), sizeof(line) - strlen(line), fmt, ap);
	va_end(ap);
	setenv("REGBUF", cli_program(), 1);
	f = popen(line, "r");
	must(f, "popen: %s", strerror(errno));
	len = fread(text, 1, sizeof(text) - 1, f);
	text[len] = '\0';
	pclose(f);
	return text;
}

pid_t sh_start(const char *fmt, ...)
{
	char line[LINE_MAX_], *argv[] = { "sh", "-c", line, NULL };
	va_list ap;
	pid_t pid;
	int err;

	va_start(ap, fmt);
	format(line, fmt, ap);
	va_end(ap);
	err = posix_spawn(&pid, "/bin/sh", NULL, NULL, argv, environ);
	must(!err, "sh: %s", strerror(err));
	return pid;
}
