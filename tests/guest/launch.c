// SPDX-License-Identifier: GPL-2.0
/*
 * `regbuf add` that cannot, or may not, finish: something stands where its node belongs,
 * a leg hangs, it is killed or interrupted at each of its system calls.  Nothing stays.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli.h"
#include "proc.h"
#include "sh.h"
#include "tleg.h"
#include "tmpfile.h"
#include "ublkraw.h"

#define FIFO		"/tmp/launch-fifo"
#define PROMPT_MS	3000
/* add waited ten seconds for a node. */
#define AT_ONCE_MS	6000

enum { LEG, HELD };
static const char *held;	/* the leg over the other one, if it is made */

static const char *const nodes[2] = { "/dev/ublkb6", "/dev/ublkc6" };

static void remove_nodes(void)
{
	sh("rm -rf /dev/ublkb0 /dev/ublkc0 /dev/ublkb6 /dev/ublkc6");
}

static void setup(void)
{
	raw_need();
	tlegs_sweep();
	need(in_guest(), "files in /dev, which are somebody's elsewhere");
	remove_nodes();
	tleg_null(LEG, NULL);
}

static void teardown(void)
{
	tlegs_sweep();
	remove_nodes();
}

TestSuite(launch, .init = setup, .fini = teardown, .timeout = 400);

/* `add` of device 6 fails with status 1 and a message that has @want, at once, and leaves nothing. */
static void add_fails(const char *const *args, const char *want, const char *what)
{
	static struct cli c;
	u64 begin = now_ms();

	cli_run(&c, args);
	must(c.status == 1 && strstr(c.err, want), "%s: status %d: %s", what, c.status, c.err);
	must(now_ms() - begin < AT_ONCE_MS, "%s: told after %llu ms", what,
	     (unsigned long long)(now_ms() - begin));
	cli_nothing_left(what);
}

#define ADD_6	CLI("add", "-t", "null", "-n", "6")
#define ADD	CLI("add", "-t", "null")

static void put_file(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	must(fd >= 0, "%s: %s", path, strerror(errno));
	file_write(fd, "data", 4, 0);
	close(fd);
}

static bool is_file(const char *path)
{
	struct stat st;

	return !stat(path, &st) && S_ISREG(st.st_mode) && st.st_size == 4;
}

Test(launch, a_file_in_the_nodes_place_is_told_at_once)
{
	static const char *const all[] = { "/dev/ublkb6", "/dev/ublkc6", "/dev/ublkb0", "/dev/ublkc0" };

	for (unsigned int i = 0; i < 4; i++) {
		char want[64];

		put_file(all[i]);
		snprintf(want, sizeof(want), "%s: a regular file stands where", all[i]);
		/* of device 0 the number is known only when it has been made */
		add_fails(i < 2 ? ADD_6 : ADD, want, all[i]);
		must(is_file(all[i]), "%s: the file is gone", all[i]);
		unlink(all[i]);
		cli_del(cli_add(i < 2 ? ADD_6 : ADD));
	}
}

Test(launch, other_things_in_the_nodes_place_are_told)
{
	for (unsigned int i = 0; i < 2; i++) {
		must(!mkdir(nodes[i], 0755), "%s: %s", nodes[i], strerror(errno));
		add_fails(ADD_6, ": a directory stands where", nodes[i]);
		rmdir(nodes[i]);
		must(!symlink("nowhere", nodes[i]), "%s: %s", nodes[i], strerror(errno));
		add_fails(ADD_6, ": a symbolic link stands where", nodes[i]);
		unlink(nodes[i]);
		must(!mknod(nodes[i], (i ? S_IFCHR : S_IFBLK) | 0600, makedev(1, 3)), "%s: %s", nodes[i],
		     strerror(errno));
		add_fails(ADD_6, i ? ": another character device" : ": another block device", nodes[i]);
		unlink(nodes[i]);
	}
}

/* A device that waits to be recovered keeps waiting. */
Test(launch, recover_looks_at_the_nodes_too)
{
	static struct cli c;
	int id = cli_add(CLI("add", "-t", "null", "-n", "6", "--recovery"));

	proc_kill_other(cli_pid(id));
	unlink(nodes[0]);
	put_file(nodes[0]);
	cli_run(&c, CLI("recover", "-t", "null", "-n", "6"));
	must(c.status == 1 && strstr(c.err, ": a regular file stands where"), "status %d: %s", c.status,
	     c.err);
	unlink(nodes[0]);
	must(raw_dev_state(id) >= 0, "the device is gone");
	cli_del(id);
	cli_nothing_left("recover");
}

