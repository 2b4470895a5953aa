/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The end of a device.  STOP ends what clients have in work, and asks nobody whether the device
 * is mounted.  DEL then waits for the last who has it open, so it is the asynchronous one, and this
 * waits for a while only: a device that somebody keeps open is stopped all the same.
 */
#ifndef SRV_REMOVE_H
#define SRV_REMOVE_H

#include "ctrl.h"

/*
 * Stop device @id, which waits for what is under way on its legs: after some seconds it is told what
 * that is.  0 or -errno, without a message.
 */
int remove_stop(struct ctrl *c, const char *cmd, u32 id);

/*
 * As remove_device(), but of one that is not in use (inuse.h): else -EBUSY after a message, and the device is as it
 * was.  @what: what that is told of, "device 0" say.
 */
int remove_unused(struct ctrl *c, const char *cmd, const char *what, u32 id, bool *removed);

/*
 * Stop and remove device @id; @cmd is for messages.  0, and in *removed whether its number is free
 * already; or -errno after a message.
 */
int remove_device(struct ctrl *c, const char *cmd, u32 id, bool *removed);

#endif
