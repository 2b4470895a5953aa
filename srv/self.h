/* SPDX-License-Identifier: GPL-2.0 */
/*
 * This program, once more, in a process of its own.  /proc/self/exe is what others
 * take for that; without /proc it leads nowhere, so the name is kept too.
 */
#ifndef SRV_SELF_H
#define SRV_SELF_H

/* While the working directory is the one that the program was started in.  It may fail. */
void self_init(void);

/*
 * Start it with @argv, in a process group of its own and with no signal blocked;
 * nobody waits for it.  From a process with threads.  0 or -errno.
 */
int self_spawn(char *const argv[]);

#endif
