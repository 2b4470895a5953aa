// SPDX-License-Identifier: GPL-2.0
/*
 * The launcher's side of the sequence in launch.h; create.c, recover.c and start.c have
 * its steps.  Whatever fails, and wherever, is undone here, in one place.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "create.h"
#include "ctrl.h"
#include "identity.h"
#include "json.h"
#include "launch.h"
#include "launch_msg.h"
#include "log.h"
#include "notify.h"
#include "recover.h"
#include "resume.h"
#include "self.h"
#include "server.h"
#include "signals.h"
#include "start.h"

#define UNDO_WAIT_MS	2000

static int launch_server_gone(struct launch *l, int ret)
{
	log_err("device %u: its server died", l->device.id);
	return ret;
}

static int launch_tell_server(struct launch *l, int sock, enum launch_type type)
{
	int ret = launch_msg_send(sock, type, &l->device);

	return ret ? launch_server_gone(l, ret) : 0;
}

/* The server has fetched every tag, or is gone. */
static int launch_wait_ready(struct launch *l, int sock)
{
	struct launch_msg msg;
	int ret = launch_msg_recv(sock, &msg);

	if (ret)
		return launch_server_gone(l, ret);
	return msg.type == LAUNCH_READY ? 0 : -EIO;
}

static int launch_start(struct launch *l, int sock, int pid)
{
	enum start_kind kind = START_NEW;
	int ret;

	if (l->recover)
		kind = l->force ? START_FORCED : START_RECOVERED;
	ret = start_device(&l->device, kind, sock, pid);
	return ret == -ECONNRESET ? launch_server_gone(l, ret) : ret;
}

/*
 * A device that is to be recovered stays, and can be recovered once more.  Another one
 * goes, in a process that nobody has to wait for: the legs may hold what is in work.
 */
static void launch_undo(struct launch *l, int sock)
{
	u64 until = clock_ms() + UNDO_WAIT_MS;
	pid_t child;

	launch_msg_send(sock, LAUNCH_GONE, NULL);
	if (l->recover)
		return;
	child = fork();
	if (!child) {
		/* ^C is for who waits, and so is what is printed. */
		setsid();
		self_let_go(3);
		close(sock);
		_exit(create_remove(&l->device) ? 1 : 0);
	}
	if (child < 0) {
		/* Nobody else does it. */
		create_remove(&l->device);
		return;
	}
	while (clock_ms() < until) {
		if (waitpid(child, NULL, WNOHANG))
			return;
		usleep(5000);
	}
	log_warn("device %u: it goes when the I/O that its server had in work is over", l->device.id);
}

static void launch_print_json(const struct launch *l, const char *node, int pid)
{
	struct json j;

	json_init(&j, stdout);
	json_open(&j, NULL, '{');
	json_u64(&j, "id", l->device.id);
	json_str(&j, "node", node);
	json_s64(&j, "pid", pid);
	json_str(&j, "mode", l->device.mode->name);
	json_close(&j, '}');
	putchar('\n');
}

/* What `add` and `recover` print.  A device that nobody can know of is none. */
static int launch_tell_user(const struct launch *l, int pid)
{
	char node[32];

	snprintf(node, sizeof(node), "/dev/ublkb%u", l->device.id);
	if (l->json)
		launch_print_json(l, node, pid);
	else
		printf("%s\n", node);
	if (!fflush(stdout))
		return 0;
	log_err("device %u: its name cannot be printed: %s: removing it", l->device.id, strerror(errno));
	return -EIO;
}

/* *old: what was blocked before. */
static void launch_block_signals(sigset_t *old)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, old);
}

/* From here on the device stays: whoever ends us now must find that it was made. */
static int launch_done(struct launch *l, int sock)
{
	sigset_t old;

	launch_block_signals(&old);
	/* The terminal may go. */
	signal(SIGHUP, SIG_IGN);
	return launch_tell_server(l, sock, LAUNCH_TOLD);
}

/* The launcher's process.  @pid: the server. */
static int launch_device(struct launch *l, int sock, int pid)
{
	struct ctrl c;
	int ret = ctrl_init(&c);

	if (ret)
		return ret;
	ret = l->recover ? recover_start(&c, &l->device, l->force) : create_add(&c, &l->device);
	if (ret)
		goto out;
	ret = launch_tell_server(l, sock, LAUNCH_DEVICE);
	if (!ret && !l->recover)
		ret = create_set_params(&c, &l->device);
	if (!ret)
		ret = launch_wait_ready(l, sock);
	/* from the start on it may outlive us */
	if (!ret && l->device.name)
		ret = resume_keep(&l->device);
	if (!ret)
		ret = launch_start(l, sock, pid);
	if (!ret)
		ret = launch_tell_server(l, sock, LAUNCH_LIVE);
	if (!ret)
		ret = launch_tell_user(l, pid);
	if (!ret)
		ret = notify_ready(&l->device, pid);
	if (!ret)
		ret = launch_done(l, sock);
	if (ret)
		launch_undo(l, sock);
out:
	ctrl_deinit(&c);
	return ret;
}

static int launch_make_identity(struct device *d)
{
	u64 nonce;

	if (getrandom(&nonce, sizeof(nonce), 0) != sizeof(nonce)) {
		log_err("getrandom: %s", strerror(errno));
		return -errno;
	}
	d->identity = identity_make(d->target, nonce);
	return 0;
}

/* The launcher's process, up to its exit status.  @pid: the server. */
static int launch_lead(struct launch *l, int sock, int pid)
{
	struct target *t = l->device.target;
	int ret;

	/* The server alone holds the legs. */
	legs_close(t->legs, t->nr_legs);
	t->nr_legs = 0;
	ret = launch_device(l, sock, pid);
	close(sock);
	return ret ? 1 : 0;
}

/*
 * In the background, the child serves, and the caller's shell gets its prompt
 * back from the launcher.  In the foreground it is the other way round, so that
 * the process that the user started is the one that serves.
 */
static int launch_fork(struct launch *l, const int socks[2])
{
	int server_pid = getpid();
	sigset_t mask;
	pid_t child;

	/* The server looks at them itself; ^C must not end it before, with the launcher. */
	launch_block_signals(&mask);
	child = fork();
	if (child < 0) {
		log_err("fork: %s", strerror(errno));
		return 1;
	}
	if (!child == !l->foreground) {
		close(socks[0]);
		if (!l->foreground)
			setsid();
		return server_run(&l->device, socks[1], l->recover, l->foreground);
	}
	sigprocmask(SIG_SETMASK, &mask, NULL);
	close(socks[1]);
	return launch_lead(l, socks[0], child ? child : server_pid);
}

int launch_run(struct launch *l)
{
	int socks[2];

	if (launch_make_identity(&l->device))
		return 1;
	signals_ignore_pipe();
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, socks)) {
		log_err("socketpair: %s", strerror(errno));
		return 1;
	}
	fflush(NULL);
	return launch_fork(l, socks);
}
