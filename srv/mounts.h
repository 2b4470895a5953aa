/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A server pins no mount of its clients.
 *
 * The last process of a mount namespace unmounts what is mounted there when it
 * ends.  If that is a server, and its own device is mounted, its end waits for the device,
 * which has no server any more.  So a server gets a namespace of its own, in which only
 * those mounts are left that it has paths on.
 *
 * Why not the namespace of process 1: programs may have another root there, and in
 * a container that process is the container's own and ends like any other.
 *
 * The price: until the copy of the namespace has been taken apart, it holds all that was
 * mounted.  A file system that its owner unmounts in that moment is written back by us.
 */
#ifndef SRV_MOUNTS_H
#define SRV_MOUNTS_H

#include <stdbool.h>

/*
 * In the server, before any other thread exists, and before any request comes.  Also makes / the
 * current directory.  @keep: paths that are needed later, beside those of the program itself,
 * NULL-terminated.  What fails is told, and the server goes on where it was.
 */
void mounts_leave(const char *const *keep);

/* Is @path on the mount at @point, or might be, below it?  For tests. */
bool mounts_needs(const char *point, const char *path);

#endif
