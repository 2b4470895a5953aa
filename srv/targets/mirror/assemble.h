/* SPDX-License-Identifier: GPL-2.0 */
/*
 * May a set be served with the legs that are here, and with which of them?  No I/O.
 *
 * The newest record speaks for the set: it is believed about the other legs, as these cannot
 * know what they missed.  A leg that is being rebuilt, or a spare, may have it too, as it gets
 * every event.  The speaker has to know each leg that is here, and the event that each holds: a
 * leg that holds another one has had a life of its own.
 *
 * Why events have tags, and a leg has two of them: two legs that were each served alone come
 * to the same number.  And a leg may have kept an event that the server took for failed.
 */
#ifndef SRV_ASSEMBLE_H
#define SRV_ASSEMBLE_H

#include "super.h"

/*
 * struct candidate - a leg that was given, or found
 * @path: for messages
 * @err: of reading its record: 0, what super_read() returns, or -EIO and the like
 * @super: valid when @err is 0
 * @bytes, @lbs: of the leg, as it is now
 */
struct candidate {
	const char *path;
	int err;
	struct super super;
	u64 bytes;
	u32 lbs;
};

enum assemble_verdict {
	ASSEMBLE_SERVE,		/* those legs agree everywhere */
	ASSEMBLE_RESYNC,	/* they may differ where the bitmap has a bit */
	ASSEMBLE_DEGRADED,	/* only when the user says so: legs are missing */
	ASSEMBLE_REFUSE
};

/* Why, for tests and for --json. */
enum assemble_reason {
	ASSEMBLE_FINE,
	ASSEMBLE_FOREIGN,	/* no record on a leg */
	ASSEMBLE_NEWER,		/* a record of a newer program */
	ASSEMBLE_MIXED,		/* legs of two sets */
	ASSEMBLE_TWICE,		/* one leg, found twice */
	ASSEMBLE_SPLIT,		/* a leg was served without the others */
	ASSEMBLE_CONTRADICTION,	/* one event, told in two ways */
	ASSEMBLE_STRANGER,	/* a leg that the others do not know */
	ASSEMBLE_NO_LEG,	/* none that is here has all the data */
	ASSEMBLE_MISSING,	/* one that is in sync is not here */
};

/*
 * struct assembly - the answer
 * The sets of legs are by slot.  @set is the record that speaks for the set, to be passed to
 * change_start() with what follows.
 * @leg: candidate in each slot, or -1
 * @serve: in sync and here, to be read and written
 * @rebuilding, @stale, @spare: here, and not to be read
 * @missing: in sync, and not here or not fit
 * @absent: being rebuilt, and not here or not fit
 * @source: for change_start()
 * @restart: the legs being rebuilt may lack what was written below where they have got to
 * @culprit, @other: candidates that the message is about, or -1
 * @text: what is wrong and what to do, or what to say nevertheless; or ""
 */
struct assembly {
	enum assemble_verdict verdict;
	enum assemble_reason reason;
	struct super_set set;
	int leg[FORMAT_LEGS];
	u32 serve, rebuilding, stale, spare, missing, absent;
	u8 source;
	bool restart;
	int culprit, other;
	char text[1024];
};

/*
 * Decide.  @degraded: the user has said that legs may be missing.  @nr may be 0.  Legs that
 * could not be read (@err, but for -ENOENT and -EPROTONOSUPPORT) count as missing.
 */
void assemble(const struct candidate *c, unsigned int nr, bool degraded, struct assembly *a);

#endif
