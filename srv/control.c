// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "clock.h"
#include "control.h"
#include "control_sock.h"

/* After a client that could not be accepted: descriptors or memory may be there again. */
#define CONTROL_PAUSE_MS	100

/*
 * struct control_client - one connection, and its one request
 * control_accept() to control_drop().
 * @until: its time is over, ms
 * @answer: NULL as long as the request is not whole; @len bytes, of which @sent are sent
 */
struct control_client {
	int fd;
	u64 until;
	char *answer;
	size_t len, sent;
	size_t used;
	char request[CONTROL_REQUEST_MAX];
};

/* Clients come and go. */

static struct control_client **control_place(struct control *c, const struct control_client *client)
{
	for (unsigned int i = 0; i < CONTROL_CLIENTS; i++)
		if (c->clients[i] == client)
			return &c->clients[i];
	return NULL;
}

static void control_drop(struct control *c, struct control_client *client)
{
	*control_place(c, client) = NULL;
	/* which takes it out of the epoll */
	close(client->fd);
	free(client->answer);
	free(client);
}

static int control_watch(struct control *c, int op, int fd, u32 events, void *client)
{
	struct epoll_event ev = { .events = events, .data.ptr = client };

	return epoll_ctl(c->fd, op, fd, &ev);
}

/* Is the listener to be looked at?  Without a place for its client it would be readable for ever. */
static void control_listen_or_not(struct control *c, u64 now)
{
	bool listen = control_place(c, NULL) && now >= c->listen_at;

	if (listen == c->listening)
		return;
	if (!control_watch(c, listen ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, c->listener, EPOLLIN, NULL))
		c->listening = listen;
}

static struct control_client *control_client_new(int fd, u64 until)
{
	struct control_client *client = calloc(1, sizeof(*client));

	if (client) {
		client->fd = fd;
		client->until = until;
	}
	return client;
}

static void control_accept(struct control *c)
{
	struct control_client **place = control_place(c, NULL), *client;
	int fd = place ? accept4(c->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK) : -1;
	struct ucred cred;

	if (fd < 0) {
		if (errno != EAGAIN && errno != ECONNABORTED && errno != EINTR)
			c->listen_at = clock_ms() + CONTROL_PAUSE_MS;
		return;
	}
	client = control_peer(fd, &cred) && control_trusts(&cred) ?
		 control_client_new(fd, clock_ms() + c->client_ms) : NULL;
	if (!client) {
		close(fd);
		return;
	}
	*place = client;
	if (control_watch(c, EPOLL_CTL_ADD, fd, EPOLLIN, client))
		control_drop(c, client);
}

/* Requests. */

static const struct control_cmd *control_find(const struct control *c, const char *name, void **arg)
{
	for (unsigned int i = 0; i < c->nr_tables; i++) {
		const struct control_cmd *cmd = c->tables[i].cmds;

		*arg = c->tables[i].arg;
		for (; cmd && cmd->name; cmd++)
			if (!strcmp(cmd->name, name))
				return cmd;
	}
	return NULL;
}

static int control_command(const struct control *c, int argc, char **argv, FILE *out)
{
	void *arg;
	const struct control_cmd *cmd = control_find(c, argv[0], &arg);
	unsigned int nr = argc - 1;

	if (!cmd) {
		fprintf(out, "%s: this server knows no such command", argv[0]);
		return -EOPNOTSUPP;
	}
	if (nr < cmd->min_args || nr > cmd->max_args) {
		fprintf(out, "%s: %u arguments: right is '%s %s'", cmd->name, nr, cmd->name, cmd->args);
		return -EINVAL;
	}
	return cmd->run(arg, argc, argv, out);
}

/* A request that is whole: words, each with its 0. */
static int control_words(const struct control *c, char *request, FILE *out)
{
	char *argv[CONTROL_WORDS + 1];
	int argc = 0;

	for (char *word = request; *word; word += strlen(word) + 1) {
		if (argc == CONTROL_WORDS) {
			fprintf(out, "right are %d words at most", CONTROL_WORDS);
			return -E2BIG;
		}
		argv[argc++] = word;
	}
	argv[argc] = NULL;
	if (!argc) {
		fprintf(out, "there is no command");
		return -EINVAL;
	}
	return control_command(c, argc, argv, out);
}

