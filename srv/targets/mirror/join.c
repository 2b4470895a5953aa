// SPDX-License-Identifier: GPL-2.0
/*
 * Legs that join a set while it is served: new ones, and those that were away.
 *
 *  1. mirror_op_add(): the leg is looked at and taken, and the record says that it is being rebuilt;
 *  2. each queue takes up its file;
 *  3. mirror_join_on(), by the main thread's tick, when all have, and the bitmap is on it: it gets every
 *     write from now on;
 *  4. the thread that copies brings it up to date, and mirror_rebuilt() makes it a leg in sync.
 *
 * A leg is taken exclusively, and its old file holds that until the last I/O on it has ended: so no
 * late write lands on a leg that is back.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "../../log.h"
#include "../../uuid.h"
#include "fresh.h"
#include "leginfo.h"
#include "occupied.h"
#include "ops.h"
#include "state.h"

/* How often it is looked how far a leg has got. */
#define MIRROR_JOIN_MS	20

/*
 * struct joiner - a leg that is to join
 * On the stack of mirror_op_add().
 * @slot: that it has, or FORMAT_LEGS: a new one
 * @old: the slot of the leg that it is to replace, or FORMAT_LEGS
 * @write_mostly: what it is to be
 * @leg: open from joiner_open() on
 */
struct joiner {
	struct super_set set;
	unsigned int slot, old;
	struct super_own own;
	struct super_event holds;
	bool full, write_mostly;
	struct leg leg;
};

/* It has a record of the set: is it one of its legs, and is that away? */
static int joiner_known(struct joiner *j, const struct leginfo *l, FILE *out)
{
	unsigned int slot = l->super.own.self;
	const struct super_leg *leg = &j->set.legs[slot];

	if (slot >= j->set.nr || memcmp(leg->uuid, l->super.set.legs[slot].uuid, sizeof(leg->uuid)) ||
	    !super_is_leg(&j->set, slot)) {
		fprintf(out, "%s is of set %s no more: zero its first MiB, then add it as a new leg",
			l->path, j->set.name);
		return -EINVAL;
	}
	if (leg->state == FORMAT_IN_SYNC || leg->state == FORMAT_REBUILDING) {
		fprintf(out, "%s is leg %u of the set, and %s", l->path, slot, leginfo_state_name(leg->state));
		return -EBUSY;
	}
	if (slot == j->old) {
		fprintf(out, "%s is the leg that is to be replaced: add brings it back", l->path);
		return -EINVAL;
	}
	if (!super_knows(&j->set, slot, l->super.set.event)) {
		fprintf(out, "%s was served without the others: what it has alone would be lost; if it may be, zero its first MiB, then add it as a new leg",
			l->path);
		return -EINVAL;
	}
	j->slot = slot;
	j->own = l->super.own;
	j->holds = l->super.set.event;
	j->full = leg->full;
	/* What it was it stays, but where it takes another one's place. */
	if (j->old == FORMAT_LEGS)
		j->write_mostly |= leg->write_mostly;
	return 0;
}

/* It has none. */
static int joiner_new(struct joiner *j, const struct leginfo *l, FILE *out)
{
	if (fresh_room(l->bytes, false) < j->set.size) {
		fprintf(out, "%s is too small: of its %" PRIu64 " bytes %" PRIu64 " can be data, the set has %" PRIu64,
			l->path, l->bytes, fresh_room(l->bytes, false), j->set.size);
		return -ENOSPC;
	}
	j->slot = FORMAT_LEGS;
	j->full = true;
	return 0;
}

static int joiner_look(const struct target *t, struct joiner *j, const char *path, FILE *out)
{
	struct leginfo l;

	leginfo_read(&l, path);
	if (l.err != -EIO && l.lbs > t->lim.lbs) {
		fprintf(out, "%s has blocks of %u bytes, the set of %u: what is on it could not be read any more",
			path, l.lbs, t->lim.lbs);
		return -EINVAL;
	}
	if (l.err == -ENOENT)
		return joiner_new(j, &l, out);
	if (l.err) {
		fprintf(out, "%s", l.why.text);
		return l.err;
	}
	if (memcmp(l.super.set.uuid, j->set.uuid, sizeof(j->set.uuid))) {
		fprintf(out, "%s is a leg of another set, %s: zero its first MiB if that may be lost", path,
			l.super.set.name);
		return -EEXIST;
	}
	return joiner_known(j, &l, out);
}

/* Can it do what clients were told that the device does? */
static int joiner_fits(const struct target *t, const struct joiner *j, FILE *out)
{
	const struct limits *lim = &j->leg.lim;
	u64 end = (j->slot == FORMAT_LEGS ? FORMAT_AREA_BYTES : j->own.data_offset) + j->set.size;

	if (lim->size < end)
		fprintf(out, "%s is too small: it has %" PRIu64 " bytes, the set needs %" PRIu64, j->leg.path,
			lim->size, end);
	else if (lim->volatile_cache && !t->lim.volatile_cache)
		fprintf(out, "%s has a volatile write cache, and the device was made without one: nobody would flush it; stop the set, and assemble it with this leg",
			j->leg.path);
	else
		return 0;
	return -EINVAL;
}

