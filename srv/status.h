/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How `list` learns what only a server knows: over the socket ID.sock in rundir.h's
 * directory.  A server that is killed leaves it; nobody listens there then, and the next
 * one for that device, or `del`, removes it.  Each side looks at who the other one is.
 */
#ifndef SRV_STATUS_H
#define SRV_STATUS_H

#include <stdio.h>
#include <sys/types.h>

#include "types.h"

/* In what form; the one byte that is asked. */
enum status_form {
	STATUS_JSON = 'j',
	STATUS_TEXT = 't',
};

#define STATUS_WHY_MAX	256

/* A listening socket, or -errno with the cause in @why, of STATUS_WHY_MAX bytes. */
int status_listen(u32 id, char *why);

/* Before the device can have another server. */
void status_close(u32 id, int listener);

/* Removes the socket of a device that is gone, if nobody listens. */
void status_forget(u32 id);

/*
 * Answer one client with what @tell writes.  Waits for a slow client no longer
 * than a second.
 */
void status_serve(int listener, void (*tell)(void *arg, enum status_form form, FILE *out),
		  void *arg);

/*
 * Ask the server of device @id, which must be process @pid of whatever pid
 * namespace.  Returns the text, to be freed; or NULL, and in @why, of STATUS_WHY_MAX bytes, what
 * cannot be seen from here.
 */
char *status_ask(u32 id, pid_t pid, enum status_form form, char *why);

#endif
