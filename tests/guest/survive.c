// SPDX-License-Identifier: GPL-2.0
/*
 * What a server survives, and its device with it: signals that ask for no end, a reader
 * of its messages that is gone, a machine without memory that swaps to its device.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "cli.h"
#include "dev.h"
#include "proc.h"
#include "sh.h"
#include "tleg.h"
#include "tmpfile.h"
#include "ublkraw.h"

#define ID		7
#define NODE		"/dev/ublkb7"
#define MNT		"/tmp/survive-mnt"
#define FILE_LEG	"/tmp/survive-leg"

/* of <linux/sched.h> */
#define PF_MEMALLOC_NOIO	0x00080000
#define PF_LOCAL_THROTTLE	0x00100000
#define PF_IO_FLUSHER		(PF_MEMALLOC_NOIO | PF_LOCAL_THROTTLE)

/* A client that runs until it is killed, or 0. */
static pid_t load;

static void setup(void)
{
	raw_need();
	setenv("MODE", cli_best(), 1);
	tlegs_sweep();
	must(!mkdir(MNT, 0700) || errno == EEXIST, MNT ": %s", strerror(errno));
}

static void teardown(void)
{
	if (load)
		proc_kill(load);
	sh("swapoff " NODE " 2> /dev/null");
	cli_sweep();
	umount2(MNT, MNT_DETACH);
	tlegs_sweep();
	unlink(FILE_LEG);
}

TestSuite(survive, .init = setup, .fini = teardown, .timeout = 600);

static pid_t server(void)
{
	return dev_server(ID);
}

static void writes(const char *what)
{
	struct client *c = client_start(&(struct client_job){ .id = ID, .op = CLIENT_WRITE, .len = 4096 });

	res_is(client_wait(c), 4096, "a write, %s", what);
}

/* Signals. */

static const int harmless[] = {
	SIGHUP, SIGPIPE, SIGALRM, SIGVTALRM, SIGPROF, SIGUSR1, SIGUSR2, SIGIO, SIGPWR, SIGSTKFLT,
	SIGXCPU, SIGXFSZ, SIGTSTP, SIGTTIN, SIGTTOU, SIGCHLD, SIGCONT, SIGURG, SIGWINCH,
};

static void survives(pid_t pid, int sig)
{
	kill(pid, sig);
	must(!proc_other_gone(pid, 50), "signal %d ends the server", sig);
}

static void is_not_ended(void)
{
	pid_t pid = server();

	for (unsigned int i = 0; i < sizeof(harmless) / sizeof(harmless[0]); i++)
		survives(pid, harmless[i]);
	survives(pid, SIGRTMIN);
	survives(pid, SIGRTMIN + 1);
	survives(pid, SIGRTMAX);
	writes("after all signals");
	res_is(raw_dev_state(ID), UBLK_S_DEV_LIVE, "the state of the device");
	must(server() == pid, "there is another server");
}

Test(survive, signals_that_ask_for_no_end)
{
	must(!sh("$REGBUF add -t null -n 7 > /dev/null"), "add");
	is_not_ended();
	cli_del(ID);
}

static void ends_by(int sig, const char *message)
{
	static struct cli out;
	struct cli_job job;

	cli_start(&job, CLI("add", "-t", "null", "-n", "7", "--foreground"));
	must(cli_says(&job, NODE, SOON_MS), "no device");
	is_not_ended();
	kill(job.pid, sig);
	must(cli_ended(&job, &out, SOON_MS) && !out.status, "it does not end, or badly: %d", out.status);
	must(strstr(out.err, message), "no \"%s\" in: %s", message, out.err);
	raw_is_gone(ID, SOON_MS);
}

Test(survive, signals_in_the_foreground_until_one_asks_for_the_end)
{
	ends_by(SIGTERM, "device 7: SIGTERM from process ");
	ends_by(SIGINT, "device 7: SIGINT from process ");
}

