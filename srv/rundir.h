/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The directory of the servers' sockets: /run/regbuf of root's, and one of each other
 * user's own.  Nobody else can put anything into it, so what is found there is a
 * server's of that user.
 *
 * Why not the abstract namespace: anybody may take a name there first, and each network
 * namespace has its own.
 */
#ifndef SRV_RUNDIR_H
#define SRV_RUNDIR_H

#include <stddef.h>
#include <sys/types.h>

#define RUNDIR_ROOT	"/run/regbuf"
/* Bytes of the longest path, and its end: with a device's number it is a socket's address. */
#define RUNDIR_MAX	92

/*
 * Where user @uid has it, in @path of RUNDIR_MAX bytes.  @runtime: XDG_RUNTIME_DIR, or
 * NULL.  0, or -ENAMETOOLONG.
 */
int rundir_path(uid_t uid, const char *runtime, char *path);

/* This process's own, in the environment as it is. */
int rundir_own(char *path);

/*
 * Makes it if there is none, and takes from all others whatever right they have to one of ours
 * that they may not write to.  A descriptor, or -errno with the cause in @why.
 */
int rundir_make(const char *path, char *why, size_t len);

/*
 * Opens it.  -errno, with the cause in @why, if there is none, or if it is neither
 * root's nor ours, or others may write to it: -EPERM.
 */
int rundir_open(const char *path, char *why, size_t len);

/*
 * The lock of what is open as @dir, until flock(LOCK_UN).  Whoever may open the directory can
 * hold it, so this does not wait for ever: -EWOULDBLOCK, with the cause in @why.
 */
int rundir_lock(int dir, const char *path, char *why, size_t len);

#endif
