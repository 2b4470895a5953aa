/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a set can be told while it is served.  Each function runs in the server's main thread,
 * without a lock, of a mirror with a record; must not block for long.  0, or -errno with a message
 * in @out: no name in front, no line's end (control.h).
 */
#ifndef SRV_MIRROR_OPS_H
#define SRV_MIRROR_OPS_H

#include "../../target.h"
#include "super.h"

/* target_ops.commands */
extern const struct control_cmd mirror_cmds[];

/* The leg that @word means: its path, a link to it, its UUID, its slot.  Or -ENOENT, after a message. */
int mirror_find_slot(const struct target *t, const struct super_set *set, const char *word, FILE *out);

int mirror_op_fail(struct target *t, unsigned int slot, FILE *out);
int mirror_op_remove(struct target *t, unsigned int slot, FILE *out);
/* @path is absolute. */
int mirror_op_add(struct target *t, const char *path, FILE *out);
int mirror_op_replace(struct target *t, unsigned int slot, const char *path, FILE *out);
/* As mirror_op_remove(), without words. */
int mirror_take_out(struct target *t, unsigned int slot);
/* Begins it: status tells how far it is. */
int mirror_op_check(struct target *t, bool repair, FILE *out);
/* Of resync; 0: none. */
int mirror_op_limits(struct target *t, u64 min_kib_s, u64 max_kib_s, FILE *out);

#endif
