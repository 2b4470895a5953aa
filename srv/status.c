// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "log.h"
#include "status.h"

static socklen_t status_addr(struct sockaddr_un *sa, u32 id)
{
	int n;

	memset(sa, 0, sizeof(*sa));
	sa->sun_family = AF_UNIX;
	/* The leading zero byte makes it abstract. */
	n = snprintf(sa->sun_path + 1, sizeof(sa->sun_path) - 1, "regbuf/%u", id);
	return offsetof(struct sockaddr_un, sun_path) + 1 + n;
}

/* A server must not wait long for who asks; who asks may, on a machine that is busy. */
#define STATUS_SERVE_S	1
#define STATUS_ASK_S	10

static void status_timeout(int sock, time_t seconds)
{
	struct timeval tv = { .tv_sec = seconds };

	setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	setsockopt(sock, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
}

static bool status_peer(int sock, struct ucred *cred)
{
	socklen_t len = sizeof(*cred);

	return !getsockopt(sock, SOL_SOCKET, SO_PEERCRED, cred, &len);
}

int status_listen(u32 id)
{
	int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un sa;
	socklen_t len = status_addr(&sa, id);
	int ret;

	if (sock < 0)
		return -errno;
	/* A server of the same id that was killed may be still on its way out. */
	for (int i = 0; i < 100; i++) {
		if (!bind(sock, (struct sockaddr *)&sa, len) && !listen(sock, 8))
			return sock;
		if (errno != EADDRINUSE)
			break;
		usleep(10000);
	}
	ret = -errno;
	close(sock);
	return ret;
}

/*
 * A socket with a time limit is not restarted by the kernel when the completion of
 * an earlier control command interrupts it.
 */
static ssize_t status_recv(int sock, void *buf, size_t len)
{
	ssize_t n;

	do
		n = recv(sock, buf, len, 0);
	while (n < 0 && errno == EINTR);
	return n;
}

static ssize_t status_send(int sock, const void *buf, size_t len)
{
	ssize_t n;

	do
		n = send(sock, buf, len, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n;
}

static void status_write(int sock, const char *text, size_t len)
{
	while (len) {
		ssize_t n = status_send(sock, text, len);

		if (n <= 0)
			return;
		text += n;
		len -= n;
	}
}

void status_serve(int listener, void (*tell)(void *arg, enum status_form form, FILE *out),
		  void *arg)
{
	int sock = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	char form, *text = NULL;
	struct ucred cred;
	size_t len;
	FILE *out;

	if (sock < 0)
		return;
	status_timeout(sock, STATUS_SERVE_S);
	if (!status_peer(sock, &cred) || (cred.uid != 0 && cred.uid != geteuid()) ||
	    status_recv(sock, &form, 1) != 1)
		goto out;
	out = open_memstream(&text, &len);
	if (!out)
		goto out;
	tell(arg, form, out);
	if (!fclose(out))
		status_write(sock, text, len);
	free(text);
out:
	close(sock);
}

static char *status_read(int sock)
{
	char buf[4096], *text = NULL;
	size_t len;
	ssize_t n;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		return NULL;
	while ((n = status_recv(sock, buf, sizeof(buf))) > 0)
		fwrite(buf, 1, n, out);
	if (fclose(out) || n < 0 || !len) {
		free(text);
		return NULL;
	}
	return text;
}

char *status_ask(u32 id, pid_t pid, enum status_form form)
{
	int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un sa;
	socklen_t salen = status_addr(&sa, id);
	char *text = NULL, byte = form;
	struct ucred cred;

	if (sock < 0)
		return NULL;
	status_timeout(sock, STATUS_ASK_S);
	/* refused, or somebody else: it is not a server of ours */
	if (!connect(sock, (struct sockaddr *)&sa, salen) && status_peer(sock, &cred) &&
	    cred.pid == pid) {
		if (status_send(sock, &byte, 1) == 1)
			text = status_read(sock);
		if (!text)
			log_warn("device %u: its server, process %d, does not answer: %s", id, pid,
				 strerror(errno));
	}
	close(sock);
	return text;
}
