// SPDX-License-Identifier: GPL-2.0
/* With which legs a set is served, or why not. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "targets/mirror/assemble.h"

#define A	(1U << 0)
#define B	(1U << 1)
#define C	(1U << 2)
#define GIB	(1ULL << 30)
#define NONE	FORMAT_NO_SOURCE

static const char *const paths[] = { "/dev/a", "/dev/b", "/dev/c", "/dev/d" };

#define CLEAN	.clean = true
#define SAYS(_leg, _event, _says, ...) \
	{ .leg = _leg, .event = _event, .says = _says, ##__VA_ARGS__ }

/*
 * A leg that is given.
 * @leg: 0: A
 * @tag: of the event; 0: the usual one of that number
 * @says: of A, B and C, a letter each: in Sync, sTale, Failed, Rebuilding, sPare, reMoved, or -
 * @source: plus 1; 0: none
 * @sent: the last event sent to each, the one before was kept; 0: the same event
 */
struct given {
	int leg;
	u64 event, tag;
	const char *says;
	bool clean;
	u8 source;
	u64 sent[3];
	int err;
};

struct assemble_case {
	const char *what;
	struct given given[4];
	unsigned int nr;
	bool degraded;
	enum assemble_verdict verdict;
	enum assemble_reason reason;
	u32 serve, stale, missing;
	u8 source;
	const char *text;	/* in the message */
};

static enum format_state state_of(char letter)
{
	switch (letter) {
	case 'S': return FORMAT_IN_SYNC;
	case 'T': return FORMAT_STALE;
	case 'F': return FORMAT_FAILED;
	case 'R': return FORMAT_REBUILDING;
	case 'P': return FORMAT_SPARE;
	case 'M': return FORMAT_REMOVED;
	}
	return FORMAT_EMPTY;
}

static struct candidate candidate(const struct given *g)
{
	struct candidate c = { .path = paths[g->leg], .err = g->err, .bytes = 12 * GIB, .lbs = 512 };
	struct super_set *s = &c.super.set;

	*s = (struct super_set){ .uuid = { 1 }, .name = "home", .size = 10 * GIB,
				 .event = { g->event, g->tag ? g->tag : 100 + g->event }, .lbs_shift = 9, .chunk_shift = 20, .clean = g->clean,
				 .source = g->source ? g->source - 1 : NONE, .nr = strlen(g->says) };
	for (unsigned int i = 0; i < s->nr; i++) {
		u64 sent = g->sent[i] ? g->sent[i] : g->event;

		s->legs[i] = (struct super_leg){ .uuid = { 0x10 + i }, .state = state_of(g->says[i]),
						 .held = { sent - 1, 100 + sent - 1 }, .sent = { sent, 100 + sent } };
		if (s->legs[i].state == FORMAT_EMPTY)
			s->legs[i] = (struct super_leg){ 0 };
	}
	c.super.own = (struct super_own){ .self = g->leg, .seq = 1, .data_offset = 1 << 20 };
	return c;
}

static struct assembly assembled(const struct assemble_case *t)
{
	struct candidate c[4];
	struct assembly a;

	for (unsigned int i = 0; i < t->nr; i++)
		c[i] = candidate(&t->given[i]);
	assemble(c, t->nr, t->degraded, &a);
	return a;
}

