/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The process that serves a device: its main thread, which starts the queues
 * and then answers signals and `list`.
 */
#ifndef SRV_SERVER_H
#define SRV_SERVER_H

#include <time.h>

#include "device.h"
#include "queue.h"
#include "types.h"

/*
 * struct server - the device as its server sees it
 * One per process, on main's stack; written by the main thread before the
 * queues start, and read by them.
 */
struct server {
	struct device *device;
	struct queue *queues;
	bool recover;		/* an older server's device: never remove it half-way */
	bool foreground;	/* stderr stays, and has the log; otherwise syslog has it */
	int ublkc;		/* the char device */
	int launch;		/* the launcher's socket, -1 after LAUNCH_TOLD */
	int events[2];		/* pipe: one enum queue_event per byte */
	int status;		/* listening socket of `list` */
	int signals;		/* signalfd */
	int log;		/* lines for log_forward() */
	bool live;
	pid_t deleting;		/* our `del`, or 0 */
	time_t since;
};

/*
 * Serve until the device is gone.  @srv has device, launch and the
 * flags; what the driver answered comes from the launcher.  Returns the exit status.
 */
int server_run(struct server *srv);

#endif
