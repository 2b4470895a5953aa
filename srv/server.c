// SPDX-License-Identifier: GPL-2.0
/*
 * The main thread never sends a control command: STOP waits for I/O that the
 * queues must do, and a process that waits for itself cannot be killed.  To end
 * the device it starts `regbuf del` as a process of its own.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "control.h"
#include "control_sock.h"
#include "ctrl.h"
#include "json.h"
#include "launch_msg.h"
#include "log.h"
#include "mounts.h"
#include "protect.h"
#include "queue.h"
#include "resume.h"
#include "rlimits.h"
#include "rundir.h"
#include "self.h"
#include "server.h"
#include "signals.h"
#include "stats.h"

#define NODE_WAIT_MS	5000

/*
 * struct server - the process that serves one device
 * One, on the stack of server_run(), which sets the first group, and -1 for descriptors.
 * Written by the main thread only; the queues have pointers to what they need of it, and
 * none to it.
 *
 * States: the queues start; ready, LAUNCH_READY was sent; @live, LAUNCH_LIVE came, and clients
 * can use the device; kept, LAUNCH_TOLD came, and @launch is -1.  Up to then the launcher's
 * end is the server's, too.  From there the device's end is the server's; or, when it @quiesces,
 * that of what it has in work.
 */
struct server {
	struct device *device;
	int launch;		/* the launcher's socket, -1 after LAUNCH_TOLD */
	bool recover;		/* an older server's device: never remove it half-way */
	bool foreground;	/* stderr stays, and has the log; otherwise syslog has it */

	struct queue *queues;	/* the device's nr_queues */
	unsigned int quiet;	/* so many are, or have ended, */
	unsigned int ended;	/* and so many have ended */
	struct watch *watches;	/* one for each, if the target wants to know */
	u64 watch_at;		/* when to look next, ms */
	int ublkc;		/* the char device */
	int events[2];		/* pipe from the queues: one enum queue_event per byte */
	int listener;		/* the socket that commands come over, or -1 */
	struct control control;	/* who has connected */
	struct control_table tables[2];	/* our own commands, and the target's */
	int signals;		/* signalfd */
	int log;		/* lines for log_forward() */
	bool live;
	bool quiesces;		/* the device stays, for the next server */
	pid_t deleting;		/* our `del`, or 0 */
	time_t since;		/* when it became live */
};

/* What all threads have run, those that have ended too. */
static u64 server_cpu_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (u64)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static void server_tell_json(struct server *srv, FILE *out)
{
	struct target *t = srv->device->target;
	struct json j;

	json_init(&j, out);
	json_open(&j, NULL, '{');
	json_str(&j, "target", t->ops->name);
	json_str(&j, "mode", srv->device->mode->name);
	json_s64(&j, "since", srv->since);
	json_u64(&j, "cpu_us", server_cpu_us());
	if (t->ops->status_json)
		t->ops->status_json(t, &j);
	json_close(&j, '}');
}

static void server_tell_text(struct server *srv, FILE *out)
{
	struct target *t = srv->device->target;

	/* What list puts into its own line, then the target's lines. */
	fprintf(out, "%s, mode %s\n", t->ops->name, srv->device->mode->name);
	if (t->ops->status_text)
		t->ops->status_text(t, out);
}

static int server_cmd_list(void *arg, int argc, char **argv, FILE *out)
{
	if (!strcmp(argv[1], "json"))
		server_tell_json(arg, out);
	else if (!strcmp(argv[1], "text"))
		server_tell_text(arg, out);
	else
		return -EINVAL;
	return 0;
}

static void server_tell_stats(const struct server *srv, FILE *out)
{
	struct stats_part legs[MAX_LEGS] = { 0 };
	unsigned int nr_legs = srv->device->target->nr_legs;

	fprintf(out, "stats 1 %" PRIu64 " %u %u %d\n", clock_ns(), srv->device->nr_queues, nr_legs, getpid());
	for (unsigned int i = 0; i < srv->device->nr_queues; i++) {
		const struct stats *st = srv->queues[i].kept_stats;

		stats_part_write(out, "queue", i, &st->own);
		for (unsigned int leg = 0; leg < nr_legs; leg++)
			stats_part_add(&legs[leg], &st->legs[leg]);
	}
	for (unsigned int leg = 0; leg < nr_legs; leg++)
		stats_part_write(out, "leg", leg, &legs[leg]);
}

