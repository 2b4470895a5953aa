// SPDX-License-Identifier: GPL-2.0
/*
 * The server with the fault target in front: short results, errors and its own death
 * at a chosen step, in each mode, and what clients see of it.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "pattern.h"
#include "tleg.h"
#include "tmpfile.h"
#include "ublkraw.h"

#define SIZE		(8 << 20)
#define FAST_MS		5000

static const char *const moments[] = { "arrive", "inflight", "done" };
#define NR_MOMENTS	3

static const char *legs[2];
static u8 *buf;

static void setup(void)
{
	raw_need();
	tlegs_sweep();
	buf = page_alloc(SIZE);
	for (unsigned int i = 0; i < 2; i++)
		legs[i] = tleg_null(i, &(struct null_disk){ .mb = SIZE >> 20 });
}

TestSuite(fault, .init = setup, .fini = tlegs_sweep, .timeout = 240);

/* A mirror behind a fault target; @more are arguments of the fault, NULL-terminated. */
static int add(const char *mode, const char *const *more)
{
	const char *args[CLI_ARGS_MAX + 1] = {
		"add", "-t", "fault", "-i", "mirror", "-m", mode, "-l", legs[0], "-l", legs[1],
		"-d", "16",
	};
	unsigned int n = 13;

	while (*more && n < CLI_ARGS_MAX)
		args[n++] = *more++;
	return cli_add(args);
}

static struct client *start(int id, enum client_op op, unsigned int mib, u32 seed)
{
	return client_start(&(struct client_job){ .id = id, .op = op, .off = mib << 20,
						  .len = 1 << 20, .nr = 16, .seed = seed });
}

static bool is_dead(void *arg)
{
	pid_t pid = *(pid_t *)arg;

	return kill(pid, 0);
}

static void read_is(int id, unsigned int mib, u32 seed, const char *what)
{
	struct client *c = start(id, CLIENT_READ, mib, 0);

	res_is(client_wait(c), 1 << 20, "%s: reading MiB %u", what, mib);
	pat_is(c->buf, 1 << 20, seed, mib << 20, "%s: MiB %u", what, mib);
}

static void legs_are_equal(const char *what)
{
	u8 *other = page_alloc(SIZE);

	for (unsigned int i = 0; i < 2; i++) {
		int fd = tleg_open(i, O_RDONLY | O_DIRECT);

		file_read(fd, i ? other : buf, SIZE, 0);
		close(fd);
	}
	mem_is(other, buf, SIZE, "%s: the legs", what);
}

static void recover(int id, const char *mode, const char *what)
{
	static struct cli out;

	cli_run(&out, CLI("recover", "-n", cli_id(id), "-t", "mirror", "-m", mode, "-l", legs[0], "-l",
			  legs[1]));
	must(!out.status, "%s: recover: status %d: %s", what, out.status, out.err);
}

/* O7: a server that dies under load, and one that takes over: nobody sees an error. */
static void dies_and_is_replaced(const char *mode, const char *moment, const char *op)
{
	int id = add(mode, CLI("--fault", "die", "--fault-moment", moment, "--fault-op", op,
			       "--fault-after", "2", "-r", "--reissue"));
	pid_t pid = cli_pid(id);
	struct client *c[4];
	char what[64];

	snprintf(what, sizeof(what), "%s, %s at %s", mode, op, moment);
	for (unsigned int i = 0; i < 4; i++)
		c[i] = start(id, op[0] == 'w' || i % 2 ? CLIENT_WRITE : CLIENT_READ, i, 30 + i);
	must(wait_until(is_dead, &pid, SOON_MS), "%s: the server does not die", what);
	recover(id, mode, what);
	for (unsigned int i = 0; i < 4; i++) {
		res_is(client_wait(c[i]), 1 << 20, "%s: client %u", what, i);
		if (c[i]->job.op == CLIENT_WRITE)
			read_is(id, i, 30 + i, what);
	}
	cli_del(id);
	legs_are_equal(what);
}

Test(fault, a_server_that_dies_is_replaced_and_nobody_notices)
{
	for (unsigned int m = 0; m < cli_modes(); m++) {
		for (unsigned int n = 0; n < NR_MOMENTS; n++)
			dies_and_is_replaced(cli_mode(m), moments[n], "write");
		dies_and_is_replaced(cli_mode(m), moments[m % 3], "read");
	}
	cli_nothing_left("replaced");
}

static void dies_alone(const char *mode, const char *moment)
{
	int id = add(mode, CLI("--fault", "die", "--fault-moment", moment, "--fault-after", "5"));
	pid_t pid = cli_pid(id);
	struct client *c[4];
	unsigned int failed = 0;
	u64 begin;

	for (unsigned int i = 0; i < 4; i++)
		c[i] = start(id, CLIENT_WRITE, i, i);
	must(wait_until(is_dead, &pid, SOON_MS), "%s, %s: the server does not die", mode, moment);
	begin = now_ms();
	for (unsigned int i = 0; i < 4; i++) {
		must(client_done(c[i], FAST_MS), "%s, %s: client %u has not ended", mode, moment,
		     i);
		failed += c[i]->res < 0;
	}
	must(failed && now_ms() - begin < FAST_MS, "%s, %s: %u failed, after %llu ms", mode, moment,
	     failed, (unsigned long long)(now_ms() - begin));
	if (raw_dev_state(id) >= 0)
		cli_del(id);
	raw_is_gone(id, FAST_MS);
}

