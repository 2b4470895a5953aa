// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cli.h"
#include "dev.h"
#include "proc.h"
#include "set.h"
#include "set_world.h"
#include "sh.h"
#include "targets/mirror/format.h"
#include "tmpfile.h"
#include "ublkraw.h"

#define NAME		"storm"
#define AREA		FORMAT_AREA_BYTES	/* before the data */
#define BELOW(disk)	((disk) + SET_WORLD_DISKS)	/* what a disk is made over */
#define LONG_MS		(12 * SOON_MS)		/* for a copy, on a debug kernel */
#define READS		3			/* of the whole device, that have to agree */

static struct cli out;

static bool regbuf(const char *const *args)
{
	cli_run(&out, args);
	return !out.status;
}

/* The command was answered as it had to be. */
static bool answered(struct set_world *w, enum set_answer answer, bool ok)
{
	must(answer == SET_EITHER || ok == (answer == SET_YES), "%s: %s: status %d: %s", w->what,
	     answer == SET_YES ? "has to succeed" : "has to be refused", out.status, out.err);
	w->refusals += !ok;
	return ok;
}

/* Disks. */

void set_world_init(struct set_world *w)
{
	*w = (struct set_world){ .data = disk_model_alloc(SET_WORLD_SIZE), .mode = "-" };
	for (unsigned int i = 0; i < SET_WORLD_DISKS; i++) {
		tleg_null(BELOW(i), &(struct null_disk){ .mb = SET_WORLD_MB + 2 });
		tleg_over(i, tleg_path(BELOW(i)));
	}
	set_model_init(&w->model, SET_WORLD_DISKS, SET_WORLD_LEGS);
	must(regbuf(CLI("mirror", "create", NAME, "-l", tleg_path(0), "-l", tleg_path(1), "-l", tleg_path(2),
			"--size", "16M", "--assume-clean", "--no-start")), "create: %s", out.err);
	for (unsigned int i = 0; i < SET_WORLD_LEGS; i++) {
		struct leginfo l;

		set_leg(i, &l);
		uuid_text(l.super.set.legs[l.super.own.self].uuid, w->uuid[i]);
	}
}

u32 set_world_members(const struct set_world *w)
{
	return set_world_writers(w) | set_model_are(&w->model, SET_FAILED) | set_model_are(&w->model, SET_STALE);
}

u32 set_world_writers(const struct set_world *w)
{
	return set_model_are(&w->model, SET_IN_SYNC) | set_model_are(&w->model, SET_REBUILDING);
}

u32 set_world_broken(const struct set_world *w)
{
	return set_model_broken(&w->model);
}

bool set_world_is_calm(const struct set_world *w)
{
	for (unsigned int i = 0; i < SET_WORLD_DISKS; i++)
		if (w->model.legs[i].replaces || w->model.legs[i].pending)
			return false;
	return !set_model_are(&w->model, SET_REBUILDING) && !(set_world_broken(w) & set_world_writers(w));
}

bool set_world_may_lose(const struct set_world *w, unsigned int disk)
{
	u32 bit = 1U << disk;

	return !(set_world_writers(w) & bit) || set_model_good(&w->model) & ~bit ||
	       !(set_world_broken(w) & set_world_writers(w) & ~bit);
}

static void disk_becomes(struct set_world *w, unsigned int disk, enum tleg_fault fault)
{
	u32 bit = 1U << disk;

	tleg_break(disk, fault);
	w->dead &= ~bit;
	w->slow &= ~bit;
	if (fault == TLEG_ERROR)
		w->dead |= bit;
	if (fault == TLEG_SLOW)
		w->slow |= bit;
}

void set_world_break(struct set_world *w, unsigned int disk, enum tleg_fault fault)
{
	disk_becomes(w, disk, fault);
	set_model_break(&w->model, disk);
}

void set_world_mend(struct set_world *w, unsigned int disk)
{
	disk_becomes(w, disk, TLEG_GOOD);
	set_model_mend(&w->model, disk);
}

void set_world_slow(struct set_world *w, unsigned int disk)
{
	disk_becomes(w, disk, TLEG_SLOW);
}

/* What the set says of itself. */

