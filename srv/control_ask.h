/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A client of servers: what control.h says of the protocol, from the other side.
 */
#ifndef SRV_CONTROL_ASK_H
#define SRV_CONTROL_ASK_H

#include <sys/types.h>

#include "control_sock.h"

/*
 * struct control_answer - what a server has answered
 * @err: 0, or -errno and then @text is a message
 * @text: @len bytes and a 0 behind them; to be freed
 */
struct control_answer {
	int err;
	char *text;
	size_t len;
};

/*
 * Ask the server of device @id, which must be process @pid of whatever pid namespace, or any
 * that we trust for 0.  @words: the command, NULL-terminated.  0; or -errno with nothing in *a, and
 * in @why, of CONTROL_WHY_MAX bytes, what cannot be seen from here.
 */
int control_ask(u32 id, pid_t pid, const char *const *words, struct control_answer *a, char *why);

/* Does this error of it mean that nobody listens?  Its server has gone, and no more is to be told. */
bool control_is_nobody(int err);

/*
 * The numbers of all devices that this user's servers have sockets for, ascending, in *ids, which
 * the caller frees, also after an error.  Some may be of servers that are dead.  Returns how many;
 * -errno with the cause in @why.
 */
int control_servers(u32 **ids, char *why);

/* Asking alone: @sock is connected, and stays open. */
int control_exchange(int sock, const char *const *words, struct control_answer *a, char *why);

#endif