Test(fault, a_server_that_dies_alone_fails_its_clients_at_once)
{
	for (unsigned int m = 0; m < cli_modes(); m++) {
		for (unsigned int n = 0; n < NR_MOMENTS; n++)
			dies_alone(cli_mode(m), moments[n]);
	}
	cli_nothing_left("died alone");
}

/* V8: what a backend did not deliver is never taken for data. */
Test(fault, short_results_are_completed_or_are_errors)
{
	for (unsigned int m = 0; m < cli_modes(); m++) {
		for (unsigned int every = 1; every < 4; every++) {
			char text[8];
			int id;

			snprintf(text, sizeof(text), "%u", every);
			id = add(cli_mode(m), CLI("--fault", "short", "--fault-every", text));
			for (unsigned int i = 0; i < 4; i++) {
				struct client *c = start(id, CLIENT_WRITE, i, 60 + i);
				long res = client_wait(c);

				must(res == 1 << 20 || res < 0, "%s: a short write of %ld",
				     cli_mode(m), res);
				if (res < 0)
					continue;
				c = start(id, CLIENT_READ, i, 0);
				res = client_wait(c);
				must(res == 1 << 20 || res < 0, "%s: a short read of %ld", cli_mode(m),
				     res);
				if (res > 0)
					pat_is(c->buf, 1 << 20, 60 + i, i << 20, "%s: every %u",
					       cli_mode(m), every);
			}
			cli_del(id);
		}
	}
	cli_nothing_left("short");
}

Test(fault, an_error_of_one_leg_is_not_seen)
{
	for (unsigned int m = 0; m < cli_modes(); m++) {
		for (unsigned int l = 0; l < 2; l++) {
			int id = add(cli_mode(m), CLI("--fault", "error", "--fault-leg", l ? "1" : "0",
						   "--fault-every", "3"));

			for (unsigned int i = 0; i < 4; i++) {
				res_is(client_wait(start(id, CLIENT_WRITE, i, 70 + i)), 1 << 20,
				       "%s: write, leg %u", cli_mode(m), l);
				read_is(id, i, 70 + i, cli_mode(m));
			}
			cli_del(id);
		}
	}
	cli_nothing_left("error of one leg");
}

Test(fault, an_error_of_all_legs_is_the_clients)
{
	for (unsigned int m = 0; m < cli_modes(); m++) {
		int id = add(cli_mode(m), CLI("--fault", "error", "--fault-errno", "28", "--fault-op",
					   "write"));

		res_is(client_wait(start(id, CLIENT_WRITE, 0, 1)), -ENOSPC, "%s: a write",
		       cli_mode(m));
		res_is(client_wait(start(id, CLIENT_READ, 0, 1)), 1 << 20, "%s: a read", cli_mode(m));
		cli_del(id);
	}
	cli_nothing_left("error of all legs");
}

/* Try again, no memory, interrupted: the server has tried, and the client is not to. */
Test(fault, an_error_of_the_servers_own_is_eio)
{
	static const int errs[] = { EAGAIN, EINTR, ENOMEM, EBUSY, ETIME };

	for (unsigned int e = 0; e < sizeof(errs) / sizeof(errs[0]); e++) {
		char num[16];
		int id;

		snprintf(num, sizeof(num), "%d", errs[e]);
		id = cli_add(CLI("add", "-t", "fault", "-i", "loop", "-l", legs[0], "--fault", "error",
				 "--fault-errno", num));
		res_is(client_wait(start(id, CLIENT_WRITE, 0, 1)), -EIO, "a write, %s",
		       strerror(errs[e]));
		res_is(client_wait(start(id, CLIENT_READ, 0, 1)), -EIO, "a read, %s",
		       strerror(errs[e]));
		cli_del(id);
	}
	cli_nothing_left("errors of the server's own");
}

/* Requests that wait for a slow leg do not make others wait, nor del. */
Test(fault, a_slow_request_holds_up_nobody)
{
	for (unsigned int m = 0; m < cli_modes(); m++) {
		int id = add(cli_mode(m), CLI("--fault", "delay", "--fault-delay", "1500",
					   "--fault-op", "write", "--fault-to", "1048576"));
		struct client *slow = client_start(&(struct client_job){ .id = id,
									 .op = CLIENT_WRITE,
									 .len = 4096, .seed = 1 });
		u64 begin;

		sleep_ms(200);
		begin = now_ms();
		for (unsigned int i = 1; i < 4; i++)
			res_is(client_wait(start(id, CLIENT_WRITE, i, i)), 1 << 20, "%s: another",
			       cli_mode(m));
		must(!slow->done || now_ms() - begin > 1200, "%s: the slow one was not slow",
		     cli_mode(m));
		res_is(client_wait(slow), 4096, "%s: the slow one", cli_mode(m));
		cli_del(id);
	}
}