/* Is there anything else on a new leg that somebody may keep? */
static int joiner_is_empty(const struct joiner *j, FILE *out)
{
	const char *what;
	int ret = occupied_by(j->leg.fd, j->leg.lim.size, true, &what);

	if (ret)
		fprintf(out, "%s cannot be read: %s", j->leg.path, strerror(-ret));
	else if (what)
		fprintf(out, "%s has %s: leave it out, or erase that first (wipefs -a)", j->leg.path, what);
	return what ? -EEXIST : ret;
}

static int joiner_open(const struct target *t, struct joiner *j, const char *path, FILE *out)
{
	struct patience none;
	int ret;

	patience_init(&none, 0);
	ret = leg_open(&j->leg, path, t->lim.lbs, &none);
	if (ret) {
		fprintf(out, ret == -EBUSY ?
			"%s cannot be taken (%s): it is in use, or I/O of the time before it was dropped has not ended" :
			"%s cannot be taken (%s): the server's log says why", path, strerror(-ret));
		return ret;
	}
	/* The command's words are gone when it ends. */
	j->leg.path = j->leg.absolute;
	ret = joiner_fits(t, j, out);
	if (!ret && j->slot == FORMAT_LEGS)
		ret = joiner_is_empty(j, out);
	if (ret)
		leg_close(&j->leg);
	return ret;
}

/* A new leg gets a name and a slot. */
static int joiner_name(struct mirror *m, struct joiner *j)
{
	u8 uuid[UUID_BYTES];
	int ret = uuid_make(uuid);

	if (!ret)
		ret = record_add(m->record, uuid, j->write_mostly, &j->slot);
	if (ret)
		return ret;
	fresh_place(&j->set, j->slot, j->leg.lim.size, false, &j->own);
	j->holds = j->set.event;
	return 0;
}

static void joiner_tell(int err, FILE *out)
{
	switch (err) {
	case -ENOSPC:
		fprintf(out, "the set has %u legs; remove one", FORMAT_LEGS);
		break;
	case -EBUSY:
		fputs("I/O of the leg that had its place before has not ended", out);
		break;
	case -EIO:
		fputs("it does not take its record", out);
		break;
	default:
		fputs(strerror(-err), out);
	}
}

/* All queues are to have its file.  Without memory it is tried again, by mirror_join_on(). */
static void mirror_send_leg(struct target *t, unsigned int slot)
{
	struct mirror *m = t->priv;
	struct mirror_leg *ml = &m->legs[slot];

	ml->arriving = calloc(m->nr_queues, sizeof(*ml->arriving));
	if (!ml->arriving)
		return;
	ml->to_take = m->nr_queues;
	for (unsigned int i = 0; i < m->nr_queues; i++) {
		ml->arriving[i].item.kind = INBOX_LEG;
		ml->arriving[i].leg = slot;
		ml->arriving[i].fd = t->legs[slot].fd;
		ml->arriving[i].left = &ml->to_take;
		inbox_post(m->queues[i].inbox, &ml->arriving[i].item);
	}
}

/* With the lock held: the leg is the target's from now on. */
static void joiner_hand_over(struct target *t, struct joiner *j)
{
	struct mirror *m = t->priv;
	struct mirror_leg *ml = &m->legs[j->slot];

	free(t->legs[j->slot].absolute);
	t->legs[j->slot] = j->leg;
	m->at[j->slot] = j->own.data_offset;
	/* Its items may still be in queues' inboxes. */
	*ml = (struct mirror_leg){ .joining = true, .hurry = ml->hurry, .to_hurry = ml->to_hurry };
	t->nr_legs = max_u64(t->nr_legs, j->slot + 1);
}

/* How many legs get writes, or will. */
static unsigned int mirror_nr_live(const struct target *t)
{
	const struct mirror *m = t->priv;
	unsigned int nr = __builtin_popcount(m->live);

	for (unsigned int i = 0; i < t->nr_legs; i++)
		nr += m->legs[i].joining && !(m->live >> i & 1);
	return nr;
}

/* It does not join: it is closed as any leg that was dropped, when the record has let go of it. */
static void joiner_give_up(struct target *t, const struct joiner *j, bool is_new, int err)
{
	struct mirror *m = t->priv;
	struct mirror_leg *ml = &m->legs[j->slot];

	pthread_mutex_lock(&m->lock);
	ml->joining = false;
	if (!ml->dropped_err) {
		ml->dropped_op = MIRROR_OP_RECORD;
		ml->dropped_err = err;
		ml->dropped_at = time(NULL);
	}
	pthread_mutex_unlock(&m->lock);
	if (is_new)
		record_remove(m->record, j->slot);
}

