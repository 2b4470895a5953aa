/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Which device was served under a name: a file NAME.device in rundir.h's directory, with its number,
 * its identity, and the UUID of what it serves, if that has one.
 *
 * The file may outlive the device, and the number be another device's then.  That costs nothing: a
 * device is the same one only if the driver keeps the same identity for it, and each launch has
 * another.
 */
#ifndef SRV_RESUME_H
#define SRV_RESUME_H

#include "control_sock.h"
#include "device.h"
#include "uuid.h"

#define RESUME_NAME_MAX	63	/* bytes */

/* 1 to RESUME_NAME_MAX letters, digits, and of the others ".", "_" and "-", but not at the beginning. */
bool resume_name_is_good(const char *name);

/* The same, false after a message, which begins with @cmd. */
bool resume_check_name(const char *cmd, const char *name);

/*
 * Is there a device that was served as d->name?  1, and d->id is its number, where d->id did not ask for another
 * one; it may have a server.  0: there is none, *d is as it was.  Or -errno after a message: also where it cannot
 * be known.  @cmd: for messages.  Waits for a process that asks the driver.
 */
int resume_find(const char *cmd, struct device *d);

/* The number of the device that is called @name, in *id.  0, or -errno after a message: also if there is none. */
int resume_id(const char *cmd, const char *name, unsigned int *id);

/* From now on *d, which the driver knows, is the device of d->name.  0, or -errno after a message. */
int resume_keep(const struct device *d);

/*
 * struct resume_name - what a device is called
 * @uuid: of the set that it serves; "": of none
 */
struct resume_name {
	char name[RESUME_NAME_MAX + 1];
	char uuid[UUID_TEXT];
};

/*
 * What device @id, which has identity @identity for the driver, is called, in *n.  1; 0: it has no name; -errno
 * with the cause in @why, of CONTROL_WHY_MAX bytes.
 */
int resume_name_of(u32 id, u64 identity, struct resume_name *n, char *why);

/* It is gone, or goes. */
void resume_forget(const struct device *d);

#endif
