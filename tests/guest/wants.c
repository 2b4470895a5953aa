// SPDX-License-Identifier: GPL-2.0
/*
 * `regbuf` on a machine, or in a sandbox, that lacks something: it works, or names what
 * is missing and what would be right, and nothing stays.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "cli.h"
#include "proc.h"
#include "ublkraw.h"

#define LEG		"/tmp/wants-leg"
#define MB		8
#define SYSCTL		"/proc/sys/kernel/io_uring_disabled"
#define PROBE		8	/* IORING_REGISTER_PROBE */

static void sysctl(const char *value)
{
	int fd = open(SYSCTL, O_WRONLY | O_CLOEXEC);

	need(fd >= 0 && write(fd, value, strlen(value)) > 0, SYSCTL ": %s", strerror(errno));
	close(fd);
}

static void setup(void)
{
	int fd;

	raw_need();
	cli_sweep();
	need(in_guest(), "mounts, sysctls, which are somebody's elsewhere");
	fd = open(LEG, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	must(fd >= 0 && !ftruncate(fd, MB << 20), LEG ": %s", strerror(errno));
	close(fd);
}

static void teardown(void)
{
	sysctl("0");
	cli_sweep();
	unlink(LEG);
}

TestSuite(wants, .init = setup, .fini = teardown, .timeout = 200);

#define ADD_LEG(mode)	CLI("add", "-t", "loop", "-m", mode, "-n", "6", "-d", "16", "-l", LEG)

static void write_end(int id)
{
	struct client *c = client_start(&(struct client_job){ .id = id, .op = CLIENT_WRITE,
							      .off = (MB << 20) - 65536, .len = 65536 });

	res_is(client_wait(c), 65536, "a write");
}

/* It takes I/O, up to its end. */
static void works(const char *const *args, void (*prepare)(void), const char *what)
{
	static struct cli c;

	cli_run_in(&c, args, prepare);
	must(!c.status, "%s: status %d: %s", what, c.status, c.err);
	write_end(6);
	cli_del(6);
	cli_nothing_left(what);
}

static void fails(const char *const *args, void (*prepare)(void), const char *want, const char *what)
{
	static struct cli c;

	cli_run_in(&c, args, prepare);
	must(c.status == 1 && strstr(c.err, want), "%s: status %d: %s", what, c.status, c.err);
	must(!c.out[0], "%s: printed %s", what, c.out);
	cli_nothing_left(what);
}

/* Limits of the process. */

static void limit(int resource, rlim_t value)
{
	struct rlimit rl = { value, value };

	if (setrlimit(resource, &rl))
		_exit(120);
}

static void few_files(void)
{
	limit(RLIMIT_NOFILE, 8);
}

static void few_files_for_good(void)
{
	few_files();
	prctl(PR_CAPBSET_DROP, CAP_SYS_RESOURCE);
}

Test(wants, descriptors)
{
	works(ADD_LEG("copy"), few_files, "few files that may be more");
	works(ADD_LEG(cli_best()), few_files, "few files that may be more");
	fails(ADD_LEG(cli_best()), few_files_for_good, "RLIMIT_NOFILE, is 8; right is", "few files");
	fails(CLI("list"), few_files_for_good, "RLIMIT_NOFILE, is 8; right is", "few files, list");
}

static void small_files(void)
{
	limit(RLIMIT_FSIZE, 1 << 20);
}

static void small_files_for_good(void)
{
	small_files();
	prctl(PR_CAPBSET_DROP, CAP_SYS_RESOURCE);
}

/* A write behind the limit is an error, so the client would have one at the end of its device. */
Test(wants, files_as_large_as_its_legs)
{
	works(ADD_LEG("copy"), small_files, "small files that may be larger");
	fails(ADD_LEG("copy"), small_files_for_good, "RLIMIT_FSIZE, is 1048576 bytes", "small files");
}

/* Descriptors of the standard streams that are closed when it begins. */

#define LINE	"wants: what the leg holds"
#define TAIL	100	/* of no whole block: there is a warning, of which messages come */

static void fill_leg(void)
{
	int fd = open(LEG, O_RDWR | O_CLOEXEC);

	must(fd >= 0 && !ftruncate(fd, (MB << 20) + TAIL) && pwrite(fd, LINE, sizeof(LINE), 0) == sizeof(LINE),
	     LEG ": %s", strerror(errno));
	close(fd);
}

static void leg_is_as_it_was(const char *what)
{
	char buf[sizeof(LINE) + 64] = "";
	int fd = open(LEG, O_RDONLY | O_CLOEXEC);

	must(fd >= 0 && pread(fd, buf, sizeof(buf), 0) == sizeof(buf), LEG ": %s", strerror(errno));
	must(!memcmp(buf, LINE, sizeof(LINE)), "%s: the leg begins with %.60s", what, buf);
	close(fd);
}

static void no_stdout(void)
{
	close(1);
}

static void no_stderr(void)
{
	close(2);
}

static void no_streams(void)
{
	close_range(0, 2, 0);
}

Test(wants, closed_streams_to_be_no_leg)
{
	static struct cli c;

	fill_leg();
	cli_run_in(&c, ADD_LEG("copy"), no_stderr);
	must(!c.status, "no stderr: status %d", c.status);
	cli_del(6);
	leg_is_as_it_was("no stderr");
	/* a device that nobody can know of is none */
	cli_run_in(&c, ADD_LEG("copy"), no_stdout);
	must(c.status == 1 && strstr(c.err, "its name cannot be printed"), "no stdout: status %d: %s", c.status,
	     c.err);
	cli_nothing_left("no stdout");
	leg_is_as_it_was("no stdout");
	cli_run_in(&c, ADD_LEG("copy"), no_streams);
	must(c.status == 1, "no streams: status %d", c.status);
	cli_nothing_left("no streams");
	leg_is_as_it_was("no streams");
}

/* A parent that does not want to hear of children leaves that to its own. */
static void no_sigchld(void)
{
	signal(SIGCHLD, SIG_IGN);
}

Test(wants, to_hear_of_its_children)
{
	static struct cli c;
	struct cli_job job;

	works(ADD_LEG("copy"), no_sigchld, "SIGCHLD ignored");
	cli_start_in(&job, CLI("add", "-f", "-t", "loop", "-n", "6", "-l", LEG), no_sigchld);
	must(cli_says(&job, "/dev/ublkb6", SOON_MS), "SIGCHLD ignored, in the foreground: no device");
	cli_del(6);
	must(cli_ended(&job, &c, SOON_MS) && !c.status, "in the foreground: status %d: %s", c.status, c.err);
	cli_nothing_left("SIGCHLD ignored, in the foreground");
}

static void little_address_space(void)
{
	limit(RLIMIT_AS, 1 << 30);
}

/* Not at the first write, which would be a client's error. */
Test(wants, room_for_copies_before_it_is_live)
{
	works(CLI("add", "-t", "loop", "-m", "register", "-n", "6", "-d", "2048", "--max-io", "1M", "-l", LEG),
	      little_address_space, "no copies");
	fails(CLI("add", "-t", "loop", "-m", "register", "--stable", "always", "-n", "6", "-d", "2048", "--max-io", "1M",
		  "-l", LEG), little_address_space, "for data that is copied: no memory", "copies");
}

static void no_locked_memory(void)
{
	limit(RLIMIT_MEMLOCK, 0);
	prctl(PR_CAPBSET_DROP, CAP_IPC_LOCK);
	prctl(PR_CAPBSET_DROP, CAP_SYS_RESOURCE);
}

Test(wants, no_locked_memory)
{
	works(ADD_LEG("copy"), no_locked_memory, "no locked memory, copy");
	works(ADD_LEG(cli_best()), no_locked_memory, "no locked memory, register");
}

/* What the kernel has, and allows. */

Test(wants, io_uring_that_is_not_switched_off)
{
	sysctl("1");
	works(ADD_LEG(cli_best()), NULL, "io_uring for root only");
	sysctl("2");
	fails(ADD_LEG(cli_best()), NULL, "kernel.io_uring_disabled is 2; right is", "no io_uring");
	fails(CLI("list"), NULL, "kernel.io_uring_disabled is 2; right is", "no io_uring, list");
}

static void filter(struct sock_filter *code, unsigned short nr)
{
	struct sock_fprog prog = { nr, code };

	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog))
		_exit(121);
}