static int server_cmd_stat(void *arg, int argc, char **argv, FILE *out)
{
	struct server *srv = arg;
	int ret = 0;

	for (unsigned int i = 0; i < srv->device->nr_queues && !ret; i++)
		ret = stats_want(&srv->queues[i], clock_ms());
	if (!ret)
		server_tell_stats(srv, out);
	return ret;
}

/* Answered at once: who asks waits for our end. */
static int server_cmd_quiesce(void *arg, int argc, char **argv, FILE *out)
{
	struct server *srv = arg;

	if (srv->launch >= 0 || srv->deleting) {
		fputs(srv->launch >= 0 ? "it is just being started" : "it is just being removed", out);
		return -EBUSY;
	}
	if (srv->quiesces)
		return 0;
	srv->quiesces = true;
	log_info("device %u: its server ends when what it has in work is done", srv->device->id);
	for (unsigned int i = 0; i < srv->device->nr_queues; i++)
		queue_quiesce(&srv->queues[i]);
	return 0;
}

static const struct control_cmd server_cmds[] = {
	{ .name = "list", .args = "json|text", .min_args = 1, .max_args = 1, .run = server_cmd_list },
	{ .name = "stat", .args = "", .run = server_cmd_stat },
	{ .name = "quiesce", .args = "", .run = server_cmd_quiesce },
	{ 0 }
};

/* Without it the device is served all the same. */
static void server_listen(struct server *srv)
{
	char why[CONTROL_WHY_MAX];
	int ret;

	srv->tables[0] = (struct control_table){ server_cmds, srv };
	srv->tables[1] = (struct control_table){ srv->device->target->ops->commands, srv->device->target };
	srv->listener = control_listen(srv->device->id, why);
	if (srv->listener >= 0) {
		ret = control_init(&srv->control, srv->listener, srv->tables, ARRAY_SIZE(srv->tables));
		if (!ret)
			return;
		snprintf(why, sizeof(why), "epoll: %s", strerror(-ret));
		control_close(srv->device->id, srv->listener);
		srv->listener = -1;
	}
	log_warn("device %u: list will know little of it: %s", srv->device->id, why);
}

static void server_unlisten(struct server *srv)
{
	control_deinit(&srv->control);
	if (srv->listener >= 0)
		control_close(srv->device->id, srv->listener);
}

/* Is our `del` under way?  One that failed is told of, and is none. */
static bool server_is_deleting(struct server *srv)
{
	int status;

	if (!srv->deleting)
		return false;
	if (waitpid(srv->deleting, &status, WNOHANG) != srv->deleting || !status)
		return true;
	log_warn("device %u: del failed (wait status %#x): trying again", srv->device->id, status);
	return false;
}

/*
 * `regbuf del -n ID`; it ends when we have let go of the device.  Once, or if it failed, once
 * more when it is asked for again.
 */
static void server_delete(struct server *srv)
{
	char id[16], *argv[] = { "regbuf", "del", "-n", id, NULL };

	if (server_is_deleting(srv))
		return;
	snprintf(id, sizeof(id), "%u", srv->device->id);
	srv->deleting = self_spawn(argv, !srv->foreground || !srv->live);
	if (srv->deleting < 0) {
		/* Our death ends the device too, but for the dead node. */
		log_err("device %u: del: %s", srv->device->id, strerror(-srv->deleting));
		exit(1);
	}
}

/* The launcher died: nobody will know of the device. */
static void server_abandon(struct server *srv)
{
	if (!srv->recover)
		server_delete(srv);
}

