/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Target mirror, of a set that keeps a record: what `regbuf mirror` hands to it.  Of the
 * options of `add` a mirror without a record is made.
 */
#ifndef SRV_MIRROR_H
#define SRV_MIRROR_H

#include "../../target.h"
#include "assemble.h"
#include "limit.h"

/*
 * struct mirror_set - a set that is to be served
 * The caller's, for as long as the target.  All by slot.
 * @assembly: what assemble() has decided, not to refuse
 * @paths, @own: of the legs that it uses, mirror_set_uses()
 * @limits: mirror_limits_check() has no objection
 */
struct mirror_set {
	struct assembly assembly;
	const char *paths[FORMAT_LEGS];
	struct super_own own[FORMAT_LEGS];
	struct mirror_limits limits;
};

/* Slots: those that are served, and those that are being rebuilt, which goes on where it was. */
static inline u32 mirror_set_uses(const struct assembly *a)
{
	return a->serve | a->rebuilding;
}

/* @t, a target mirror that is not open yet, is to serve @set; its options are not looked at. */
void mirror_use_set(struct target *t, const struct mirror_set *set);

/*
 * The same of a mirror without a record: as the options --leg, --size and --block of `add`; 0: not
 * given.  @write_mostly: bit N for leg N.
 */
void mirror_use_legs(struct target *t, const struct strlist *legs, u32 write_mostly, u64 size, u64 block);

#endif
