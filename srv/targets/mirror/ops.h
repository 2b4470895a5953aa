/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a set can be told while it is served.  Each function runs in the server's main thread,
 * without a lock, of a mirror with a record; must not block for long.  0, or -errno with a message
 * in @out: no name in front, no line's end (control.h).
 */
#ifndef SRV_MIRROR_OPS_H
#define SRV_MIRROR_OPS_H

#include "../../target.h"

/* target_ops.commands */
extern const struct control_cmd mirror_cmds[];

/*
 * join.c.  @path is absolute; @slot: of the leg that goes when the new one is in sync, which is
 * write-mostly then if that was.
 */
int mirror_op_add(struct target *t, const char *path, bool write_mostly, FILE *out);
int mirror_op_replace(struct target *t, unsigned int slot, const char *path, FILE *out);

/* Takes a leg out of the set, without a message. */
int mirror_take_out(struct target *t, unsigned int slot);

#endif