static int server_open_ublkc(struct server *srv)
{
	char path[32];

	snprintf(path, sizeof(path), "/dev/ublkc%u", srv->device->id);
	for (int ms = 0; ; ms += 10) {
		/* Non-blocking: io_uring must not hand its reads and writes to a worker. */
		srv->ublkc = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
		if (srv->ublkc >= 0)
			return 0;
		/* udev may be on its way; EBUSY is a dead server on its way out. */
		if ((errno != ENOENT && errno != EACCES && errno != EBUSY) || ms >= NODE_WAIT_MS)
			break;
		usleep(10000);
	}
	log_err("%s: %s", path, strerror(errno));
	return -errno;
}

static int server_start_queues(struct server *srv)
{
	const struct device *d = srv->device;
	struct target *t = d->target;
	int ret;

	t->silent = d->mode->hands_off;
	ret = t->ops->start ? t->ops->start(t, d->nr_queues) : 0;
	if (ret)
		return ret;
	srv->queues = calloc(d->nr_queues, sizeof(*srv->queues));
	if (!srv->queues)
		return -ENOMEM;
	for (unsigned int i = 0; i < d->nr_queues; i++) {
		struct queue *q = &srv->queues[i];

		q->device = d;
		q->mode = d->mode;
		q->target = t;
		ret = inbox_init(&q->inbox);
		if (ret) {
			log_err("queue %u: eventfd: %s", i, strerror(-ret));
			return ret;
		}
		q->tq = t->ops->queue ? t->ops->queue(t, i, &q->inbox) : NULL;
		q->qid = i;
		q->ublkc = srv->ublkc;
		q->events = srv->events[1];
		ret = queue_start(q);
		if (ret) {
			log_err("queue %u: thread: %s", i, strerror(-ret));
			return ret;
		}
	}
	return 0;
}

/* The launcher said something, when only its end was to be heard. */
static int server_launcher_gone(struct server *srv)
{
	struct launch_msg msg;

	/* LAUNCH_GONE: it removes the device itself. */
	if (launch_msg_recv(srv->launch, &msg))
		server_abandon(srv);
	return -ECANCELED;
}

static int server_start_watches(struct server *srv)
{
	const struct device *d = srv->device;
	int ret = 0;

	if (!d->target->ops->watch)
		return 0;
	srv->watches = calloc(d->nr_queues, sizeof(*srv->watches));
	if (!srv->watches)
		return -ENOMEM;
	for (unsigned int i = 0; i < d->nr_queues && !ret; i++)
		ret = watch_init(&srv->watches[i], queue_nr_ios(&srv->queues[i]));
	return ret;
}