/* io_uring_register(@op) with this operation is refused: as in a kernel that has it not. */
static void refuse_register(unsigned int op)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_register, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, op, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EINVAL),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};

	filter(code, sizeof(code) / sizeof(code[0]));
}

/* This system call is refused, as container runtimes do it. */
static void forbid(unsigned int call)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};

	filter(code, sizeof(code) / sizeof(code[0]));
}

static void no_setup(void)
{
	forbid(SYS_io_uring_setup);
}

static void no_enter(void)
{
	forbid(SYS_io_uring_enter);
}

static void no_register(void)
{
	forbid(SYS_io_uring_register);
}

Test(wants, io_uring_that_no_sandbox_forbids)
{
	fails(ADD_LEG("copy"), no_setup, "or a sandbox (seccomp) forbids it", "no io_uring_setup");
	fails(ADD_LEG("copy"), no_enter, "io_uring_enter: Operation not permitted: a sandbox", "no io_uring_enter");
	fails(ADD_LEG("copy"), no_register, "io_uring_register: Operation not permitted: a sandbox",
	      "no io_uring_register");
}

static void no_opcodes(void)
{
	refuse_register(PROBE);
}

Test(wants, the_opcodes_of_its_mode)
{
	fails(ADD_LEG("register"), no_opcodes, "this kernel lacks io_uring's lent buffers", "no opcodes");
	fails(ADD_LEG("fused"), no_opcodes, "this kernel lacks io_uring's ", "no opcodes");
	works(ADD_LEG("copy"), no_opcodes, "no opcodes, copy");
}

