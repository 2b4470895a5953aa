// SPDX-License-Identifier: GPL-2.0
/*
 * M7: a client changes its data while a mirror writes it.  One leg is slow, so it takes what it writes
 * when the other leg has been written already, and somebody has changed it.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli.h"
#include "dev.h"
#include "proc.h"
#include "ring.h"
#include "sh.h"
#include "tleg.h"
#include "tmpfile.h"
#include "types.h"
#include "ublkraw.h"

#define MB	16
#define ABOVE	3	/* a device-mapper disk of all of the device */
#define LEN	65536U
#define LARGE	(4 * LEN)	/* more than the device takes at once */
#define POINT	"/tmp/stable"

static u8 *buf, *found[2];

static void setup(void)
{
	raw_need();
	tlegs_sweep();
	buf = page_alloc(LARGE);
	found[0] = page_alloc(MB << 20);
	found[1] = page_alloc(MB << 20);
	must(!mkdir(POINT, 0700) || errno == EEXIST, "%s: %s", POINT, strerror(errno));
}

static void teardown(void)
{
	umount2(POINT, MNT_DETACH);
	sh("mdadm --stop --quiet /dev/md0 2> /dev/null");
	if (!access("/dev/mapper/" DISK_NULL_PREFIX "3", F_OK))
		tleg_remove(ABOVE);
	tlegs_sweep();
}

TestSuite(stable, .init = setup, .fini = teardown, .timeout = 300);

/* Leg 0, and leg 2, which is over leg 1 and slow. */
static void legs(void)
{
	tleg_null(0, &(struct null_disk){ .mb = MB });
	tleg_over(2, tleg_null(1, &(struct null_disk){ .mb = MB }));
	tleg_break(2, TLEG_SLOW);
}

static int mirror(const char *mode, const char *stable)
{
	legs();
	return cli_add(CLI("add", "-t", "mirror", "-m", mode, "--stable", stable, "--max-io", "64K", "-r",
			   "-l", tleg_path(0), "-l", tleg_path(2)));
}

/* Ways to write @len bytes of buf to a disk. */

static ssize_t direct(int fd, u32 len)
{
	return pwrite(fd, buf, len, 0);
}

static ssize_t fixed(int fd, u32 len)
{
	const struct iovec vec = { buf, len };
	struct io_uring ring;
	struct done done = { .res = -ETIME };

	if (io_uring_queue_init(4, &ring, 0) || io_uring_register_buffers(&ring, &vec, 1))
		return -EIO;
	io_uring_prep_write_fixed(io_uring_get_sqe(&ring), fd, buf, len, 0, 0);
	io_uring_submit(&ring);
	ring_next(&ring, &done, SOON_MS);
	io_uring_queue_exit(&ring);
	return done.res;
}

/* The pages go by a pipe, and nobody has pinned them. */
static ssize_t spliced(int fd, u32 len)
{
	const struct iovec vec = { buf, len };
	ssize_t ret = -1;
	loff_t pos = 0;
	int ends[2];

	if (pipe(ends))
		return -1;
	if (vmsplice(ends[1], &vec, 1, 0) == (ssize_t)len)
		ret = splice(ends[0], NULL, fd, &pos, len, 0);
	close(ends[0]);
	close(ends[1]);
	return ret;
}

static const struct way {
	const char *name;
	ssize_t (*write)(int fd, u32 len);
	u32 len;
	bool above;
} ways[] = {
	{ "direct I/O", direct, LEN, false },
	{ "a registered buffer", fixed, LEN, false },
	{ "vmsplice", spliced, LEN, false },
	{ "requests that are split", direct, LARGE, false },
	{ "device-mapper above", direct, LEN, true },
};

struct writer {
	const struct way *way;
	int fd;
	ssize_t ret;
};

static void *writer(void *arg)
{
	struct writer *w = arg;

	w->ret = w->way->write(w->fd, w->way->len);
	return NULL;
}

struct progress {
	u64 before;
	u32 len;
};

static bool leg_0_is_written(void *arg)
{
	const struct progress *p = arg;

	return (disk_stat(tleg_path(0), DISK_SECTORS_WRITTEN) - p->before) * 512 >= p->len;
}

/* All of the buffer is 1 when it is written, and 2 when one leg has it. */
static void write_and_change(const char *path, const struct way *way)
{
	struct writer w = { .way = way, .fd = file_open(path, O_RDWR | O_DIRECT) };
	struct progress p = { disk_stat(tleg_path(0), DISK_SECTORS_WRITTEN), way->len };
	pthread_t thread;

	memset(buf, 1, LARGE);
	must(!pthread_create(&thread, NULL, writer, &w), "thread");
	must(wait_until(leg_0_is_written, &p, SOON_MS), "%s: the first leg is not written", way->name);
	memset(buf, 2, LARGE);
	pthread_join(thread, NULL);
	must(w.ret == (ssize_t)way->len, "%s: %zd: %s", way->name, w.ret, strerror(errno));
	close(w.fd);
}

static bool legs_agree(u32 len)
{
	for (unsigned int i = 0; i < 2; i++) {
		int fd = tleg_open(i, O_RDONLY | O_DIRECT);

		file_read(fd, found[i], len, 0);
		close(fd);
	}
	return !memcmp(found[0], found[1], len);
}

static bool agree_after(const char *path, const struct way *way)
{
	char below[32];
	bool agree;

	snprintf(below, sizeof(below), "%s", path);
	write_and_change(way->above ? tleg_over(ABOVE, below) : below, way);
	if (way->above)
		tleg_remove(ABOVE);
	agree = legs_agree(way->len);
	must(found[0][0] == 1, "%s: leg 0 has %u", way->name, found[0][0]);
	return agree;
}

