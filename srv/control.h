/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a server is asked, and told to do, while it serves: commands over its socket
 * (control_sock.h).  control_ask.h is the client's side.
 *
 *   request:  the words of the command, each with a 0 behind it, and one 0 more
 *   answer:   "STATUS BYTES\n", then so many bytes; STATUS is 0 or -errno, and then the
 *	       bytes are a message
 *
 * The server's main thread has no time to lose on a client: no socket is ever waited for.
 * A client has CONTROL_MS from the moment when it was accepted until it has its answer.
 *
 * Why not a thread of its own: what commands change is the main thread's.  The price: a command
 * that takes long holds up the next one, so it begins what it has to do, and is asked again how
 * far that is.
 */
#ifndef SRV_CONTROL_H
#define SRV_CONTROL_H

#include <stdio.h>

#include "types.h"

#define CONTROL_MS		5000
#define CONTROL_CLIENTS		16
#define CONTROL_WORDS		8
#define CONTROL_REQUEST_MAX	12288	/* bytes: two paths, and room */
#define CONTROL_HEAD_MAX	32	/* bytes of the answer's first line */

/*
 * struct control_cmd - a command; static tables, which end with one without a name
 * @args: those that it takes, for messages: "PATH"
 * @min_args, @max_args: how many
 * @run: in the server's main thread; must not block for long.  @argv[0] is the name, @argc
 *	counts it.  0 with the answer in @out; or -errno with the message there, without a name
 *	in front and without a line's end.  No message: strerror() is the message.
 */
struct control_cmd {
	const char *name;
	const char *args;
	unsigned int min_args, max_args;
	int (*run)(void *arg, int argc, char **argv, FILE *out);
};

/* struct control_table - commands, and what they get as @arg; @cmds may be NULL */
struct control_table {
	const struct control_cmd *cmds;
	void *arg;
};

/*
 * struct control - the clients of a server
 * control_init() to control_deinit().  The main thread's.
 * @fd: epoll of all below, to be polled for POLLIN; -1: there is none
 * @tables: the caller's, @nr_tables of them; the first command of a name counts
 * @clients: those that are connected; NULL: free
 * @listening: the listener is looked at: a client is free, and @listen_at, ms, is over
 * @client_ms: CONTROL_MS
 */
struct control {
	int fd;
	int listener;
	const struct control_table *tables;
	unsigned int nr_tables;
	struct control_client *clients[CONTROL_CLIENTS];
	bool listening;
	u64 listen_at;
	unsigned int client_ms;
};

/* @listener stays the caller's: non-blocking, and listening.  0, or -errno with nothing to undo. */
int control_init(struct control *c, int listener, const struct control_table *tables,
		 unsigned int nr_tables);
/* Also of one whose control_init() has failed. */
void control_deinit(struct control *c);

/* When @fd is readable or control_next() is over: does what can be done at once. */
void control_run(struct control *c);

/* In how many ms, at @now, control_run() is to be called although nothing comes; -1: never. */
int control_next(const struct control *c, u64 now);

#endif
