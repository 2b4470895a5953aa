// SPDX-License-Identifier: GPL-2.0
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "caps.h"
#include "cli.h"
#include "mode.h"
#include "ublkraw.h"

#define CLI_MS	30000

/* build/regbuf, beside build/tests/guest/ where this program is. */
const char *cli_program(void)
{
	static char path[512];
	const char *build = getenv("REGBUF_BUILD");
	ssize_t len;

	if (build) {
		snprintf(path, sizeof(path), "%s/regbuf", build);
		if (!access(path, X_OK))
			return path;
	}
	len = readlink("/proc/self/exe", path, sizeof(path) - 16);
	must(len > 0, "/proc/self/exe: %s", strerror(errno));
	path[len] = '\0';
	for (unsigned int up = 0; up < 3; up++)
		*strrchr(path, '/') = '\0';
	strcat(path, "/regbuf");
	must(!access(path, X_OK), "%s: %s", path, strerror(errno));
	return path;
}

/* In the child, up to exec: the server may outlive it, and must keep nothing of ours. */
static void __attribute__((noreturn)) child(const char *path, const char *const *args, int out,
					    int err, void (*prepare)(void))
{
	const char *argv[CLI_ARGS_MAX + 2] = { path };
	unsigned int n = 1;

	while (*args && n <= CLI_ARGS_MAX)
		argv[n++] = *args++;
	dup2(open("/dev/null", O_RDONLY), 0);
	dup2(out, 1);
	dup2(err, 2);
	close_range(3, ~0U, 0);
	if (prepare)
		prepare();
	execv(path, (char *const *)argv);
	_exit(127);
}

static void slurp(int fd, char *buf, size_t size)
{
	ssize_t len = pread(fd, buf, size - 1, 0);

	buf[len > 0 ? len : 0] = '\0';
	close(fd);
}

static void no_sys_admin(void)
{
	prctl(PR_CAPBSET_DROP, CAP_SYS_ADMIN);
}

/* For several writers: a memfd's position is nobody's lock's, so two lines could be in one place. */
static int text_file(const char *name)
{
	int fd = memfd_create(name, MFD_CLOEXEC);

	must(fd >= 0 && !fcntl(fd, F_SETFL, O_APPEND), "a file for %s: %s", name, strerror(errno));
	return fd;
}

void cli_start_in(struct cli_job *job, const char *const *args, void (*prepare)(void))
{
	const char *path = cli_program();

	/* files, not pipes: a server keeps them open */
	job->out = text_file("out");
	job->err = text_file("err");
	job->name = args[0];
	job->pid = fork();
	must(job->pid >= 0, "fork: %s", strerror(errno));
	if (!job->pid)
		child(path, args, job->out, job->err, prepare);
}

void cli_start(struct cli_job *job, const char *const *args)
{
	cli_start_in(job, args, NULL);
}

bool cli_ended(struct cli_job *job, struct cli *c, unsigned int ms)
{
	u64 end = now_ms() + ms;
	int status;

	while (!waitpid(job->pid, &status, WNOHANG)) {
		if (now_ms() >= end)
			return false;
		sleep_ms(5);
	}
	slurp(job->out, c->out, sizeof(c->out));
	slurp(job->err, c->err, sizeof(c->err));
	c->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	return true;
}

bool cli_says(struct cli_job *job, const char *text, unsigned int ms)
{
	u64 end = now_ms() + ms;
	char buf[4096];

	for (;;) {
		for (unsigned int i = 0; i < 2; i++) {
			ssize_t len = pread(i ? job->err : job->out, buf, sizeof(buf) - 1, 0);

			buf[len > 0 ? len : 0] = '\0';
			if (strstr(buf, text))
				return true;
		}
		if (now_ms() >= end)
			return false;
		sleep_ms(5);
	}
}

void cli_run_in(struct cli *c, const char *const *args, void (*prepare)(void))
{
	struct cli_job job;

	cli_start_in(&job, args, prepare);
	if (cli_ended(&job, c, CLI_MS))
		return;
	kill(job.pid, SIGKILL);
	must(false, "regbuf %s does not end", args[0]);
}

void cli_run(struct cli *c, const char *const *args)
{
	cli_run_in(c, args, NULL);
}

void cli_run_weak(struct cli *c, const char *const *args)
{
	cli_run_in(c, args, no_sys_admin);
}

bool cli_mode_is_tried(unsigned int i, const char *kernel, const char *slice)
{
	static const char *const kernels[] = { "release", "kasan", "lockdep" };
	const char *name = mode_list[i]->name;

	if (!kernel || !slice || !strcmp(name, "register") || !strcmp(name, "auto") || !strcmp(name, "handoff"))
		return true;
	for (unsigned int k = 0; k < ARRAY_SIZE(kernels); k++)
		if (!strcmp(kernel, kernels[k]))
			return (i + atoi(slice)) % ARRAY_SIZE(kernels) == k;
	return true;
}

/* A word of REGBUF_MODES, where that is given. */
static bool mode_is_asked_for(const char *name)
{
	const char *at = getenv("REGBUF_MODES");
	size_t len = strlen(name);

	for (; at && *at; at += strcspn(at, " "), at += strspn(at, " "))
		if (strcspn(at, " ") == len && !strncmp(at, name, len))
			return true;
	return !at;
}

/* Else the tests would pass with what is left. */
static void asked_are_modes(void)
{
	const char *asked = getenv("REGBUF_MODES");
	char *words = strdup(asked ?: ""), *rest = words, *word;

	must(words, "no memory");
	while ((word = strsep(&rest, " ")))
		must(!*word || mode_find(word), "REGBUF_MODES: '%s' is no mode", word);
	free(words);
}

