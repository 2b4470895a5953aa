/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The subcommands of `regbuf mirror`.  Each gets "mirror NAME" as argv[0], and returns the exit
 * status as any command (cmd.h).
 */
#ifndef SRV_CMD_MIRROR_H
#define SRV_CMD_MIRROR_H

#include "json.h"
#include "scan.h"
#include "serving.h"
#include "targets/mirror/limit.h"

int cmd_mirror_create(int argc, char **argv);
int cmd_mirror_examine(int argc, char **argv);
int cmd_mirror_assemble(int argc, char **argv);
/* looks at the options only */
int cmd_mirror_assemble_check(int argc, char **argv);
int cmd_mirror_stop(int argc, char **argv);
int cmd_mirror_status(int argc, char **argv);
int cmd_mirror_monitor(int argc, char **argv);
/* fail, remove, add, replace, mark, check, repair and limits */
int cmd_mirror_ctl(int argc, char **argv);

/* struct mirror_serving - how a set is to be served; on the stack of the command */
struct mirror_serving {
	struct serving serving;
	bool degraded;		/* legs may be missing */
	bool dry_run;		/* tell only what would be served */
	struct mirror_limits limits;
};

#define MIRROR_SERVING_DEFAULTS	{ .serving = SERVING_DEFAULTS, .limits = MIRROR_LIMITS_DEFAULTS }

/*
 * The legs at @paths, or if there are none, those of set @name among all block devices; in *s and *c,
 * which the caller frees, also after an error.  How many; -errno after a message.
 */
int mirror_candidates(const char *cmd, const struct strlist *paths, const char *name, struct scan *s,
		      struct candidate **c);

/* As assemble(). */
void mirror_decide(const struct candidate *c, unsigned int nr, bool degraded, struct assembly *a);

/* Is it the set that the user has named?  Its legs may have been given.  False after a message. */
bool mirror_is_meant(const char *cmd, const struct assembly *a, const char *name);

/* A leg that is not here is missing if it is in sync; else what the record says is enough. */
const char *mirror_leg_state(const struct assembly *a, unsigned int slot);

/* NULL: it is not here. */
const char *mirror_leg_path(const struct candidate *c, const struct assembly *a, unsigned int slot);

/*
 * Decide which of the legs in @c can be served, and serve them, or only say so.  @name: the
 * set's name or UUID, if the user gave it, or NULL.  The exit status.
 */
int mirror_assemble(const char *cmd, const struct candidate *c, unsigned int nr, const char *name,
		    struct mirror_serving *s);

/*
 * Serve a set: @a says which legs, c[a->leg[SLOT]].path where each is.  They were read without
 * being taken; who takes them looks once more.  The exit status.
 */
int mirror_serve(const char *cmd, const struct candidate *c, const struct assembly *a,
		 struct mirror_serving *s);

/* A set's name: 1 to 63 bytes that can stand in a path, and that are no UUID. */
bool mirror_name_is_good(const char *name);

/* False after a message. */
bool mirror_limits_are_right(const char *cmd, const struct mirror_limits *l);

/* The one word of a command that needs a set's name, or NULL after a message. */
const char *mirror_name_of(char **argv, unsigned int nr_words);

void mirror_json_uuid(struct json *j, const char *key, const u8 uuid[16]);
/* The slot to read where legs may differ, or null. */
void mirror_json_source(struct json *j, u8 source);

#endif
