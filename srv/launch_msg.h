/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the two processes that make a device (launch.h) tell each other, over a pair of
 * SOCK_SEQPACKET sockets: a message arrives whole, and the end of a process is seen as the
 * end of its socket.  That end is as much a message as the others.
 */
#ifndef SRV_LAUNCH_MSG_H
#define SRV_LAUNCH_MSG_H

#include "device.h"
#include "types.h"

enum launch_type {
	LAUNCH_DEVICE,	/* to the server: the device is there; what the driver answered */
	LAUNCH_READY,	/* to the launcher: every tag is fetched */
	LAUNCH_FAILED,	/* to the launcher: over, and the cause was logged */
	LAUNCH_LIVE,	/* to the server: clients can use the device */
	LAUNCH_TOLD,	/* to the server: its user knows of the device, which stays now */
	LAUNCH_GONE,	/* to the server: it failed, the launcher removes the device */
};

/* Of all but LAUNCH_DEVICE the type alone is read. */
struct launch_msg {
	u32 type;
	u32 id;
	u32 nr_queues;
	u32 depth;
	u32 max_io;
	u32 stable;	/* enum stable_policy */
	u64 identity;
};

/* 0, -ECONNRESET when the other end is gone, or -errno.  @d: may be NULL, but in LAUNCH_DEVICE. */
int launch_msg_send(int sock, enum launch_type type, const struct device *d);

/* Waits.  The same; *msg is set on 0 only. */
int launch_msg_recv(int sock, struct launch_msg *msg);

/* LAUNCH_DEVICE: what the driver answered, into the server's *d. */
void launch_msg_device(const struct launch_msg *msg, struct device *d);

/* For the launcher, while the server has nothing to say but its end: has it ended? */
bool launch_msg_is_over(int sock);

#endif
