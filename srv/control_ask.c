// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "control.h"
#include "control_ask.h"
#include "ids.h"
#include "rundir.h"

/* Who asks may wait, on a machine that is busy. */
#define CONTROL_ASK_S	10

/* More than this no server has to say. */
#define CONTROL_ANSWER_MAX	(16U << 20)

static void control_timeout(int sock)
{
	struct timeval tv = { .tv_sec = CONTROL_ASK_S };

	setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	setsockopt(sock, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
}

/*
 * A socket with a time limit is not restarted by the kernel when the completion of
 * an earlier control command interrupts it.
 */
static ssize_t control_recv(int sock, void *buf, size_t len)
{
	ssize_t n;

	do
		n = recv(sock, buf, len, 0);
	while (n < 0 && errno == EINTR);
	return n;
}

static int control_send(int sock, const char *text, size_t len)
{
	while (len) {
		ssize_t n = send(sock, text, len, MSG_NOSIGNAL);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			text += n;
			len -= n;
		}
	}
	return 0;
}

/* A word that is empty would end the request. */
static int control_request(const char *const *words, char *request, size_t *len)
{
	char *end = request;

	for (; *words; words++) {
		size_t bytes = strlen(*words) + 1;

		if (bytes == 1)
			return -EINVAL;
		if (bytes + 1 > (size_t)(request + CONTROL_REQUEST_MAX - end))
			return -E2BIG;
		end = mempcpy(end, *words, bytes);
	}
	*end++ = '\0';
	*len = end - request;
	return 0;
}

/*
 * As many bytes as are wanted; 0, -errno, or -ENODATA at the end of what comes.  A server that
 * dies resets the connection, if it has not read everything.
 */
static int control_get(int sock, char *buf, size_t len)
{
	while (len) {
		ssize_t n = control_recv(sock, buf, len);

		if (!n || (n < 0 && errno == ECONNRESET))
			return -ENODATA;
		if (n < 0)
			return -errno;
		buf += n;
		len -= n;
	}
	return 0;
}

/* The first line.  -EPROTO: it is none of ours. */
static int control_head(int sock, int *err, size_t *len)
{
	char head[CONTROL_HEAD_MAX] = "", *at = head;
	int ret, end = 0;

	do {
		if (at == head + sizeof(head) - 1)
			return -EPROTO;
		ret = control_get(sock, at, 1);
		if (ret == -ENODATA && at == head)
			return -ECONNRESET;
		if (ret)
			return ret;
	} while (*at++ != '\n');
	if (sscanf(head, "%d %zu%n", err, len, &end) != 2 || head[end] != '\n' || *err > 0 ||
	    *len > CONTROL_ANSWER_MAX)
		return -EPROTO;
	return 0;
}

static int control_answer_get(int sock, struct control_answer *a)
{
	int ret = control_head(sock, &a->err, &a->len);

	if (ret)
		return ret;
	a->text = malloc(a->len + 1);
	if (!a->text)
		return -ENOMEM;
	a->text[a->len] = '\0';
	ret = control_get(sock, a->text, a->len);
	if (ret) {
		free(a->text);
		a->text = NULL;
	}
	return ret;
}

static void control_say(int err, char *why)
{
	switch (err) {
	case -ENODATA:
		snprintf(why, CONTROL_WHY_MAX, "the server's answer is not whole");
		break;
	case -EPROTO:
		snprintf(why, CONTROL_WHY_MAX, "the server's answer is not understood: is it of this version?");
		break;
	case -EAGAIN:
		snprintf(why, CONTROL_WHY_MAX, "the server has not answered for %d s", CONTROL_ASK_S);
		break;
	default:
		snprintf(why, CONTROL_WHY_MAX, "the server does not answer: %s", strerror(-err));
	}
}

int control_exchange(int sock, const char *const *words, struct control_answer *a, char *why)
{
	char request[CONTROL_REQUEST_MAX];
	size_t len = 0;
	int ret = control_request(words, request, &len);

	*a = (struct control_answer){ 0 };
	if (ret) {
		snprintf(why, CONTROL_WHY_MAX, "an argument is %s", ret == -E2BIG ? "too long" : "empty");
		return ret;
	}
	ret = control_send(sock, request, len);
	if (!ret)
		ret = control_answer_get(sock, a);
	if (ret)
		control_say(ret, why);
	return ret;
}