static void nobody(void)
{
	if (setgid(65534) || setuid(65534))
		_exit(122);
}

Test(wants, root)
{
	static struct cli c;

	fails(ADD_LEG("copy"), nobody, "this needs root", "nobody");
	cli_run_weak(&c, ADD_LEG("copy"));
	must(c.status == 1 && strstr(c.err, "this needs root"), "no CAP_SYS_ADMIN: status %d: %s", c.status,
	     c.err);
	cli_nothing_left("no CAP_SYS_ADMIN");
}

/* File systems, in a mount namespace of the command's own. */

static void own_mounts(void)
{
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		_exit(123);
}

static void hide(const char *dir)
{
	if (mount("none", dir, "tmpfs", 0, NULL))
		_exit(124);
}

static void other_dev(void)
{
	own_mounts();
	hide("/dev");
}

/* As in a container that was given the driver's node, and no more. */
static void other_dev_with_control(void)
{
	struct stat st;

	own_mounts();
	if (stat("/dev/ublk-control", &st))
		_exit(125);
	hide("/dev");
	if (mknod("/dev/ublk-control", S_IFCHR | 0600, st.st_rdev))
		_exit(126);
}

Test(wants, a_devtmpfs)
{
	u64 begin = now_ms();

	fails(ADD_LEG("copy"), other_dev, "the ublk driver is there, its node is not; right is a devtmpfs",
	      "another /dev");
	fails(ADD_LEG("copy"), other_dev_with_control,
	      "/dev/ublkc6: did not appear within 2 s: /dev is tmpfs, and no udevd runs; right is a devtmpfs",
	      "another /dev, with the driver's node");
	must(now_ms() - begin < SOON_MS, "told after %llu ms", (unsigned long long)(now_ms() - begin));
}

static void no_driver(void)
{
	other_dev();
	hide("/sys/class/misc");
}

