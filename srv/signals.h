/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Which signals a server takes for what.
 *
 * A server that dies takes its device away, and one that is stopped makes every
 * client hang.  So what ends a program by default, though nobody asked for its
 * end, is ignored: a terminal that closes, a reader of stderr that is gone, a limit of
 * the shell that started it.
 */
#ifndef SRV_SIGNALS_H
#define SRV_SIGNALS_H

#include <stdbool.h>

/*
 * For every command, first of all.  Who ignores SIGCHLD when it starts us would make
 * us ignore it too, and the kernel then keeps no child's status to wait for.
 */
void signals_hear_of_children(void);

/*
 * For every process that makes a device, before any other thread exists.  What is
 * started later by exec inherits it.
 */
void signals_ignore_pipe(void);

/*
 * In the server, before any other thread exists.  Returns a signalfd for the signals
 * that remove the device, or -errno.
 */
int signals_init(void);

/* One signal that removes the device: its name, and who sent it; or NULL. */
const char *signals_read(int fd, int *sender);

#endif