/* Is @pid what process @seen is called in its own pid namespace? */
static bool control_is_called(pid_t seen, pid_t pid)
{
	char path[32], line[256], *last;
	bool is = false;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", seen);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f)) {
		if (strncmp(line, "NSpid:", 6))
			continue;
		last = strrchr(line, '\t');
		is = last && atoi(last + 1) == pid;
	}
	if (f)
		fclose(f);
	return is;
}

/*
 * Is it the device's server?  The driver tells the number that the server had where it was
 * started; here it may have another one, or, seen from a pid namespace inside, none.
 */
static bool control_is_server(int sock, pid_t pid, char *why)
{
	struct ucred cred;

	if (!control_peer(sock, &cred)) {
		snprintf(why, CONTROL_WHY_MAX, "who listens at its socket is unknown");
		return false;
	}
	if (!control_trusts(&cred)) {
		snprintf(why, CONTROL_WHY_MAX, "its socket is user %u's; right is user %u", cred.uid,
			 geteuid());
		return false;
	}
	if (!pid || !cred.pid || cred.pid == pid || control_is_called(cred.pid, pid))
		return true;
	snprintf(why, CONTROL_WHY_MAX, "its socket is process %d's", cred.pid);
	return false;
}

static int control_talk(const struct sockaddr_un *sa, pid_t pid, const char *const *words,
			struct control_answer *a, char *why)
{
	int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), ret = -EPERM;

	if (sock < 0) {
		ret = -errno;
		snprintf(why, CONTROL_WHY_MAX, "socket: %s", strerror(-ret));
		return ret;
	}
	control_timeout(sock);
	if (connect(sock, (const struct sockaddr *)sa, sizeof(*sa))) {
		ret = -errno;
		snprintf(why, CONTROL_WHY_MAX, "%s: %s", sa->sun_path, strerror(-ret));
	} else if (control_is_server(sock, pid, why)) {
		ret = control_exchange(sock, words, a, why);
	}
	close(sock);
	return ret;
}

static int control_ask_in(const char *path, u32 id, pid_t pid, const char *const *words,
			  struct control_answer *a, char *why)
{
	struct sockaddr_un sa;
	int dir, ret;

	control_addr(&sa, path, id);
	dir = rundir_open(path, why, CONTROL_WHY_MAX);
	if (dir < 0)
		return dir;
	ret = control_talk(&sa, pid, words, a, why);
	close(dir);
	return ret;
}

int control_ask(u32 id, pid_t pid, const char *const *words, struct control_answer *a, char *why)
{
	char path[RUNDIR_MAX];
	int ret = control_own_dir(path, why);

	*a = (struct control_answer){ 0 };
	if (!ret)
		ret = control_ask_in(path, id, pid, words, a, why);
	/* An ordinary user's own servers come first.  One that is there, and fails, is the one. */
	if ((ret == -ENOENT || ret == -ECONNREFUSED || ret == -EPERM) && geteuid())
		ret = control_ask_in(RUNDIR_ROOT, id, pid, words, a, why);
	return ret;
}

bool control_is_nobody(int err)
{
	return err == -ECONNREFUSED || err == -ENOENT;
}

int control_servers(u32 **ids, char *why)
{
	char path[RUNDIR_MAX];
	int dir, ret = control_own_dir(path, why);

	*ids = NULL;
	if (ret)
		return ret;
	dir = rundir_open(path, why, CONTROL_WHY_MAX);
	/* Nobody has made it yet: there was no server. */
	if (dir == -ENOENT)
		return 0;
	if (dir < 0)
		return dir;
	ret = ids_list(path, "", ".sock", ids);
	if (ret < 0)
		snprintf(why, CONTROL_WHY_MAX, "%s: %s", path, strerror(-ret));
	close(dir);
	return ret;
}
