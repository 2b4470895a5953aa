/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The process that serves a device: its main thread, which starts the queues
 * and then answers signals and `list`.
 */
#ifndef SRV_SERVER_H
#define SRV_SERVER_H

#include "device.h"

/*
 * Serve *d until it is gone; its legs are open, and what the driver answers comes from the
 * launcher, over @launch (launch_msg.h).  @recover: the device is an older server's, so it is
 * never removed half-way.  @foreground: stderr stays, and has the log; otherwise syslog
 * has it.  Returns the exit status; after a failure it does not return, but ends the process.
 */
int server_run(struct device *d, int launch, bool recover, bool foreground);

#endif
