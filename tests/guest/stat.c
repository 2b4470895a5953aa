// SPDX-License-Identifier: GPL-2.0
/*
 * What `regbuf stat` tells is what a client did, in whatever mode, and what is under way on a leg that hangs.
 */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "dev.h"
#include "proc.h"
#include "tleg.h"
#include "ublkraw.h"

#define WRITES	40
#define READS	30
#define LEN	65536

static const char *legs[2];
static struct cli c;
static u8 *buf;

static void sweep(void)
{
	tlegs_resume();
	cli_sweep();
	tlegs_remove();
}

static void setup(void)
{
	raw_need();
	sweep();
	for (unsigned int i = 0; i < 2; i++)
		legs[i] = tleg_null(i, &(struct null_disk){ .mb = 8 });
	buf = page_alloc(LEN);
}

TestSuite(stat, .init = setup, .fini = sweep, .timeout = 120);

/* The value behind @series in what Prometheus reads; there is one. */
static u64 value(const char *series)
{
	const char *at = strstr(c.out, series);
	u64 v = 0;

	must(at && sscanf(at + strlen(series), " %" SCNu64, &v) == 1, "no %s in: %s", series, c.out);
	return v;
}

static u64 of_device(const char *metric, const char *op)
{
	char series[128];

	snprintf(series, sizeof(series), "\nregbuf_%s{device=\"ublkb6\",name=\"\",op=\"%s\"}", metric, op);
	return value(series);
}

static u64 of_leg(const char *metric, unsigned int leg, const char *op)
{
	char series[128];

	snprintf(series, sizeof(series), "\nregbuf_leg_%s{device=\"ublkb6\",name=\"\",leg=\"%u\",op=\"%s\"}", metric, leg, op);
	return value(series);
}

static void ask(void)
{
	cli_run(&c, CLI("stat", "--prometheus"));
	must(!c.status, "stat: %s", c.err);
}

static void client_writes_and_reads(int fd)
{
	for (unsigned int i = 0; i < WRITES; i++)
		file_write(fd, buf, LEN, (u64)i * LEN);
	for (unsigned int i = 0; i < READS; i++)
		file_read(fd, buf, 4096, (u64)i * LEN);
	must(!fsync(fd), "fsync");
}

/* The scan for partitions is over: the next request is the client's. */
static int opened(void)
{
	int fd = dev_open(6, "", O_RDWR | O_DIRECT);

	file_read(fd, buf, 4096, 0);
	return fd;
}

Test(stat, tells_what_a_client_did)
{
	for (unsigned int m = 0; m < cli_modes(); m++) {
		const char *mode = cli_mode(m);
		u64 reads;
		int fd;

		cli_add(CLI("add", "-n", "6", "-t", "mirror", "-l", legs[0], "-l", legs[1], "-m", mode, "-q", "2"));
		fd = opened();
		ask();
		cr_expect_eq(of_device("requests_total", "write"), 0, "%s: counted before it was asked", mode);
		reads = of_device("requests_total", "read");
		client_writes_and_reads(fd);
		ask();
		cr_expect_eq(of_device("requests_total", "write"), WRITES, "%s", mode);
		cr_expect_eq(of_device("bytes_total", "write"), WRITES * LEN, "%s", mode);
		cr_expect_eq(of_device("requests_total", "read") - reads, READS, "%s", mode);
		cr_expect_eq(of_device("seconds_count", "write"), WRITES, "%s", mode);
		cr_expect_eq(of_device("errors_total", "write"), 0, "%s", mode);
		for (unsigned int leg = 0; leg < 2; leg++) {
			cr_expect_eq(of_leg("requests_total", leg, "write"), WRITES, "%s: leg %u", mode, leg);
			cr_expect_eq(of_leg("bytes_total", leg, "write"), WRITES * LEN, "%s: leg %u", mode, leg);
		}
		cr_expect_eq(of_leg("bytes_total", 0, "read") + of_leg("bytes_total", 1, "read"), READS * 4096, "%s", mode);
		cr_expect(strstr(c.out, "\nregbuf_in_flight{device=\"ublkb6\",name=\"\"} 0\n"), "%s: %s", mode, c.out);
		close(fd);
		cli_del(6);
	}
	cli_nothing_left("stat");
}

