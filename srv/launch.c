// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cache.h"
#include "clock.h"
#include "ctrl.h"
#include "identity.h"
#include "json.h"
#include "launch.h"
#include "launch_msg.h"
#include "log.h"
#include "node.h"
#include "recover.h"
#include "self.h"
#include "server.h"
#include "signals.h"
#include "sysfs.h"

#define UNDO_WAIT_MS	2000
/* For an errno: the failure has been logged. */
#define START_TOLD	255

static int launch_add_failed(const struct launch *l, int err)
{
	switch (err) {
	case EEXIST:
		log_err("device %u exists already: leave out -n for a free one, or 'regbuf del -n %u' first",
			l->device.id, l->device.id);
		break;
	case EPERM:
	case EACCES:
		log_err("making a ublk device: %s: this needs root (CAP_SYS_ADMIN)", strerror(err));
		break;
	default:
		log_err("making a ublk device: %s", strerror(err));
	}
	return -err;
}

/* Until a node is there that is the device's: devtmpfs is quick, udev takes its time. */
static int launch_wait_node(const struct launch *l, struct ctrl *c, enum node_kind kind)
{
	struct ublk_params p;
	dev_t dev = 0;

	if (!ctrl_get_params(c, l->device.id, &p) && p.types & UBLK_PARAM_TYPE_DEVT)
		dev = kind == NODE_BLOCK ? makedev(p.devt.disk_major, p.devt.disk_minor) :
					   makedev(p.devt.char_major, p.devt.char_minor);
	return node_wait(kind, l->device.id, dev);
}

/* Can the device that was just added be used? */
static int launch_check_added(const struct launch *l, struct ctrl *c,
			      const struct ublksrv_ctrl_dev_info *info)
{
	int ret;

	if ((info->flags & l->device.mode->ublk_flags) != l->device.mode->ublk_flags) {
		/* An old driver drops what it does not know. */
		log_err("mode %s: this kernel's ublk driver does not have it", l->device.mode->name);
		return -EOPNOTSUPP;
	}
	ret = node_check_names("", l->device.id);
	return ret ? ret : launch_wait_node(l, c, NODE_CHAR);
}

/* The first step, and the only one whose failure leaves nothing to undo. */
static int launch_add(struct launch *l, struct ctrl *c)
{
	struct ublksrv_ctrl_dev_info info = {
		.ublksrv_flags = l->device.identity,
		.nr_hw_queues = l->device.nr_queues,
		.queue_depth = l->device.depth,
		.max_io_buf_bytes = l->device.max_io,
		.dev_id = l->device.id,
		.flags = l->device.flags | l->device.mode->ublk_flags,
	};
	int ret = l->device.id == DEVICE_ANY_ID ? 0 : node_check_names("", l->device.id);

	if (ret)
		return ret;
	ret = ctrl_add_dev(c, &info);
	if (ret)
		return launch_add_failed(l, -ret);
	l->device.id = info.dev_id;
	l->device.nr_queues = info.nr_hw_queues;
	ret = launch_check_added(l, c, &info);
	if (ret)
		ctrl_del_dev(c, l->device.id);
	return ret;
}

static int launch_set_params(struct launch *l, struct ctrl *c)
{
	struct ublk_params params;
	int ret;

	if (l->recover)
		return 0;
	limits_to_params(&l->device.target->lim, l->device.max_io, l->device.mode->lends, &params);
	ret = ctrl_set_params(c, l->device.id, &params);
	if (ret)
		log_err("device %u: parameters: %s", l->device.id, strerror(-ret));
	return ret;
}

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

static void launch_set_queue(struct launch *l, const char *name, const char *value, const char *why)
{
	char path[32];
	struct stat st;
	int ret;

	snprintf(path, sizeof(path), "/dev/ublkb%u", l->device.id);
	ret = stat(path, &st) ? -errno : sysfs_queue_set(st.st_rdev, name, value);
	if (ret)
		log_warn("%s: %s could not be set to %s: %s: %s", path, name, value, strerror(-ret), why);
}

/*
 * Nobody takes a copy: when the client changes pages under way, checksums are wrong and
 * legs differ.
 */
static void launch_stable_pages(struct launch *l)
{
	if ((l->device.target->ops->wants_stable_data || l->device.target->lim.stable) && l->device.mode->lends)
		launch_set_queue(l, "stable_writes", "1",
				 "pages that change while they are written may differ between legs, or from their checksums");
}

/* What the kernel's defaults for a block device get wrong for one like this. */
static void launch_queue_attributes(struct launch *l)
{
	launch_set_queue(l, "scheduler", "none",
			 "requests are sorted here and by the legs' own schedulers again");
	launch_stable_pages(l);
}

/* The device has what it had, or what its owner has set since; other legs may have other data. */
static void launch_take_other_legs(struct launch *l)
{
	launch_stable_pages(l);
	cache_drop(l->device.id);
}