Test(wants, the_driver)
{
	fails(ADD_LEG("copy"), no_driver, "has no ublk driver, or it is not loaded (modprobe ublk_drv)",
	      "no driver");
}

static void no_sys(void)
{
	own_mounts();
	/* below the guest's own there is its host's */
	hide("/sys");
}

/* Without it a device can be seen and removed, but nobody knows what legs can do. */
Test(wants, sysfs)
{
	static struct cli c;

	fails(ADD_LEG("copy"), no_sys, "/sys: what legs can do cannot be read; right is a sysfs", "no /sys");
	cli_add(ADD_LEG("copy"));
	cli_run_in(&c, CLI("list"), no_sys);
	must(!c.status && strstr(c.out, "/dev/ublkb6  live"), "list without /sys: status %d: %s%s", c.status,
	     c.out, c.err);
	cli_run_in(&c, CLI("del", "-a"), no_sys);
	must(!c.status, "del without /sys: status %d: %s", c.status, c.err);
	cli_nothing_left("del without /sys");
}

static void no_proc(void)
{
	own_mounts();
	hide("/proc");
}

/* What is found there is somebody's, not the kernel's. */
static void other_proc(void)
{
	no_proc();
	if (mkdir("/proc/self", 0755) || symlink("/bin/true", "/proc/self/exe"))
		_exit(127);
}

static void is_removed_by_a_signal(void (*prepare)(void), const char *what)
{
	static struct cli c;

	cli_run_in(&c, ADD_LEG("copy"), prepare);
	must(!c.status, "%s: status %d: %s", what, c.status, c.err);
	kill(cli_pid(6), SIGTERM);
	cli_nothing_left(what);
}

/* The server removes its device by starting itself, which others do by way of /proc. */
Test(wants, no_procfs)
{
	works(ADD_LEG("copy"), no_proc, "no /proc");
	is_removed_by_a_signal(no_proc, "SIGTERM without /proc");
	is_removed_by_a_signal(other_proc, "SIGTERM with another program at /proc/self/exe");
}

/* io_uring is forbidden while the device is there, so nobody can remove it. */
Test(wants, a_removal_that_failed_can_be_asked_for_again)
{
	bool gone = false;
	pid_t pid;
	u64 end;

	cli_add(CLI("add", "-t", "null", "-n", "6"));
	pid = cli_pid(6);
	sysctl("2");
	kill(pid, SIGTERM);
	must(!proc_other_gone(pid, NEVER_MS), "it was removed all the same");
	sysctl("0");
	/* while the first removal has not failed yet, no other one is begun */
	for (end = now_ms() + SOON_MS; !gone && now_ms() < end;) {
		kill(pid, SIGTERM);
		gone = proc_other_gone(pid, NEVER_MS);
	}
	must(gone, "a later SIGTERM does nothing");
	cli_nothing_left("a later SIGTERM");
}

/* Buffers for all requests: more than any machine has. */
Test(wants, memory)
{
	fails(CLI("add", "-t", "null", "-m", "copy", "-n", "6", "-q", "4096", "-d", "4096", "--max-io", "32M"), NULL,
	      " MiB of memory are available (MemAvailable); right is", "memory");
}

/* The driver makes fewer queues than it is asked for, and says nothing. */
Test(wants, a_processor_for_each_queue)
{
	static struct cli c;
	unsigned int queues;

	cli_run(&c, CLI("add", "-t", "null", "-m", "get-data", "-n", "6", "-q", "4096", "-d", "1"));
	must(!c.status && sscanf(c.err, "regbuf: add: --queues 4096: this machine takes %u,", &queues) == 1,
	     "status %d: %s", c.status, c.err);
	cli_list(&c, 6);
	must(strtoul(strstr(c.out, "\"queues\":") + 9, NULL, 10) == queues, "told of %u: %s", queues, c.out);
	cli_del(6);
	cli_run(&c, CLI("add", "-t", "null", "-m", "copy", "-n", "6", "-q", "1"));
	must(!c.status && !c.err[0], "status %d: %s", c.status, c.err);
	cli_del(6);
}
