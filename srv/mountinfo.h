/* SPDX-License-Identifier: GPL-2.0 */
/*
 * /proc/self/mountinfo, line by line: what is mounted where, as this process sees it.
 *
 * Why not getmntent(3): it reads the other format, /proc/self/mounts, which tells neither a
 * device's number nor which part of a file system is mounted.
 */
#ifndef SRV_MOUNTINFO_H
#define SRV_MOUNTINFO_H

#include <stdio.h>

#include "types.h"

/*
 * struct mountinfo - a reader, and the line that it is at
 * On the stack of who reads.  The fields point into the line: until the next one.
 */
struct mountinfo {
	FILE *f;	/* NULL: there is nothing to read */
	char *line;
	size_t size;

	unsigned int major, minor;	/* of the file system's device */
	const char *root;	/* what of the file system is mounted */
	const char *point;	/* where, an absolute path */
	const char *type;	/* "ext4" */
	const char *options;	/* of the file system, with commas between */
};

/* Of the root directory @root, "" but in tests.  Without /proc it has no lines. */
void mountinfo_open(struct mountinfo *m, const char *root);
/* Of @f, which it closes; NULL: no lines. */
void mountinfo_of(struct mountinfo *m, FILE *f);
void mountinfo_close(struct mountinfo *m);

/* The next line, in the order of mounting: what is on top comes last.  False: that was all. */
bool mountinfo_next(struct mountinfo *m);

/*
 * One line, which is cut into pieces: *m's fields are set.  False, and they are not, if it is
 * not as the kernel writes them.
 */
bool mountinfo_parse(struct mountinfo *m, char *line);

#endif
