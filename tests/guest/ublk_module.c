// SPDX-License-Identifier: GPL-2.0
/*
 * The driver's module is removed as soon as nobody needs it, while what it lent a moment
 * ago may be on its way out of it still.  Where the driver is part of the kernel, or the
 * module is somebody's, there is nothing to remove.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "pattern.h"
#include "proc.h"
#include "ublkraw.h"

#define ROUNDS	8
#define LEN	16384
#define MODULE	"ublk_drv"

static struct raw r;

static bool is_module(void)
{
	return in_guest() && !access("/sys/module/" MODULE "/refcnt", F_OK);
}

static void load(void)
{
	char path[512];
	int fd;

	snprintf(path, sizeof(path), "%s/" MODULE ".ko", getenv("REGBUF_MODULES"));
	fd = open(path, O_RDONLY | O_CLOEXEC);
	must(fd >= 0, "%s: %s", path, strerror(errno));
	must(!syscall(SYS_finit_module, fd, "", 0) || errno == EEXIST, "loading %s: %s", path,
	     strerror(errno));
	close(fd);
}

static void setup(void)
{
	raw_need();
	raw_sweep();
}

static void teardown(void)
{
	raw_sweep();
	if (is_module() || access("/dev/ublk-control", F_OK))
		load();
}

TestSuite(ublk_module, .init = setup, .fini = teardown, .timeout = 120);

static bool removed(void *arg)
{
	return !syscall(SYS_delete_module, MODULE, O_NONBLOCK) || errno == ENOENT;
}

/* Tries all the time: the first moment at which nothing keeps the module is taken. */
static int remover(void *arg)
{
	u64 end = now_ms() + SOON_MS;

	while (!removed(NULL))
		if (now_ms() > end)
			return 1;
	return 0;
}

static volatile int *result;

static void remover_proc(void *arg)
{
	*result = remover(NULL);
}

static bool has_ended(void *arg)
{
	return *result != RING_TIMEOUT;
}

static void delete_proc(void *arg)
{
	_exit(raw_del(*(int *)arg, SOON_MS) != 0);
}

/* The loan is the last that is left of the device, and goes with the ring. */
static void round_of(unsigned int round)
{
	struct client *c;
	unsigned int tag;
	pid_t pid, deleter;
	int id;

	raw_up(&r, &(struct raw_opt){ .flags = RAW_ZC, .depth = 2 });
	id = r.id;
	c = client_start(&(struct client_job){ .id = id, .op = CLIENT_WRITE, .len = LEN });
	tag = raw_expect(&r, UBLK_IO_OP_WRITE, LEN);
	res_is(raw_lend(&r, tag, 0, 0, 0), LEN, "REGISTER");
	raw_commit(&r, tag, LEN);
	must(!client_done(c, 20), "round %u: the request has ended, though it is lent", round);
	deleter = proc_start(delete_proc, &id);
	must(!proc_gone(deleter, 50), "round %u: the device was deleted, though it is lent", round);
	must(syscall(SYS_delete_module, MODULE, O_NONBLOCK) && errno == EWOULDBLOCK,
	     "round %u: the module could be removed: %s", round, strerror(errno));

	*result = RING_TIMEOUT;
	pid = proc_start(remover_proc, NULL);
	raw_close(&r);
	must(client_done(c, SOON_MS), "round %u: the request has not ended", round);
	must(proc_gone(deleter, SOON_MS), "round %u: the device is still there", round);
	must(wait_until(has_ended, NULL, 2 * SOON_MS) && !*result,
	     "round %u: the module could not be removed", round);
	proc_kill(pid);
	load();
}

Test(ublk_module, goes_when_the_last_loan_has_come_back)
{
	if (!is_module())
		cr_skip_test("ublk_drv is no module of this kernel");
	result = shared_alloc(sizeof(*result));
	for (unsigned int i = 0; i < ROUNDS; i++)
		round_of(i);
}
