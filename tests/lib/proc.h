/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A second process for a test: one that is killed, or that has fewer rights.
 *
 * It is a fork that never comes back into the test, because Criterion could not
 * cope with that, keeps no descriptor of the test but those that are named, and
 * dies with it.  What the two tell each other goes through shared memory.
 */
#ifndef TESTS_PROC_H
#define TESTS_PROC_H

#include <sys/types.h>

#include "check.h"

/* Runs @fn(@arg) in a process of its own, which then waits to be killed. */
pid_t proc_start(void (*fn)(void *arg), void *arg);
/* The same, keeping descriptor @fd too; -1: none. */
pid_t proc_start_fd(void (*fn)(void *arg), void *arg, int fd);
/* SIGKILL, and waits until the process is gone, for at most SOON_MS. */
void proc_kill(pid_t pid);
/* The same for one that is not a child: a server that has left its parent. */
void proc_kill_other(pid_t pid);
/* It ends by itself, or is gone already; within @ms. */
bool proc_other_gone(pid_t pid, unsigned int ms);
/* SIGKILL only. */
void proc_signal(pid_t pid);
/* True if the process is gone within @ms. */
bool proc_gone(pid_t pid, unsigned int ms);
/* Has it a thread that io_uring does I/O with which would have had to wait?  One stays for seconds. */
bool proc_has_io_worker(pid_t pid);
/* Runs @fn(@arg) to its end.  Returns its result, which is 0 to 98; 99 a must(). */
int proc_run(int (*fn)(void *arg), void *arg);

/*
 * Runs @path below build/ with @args, NULL-terminated, to its end.  Its environment has
 * nothing of Criterion's, which would take it for a test, and @env if that is not NULL.
 * Returns its exit status.
 */
int proc_program(const char *path, const char *const *args, const char *env);

/* Zeroed memory that later children share. */
void *shared_alloc(size_t size);

#endif