/* The leg is the target's before it is the record's: whatever drops it then is not forgotten. */
static int joiner_join(struct target *t, struct joiner *j, FILE *out)
{
	struct mirror *m = t->priv;
	bool is_new = j->slot == FORMAT_LEGS;
	int ret = is_new ? joiner_name(m, j) : record_mark(m->record, j->slot, j->write_mostly);

	if (!ret && t->legs[j->slot].fd >= 0) {
		ret = -EBUSY;
		if (is_new)
			record_remove(m->record, j->slot);
	}
	if (ret) {
		leg_close(&j->leg);
		joiner_tell(ret, out);
		return ret;
	}
	pthread_mutex_lock(&m->lock);
	joiner_hand_over(t, j);
	pthread_mutex_unlock(&m->lock);
	mirror_mark(m, j->slot, j->write_mostly);
	ret = record_join(m->record, j->slot, j->leg.fd, &j->own, j->holds, j->full);
	if (ret) {
		joiner_give_up(t, j, is_new, ret);
		joiner_tell(ret, out);
	}
	return ret;
}

/* @old: the slot of the leg that it is to replace, or FORMAT_LEGS. */
static int mirror_add_leg(struct target *t, unsigned int old, const char *path, bool write_mostly, FILE *out,
			  unsigned int *slot)
{
	struct mirror *m = t->priv;
	struct joiner j = { .old = old, .write_mostly = write_mostly };
	u64 differ, missed;
	int ret;

	if (mirror_nr_live(t) >= t->max_steps) {
		fprintf(out, "this server was started for %u legs at once; stop the set, and assemble it with all of them",
			t->max_steps);
		return -ENOSPC;
	}
	record_tell(m->record, &j.set, &differ, &missed);
	ret = joiner_look(t, &j, path, out);
	if (!ret)
		ret = joiner_open(t, &j, path, out);
	if (!ret)
		ret = joiner_join(t, &j, out);
	if (ret)
		return ret;
	mirror_send_leg(t, j.slot);
	*slot = j.slot;
	return 0;
}

int mirror_op_add(struct target *t, const char *path, bool write_mostly, FILE *out)
{
	unsigned int slot;

	return mirror_add_leg(t, FORMAT_LEGS, path, write_mostly, out, &slot);
}

int mirror_op_replace(struct target *t, unsigned int old, const char *path, FILE *out)
{
	struct mirror *m = t->priv;
	unsigned int slot;
	int ret = mirror_add_leg(t, old, path, m->write_mostly >> old & 1, out, &slot);

	if (!ret)
		m->legs[slot].replaces = old + 1;
	return ret;
}

/* All queues have its file: it gets what is written, and what it lacks is copied. */
static void mirror_arrives(struct target *t, unsigned int slot)
{
	struct mirror *m = t->priv;
	struct mirror_leg *ml = &m->legs[slot];
	bool dropped;

	free(ml->arriving);
	ml->arriving = NULL;
	ml->joining = false;
	pthread_mutex_lock(&m->lock);
	dropped = ml->dropped_err;
	m->fds[slot] = t->legs[slot].fd;
	m->files &= ~(1U << slot);
	if (!t->legs[slot].is_blk)
		m->files |= 1U << slot;
	pthread_mutex_unlock(&m->lock);
	if (!dropped)
		mirror_joined(t, slot);
}

/* @slot is in sync: the leg that it was made for goes. */
static void mirror_replaces(struct target *t, unsigned int slot)
{
	struct mirror *m = t->priv;
	unsigned int old = m->legs[slot].replaces - 1;
	int ret;

	m->legs[slot].replaces = 0;
	ret = mirror_take_out(t, old);
	if (ret && ret != -EINVAL)
		log_warn("mirror: leg %s is replaced, and stays nevertheless: %s", t->legs[old].absolute,
			 strerror(-ret));
}

int mirror_join_on(struct target *t)
{
	struct mirror *m = t->priv;
	int ms = -1;

	for (unsigned int i = 0; i < t->nr_legs; i++) {
		struct mirror_leg *ml = &m->legs[i];

		if (ml->joining && !ml->arriving)
			mirror_send_leg(t, i);
		else if (ml->joining && !atomic_load_explicit(&ml->to_take, memory_order_acquire) &&
			 record_has_bitmap(m->record, i))
			mirror_arrives(t, i);
		if (ml->replaces && ml->dropped_err)
			ml->replaces = 0;
		if (ml->replaces && m->sync >> i & 1)
			mirror_replaces(t, i);
		if (ml->joining || ml->replaces)
			ms = MIRROR_JOIN_MS;
	}
	return ms;
}