/* Every queue is ready, or the launcher or a queue gave up. */
static int server_wait_queues(struct server *srv)
{
	struct pollfd pfd[] = {
		{ .fd = srv->events[0], .events = POLLIN },
		{ .fd = srv->launch, .events = POLLIN },
	};
	unsigned int ready = 0;

	while (ready < srv->device->nr_queues) {
		char event;

		/* then revents are those of the round before */
		if (poll(pfd, ARRAY_SIZE(pfd), -1) < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		if (pfd[1].revents)
			return server_launcher_gone(srv);
		if (!pfd[0].revents)
			continue;
		if (read(srv->events[0], &event, 1) != 1 || event != QUEUE_READY)
			return -EIO;
		ready++;
	}
	return 0;
}

/*
 * The launcher ended without a word.  If it was killed just behind ADD_DEV,
 * there is a device that only we know of.
 */
static void server_orphan(struct server *srv)
{
	struct ublksrv_ctrl_dev_info info;
	struct ctrl c;
	u32 *ids;
	int nr;

	if (ctrl_init(&c))
		return;
	nr = ctrl_list(&ids);
	for (int i = 0; i < nr; i++) {
		if (ctrl_get_info(&c, ids[i], &info) || info.ublksrv_flags != srv->device->identity)
			continue;
		srv->device->id = ids[i];
		server_delete(srv);
	}
	free(ids);
	ctrl_deinit(&c);
}

static int server_prepare(struct server *srv)
{
	struct launch_msg msg;
	int ret = launch_msg_recv(srv->launch, &msg);

	if (ret) {
		if (!srv->recover)
			server_orphan(srv);
		return ret;
	}
	launch_msg_device(&msg, srv->device);

	/* `recover` knows the number of queues only now. */
	ret = rlimits_files(RLIMITS_FILES(srv->device->nr_queues));
	if (!ret)
		ret = server_open_ublkc(srv);
	if (!ret)
		ret = server_start_queues(srv);
	if (!ret)
		ret = server_wait_queues(srv);
	if (!ret)
		ret = server_start_watches(srv);
	if (!ret) {
		protect_memory();
		server_listen(srv);
	}
	/* What went wrong comes before the end of it. */
	log_forward(false);
	if (ret != -ECANCELED &&
	    launch_msg_send(srv->launch, ret ? LAUNCH_FAILED : LAUNCH_READY, NULL)) {
		server_abandon(srv);
		ret = -ECONNRESET;
	}
	return ret;
}

static void server_detach(struct server *srv)
{
	if (!srv->foreground)
		self_let_go(3);
}

/* The device is nobody's: what is in work is given up, the leg may never answer. */
static bool server_launcher_died(struct server *srv)
{
	if (!srv->recover)
		log_err("device %u: 'add' died before the device was usable: removing it", srv->device->id);
	server_abandon(srv);
	srv->live = false;
	return false;
}

/* Something came from the launcher, or its end.  False: stop serving. */
static bool server_launcher(struct server *srv)
{
	struct launch_msg msg;

	if (launch_msg_recv(srv->launch, &msg))
		return server_launcher_died(srv);
	switch (msg.type) {
	case LAUNCH_LIVE:
		srv->live = true;
		srv->since = time(NULL);
		return true;
	case LAUNCH_TOLD:
		close(srv->launch);
		srv->launch = -1;
		server_detach(srv);
		return true;
	}
	/* LAUNCH_GONE: it removes the device itself. */
	srv->live = false;
	return false;
}

/*
 * A signal to end: the device goes, and with it the server.  False: stop serving, for a
 * device that never was usable.
 */
static bool server_signal(struct server *srv)
{
	int sender;
	const char *name = signals_read(srv->signals, &sender);

	if (!name)
		return true;
	/* a service manager's, which has waited long enough for it */
	if (srv->quiesces) {
		log_info("device %u: %s from process %d: it ends already", srv->device->id, name, sender);
		return true;
	}
	log_info("device %u: %s from process %d: removing it", srv->device->id, name, sender);
	if (srv->live)
		server_delete(srv);
	else
		server_abandon(srv);
	return srv->live;
}

/* How old what is on the legs is.  Returns the ms until the next look, or -1. */
static int server_watch(struct server *srv, u64 now)
{
	struct target *t = srv->device->target;
	struct watch_ages ages = { 0 };

	if (!srv->watches)
		return -1;
	if (now < srv->watch_at)
		return srv->watch_at - now;
	for (unsigned int i = 0; i < srv->device->nr_queues; i++)
		queue_watch(&srv->queues[i], &srv->watches[i], now, &ages);
	t->ops->watch(t, &ages);
	srv->watch_at = now + WATCH_MS;
	return WATCH_MS;
}

/* What is due at a time, not at an event.  Returns the ms until then, or -1. */
static int server_tick(struct server *srv, u64 now)
{
	struct target *t = srv->device->target;
	int watch = server_watch(srv, now), ms;

	ms = t->ops->tick ? t->ops->tick(t, now) : -1;
	return ms < 0 || (watch >= 0 && watch < ms) ? watch : ms;
}

/* In how many ms something is to be done although nothing comes, or -1.  Does what is due. */
static int server_next(struct server *srv, u64 now)
{
	int tick = server_tick(srv, now), control = control_next(&srv->control, now);

	return tick < 0 || (control >= 0 && control < tick) ? control : tick;
}

/* A queue is quiet, or has ended.  When all are, those that are left end, too. */
static void server_queue(struct server *srv, enum queue_event event)
{
	if (event != QUEUE_QUIET)
		srv->ended++;
	if (event == QUEUE_ENDED_QUIET)
		return;
	if (++srv->quiet != srv->device->nr_queues || !srv->quiesces)
		return;
	for (unsigned int i = 0; i < srv->device->nr_queues; i++)
		queue_end(&srv->queues[i]);
}

static void server_serve(struct server *srv)
{
	while (srv->ended < srv->device->nr_queues) {
		struct pollfd pfd[] = {
			{ .fd = srv->events[0], .events = POLLIN },
			{ .fd = srv->signals, .events = POLLIN },
			{ .fd = srv->control.fd, .events = POLLIN },
			{ .fd = srv->launch, .events = POLLIN },
			{ .fd = srv->log, .events = POLLIN },
		};
		char event;

		if (poll(pfd, ARRAY_SIZE(pfd), server_next(srv, clock_ms())) < 0)
			continue;
		if (pfd[0].revents && read(srv->events[0], &event, 1) == 1)
			server_queue(srv, event);
		if (pfd[4].revents)
			log_forward(!srv->foreground && srv->live);
		if (pfd[3].revents && !server_launcher(srv))
			return;
		/* after the launcher's word that the device is usable: who was told so may have sent these */
		control_run(&srv->control);
		if (pfd[1].revents && !server_signal(srv))
			return;
	}
}

/* What the server needs of what is mounted, beside what every program does. */
static void server_leave_mounts(const struct server *srv)
{
	char sockets[RUNDIR_MAX], ublkc[32];
	const char *keep[] = { ublkc, sockets, NULL };

	/* In a container the device may be mounted by itself. */
	snprintf(ublkc, sizeof(ublkc), "/dev/ublkc%u", srv->device->id);
	if (rundir_own(sockets))
		keep[1] = NULL;
	mounts_leave(keep);
}

static int server_init(struct server *srv)
{
	srv->signals = signals_init();
	if (srv->signals < 0) {
		log_err("server: signalfd: %s", strerror(-srv->signals));
		return srv->signals;
	}
	if (pipe2(srv->events, O_CLOEXEC)) {
		log_err("server: pipe: %s", strerror(errno));
		return -errno;
	}
	self_init();
	protect_process();
	server_leave_mounts(srv);
	srv->log = log_defer();
	return 0;
}

/* After the last event.  Of a device that never was usable it does not return. */
static void server_finish(struct server *srv)
{
	struct target *t = srv->device->target;

	if (t->ops->tick)
		t->ops->tick(t, UINT64_MAX);
	log_forward(!srv->foreground && srv->live);
	server_unlisten(srv);
	/* one that could not be recovered stays, and waits for the next server, as a quiesced one does */
	if ((srv->live || !srv->recover) && !srv->quiesces)
		resume_forget(srv->device);
	/* Not joined: what the queues wait for may never come. */
	if (!srv->live)
		_exit(1);

	for (unsigned int i = 0; i < srv->device->nr_queues; i++)
		queue_join(&srv->queues[i]);
	if (t->ops->stop)
		t->ops->stop(t);
	log_forward(!srv->foreground);
	for (unsigned int i = 0; i < srv->device->nr_queues; i++) {
		inbox_deinit(&srv->queues[i].inbox);
		stats_free(&srv->queues[i]);
	}
	for (unsigned int i = 0; srv->watches && i < srv->device->nr_queues; i++)
		watch_deinit(&srv->watches[i]);
	free(srv->watches);
	free(srv->queues);
	close(srv->ublkc);
	/* Only with our end can our `del` be done. */
	if (srv->foreground)
		while (wait(NULL) > 0 || errno == EINTR)
			;
}

int server_run(struct device *d, int launch, bool recover, bool foreground)
{
	struct server srv = {
		.device = d,
		.launch = launch,
		.recover = recover,
		.foreground = foreground,
		.ublkc = -1,
		.listener = -1,
		.control.fd = -1,
		.signals = -1,
	};
	int ret = server_init(&srv);

	if (!ret)
		ret = server_prepare(&srv);
	log_forward(false);
	/*
	 * A failure is left by dying: the kernel takes the queues' requests
	 * back, and the launcher removes the device.
	 */
	if (ret)
		_exit(1);
	server_serve(&srv);
	server_finish(&srv);
	return 0;
}