/* A request that comes alone has its COMMIT linked behind its step, unless somebody counts. */
Test(stat, tells_of_requests_that_come_alone)
{
	for (unsigned int m = 0; m < cli_modes(); m++) {
		const char *mode = cli_mode(m);
		u64 reads;
		int fd;

		cli_add(CLI("add", "-n", "6", "-t", "loop", "-l", legs[0], "-m", mode));
		fd = opened();
		ask();
		reads = of_device("requests_total", "read");
		client_writes_and_reads(fd);
		ask();
		cr_expect_eq(of_device("requests_total", "write"), WRITES, "%s", mode);
		cr_expect_eq(of_device("requests_total", "read") - reads, READS, "%s", mode);
		cr_expect_eq(of_leg("requests_total", 0, "write"), WRITES, "%s", mode);
		close(fd);
		cli_del(6);
	}
}

static bool is_under_way(void *arg)
{
	ask();
	return strstr(c.out, "\nregbuf_leg_in_flight{device=\"ublkb6\",name=\"\",leg=\"1\"} 1\n") &&
	       strstr(c.out, "\nregbuf_leg_in_flight{device=\"ublkb6\",name=\"\",leg=\"0\"} 0\n") &&
	       strstr(c.out, "\nregbuf_in_flight{device=\"ublkb6\",name=\"\"} 1\n");
}

static void writes_a_page(void *arg)
{
	file_write(dev_open(6, "", O_RDWR | O_DIRECT), buf, 4096, 0);
}

static bool is_written(void *arg)
{
	ask();
	return of_device("requests_total", "write") == 1;
}

Test(stat, tells_which_leg_hangs)
{
	const char *slow = tleg_over(2, legs[1]);
	pid_t pid;

	cli_add(CLI("add", "-n", "6", "-t", "mirror", "-l", legs[0], "-l", slow, "-m", cli_best()));
	close(opened());
	ask();
	tleg_suspend(2);
	pid = proc_start(writes_a_page, NULL);
	cr_expect(wait_until(is_under_way, NULL, SOON_MS), "%s", c.out);
	tleg_resume(2);
	must(wait_until(is_written, NULL, SOON_MS), "%s", c.out);
	cr_expect(strstr(c.out, "\nregbuf_leg_in_flight{device=\"ublkb6\",name=\"\",leg=\"1\"} 0\n"), "%s", c.out);
	proc_kill(pid);
	cli_del(6);
}

static unsigned int lines(const char *text)
{
	unsigned int nr = 0;

	for (; (text = strchr(text, '\n')); text++)
		nr++;
	return nr;
}

Test(stat, has_a_line_for_each_part_and_goes_on_when_a_server_dies)
{
	struct cli_job job;

	cli_add(CLI("add", "-n", "6", "-t", "mirror", "-l", legs[0], "-l", legs[1], "-m", cli_best(), "-q", "2"));
	cli_run(&c, CLI("stat", "1", "1", "--legs", "--queues"));
	cr_expect(!c.status && lines(c.out) == 1 + 1 + 2 + 2, "%s%s", c.out, c.err);
	cr_expect(strstr(c.out, "\nublkb6 leg 1 ") && strstr(c.out, "\nublkb6 queue 1 "), "%s", c.out);
	cli_run(&c, CLI("stat", "1", "1", "--json"));
	cr_expect(!c.status && strstr(c.out, "[{\"id\": 6") && strstr(c.out, "\"p99\": 0"), "%s%s", c.out, c.err);
	cli_start(&job, CLI("stat", "1", "4"));
	must(cli_says(&job, "ublkb6", SOON_MS), "no line");
	kill(cli_pid(6), SIGKILL);
	must(cli_ended(&job, &c, 20000), "it does not end");
	cr_expect(!c.status, "%s", c.err);
	cli_sweep();
	cli_run(&c, CLI("stat", "1", "1", "-n", "6"));
	cr_expect(c.status == 1 && strstr(c.err, "device 6 has no server of this user that answers"), "%s", c.err);
}
