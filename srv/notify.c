// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "log.h"
#include "mode.h"
#include "notify.h"

/* A path, or "@" and the name of an abstract socket.  0, or -errno. */
static int notify_addr(const char *name, struct sockaddr_un *sa, socklen_t *len)
{
	size_t n = strlen(name);

	memset(sa, 0, sizeof(*sa));
	sa->sun_family = AF_UNIX;
	if ((name[0] != '/' && name[0] != '@') || n < 2)
		return -EINVAL;
	if (n >= sizeof(sa->sun_path))
		return -ENAMETOOLONG;
	memcpy(sa->sun_path, name, n);
	if (name[0] == '@')
		sa->sun_path[0] = '\0';
	*len = offsetof(struct sockaddr_un, sun_path) + n;
	return 0;
}

static int notify_send(const char *name, const char *text)
{
	struct sockaddr_un sa;
	socklen_t len;
	int sock, ret = notify_addr(name, &sa, &len);

	if (ret)
		return ret;
	sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (sock < 0)
		return -errno;
	if (sendto(sock, text, strlen(text), MSG_NOSIGNAL, (struct sockaddr *)&sa, len) < 0)
		ret = -errno;
	close(sock);
	return ret;
}

int notify_ready(const struct device *d, int pid)
{
	const char *name = getenv("NOTIFY_SOCKET");
	char text[128];
	int ret;

	if (!name || !*name)
		return 0;
	snprintf(text, sizeof(text), "READY=1\nMAINPID=%d\nSTATUS=serves /dev/ublkb%u in mode %s\n", pid, d->id,
		 d->mode->name);
	ret = notify_send(name, text);
	if (ret)
		log_err("device %u: NOTIFY_SOCKET %s cannot be told: %s", d->id, name, strerror(-ret));
	return ret;
}
