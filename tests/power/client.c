// SPDX-License-Identifier: GPL-2.0
/*
 * What runs in a guest whose power is cut: tests/power/cut starts it again after each cut.
 *
 *	client FOLDER SEED LEG...
 *
 * What the set has promised is kept in FOLDER, which is the host's and survives.  In the first guest the
 * set is made.  In each later one it is assembled and looked at:
 *
 *  - it is assembled, with all legs and without --degraded;
 *  - each sector holds what was promised, or a later write (promise.h);
 *  - reads of it agree, before and after legs are copied.
 *
 * Then a client writes and flushes, and a leg is failed and comes back now and then, until the power is
 * cut.  FOLDER/running says that it does.  Where FOLDER/last is, it stops instead: the legs are equal then.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "dev.h"
#include "pathset.h"
#include "proc.h"
#include "promise.h"
#include "sh.h"
#include "tmpfile.h"
#include "wcache.h"

#define ID		7
#define SIZE		(4ULL << 20)
#define SECTORS		(SIZE / PROMISE_SECTOR)
#define READS		4
#define SNAPSHOT_MS	20
#define NUMBERS		1000000		/* of writes in a run, which are others than those before */

/* struct kept - what FOLDER/promise holds */
struct kept {
	u32 run;		/* the first is 1 */
	u32 safe[SECTORS];
};

static struct kept kept;
static struct promise *promise;
static struct pathset set;
static const char *folder;
static u32 rnd;
static u8 *first, *again;

static const char *in_folder(const char *name)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static void touch(const char *name)
{
	close(open(in_folder(name), O_WRONLY | O_CREAT, 0644));
}

/* In one piece: a cut leaves this one or the one before. */
static void keep(void)
{
	char next[256];
	int fd;

	for (u32 i = 0; i < SECTORS; i++)
		kept.safe[i] = promise->sectors[i].safe;
	snprintf(next, sizeof(next), "%s", in_folder("promise.next"));
	fd = open(next, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	must(fd >= 0, "%s: %s", next, strerror(errno));
	file_write(fd, &kept, sizeof(kept), 0);
	close(fd);
	must(!rename(next, in_folder("promise")), "rename: %s", strerror(errno));
}

/* False: there is none yet. */
static bool recall(void)
{
	int fd = open(in_folder("promise"), O_RDONLY);

	if (fd < 0)
		return false;
	file_read(fd, &kept, sizeof(kept), 0);
	close(fd);
	for (u32 i = 0; i < SECTORS; i++) {
		promise->sectors[i].safe = kept.safe[i];
		/* whatever was under way */
		promise->sectors[i].sent = (kept.run + 1) * NUMBERS - 1;
	}
	return true;
}

static void read_all(u8 *buf)
{
	int dev = dev_open(ID, "", O_RDONLY | O_DIRECT);

	/* One more than there are, so that the next time others are read by each leg. */
	file_read(dev, buf, 4096, 0);
	for (u64 off = 0; off < SIZE; off += 65536)
		file_read(dev, buf + off, 65536, off);
	close(dev);
}

static void reads_agree(const char *when)
{
	for (unsigned int i = 0; i < READS; i++) {
		read_all(again);
		must(!memcmp(first, again, SIZE), "%s: reads differ", when);
	}
}

static void assembles(const char *mode)
{
	must(pathset_assemble(&set, ID, mode), "assemble: %s", sh_out("cat /tmp/assembled"));
}

static void look(void)
{
	char why[256];

	read_all(first);
	must(promise_kept(promise, first, why, sizeof(why)), "%s", why);
	reads_agree("after the cut");
	must(pathset_make_whole(&set), "legs do not come to agree: %s", sh_out("$REGBUF mirror status set"));
	reads_agree("when all is copied");
}

static void stop(void)
{
	must(!sh("$REGBUF mirror stop set > /dev/null"), "it does not stop");
	for (unsigned int i = 1; i < set.nr; i++)
		must(!sh("cmp -i 1M -n %llu %s %s", SIZE, set.path[0], set.path[i]), "legs differ");
}

/* A process of its own, whose random numbers are too: what is promised has to be kept meanwhile. */
static void legs_fail(void *arg)
{
	check_in_child();
	for (;;) {
		const char *leg = set.path[wcache_random(&rnd, set.nr)];

		sleep_ms(500 + wcache_random(&rnd, 3000));
		if (sh("$REGBUF mirror fail set --leg %s > /dev/null 2>&1", leg))
			continue;
		sleep_ms(wcache_random(&rnd, 300));
		pathset_make_whole(&set);
	}
}

static void run(void)
{
	struct promise_client *c;

	kept.run++;
	promise->writes = kept.run * NUMBERS;
	promise_settle(promise, first);
	keep();
	/*
	 * A record that is written, and virtio's FUA, have the disk flush all that it has: in every other run
	 * there are few of both, so that it is seen when another flush is missing.
	 */
	c = promise_start(ID, promise, 1 + wcache_random(&rnd, 30), kept.run % 2 ? 0 : 50,
			  1 + wcache_random(&rnd, 1000000));
	if (kept.run % 2 == 0)
		proc_start(legs_fail, NULL);
	touch("running");
	/* An error may be right: one leg's power goes first, while another one is failed. */
	while (strncmp(c->broken, "sector", 6)) {
		sleep_ms(SNAPSHOT_MS);
		keep();
	}
	must(false, "%s", c->broken);
}

int main(int argc, char **argv)
{
	if (argc < 5) {
		fprintf(stderr, "usage: client FOLDER SEED LEG LEG...\n");
		return 2;
	}
	check_in_child();
	folder = argv[1];
	rnd = strtoul(argv[2], NULL, 10) | 1;
	for (int i = 3; i < argc; i++)
		pathset_add(&set, argv[i]);
	promise = promise_alloc(SIZE);
	first = page_alloc(SIZE);
	again = page_alloc(SIZE);
	if (!recall())
		must(!sh("$REGBUF mirror create set%s --size 4M --chunk 64K --assume-clean --no-start > /dev/null",
			 set.args), "create");
	assembles(cli_mode(wcache_random(&rnd, cli_modes())));
	look();
	if (access(in_folder("last"), F_OK))
		run();
	stop();
	return 0;
}