/* Its messages go nowhere: a leg that fails, which it warns of, must not end it. */
Test(survive, a_reader_of_its_messages_that_is_gone)
{
	setenv("BAD", tleg_null(0, &(struct null_disk){ .badblocks = "+0-7" }), 1);
	setenv("GOOD", tleg_null(1, NULL), 1);
	must(!sh("{ $REGBUF add -n 7 -t mirror -m $MODE -l $BAD -l $GOOD --foreground 2>&1 & } | head -n 1 > /dev/null"),
	     "add");
	writes("which one leg fails");
	writes("after the warning");
	must(strstr(sh_out("$REGBUF list -n 7"), "dropped"), "no leg has failed");
	/* that it removes its device is told as well */
	kill(server(), SIGTERM);
	raw_is_gone(ID, SOON_MS);
	cli_nothing_left("SIGTERM");
}

/* Memory. */

static bool has_worker(void *arg)
{
	return proc_has_io_worker(*(pid_t *)arg);
}

/* Every thread, of its stat's field 9; a worker may go meanwhile. */
static void threads_flush(pid_t pid)
{
	char *text = strdup(sh_out("cat /proc/%d/task/*/stat 2> /dev/null", pid)), *line, *rest = text;
	unsigned int nr = 0, workers = 0;

	while ((line = strsep(&rest, "\n"))) {
		unsigned int flags;
		const char *after = strrchr(line, ')');

		if (!after || sscanf(after + 1, " %*c %*d %*d %*d %*d %*d %u", &flags) != 1)
			continue;
		must((flags & PF_IO_FLUSHER) == PF_IO_FLUSHER, "a thread with flags %#x: %s", flags, line);
		workers += strstr(line, "iou-wrk") != NULL;
		nr++;
	}
	must(nr >= 3 && workers, "%u threads, %u workers", nr, workers);
	free(text);
}

Test(survive, every_thread_that_does_io_may_be_waited_for_by_memory)
{
	pid_t pid;

	/* a file in memory without direct I/O: all of its I/O is done by workers */
	must(!sh("truncate -s 32M " FILE_LEG), "a file");
	must(!sh("$REGBUF add -n 7 -t loop -m $MODE -l " FILE_LEG " > /dev/null"), "add");
	pid = server();
	load = sh_start("while :; do dd if=/dev/zero of=" NODE " bs=256k count=64 oflag=direct conv=nocreat 2> /dev/null; "
			"dd if=" NODE " of=/dev/null bs=256k count=64 iflag=direct 2> /dev/null; done");
	must(wait_until(has_worker, &pid, 3 * SOON_MS), "no worker was made");
	for (unsigned int i = 0; i < 10; i++)
		threads_flush(pid);
	proc_kill(load);
	load = 0;
	cli_del(ID);
}

/* A number of /proc/PID/NAME, behind @key. */
static long proc_number(pid_t pid, const char *name, const char *key)
{
	const char *text = sh_out("cat /proc/%d/%s", pid, name), *at = *key ? strstr(text, key) : text;

	must(at, "no %s in /proc/%d/%s", key, pid, name);
	return atol(at + strlen(key));
}

Test(survive, a_server_is_the_last_to_be_killed_and_its_memory_is_locked)
{
	pid_t pid;

	/* 64 MiB of buffers, which nobody has used; mode copy gets huge pages for its own at once */
	must(!sh("$REGBUF add -n 7 -t null -m get-data > /dev/null"), "add");
	pid = server();
	must(proc_number(pid, "oom_score_adj", "") == -1000, "oom_score_adj is %ld",
	     proc_number(pid, "oom_score_adj", ""));
	must(proc_number(pid, "status", "VmLck:") > 64 << 10, "%ld KiB are locked",
	     proc_number(pid, "status", "VmLck:"));
	must(proc_number(pid, "status", "VmRSS:") < 16 << 10, "an idle device needs %ld KiB",
	     proc_number(pid, "status", "VmRSS:"));
	cli_del(ID);
}

