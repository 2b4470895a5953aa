/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What must be so for a device to be made, or taken over, looked at before a leg is opened.
 *
 * The checks come early because a failure later is undone, which takes time and which a
 * leg that hangs can hold up; here nothing is made yet.  The price: between the look and
 * the use the machine may change, so whatever fails later is handled there, too.
 */
#ifndef SRV_PRECHECK_H
#define SRV_PRECHECK_H

#include "launch.h"

/*
 * The kernel, the memory and the machine; for a recovery also that the old server is gone,
 * which it waits for.  @cmd: for messages.  l->device gets no more queues than the kernel
 * makes, and where it has no mode, the best.  0, or -errno after a message.
 */
int precheck(const char *cmd, struct launch *l);

#endif
