// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "log.h"
#include "rundir.h"
#include "status.h"

/* @dir has at most RUNDIR_MAX bytes, so it fits. */
static void status_addr(struct sockaddr_un *sa, const char *dir, u32 id)
{
	memset(sa, 0, sizeof(*sa));
	sa->sun_family = AF_UNIX;
	snprintf(sa->sun_path, sizeof(sa->sun_path), "%.*s/%u.sock", RUNDIR_MAX - 1, dir, id);
}

_Static_assert(RUNDIR_MAX - 1 + sizeof("/4294967295.sock") <= sizeof(((struct sockaddr_un *)0)->sun_path),
	       "a socket's address fits");

/* The directory of our sockets, on the stack of who looks there. */
struct status_dir {
	int fd;
	char path[RUNDIR_MAX];
};

static int status_own_dir(char *path, char *why)
{
	int ret = rundir_own(path);

	if (ret)
		snprintf(why, STATUS_WHY_MAX, "XDG_RUNTIME_DIR: %s; right are at most %u bytes",
			 strerror(-ret), RUNDIR_MAX - (unsigned int)sizeof("/regbuf"));
	return ret;
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

static bool status_trusts(const struct ucred *cred)
{
	return cred->uid == 0 || cred->uid == geteuid();
}

/* Does somebody listen there?  Does not wait for an answer. */
static bool status_is_live(const struct sockaddr_un *sa)
{
	int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool live;

	if (sock < 0)
		return true;
	live = !connect(sock, (const struct sockaddr *)sa, sizeof(*sa)) ||
	       (errno != ECONNREFUSED && errno != ENOENT);
	close(sock);
	return live;
}

/* Under the directory's lock, so that nobody listens anew in between. */
static int status_remove_stale(const struct status_dir *d, const struct sockaddr_un *sa, char *why)
{
	int ret = rundir_lock(d->fd, d->path, why, STATUS_WHY_MAX);

	if (ret)
		return ret;
	if (!status_is_live(sa))
		unlink(sa->sun_path);
	flock(d->fd, LOCK_UN);
	return 0;
}

static int status_bind_locked(const struct status_dir *d, int sock, const struct sockaddr_un *sa,
			      char *why)
{
	int ret = rundir_lock(d->fd, d->path, why, STATUS_WHY_MAX);

	if (ret)
		return ret;
	if (bind(sock, (const struct sockaddr *)sa, sizeof(*sa)) || listen(sock, 8)) {
		ret = -errno;
		snprintf(why, STATUS_WHY_MAX, "%s: %s", sa->sun_path, strerror(-ret));
	}
	flock(d->fd, LOCK_UN);
	return ret;
}

/* A socket at @sa that only we may connect to, or -errno with the cause in @why. */
static int status_bind(const struct status_dir *d, const struct sockaddr_un *sa, char *why)
{
	int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), ret;

	if (sock < 0) {
		ret = -errno;
		snprintf(why, STATUS_WHY_MAX, "socket: %s", strerror(-ret));
		return ret;
	}
	/* the mode that the file gets */
	fchmod(sock, 0600);
	ret = status_bind_locked(d, sock, sa, why);
	if (!ret)
		return sock;
	close(sock);
	return ret;
}

/* A server of the same id that was killed may be still on its way out. */
static int status_bind_anew(const struct status_dir *d, const struct sockaddr_un *sa, char *why)
{
	int ret = -EADDRINUSE;

	for (int i = 0; i < 100 && ret == -EADDRINUSE; i++) {
		if (i > 1)
			usleep(10000);
		ret = status_bind(d, sa, why);
		if (ret == -EADDRINUSE && status_remove_stale(d, sa, why))
			return -EWOULDBLOCK;
	}
	return ret;
}

int status_listen(u32 id, char *why)
{
	struct status_dir d;
	struct sockaddr_un sa;
	int ret = status_own_dir(d.path, why);

	if (ret)
		return ret;
	status_addr(&sa, d.path, id);
	d.fd = rundir_make(d.path, why, STATUS_WHY_MAX);
	if (d.fd < 0)
		return d.fd;
	ret = status_bind_anew(&d, &sa, why);
	close(d.fd);
	return ret;
}

void status_close(u32 id, int listener)
{
	close(listener);
	status_forget(id);
}

void status_forget(u32 id)
{
	char why[STATUS_WHY_MAX];
	struct status_dir d;
	struct sockaddr_un sa;

	if (rundir_own(d.path))
		return;
	status_addr(&sa, d.path, id);
	d.fd = rundir_open(d.path, why, sizeof(why));
	if (d.fd < 0)
		return;
	if (!access(sa.sun_path, F_OK) && status_remove_stale(&d, &sa, why))
		log_warn("device %u: its socket is left: %s", id, why);
	close(d.fd);
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
	if (!status_peer(sock, &cred) || !status_trusts(&cred) ||
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

/* Is @pid what process @seen is called in its own pid namespace? */
static bool status_is_called(pid_t seen, pid_t pid)
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
static bool status_is_server(int sock, pid_t pid, char *why)
{
	struct ucred cred;

	if (!status_peer(sock, &cred)) {
		snprintf(why, STATUS_WHY_MAX, "who listens at its socket is unknown");
		return false;
	}
	if (!status_trusts(&cred)) {
		snprintf(why, STATUS_WHY_MAX, "its socket is user %u's; right is user %u", cred.uid,
			 geteuid());
		return false;
	}
	if (!cred.pid || cred.pid == pid || status_is_called(cred.pid, pid))
		return true;
	snprintf(why, STATUS_WHY_MAX, "its socket is process %d's", cred.pid);
	return false;
}

static char *status_talk(const struct sockaddr_un *sa, pid_t pid, enum status_form form, char *why)
{
	int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char *text = NULL, byte = form;

	if (sock < 0) {
		snprintf(why, STATUS_WHY_MAX, "socket: %s", strerror(errno));
		return NULL;
	}
	status_timeout(sock, STATUS_ASK_S);
	if (connect(sock, (const struct sockaddr *)sa, sizeof(*sa))) {
		snprintf(why, STATUS_WHY_MAX, "%s: %s", sa->sun_path, strerror(errno));
	} else if (status_is_server(sock, pid, why)) {
		if (status_send(sock, &byte, 1) == 1)
			text = status_read(sock);
		if (!text)
			snprintf(why, STATUS_WHY_MAX, "server does not answer: %s", strerror(errno));
	}
	close(sock);
	return text;
}

static char *status_ask_in(const char *path, u32 id, pid_t pid, enum status_form form, char *why)
{
	struct sockaddr_un sa;
	char *text;
	int dir;

	status_addr(&sa, path, id);
	dir = rundir_open(path, why, STATUS_WHY_MAX);
	if (dir < 0)
		return NULL;
	text = status_talk(&sa, pid, form, why);
	close(dir);
	return text;
}

char *status_ask(u32 id, pid_t pid, enum status_form form, char *why)
{
	char path[RUNDIR_MAX], *text = NULL;

	if (!status_own_dir(path, why))
		text = status_ask_in(path, id, pid, form, why);
	/* An ordinary user's own servers come first. */
	if (!text && geteuid())
		text = status_ask_in(RUNDIR_ROOT, id, pid, form, why);
	return text;
}
