// SPDX-License-Identifier: GPL-2.0
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fail.h"

#define FAILSLAB "/sys/kernel/debug/failslab/"

static bool set(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool ok;

	if (fd < 0)
		return false;
	ok = write(fd, value, strlen(value)) > 0;
	close(fd);
	return ok;
}

bool failslab_start(unsigned int percent)
{
	char text[8];

	snprintf(text, sizeof(text), "%u", percent);
	/* verbose 0: a trace for each would look like a complaint */
	return set(FAILSLAB "verbose", "0") && set(FAILSLAB "task-filter", "Y") &&
	       set(FAILSLAB "ignore-gfp-wait", "N") && set(FAILSLAB "interval", "1") &&
	       set(FAILSLAB "times", "-1") && set(FAILSLAB "probability", text) &&
	       set("/proc/thread-self/make-it-fail", "1");
}

void failslab_stop(void)
{
	/* the first may itself fail */
	for (unsigned int i = 0; i < 100; i++) {
		if (set("/proc/thread-self/make-it-fail", "0"))
			break;
	}
	set(FAILSLAB "probability", "0");
}
