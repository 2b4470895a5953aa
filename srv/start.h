/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Starting a device whose server is ready: from here on clients can see it.
 *
 * START waits for I/O (the partition table), so for the server, and it cannot be
 * interrupted.  Why not a thread of the launcher: the launcher could not end before it, and
 * who started the launcher would wait with it.  So it is a process, which the launcher
 * leaves behind when the server dies; the price is one fork for each device.
 */
#ifndef SRV_START_H
#define SRV_START_H

#include "device.h"

enum start_kind {
	START_NEW,		/* START_DEV, and what a new device's queue should be like */
	START_RECOVERED,	/* END_RECOVERY; its queue is as its owner left it */
	START_FORCED,		/* the same, with legs that may have other data */
};

/*
 * Until the block device can be opened.  @sock: the launcher's, whose other end is the
 * server, process @pid, which has nothing to say but its end.  0, or -errno after a message;
 * -ECONNRESET without one: the server has ended.
 */
int start_device(const struct device *d, enum start_kind kind, int sock, int pid);

#endif
