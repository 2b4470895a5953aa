// SPDX-License-Identifier: GPL-2.0
/*
 * `regbuf quiesce`: a server ends without its device, and does what it has in work before.  What comes
 * then is the next one's.
 */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "dev.h"
#include "pattern.h"
#include "proc.h"
#include "sh.h"
#include "tleg.h"
#include "tmpfile.h"
#include "ublkraw.h"

#define MB	32
#define LEN	65536
#define NR	16	/* writes at once */
enum { HELD = 3 };

static const char *legs[2];

static void setup(void)
{
	raw_need();
	tlegs_sweep();
	tlegs_slow(legs, 2, MB);
}

static void teardown(void)
{
	tlegs_resume();
	cli_sweep();
	tlegs_sweep();
}

TestSuite(quiesce, .init = setup, .fini = teardown, .timeout = 240);

static struct client *write_at(int id, unsigned int i)
{
	return client_start(&(struct client_job){ .id = id, .op = CLIENT_WRITE, .off = (u64)i * LEN, .len = LEN,
						  .seed = i });
}

/* Leg @path has what write_at() of @nr wrote. */
static void leg_has(const char *path, unsigned int nr)
{
	static u8 buf[LEN];
	int fd = file_open(path, O_RDONLY);

	for (unsigned int i = 0; i < nr; i++) {
		file_read(fd, buf, LEN, (u64)i * LEN);
		pat_is(buf, LEN, i, (u64)i * LEN, "%s, write %u", path, i);
	}
	close(fd);
}

static void must_work(const char *const *args)
{
	static struct cli c;

	cli_run(&c, args);
	must(!c.status, "%s: status %d: %s", args[0], c.status, c.err);
}

/* What is in work ends under the old server, which waits for it, of all queues; what comes waits for the next. */
Test(quiesce, ends_what_is_in_work_and_holds_what_comes)
{
	static struct cli out;
	struct client *first, *second;
	struct cli_job job;
	pid_t server;
	int id;

	legs[1] = tleg_over(HELD, legs[1]);
	id = cli_add(CLI("add", "-t", "mirror", "-m", cli_best(), "-l", legs[0], "-l", legs[1], "-q", "2", "--recovery",
			 "--reissue"));
	server = dev_server(id);
	tleg_suspend(HELD);
	first = write_at(id, 0);
	must(!client_done(first, NEVER_MS), "the write is not held: %s", res_str(first->res));
	cli_start(&job, CLI("quiesce", "-n", cli_id(id)));
	must(!cli_ended(&job, &out, NEVER_MS), "it did not wait: status %d: %s", out.status, out.err);
	second = write_at(id, 1);
	must(!client_done(second, NEVER_MS), "a write that came later is done: %s", res_str(second->res));
	/* a service manager is impatient */
	kill(server, SIGTERM);
	must(cli_says(&job, "it waits for what its server has in work", SOON_MS), "nobody is told of the wait");
	tleg_resume(HELD);
	res_is(client_wait(first), LEN, "the write that was in work");
	must(cli_ended(&job, &out, SOON_MS) && !out.status, "status %d: %s", out.status, out.err);
	must(proc_other_gone(server, SOON_MS), "process %d is there", server);
	must(!client_done(second, NEVER_MS), "nobody serves, and a write is done: %s", res_str(second->res));
	must_work(CLI("recover", "-n", cli_id(id), "-t", "mirror", "-m", cli_best(), "-l", legs[0], "-l", legs[1]));
	res_is(client_wait(second), LEN, "the write that came later");
	cli_del(id);
	leg_has(legs[0], 2);
	leg_has(legs[1], 2);
	cli_nothing_left("quiesced");
}

/* Again and again, with many in work, in each mode; no client hears of it. */
Test(quiesce, is_a_pause_in_every_mode)
{
	static struct cli out;
	struct client *c[NR];
	struct cli_job job;

	for (unsigned int m = 0; m < cli_modes(); m++) {
		int id = cli_add(CLI("add", "-t", "loop", "-m", cli_mode(m), "-l", legs[0], "--recovery", "--reissue", "-d", "8"));

		for (unsigned int round = 0; round < 3; round++) {
			for (unsigned int i = 0; i < NR; i++)
				c[i] = write_at(id, i);
			cli_start(&job, CLI("quiesce", "-n", cli_id(id)));
			must(cli_ended(&job, &out, SOON_MS) && !out.status, "%s, round %u: status %d: %s", cli_mode(m), round,
			     out.status, out.err);
			must_work(CLI("recover", "-n", cli_id(id), "-t", "loop", "-m", cli_mode(m), "-l", legs[0]));
			for (unsigned int i = 0; i < NR; i++)
				res_is(client_wait(c[i]), LEN, "%s, round %u, write %u", cli_mode(m), round, i);
		}
		cli_del(id);
		leg_has(legs[0], NR);
	}
	cli_nothing_left("in every mode");
}

