/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a leg says of itself: its record, read from a path, without taking the leg.  So it
 * can be asked of a leg that is in use, and what it says may be old a moment later: who serves
 * opens the legs exclusively (leg.h), reads once more with leginfo_read_fd(), and decides then.
 *
 * A record may be at the leg's begin and at its end, and both places are read.  Two at once:
 * data of the one at the end starts at byte 0, so it has the other one in its data, where a
 * client may have written it.  The one at the end counts, if no client of the other one can
 * have written there.  Otherwise each may be in the other's data, and the leg is refused.
 */
#ifndef SRV_LEGINFO_H
#define SRV_LEGINFO_H

#include "assemble.h"

/*
 * struct leginfo - a leg, as it was read
 * Plain data, of whoever reads; nothing to free.
 * @path: the caller's, and not copied
 * @err: 0; what super_read() returns; -EIO: it cannot be opened or read
 * @why: a message when @err
 * @super: valid when @err is 0
 * @bytes, @lbs: of the leg; a file takes any block, through the page cache if need be
 * @area_offset: where the record was found, or looked for last
 * @copies: each copy in that area, with a message when @err of it
 * @claims, @claimed_uuid: the set that a record with the right magic names, whatever else
 *	is wrong with it.  A hint only.
 * @elsewhere: it is the record of another device, of a partition at this disk's end
 */
struct leginfo {
	const char *path;
	int err;
	struct super_why why;
	struct super super;
	u64 bytes;
	u32 lbs;
	u64 area_offset;
	struct {
		int err;
		struct super_why why;
	} copies[2];
	bool claims;
	u8 claimed_uuid[16];
	bool elsewhere;
};

/*
 * struct leginfo_bits - what the bitmap of a leg says
 * @chunks: of the set; @set: of these
 * @damaged: sectors; each counts as all set
 */
struct leginfo_bits {
	u64 chunks, set;
	u32 damaged;
};

void leginfo_read(struct leginfo *l, const char *path);

/* The same from an open leg, which stays open. */
void leginfo_read_fd(struct leginfo *l, const char *path, int fd);

/* The bitmap of a leg whose record could be read.  0, or -errno. */
int leginfo_read_bits(const struct leginfo *l, struct leginfo_bits *bits);

struct candidate leginfo_candidate(const struct leginfo *l);

/* "in-sync" and so on: the words of every command and of JSON. */
const char *leginfo_state_name(enum format_state state);

/* Open for reading, direct where that goes.  The descriptor or -errno. */
int leginfo_open(const char *path);

/*
 * Read @len bytes at @off, both multiples of 4096 as is the memory.  What is behind the end is
 * zeroes.  0 or -errno.
 */
int leginfo_pread(int fd, void *buf, size_t len, u64 off);

#endif