Test(survive, memory_is_given_back_by_an_idle_queue)
{
	pid_t pid;

	must(!sh("$REGBUF add -n 7 -t null -m get-data > /dev/null"), "add");
	pid = server();
	must(!sh("dd if=/dev/zero of=" NODE " bs=8M count=8 oflag=direct 2> /dev/null"), "dd");
	sleep_ms(2000);
	must(proc_number(pid, "status", "VmRSS:") < 8 << 10, "an idle device keeps %ld KiB",
	     proc_number(pid, "status", "VmRSS:"));
	cli_del(ID);
}

Test(survive, what_is_not_permitted_is_told)
{
	const char *text = sh_out("ulimit -l 64; setpriv --bounding-set=-sys_resource,-ipc_lock "
				  "$REGBUF add -t null -n 7");

	must(strstr(text, NODE), "add: %s", text);
	must(strstr(text, "oom_score_adj: Permission denied; right is CAP_SYS_RESOURCE"), "add: %s", text);
	must(strstr(text, "PR_SET_IO_FLUSHER: Operation not permitted; right is CAP_SYS_RESOURCE"), "add: %s",
	     text);
	must(strstr(text, "RLIMIT_MEMLOCK is 64 KiB; right is 'ulimit -l unlimited'"), "add: %s", text);
	cli_del(ID);
}

/*
 * Swap.  What is there of memory but SPARE_MB is taken by a process that has it locked.
 * Another one then writes until OVER_MB are swapped out, and writes and checks all that it has
 * written two times more; SWAP_RUNS times, half of them in each mode; 2 if the environment does
 * not say.  How much there is to write is found by doing it: what MemAvailable says is a guess.
 */
#define SWAP_MB		160
#define SPARE_MB	128
#define OVER_MB		64
/* as much as the disk and the memory hold */
#define MOST_MB		(SPARE_MB + SWAP_MB)
#define RUN_MS		180000

/* lines of /proc/vmstat */
#define PSWPOUT		"\npswpout "
#define OOM_KILL	"\noom_kill "

struct hog {
	pid_t pid;
	/* of the ballast; of the others as much as was written */
	size_t size;
	u32 seed;
	volatile int ready, bad;
};

static long vmstat(const char *key)
{
	static char text[16384];
	ssize_t len;
	const char *at;
	int fd = open("/proc/vmstat", O_RDONLY);

	len = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	must(len > 0, "/proc/vmstat: %s", strerror(errno));
	close(fd);
	text[len] = '\0';
	at = strstr(text, key);
	return at ? atol(at + strlen(key)) : 0;
}