static bool mirror_agrees(const char *mode, const char *stable, const struct way *way)
{
	int id = mirror(mode, stable);
	char path[32];
	bool agree;

	snprintf(path, sizeof(path), "/dev/ublkb%d", id);
	agree = agree_after(path, way);
	cli_del(id);
	return agree;
}

Test(stable, shown_first_a_client_makes_the_legs_of_md_differ)
{
	legs();
	must(!sh("mdadm --build /dev/md0 --level=1 --raid-devices=2 --assume-clean --run %s %s > /dev/null 2>&1",
		 tleg_path(0), tleg_path(2)), "mdadm");
	must(!agree_after("/dev/md0", &ways[0]), "md's legs agree: nothing is shown");
}

Test(stable, without_always_it_makes_ours_differ)
{
	for (unsigned int w = 0; w < ARRAY_SIZE(ways); w++)
		must(!mirror_agrees("register", w & 1 ? "cache" : "off", &ways[w]),
		     "%s: legs agree: nothing is shown", ways[w].name);
}

Test(stable, with_always_legs_agree_whatever_the_client_does)
{
	for (unsigned int w = 0; w < ARRAY_SIZE(ways); w++)
		must(mirror_agrees("register", "always", &ways[w]), "%s: legs differ", ways[w].name);
}

Test(stable, in_each_mode)
{
	for (unsigned int m = 0; m < cli_modes(); m++)
		must(mirror_agrees(cli_mode(m), "always", &ways[0]), "%s: legs differ", cli_mode(m));
}

/* It is the device's promise, whoever serves it. */
Test(stable, a_recovered_device_keeps_it)
{
	int id = mirror("register", "always");
	struct cli c;
	char path[32];

	proc_kill_other(dev_server(id));
	cli_run(&c, CLI("recover", "-n", cli_id(id), "-t", "mirror", "-m", "register", "-l", tleg_path(0),
			"-l", tleg_path(2)));
	must(!c.status, "recover: %s", c.err);
	snprintf(path, sizeof(path), "/dev/ublkb%d", id);
	must(agree_after(path, &ways[0]), "legs differ");
	cli_del(id);
}

/* A file on the device of a mirror, mapped. */
struct mapped {
	int id, fd;
	u8 *map;
};

/* Leg 2 is slow from when it is there. */
static struct mapped mapped_file(const char *stable, const char *options)
{
	struct mapped m = { .id = mirror("register", stable) };

	tleg_break(2, TLEG_GOOD);
	must(!sh("mkfs.ext4 -q -F -E nodiscard /dev/ublkb%d && mount -t ext4 -o %s /dev/ublkb%d " POINT, m.id, options,
		 m.id), "ext4");
	m.fd = file_open(POINT "/file", O_RDWR | O_CREAT);
	file_write(m.fd, buf, LEN, 0);
	must(!fsync(m.fd), "fsync: %s", strerror(errno));
	tleg_break(2, TLEG_SLOW);
	m.map = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_SHARED, m.fd, 0);
	must(m.map != MAP_FAILED, "mmap: %s", strerror(errno));
	return m;
}

static void mapped_end(const struct mapped *m)
{
	tleg_break(2, TLEG_GOOD);
	munmap(m->map, LEN);
	close(m->fd);
	must(!umount(POINT), "umount: %s", strerror(errno));
	cli_del(m->id);
}

static volatile int scribbling;

static void *scribbler(void *map)
{
	for (u8 n = 0; scribbling; n++)
		((volatile u8 *)map)[4096 + n % 16] = n;
	return NULL;
}

/*
 * Legs that are read while the file system's journal is written differ until the slow one has it.  Ones that
 * took different data stay different.
 */
static bool legs_stay_different(void)
{
	for (unsigned int look = 0; look < 10; look++) {
		if (legs_agree(MB << 20))
			return false;
		sleep_ms(100);
	}
	return true;
}

#define ROUNDS	8

/*
 * A page of a file is changed without pause, by who has mapped it, and written back ROUNDS times: after how
 * many of these legs differ.
 */
static unsigned int mapped_file_differs(const char *stable)
{
	struct mapped m = mapped_file(stable, "defaults");
	unsigned int differ = 0;
	pthread_t thread;

	scribbling = 1;
	must(!pthread_create(&thread, NULL, scribbler, m.map), "thread");
	for (unsigned int i = 0; i < ROUNDS; i++) {
		sleep_ms(20);
		must(!msync(m.map, LEN, MS_SYNC), "msync: %s", strerror(errno));
		differ += legs_stay_different();
	}
	scribbling = 0;
	pthread_join(thread, NULL);
	mapped_end(&m);
	return differ;
}

Test(stable, file_systems_are_kept_from_it_by_cache_and_always)
{
	must(mapped_file_differs("off"), "legs agree: nothing is shown");
	must(!mapped_file_differs("cache"), "cache: legs differ");
	must(!mapped_file_differs("always"), "always: legs differ");
}

static void *syncs(void *fd)
{
	fsync(*(int *)fd);
	return NULL;
}

/*
 * ext4 writes what is in its journal in place, later on.  A page that is mapped is changed once at some moment
 * of that: who changes it all the time keeps it in the journal.
 */
Test(stable, journalled_data_is_kept_too)
{
	struct mapped m = mapped_file("always", "data=journal");
	pthread_t thread;

	for (unsigned int i = 0; i < 20; i++) {
		memset(buf, i + 1, LEN);
		file_write(m.fd, buf, LEN, 0);
		must(!pthread_create(&thread, NULL, syncs, &m.fd), "thread");
		sleep_ms(i * 30);
		memset(m.map, 0xee, LEN);
		pthread_join(thread, NULL);
		must(!legs_stay_different(), "after %u ms: legs differ", i * 30);
	}
	mapped_end(&m);
}