/* Its record says that nothing was under way, so nothing has to be compared. */
Test(quiesce, leaves_a_set_clean)
{
	struct client *c[NR];
	int id;

	must(!sh("$REGBUF mirror create home --leg %s --leg %s --assume-clean --no-start > /dev/null", legs[0], legs[1]), "create");
	id = cli_add(CLI("mirror", "assemble", "home", "-l", legs[0], "-l", legs[1], "--recovery", "--reissue"));
	for (unsigned int i = 0; i < NR; i++)
		c[i] = write_at(id, i);
	must_work(CLI("quiesce", "-n", cli_id(id)));
	for (unsigned int i = 0; i < 2; i++)
		must(!sh("$REGBUF mirror examine %s | grep -q 'stopped by its owner'", legs[i]), "leg %u is not clean: %s", i,
		     sh_out("$REGBUF mirror examine %s", legs[i]));
	must_work(CLI("mirror", "assemble", "home", "-l", legs[0], "-l", legs[1], "--recover", "-n", cli_id(id)));
	for (unsigned int i = 0; i < NR; i++)
		res_is(client_wait(c[i]), LEN, "write %u", i);
	cli_del(id);
	cli_nothing_left("a set");
}

/* What it had under way is no request's any more. */
Test(quiesce, does_not_wait_for_a_leg_that_was_dropped)
{
	static struct cli out;
	struct cli_job job;
	struct client *c;
	int id;

	legs[1] = tleg_over(HELD, legs[1]);
	must(!sh("$REGBUF mirror create home --leg %s --leg %s --assume-clean --no-start > /dev/null", legs[0], legs[1]), "create");
	id = cli_add(CLI("mirror", "assemble", "home", "-m", "copy", "-l", legs[0], "-l", legs[1], "--leg-timeout", "2",
			 "--recovery", "--reissue"));
	tleg_suspend(HELD);
	c = write_at(id, 0);
	must(client_done(c, SOON_MS), "the write waits for the leg");
	res_is(client_wait(c), LEN, "the write");
	cli_start(&job, CLI("quiesce", "-n", cli_id(id)));
	must(cli_ended(&job, &out, SOON_MS) && !out.status, "status %d: %s", out.status, out.err);
	tleg_resume(HELD);
	cli_del(id);
	cli_nothing_left("without a leg");
}

static void is_refused(const char *const *args, int status, const char *why)
{
	static struct cli c;

	cli_run(&c, args);
	cr_expect(c.status == status && strstr(c.err, why), "%s %s: status %d: %s", args[1] ? args[1] : "", args[2] ? args[2] : "",
		  c.status, c.err);
}

Test(quiesce, says_what_cannot_be_quiesced)
{
	int id = cli_add(CLI("add", "-t", "loop", "-m", cli_best(), "-l", legs[0])), server = dev_server(id);

	is_refused(CLI("quiesce", "-n", cli_id(id)), 1, "it was not made with --recovery");
	must(!kill(server, 0), "its server has ended");
	cli_del(id);
	is_refused(CLI("quiesce", "-n", cli_id(id)), 1, "there is none");
	is_refused(CLI("quiesce", "--name", "nobody"), 1, "no device is called nobody");
	is_refused(CLI("quiesce"), 2, "right is one of -n ID and --name NAME");
	is_refused(CLI("quiesce", "-n", "1", "--name", "a"), 2, "right is one of -n ID and --name NAME");
	id = cli_add(CLI("add", "-t", "loop", "-m", cli_best(), "-l", legs[0], "--recovery"));
	must_work(CLI("quiesce", "-n", cli_id(id)));
	is_refused(CLI("quiesce", "-n", cli_id(id)), 1, "it has no server");
	cli_del(id);
	cli_nothing_left("refused");
}
