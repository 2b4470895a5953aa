// SPDX-License-Identifier: GPL-2.0
/*
 * `regbuf run`: a device from a file, as a service manager starts it.  It is told when the device is
 * usable, and a device whose server died gets the next one.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli.h"
#include "dev.h"
#include "proc.h"
#include "ring.h"
#include "sh.h"
#include "tleg.h"
#include "tmpfile.h"
#include "ublkraw.h"

#define DIR	"/tmp/run"
#define SOCKET	DIR "/notify"
#define KEPT	"/run/regbuf/%s.device"
#define MB	16
enum { HELD = 3 };

static const char *legs[2];
static int manager;	/* what is told arrives here */

static void setup(void)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX, .sun_path = SOCKET };

	raw_need();
	tlegs_sweep();
	for (unsigned int i = 0; i < 2; i++)
		legs[i] = tleg_null(i, &(struct null_disk){ .mb = MB });
	must(!sh("rm -rf " DIR " && mkdir " DIR), DIR);
	manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	must(!bind(manager, (struct sockaddr *)&sa, sizeof(sa)), SOCKET ": %s", strerror(errno));
}

static void teardown(void)
{
	close(manager);
	tlegs_resume();
	cli_sweep();
	tlegs_sweep();
	sh("rm -rf " DIR);
}

TestSuite(run, .init = setup, .fini = teardown, .timeout = 240);

static void file_is(const char *name, const char *text)
{
	must(!sh("printf '%s' > " DIR "/%s.conf", text, name), "%s.conf", name);
}

static void a_manager_waits(void)
{
	setenv("NOTIFY_SOCKET", SOCKET, 1);
}

static void nobody_hears(void)
{
	setenv("NOTIFY_SOCKET", DIR "/nobody", 1);
}

/* What the manager is told, within SOON_MS; "" if nothing. */
static const char *told(void)
{
	static char text[512];
	struct timeval tv = { .tv_sec = SOON_MS / 1000 };
	ssize_t n;

	must(!setsockopt(manager, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)), "SO_RCVTIMEO: %s", strerror(errno));
	do {
		n = recv(manager, text, sizeof(text) - 1, 0);
	} while (n < 0 && errno == EINTR);
	text[n < 0 ? 0 : n] = '\0';
	return text;
}

static const char *file_of(const char *name)
{
	static char path[64];

	snprintf(path, sizeof(path), DIR "/%s.conf", name);
	return path;
}

/* Runs @name's file until its device is usable: the device's number. */
static int run(struct cli_job *job, const char *name)
{
	static struct cli c;
	char want[64];
	const char *text;
	int id;

	cli_start_in(job, CLI("run", file_of(name)), a_manager_waits);
	text = told();
	if (!text[0] && cli_ended(job, &c, 0))
		must(0, "%s: status %d: %s", name, c.status, c.err);
	must(sscanf(text, "READY=1\nMAINPID=%*d\nSTATUS=serves /dev/ublkb%d in mode", &id) == 1,
	     "%s: the manager was told: '%s'", name, text);
	snprintf(want, sizeof(want), "MAINPID=%d\n", job->pid);
	must(strstr(text, want), "process %d was told as: %s", job->pid, text);
	must(dev_server(id) == job->pid, "device %d: process %d serves it", id, dev_server(id));
	return id;
}

/* And as a manager stops it. */
static void stop(struct cli_job *job, const char *name)
{
	static struct cli c;
	char kept[64];

	kill(job->pid, SIGTERM);
	must(cli_ended(job, &c, SOON_MS), "%s: it does not end", name);
	must(!c.status, "%s: status %d: %s", name, c.status, c.err);
	snprintf(kept, sizeof(kept), KEPT, name);
	must(access(kept, F_OK), "%s is left", kept);
}

/* The job's process is killed, and is gone. */
static void killed(struct cli_job *job)
{
	static struct cli c;

	kill(job->pid, SIGKILL);
	must(cli_ended(job, &c, SOON_MS) && c.status == 128 + SIGKILL, "status %d", c.status);
}

static void file_of_a_mirror(const char *name, const char *second)
{
	char text[512];

	snprintf(text, sizeof(text), "# of a test\n\nadd\n\ttype mirror\nleg %s\nleg   %s\nmode %s\nrecovery\nreissue\n",
		 legs[0], second, cli_best());
	file_is(name, text);
}

/* What udev is told of device @id. */
static void is_called(int id, const char *want)
{
	static struct cli c;
	char device[32];

	snprintf(device, sizeof(device), "ublkb%d", id);
	cli_run(&c, CLI("udev", device));
	must(!c.status && !strcmp(c.out, want), "udev %s: status %d: '%s' %s", device, c.status, c.out, c.err);
}

