// SPDX-License-Identifier: GPL-2.0
/*
 * Histories of a set: legs are pulled, fail and come back, the server is killed at any step, and
 * the set is assembled again.  The decisions are the server's own; legs and server are models.
 *
 * A leg holds two copies of its record, one bit of a bitmap, and a set of writes; each write
 * goes to a block of its own, in the one region that there is.  A history is a run of sessions.
 * In each of its steps something may go wrong; all that can go wrong at one or two steps is
 * tried, and much more by chance.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "targets/mirror/assemble.h"
#include "targets/mirror/change.h"

#define MAX_SESSIONS	6
#define MAX_STEPS	512

/* What may happen in a step that writes to a leg. */
enum event { FINE, KILLED_BEFORE, KILLED_AFTER, KILLED_TORN, FAILS, FAILS_BUT_DONE, NR_EVENTS };

/*
 * A leg's disk.  @sure: of its writes, those that it had when they were acknowledged; one that
 * it seemed to fail may be there as well.
 */
struct disk {
	struct super copies[2];
	int err[2];
	bool bit;
	u32 writes, sure;
};

struct session {
	u32 present;
	bool degraded;
};

/* One history, and where it stands. */
struct history {
	unsigned int nr_legs, nr_sessions;
	struct session sessions[MAX_SESSIONS];
	struct disk disks[3];
	u32 acked, seen;
	unsigned int nr_writes;
	u64 tag;
	bool degraded_used, legs_lost;

	/* what goes wrong */
	unsigned int nr_odd, odd_at[2], odd_what[2];
	unsigned int chance;		/* in 1000, of each step */
	u32 random;
	unsigned int step;
	u8 kinds[MAX_STEPS];		/* how many events each step may have */
};

/* A server. */
struct server {
	struct super_set set;
	struct super_own own[3];
	u32 open;
	bool dead;			/* killed */
	bool keep_bit;
};

static struct history *h;
static u64 histories, served, refused;

static u32 rnd(u32 n)
{
	h->random = h->random * 1664525 + 1013904223;
	return (h->random >> 8) % n;
}

/* What happens in this step: one of @n, 0 if nothing is wrong. */
static unsigned int choose(unsigned int n)
{
	unsigned int at = h->step++;

	if (at < MAX_STEPS)
		h->kinds[at] = n;
	for (unsigned int i = 0; i < h->nr_odd; i++)
		if (h->odd_at[i] == at && h->odd_what[i] < n)
			return h->odd_what[i];
	return h->chance && rnd(1000) < h->chance ? rnd(n) : 0;
}

static const char *story(void)
{
	static char text[512];
	int n = snprintf(text, sizeof(text), "%u legs, sessions", h->nr_legs);

	for (unsigned int i = 0; i < h->nr_sessions; i++)
		n += snprintf(text + n, sizeof(text) - n, " %x%s", h->sessions[i].present,
			      h->sessions[i].degraded ? "d" : "");
	for (unsigned int i = 0; i < h->nr_odd; i++)
		n += snprintf(text + n, sizeof(text) - n, ", step %u: %u", h->odd_at[i], h->odd_what[i]);
	n += snprintf(text + n, sizeof(text) - n, ", at step %u; acked %x, seen %x, on legs", h->step, h->acked, h->seen);
	for (unsigned int i = 0; i < h->nr_legs; i++)
		n += snprintf(text + n, sizeof(text) - n, " %x", h->disks[i].writes);
	return text;
}

#define holds(cond, what)	cr_assert(cond, "%s: %s", what, story())

/* Steps.  Each returns whether it was done, for all that the server knows. */

static bool leg_step(struct server *sv, void (*done)(struct server *, unsigned int, bool torn),
		     unsigned int slot)
{
	enum event e;

	if (sv->dead)
		return false;
	e = choose(NR_EVENTS);
	if (e == FINE || e == KILLED_AFTER || e == FAILS_BUT_DONE)
		done(sv, slot, false);
	if (e == KILLED_TORN)
		done(sv, slot, true);
	sv->dead = e == KILLED_BEFORE || e == KILLED_AFTER || e == KILLED_TORN;
	h->legs_lost |= e == FAILS || e == FAILS_BUT_DONE;
	return e == FINE;
}

