/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Legs elsewhere: a disk that is served over loopback and connected there, and the network between
 * the two, which can be cut.
 *
 * Our guest only: loopback goes down for all, and there is one disk of each kind.  A cut is told to
 * nobody.  Packets are lost, as with a cable that was pulled.
 *
 * A suite calls netlegs_sweep() in its .init and its .fini: servers of `regbuf` end first, and the
 * disks below are removed afterwards, see tleg.h.
 */
#ifndef TESTS_NETLEG_H
#define TESTS_NETLEG_H

#include "check.h"

enum netleg_kind {
	NETLEG_NVME,	/* NVMe/TCP: nvmet serves, the NVMe driver connects */
	NETLEG_NBD,	/* NBD over TCP: nbdkit serves, nbd-client connects */
	NR_NETLEGS
};

/* What becomes of I/O that gets no answer. */
enum netleg_patience {
	NETLEG_GIVES_UP,	/* it fails within NETLEG_GIVES_UP_MS */
	NETLEG_WAITS,		/* it is kept, and goes on when the network is there again */
	NR_NETLEG_PATIENCES
};
#define NETLEG_GIVES_UP_MS	15000

/* Serves @disk, until netleg_unserve(): it breaks the connection, and takes no new one. */
void netleg_serve(enum netleg_kind kind, const char *disk);
void netleg_unserve(enum netleg_kind kind);

/*
 * Connects, as soon as the server is rid of the last client.  Returns the disk's path, valid until
 * the next call; it may be another one each time.
 */
const char *netleg_connect(enum netleg_kind kind, enum netleg_patience patience);
/* What is under way fails, and the disk goes.  Nothing at all, if it is not connected. */
void netleg_disconnect(enum netleg_kind kind);
/*
 * After I/O was given up, and when the network and the server are there again: NVMe/TCP has come
 * back by itself, under the same path, and NBD is connected anew.
 */
const char *netleg_reconnect(enum netleg_kind kind, enum netleg_patience patience);

void net_cut(void);
void net_restore(void);
/* Connections that are no more have delivered, or lost, what they were to deliver. */
void net_quiet(void);

/* The network is there, nothing is connected, and nothing served. */
void netlegs_sweep(void);

#endif
