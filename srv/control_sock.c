// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "control_sock.h"
#include "log.h"
#include "rundir.h"

void control_addr(struct sockaddr_un *sa, const char *dir, u32 id)
{
	memset(sa, 0, sizeof(*sa));
	sa->sun_family = AF_UNIX;
	snprintf(sa->sun_path, sizeof(sa->sun_path), "%.*s/%u.sock", RUNDIR_MAX - 1, dir, id);
}

_Static_assert(RUNDIR_MAX - 1 + sizeof("/4294967295.sock") <= sizeof(((struct sockaddr_un *)0)->sun_path),
	       "a socket's address fits");

/* The directory of our sockets, on the stack of who looks there. */
struct control_dir {
	int fd;
	char path[RUNDIR_MAX];
};

int control_own_dir(char *path, char *why)
{
	int ret = rundir_own(path);

	if (ret)
		snprintf(why, CONTROL_WHY_MAX, "XDG_RUNTIME_DIR: %s; right are at most %u bytes",
			 strerror(-ret), RUNDIR_MAX - (unsigned int)sizeof("/regbuf"));
	return ret;
}

bool control_peer(int sock, struct ucred *cred)
{
	socklen_t len = sizeof(*cred);

	return !getsockopt(sock, SOL_SOCKET, SO_PEERCRED, cred, &len);
}

bool control_trusts(const struct ucred *cred)
{
	return cred->uid == 0 || cred->uid == geteuid();
}

/* Does somebody listen there?  Does not wait for an answer. */
static bool control_is_live(const struct sockaddr_un *sa)
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
static int control_remove_stale(const struct control_dir *d, const struct sockaddr_un *sa, char *why)
{
	int ret = rundir_lock(d->fd, d->path, why, CONTROL_WHY_MAX);

	if (ret)
		return ret;
	if (!control_is_live(sa))
		unlink(sa->sun_path);
	flock(d->fd, LOCK_UN);
	return 0;
}

static int control_bind_locked(const struct control_dir *d, int sock, const struct sockaddr_un *sa,
			      char *why)
{
	int ret = rundir_lock(d->fd, d->path, why, CONTROL_WHY_MAX);

	if (ret)
		return ret;
	if (bind(sock, (const struct sockaddr *)sa, sizeof(*sa)) || listen(sock, 8)) {
		ret = -errno;
		snprintf(why, CONTROL_WHY_MAX, "%s: %s", sa->sun_path, strerror(-ret));
	}
	flock(d->fd, LOCK_UN);
	return ret;
}

/* A socket at @sa that only we may connect to, or -errno with the cause in @why. */
static int control_bind(const struct control_dir *d, const struct sockaddr_un *sa, char *why)
{
	int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), ret;

	if (sock < 0) {
		ret = -errno;
		snprintf(why, CONTROL_WHY_MAX, "socket: %s", strerror(-ret));
		return ret;
	}
	/* the mode that the file gets */
	fchmod(sock, 0600);
	ret = control_bind_locked(d, sock, sa, why);
	if (!ret)
		return sock;
	close(sock);
	return ret;
}

/* A server of the same id that was killed may be still on its way out. */
static int control_bind_anew(const struct control_dir *d, const struct sockaddr_un *sa, char *why)
{
	int ret = -EADDRINUSE;

	for (int i = 0; i < 100 && ret == -EADDRINUSE; i++) {
		if (i > 1)
			usleep(10000);
		ret = control_bind(d, sa, why);
		if (ret == -EADDRINUSE && control_remove_stale(d, sa, why))
			return -EWOULDBLOCK;
	}
	return ret;
}

int control_listen(u32 id, char *why)
{
	struct control_dir d;
	struct sockaddr_un sa;
	int ret = control_own_dir(d.path, why);

	if (ret)
		return ret;
	control_addr(&sa, d.path, id);
	d.fd = rundir_make(d.path, why, CONTROL_WHY_MAX);
	if (d.fd < 0)
		return d.fd;
	ret = control_bind_anew(&d, &sa, why);
	close(d.fd);
	return ret;
}

void control_close(u32 id, int listener)
{
	close(listener);
	control_forget(id);
}

void control_forget(u32 id)
{
	char why[CONTROL_WHY_MAX];
	struct control_dir d;
	struct sockaddr_un sa;

	if (rundir_own(d.path))
		return;
	control_addr(&sa, d.path, id);
	d.fd = rundir_open(d.path, why, sizeof(why));
	if (d.fd < 0)
		return;
	if (!access(sa.sun_path, F_OK) && control_remove_stale(&d, &sa, why))
		log_warn("device %u: its socket is left: %s", id, why);
	close(d.fd);
}