static const struct assemble_case cases[] = {
	{ "whole and stopped", { SAYS(0, 5, "SS", CLEAN), SAYS(1, 5, "SS", CLEAN) }, 2, false,
	  ASSEMBLE_SERVE, ASSEMBLE_FINE, A | B, 0, 0, NONE, "" },
	{ "the order does not matter", { SAYS(1, 5, "SS", CLEAN), SAYS(0, 5, "SS", CLEAN) }, 2, false,
	  ASSEMBLE_SERVE, ASSEMBLE_FINE, A | B, 0, 0, NONE, "" },
	{ "whole and killed: the first leg is read", { SAYS(0, 5, "SS"), SAYS(1, 5, "SS") }, 2, false,
	  ASSEMBLE_RESYNC, ASSEMBLE_FINE, A | B, 0, 0, 0, "" },
	{ "killed again in the resync: the same leg as before is read",
	  { SAYS(0, 5, "SS", .source = 2), SAYS(1, 5, "SS", .source = 2) }, 2, false,
	  ASSEMBLE_RESYNC, ASSEMBLE_FINE, A | B, 0, 0, 1, "" },
	{ "stopped in the resync: it goes on",
	  { SAYS(0, 5, "SS", CLEAN, .source = 2), SAYS(1, 5, "SS", CLEAN, .source = 2) }, 2, false,
	  ASSEMBLE_RESYNC, ASSEMBLE_FINE, A | B, 0, 0, 1, "" },
	{ "the leg that was read is gone: the first of the others",
	  { SAYS(1, 5, "SSS", .source = 1), SAYS(2, 5, "SSS", .source = 1) }, 2, true,
	  ASSEMBLE_RESYNC, ASSEMBLE_FINE, B | C, 0, A, 1, "" },
	{ "the stop had got to one leg only", { SAYS(0, 6, "SS", CLEAN), SAYS(1, 5, "SS") }, 2, false,
	  ASSEMBLE_SERVE, ASSEMBLE_FINE, A | B, 0, 0, NONE, "" },
	{ "a stale leg that is here is not served",
	  { SAYS(0, 7, "ST", CLEAN, .sent = { 0, 5 }), SAYS(1, 5, "SS") }, 2, false,
	  ASSEMBLE_SERVE, ASSEMBLE_FINE, A, B, 0, NONE, "" },
	{ "a failed one neither",
	  { SAYS(0, 7, "SF", CLEAN, .sent = { 0, 5 }), SAYS(1, 5, "SS", CLEAN) }, 2, false,
	  ASSEMBLE_SERVE, ASSEMBLE_FINE, A, B, 0, NONE, "" },
	{ "it had kept the event that it failed",
	  { SAYS(0, 7, "SF", CLEAN, .sent = { 0, 5 }), SAYS(1, 4, "SS", CLEAN) }, 2, false,
	  ASSEMBLE_SERVE, ASSEMBLE_FINE, A, B, 0, NONE, "" },
	{ "a leg that is known to have failed need not be here",
	  { SAYS(0, 7, "SF", CLEAN, .sent = { 0, 5 }) }, 1, false,
	  ASSEMBLE_SERVE, ASSEMBLE_FINE, A, 0, 0, NONE, "" },
	{ "M15: a leg that does not know that it is stale, alone", { SAYS(1, 5, "SS", CLEAN) }, 1, false,
	  ASSEMBLE_DEGRADED, ASSEMBLE_MISSING, B, 0, A, NONE, "/dev/b knows of legs in sync that are not here, in slot 0" },
	{ "the same, and the user says so", { SAYS(1, 5, "SS", CLEAN) }, 1, true,
	  ASSEMBLE_SERVE, ASSEMBLE_FINE, B, 0, A, NONE, "" },
	{ "the good leg of three is away; two agree, and may be stale",
	  { SAYS(1, 5, "SSS"), SAYS(2, 5, "SSS") }, 2, false,
	  ASSEMBLE_DEGRADED, ASSEMBLE_MISSING, B | C, 0, A, NONE, "in slot 0" },
	{ "M1: stale on the first good leg, not yet on the second",
	  { SAYS(0, 6, "SST", .sent = { 0, 0, 5 }), SAYS(1, 5, "SSS"), SAYS(2, 5, "SSS") }, 3, false,
	  ASSEMBLE_RESYNC, ASSEMBLE_FINE, A | B, C, 0, 0, "" },
	{ "split brain, counters differ",
	  { SAYS(0, 9, "ST", CLEAN, .sent = { 0, 5 }), SAYS(1, 7, "TS", CLEAN, .sent = { 5 }) }, 2, false,
	  ASSEMBLE_REFUSE, ASSEMBLE_SPLIT, 0, 0, 0, NONE, "/dev/b (event 7) and /dev/a (event 9)" },
	{ "split brain, the same counter",
	  { SAYS(0, 6, "ST", CLEAN, .sent = { 0, 5 }),
	    SAYS(1, 6, "TS", .tag = 999, CLEAN, .sent = { 5 }) }, 2, false,
	  ASSEMBLE_REFUSE, ASSEMBLE_SPLIT, 0, 0, 0, NONE, "each served without the other" },
	{ "split brain, --degraded does not help",
	  { SAYS(0, 6, "ST", CLEAN, .sent = { 0, 5 }),
	    SAYS(1, 6, "TS", .tag = 999, CLEAN, .sent = { 5 }) }, 2, true,
	  ASSEMBLE_REFUSE, ASSEMBLE_SPLIT, 0, 0, 0, NONE, "decide whose data is right" },
	{ "split brain, the number of the event that it seemed to fail",
	  { SAYS(0, 6, "ST", CLEAN, .sent = { 0, 5 }),
	    SAYS(1, 5, "TS", .tag = 999, CLEAN, .sent = { 4 }) }, 2, false,
	  ASSEMBLE_REFUSE, ASSEMBLE_SPLIT, 0, 0, 0, NONE, "each served without the other" },
	{ "a stale leg is newer than the others remember it",
	  { SAYS(0, 9, "SST", .sent = { 0, 0, 5 }), SAYS(1, 9, "SST", .sent = { 0, 0, 5 }),
	    SAYS(2, 7, "SSS") }, 3, false,
	  ASSEMBLE_REFUSE, ASSEMBLE_SPLIT, 0, 0, 0, NONE, "/dev/c (event 7)" },
	{ "split brain of one against two",
	  { SAYS(0, 6, "STT", .sent = { 0, 5, 5 }), SAYS(1, 8, "TSS", .sent = { 5 }),
	    SAYS(2, 8, "TSS", .sent = { 5 }) }, 3, false,
	  ASSEMBLE_REFUSE, ASSEMBLE_SPLIT, 0, 0, 0, NONE, "/dev/a" },
	{ "one event, told in two ways", { SAYS(0, 5, "SS"), SAYS(1, 5, "ST") }, 2, false,
	  ASSEMBLE_REFUSE, ASSEMBLE_CONTRADICTION, 0, 0, 0, NONE, "event 5 in two ways" },
	{ "a leg that is being rebuilt is not read", { SAYS(0, 5, "SR"), SAYS(1, 5, "SR") }, 2, false,
	  ASSEMBLE_RESYNC, ASSEMBLE_FINE, A, 0, 0, 0, "" },
	{ "nor served alone, whatever the user says", { SAYS(1, 5, "SR") }, 1, true,
	  ASSEMBLE_REFUSE, ASSEMBLE_NO_LEG, 0, 0, A, NONE, "/dev/b knows that those in slot 0 have it" },
	{ "but it knows who is stale",
	  { SAYS(1, 5, "STS"), SAYS(2, 9, "STR", .sent = { 0, 5 }) }, 2, true,
	  ASSEMBLE_REFUSE, ASSEMBLE_NO_LEG, 0, B, A, NONE, "in slot 0" },
	{ "a rebuild was over on one leg only", { SAYS(0, 6, "SS"), SAYS(1, 5, "SR") }, 2, false,
	  ASSEMBLE_RESYNC, ASSEMBLE_FINE, A | B, 0, 0, 0, "" },
	{ "a removed leg lies about", { SAYS(0, 7, "SSM", CLEAN, .sent = { 0, 0, 5 }),
	    SAYS(1, 7, "SSM", CLEAN, .sent = { 0, 0, 5 }), SAYS(2, 5, "SSS") }, 3, false,
	  ASSEMBLE_SERVE, ASSEMBLE_FINE, A | B, 0, 0, NONE, "/dev/c is of the set no more" },
	{ "a removed leg that was served since", { SAYS(0, 7, "SSM", CLEAN, .sent = { 0, 0, 5 }),
	    SAYS(1, 7, "SSM", CLEAN, .sent = { 0, 0, 5 }), SAYS(2, 6, "TTS") }, 3, false,
	  ASSEMBLE_REFUSE, ASSEMBLE_SPLIT, 0, 0, 0, NONE, "/dev/c (event 6)" },
	{ "a leg that the others do not know", { SAYS(0, 7, "SS", CLEAN), SAYS(1, 7, "SS", CLEAN),
	    SAYS(2, 5, "SSS") }, 3, false,
	  ASSEMBLE_REFUSE, ASSEMBLE_STRANGER, 0, 0, 0, NONE, "/dev/c calls itself a leg of set home, and leg /dev/a does not know it" },
	{ "a spare waits", { SAYS(0, 7, "SP", CLEAN), SAYS(1, 7, "SP", CLEAN) }, 2, false,
	  ASSEMBLE_SERVE, ASSEMBLE_FINE, A, 0, 0, NONE, "" },
	{ "no record on a leg", { SAYS(0, 5, "SS"), SAYS(1, 5, "SS", .err = -ENOENT) }, 2, true,
	  ASSEMBLE_REFUSE, ASSEMBLE_FOREIGN, 0, 0, 0, NONE, "/dev/b has no record" },
	{ "a newer format on a leg", { SAYS(0, 5, "SS"), SAYS(1, 5, "SS", .err = -EPROTONOSUPPORT) }, 2, true,
	  ASSEMBLE_REFUSE, ASSEMBLE_NEWER, 0, 0, 0, NONE, "/dev/b has a record of a newer format" },
	{ "a damaged record: as if missing",
	  { SAYS(0, 5, "SS"), SAYS(1, 5, "SS", .err = -EBADMSG) }, 2, false,
	  ASSEMBLE_DEGRADED, ASSEMBLE_MISSING, A, 0, B, NONE, "/dev/b: its record is damaged: it is left out" },
	{ "an unreadable record, and the user says so",
	  { SAYS(0, 5, "SS", CLEAN), SAYS(1, 5, "SS", .err = -EIO) },
	  2, true, ASSEMBLE_SERVE, ASSEMBLE_FINE, A, 0, B, NONE, "/dev/b: its record cannot be read" },
	{ "the damaged one is stale anyway",
	  { SAYS(0, 5, "SF", CLEAN, .sent = { 0, 4 }), SAYS(1, 5, "SS", .err = -EBADMSG) },
	  2, false, ASSEMBLE_SERVE, ASSEMBLE_FINE, A, 0, 0, NONE, "/dev/b" },
	{ "only damaged ones", { SAYS(0, 5, "SS", .err = -EBADMSG) }, 1, true,
	  ASSEMBLE_REFUSE, ASSEMBLE_NO_LEG, 0, 0, 0, NONE, "no record that is here can be read" },
	{ "no leg at all", { { .leg = 0 } }, 0, true,
	  ASSEMBLE_REFUSE, ASSEMBLE_NO_LEG, 0, 0, 0, NONE, "give the legs" },
};