static struct super_set event_set;	/* what record_done() writes */

static void record_done(struct server *sv, unsigned int slot, bool torn)
{
	struct disk *d = &h->disks[slot];

	super_next(&sv->own[slot], 0);
	d->copies[sv->own[slot].copy].set = event_set;
	d->copies[sv->own[slot].copy].own = sv->own[slot];
	d->err[sv->own[slot].copy] = torn ? -EBADMSG : 0;
}

/* The one that is read, or NULL. */
static const struct super *record_of(unsigned int slot)
{
	static const struct super_place place = { .leg = "?" };
	struct disk *d = &h->disks[slot];
	struct super_why why[2];
	int copy = super_choose(d->copies, d->err, &place, why);

	return copy < 0 ? NULL : &d->copies[copy];
}

static void bit_done(struct server *sv, unsigned int slot, bool torn)
{
	if (!torn)
		h->disks[slot].bit = true;
}

static void write_done(struct server *sv, unsigned int slot, bool torn)
{
	if (!torn)
		h->disks[slot].writes |= 1U << h->nr_writes;
}

/* On each leg of @slots; returns those that failed. */
static u32 each_leg(struct server *sv, u32 slots,
		    void (*done)(struct server *, unsigned int, bool torn))
{
	u32 failed = 0;

	for (unsigned int i = 0; i < h->nr_legs; i++)
		if (slots >> i & 1 && !leg_step(sv, done, i) && !sv->dead)
			failed |= 1U << i;
	return failed;
}

/* The server's way to make a change: true when it is. */
static bool make(struct server *sv, struct super_set next)
{
	while (!sv->dead) {
		u32 writers = change_writers(&next), first = change_first(&sv->set, &next), failed;

		cr_assert_eq(writers & ~sv->open, 0, "a leg that is not here is to be written");
		event_set = next;
		failed = each_leg(sv, first, record_done);
		if (!failed)
			failed = each_leg(sv, writers & ~first, record_done);
		else
			writers = first;
		if (sv->dead)
			return false;
		for (unsigned int i = 0; i < h->nr_legs; i++)
			if (writers & ~failed & 1U << i)
				change_kept(&next, i);
		if (!failed) {
			sv->set = next;
			return true;
		}
		if (change_retry(&sv->set, &next, ++h->tag, failed)) {
			change_give_up(&sv->set, &next);
			return false;
		}
		sv->open &= ~failed;
	}
	return false;
}

static u32 in_sync(const struct server *sv)
{
	return super_slots(&sv->set, FORMAT_IN_SYNC);
}

static bool all_here(const struct server *sv)
{
	return !(super_slots(&sv->set, FORMAT_STALE) | super_slots(&sv->set, FORMAT_FAILED) |
		 super_slots(&sv->set, FORMAT_REBUILDING));
}

/* What a client may read now. */
static void look(struct server *sv)
{
	u32 readable = sv->set.source == FORMAT_NO_SOURCE ? in_sync(sv) : 1U << sv->set.source;

	for (unsigned int i = 0; i < h->nr_legs; i++) {
		u32 writes = h->disks[i].writes;

		if (!(readable >> i & 1))
			continue;
		holds(h->degraded_used || !(h->acked & ~writes), "an acknowledged write is lost");
		/* Nothing more can be asked for when the leg that had it is gone. */
		holds(h->legs_lost || h->degraded_used || !(h->seen & ~writes), "what was read once is gone");
		h->seen |= writes;
		for (unsigned int j = 0; j < i; j++)
			if (readable >> j & 1)
				holds(h->disks[j].writes == writes, "legs are read that differ");
	}
}

static void acknowledge(u32 slots)
{
	h->acked |= 1U << h->nr_writes;
	for (unsigned int i = 0; i < h->nr_legs; i++)
		if (slots >> i & 1)
			h->disks[i].sure |= 1U << h->nr_writes;
}