/* Asked once: opcodes and driver stay what they are. */
static const char *const *modes(unsigned int *nr)
{
	static const char *names[32];
	static unsigned int known;
	const char *missing;
	struct caps caps;
	struct ctrl c;

	if (!known) {
		asked_are_modes();
		must(!ctrl_init(&c) && !caps_probe(&c, &caps), "the kernel's features are not told");
		ctrl_deinit(&c);
		for (unsigned int i = 0; mode_list[i] && known < ARRAY_SIZE(names); i++)
			if (cli_mode_is_tried(i, getenv("REGBUF_GUEST"), getenv("REGBUF_SLICE")) &&
			    mode_is_asked_for(mode_list[i]->name) && !mode_check(mode_list[i], &caps, &missing))
				names[known++] = mode_list[i]->name;
		must(known, "no mode of this kernel is asked for by REGBUF_MODES");
	}
	*nr = known;
	return names;
}

unsigned int cli_modes(void)
{
	unsigned int nr;

	modes(&nr);
	return nr;
}

const char *cli_mode(unsigned int i)
{
	unsigned int nr;
	const char *const *names = modes(&nr);

	must(i < nr, "mode %u of %u", i, nr);
	return names[i];
}

const char *cli_best(void)
{
	for (unsigned int m = 0; m < cli_modes(); m++)
		if (!strcmp(cli_mode(m), "register"))
			return "register";
	return "copy";
}

const char *cli_id(int id)
{
	static char text[16];

	snprintf(text, sizeof(text), "%d", id);
	return text;
}

int cli_add(const char *const *args)
{
	static struct cli c;
	int id;

	cli_run(&c, args);
	must(!c.status, "regbuf add: status %d: %s", c.status, c.err);
	must(sscanf(c.out, "/dev/ublkb%d", &id) == 1, "regbuf add printed: %s", c.out);
	return id;
}

static void number(char *text, size_t size, int n)
{
	snprintf(text, size, "%d", n);
}

void cli_del(int id)
{
	static struct cli c;
	char text[16];

	number(text, sizeof(text), id);
	cli_run(&c, CLI("del", "-n", text));
	must(!c.status, "regbuf del -n %d: status %d: %s", id, c.status, c.err);
	raw_is_gone(id, SOON_MS);
}

/* No blanks between a key and its value: what tests look for has none. */
static void squeeze(char *s)
{
	char *to = s, before = 0;

	for (; *s; before = *s++) {
		if (*s != ' ' || before != ':')
			*to++ = *s;
	}
	*to = '\0';
}

void cli_list(struct cli *c, int id)
{
	char text[16];

	number(text, sizeof(text), id);
	cli_run(c, CLI("list", "--json", "-n", text));
	must(!c->status, "regbuf list: status %d: %s", c->status, c->err);
	squeeze(c->out);
}

int cli_pid(int id)
{
	static struct cli c;
	const char *p;

	cli_list(&c, id);
	p = strstr(c.out, "\"pid\":");
	must(p, "no pid in: %s", c.out);
	return atoi(p + 6);
}

static bool is_number(const char *name)
{
	return *name && strspn(name, "0123456789") == strlen(name);
}

/* The parent of process @pid if it runs regbuf, or -1. */
static pid_t regbuf_parent(const char *pid)
{
	char path[300], text[128] = "";
	int fd, parent = -1;

	snprintf(path, sizeof(path), "/proc/%s/stat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	if (read(fd, text, sizeof(text) - 1) <= 0 ||
	    sscanf(text, "%*d (regbuf%*[^)]) %*c %d", &parent) != 1)
		sscanf(text, "%*d (regbuf) %*c %d", &parent);
	close(fd);
	return parent;
}

pid_t cli_child(pid_t pid)
{
	DIR *dir = opendir("/proc");
	struct dirent *e;
	pid_t found = 0;

	while (dir && !found && (e = readdir(dir)))
		if (is_number(e->d_name) && regbuf_parent(e->d_name) == pid)
			found = atoi(e->d_name);
	if (dir)
		closedir(dir);
	return found;
}

/* Processes that run regbuf; @sig is sent to each if it is not 0. */
static unsigned int servers(int sig)
{
	DIR *dir = opendir("/proc");
	struct dirent *e;
	unsigned int nr = 0;

	while (dir && (e = readdir(dir))) {
		if (!is_number(e->d_name) || regbuf_parent(e->d_name) < 0)
			continue;
		nr++;
		if (sig)
			kill(atoi(e->d_name), sig);
	}
	if (dir)
		closedir(dir);
	return nr;
}

static bool no_server(void *arg)
{
	return !servers(0);
}

static bool no_device(void *arg)
{
	DIR *dir = opendir("/sys/class/ublk-char");
	struct dirent *e;
	bool none = true;

	while (dir && (e = readdir(dir)))
		none = none && e->d_name[0] == '.';
	if (dir)
		closedir(dir);
	return none;
}

void cli_nothing_left(const char *what)
{
	must(wait_until(no_device, NULL, SOON_MS), "%s: a device is left", what);
	must(wait_until(no_server, NULL, SOON_MS), "%s: %u servers are left", what, servers(0));
}

void cli_sweep(void)
{
	if (in_guest() && servers(SIGKILL))
		wait_until(no_server, NULL, SOON_MS);
	raw_sweep();
	need(in_guest() || (no_server(NULL) && no_device(NULL)),
	     "there are ublk devices or regbuf servers, which a test might remove");
}