Test(mirror_assemble, decides_by_the_table)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct assemble_case *t = &cases[i];
		struct assembly a = assembled(t);

		cr_expect_eq(a.verdict, t->verdict, "%s: verdict %d, not %d: %s", t->what, a.verdict, t->verdict, a.text);
		cr_expect_eq(a.reason, t->reason, "%s: reason %d, not %d: %s", t->what, a.reason, t->reason, a.text);
		cr_expect(strstr(a.text, t->text) && (*t->text || !*a.text), "%s: %s", t->what, a.text);
		cr_expect_eq(a.serve, t->serve, "%s: serves %x, not %x", t->what, a.serve, t->serve);
		cr_expect_eq(a.missing, t->missing, "%s: misses %x, not %x", t->what, a.missing, t->missing);
		cr_expect_eq(a.stale, t->stale, "%s: stale %x, not %x", t->what, a.stale, t->stale);
		cr_expect_eq(a.source, t->source, "%s: reads %u, not %u", t->what, a.source, t->source);
	}
}

/* Whatever is refused names the leg that it is about. */
Test(mirror_assemble, a_refusal_names_the_leg)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++) {
		struct assembly a = assembled(&cases[i]);

		if (a.verdict <= ASSEMBLE_RESYNC || a.culprit < 0 || cases[i].given[a.culprit].err == -EBADMSG)
			continue;
		cr_expect(strstr(a.text, paths[cases[i].given[a.culprit].leg]), "%s: %s", cases[i].what, a.text);
	}
}

