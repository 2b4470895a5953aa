// SPDX-License-Identifier: GPL-2.0
/*
 * A server that is the last in a mount namespace, in which a file system on its own
 * device is mounted.  Its end unmounts that, and so waits for I/O that nobody serves
 * any more: without recovery it ends all the same, with recovery when the device is
 * deleted.  It does not matter how the server moves data, nor which ring it has.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pattern.h"
#include "proc.h"
#include "tleg.h"
#include "tmpfile.h"
#include "ublkraw.h"

#define SIZE	(64U << 20)
#define DIRTY	(16U << 20)
#define LEN	16384
#define END_MS	5000	/* the server's end without recovery */
#define DEL_MS	3000
#define POINT	"/tmp/ublk-mount"
#define SLOW_MS	200	/* what I/O on it takes */

struct shared {
	volatile int live;	/* the device may be mounted */
	volatile int dirty;	/* it is, and has data that was not written yet */
	volatile int keep;	/* the next requests are to be kept, and lent with zero copy */
	volatile int slow;	/* and used by I/O on the slow disk */
	volatile int kept;
	volatile int reading;	/* a reader is about to read */
};

static struct shared *sh;
static struct raw r;

static int slow_disk;	/* the server's */

static void setup(void)
{
	raw_need();
	raw_sweep();
	tlegs_remove();
	tleg_null(0, &(struct null_disk){ .delay_us = SLOW_MS * 1000 });
	sh = shared_alloc(sizeof(*sh));
	must(!mkdir(POINT, 0700) || errno == EEXIST, "%s: %s", POINT, strerror(errno));
}

static void teardown(void)
{
	raw_sweep();
	tlegs_remove();
}

TestSuite(ublk_mount, .init = setup, .fini = teardown, .timeout = 120);

static void mount_it(void)
{
	static u8 page[65536];
	char dev[32];
	int fd;

	snprintf(dev, sizeof(dev), "/dev/ublkb%d", r.id);
	/* what is dirty stays so: the journal would have it written every 5 seconds */
	must(!mount(dev, POINT, "ext4", 0, "commit=300"), "mounting %s: %s", dev, strerror(errno));
	fd = open(POINT "/file", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	must(fd >= 0, "a file: %s", strerror(errno));
	for (u32 off = 0; off < DIRTY; off += sizeof(page)) {
		pat_fill(page, sizeof(page), 1, off);
		file_write(fd, page, sizeof(page), off);
	}
	close(fd);
	sh->dirty = 1;
}

/* A process of the server's namespace that leaves it as soon as it has mounted. */
static void mounter(void)
{
	check_in_child();
	while (!sh->live)
		sleep_ms(5);
	mount_it();
	_exit(0);
}

static void lend(unsigned int tag)
{
	raw_lend(&r, tag, 0, 0, tag);
	if (!sh->slow)
		return;
	prep_rw_fixed(raw_sqe(&r, tag), IORING_OP_READ_FIXED, slow_disk, 0, LEN, 0, tag);
	ring_submit(&r.ring);
}

static void serve(unsigned int tag)
{
	if (!sh->keep || raw_op(&r, tag) != UBLK_IO_OP_READ) {
		raw_serve(&r, tag);
		return;
	}
	if (r.opt.flags & UBLK_F_SUPPORT_ZERO_COPY)
		lend(tag);
	sh->kept++;
}

static void server(void *arg)
{
	must(!unshare(CLONE_NEWNS) && !mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL),
	     "a mount namespace: %s", strerror(errno));
	if (!fork())
		mounter();
	slow_disk = tleg_open(0, O_RDONLY | O_DIRECT);
	raw_open(&r);
	raw_fetch_all(&r);
	for (;;) {
		int tag = raw_request(&r, 5);

		if (tag >= 0)
			serve(tag);
	}
}

static bool is_dirty(void *arg)
{
	return sh->dirty;
}

static bool has_kept(void *arg)
{
	return sh->kept;
}

/* A file system, made on the disk before there is a device. */
static void make_fs(void)
{
	char path[] = "/tmp/ublk-fs-XXXXXX", cmd[128];
	int fd = mkstemp(path);

	must(fd >= 0 && !ftruncate(fd, SIZE), "%s: %s", path, strerror(errno));
	snprintf(cmd, sizeof(cmd), "mkfs.ext4 -q -F %s", path);
	must(!system(cmd), "%s", cmd);
	file_read(fd, r.mem, SIZE, 0);
	close(fd);
	unlink(path);
}

static pid_t up(const struct raw_opt *opt)
{
	pid_t pid;

	memset(sh, 0, sizeof(*sh));
	res_is(raw_add(&r, opt), 0, "ADD_DEV");
	make_fs();
	pid = raw_start_in(&r, server);
	sh->live = 1;
	must(wait_until(is_dirty, NULL, 3 * SOON_MS), "the file system is not mounted");
	return pid;
}