Test(run, tells_when_the_device_is_usable)
{
	struct cli_job job;
	u8 *buf = page_alloc(4096);
	int id, fd;

	file_of_a_mirror("home", legs[1]);
	id = run(&job, "home");
	fd = dev_open(id, "", O_RDWR | O_DIRECT);
	memset(buf, 7, 4096);
	file_write(fd, buf, 4096, 0);
	close(fd);
	is_called(id, "REGBUF_NAME=home\n");
	stop(&job, "home");
	cli_nothing_left("stopped");
}

Test(run, is_over_when_the_manager_cannot_be_told)
{
	static struct cli c;

	file_of_a_mirror("home", legs[1]);
	cli_run_in(&c, CLI("run", file_of("home")), nobody_hears);
	must(c.status == 1 && strstr(c.err, "NOTIFY_SOCKET " DIR "/nobody cannot be told: "), "status %d: %s", c.status,
	     c.err);
	cli_nothing_left("not told");
}

/* A write that is in flight when the server is killed ends well under the next one. */
Test(run, serves_again_what_a_dead_server_left)
{
	struct cli_job job, again;
	struct client *c;
	int id;

	file_of_a_mirror("home", tleg_over(HELD, legs[1]));
	id = run(&job, "home");
	tleg_suspend(HELD);
	c = client_start(&(struct client_job){ .id = id, .op = CLIENT_WRITE, .len = 65536, .seed = 3 });
	must(!client_done(c, NEVER_MS), "the write is not held: %s", res_str(c->res));
	killed(&job);
	cli_start_in(&again, CLI("run", file_of("home")), a_manager_waits);
	tleg_resume(HELD);
	res_is(client_wait(c), 65536, "the write that was in flight");
	must(strstr(told(), "READY=1\n"), "the manager is not told");
	must(dev_server(id) == again.pid, "device %d: process %d serves it", id, dev_server(id));
	stop(&again, "home");
	cli_nothing_left("stopped after a recovery");
}

/* And that one can be served again, once more. */
Test(run, serves_again_as_often_as_servers_die)
{
	struct cli_job job;
	int id;

	file_of_a_mirror("home", legs[1]);
	id = run(&job, "home");
	for (unsigned int i = 0; i < 3; i++) {
		killed(&job);
		must(run(&job, "home") == id, "round %u: it is another device", i);
	}
	stop(&job, "home");
	cli_nothing_left("stopped after three recoveries");
}

Test(run, serves_again_what_was_quiesced_by_name)
{
	static struct cli c;
	struct cli_job job;
	int id;

	file_of_a_mirror("home", legs[1]);
	id = run(&job, "home");
	cli_run(&c, CLI("quiesce", "--name", "home"));
	must(!c.status, "status %d: %s", c.status, c.err);
	must(cli_ended(&job, &c, SOON_MS) && !c.status, "status %d: %s", c.status, c.err);
	must(run(&job, "home") == id, "it is another device");
	stop(&job, "home");
	cli_nothing_left("quiesced by name");
}

/* Not by this server, as its manager cannot be told; by the next one. */
Test(run, leaves_the_device_to_the_next_when_it_fails)
{
	static struct cli c;
	struct cli_job job;
	int id;

	file_of_a_mirror("home", legs[1]);
	id = run(&job, "home");
	killed(&job);
	cli_run_in(&c, CLI("run", file_of("home")), nobody_hears);
	must(c.status == 1, "status %d: %s", c.status, c.err);
	must(run(&job, "home") == id, "it is another device");
	stop(&job, "home");
	cli_nothing_left("served at last");
}

Test(run, is_refused_where_the_name_is_another_number)
{
	static struct cli c;
	struct cli_job job;
	char text[256];
	int id;

	file_of_a_mirror("home", legs[1]);
	id = run(&job, "home");
	killed(&job);
	snprintf(text, sizeof(text), "add\ntype mirror\nleg %s\nleg %s\nid %d\n", legs[0], legs[1], id + 1);
	file_is("home", text);
	cli_run(&c, CLI("run", file_of("home")));
	must(c.status == 1 && strstr(c.err, "right is to leave out --id"), "status %d: %s", c.status, c.err);
	file_of_a_mirror("home", legs[1]);
	must(run(&job, "home") == id, "it is another device");
	stop(&job, "home");
}

Test(run, is_ended_by_name)
{
	static struct cli c;
	struct cli_job job;
	char text[256];

	cli_run(&c, CLI("del", "--name", "home"));
	cr_expect(c.status == 1 && strstr(c.err, "no device is called home"), "status %d: %s", c.status, c.err);
	snprintf(text, sizeof(text), "add\ntype loop\nleg %s\nmode %s\n", legs[0], cli_best());
	file_is("home", text);
	run(&job, "home");
	cli_run(&c, CLI("del", "--name", "home", "--if-unused"));
	cr_expect(!c.status, "status %d: %s", c.status, c.err);
	must(cli_ended(&job, &c, SOON_MS) && !c.status, "status %d: %s", c.status, c.err);
	cli_run(&c, CLI("del", "--name", "home", "-n", "0"));
	cr_expect(c.status == 2 && strstr(c.err, "one of"), "status %d: %s", c.status, c.err);
	cli_nothing_left("by name");
}

