// SPDX-License-Identifier: GPL-2.0
/*
 * Where the server's log goes: to syslog, or to stderr with --foreground.
 *
 * The test is the syslogd: it has the socket that syslog(3) writes to.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "cli.h"
#include "tleg.h"
#include "tmpfile.h"
#include "ublkraw.h"

#define DEV_LOG		"/dev/log"
#define DROPPED		"mirror: leg /dev/" DISK_NULL_PREFIX "leg1 is dropped: write of "

static const char *legs[2];
static int syslogd = -1;

static void syslogd_start(void)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX, .sun_path = DEV_LOG };

	need(access(DEV_LOG, F_OK), DEV_LOG ": there is a syslogd already");
	syslogd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	must(syslogd >= 0 && !bind(syslogd, (struct sockaddr *)&sa, sizeof(sa)), DEV_LOG ": %s",
	     strerror(errno));
}

static void setup(void)
{
	raw_need();
	tlegs_sweep();
	syslogd_start();
	for (unsigned int i = 0; i < 2; i++)
		legs[i] = tleg_null(i, &(struct null_disk){ .badblocks = i ? "+4096-4103" : NULL });
}

static void teardown(void)
{
	if (syslogd >= 0) {
		close(syslogd);
		unlink(DEV_LOG);
	}
	tlegs_sweep();
}

TestSuite(logging, .init = setup, .fini = teardown, .timeout = 120);

/* The next message, within @ms; "" if there is none. */
static const char *message(unsigned int ms)
{
	struct pollfd pfd = { .fd = syslogd, .events = POLLIN };
	static char text[2048];
	ssize_t len = 0;

	if (poll(&pfd, 1, ms) > 0)
		len = recv(syslogd, text, sizeof(text) - 1, 0);
	text[len > 0 ? len : 0] = '\0';
	return text;
}

#define MIRROR_ARGS	"add", "-t", "mirror", "-n6", "-l", legs[0], "-l", legs[1]

/* What makes the server say something: a leg that fails. */
static void fail_leg(void)
{
	struct client *c = client_start(&(struct client_job){ .id = 6, .op = CLIENT_WRITE,
							      .off = 4096 * 512, .len = 4096 });

	res_is(client_wait(c), 4096, "a write that one leg fails");
}

Test(logging, goes_to_syslog)
{
	int id = cli_add(CLI(MIRROR_ARGS)), pid = cli_pid(id);
	char want[64];
	const char *text;

	fail_leg();
	text = message(SOON_MS);
	must(strstr(text, DROPPED), "syslog got: %s", text);
	/* facility daemon, a warning */
	must(!strncmp(text, "<28>", 4), "syslog got: %s", text);
	snprintf(want, sizeof(want), " regbuf[%d]: " DROPPED, pid);
	must(strstr(text, want), "no \"%s\" in: %s", want, text);
	text = message(NEVER_MS);
	must(!text[0], "told twice: %s", text);
	cli_del(id);
}

Test(logging, goes_to_stderr_in_the_foreground)
{
	static struct cli out;
	struct cli_job job;
	const char *text;

	cli_start(&job, CLI(MIRROR_ARGS, "--foreground"));
	must(cli_says(&job, "/dev/ublkb6", SOON_MS), "no device");
	fail_leg();
	must(cli_says(&job, "regbuf: " DROPPED, SOON_MS), "nothing on stderr");
	text = message(NEVER_MS);
	must(!text[0], "syslog got: %s", text);
	cli_del(6);
	must(cli_ended(&job, &out, SOON_MS) && !out.status, "the server does not end, or badly: %d",
	     out.status);
}

/* An error of `add` is its caller's to see, whoever will log later. */
Test(logging, what_add_says_is_not_for_syslog)
{
	static struct cli out;
	const char *text;

	cli_run(&out, CLI("add", "-t", "mirror", "-l", legs[0], "-l", "/dev/null"));
	must(out.status == 1 && strstr(out.err, "regbuf: leg /dev/null: "), "status %d: %s",
	     out.status, out.err);
	text = message(NEVER_MS);
	must(!text[0], "syslog got: %s", text);
}

static unsigned long long read_errors(int id)
{
	static struct cli c;
	unsigned long long sum = 0;

	cli_list(&c, id);
	for (const char *p = c.out; (p = strstr(p, "\"read_errors\":")); p++)
		sum += strtoull(p + 14, NULL, 10);
	return sum;
}

/* Reads what leg 1 cannot give until it has been asked @nr times. */
static void fail_reads(int id, unsigned int nr)
{
	while (read_errors(id) < nr) {
		struct client *c = client_start(&(struct client_job){ .id = id, .op = CLIENT_READ,
								      .off = 4096 * 512, .len = 4096 });

		res_is(client_wait(c), 4096, "a read that one leg fails");
	}
}

#define READ_FAILED	"mirror: leg /dev/" DISK_NULL_PREFIX "leg1: read of 4096 bytes at sector 4096: "
#define MORE_FAILED	"mirror: leg /dev/" DISK_NULL_PREFIX "leg1: %llu more reads failed, the last one at sector 4096: "

/* One line at once, and a sum when there have been no more for a while. */
Test(logging, a_burst_of_read_errors_is_two_lines)
{
	int id = cli_add(CLI(MIRROR_ARGS));
	unsigned long long sum = 0;
	const char *text, *more;

	fail_reads(id, 20);
	text = message(SOON_MS);
	must(strstr(text, READ_FAILED), "syslog got: %s", text);
	text = message(3 * SOON_MS);
	more = strstr(text, "mirror: ");
	must(more && sscanf(more, MORE_FAILED, &sum) == 1, "syslog got: %s", text);
	must(sum + 1 == read_errors(id), "told of 1 + %llu, not %llu", sum, read_errors(id));
	text = message(NEVER_MS);
	must(!text[0], "told again: %s", text);
	cli_del(id);
}

/* The sum is not lost when the server ends before. */
Test(logging, read_errors_are_summed_up_at_the_end)
{
	int id = cli_add(CLI(MIRROR_ARGS));
	unsigned long long sum = 0, all;
	const char *text, *more;

	fail_reads(id, 5);
	all = read_errors(id);
	cli_del(id);
	text = message(SOON_MS);
	must(strstr(text, READ_FAILED), "syslog got: %s", text);
	text = message(SOON_MS);
	more = strstr(text, "mirror: ");
	must(more && sscanf(more, MORE_FAILED, &sum) == 1 && sum + 1 == all, "syslog got: %s", text);
}
