// SPDX-License-Identifier: GPL-2.0
/*
 * mirror monitor: looks at all sets that are served once a second, and tells what has changed
 * (mirror_events.h).  It asks servers and writes nothing, so any number may run, and one that ends
 * is missed by nobody.
 */
#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "cmd.h"
#include "cmd_mirror.h"
#include "log.h"
#include "mirror_events.h"
#include "mirror_find.h"

#define MONITOR_MS	1000
/* A program that takes longer is left alone, and the next event is told. */
#define MONITOR_PROGRAM_MS	30000

extern char **environ;

/* struct monitor - the options' values and what was seen, on the stack of cmd_mirror_monitor() */
struct monitor {
	const char *cmd;
	const char *name;	/* this set only, or NULL */
	const char *program;	/* or NULL */
	bool json;
	struct mirror_sets seen;
};

static const struct opt monitor_opts[] = {
	{ .name = "exec", .letter = 'e', .type = OPT_STR, .arg = "PROGRAM",
	  .offset = offsetof(struct monitor, program),
	  .help = "run it for each event, with EVENT NAME DEVICE and, of a leg, PATH" },
	{ .name = "json", .letter = 'j', .type = OPT_FLAG, .offset = offsetof(struct monitor, json),
	  .help = "an object a line" },
	{ 0 }
};

/* Telling. */

static const char *monitor_leg(const struct mirror_event *e)
{
	if (!e->leg)
		return NULL;
	return e->leg->path ? e->leg->path : e->leg->uuid;
}

/* A path may have any bytes, and what is told is one line. */
static void monitor_print_path(const char *path)
{
	for (; *path; path++)
		putchar((unsigned char)*path < ' ' ? '?' : *path);
}

static void monitor_text(const struct mirror_event *e)
{
	printf("%s  %s  %s", e->id, e->set->name, e->set->device);
	if (e->leg) {
		printf("  ");
		monitor_print_path(monitor_leg(e));
	}
	if (e->leg && e->leg->error)
		printf("  (%s)", e->leg->error);
	putchar('\n');
}

static void monitor_json(const struct mirror_event *e)
{
	struct json j;

	json_init(&j, stdout);
	json_open(&j, NULL, '{');
	json_str(&j, "event", e->id);
	json_str(&j, "name", e->set->name);
	json_str(&j, "uuid", e->set->uuid);
	json_str(&j, "device", e->set->device);
	json_str(&j, "state", e->set->state);
	if (e->leg) {
		json_open(&j, "leg", '{');
		json_name(&j, "path", e->leg->path);
		json_str(&j, "uuid", e->leg->uuid);
		json_str(&j, "state", e->leg->state);
		json_close(&j, '}');
	}
	json_close(&j, '}');
	putchar('\n');
}

/* The events come in their order, so it is waited for. */
static void monitor_wait(const struct monitor *m, pid_t pid)
{
	u64 end = clock_ms() + MONITOR_PROGRAM_MS;
	pid_t ended;
	int status;

	for (;;) {
		ended = waitpid(pid, &status, WNOHANG);
		if (ended || clock_ms() >= end)
			break;
		usleep(10000);
	}
	if (!ended)
		log_warn("%s: %s has not ended for %d s: it is left alone", m->cmd, m->program,
			 MONITOR_PROGRAM_MS / 1000);
	else if (ended == pid && status)
		log_warn("%s: %s failed (wait status %#x)", m->cmd, m->program, status);
}

static void monitor_run_program(const struct monitor *m, const struct mirror_event *e)
{
	char *argv[] = { (char *)m->program, (char *)e->id, (char *)e->set->name, (char *)e->set->device,
			 (char *)monitor_leg(e), NULL };
	pid_t pid;
	int ret = posix_spawnp(&pid, m->program, NULL, NULL, argv, environ);

	if (ret)
		log_err("%s: %s: %s", m->cmd, m->program, strerror(ret));
	else
		monitor_wait(m, pid);
	/* Those that were left alone. */
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
}

static void monitor_event(void *arg, const struct mirror_event *e)
{
	const struct monitor *m = arg;

	if (m->json)
		monitor_json(e);
	else
		monitor_text(e);
	fflush(stdout);
	if (m->program)
		monitor_run_program(m, e);
}

/* Looking. */

/* The same set among others; or, when its server is silent, that server. */
static struct mirror_found *monitor_same(const struct mirror_sets *s, const struct mirror_found *f)
{
	for (unsigned int i = 0; i < s->nr; i++)
		if (s->v[i].silent ? s->v[i].id == f->id : !strcmp(s->v[i].status.uuid, f->status.uuid))
			return &s->v[i];
	return NULL;
}

static bool monitor_is_of_interest(const struct monitor *m, const struct mirror_found *f)
{
	return !f->silent && (!m->name || mirror_is_called(&f->status, m->name));
}

/* A server that is silent is as it was: nothing is known of a change. */
static void monitor_keep(struct mirror_found *now, struct mirror_found *old)
{
	*now = *old;
	now->status.device = now->device;
	old->text = NULL;
}

/* Takes @now, and tells what has changed. */
static void monitor_compare(struct monitor *m, struct mirror_sets *now)
{
	struct mirror_found *other;

	for (unsigned int i = 0; i < m->seen.nr; i++) {
		struct mirror_found *old = &m->seen.v[i];

		other = old->silent ? NULL : monitor_same(now, old);
		if (other && other->silent)
			monitor_keep(other, old);
		else if (!other && monitor_is_of_interest(m, old))
			mirror_events(&old->status, NULL, monitor_event, m);
	}
	for (unsigned int i = 0; i < now->nr; i++) {
		if (!monitor_is_of_interest(m, &now->v[i]))
			continue;
		other = monitor_same(&m->seen, &now->v[i]);
		/* one whose status was just kept has no text any more */
		if (other && !other->silent && other->text)
			mirror_events(&other->status, &now->v[i].status, monitor_event, m);
		else if (!other || other->silent)
			mirror_events(NULL, &now->v[i].status, monitor_event, m);
	}
	mirror_sets_free(&m->seen);
	m->seen = *now;
}

static int monitor_run(struct monitor *m)
{
	for (;;) {
		struct mirror_sets now = { 0 };
		int ret = mirror_sets_ask(&now, m->cmd);

		if (ret) {
			mirror_sets_free(&now);
			return 1;
		}
		monitor_compare(m, &now);
		/* Nobody reads it any more. */
		if (ferror(stdout))
			return 1;
		usleep(MONITOR_MS * 1000);
	}
}

int cmd_mirror_monitor(int argc, char **argv)
{
	struct monitor m = { .cmd = argv[0] };
	const struct opt_group group = { monitor_opts, &m };
	unsigned int nr_words;
	int ret = opts_parse_words(argc, argv, &group, 1, &nr_words);

	if (ret == OPTS_HELP) {
		printf("usage: regbuf mirror monitor [NAME] [--exec PROGRAM] [--json]\n\n"
		       "Tells what happens to the sets that are served, a line for each event, until it is ended.\n\n");
		opts_help(stdout, monitor_opts);
		return 0;
	}
	if (ret || (nr_words && !mirror_name_of(argv, nr_words)))
		return EXIT_USAGE;
	m.name = nr_words ? argv[1] : NULL;
	return monitor_run(&m);
}
