/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the owner of a set allows it: options of the commands that serve one, and of `mirror limits`,
 * which changes them while it is served.
 */
#ifndef SRV_MIRROR_LIMIT_H
#define SRV_MIRROR_LIMIT_H

#include "../../opts.h"

/*
 * struct mirror_limits - the values; 0: no limit
 * Plain data, of the command and then of the server.
 * @resync_min, @resync_max: bytes a second that are copied or compared: at least, also while clients
 *	are at work; at most
 * @leg_timeout: s; a leg that has not answered for so long is failed
 * @read_errors: of a leg within an hour; with more than these it is failed
 */
struct mirror_limits {
	u64 resync_min, resync_max;
	unsigned int leg_timeout, read_errors;
};

#define MIRROR_LIMITS_DEFAULTS	{ .read_errors = 20 }
/* What no option changes, see mirror_limits_words(). */
#define MIRROR_LIMITS_UNSET \
	{ .resync_min = UINT64_MAX, .resync_max = UINT64_MAX, .leg_timeout = UINT32_MAX, .read_errors = UINT32_MAX }

/* Offsets are in struct mirror_limits. */
extern const struct opt mirror_limit_opts[];
#define MIRROR_LIMITS_NR	4
#define MIRROR_LIMIT_WORD	48	/* bytes of a word, with the 0 */

/* Do they agree with each other?  NULL, or what would be right. */
const char *mirror_limits_check(const struct mirror_limits *l);

/* Those that are set, as words for mirror_limits_change().  How many. */
unsigned int mirror_limits_words(const struct mirror_limits *l, char words[MIRROR_LIMITS_NR][MIRROR_LIMIT_WORD]);

/* As argv[1..] say.  0; -EINVAL with *why, and *l as it was. */
int mirror_limits_change(struct mirror_limits *l, int argc, char **argv, const char **why);

#endif
