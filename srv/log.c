// SPDX-License-Identifier: GPL-2.0
#include <fcntl.h>
#include <linux/limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "log.h"
#include "types.h"

/*
 * struct log_line - what goes through the pipe
 * In packet mode one write is one read, and one that does not fit is lost.
 */
struct log_line {
	u8 level;
	char text[1023];
};

_Static_assert(sizeof(struct log_line) <= PIPE_BUF, "lines stay whole");

/* Set once, before the queue threads exist. */
static int log_pipe[2] = { -1, -1 };

static const int syslog_level[] = {
	[LOG_LVL_ERR]	= LOG_ERR,
	[LOG_LVL_WARN]	= LOG_WARNING,
	[LOG_LVL_INFO]	= LOG_INFO,
};

int log_defer(void)
{
	if (pipe2(log_pipe, O_CLOEXEC | O_NONBLOCK | O_DIRECT))
		return -1;
	return log_pipe[0];
}

void log_msg(enum log_level level, const char *fmt, ...)
{
	struct log_line line = { .level = level };
	size_t len;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line.text, sizeof(line.text), fmt, ap);
	va_end(ap);

	len = offsetof(struct log_line, text) + strlen(line.text) + 1;
	/* A pipe that is full has enough to say; the line is lost. */
	if (log_pipe[1] >= 0)
		len = write(log_pipe[1], &line, len);
	else
		fprintf(stderr, "regbuf: %s\n", line.text);
}

void log_forward(bool use_syslog)
{
	struct log_line line;

	/* with the process, since each device has its own */
	if (use_syslog)
		openlog("regbuf", LOG_PID, LOG_DAEMON);

	while (log_pipe[0] >= 0 && read(log_pipe[0], &line, sizeof(line)) > 0) {
		if (use_syslog)
			syslog(syslog_level[line.level], "%s", line.text);
		else
			fprintf(stderr, "regbuf: %s\n", line.text);
	}
}