static void client_write(struct server *sv)
{
	u32 writers = change_writers(&sv->set) & ~super_slots(&sv->set, FORMAT_SPARE), failed, bits;
	struct super_set next;

	if (sv->dead)
		return;
	bits = each_leg(sv, writers, bit_done);
	next = sv->set;
	if (bits) {
		if (sv->dead || change_drop(&next, ++h->tag, bits, FORMAT_FAILED) || !make(sv, next)) {
			sv->dead = true;
			return;
		}
		sv->open &= ~bits;
		writers &= change_writers(&sv->set);
	}
	failed = each_leg(sv, writers, write_done);
	if (sv->dead) {
		h->nr_writes++;
		return;
	}
	next = sv->set;
	if (failed && !change_drop(&next, ++h->tag, failed, FORMAT_FAILED)) {
		if (!make(sv, next)) {
			sv->dead = true;
		} else {
			acknowledge(writers & change_writers(&sv->set));
			sv->open &= ~failed;
		}
	} else if (failed) {
		/* The client gets EIO, the bit stays. */
		u8 source = next.source != FORMAT_NO_SOURCE ? next.source : __builtin_ctz(in_sync(sv));

		change_differ(&next, ++h->tag, source);
		sv->keep_bit = true;
		if (!make(sv, next))
			sv->dead = true;
	} else {
		acknowledge(writers);
	}
	h->nr_writes++;
	if (!sv->dead)
		look(sv);
}

static unsigned int copy_from;

static void copy_done(struct server *sv, unsigned int slot, bool torn)
{
	if (torn)
		return;
	h->disks[slot].writes = h->disks[copy_from].writes;
	h->disks[slot].sure = h->disks[copy_from].sure;
}

/* The legs in sync are made the same. */
static void resync(struct server *sv, bool bit)
{
	u32 failed = 0, others = in_sync(sv);
	struct super_set next = sv->set;

	if (sv->dead || sv->set.source == FORMAT_NO_SOURCE || sv->keep_bit)
		return;
	copy_from = sv->set.source;
	others &= ~(1U << copy_from);
	if (bit)
		failed = each_leg(sv, others, copy_done);
	if (failed) {
		if (change_drop(&next, ++h->tag, failed, FORMAT_FAILED) || !make(sv, next))
			sv->dead = true;
		else
			sv->open &= ~failed;
		next = sv->set;
	}
	change_agree(&next, ++h->tag);
	if (make(sv, next))
		look(sv);
	else
		sv->dead = true;
}

/* A stale leg that is here is made whole again. */
static void rebuild(struct server *sv, unsigned int slot)
{
	struct super_set next = sv->set;

	if (sv->dead || !record_of(slot) || choose(2))
		return;
	/* A leg that joins gets the bitmap first. */
	h->disks[slot].bit = h->disks[__builtin_ctz(in_sync(sv))].bit;
	sv->open |= 1U << slot;
	holds(super_knows(&next, slot, record_of(slot)->set.event), "a leg has an event that was never sent to it");
	change_rebuild(&next, ++h->tag, slot, record_of(slot)->set.event, next.legs[slot].full);
	if (!make(sv, next)) {
		sv->dead = true;
		return;
	}
	if (sv->set.legs[slot].state != FORMAT_REBUILDING)
		return;
	if (choose(2) == 1)
		client_write(sv);
	if (sv->dead || sv->set.legs[slot].state != FORMAT_REBUILDING)
		return;
	copy_from = sv->set.source != FORMAT_NO_SOURCE ? sv->set.source : __builtin_ctz(in_sync(sv));
	if (h->disks[copy_from].bit && each_leg(sv, 1U << slot, copy_done)) {
		next = sv->set;
		if (change_drop(&next, ++h->tag, 1U << slot, FORMAT_FAILED) || !make(sv, next))
			sv->dead = true;
		sv->open &= ~(1U << slot);
		return;
	}
	next = sv->set;
	change_rebuilt(&next, ++h->tag, slot);
	if (make(sv, next))
		look(sv);
	else
		sv->dead = true;
}

