// SPDX-License-Identifier: GPL-2.0
/*
 * What `regbuf` says of the kernel that runs, be it ours or Debian's, and that it serves in
 * each mode which it says the kernel has.
 */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "cli.h"
#include "mode.h"
#include "ublkraw.h"

#define LEG	"/tmp/kernels-leg"
#define MB	8

/* What a kernel has, of what modes differ in. */
enum has {
	NO_UBLK = 0,		/* not even the driver */
	UBLK	= 1 << 0,
	LENDS	= 1 << 1,	/* io_uring's lent buffers */
	FUSES	= 1 << 2,	/* io_uring's fused commands */
	COMMAND	= 1 << 3,	/* mainline's command that lends */
};

#define OURS	(UBLK | LENDS | FUSES | COMMAND)

static const struct kernel {
	const char *name;	/* for tests/vm/guest --kernel */
	unsigned int has;
} kernels[] = {
	{ "release", OURS }, { "kasan", OURS }, { "lockdep", OURS }, { "nofused", OURS & ~FUSES },
	{ "debian12", NO_UBLK }, { "debian12-6.12", UBLK }, { "debian13", UBLK }, { "backports", UBLK | COMMAND },
};

/*
 * By name, so that a mode whose own table asks for too little is noticed; of a mode that stands here twice,
 * the first that is missing is told.
 */
static const struct need {
	const char *mode;
	unsigned int of;	/* enum has, all of them */
	const char *lacks;	/* the beginning of the reason where one is missing */
} needs[] = {
	{ "copy", UBLK, "" }, { "user-copy", UBLK, "" }, { "get-data", UBLK, "" },
	{ "register", LENDS, "io_uring's lent buffers" }, { "register-chain", LENDS, "io_uring's lent buffers" },
	{ "fused", FUSES, "io_uring's " }, { "fused-n", FUSES, "io_uring's " },
	{ "register-cmd", COMMAND, "ublk's command" }, { "auto", COMMAND, "ublk's command" },
	{ "handoff", COMMAND, "ublk's command" }, { "handoff", LENDS, "handoff" },
};

static unsigned int has;

static void setup(void)
{
	const char *name = getenv("REGBUF_GUEST");
	const struct kernel *k = kernels;
	int fd;

	need(name, "a guest, whose kernel is known");
	while (k < kernels + ARRAY_SIZE(kernels) && strcmp(k->name, name))
		k++;
	need(k < kernels + ARRAY_SIZE(kernels), "a kernel that is known by its name, not %s", name);
	has = k->has;
	if (has) {
		raw_need();
		cli_sweep();
	}
	fd = open(LEG, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	must(fd >= 0 && !ftruncate(fd, MB << 20), LEG);
	close(fd);
}

static void teardown(void)
{
	if (has)
		cli_sweep();
	unlink(LEG);
}

TestSuite(kernels, .init = setup, .fini = teardown, .timeout = 200);

/* "", or the beginning of the reason why this kernel cannot do the mode. */
static const char *lacks(const char *mode)
{
	bool known = false;

	for (const struct need *n = needs; n < needs + ARRAY_SIZE(needs); n++) {
		if (strcmp(n->mode, mode))
			continue;
		if ((n->of & has) != n->of)
			return n->lacks;
		known = true;
	}
	must(known, "mode %s: this test does not know what it needs", mode);
	return "";
}

static void fails_for(const char *const *args, const char *want)
{
	static struct cli c;

	cli_run(&c, args);
	must(c.status == 1 && strstr(c.err, want), "%s: status %d: %s", args[0], c.status, c.err);
	must(!c.out[0], "%s printed %s", args[0], c.out);
}

static void tells_that_there_is_no_ublk(const char *const *args)
{
	fails_for(args, "has no ublk driver");
	fails_for(args, "right is Linux 6.5 or newer, on Debian 12 linux-image-6.12-amd64");
}

/* The first line of features; the guest has nothing in /boot. */
static const char *summary(char *line, size_t len)
{
	struct utsname u;

	uname(&u);
	if (has & COMMAND)
		snprintf(line, len, "Linux %s lends buffers: the best mode is %s\n", u.release,
			 has & LENDS ? "handoff" : "auto");
	else
		snprintf(line, len, "Linux %s lends no buffers: data is copied, the best mode is copy\n", u.release);
	return line;
}

Test(kernels, features_tells_what_each_mode_lacks)
{
	static struct cli c;
	char line[256];

	if (!has) {
		tells_that_there_is_no_ublk(CLI("features"));
		tells_that_there_is_no_ublk(CLI("features", "--json"));
		return;
	}
	cli_run(&c, CLI("features"));
	must(!c.status, "status %d: %s", c.status, c.err);
	must(!strncmp(c.out, summary(line, sizeof(line)), strlen(line)), "not '%s' first in: %s", line, c.out);
	for (const struct mode_ops *const *m = mode_list; *m; m++) {
		const char *why = lacks((*m)->name);

		snprintf(line, sizeof(line), "\n  %-22s %s%s", (*m)->name, *why ? "no: lacks " : "yes\n", why);
		must(strstr(c.out, line), "no '%s' in: %s", line + 1, c.out);
	}
}

static void serves(const char *mode)
{
	int id = cli_add(CLI("add", "-t", "loop", "-m", mode, "-d", "16", "-l", LEG));
	struct client_job job = { .id = id, .op = CLIENT_WRITE, .off = (MB << 20) - 65536, .len = 65536, .seed = 9 };

	res_is(client_wait(client_start(&job)), 65536, "%s: a write", mode);
	cli_del(id);
}

Test(kernels, a_mode_serves_or_is_refused_with_the_reason)
{
	for (const struct mode_ops *const *m = mode_list; *m; m++) {
		const char *const *args = CLI("add", "-t", "loop", "-m", (*m)->name, "-l", LEG);

		if (!has)
			tells_that_there_is_no_ublk(args);
		else if (*lacks((*m)->name))
			fails_for(args, lacks((*m)->name));
		else
			serves((*m)->name);
	}
	if (has)
		cli_nothing_left("all modes");
}

Test(kernels, without_the_driver_the_other_commands_say_so_too)
{
	static struct cli c;

	if (has) {
		cli_run(&c, CLI("list"));
		must(!c.status && !c.err[0], "list: status %d: %s", c.status, c.err);
		return;
	}
	tells_that_there_is_no_ublk(CLI("list"));
	tells_that_there_is_no_ublk(CLI("del", "-n", "0"));
}
