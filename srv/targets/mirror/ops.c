// SPDX-License-Identifier: GPL-2.0
/*
 * What a set can be told while it is served: target_ops.commands.  All of it runs in the server's
 * main thread, so nothing here waits for a leg; what takes long is begun, and `status` tells
 * how far it is.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "../../uuid.h"
#include "leginfo.h"
#include "ops.h"
#include "state.h"
#include "status.h"

/* Status. */

/* struct ops_texts - what a status points to; on the stack of who tells it */
struct ops_texts {
	struct mirror_view view;
	char uuid[UUID_TEXT];
	char legs[FORMAT_LEGS][UUID_TEXT];
	char errors[FORMAT_LEGS][128];
};

static void ops_leg_status(struct target *t, struct ops_texts *text, unsigned int slot,
			   struct mirror_leg_status *l)
{
	const struct mirror *m = t->priv;
	const struct mirror_leg *ml = &m->legs[slot];

	uuid_text(text->view.set.legs[slot].uuid, text->legs[slot]);
	*l = (struct mirror_leg_status){
		.slot = slot,
		.path = t->legs[slot].absolute,
		.uuid = text->legs[slot],
		.state = mirror_slot_state(t, &text->view.set, slot),
		.read_errors = ml->read_errors,
		.write_mostly = text->view.set.legs[slot].write_mostly,
		.oldest_ms = ml->oldest_ms,
	};
	if (!ml->dropped_err)
		return;
	mirror_leg_error(ml, text->errors[slot], sizeof(text->errors[slot]));
	l->error = text->errors[slot];
}

/* A leg that joins has something coming, before the thread that copies knows of it. */
static void ops_work(const struct mirror *m, const struct ops_texts *text, struct mirror_status *s)
{
	static const char *const names[] = {
		[RESYNC_COPY] = "resync", [RESYNC_CHECK] = "check", [RESYNC_REPAIR] = "repair",
	};
	const struct resync_progress *p = &text->view.resync;

	s->work = names[p->what];
	if (!s->work && m->resync.check)
		s->work = m->resync.repair ? "repair" : "check";
	if (!s->work && (text->view.differ || super_slots(&text->view.set, FORMAT_REBUILDING)))
		s->work = "resync";
	s->mismatches = p->mismatches;
	if (p->what == RESYNC_IDLE)
		return;
	s->done = p->done;
	s->total = p->total;
	s->kib_s = p->kib_s;
	s->eta_s = p->eta_s;
}

/* With the lock held. */
static void ops_status(struct target *t, struct ops_texts *text, struct mirror_status *s)
{
	struct mirror *m = t->priv;

	mirror_look(m, &text->view);
	uuid_text(text->view.set.uuid, text->uuid);
	*s = (struct mirror_status){
		.name = text->view.set.name,
		.uuid = text->uuid,
		.state = text->view.state,
		.whole = text->view.whole,
		.eta_s = -1,
		.resync_min = m->limits.resync_min,
		.resync_max = m->limits.resync_max,
		.leg_timeout = m->limits.leg_timeout,
		.max_read_errors = m->limits.read_errors,
	};
	ops_work(m, text, s);
	for (unsigned int i = 0; i < text->view.set.nr; i++)
		if (super_is_leg(&text->view.set, i))
			ops_leg_status(t, text, i, &s->legs[s->nr_legs++]);
}

/* A mirror without a record has no name, and no use for the rest. */
static int ops_need_record(const struct target *t, FILE *out)
{
	const struct mirror *m = t->priv;

	if (m->record)
		return 0;
	fputs("this mirror keeps no record: 'regbuf list' tells of it", out);
	return -EOPNOTSUPP;
}

static int ops_cmd_status(void *arg, int argc, char **argv, FILE *out)
{
	struct target *t = arg;
	struct mirror *m = t->priv;
	struct ops_texts text;
	struct mirror_status s;
	int ret = ops_need_record(t, out);

	if (ret)
		return ret;
	pthread_mutex_lock(&m->lock);
	ops_status(t, &text, &s);
	mirror_status_write(&s, out);
	pthread_mutex_unlock(&m->lock);
	return 0;
}

/* Which leg is meant. */

