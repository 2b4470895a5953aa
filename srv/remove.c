// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "control_ask.h"
#include "inuse.h"
#include "log.h"
#include "remove.h"

#define REMOVE_WAIT_US	3000000

/* s, until it is told what is waited for, and from then on. */
#define REMOVE_TELL_FIRST	3
#define REMOVE_TELL_AGAIN	30

/*
 * struct teller - tells what STOP_DEV waits for, which cannot tell itself
 * On the stack of remove_stop(); the thread's, but for @lock, @wake and @done.
 */
struct teller {
	const char *cmd;
	u32 id;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool done;
};

static void teller_tell(const struct teller *t)
{
	static const char *const words[] = { "list", "text", NULL };
	char why[CONTROL_WHY_MAX];
	struct control_answer a;
	int ret = control_ask(t->id, 0, words, &a, why);

	log_warn("%s: device %u: it waits for what is under way; when this command is ended, the device still stops, and 'regbuf del -n %u' removes it%s%s",
		 t->cmd, t->id, t->id, ret ? "" : "; its server says: ", ret || a.err ? "" : a.text);
	if (!ret)
		free(a.text);
}

static void *teller_main(void *arg)
{
	struct teller *t = arg;
	struct timespec at;

	clock_gettime(CLOCK_REALTIME, &at);
	at.tv_sec += REMOVE_TELL_FIRST;
	pthread_mutex_lock(&t->lock);
	while (!t->done) {
		if (pthread_cond_timedwait(&t->wake, &t->lock, &at) != ETIMEDOUT)
			continue;
		pthread_mutex_unlock(&t->lock);
		teller_tell(t);
		pthread_mutex_lock(&t->lock);
		clock_gettime(CLOCK_REALTIME, &at);
		at.tv_sec += REMOVE_TELL_AGAIN;
	}
	pthread_mutex_unlock(&t->lock);
	return NULL;
}

int remove_stop(struct ctrl *c, const char *cmd, u32 id)
{
	struct teller t = { .cmd = cmd, .id = id, .lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER };
	pthread_t thread;
	/* Without it nothing is told. */
	bool tells = !pthread_create(&thread, NULL, teller_main, &t);
	int ret = ctrl_stop_dev(c, id);

	if (!tells)
		return ret;
	pthread_mutex_lock(&t.lock);
	t.done = true;
	pthread_cond_signal(&t.wake);
	pthread_mutex_unlock(&t.lock);
	pthread_join(thread, NULL);
	return ret;
}

/*
 * Until the number is free, or has been given to another device than that of @flags.  DEL_DEV can
 * wait by itself, but for ever, when somebody has the block device open or
 * mounted.
 */
static bool remove_wait(struct ctrl *c, u32 id, u64 flags)
{
	struct ublksrv_ctrl_dev_info info;
	unsigned int us = 500;

	for (unsigned int waited = 0; waited < REMOVE_WAIT_US; waited += us) {
		if (ctrl_get_info(c, id, &info) || info.ublksrv_flags != flags)
			return true;
		usleep(us);
		if (us < 20000)
			us *= 2;
	}
	return false;
}

/* Why it could not be removed: what the driver answered. */
static int remove_failed(const char *cmd, u32 id, int ret)
{
	if (ret == -ENODEV)
		log_err("%s: device %u: there is none; 'regbuf list' shows what there is", cmd, id);
	else
		log_err("%s: device %u: %s", cmd, id, strerror(-ret));
	return ret;
}

/* The device of @flags, which was stopped.  If the number is another one's by now, that stays. */
static int remove_stopped(struct ctrl *c, const char *cmd, u32 id, u64 flags, bool *removed)
{
	struct ublksrv_ctrl_dev_info info;
	int ret = ctrl_get_info(c, id, &info);

	*removed = ret == -ENODEV || (!ret && info.ublksrv_flags != flags);
	if (*removed)
		return 0;
	if (!ret)
		ret = ctrl_del_dev_async(c, id);
	if (ret)
		return remove_failed(cmd, id, ret);
	*removed = remove_wait(c, id, flags);
	if (*removed)
		control_forget(id);
	else
		log_warn("%s: device %u is stopped; its number is free again when whoever has it open or mounted lets go",
			 cmd, id);
	return 0;
}

int remove_device(struct ctrl *c, const char *cmd, u32 id, bool *removed)
{
	struct ublksrv_ctrl_dev_info info;
	int ret = ctrl_get_info(c, id, &info);

	if (!ret)
		ret = remove_stop(c, cmd, id);
	return ret ? remove_failed(cmd, id, ret) : remove_stopped(c, cmd, id, info.ublksrv_flags, removed);
}

int remove_unused(struct ctrl *c, const char *cmd, const char *what, u32 id, bool *removed)
{
	struct ublksrv_ctrl_dev_info info;
	int fd = inuse_claim(cmd, what, id), ret;

	if (fd < 0)
		return fd;
	/* of the device that is held open here */
	ret = ctrl_get_info(c, id, &info);
	if (!ret)
		ret = remove_stop(c, cmd, id);
	close(fd);
	if (!ret)
		return remove_stopped(c, cmd, id, info.ublksrv_flags, removed);
	log_err("%s: %s: device %u: %s", cmd, what, id, strerror(-ret));
	return ret;
}
