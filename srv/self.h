/* SPDX-License-Identifier: GPL-2.0 */
/*
 * This program, once more, in a process of its own.  /proc/self/exe is what others
 * take for that; without /proc it leads nowhere, so the name is kept too.
 */
#ifndef SRV_SELF_H
#define SRV_SELF_H

#include <stdbool.h>
#include <sys/types.h>

/* While the working directory is the one that the program was started in.  It may fail. */
void self_init(void);

/*
 * /dev/null for the first @nr of stdin, stdout and stderr: who reads what was printed to them
 * need not wait for this process's end.
 */
void self_let_go(int nr);

/*
 * Start it with @argv, in a process group of its own, with no signal blocked or ignored, and
 * no more spared by the OOM killer than we were when we began.  It has /dev/null for stdin
 * and stdout, if @quiet for stderr too: who reads what we print must not have to wait for it.
 * From a process with threads.  Its number, a child's, or -errno.
 */
pid_t self_spawn(char *const argv[], bool quiet);

#endif