/* How far the server has got with a request when it is killed. */
enum how {
	NOTHING,	/* dirty data only */
	KEPT,		/* in its hands, lent if it lends */
	LAST_TAG,	/* the same, and there is no other tag */
	STOPPED,	/* not even seen, since it was stopped before, and no other tag */
	DONE_UNSEEN,	/* as LAST_TAG, lent, and the I/O on it is done, which it has not seen */
};

static void stop(pid_t pid, unsigned int ms)
{
	must(!kill(pid, SIGSTOP), "SIGSTOP: %s", strerror(errno));
	sleep_ms(ms);
}

/* A device that is mounted is not opened for writing, so this is no client of ublkraw.h. */
static void reader(void *arg)
{
	void *buf = page_alloc(LEN);
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "/dev/ublkb%d", r.id);
	fd = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC);
	must(fd >= 0, "%s: %s", path, strerror(errno));
	sh->reading = 1;
	_exit(pread(fd, buf, LEN, SIZE / 2) == LEN);
}

static bool is_reading(void *arg)
{
	return sh->reading;
}

/* A request of a process's, which is returned, with which the server gets so far. */
static pid_t request(pid_t pid, enum how how, const char *what)
{
	pid_t client;

	sh->slow = how == DONE_UNSEEN;
	sh->keep = 1;
	if (how == STOPPED)
		stop(pid, 100);
	client = proc_start(reader, NULL);
	must(wait_until(is_reading, NULL, SOON_MS), "%s: nobody reads", what);
	if (how == STOPPED)
		must(!proc_gone(client, 100), "%s: the request has ended", what);
	else
		must(wait_until(has_kept, NULL, SOON_MS), "%s: nothing is kept", what);
	if (how == DONE_UNSEEN)
		stop(pid, 2 * SLOW_MS);
	return client;
}

static void killed(const struct raw_opt *opt, enum how how, const char *what)
{
	pid_t pid = up(opt);
	pid_t client = 0;

	if (how != NOTHING)
		client = request(pid, how, what);
	proc_signal(pid);
	if (opt->flags & UBLK_F_USER_RECOVERY) {
		must(!proc_gone(pid, NEVER_MS), "%s: dirty data was not waited for", what);
		res_is(raw_del(r.id, DEL_MS), 0, "%s: DEL_DEV", what);
	}
	must(proc_gone(pid, END_MS), "%s: the server's end does not end", what);
	if (client)
		must(proc_gone(client, END_MS), "%s: the request has not ended", what);
	if (!(opt->flags & UBLK_F_USER_RECOVERY))
		res_is(raw_del(r.id, DEL_MS), 0, "%s: DEL_DEV", what);
	raw_is_gone(r.id, END_MS);
}

#define DEFER	(IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN)

static void all_rings(u64 flags, enum how how, const char *what)
{
	static const u32 rings[] = { 0, DEFER };

	for (unsigned int i = 0; i < 2; i++) {
		const struct raw_opt opt = {
			.flags = flags, .depth = how >= LAST_TAG ? 1 : 8, .size = SIZE, .ring_flags = rings[i],
		};

		killed(&opt, how, what);
	}
}

Test(ublk_mount, a_server_that_copies_ends)
{
	all_rings(UBLK_F_CMD_IOCTL_ENCODE, NOTHING, "copy");
	all_rings(UBLK_F_CMD_IOCTL_ENCODE, LAST_TAG, "copy, with the last tag in its hands");
	all_rings(UBLK_F_CMD_IOCTL_ENCODE, STOPPED, "copy, with the last tag on its way");
	all_rings(UBLK_F_CMD_IOCTL_ENCODE | UBLK_F_USER_COPY, NOTHING, "user copy");
}

Test(ublk_mount, a_server_that_has_lent_ends)
{
	all_rings(RAW_ZC, NOTHING, "zero copy");
	all_rings(RAW_ZC, KEPT, "zero copy, with a request lent");
	all_rings(RAW_ZC, LAST_TAG, "zero copy, with the last tag lent");
	all_rings(RAW_ZC, DONE_UNSEEN, "zero copy, I/O done while it was stopped");
}

Test(ublk_mount, with_recovery_deleting_ends_it)
{
	all_rings(UBLK_F_CMD_IOCTL_ENCODE | UBLK_F_USER_RECOVERY, NOTHING, "copy, recovery");
	all_rings(RAW_ZC | UBLK_F_USER_RECOVERY, KEPT, "zero copy, recovery");
	all_rings(RAW_ZC | UBLK_F_USER_RECOVERY | UBLK_F_USER_RECOVERY_REISSUE, KEPT,
		  "zero copy, reissue");
}
