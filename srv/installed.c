// SPDX-License-Identifier: GPL-2.0
#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "installed.h"

#define IMAGE	"vmlinuz-"

static bool is_ours(const char *file)
{
	const size_t len = strlen(file);

	return len > strlen(IMAGE KERNEL_OURS) && !strncmp(file, IMAGE, strlen(IMAGE)) &&
	       !strcmp(file + len - strlen(KERNEL_OURS), KERNEL_OURS);
}

bool installed_kernel(const char *boot, char *release, size_t len)
{
	const struct dirent *e;
	DIR *dir = opendir(boot);

	*release = '\0';
	if (!dir)
		return false;
	while ((e = readdir(dir)))
		if (is_ours(e->d_name) && strverscmp(e->d_name + strlen(IMAGE), release) > 0)
			snprintf(release, len, "%s", e->d_name + strlen(IMAGE));
	closedir(dir);
	return *release;
}
