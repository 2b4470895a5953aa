// SPDX-License-Identifier: GPL-2.0
/* Random operations of many at once, see README.md. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "crowd.h"
#include "crowd_bytes.h"
#include "crowd_keeper.h"
#include "lender.h"
#include "opts.h"
#include "proc.h"
#include "tmpfile.h"
#include "ublkraw.h"

#define FIELD(f) .offset = offsetof(struct crowd_opts, f)
static const struct opt options[] = {
	{ "seed", 's', OPT_UINT, FIELD(seed), .arg = "N",
	  .help = "of the random numbers [from the time]" },
	{ "ops", 'n', OPT_UINT, FIELD(ops), .min = 1, .arg = "N",
	  .help = "how many operations, of all together [100000]" },
	{ "minutes", 'm', OPT_UINT, FIELD(minutes), .max = 100000, .arg = "N",
	  .help = "so long, instead of --ops" },
	{ "threads", 't', OPT_UINT, FIELD(threads), .min = 1, .max = CROWD_THREADS, .arg = "N",
	  .help = "in each process that lends [3]" },
	{ "wrong", 0, OPT_CHOICE, FIELD(wrong), .choices = crowd_wrongs,
	  .help = "take something legal for illegal, or leave something, which has to be noticed [none]" },
	{ 0 }
};

static void init(const struct crowd_opts *o)
{
	crowd = shared_alloc(sizeof(*crowd));
	crowd->seed = o->seed;
	crowd->threads = o->threads;
	crowd->id = -1;
	while (strcmp(crowd_wrongs[crowd->wrong], o->wrong))
		crowd->wrong++;
	raw_need();
	crowd->lender = lender_open();
	bytes_setup(crowd->lender);
	disk_null(CROWD_DISK, &(struct null_disk){ 0 }, -1);
	snprintf(crowd->disk, sizeof(crowd->disk), "%s", disk_null_path(CROWD_DISK));
}

/* Reads of the disk are to bring the source's bytes, as all reads do. */
static void fill_disk(void)
{
	int fd = open(crowd->disk, O_RDWR | O_DIRECT | O_CLOEXEC);
	u8 *buf = page_alloc(1 << 17);

	must(fd >= 0, "%s: %s", crowd->disk, strerror(errno));
	bytes_source(buf, 1 << 17, 0);
	file_write(fd, buf, 1 << 17, 0);
	close(fd);
}

static void leak(void)
{
	static struct io_uring ring;

	ring_init(&ring, 4, 0);
	ring_table(&ring, 1);
	lent_register(&ring, crowd->lender, LEND_TEST_POS(3, 0), 0, 0);
}

static int help(void)
{
	printf("usage: crowd [OPTION...]\n"
	       "Processes and threads that use lent buffers and ublk devices at random, and at once.\n"
	       "What each does follows from the seed, what comes of it from the others, too.\n"
	       "Needs root and the patched kernel, and is meant for the guest.\n");
	opts_help(stdout, options);
	return 0;
}

int main(int argc, char **argv)
{
	struct crowd_opts o = { .seed = time(NULL), .ops = 100000, .threads = 3, .wrong = "none" };
	const struct opt_group group = { options, &o };
	int ret = opts_parse(argc, argv, &group, 1);

	if (ret == OPTS_HELP)
		return help();
	if (ret)
		return 2;
	check_in_child();
	signal(SIGPIPE, SIG_IGN);
	printf("crowd: --seed %u --threads %u\n", o.seed, o.threads);
	fflush(stdout);
	init(&o);
	fill_disk();
	if (crowd->wrong == CROWD_WRONG_LOAN)
		leak();
	keeper_run(&o);
	disk_null_remove(CROWD_DISK);
	printf("crowd: nothing found\n");
	return 0;
}
