/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A leg: the file or block device under a target.
 */
#ifndef SRV_LEG_H
#define SRV_LEG_H

#include <sys/types.h>

#include "limits.h"
#include "opts.h"
#include "types.h"

/*
 * struct leg - one open leg
 * In struct target.  leg_open() in the process that runs `add`, before the
 * server is forked; read-only from then on.
 */
struct leg {
	const char *path;	/* argv's */
	char *absolute;		/* the same for who is elsewhere; malloc'ed, leg_close() frees it */
	int fd;			/* -1: not open */
	bool is_blk;
	bool direct;		/* false: a file, through the page cache */
	dev_t dev;		/* identity: st_rdev of a block device, or */
	ino_t ino;		/* st_dev and st_ino of a file */
	struct limits lim;
};

/*
 * struct patience - how long to wait for legs that are in use
 * On the stack of who opens them; one for all legs of a device, so that the
 * whole wait is bounded.
 */
struct patience {
	unsigned int ms;
	u64 until;	/* CLOCK_MONOTONIC, ms */
};

void patience_init(struct patience *p, unsigned int ms);

/*
 * Open @path and find out what it can do.  @block: see probe.h.  A block device is
 * taken exclusively, a file is locked against other servers.  Returns 0, or -errno after
 * a message; nothing stays open then.
 */
int leg_open(struct leg *leg, const char *path, u32 block, const struct patience *p);
void leg_close(struct leg *leg);

/* Are two names one leg?  Neither needs to be open; false when in doubt. */
bool leg_same(const char *a, const char *b);

/*
 * Open all of @paths, no leg twice, and merge their limits into *lim.  @size:
 * bytes of each leg to use, 0 for all; then the legs must be equal in size.  @block:
 * bytes of the device's blocks, 0 for the least that every leg takes.
 * @patience_ms: how long to wait until those that are in use are free.
 * Returns 0, or -errno after a message, with every leg closed again.
 */
int legs_open(struct leg *legs, const struct strlist *paths, u64 size, u32 block,
	      unsigned int patience_ms, struct limits *lim);

/*
 * The same for legs of any sizes: lim->size is the smallest one's, in whole blocks.  Who uses more
 * of a leg cuts it to whole blocks, and tells of what is left over.
 */
int legs_open_any(struct leg *legs, const struct strlist *paths, u64 size, u32 block,
		  unsigned int patience_ms, struct limits *lim);

/* Is it what --block takes?  0 is.  0, or -EINVAL after a message. */
int legs_check_block(u64 block);

/* The same, and two or more legs for @target. */
int legs_check_several(const char *target, const struct strlist *paths, u64 block);

/*
 * The legs of @paths that @some names, bit N for leg N, in *mask.  @option: that @some is of, for the
 * message.  0, or -EINVAL after it: one is none of them.
 */
int legs_named(const char *option, const struct strlist *paths, const struct strlist *some, u32 *mask);

void legs_close(struct leg *legs, unsigned int nr);

#endif