/* START or END_RECOVERY, and what comes after.  Waits for I/O, so for the server. */
static int launch_start_here(struct launch *l, int pid)
{
	struct ctrl c;
	int ret;

	/* It may outlive the launcher. */
	self_let_go(2);
	ret = ctrl_init(&c);
	if (ret)
		return -START_TOLD;
	if (l->recover)
		ret = ctrl_end_recovery(&c, l->device.id, pid);
	else
		ret = ctrl_start_dev(&c, l->device.id, pid);
	if (!ret && launch_wait_node(l, &c, NODE_BLOCK))
		ret = -START_TOLD;
	if (!ret && !l->recover)
		launch_queue_attributes(l);
	if (!ret && l->recover && l->force)
		launch_take_other_legs(l);
	ctrl_deinit(&c);
	return ret;
}

/*
 * In a process of its own, which waits for ever if the server dies: until the device
 * is removed, and that is ours to do.  Its exit status is the error's number.
 */
static int launch_start(struct launch *l, int sock, int pid)
{
	pid_t parent = getpid(), child = fork(), ended;
	int status;

	if (child < 0) {
		log_err("device %u: start: fork: %s", l->device.id, strerror(errno));
		return -errno;
	}
	if (!child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(sock);
		/* killed before it could be told */
		if (getppid() != parent)
			_exit(START_TOLD);
		_exit(-launch_start_here(l, pid));
	}
	while (!(ended = waitpid(child, &status, WNOHANG))) {
		if (launch_msg_is_over(sock)) {
			kill(child, SIGKILL);
			return launch_server_gone(l, -ECONNRESET);
		}
		usleep(1000);
	}
	if (launch_msg_is_over(sock))
		return launch_server_gone(l, -ECONNRESET);
	if (ended < 0) {
		log_err("device %u: start: waiting for it: %s", l->device.id, strerror(errno));
		kill(child, SIGKILL);
		return -ECHILD;
	}
	if (!status)
		return 0;
	status = WIFEXITED(status) ? WEXITSTATUS(status) : EINTR;
	if (status != START_TOLD)
		log_err("device %u: start: %s", l->device.id, strerror(status));
	return -status;
}

/* The number may be another device's by now: a server that dies removes it too. */
static int launch_remove(const struct launch *l)
{
	struct ublksrv_ctrl_dev_info info;
	struct ctrl c;
	int ret = ctrl_init(&c);

	if (ret)
		return ret;
	ret = ctrl_get_info(&c, l->device.id, &info);
	if (!ret && info.ublksrv_flags == l->device.identity) {
		ctrl_stop_dev(&c, l->device.id);
		ret = ctrl_del_dev(&c, l->device.id);
	}
	ctrl_deinit(&c);
	return ret;
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
		_exit(launch_remove(l) ? 1 : 0);
	}
	if (child < 0) {
		/* Nobody else does it. */
		launch_remove(l);
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
	ret = l->recover ? recover_start(&c, &l->device, l->force) : launch_add(l, &c);
	if (ret)
		goto out;
	ret = launch_tell_server(l, sock, LAUNCH_DEVICE);
	if (!ret)
		ret = launch_set_params(l, &c);
	if (!ret)
		ret = launch_wait_ready(l, sock);
	if (!ret)
		ret = launch_start(l, sock, pid);
	if (!ret)
		ret = launch_tell_server(l, sock, LAUNCH_LIVE);
	if (!ret)
		ret = launch_tell_user(l, pid);
	if (!ret)
		ret = launch_done(l, sock);
	if (ret)
		launch_undo(l, sock);
out:
	ctrl_deinit(&c);
	return ret;
}

static int launch_serve(struct launch *l, int sock)
{
	struct server srv = {
		.device = &l->device,
		.recover = l->recover,
		.foreground = l->foreground,
		.launch = sock,
		.ublkc = -1,
		.status = -1,
		.signals = -1,
	};

	return server_run(&srv);
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

/*
 * In the background, the child serves, and the caller's shell gets its prompt
 * back from the launcher.  In the foreground it is the other way round, so that
 * the process that the user started is the one that serves.
 */
int launch_run(struct launch *l)
{
	int socks[2], server_pid, ret;
	sigset_t mask;
	pid_t child;

	if (launch_make_identity(&l->device))
		return 1;
	signals_ignore_pipe();
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, socks)) {
		log_err("socketpair: %s", strerror(errno));
		return 1;
	}
	fflush(NULL);
	server_pid = getpid();
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
		return launch_serve(l, socks[1]);
	}
	sigprocmask(SIG_SETMASK, &mask, NULL);
	close(socks[1]);
	/* The server alone holds the legs. */
	legs_close(l->device.target->legs, l->device.target->nr_legs);
	l->device.target->nr_legs = 0;
	if (child)
		server_pid = child;
	ret = launch_device(l, socks[0], server_pid);
	close(socks[0]);
	return ret ? 1 : 0;
}
