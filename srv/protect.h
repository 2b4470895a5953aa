/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Memory for a server must not wait for the device that it serves, and when there is
 * none, the server is the last to be killed: whoever swaps to its device, or writes
 * to a file on it, waits for it.
 *
 * What is not permitted is told, and the server goes on without.
 */
#ifndef SRV_PROTECT_H
#define SRV_PROTECT_H

#include <sys/types.h>

/*
 * In the server, before any other thread exists, so that its threads inherit it, and
 * the workers that io_uring makes for them.
 */
void protect_process(void);

/* A process @pid that we have started gets back the chance to be killed that we had. */
void protect_give_back(pid_t pid);

/*
 * When all that the server needs has been mapped: without the right to lock all of
 * its memory, what it maps later would fail.  What has not been touched gets no
 * memory by this, so the buffers of an idle device cost none.
 */
void protect_memory(void);

#endif
