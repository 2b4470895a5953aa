/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How `list` learns what only a server knows: over a socket in the abstract
 * namespace, "regbuf/ID", which vanishes with its server and leaves no file that
 * could lie later.  Each side looks at who the other one is.
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

/* A listening socket, or -errno. */
int status_listen(u32 id);

/*
 * Answer one client with what @tell writes.  Waits for a slow client no longer
 * than a second.
 */
void status_serve(int listener, void (*tell)(void *arg, enum status_form form, FILE *out),
		  void *arg);

/*
 * Ask the server of device @id, which must be process @pid.  Returns the text,
 * to be freed, or NULL.
 */
char *status_ask(u32 id, pid_t pid, enum status_form form);

#endif
