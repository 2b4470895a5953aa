// SPDX-License-Identifier: GPL-2.0
/*
 * Requests that come one at a time.  Where the mode allows it their COMMIT is linked behind the leg's I/O, so
 * these are about what breaks the link: an error of the leg, and a leg whose I/O a worker of io_uring's does.
 * Devices have two tags: one that got lost would be missed at once.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "dev.h"
#include "pattern.h"
#include "tleg.h"
#include "types.h"
#include "ublkraw.h"

#define LEN	4096
#define TIMES	20
#define BAD	64	/* sector of a leg that fails */
#define CHUNK	"64k"

static char *buf;

static void setup(void)
{
	raw_need();
	tlegs_sweep();
	must(!posix_memalign((void **)&buf, 4096, 16 * LEN), "no memory");
}

TestSuite(alone, .init = setup, .fini = tlegs_sweep, .timeout = 300);

static void write_and_read(int dev, unsigned int n, const char *what)
{
	u64 at = (u64)n * 16 * LEN;
	size_t len = n & 1 ? LEN : 16 * LEN;

	pat_fill(buf, len, n, at);
	must(pwrite(dev, buf, len, at) == (ssize_t)len, "%s, time %u: write: %s", what, n, strerror(errno));
	memset(buf, 0, len);
	must(pread(dev, buf, len, at) == (ssize_t)len, "%s, time %u: read: %s", what, n, strerror(errno));
	pat_is(buf, len, n, at, "%s, time %u", what, n);
}

static int add_loop(const char *mode, const char *leg)
{
	return cli_add(CLI("add", "-t", "loop", "-m", mode, "-d", "2", "-l", leg));
}

Test(alone, are_done_on_every_target)
{
	for (unsigned int m = 0; m < cli_modes(); m++) {
		const char *mode = cli_mode(m), *legs[] = { tleg_null(0, NULL), tleg_null(1, NULL) };
		int ids[] = {
			add_loop(mode, legs[0]),
			cli_add(CLI("add", "-t", "stripe", "--chunk", CHUNK, "-m", mode, "-d", "2", "-l", tleg_null(2, NULL),
				    "-l", tleg_null(3, NULL))),
			cli_add(CLI("add", "-t", "mirror", "-m", mode, "-d", "2", "-l", legs[1], "-l", tleg_null(4, NULL))),
		};

		for (unsigned int i = 0; i < ARRAY_SIZE(ids); i++) {
			int dev = dev_open(ids[i], "", O_RDWR | O_DIRECT);

			for (unsigned int n = 0; n < TIMES; n++)
				write_and_read(dev, n, mode);
			close(dev);
			cli_del(ids[i]);
		}
	}
}

/* The error is the client's, and the tag is there for the next one. */
Test(alone, errors_of_the_leg_are_told)
{
	for (unsigned int m = 0; m < cli_modes(); m++) {
		const char *mode = cli_mode(m);
		const char *leg = tleg_null(0, &(struct null_disk){ .badblocks = "+64-64" });
		int id = add_loop(mode, leg), dev = dev_open(id, "", O_RDWR | O_DIRECT);

		for (unsigned int n = 0; n < TIMES; n++) {
			must(pread(dev, buf, LEN, BAD * 512) < 0 && errno == EIO, "%s, time %u: read: %s", mode, n,
			     strerror(errno));
			must(pwrite(dev, buf, LEN, BAD * 512) < 0 && errno == EIO, "%s, time %u: write: %s", mode, n,
			     strerror(errno));
			write_and_read(dev, 1 + n, mode);
		}
		close(dev);
		cli_del(id);
	}
}

/* Files without IOCB_NOWAIT: a worker does the I/O, and then what is linked behind it. */
Test(alone, legs_that_need_workers_do_no_harm)
{
	const char *dir = file_host_directory();
	char file[300];

	need(dir, "a directory of the host over 9p");
	snprintf(file, sizeof(file), "%s/alone.leg", dir);
	for (unsigned int m = 0; m < cli_modes(); m++) {
		const char *mode = cli_mode(m);
		int fd = open(file, O_CREAT | O_RDWR | O_TRUNC, 0600), id, dev;

		must(fd >= 0 && !ftruncate(fd, 16 << 20) && !close(fd), "%s: %s", file, strerror(errno));
		id = add_loop(mode, file);
		dev = dev_open(id, "", O_RDWR | O_DIRECT);
		for (unsigned int n = 0; n < TIMES; n++)
			write_and_read(dev, n, mode);
		close(dev);
		cli_del(id);
		unlink(file);
	}
}
