/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Asking the driver in a process of its own: its commands leave a worker thread of io_uring behind
 * for as long as the process lives, and in the foreground that is the server.  The worker would stay
 * in the mount namespace that the server leaves.
 */
#ifndef SRV_APART_H
#define SRV_APART_H

/*
 * Call @ask, which may return 0 to 254, or a negative error after a message.  What it returned; -EIO
 * for all errors, and after a message, which begins with @cmd, where the process failed.
 */
int apart(const char *cmd, int (*ask)(void *arg), void *arg);

#endif
