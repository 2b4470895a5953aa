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
 * Stop and remove device @id; @cmd is for messages.  0, and in *removed whether its number is free
 * already; or -errno after a message.
 */
int remove_device(struct ctrl *c, const char *cmd, u32 id, bool *removed);

#endif
