// SPDX-License-Identifier: GPL-2.0
/* What the owner of a set allows it, from the command to the server. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "targets/mirror/limit.h"

static const struct mirror_limits all = {
	.resync_min = 1 << 20, .resync_max = 5 << 20, .leg_timeout = 30, .read_errors = 0,
};

/* As the server gets it.  0 or -EINVAL. */
static int send(const struct mirror_limits *from, struct mirror_limits *to, const char **why)
{
	char words[MIRROR_LIMITS_NR][MIRROR_LIMIT_WORD], *argv[1 + MIRROR_LIMITS_NR] = { "limits" };
	unsigned int nr = mirror_limits_words(from, words);

	for (unsigned int i = 0; i < nr; i++)
		argv[1 + i] = words[i];
	return mirror_limits_change(to, 1 + nr, argv, why);
}

static bool same(const struct mirror_limits *a, const struct mirror_limits *b)
{
	return a->resync_min == b->resync_min && a->resync_max == b->resync_max &&
	       a->leg_timeout == b->leg_timeout && a->read_errors == b->read_errors;
}

Test(mirror_limit, all_of_them_arrive)
{
	struct mirror_limits l = MIRROR_LIMITS_DEFAULTS;
	const char *why;

	cr_assert_eq(send(&all, &l, &why), 0, "%s", why);
	cr_assert(same(&l, &all));
}

Test(mirror_limit, those_that_are_not_given_stay)
{
	struct mirror_limits some = MIRROR_LIMITS_UNSET, l = all;
	char words[MIRROR_LIMITS_NR][MIRROR_LIMIT_WORD];
	const char *why;

	cr_assert_eq(mirror_limits_words(&some, words), 0);
	some.leg_timeout = 7;
	cr_assert_eq(mirror_limits_words(&some, words), 1);
	cr_assert_str_eq(words[0], "--leg-timeout=7");
	cr_assert_eq(send(&some, &l, &why), 0, "%s", why);
	cr_assert_eq(l.leg_timeout, 7);
	l.leg_timeout = all.leg_timeout;
	cr_assert(same(&l, &all));
}

Test(mirror_limit, a_least_above_the_most_is_refused_and_changes_nothing)
{
	struct mirror_limits some = MIRROR_LIMITS_UNSET, l = all;
	const char *why;

	some.read_errors = 5;
	some.resync_min = 6 << 20;
	cr_assert_eq(send(&some, &l, &why), -EINVAL);
	cr_assert(strstr(why, "--resync-min"), "%s", why);
	cr_assert(same(&l, &all));
	/* 0 is no limit */
	some.resync_max = 0;
	cr_assert_eq(send(&some, &l, &why), 0);
}

Test(mirror_limit, words_that_are_none_are_refused)
{
	static char *const bad[] = { "", "5", "--leg-timeout", "--leg-timeout=x", "--leg-timeout=99999999",
				     "--resync-max=1000", "--resync-max=-1024", "--help", "--other=1" };

	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
		char *argv[] = { "limits", bad[i] };
		struct mirror_limits l = all;
		const char *why;

		cr_assert_eq(mirror_limits_change(&l, 2, argv, &why), -EINVAL, "%s", bad[i]);
		cr_assert(strstr(why, "--leg-timeout=SECONDS"), "%s: %s", bad[i], why);
		cr_assert(same(&l, &all), "%s", bad[i]);
	}
}
