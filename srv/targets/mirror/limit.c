// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "limit.h"

#define LIMIT_OPT(member)	.offset = offsetof(struct mirror_limits, member)
/* A rate of nearly nothing is not what 0 says. */
#define LIMIT_RATE		.type = OPT_SIZE, .arg = "SIZE", .max = 1ULL << 50, .align = 1024

const struct opt mirror_limit_opts[] = {
	{ .name = "resync-min", LIMIT_RATE, LIMIT_OPT(resync_min),
	  .help = "bytes a second to copy at least, beside clients [0: a quarter of the time]" },
	{ .name = "resync-max", LIMIT_RATE, LIMIT_OPT(resync_max),
	  .help = "bytes a second to copy at most [0: any]" },
	{ .name = "leg-timeout", .type = OPT_UINT, .arg = "SECONDS", .max = 86400, LIMIT_OPT(leg_timeout),
	  .help = "fail a leg that has not answered for so long [0: wait for it]" },
	{ .name = "read-errors", .type = OPT_UINT, .arg = "N", .max = 1000000, LIMIT_OPT(read_errors),
	  .help = "fail a leg with more of them within an hour, 0: never [20]" },
	{ 0 }
};

_Static_assert(ARRAY_SIZE(mirror_limit_opts) == MIRROR_LIMITS_NR + 1, "a limit without a word");

const char *mirror_limits_check(const struct mirror_limits *l)
{
	if (l->resync_max && l->resync_min > l->resync_max)
		return "--resync-min is more than --resync-max; right is as much, or less";
	return NULL;
}

/* UINT64_MAX: it is not set. */
static u64 limit_value(const struct mirror_limits *l, const struct opt *o)
{
	const char *at = (const char *)l + o->offset;

	if (o->type == OPT_SIZE)
		return *(const u64 *)at;
	return *(const unsigned int *)at == UINT32_MAX ? UINT64_MAX : *(const unsigned int *)at;
}

unsigned int mirror_limits_words(const struct mirror_limits *l, char words[MIRROR_LIMITS_NR][MIRROR_LIMIT_WORD])
{
	unsigned int nr = 0;

	for (const struct opt *o = mirror_limit_opts; o->name; o++) {
		u64 value = limit_value(l, o);

		if (value != UINT64_MAX)
			snprintf(words[nr++], MIRROR_LIMIT_WORD, "--%s=%" PRIu64, o->name, value);
	}
	return nr;
}

int mirror_limits_change(struct mirror_limits *l, int argc, char **argv, const char **why)
{
	struct mirror_limits next = *l;
	const struct opt_group group = { mirror_limit_opts, &next };

	*why = "right are --resync-min=BYTES, --resync-max=BYTES, --leg-timeout=SECONDS, --read-errors=N";
	if (opts_parse(argc, argv, &group, 1))
		return -EINVAL;
	*why = mirror_limits_check(&next);
	if (*why)
		return -EINVAL;
	*l = next;
	return 0;
}