static enum set_state state_of(const struct set_world *w, const char *word, size_t len)
{
	for (unsigned int i = 0; i < NR_SET_STATES; i++) {
		const char *is = set_state_word(i);

		if (is && strlen(is) == len && !strncmp(is, word, len))
			return i;
	}
	/* Of a set that is served: stale, and not here.  Of another one: in sync, and not here. */
	must(len == 7 && !strncmp(word, "missing", 7), "%s: a leg is %.*s: %s", w->what, (int)len, word, out.out);
	return w->served ? SET_STALE : SET_IN_SYNC;
}

/* SET_NONE: nothing is said of it. */
static enum set_state told_of(const struct set_world *w, unsigned int disk)
{
	static const char key[] = "\"state\": \"";
	const char *at = w->uuid[disk][0] ? strstr(out.out, w->uuid[disk]) : NULL;

	at = at ? strstr(at, key) : NULL;
	if (!at)
		return SET_NONE;
	at += strlen(key);
	return state_of(w, at, strcspn(at, "\""));
}

static void see(struct set_world *w, unsigned int disk)
{
	enum set_state was = w->model.legs[disk].state, is = told_of(w, disk);

	must(set_model_see(&w->model, disk, is), "%s: disk %u was %s, and is %s: %s", w->what, disk,
	     set_state_word(was) ?: "no leg", set_state_word(is) ?: "no leg", out.out);
}

/* First who has come in sync, then who has gone for it. */
static void see_all(struct set_world *w)
{
	for (unsigned int i = 0; i < SET_WORLD_DISKS; i++)
		if (told_of(w, i) == SET_IN_SYNC)
			see(w, i);
	for (unsigned int i = 0; i < SET_WORLD_DISKS; i++)
		see(w, i);
}

static unsigned int words_in(const char *text, const char *word)
{
	unsigned int n = 0;

	for (; (text = strstr(text, word)); text += strlen(word))
		n++;
	return n;
}

bool set_world_look(struct set_world *w)
{
	bool whole;

	regbuf(CLI("mirror", "status", NAME, "--json"));
	must(out.status <= 1 && strstr(out.out, "\"legs\": ["), "%s: status: %d: %s", w->what, out.status, out.err);
	see_all(w);
	whole = words_in(out.out, "\"uuid\":") - 1 == words_in(out.out, "\"state\": \"in-sync\"");
	must(whole == !out.status, "%s: the exit status is %d: %s", w->what, out.status, out.out);
	must(whole == !strstr(out.out, "\"state\": \"degraded\""), "%s: the state is wrong: %s", w->what, out.out);
	return strstr(out.out, "\"resync\": null") && !strstr(out.out, "\"state\": \"resync\"");
}

/* Arguments: words that stand before, and a leg for each of @disks. */
struct args {
	const char *v[CLI_ARGS_MAX + 1];
	unsigned int nr;
};

static void arg(struct args *a, const char *word)
{
	must(a->nr < CLI_ARGS_MAX, "too many arguments");
	a->v[a->nr++] = word;
}

static void arg_all(struct args *a, const char *const *words)
{
	while (*words)
		arg(a, *words++);
}

static void arg_legs(struct args *a, u32 disks)
{
	for (; disks; disks &= disks - 1) {
		arg(a, "-l");
		arg(a, tleg_path(__builtin_ctz(disks)));
	}
}

static u32 readable(const struct set_world *w)
{
	u32 disks = set_world_members(w) & ~w->dead;

	for (unsigned int i = 0; i < SET_WORLD_DISKS; i++)
		if (w->model.legs[i].doubtful)
			disks &= ~(1U << i);
	return disks;
}

/* Of a set that nobody serves: what its legs say. */
static void look_stopped(struct set_world *w)
{
	struct args a = { 0 };

	arg_all(&a, CLI("mirror", "status", NAME, "--json"));
	arg_legs(&a, readable(w));
	regbuf(a.v);
	must(out.status == 2 && strstr(out.out, "\"state\": \"stopped\""), "%s: status: %d: %s%s", w->what,
	     out.status, out.out, out.err);
	see_all(w);
}

/* Commands. */

/* As a user names it: what is not here has no path. */
static const char *name_of(const struct set_world *w, unsigned int disk)
{
	return w->uuid[disk][0] ? w->uuid[disk] : tleg_path(disk);
}