static void hog_ballast(void *arg)
{
	struct hog *h = arg;
	void *mem = mmap(NULL, h->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	h->bad = mem == MAP_FAILED || mlock(mem, h->size);
	h->ready = 1;
}

static bool hog_ready(void *arg)
{
	return ((struct hog *)arg)->ready;
}

static u64 *hog_word(u64 *mem, size_t page)
{
	return &mem[page * 512 + page % 512];
}

/* Until enough is out: the number of pages written. */
static size_t hog_fill(u64 *mem, u32 seed)
{
	size_t pages = ((size_t)MOST_MB << 20) / 4096, i;
	long out = vmstat(PSWPOUT);

	for (i = 0; i < pages; i++) {
		if (i % 1024 == 0 && vmstat(PSWPOUT) - out >= OVER_MB << 8)
			break;
		*hog_word(mem, i) = i ^ seed;
	}
	return i;
}

/*
 * Over all of it and back: what was swapped out comes back, is right, and is changed.
 * Always in the same direction everything would go out each time.
 */
static void hog_run(void *arg)
{
	struct hog *h = arg;
	u64 *mem = mmap(NULL, (size_t)MOST_MB << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	size_t pages = 0;

	h->bad = mem == MAP_FAILED;
	if (!h->bad)
		pages = hog_fill(mem, h->seed);
	h->size = pages * 4096;
	for (unsigned int pass = 1; pass < 3 && !h->bad; pass++) {
		for (size_t n = 0; n < pages; n++) {
			size_t i = pass % 2 ? pages - 1 - n : n;
			u64 *word = hog_word(mem, i);

			if (*word != (i ^ (h->seed + pass - 1)))
				h->bad = 1;
			*word = i ^ (h->seed + pass);
		}
	}
	h->ready = 1;
	_exit(0);
}

static size_t mem_available(void)
{
	sh("sync; echo 3 > /proc/sys/vm/drop_caches");
	return strtoul(sh_out("sed -n 's/^MemAvailable: *//p' /proc/meminfo"), NULL, 10) << 10;
}

static struct hog *ballast(void)
{
	struct hog *h = shared_alloc(sizeof(*h));
	size_t have = mem_available();

	must(have > (SPARE_MB + 16) << 20, "%zu MiB are free", have >> 20);
	h->size = (have - (SPARE_MB << 20)) & ~4095UL;
	h->pid = proc_start(hog_ballast, h);
	must(wait_until(hog_ready, h, 6 * SOON_MS) && !h->bad, "%zu MiB cannot be locked", h->size >> 20);
	return h;
}

static void swap_once(const char *what, unsigned int run)
{
	struct hog *h = shared_alloc(sizeof(*h));
	long out = vmstat(PSWPOUT), killed = vmstat(OOM_KILL);
	u64 begin = now_ms();

	h->seed = run * 7919;
	h->pid = proc_start(hog_run, h);
	must(wait_until(hog_ready, h, RUN_MS), "%s, run %u: a deadlock: %ld pages are out", what, run,
	     vmstat(PSWPOUT) - out);
	must(!h->bad, "%s, run %u: other data came back", what, run);
	proc_gone(h->pid, SOON_MS);
	out = vmstat(PSWPOUT) - out;
	must(out >= OVER_MB << 8, "%s, run %u: only %ld pages of %zu went out", what, run, out, h->size / 4096);
	must(vmstat(OOM_KILL) == killed, "%s, run %u: a process was killed", what, run);
	printf("swap, %s, run %u: %ld MiB out, with %zu, %d ms\n", what, run, out >> 8, h->size >> 20,
	       (int)(now_ms() - begin));
	fflush(stdout);
}

static void swap_on(const char *leg, const char *mode, unsigned int runs)
{
	struct hog *h;

	must(!sh("$REGBUF add -n 7 -t loop -m %s -l %s > /dev/null", mode, leg), "add");
	must(!sh("mkswap " NODE " > /dev/null && swapon " NODE), "swapon");
	h = ballast();
	for (unsigned int i = 0; i < runs; i++)
		swap_once(mode, i);
	/* room for what has to come back */
	proc_kill(h->pid);
	must(!sh("swapoff " NODE), "swapoff");
	cli_del(ID);
}

static unsigned int runs_of_each_mode(void)
{
	const char *env = getenv("SWAP_RUNS");
	unsigned int runs = env ? atoi(env) : 2;

	return runs < 2 ? 1 : runs / 2;
}

/*
 * 6.12 freezes a queue to change its scheduler, and removes files of sysfs meanwhile, which
 * may wait for memory.  Of a disk that is swapped to, whichever, lockdep then complains.
 */
static void not_with_lockdep(void)
{
	if (!access("/proc/lockdep", F_OK))
		cr_skip_test("lockdep complains of swap on any disk whose scheduler was changed");
}

/*
 * The server needs memory for each write, as any driver that is a process does, and has no right to
 * the kernel's reserves.  KASAN makes that several times as much, and then there is none in time.
 */
static void not_with_kasan(void)
{
	struct utsname name;

	uname(&name);
	if (strstr(name.release, "kasan"))
		cr_skip_test("KASAN needs the memory that a server writes with");
}

static const char *swap_disk(unsigned int mb)
{
	const char *path = tleg_null(0, &(struct null_disk){ .mb = mb });

	/* it has all of its memory now, and needs none when others need it */
	must(!sh("dd if=/dev/zero of=%s bs=1M count=%u oflag=direct 2> /dev/null", path, mb), "dd");
	return path;
}

Test(survive, swap_on_a_block_leg)
{
	const char *leg;

	not_with_lockdep();
	not_with_kasan();
	leg = swap_disk(SWAP_MB);
	swap_on(leg, "copy", runs_of_each_mode());
	swap_on(leg, cli_best(), runs_of_each_mode());
}

/*
 * Written, not only allocated: an unwritten extent is converted when a write to it has ended, by a
 * worker of ext4's, which may wait for memory, and was seen to wait for the device.
 */
Test(survive, swap_on_a_written_file_leg)
{
	const char *disk;

	not_with_lockdep();
	not_with_kasan();
	disk = swap_disk(SWAP_MB + 32);
	must(!sh("mkfs.ext4 -q -F -E nodiscard %s && mount -t ext4 %s " MNT " && "
		 "dd if=/dev/zero of=" MNT "/swap bs=1M count=%u oflag=direct 2> /dev/null", disk, disk, SWAP_MB),
	     "a file");
	swap_on(MNT "/swap", "copy", runs_of_each_mode());
	swap_on(MNT "/swap", cli_best(), runs_of_each_mode());
	must(!umount(MNT), "umount: %s", strerror(errno));
}

#define REWRITTEN	(256 << 10)

/*
 * M13: memory that is swapped out to a mirror, and changed while that writes it: on one leg at once, on the
 * other one TLEG_SLOW_MS later.  Do the legs agree?
 */
static bool swapped_legs_agree_once(const char *stable)
{
	u8 *mem = mmap(NULL, REWRITTEN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	bool agree;

	must(mem != MAP_FAILED, "memory: %s", strerror(errno));
	tleg_null(0, NULL);
	tleg_over(2, tleg_null(1, NULL));
	cli_add(CLI("add", "-t", "mirror", "-m", "register", "--stable", stable, "-n", "7",
		    "-l", tleg_path(0), "-l", tleg_path(2)));
	must(!sh("mkswap " NODE " > /dev/null && swapon " NODE), "swapon");
	tleg_break(2, TLEG_SLOW);
	memset(mem, 1, REWRITTEN);
	for (u8 n = 2; n <= 16; n++) {
		must(!madvise(mem, REWRITTEN, MADV_PAGEOUT), "MADV_PAGEOUT: %s", strerror(errno));
		/* also behind the last one: what is written later has other places, or these again */
		memset(mem, n, REWRITTEN);
	}
	sleep_ms(10 * TLEG_SLOW_MS);
	agree = !sh("cmp %s %s > /dev/null", tleg_path(0), tleg_path(1));
	munmap(mem, REWRITTEN);
	tleg_break(2, TLEG_GOOD);
	must(!sh("swapoff " NODE), "swapoff");
	cli_del(7);
	return agree;
}

/* On a busy machine memory may change too late for the slow leg: legs differ in one of some tries. */
static bool swapped_legs_agree(const char *stable, unsigned int tries)
{
	for (unsigned int i = 0; i < tries; i++) {
		if (!swapped_legs_agree_once(stable))
			return false;
	}
	return true;
}

Test(survive, swap_makes_no_legs_differ_that_ask_for_stable_pages)
{
	not_with_lockdep();
	must(!swapped_legs_agree("off", 10), "legs agree: nothing is shown");
	must(swapped_legs_agree("cache", 2), "cache: legs differ");
	must(swapped_legs_agree("always", 2), "always: legs differ");
}
