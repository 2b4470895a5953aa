/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The sockets of servers: ID.sock in rundir.h's directory.  A server that is killed leaves
 * its socket; nobody listens there then, and the next one for that device, or `del`, removes it.
 * Each side looks at who the other one is.
 */
#ifndef SRV_CONTROL_SOCK_H
#define SRV_CONTROL_SOCK_H

#include <stdio.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>

#include "types.h"

/* Bytes of each @why: what cannot be, and the cause. */
#define CONTROL_WHY_MAX	256

/* A listening socket, or -errno with the cause in @why. */
int control_listen(u32 id, char *why);

/* Before the device can have another server. */
void control_close(u32 id, int listener);

/* Removes the socket of a device that is gone, if nobody listens. */
void control_forget(u32 id);

/* The directory of our sockets, in @path of RUNDIR_MAX bytes.  0, or -errno with the cause in @why. */
int control_own_dir(char *path, char *why);

/* Device @id's socket.  @dir has at most RUNDIR_MAX bytes, so it fits. */
void control_addr(struct sockaddr_un *sa, const char *dir, u32 id);

/* Who is at the other end?  false: nobody knows. */
bool control_peer(int sock, struct ucred *cred);

/* Root, or this process's own user. */
bool control_trusts(const struct ucred *cred);

#endif