static void stop(struct server *sv)
{
	struct super_set next = sv->set;

	if (sv->dead || choose(2))
		return;
	if (all_here(sv) && !sv->keep_bit && sv->set.source == FORMAT_NO_SOURCE)
		for (unsigned int i = 0; i < h->nr_legs && !sv->dead; i++) {
			h->disks[i].bit = false;
			sv->dead = choose(2);
		}
	change_stop(&next, ++h->tag);
	make(sv, next);
}

/* Every write that is acknowledged, and on a leg that is here, is on each that is served. */
static void chosen_well(const struct candidate *c, unsigned int nr, const struct assembly *a,
			const unsigned int *slot)
{
	u32 known = 0;

	holds(a->serve, "nothing is served");
	for (unsigned int i = 0; i < nr; i++)
		if (!c[i].err)
			known |= h->disks[slot[i]].sure;
	for (unsigned int i = 0; i < h->nr_legs; i++)
		if (a->serve >> i & 1)
			holds(!(known & ~h->disks[i].writes), "a stale leg was chosen");
	holds(a->source == FORMAT_NO_SOURCE || a->serve >> a->source & 1, "the source is not served");
}

static unsigned int candidates(const struct session *s, struct candidate *c, unsigned int *slot)
{
	unsigned int nr = 0;

	for (unsigned int i = 0; i < h->nr_legs; i++) {
		const struct super *record = record_of(i);

		if (!(s->present >> i & 1))
			continue;
		c[nr] = (struct candidate){ .path = "?", .err = record ? 0 : -EBADMSG,
					    .bytes = 1ULL << 40, .lbs = 512 };
		if (record)
			c[nr].super = *record;
		slot[nr++] = i;
	}
	return nr;
}

static void run_session(const struct session *s)
{
	struct server sv = { 0 };
	struct candidate c[3];
	struct super_set next;
	struct assembly a;
	unsigned int slot[3], nr = candidates(s, c, slot);
	bool bit = false;

	assemble(c, nr, s->degraded, &a);
	h->legs_lost |= s->present != (1U << h->nr_legs) - 1;
	if (a.verdict > ASSEMBLE_RESYNC) {
		holds(h->degraded_used || s->present != (1U << h->nr_legs) - 1, a.text);
		refused++;
		return;
	}
	h->degraded_used |= s->degraded && a.missing;
	chosen_well(c, nr, &a, slot);
	served++;
	for (unsigned int i = 0; i < nr; i++)
		sv.own[slot[i]] = c[i].super.own;
	sv.open = a.serve | a.rebuilding | a.spare;
	for (unsigned int i = 0; i < h->nr_legs; i++)
		bit |= (a.serve >> i & 1) && h->disks[i].bit;
	for (unsigned int i = 0; i < h->nr_legs; i++)
		if (sv.open >> i & 1)
			h->disks[i].bit = bit;
	next = sv.set = a.set;
	change_start(&next, ++h->tag, a.missing, a.absent, a.source);
	if (!make(&sv, next))
		return;
	look(&sv);
	client_write(&sv);
	resync(&sv, true);
	for (unsigned int i = 0; i < h->nr_legs; i++)
		if ((a.stale | a.rebuilding) >> i & 1)
			rebuild(&sv, i);
	client_write(&sv);
	stop(&sv);
}

/* A set of legs that are in sync and stopped. */
static void create(void)
{
	struct super s = {
		.set = { .uuid = { 1 }, .name = "set", .event = { 1, 1 }, .size = 1 << 30, .lbs_shift = 9,
			 .chunk_shift = 20, .clean = true, .source = FORMAT_NO_SOURCE, .nr = h->nr_legs },
		.own = { .seq = 1 },
	};

	memset(h->disks, 0, sizeof(h->disks));
	for (unsigned int i = 0; i < h->nr_legs; i++)
		s.set.legs[i] = (struct super_leg){ .uuid = { i + 1 }, .state = FORMAT_IN_SYNC,
						    .held = { 1, 1 }, .sent = { 1, 1 } };
	for (unsigned int i = 0; i < h->nr_legs; i++) {
		s.own.self = i;
		h->disks[i].copies[0] = s;
		h->disks[i].err[1] = -ENOENT;
	}
}