/* Puts the first line in front of @text, which it frees.  Without memory there is no answer. */
static void control_answer(struct control_client *client, int ret, char *text, size_t len)
{
	const char *said = len || !ret ? text : strerror(-ret);
	size_t bytes = len || !ret ? len : strlen(said);
	char *answer = malloc(CONTROL_HEAD_MAX + bytes);
	int head;

	if (answer) {
		head = snprintf(answer, CONTROL_HEAD_MAX, "%d %zu\n", ret, bytes);
		memcpy(answer + head, said, bytes);
		client->answer = answer;
		client->len = head + bytes;
	}
	free(text);
}

static void control_execute(const struct control *c, struct control_client *client, int ret,
			    const char *message)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		return;
	if (ret)
		fputs(message, out);
	else
		ret = control_words(c, client->request, out);
	if (!fclose(out))
		control_answer(client, ret, text, len);
	else
		free(text);
}

/* Where the request ends, or NULL: two 0, or one as its first byte. */
static const char *control_end(const struct control_client *client)
{
	const char *end = memmem(client->request, client->used, "\0", 2);

	if (client->used && !client->request[0])
		return client->request + 1;
	return end ? end + 2 : NULL;
}

/* False: the connection is over. */
static bool control_read(const struct control *c, struct control_client *client)
{
	ssize_t n = recv(client->fd, client->request + client->used,
			 sizeof(client->request) - client->used, 0);
	const char *end;

	if (n <= 0)
		return n && (errno == EAGAIN || errno == EINTR);
	client->used += n;
	end = control_end(client);
	if (end && end == client->request + client->used)
		control_execute(c, client, 0, NULL);
	else if (end)
		control_execute(c, client, -EINVAL, "something follows the request");
	else if (client->used == sizeof(client->request))
		control_execute(c, client, -E2BIG, "the request does not end");
	else
		return true;
	return client->answer;
}

/* False: the connection is over. */
static bool control_write(struct control_client *client)
{
	ssize_t n = send(client->fd, client->answer + client->sent, client->len - client->sent,
			 MSG_NOSIGNAL);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	client->sent += n;
	return client->sent < client->len;
}

static void control_client_go(struct control *c, struct control_client *client)
{
	bool more = client->answer || control_read(c, client);

	if (more && client->answer)
		more = control_write(client) &&
		       !control_watch(c, EPOLL_CTL_MOD, client->fd, EPOLLOUT, client);
	if (!more)
		control_drop(c, client);
}

/* The whole. */

int control_init(struct control *c, int listener, const struct control_table *tables,
		 unsigned int nr_tables)
{
	*c = (struct control){
		.fd = epoll_create1(EPOLL_CLOEXEC),
		.listener = listener,
		.tables = tables,
		.nr_tables = nr_tables,
		.client_ms = CONTROL_MS,
	};
	if (c->fd < 0)
		return -errno;
	control_listen_or_not(c, clock_ms());
	return 0;
}

void control_deinit(struct control *c)
{
	for (unsigned int i = 0; i < CONTROL_CLIENTS; i++)
		if (c->clients[i])
			control_drop(c, c->clients[i]);
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
}

void control_run(struct control *c)
{
	struct epoll_event ev[CONTROL_CLIENTS + 1];
	int nr = c->fd < 0 ? -1 : epoll_wait(c->fd, ev, ARRAY_SIZE(ev), 0);
	u64 now;

	/* Each is in there once, so none was dropped by one before it. */
	for (int i = 0; i < nr; i++) {
		if (ev[i].data.ptr)
			control_client_go(c, ev[i].data.ptr);
		else
			control_accept(c);
	}
	if (c->fd < 0)
		return;
	now = clock_ms();
	for (unsigned int i = 0; i < CONTROL_CLIENTS; i++)
		if (c->clients[i] && now >= c->clients[i]->until)
			control_drop(c, c->clients[i]);
	control_listen_or_not(c, now);
}

int control_next(const struct control *c, u64 now)
{
	u64 next = c->fd < 0 || c->listening || now >= c->listen_at ? UINT64_MAX : c->listen_at;

	for (unsigned int i = 0; i < CONTROL_CLIENTS; i++)
		if (c->clients[i])
			next = min_u64(next, c->clients[i]->until);
	if (next == UINT64_MAX)
		return -1;
	return next > now ? next - now : 0;
}