Test(mirror_assemble, two_sets_are_not_mixed)
{
	struct given g[] = { SAYS(0, 5, "SS"), SAYS(1, 5, "SS") };
	struct candidate c[] = { candidate(&g[0]), candidate(&g[1]) };
	struct assembly a;

	c[1].super.set.uuid[15] = 1;
	strcpy(c[1].super.set.name, "work");
	assemble(c, 2, true, &a);
	cr_assert(a.verdict == ASSEMBLE_REFUSE && a.reason == ASSEMBLE_MIXED);
	cr_assert(strstr(a.text, "legs /dev/b and /dev/a are of two sets, work and home"), "%s", a.text);
}

Test(mirror_assemble, a_leg_and_its_copy_are_not_two_legs)
{
	struct given g = SAYS(0, 5, "SS");
	struct candidate c[] = { candidate(&g), candidate(&g) };
	struct assembly a;

	c[1].path = "/dev/snapshot";
	assemble(c, 2, true, &a);
	cr_assert(a.verdict == ASSEMBLE_REFUSE && a.reason == ASSEMBLE_TWICE);
	cr_assert(strstr(a.text, "/dev/snapshot and /dev/a are one leg"), "%s", a.text);
}

/* M9, M14: it may have been another one when the set was made. */
Test(mirror_assemble, a_leg_that_does_not_fit_any_more_is_as_if_missing)
{
	struct given g[] = { SAYS(0, 5, "SS", CLEAN), SAYS(1, 5, "SS", CLEAN) };
	struct candidate c[] = { candidate(&g[0]), candidate(&g[1]) };
	struct assembly a;

	c[1].bytes = 10 * GIB + (1 << 20) - 1;
	assemble(c, 2, false, &a);
	cr_assert(a.verdict == ASSEMBLE_DEGRADED && a.missing == B, "%s", a.text);
	cr_assert(strstr(a.text, "leg /dev/b has 10738466815 bytes, and needs 10738466816"), "%s", a.text);
	c[1].bytes++;
	c[1].lbs = 4096;
	assemble(c, 2, true, &a);
	cr_assert(a.verdict == ASSEMBLE_SERVE && a.serve == A && a.missing == B, "%s", a.text);
	cr_assert(strstr(a.text, "leg /dev/b has blocks of 4096 bytes, and the set of 512"), "%s", a.text);
}