bool set_world_fail(struct set_world *w, unsigned int disk)
{
	enum set_answer answer = set_model_may_fail(&w->model, disk);

	if (!answered(w, answer, regbuf(CLI("mirror", "fail", NAME, "--leg", name_of(w, disk)))))
		return false;
	set_model_fail(&w->model, disk);
	return true;
}

bool set_world_remove(struct set_world *w, unsigned int disk)
{
	enum set_answer answer = set_model_may_remove(&w->model, disk);

	if (!answered(w, answer, regbuf(CLI("mirror", "remove", NAME, "--leg", name_of(w, disk)))))
		return false;
	set_model_remove(&w->model, disk);
	return true;
}

static bool is_let_go(void *arg)
{
	int fd = open(arg, O_RDWR | O_EXCL | O_CLOEXEC);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

void set_world_wipe(struct set_world *w, unsigned int disk)
{
	void *zeroes = page_alloc(AREA);
	int fd;

	if (w->model.legs[disk].broken)
		set_world_mend(w, disk);
	must(wait_until(is_let_go, (void *)tleg_path(disk), 2 * SOON_MS), "%s: disk %u is not let go of", w->what,
	     disk);
	fd = tleg_open(disk, O_WRONLY | O_DIRECT);
	file_write(fd, zeroes, AREA, 0);
	close(fd);
	munmap(zeroes, AREA);
	set_model_wipe(&w->model, disk);
	w->uuid[disk][0] = '\0';
}

/* A leg that was dropped is let go of soon, not at once. */
static bool succeeds(void *args)
{
	return regbuf(args);
}

static bool joins(struct set_world *w, enum set_answer answer, const char *const *args)
{
	bool ok = answer == SET_YES ? wait_until(succeeds, (void *)args, 2 * SOON_MS) : regbuf(args);

	return answered(w, answer, ok);
}

static void has_joined(struct set_world *w, unsigned int disk)
{
	struct leginfo l;

	set_leg(disk, &l);
	uuid_text(l.super.set.legs[l.super.own.self].uuid, w->uuid[disk]);
}

/* It has what the others do not know of: it comes back as a new leg. */
static void comes_anew(struct set_world *w, unsigned int disk)
{
	must(strstr(out.err, "without the others"), "%s: %s", w->what, out.err);
	must(set_world_remove(w, disk), "%s: remove", w->what);
	set_world_wipe(w, disk);
}

bool set_world_add(struct set_world *w, unsigned int disk)
{
	bool doubtful = w->model.legs[disk].doubtful;

	if (!joins(w, set_model_may_add(&w->model, disk), CLI("mirror", "add", NAME, "--leg", tleg_path(disk)))) {
		if (doubtful && !w->model.legs[disk].broken && strstr(out.err, "without the others"))
			comes_anew(w, disk);
		return false;
	}
	set_model_add(&w->model, disk);
	has_joined(w, disk);
	return true;
}

bool set_world_replace(struct set_world *w, unsigned int disk, unsigned int with)
{
	enum set_answer answer = set_model_may_replace(&w->model, disk, with);

	if (!joins(w, answer, CLI("mirror", "replace", NAME, "--leg", name_of(w, disk), "--with", tleg_path(with))))
		return false;
	set_model_replace(&w->model, disk, with);
	has_joined(w, with);
	return true;
}

/* Which of them succeed, as bits. */
static u32 at_once(struct set_world *w, const char *const *first, const char *const *second)
{
	struct cli_job jobs[2];
	u32 ok = 0;

	cli_start(&jobs[0], first);
	cli_start(&jobs[1], second);
	for (unsigned int i = 0; i < 2; i++) {
		must(cli_ended(&jobs[i], &out, 3 * SOON_MS), "%s: a command does not end", w->what);
		ok |= !out.status << i;
	}
	return ok;
}

void set_world_fail_both(struct set_world *w, unsigned int disk, unsigned int other)
{
	u32 ok = at_once(w, CLI("mirror", "fail", NAME, "--leg", name_of(w, disk)),
			 CLI("mirror", "fail", NAME, "--leg", name_of(w, other)));

	must(ok == 1 || ok == 2, "%s: %s", w->what, ok ? "both succeed" : "none succeeds");
	w->refusals++;
	set_model_fail(&w->model, ok == 1 ? disk : other);
}

void set_world_add_twice(struct set_world *w, unsigned int disk)
{
	const char *const *args = CLI("mirror", "add", NAME, "--leg", tleg_path(disk));
	u64 end = now_ms() + 2 * SOON_MS;
	u32 ok;

	/* It may not have been let go of yet, or never come back. */
	do {
		ok = at_once(w, args, args);
		if (!ok && w->model.legs[disk].doubtful && strstr(out.err, "without the others")) {
			comes_anew(w, disk);
			return;
		}
	} while (!ok && now_ms() < end);
	must(ok == 1 || ok == 2, "%s: %s: %s", w->what, ok ? "both succeed" : "none succeeds", out.err);
	w->refusals++;
	set_model_add(&w->model, disk);
	has_joined(w, disk);
}

void set_world_check(struct set_world *w, bool repair)
{
	enum set_answer answer = set_model_may_check(&w->model);

	answered(w, answer, regbuf(CLI("mirror", repair ? "repair" : "check", NAME, "--wait")));
}

/* Waiting. */

struct wait {
	struct set_world *w;
	unsigned int disk;
	u32 ops;
};

static bool is_dropped(void *arg)
{
	struct wait *wait = arg;

	set_world_look(wait->w);
	return !(set_world_writers(wait->w) >> wait->disk & 1);
}

void set_world_is_dropped(struct set_world *w, unsigned int disk)
{
	must(wait_until(is_dropped, &(struct wait){ .w = w, .disk = disk }, 2 * SOON_MS),
	     "%s: disk %u takes no writes, and stays: %s", w->what, disk, out.out);
}

static bool gets_on(void *arg)
{
	struct wait *wait = arg;

	return wait->w->load->ops - wait->ops >= 2 * VERIFY_LANES || wait->w->load->done;
}

void set_world_runs(struct set_world *w)
{
	must(wait_until(gets_on, &(struct wait){ .w = w, .ops = w->load->ops }, 2 * SOON_MS),
	     "%s: clients do not get on", w->what);
	must(!w->load->done, "%s: %s", w->what, w->load->broken[0] ? w->load->broken : "the client has ended");
}

static bool is_whole(void *arg)
{
	struct set_world *w = arg;

	return set_world_look(w) && set_model_is_whole(&w->model);
}

void set_world_settle(struct set_world *w)
{
	for (u32 left = set_world_broken(w) & set_world_writers(w); left; left &= left - 1)
		set_world_is_dropped(w, __builtin_ctz(left));
	for (u32 left = set_world_broken(w) | w->slow; left; left &= left - 1)
		set_world_mend(w, __builtin_ctz(left));
	for (unsigned int i = 0; i < SET_WORLD_DISKS; i++) {
		if (w->model.legs[i].state == SET_REMOVED)
			set_world_wipe(w, i);
		if (w->model.legs[i].state == SET_FAILED || w->model.legs[i].state == SET_STALE)
			set_world_add(w, i);
		set_world_look(w);
	}
	for (unsigned int i = 0; i < SET_WORLD_DISKS; i++) {
		if (w->model.legs[i].state == SET_REMOVED)
			set_world_wipe(w, i);
		if (w->model.legs[i].state == SET_NONE && __builtin_popcount(set_world_members(w)) < SET_WORLD_LEGS)
			set_world_add(w, i);
	}
	must(wait_until(is_whole, w, LONG_MS), "%s: it does not become whole: %s", w->what, out.out);
	set_world_check(w, false);
}

static void load_start(struct set_world *w, u32 seed)
{
	w->load = verify_start(SET_WORLD_ID, w->data, seed, VERIFY_NO_ERROR);
	set_world_runs(w);
}

static void load_stop(struct set_world *w)
{
	w->ops += verify_stop(w->load, w->what);
	w->load = NULL;
}

static void device_is_right(struct set_world *w)
{
	disk_model_is(w->data, "/dev/ublkb7", w->what);
}

void set_world_verify(struct set_world *w, u32 seed)
{
	load_stop(w);
	device_is_right(w);
	load_start(w, seed);
}

/* Ends and begins. */

/* Every leg in sync has the same data, unless it is recorded that they may differ. */
static void legs_are_equal(struct set_world *w)
{
	u32 legs = set_model_are(&w->model, SET_IN_SYNC) & ~w->dead;
	unsigned int first = __builtin_ctz(legs);
	struct leginfo l;

	set_leg(first, &l);
	if (l.super.set.source != FORMAT_NO_SOURCE)
		return;
	for (legs &= legs - 1; legs; legs &= legs - 1)
		must(!sh("cmp -i 1M -n %uM %s %s", SET_WORLD_MB, tleg_path(first), tleg_path(__builtin_ctz(legs))),
		     "%s: disks %u and %u differ", w->what, first, __builtin_ctz(legs));
}

void set_world_stop(struct set_world *w)
{
	if (w->load)
		w->load->errors_are = VERIFY_END;
	must(regbuf(CLI("mirror", "stop", NAME)), "%s: stop: %s", w->what, out.err);
	w->served = false;
	if (w->load)
		load_stop(w);
	look_stopped(w);
	set_model_stopped(&w->model);
	must(!(set_model_are(&w->model, SET_IN_SYNC) & set_world_broken(w)),
	     "%s: a leg that takes no writes is in sync after a stop: %s", w->what, out.out);
	legs_are_equal(w);
}

/* It is gone at once, whatever it does. */
static void kill_server(struct set_world *w)
{
	proc_kill_other(dev_server(SET_WORLD_ID));
	w->kills++;
	w->crashed = true;
	w->served = false;
}

/* Has the disk come to be a leg?  What has a record, and is none, becomes empty. */
static void look_at_new(struct set_world *w, unsigned int disk)
{
	struct leginfo l;

	if (w->model.legs[disk].state != SET_NONE || w->dead >> disk & 1)
		return;
	leginfo_read(&l, tleg_path(disk));
	if (l.err)
		return;
	uuid_text(l.super.set.legs[l.super.own.self].uuid, w->uuid[disk]);
	regbuf(CLI("mirror", "status", NAME, "--json", "-l", tleg_path(__builtin_ctz(set_model_good(&w->model)))));
	if (told_of(w, disk) == SET_NONE)
		set_world_wipe(w, disk);
	else
		set_model_see(&w->model, disk, SET_REBUILDING);
}

static void look_all_stopped(struct set_world *w)
{
	for (unsigned int i = 0; i < SET_WORLD_DISKS; i++)
		if (w->model.legs[i].pending)
			look_at_new(w, i);
	look_stopped(w);
	set_model_stopped(&w->model);
}

/* @job: a command that is under way, or NULL. */
static void kill_and_delete(struct set_world *w, struct cli_job *job)
{
	bool calm = set_world_is_calm(w);

	w->load->errors_are = VERIFY_END;
	kill_server(w);
	must(!job || cli_ended(job, &out, 2 * SOON_MS), "%s: the command does not end", w->what);
	if (raw_dev_state(SET_WORLD_ID) >= 0)
		regbuf(CLI("del", "-n", cli_id(SET_WORLD_ID)));
	cli_nothing_left(w->what);
	load_stop(w);
	w->unclear = !calm;
	look_all_stopped(w);
}

void set_world_kill(struct set_world *w)
{
	kill_and_delete(w, NULL);
}

void set_world_kill_during(struct set_world *w, const char *command, unsigned int disk, unsigned int us)
{
	struct cli_job job;

	w->model.legs[disk].pending = true;
	cli_start(&job, CLI("mirror", command, NAME, "--leg",
			    strcmp(command, "add") ? name_of(w, disk) : tleg_path(disk)));
	usleep(us);
	kill_and_delete(w, &job);
}

static bool is_ours(const struct set_world *w, const char *uuid)
{
	for (unsigned int i = 0; i < SET_WORLD_DISKS; i++)
		if (w->uuid[i][0] && !strncmp(w->uuid[i], uuid, UUID_TEXT - 1))
			return true;
	return false;
}

/* Legs that were named for a new one, which then did not come: its server was killed. */
static void remove_strangers(struct set_world *w)
{
	static const char key[] = "\"uuid\": \"";
	static struct cli status;
	const char *at;

	cli_run(&status, CLI("mirror", "status", NAME, "--json"));
	at = strstr(status.out, "\"legs\"");
	while (at && (at = strstr(at, key))) {
		char uuid[UUID_TEXT];

		at += strlen(key);
		snprintf(uuid, sizeof(uuid), "%s", at);
		if (!is_ours(w, uuid))
			must(regbuf(CLI("mirror", "remove", NAME, "--leg", uuid)), "%s: remove %s: %s", w->what, uuid,
			     out.err);
	}
}

static bool is_served_with(struct set_world *w, u32 disks, const char *const *words, const char *option)
{
	struct args a = { 0 };

	arg_all(&a, CLI("mirror", "assemble", NAME));
	arg_all(&a, words);
	arg_legs(&a, disks);
	if (option)
		arg(&a, option);
	return regbuf(a.v);
}

/* All reads of one block have to agree, whichever leg they come from. */
static void reads_agree(struct set_world *w)
{
	u8 *first = page_alloc(SET_WORLD_SIZE), *again = page_alloc(SET_WORLD_SIZE);
	int fd = dev_open(SET_WORLD_ID, "", O_RDONLY | O_DIRECT);

	file_read(fd, first, SET_WORLD_SIZE, 0);
	for (unsigned int i = 1; i < READS; i++) {
		file_read(fd, again, SET_WORLD_SIZE, 0);
		must(!memcmp(first, again, SET_WORLD_SIZE), "%s: two reads differ", w->what);
	}
	close(fd);
	munmap(first, SET_WORLD_SIZE);
	munmap(again, SET_WORLD_SIZE);
}

/* With --degraded only if it has to be. */
static void serve(struct set_world *w, u32 disks, const char *const *words)
{
	enum set_verdict verdict = set_model_assemble(&w->model, disks);
	bool degraded = verdict == SET_WANTS_DEGRADED;

	must(verdict == SET_SERVES || degraded, "%s: disks %#x cannot be served", w->what, disks);
	if (degraded)
		answered(w, SET_NO, is_served_with(w, disks, words, NULL));
	answered(w, SET_YES, is_served_with(w, disks, words, degraded ? "--degraded" : NULL));
	set_model_assembled(&w->model, disks, w->crashed);
	w->served = true;
	w->crashed = w->unclear = false;
	w->assemblies++;
}

void set_world_assemble(struct set_world *w, u32 disks, const char *mode, bool recovery, u32 seed)
{
	bool crashed = w->crashed;
	/* without --recovery the words end there */
	const char *words[] = { "-n", "7", "-q", "2", "-m", mode, recovery ? "--recovery" : NULL, "--reissue", NULL };

	w->mode = mode;
	w->recovery = recovery;
	serve(w, disks & readable(w), words);
	remove_strangers(w);
	if (crashed)
		reads_agree(w);
	device_is_right(w);
	load_start(w, seed);
	set_world_look(w);
}

void set_world_recover(struct set_world *w, u32 disks)
{
	bool calm = set_world_is_calm(w);

	kill_server(w);
	w->unclear = !calm;
	look_stopped(w);
	set_model_stopped(&w->model);
	/* Who is left out may have something that the others have not, if that is not clear. */
	serve(w, (calm ? disks : ~0U) & readable(w), CLI("--recover", "-n", "7", "-m", w->mode));
	set_world_look(w);
	set_world_runs(w);
}

void set_world_try(struct set_world *w, u32 disks)
{
	enum set_verdict verdict = set_model_assemble(&w->model, disks);

	if (verdict == SET_UNKNOWN)
		return;
	answered(w, verdict == SET_SERVES ? SET_YES : SET_NO, is_served_with(w, disks, CLI("--dry-run"), NULL));
	answered(w, verdict == SET_REFUSES ? SET_NO : SET_YES,
		 is_served_with(w, disks, CLI("--dry-run"), "--degraded"));
}

void set_world_end(struct set_world *w)
{
	set_world_settle(w);
	load_stop(w);
	device_is_right(w);
	set_world_stop(w);
	must(set_model_is_whole(&w->model) && set_model_good(&w->model) == set_world_members(w),
	     "%s: it was whole, and is not: %s", w->what, out.out);
	legs_are_equal(w);
	cli_nothing_left(w->what);
}
