// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include "launch_msg.h"

int launch_msg_send(int sock, enum launch_type type, const struct device *d)
{
	struct launch_msg msg = { .type = type };

	if (d) {
		msg.id = d->id;
		msg.nr_queues = d->nr_queues;
		msg.depth = d->depth;
		msg.max_io = d->max_io;
		msg.stable = d->stable;
		msg.identity = d->identity;
	}
	if (send(sock, &msg, sizeof(msg), MSG_NOSIGNAL) == sizeof(msg))
		return 0;
	return errno == EPIPE ? -ECONNRESET : -errno;
}

int launch_msg_recv(int sock, struct launch_msg *msg)
{
	struct launch_msg in;
	ssize_t n;

	do {
		n = recv(sock, &in, sizeof(in), 0);
	} while (n < 0 && errno == EINTR);
	if (n != sizeof(in))
		return n < 0 ? -errno : -ECONNRESET;
	*msg = in;
	return 0;
}

void launch_msg_device(const struct launch_msg *msg, struct device *d)
{
	d->id = msg->id;
	d->nr_queues = msg->nr_queues;
	d->depth = msg->depth;
	d->max_io = msg->max_io;
	d->stable = msg->stable;
	d->identity = msg->identity;
}

bool launch_msg_is_over(int sock)
{
	struct pollfd pfd = { .fd = sock, .events = POLLIN };

	return poll(&pfd, 1, 0) > 0;
}