/* Killed at each system call.  What is counted begins with the fork of the server. */

struct trace {
	struct cli_job job;
	bool forked;
	unsigned int calls;	/* since then */
	unsigned int sends;	/* of those, messages to the server that were sent */
};

static void trace_me(void)
{
	/* a group of its own, for ^C */
	setpgid(0, 0);
	ptrace(PTRACE_TRACEME, 0, 0, 0);
}

static int wait_stop(struct trace *t)
{
	int status;

	must(waitpid(t->job.pid, &status, __WALL) == t->job.pid, "waitpid: %s", strerror(errno));
	return status;
}

/* Calls that are made in a loop until something comes, and what a C library does by itself. */
static bool is_counted(u64 nr)
{
	return nr != SYS_wait4 && nr != SYS_poll && nr != SYS_clock_nanosleep && nr != SYS_rt_sigprocmask &&
	       nr != SYS_munmap && nr != SYS_mmap && nr != SYS_brk && nr != SYS_close &&
	       nr != SYS_restart_syscall;
}

static void count_call(struct trace *t, const struct __ptrace_syscall_info *info)
{
	static u64 nr;

	if (info->op == PTRACE_SYSCALL_INFO_ENTRY) {
		nr = info->entry.nr;
		t->calls += t->forked && is_counted(nr);
	} else if (info->op == PTRACE_SYSCALL_INFO_EXIT) {
		t->forked |= nr == SYS_clone || nr == SYS_clone3 || nr == SYS_fork || nr == SYS_vfork;
		t->sends += t->forked && nr == SYS_sendto && info->exit.rval > 0;
	}
}