Test(run, is_refused_while_the_device_is_served)
{
	static struct cli c;
	struct cli_job job;

	file_of_a_mirror("home", legs[1]);
	run(&job, "home");
	cli_run(&c, CLI("run", file_of("home")));
	must(c.status == 1 && strstr(c.err, "its server lives"), "status %d: %s", c.status, c.err);
	stop(&job, "home");
}

static bool starts(void *arg)
{
	return raw_dev_state(*(int *)arg) == UBLK_S_DEV_LIVE;
}

/* The thread that hears the launcher and signals is held, until both are there. */
Test(run, is_stopped_as_soon_as_it_is_told)
{
	static struct cli c;
	struct cli_job job;
	char text[256];
	int id = 6;

	snprintf(text, sizeof(text), "add\ntype loop\nleg %s\nmode %s\nid %d\nrecovery\n", legs[0], cli_best(), id);
	file_is("home", text);
	cli_start_in(&job, CLI("run", file_of("home")), a_manager_waits);
	must(wait_until(starts, &id, SOON_MS), "device %d does not start", id);
	must(!ptrace(PTRACE_SEIZE, job.pid, 0, 0) && !ptrace(PTRACE_INTERRUPT, job.pid, 0, 0), "ptrace: %s",
	     strerror(errno));
	must(waitpid(job.pid, NULL, __WALL) == job.pid, "waitpid: %s", strerror(errno));
	must(strstr(told(), "READY=1\n"), "the manager is not told");
	kill(job.pid, SIGTERM);
	must(!ptrace(PTRACE_DETACH, job.pid, 0, 0), "detach: %s", strerror(errno));
	must(cli_ended(&job, &c, SOON_MS) && !c.status, "status %d: %s", c.status, c.err);
	cli_nothing_left("stopped");
}

/* The file of a device that is gone names a number that is another one's now. */
Test(run, does_not_take_a_device_for_another_one)
{
	static struct cli c;
	struct cli_job job, other;
	char text[256];
	int id, second;

	snprintf(text, sizeof(text), "add\ntype loop\nleg %s\nmode %s\nrecovery\n", legs[0], cli_best());
	file_is("one", text);
	snprintf(text, sizeof(text), "add\ntype loop\nleg %s\nmode %s\nrecovery\n", legs[1], cli_best());
	file_is("two", text);
	id = run(&job, "one");
	must(!sh("sed 's/.$/%s/' /run/regbuf/one.device > /run/regbuf/two.device",
		 sh("grep -q 0$ /run/regbuf/one.device") ? "0" : "1"), "two.device");
	is_called(id, "REGBUF_NAME=one\n");
	killed(&job);
	second = run(&other, "two");
	is_called(id, "REGBUF_NAME=one\n");
	is_called(second, "REGBUF_NAME=two\n");
	must(second != id, "device %d is of file one", id);
	stop(&other, "two");
	must(run(&job, "one") == id, "it is another device");
	stop(&job, "one");
	cli_run(&c, CLI("list"));
	must(!c.out[0], "left: %s", c.out);
}

/* What is wrong is said with the file, and nothing is made. */
Test(run, wants_a_right_file)
{
	static struct cli c;

	file_is("home", "add\ntype mirror\nleg /dev/null\n");
	cli_run(&c, CLI("run", file_of("home")));
	must(c.status == 2 && strstr(c.err, DIR "/home.conf: the device cannot be made"), "status %d: %s", c.status,
	     c.err);
	cli_run(&c, CLI("check-config", file_of("home")));
	must(c.status == 2 && strstr(c.err, DIR "/home.conf: the device cannot be made"), "status %d: %s", c.status,
	     c.err);
	cli_nothing_left("of a wrong file");
}

Test(run, serves_a_set_by_its_name)
{
	struct cli_job job;
	char text[256], want[128];
	int id;

	must(!sh("$REGBUF mirror create home --leg %s --leg %s --assume-clean --no-start > /dev/null", legs[0], legs[1]), "create");
	snprintf(text, sizeof(text), "mirror assemble home\nleg %s\nleg %s\nrecovery\nreissue\n", legs[0], legs[1]);
	file_is("set", text);
	id = run(&job, "set");
	snprintf(want, sizeof(want), "REGBUF_NAME=set\nREGBUF_UUID=%s",
		 sh_out("$REGBUF mirror status home | awk '{ print $3; exit }'"));
	is_called(id, want);
	killed(&job);
	must(run(&job, "set") == id, "it is another device");
	stop(&job, "set");
	cli_nothing_left("stopped");
}
