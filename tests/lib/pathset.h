/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A set by the paths of its legs, named "set": assembled, and brought to be whole.  What there is to know
 * comes from the records on the legs.
 */
#ifndef TESTS_PATHSET_H
#define TESTS_PATHSET_H

#include "check.h"
#include "targets/mirror/leginfo.h"

#define PATHSET_LEGS	8

/* struct pathset - legs in the order of slots; zeroed, then pathset_add() */
struct pathset {
	unsigned int nr;
	char path[PATHSET_LEGS][64];
	char args[PATHSET_LEGS * 68];	/* -l PATH for each */
};

void pathset_add(struct pathset *s, const char *path);

/* What the newest record says; false: none can be read now. */
bool pathset_says(const struct pathset *s, struct super_set *says);
/* All legs are in sync, and agree.  For wait_until(), as the next one: @arg is the set. */
bool pathset_is_whole(void *arg);
/* No leg has a bit set. */
bool pathset_has_no_bits(void *arg);

/* As device @id, with all legs that are there; what it says is in /tmp/assembled. */
bool pathset_assemble(const struct pathset *s, int id, const char *mode);
/* Legs that were away are added, and all is copied; false: not in time. */
bool pathset_make_whole(struct pathset *s);

#endif
