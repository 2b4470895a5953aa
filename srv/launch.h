/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Making a device takes two processes: the launcher, which sends the control
 * commands, and the server, which does I/O.  START waits for I/O; a server that
 * waited for it could not be killed.
 *
 *   launcher                      server
 *      | ADD_DEV                     |
 *      |---- LAUNCH_DEVICE --------->| opens the device, starts the queues
 *      | SET_PARAMS                  |
 *      |<--- LAUNCH_READY -----------|
 *      | START_DEV, waits for node   |
 *      |---- LAUNCH_LIVE ----------->|
 *      | prints the device's name    |
 *      |---- LAUNCH_TOLD ----------->| lets go of the terminal
 *
 * Either end closing its socket early means that it died: the other one then
 * removes the device, however far it was.  Neither waits for a leg when it does:
 * the server dies, which takes its requests back.  A launcher may die before it has
 * told the id: that is why every device carries a number of its launch (identity.h),
 * by which the server finds it.
 *
 * Why not one process with two threads: a START that a leg holds up cannot be interrupted,
 * and a process does not end before its threads.
 */
#ifndef SRV_LAUNCH_H
#define SRV_LAUNCH_H

#include "device.h"

/*
 * struct launch - what to make
 * On the stack of the command, which writes it before launch_run().
 * @recover: the device exists, its server died
 * @force: and may get legs that it was not made of
 */
struct launch {
	struct device device;
	bool recover;
	bool force;
	bool foreground;
	bool json;		/* tell of the device as JSON */
};

/*
 * Make the device and its server.  In the server's process it returns when the
 * device is gone, in the launcher's when it is usable.  The exit status; every
 * failure was logged and undone.
 */
int launch_run(struct launch *l);

#endif