static void run(void)
{
	h->acked = h->seen = h->nr_writes = h->step = 0;
	h->tag = 1;
	h->degraded_used = h->legs_lost = false;
	create();
	histories++;
	for (unsigned int i = 0; i < h->nr_sessions; i++)
		run_session(&h->sessions[i]);
}

/* All that can go wrong at up to @more further steps behind the last one. */
static void explore(unsigned int more)
{
	unsigned int from = h->nr_odd ? h->odd_at[h->nr_odd - 1] + 1 : 0, n = h->nr_odd, steps;
	u8 kinds[MAX_STEPS];

	run();
	if (!more)
		return;
	steps = h->step;
	cr_assert_leq(steps, MAX_STEPS);
	memcpy(kinds, h->kinds, steps);
	h->nr_odd++;
	for (unsigned int at = from; at < steps; at++)
		for (unsigned int what = 1; what < kinds[at]; what++) {
			h->odd_at[n] = at;
			h->odd_what[n] = what;
			h->nr_odd = n + 1;
			explore(more - 1);
		}
	h->nr_odd = n;
}

/* Every combination of legs that are there in each session, with --degraded or not. */
static void every_session(unsigned int at, bool degraded, unsigned int more)
{
	if (at == h->nr_sessions) {
		explore(more);
		return;
	}
	for (u32 present = 1; present < 1U << h->nr_legs; present++)
		for (unsigned int d = 0; d <= degraded; d++) {
			h->sessions[at] = (struct session){ present, d };
			every_session(at + 1, degraded, more);
		}
}

static struct history history;

static void begin(unsigned int nr_legs, unsigned int nr_sessions)
{
	h = &history;
	memset(h, 0, sizeof(*h));
	h->nr_legs = nr_legs;
	h->nr_sessions = nr_sessions;
}

/* So that nobody believes in a test that tried nothing. */
static void tried(u64 least)
{
	cr_log_info("%llu histories, %llu assembled, %llu refused", (unsigned long long)histories,
		    (unsigned long long)served, (unsigned long long)refused);
	cr_assert_gt(histories, least);
	cr_assert_gt(served, least / 2);
	cr_assert_gt(refused, 0);
}

Test(mirror_history, two_legs_two_faults)
{
	begin(2, 2);
	every_session(0, true, 2);
	tried(50000);
}

Test(mirror_history, two_legs_one_fault_many_sessions)
{
	begin(2, 4);
	every_session(0, true, 1);
	tried(100000);
}

Test(mirror_history, three_legs_one_fault)
{
	begin(3, 3);
	every_session(0, true, 1);
	tried(100000);
}

Test(mirror_history, three_legs_two_faults_never_degraded)
{
	begin(3, 2);
	every_session(0, false, 2);
	tried(30000);
}

Test(mirror_history, of_every_kind_by_chance)
{
	static const unsigned int chances[] = { 3, 10, 30, 100 };

	begin(3, MAX_SESSIONS);
	for (unsigned int n = 0; n < 200000; n++) {
		h->nr_legs = 2 + n % 2;
		h->random = n;
		h->chance = chances[rnd(4)];
		for (unsigned int i = 0; i < MAX_SESSIONS; i++) {
			h->sessions[i].present = rnd(2) ? (1U << h->nr_legs) - 1 : 1 + rnd((1U << h->nr_legs) - 1);
			h->sessions[i].degraded = n & 2 && !rnd(3);
		}
		run();
	}
	tried(100000);
}

/* Killed, but never a leg lost: then nothing that a client has seen may go. */
Test(mirror_history, what_was_read_stays_when_only_the_server_dies)
{
	begin(2, 3);
	for (unsigned int i = 0; i < 3; i++)
		h->sessions[i].present = 3;
	explore(2);
	h->nr_legs = 3;
	for (unsigned int i = 0; i < 3; i++)
		h->sessions[i].present = 7;
	explore(2);
	cr_assert_gt(histories, 10000);
}