/* What it knows counts nevertheless. */
Test(mirror_assemble, a_leg_that_does_not_fit_still_says_who_is_stale)
{
	struct given g[] = { SAYS(0, 9, "ST", CLEAN, .sent = { 0, 5 }), SAYS(1, 5, "SS", CLEAN) };
	struct candidate c[] = { candidate(&g[0]), candidate(&g[1]) };
	struct assembly a;

	c[0].bytes = GIB;
	assemble(c, 2, true, &a);
	cr_assert(a.verdict == ASSEMBLE_REFUSE && a.reason == ASSEMBLE_NO_LEG, "%s", a.text);
}

Test(mirror_assemble, a_leg_that_is_read_little_is_no_source)
{
	struct given g[] = { SAYS(0, 5, "SS"), SAYS(1, 5, "SS") };
	struct candidate c[] = { candidate(&g[0]), candidate(&g[1]) };
	struct assembly a;

	c[0].super.set.legs[0].write_mostly = c[1].super.set.legs[0].write_mostly = true;
	assemble(c, 2, false, &a);
	cr_assert_eq(a.source, 1);
	c[0].super.set.legs[1].write_mostly = c[1].super.set.legs[1].write_mostly = true;
	assemble(c, 2, false, &a);
	cr_assert_eq(a.source, 0);
}

/* Else the next start would write an event that says less of them than is known. */
Test(mirror_assemble, what_the_legs_hold_goes_into_the_record)
{
	struct given g[] = { SAYS(0, 5, "SS"), SAYS(1, 5, "SS") };
	struct candidate c[] = { candidate(&g[0]), candidate(&g[1]) };
	struct assembly a;

	assemble(c, 2, false, &a);
	cr_assert_eq(a.set.legs[0].held.nr, 5);
	cr_assert_eq(a.set.legs[1].held.tag, 105);
}
