/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The legs of a set: among those that a user names, or among all block devices.
 *
 * Of block devices that are stacked, the topmost one is looked at.  A disk of a dm-multipath
 * or a dm-linear device has the same record, and cannot be taken while it has a holder.
 *
 * Left out as well: devices without a medium; ublk devices, as a read of one whose server
 * hangs does not return, and one may be the device of the set itself; dm devices that are
 * suspended.  Each of them may be a leg when its name is given.
 */
#ifndef SRV_SCAN_H
#define SRV_SCAN_H

#include "opts.h"
#include "targets/mirror/leginfo.h"

/*
 * struct scan - what was looked at
 * Of the command; zeroed before, scan_free() after.
 * @paths, @legs: @nr of them; the legs' paths are @paths'
 * @denied: devices that this process may not read
 */
struct scan {
	char **paths;
	struct leginfo *legs;
	unsigned int nr;
	unsigned int denied;
};

/* Read the legs that the user has named, or all block devices.  0, or -ENOMEM after a message. */
int scan_named(struct scan *s, const struct strlist *paths);
int scan_devices(struct scan *s);
void scan_free(struct scan *s);

/*
 * The paths of the block devices that scan_devices() reads, as @root/sys/class/block tells.
 * @root: "" but in tests.
 */
int scan_list(struct scan *s, const char *root);

/* One message: which sets there are, and what would be right. */
struct scan_why {
	char text[1024];
};

/*
 * Which set is meant by @name, its name or UUID; NULL: the only one that there is.  No I/O.
 * 0 and the set's UUID; -ENOENT: none, -ENOTUNIQ: several, with a message.
 */
int scan_choose(const struct leginfo *legs, unsigned int nr, const char *name, u8 uuid[16],
		struct scan_why *why);

/*
 * Is it a leg of that set, or may it be one?  Also true where its record is damaged or of a
 * newer program, and what can be read of it names the set.
 */
bool scan_is_of(const struct leginfo *l, const u8 uuid[16]);

#endif