/* Lets it run until it is at call @nr, which it has not done.  False: it has ended before. */
static bool run_to_call(struct trace *t, unsigned int nr, int *status)
{
	struct __ptrace_syscall_info info;
	int sig = 0;

	*status = wait_stop(t);
	must(WIFSTOPPED(*status), "it does not begin: %#x", *status);
	ptrace(PTRACE_SETOPTIONS, t->job.pid, 0, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
	for (;;) {
		must(!ptrace(PTRACE_SYSCALL, t->job.pid, 0, sig), "ptrace: %s", strerror(errno));
		*status = wait_stop(t);
		if (!WIFSTOPPED(*status))
			return false;
		sig = WSTOPSIG(*status);
		if (sig != (SIGTRAP | 0x80)) {
			if (sig == SIGTRAP)
				sig = 0;
			continue;
		}
		sig = 0;
		ptrace(PTRACE_GET_SYSCALL_INFO, t->job.pid, sizeof(info), &info);
		count_call(t, &info);
		if (t->calls == nr && info.op == PTRACE_SYSCALL_INFO_ENTRY && is_counted(info.entry.nr))
			return true;
	}
}

static void nodes_are_gone(const char *what)
{
	for (unsigned int i = 0; i < 2; i++)
		must(access(nodes[i], F_OK), "%s: %s is left", what, nodes[i]);
}

static bool no_device(void *arg)
{
	return raw_dev_state(6) < 0;
}

/* The name was printed, all of it. */
static bool has_name(int out)
{
	char text[32] = "";

	return pread(out, text, sizeof(text) - 1, 0) > 0 && !strcmp(text, "/dev/ublkb6\n");
}

/*
 * Sends @sig to add when it is at its call @nr.  It was told to the server as done: the
 * device stays; or it was not: nothing does.  False: it has no such call.
 */
static bool killed_at_call(const char *const *args, unsigned int nr, int sig)
{
	struct trace t = { 0 };
	char what[512] = "";
	bool done;
	int status, len;

	len = snprintf(what, sizeof(what), "%s at call %u: ", sig == SIGKILL ? "killed" : "interrupted", nr);
	cli_start_in(&t.job, args, trace_me);
	if (!run_to_call(&t, nr, &status)) {
		must(!status, "add failed: status %#x", status);
		cli_del(6);
		return false;
	}
	must(!kill(sig == SIGKILL ? t.job.pid : -t.job.pid, sig), "kill: %s", strerror(errno));
	if (sig != SIGKILL)
		ptrace(PTRACE_DETACH, t.job.pid, 0, 0);
	status = wait_stop(&t);
	/* the device, its server and its user's knowledge of it: all or none */
	done = sig == SIGKILL ? t.sends >= 3 : !status;
	if (done) {
		must(has_name(t.job.out), "%s: it had made the device, and told nobody", what);
		must(raw_dev_state(6) == UBLK_S_DEV_LIVE, "%s: it had made the device, which is gone", what);
		cli_del(6);
	}
	if (!wait_until(no_device, NULL, SOON_MS))
		len += pread(t.job.err, what + len, sizeof(what) - len - 1, 0);
	close(t.job.out);
	close(t.job.err);
	cli_nothing_left(what);
	nodes_are_gone(what);
	return true;
}

static void killed_everywhere(int sig)
{
	unsigned int nr = 1;

	while (killed_at_call(CLI("add", "-t", "null", "-n", "6", "-d", "4"), nr, sig))
		nr++;
	/* two control commands, three messages, a name, an end */
	must(nr > 12, "only %u calls were seen", nr);
}

Test(launch, nothing_stays_wherever_add_is_killed)
{
	killed_everywhere(SIGKILL);
}

Test(launch, nothing_stays_wherever_add_is_interrupted)
{
	killed_everywhere(SIGINT);
}

static void kill_server(void)
{
	struct ublksrv_ctrl_dev_info info;

	res_is(raw_info(6, &info), 0, "GET_DEV_INFO");
	proc_kill_other(info.ublksrv_pid);
}

/* As killed_at_call() does with add; the device is one that waits, and waits on. */
static bool recover_killed_at_call(unsigned int nr)
{
	static struct cli c;
	struct trace t = { 0 };
	int status;

	kill_server();
	cli_start_in(&t.job, CLI("recover", "-t", "null", "-n", "6"), trace_me);
	if (!run_to_call(&t, nr, &status)) {
		must(!status, "recover failed: status %#x", status);
		return false;
	}
	kill(t.job.pid, SIGKILL);
	wait_stop(&t);
	close(t.job.out);
	close(t.job.err);
	if (t.sends >= 3)
		return true;
	cli_run(&c, CLI("recover", "-t", "null", "-n", "6"));
	must(!c.status, "after recover was killed at call %u: status %d: %s", nr, c.status, c.err);
	return true;
}

Test(launch, recover_can_be_repeated_wherever_it_is_killed)
{
	unsigned int nr = 1;

	cli_add(CLI("add", "-t", "null", "-n", "6", "-d", "4", "--recovery"));
	while (recover_killed_at_call(nr))
		nr++;
	must(nr > 12, "only %u calls were seen", nr);
	cli_del(6);
	cli_nothing_left("recovered");
}

/* A device whose name cannot be told is none. */
static void to_full(void)
{
	dup2(open("/dev/full", O_WRONLY), 1);
}

Test(launch, nothing_stays_if_the_name_cannot_be_printed)
{
	static struct cli c;

	cli_run_in(&c, ADD_6, to_full);
	must(c.status == 1 && strstr(c.err, "its name cannot be printed"), "status %d: %s", c.status,
	     c.err);
	cli_nothing_left("no name");
}

/* The first reads hang. */

static void hold(void)
{
	if (!held)
		held = tleg_over(HELD, tleg_path(LEG));
}

/* A group of its own, and what it prints is read as "$(regbuf add ...)" does. */
static void own_group_and_pipe(void)
{
	int fd = open(FIFO, O_WRONLY);

	dup2(fd, 1);
	dup2(fd, 2);
	close(fd);
	setpgid(0, 0);
}

/* Whoever reads what it prints gets an end of it. */
static bool all_is_said(void *arg)
{
	char text[256];

	while (read(*(int *)arg, text, sizeof(text)) > 0)
		;
	return poll(&(struct pollfd){ .fd = *(int *)arg }, 1, 0) > 0;
}

static int reader = -1;

static void read_pipe(void)
{
	close(reader);
	unlink(FIFO);
	must(!mkfifo(FIFO, 0600), FIFO ": %s", strerror(errno));
	reader = open(FIFO, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	must(reader >= 0, FIFO ": %s", strerror(errno));
}

static bool is_starting(void *arg)
{
	return !access(nodes[0], F_OK);
}

static bool no_node(void *arg)
{
	return access(nodes[0], F_OK);
}

/* `add` of a leg that gives nothing, up to where the kernel looks for partitions. */
static void start_that_hangs(struct cli_job *job, const char *mode, const char *where)
{
	hold();
	tleg_suspend(HELD);
	read_pipe();
	cli_start_in(job, CLI("add", "-t", "loop", "-m", mode, "-n", "6", "-l", held, where),
		     own_group_and_pipe);
	must(wait_until(is_starting, NULL, SOON_MS), "%s: it does not start", mode);
	sleep_ms(NEVER_MS);
}

/* It ends within @ms, whatever its legs do, and the rest goes; when the leg is back, all. */
static void ends_without_its_leg(struct cli_job *job, const char *mode, const char *what)
{
	static struct cli c;

	must(cli_ended(job, &c, PROMPT_MS), "%s, %s: the prompt does not come back", mode, what);
	must(c.status, "%s, %s: success", mode, what);
	must(wait_until(all_is_said, &reader, SOON_MS), "%s, %s: stdout or stderr is kept open", mode, what);
	/* pages that were copied are not lent to anybody: they need not come back */
	if (!strcmp(mode, "copy"))
		must(wait_until(no_node, NULL, SOON_MS), "%s, %s: %s is left", mode, what, nodes[0]);
	tleg_resume(HELD);
	cli_nothing_left(what);
	nodes_are_gone(what);
}

static void interrupted_while_it_hangs(const char *mode, const char *where)
{
	struct cli_job job;

	start_that_hangs(&job, mode, where);
	kill(-job.pid, SIGINT);
	ends_without_its_leg(&job, mode, where[2] == 'f' ? "^C in the foreground" : "^C");
	start_that_hangs(&job, mode, where);
	kill(job.pid, SIGKILL);
	ends_without_its_leg(&job, mode, where[2] == 'f' ? "kill -9 in the foreground" : "kill -9");
	start_that_hangs(&job, mode, where);
	kill(cli_child(job.pid), SIGKILL);
	ends_without_its_leg(&job, mode, "kill -9 of a child");
}

Test(launch, a_start_whose_reads_hang_can_be_ended)
{
	interrupted_while_it_hangs("copy", "--pace=auto");
	interrupted_while_it_hangs("user-copy", "--pace=auto");
	interrupted_while_it_hangs(cli_best(), "--pace=auto");
}

Test(launch, a_start_in_the_foreground_whose_reads_hang_can_be_ended)
{
	interrupted_while_it_hangs("copy", "--foreground");
	interrupted_while_it_hangs(cli_best(), "--foreground");
}

/* Not longer than they take, and it is not given up. */
Test(launch, a_start_whose_reads_are_slow_succeeds)
{
	static struct cli c;
	struct cli_job job;

	start_that_hangs(&job, cli_best(), "--pace=auto");
	must(!cli_ended(&job, &c, 1000), "it did not wait: status %d: %s", c.status, c.err);
	tleg_resume(HELD);
	must(cli_ended(&job, &c, SOON_MS) && !c.status, "status %d: %s", c.status, c.err);
	cli_del(6);
	cli_nothing_left("slow");
}

static bool has_child(void *arg)
{
	return !sh("pgrep -P %d > /dev/null", *(pid_t *)arg);
}

/* What the server starts to remove its device waits for the leg; meanwhile it is a process like any. */
static void is_ordinary(pid_t server)
{
	must(wait_until(has_child, &server, SOON_MS), "the server has started nothing");
	/* the server says what it is after it has started it */
	sleep_ms(NEVER_MS);
	must(!sh("grep -qx 0 /proc/$(pgrep -P %d)/oom_score_adj", server), "del is spared by the OOM killer");
	/* but 32 and 33, which are the C library's own */
	must(!sh("grep -Eq '^SigIgn:[[:space:]]*0*(80000000|100000000|180000000)?$' /proc/$(pgrep -P %d)/status",
		 server), "del ignores signals");
	must(!sh("[ \"$(readlink /proc/$(pgrep -P %d)/fd/[012] | sort -u)\" = /dev/null ]", server),
	     "del keeps what the server prints to");
}

/* A busy machine takes its time to start a client. */
static bool has_read(void *arg)
{
	return !sh("grep -q '^ *[1-9]' /sys/block/ublkb6/inflight");
}

Test(launch, a_removal_that_hangs_is_an_ordinary_process)
{
	pid_t pid;

	hold();
	pid = cli_pid(cli_add(CLI("add", "-t", "loop", "-n", "6", "-l", held)));
	tleg_suspend(HELD);
	must(!sh("dd if=/dev/ublkb6 of=/dev/null bs=4k count=1 iflag=direct 2> /dev/null &"), "dd");
	must(wait_until(has_read, NULL, SOON_MS), "the read does not come");
	kill(pid, SIGTERM);
	is_ordinary(pid);
	tleg_resume(HELD);
	cli_nothing_left("SIGTERM");
}
