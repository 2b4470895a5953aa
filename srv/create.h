/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A device of the driver's that was not there before, up to where it waits for a server;
 * and its removal when nothing came of it.  By the launcher (launch.h).
 */
#ifndef SRV_CREATE_H
#define SRV_CREATE_H

#include "ctrl.h"
#include "device.h"

/*
 * ADD_DEV: *d gets its number and as many queues as the driver makes.  0, or -errno after a
 * message; then there is no device.
 */
int create_add(struct ctrl *c, struct device *d);

/* SET_PARAMS.  0, or -errno after a message. */
int create_set_params(struct ctrl *c, const struct device *d);

/*
 * Removes it, if its number is not another device's by now: a server that dies removes it
 * too.  Waits for the I/O that its server had in work.  0 or -errno.
 */
int create_remove(const struct device *d);

#endif
