/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Telling the service manager that a device is usable: a datagram to the socket in
 * NOTIFY_SOCKET, as sd_notify(3) describes it.
 *
 * Why not libsystemd: it brings ten other libraries, which the server would have to keep in memory,
 * for one datagram.
 */
#ifndef SRV_NOTIFY_H
#define SRV_NOTIFY_H

#include "device.h"

/*
 * Tell that *d is usable, and that process @pid serves it.  systemd looks for the sender's cgroup when it reads
 * that, and the sender may have ended: so @pid must not have waited for it.  Whoever did not ask for it, with
 * NOTIFY_SOCKET, is told nothing.  0, or -errno after a message: the manager will believe that the start has failed.
 */
int notify_ready(const struct device *d, int pid);

#endif