static bool ops_is_path(const struct leg *leg, const char *path)
{
	struct stat a, b;

	if (!leg->absolute)
		return false;
	if (!strcmp(leg->absolute, path) || !strcmp(leg->path, path))
		return true;
	/* A link to it, say. */
	if (leg->fd < 0 || fstat(leg->fd, &a) || stat(path, &b) || (a.st_mode & S_IFMT) != (b.st_mode & S_IFMT))
		return false;
	return leg->is_blk ? a.st_rdev == b.st_rdev : a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/* The leg that @word means: its path, a link to it, its UUID, its slot.  Or -errno after a message. */
static int ops_find_slot(const struct target *t, const char *word, FILE *out)
{
	struct mirror *m = t->priv;
	struct super_set set;
	u64 differ, missed;
	int ret = ops_need_record(t, out);

	if (ret)
		return ret;
	record_tell(m->record, &set, &differ, &missed);
	for (unsigned int i = 0; i < set.nr; i++) {
		char slot[12];

		snprintf(slot, sizeof(slot), "%u", i);
		if (super_is_leg(&set, i) &&
		    (ops_is_path(&t->legs[i], word) || !strcmp(slot, word) || uuid_is(word, set.legs[i].uuid)))
			return i;
	}
	fprintf(out, "%s is no leg of set %s; right is a path, or the UUID of a leg, that status shows",
		word, set.name);
	return -ENOENT;
}

/* Legs that go; join.c has how legs come. */

static int ops_tell_change(int err, const char *what, FILE *out)
{
	switch (err) {
	case 0:
		break;
	case -EBUSY:
		fprintf(out, "it is the last leg in sync, and is not %s: add another one first", what);
		break;
	case -EINVAL:
		fprintf(out, "it is %s already", what);
		break;
	case -EIO:
		fputs("no leg in sync takes the record", out);
		break;
	default:
		fputs(strerror(-err), out);
	}
	return err;
}

static int ops_cmd_fail(void *arg, int argc, char **argv, FILE *out)
{
	struct target *t = arg;
	struct mirror *m = t->priv;
	int slot = ops_find_slot(t, argv[1], out);

	if (slot < 0)
		return slot;
	mirror_blame_owner(m, slot);
	return ops_tell_change(record_drop_slot(m->record, slot, FORMAT_FAILED), "failed", out);
}

int mirror_take_out(struct target *t, unsigned int slot)
{
	struct mirror *m = t->priv;

	mirror_blame_owner(m, slot);
	return record_remove(m->record, slot);
}

static int ops_cmd_remove(void *arg, int argc, char **argv, FILE *out)
{
	int slot = ops_find_slot(arg, argv[1], out);

	return slot < 0 ? slot : ops_tell_change(mirror_take_out(arg, slot), "removed", out);
}

static int ops_cmd_add(void *arg, int argc, char **argv, FILE *out)
{
	bool write_mostly = argc > 2;
	int ret = ops_need_record(arg, out);

	if (ret)
		return ret;
	if (write_mostly && strcmp(argv[2], "write-mostly")) {
		fprintf(out, "'%s': right is write-mostly, or nothing", argv[2]);
		return -EINVAL;
	}
	return mirror_op_add(arg, argv[1], write_mostly, out);
}

static int ops_cmd_replace(void *arg, int argc, char **argv, FILE *out)
{
	int slot = ops_find_slot(arg, argv[1], out);

	return slot < 0 ? slot : mirror_op_replace(arg, slot, argv[2], out);
}

static int ops_cmd_mark(void *arg, int argc, char **argv, FILE *out)
{
	bool write_mostly = !strcmp(argv[2], "write-mostly");
	struct target *t = arg;
	struct mirror *m = t->priv;
	int slot, ret;

	if (!write_mostly && strcmp(argv[2], "read")) {
		fprintf(out, "'%s': right is write-mostly or read", argv[2]);
		return -EINVAL;
	}
	slot = ops_find_slot(t, argv[1], out);
	if (slot < 0)
		return slot;
	ret = record_mark(m->record, slot, write_mostly);
	if (ret)
		return ops_tell_change(ret, argv[2], out);
	mirror_mark(m, slot, write_mostly);
	return 0;
}

/* What goes over the legs. */

static int ops_cmd_check(void *arg, int argc, char **argv, FILE *out)
{
	struct target *t = arg;
	struct mirror *m = t->priv;
	int ret = ops_need_record(t, out);

	if (ret)
		return ret;
	if (!(m->sync & (m->sync - 1))) {
		fputs("one leg only is in sync: there is nothing to compare it with", out);
		return -EINVAL;
	}
	ret = resync_check(&m->resync, !strcmp(argv[0], "repair"));
	if (ret == -EBUSY)
		fputs("a check or a repair is under way", out);
	return ret;
}

static int ops_cmd_limits(void *arg, int argc, char **argv, FILE *out)
{
	struct target *t = arg;
	struct mirror *m = t->priv;
	int ret = ops_need_record(t, out);
	const char *why;

	if (ret)
		return ret;
	pthread_mutex_lock(&m->lock);
	ret = mirror_limits_change(&m->limits, argc, argv, &why);
	if (!ret)
		mirror_pace(m);
	pthread_mutex_unlock(&m->lock);
	if (ret)
		fputs(why, out);
	return ret;
}

const struct control_cmd mirror_cmds[] = {
	{ .name = "status", .args = "", .run = ops_cmd_status },
	{ .name = "fail", .args = "LEG", .min_args = 1, .max_args = 1, .run = ops_cmd_fail },
	{ .name = "remove", .args = "LEG", .min_args = 1, .max_args = 1, .run = ops_cmd_remove },
	{ .name = "add", .args = "PATH [write-mostly]", .min_args = 1, .max_args = 2, .run = ops_cmd_add },
	{ .name = "mark", .args = "LEG write-mostly|read", .min_args = 2, .max_args = 2, .run = ops_cmd_mark },
	{ .name = "replace", .args = "LEG PATH", .min_args = 2, .max_args = 2, .run = ops_cmd_replace },
	{ .name = "check", .args = "", .run = ops_cmd_check },
	{ .name = "repair", .args = "", .run = ops_cmd_check },
	{ .name = "limits", .args = "--NAME=VALUE...", .min_args = 1, .max_args = MIRROR_LIMITS_NR, .run = ops_cmd_limits },
	{ 0 }
};
