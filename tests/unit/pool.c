// SPDX-License-Identifier: GPL-2.0
#include <criterion/criterion.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "pool.h"

#define NR	8
#define SIZE	10000	/* three pages each */

static struct pool pool;

static void setup(void)
{
	cr_assert_eq(pool_init(&pool, NR, SIZE), 0);
}

static void teardown(void)
{
	pool_deinit(&pool);
}

TestSuite(pool, .init = setup, .fini = teardown, .timeout = 60);

static unsigned int resident(void)
{
	unsigned char vec[NR * 3];
	unsigned int n = 0;

	cr_assert_eq(mincore(pool.mem, sizeof(vec) * getpagesize(), vec), 0);
	for (unsigned int i = 0; i < sizeof(vec); i++)
		n += vec[i] & 1;
	return n;
}

Test(pool, buffers_are_distinct_and_run_out)
{
	char *bufs[NR];

	for (unsigned int i = 0; i < NR; i++) {
		bufs[i] = pool_get(&pool);
		cr_assert_not_null(bufs[i], "buffer %u", i);
		memset(bufs[i], i, SIZE);
	}
	cr_assert_null(pool_get(&pool));
	for (unsigned int i = 0; i < NR; i++) {
		cr_assert_eq(bufs[i][0], i, "buffer %u: begin", i);
		cr_assert_eq(bufs[i][SIZE - 1], i, "buffer %u: end", i);
		pool_put(&pool, bufs[i]);
	}
	for (unsigned int i = 0; i < NR; i++)
		cr_assert_not_null(pool_get(&pool), "buffer %u once more", i);
}

Test(pool, only_what_is_in_use_at_once_has_memory)
{
	for (unsigned int i = 0; i < 100; i++) {
		char *a = pool_get(&pool), *b = pool_get(&pool);

		memset(a, 1, SIZE);
		memset(b, 2, SIZE);
		pool_put(&pool, a);
		pool_put(&pool, b);
	}
	cr_assert_eq(resident(), 6, "pages: %u", resident());
}

Test(pool, trim_gives_all_memory_back_and_leaves_the_pool_usable)
{
	char *a = pool_get(&pool), *b = pool_get(&pool);

	memset(a, 1, SIZE);
	memset(b, 1, SIZE);
	cr_assert_eq(pool_trim(&pool), 0, "one is taken");
	cr_assert_eq(resident(), 6);
	pool_put(&pool, a);
	cr_assert_eq(pool_trim(&pool), 0, "one is taken");
	pool_put(&pool, b);
	cr_assert_eq(pool_trim(&pool), (size_t)6 * getpagesize());
	cr_assert_eq(resident(), 0);
	cr_assert_eq(pool_trim(&pool), 0, "nothing to give");

	a = pool_get(&pool);
	memset(a, 3, SIZE);
	cr_assert_eq(resident(), 3);
	pool_put(&pool, a);
}

/* A server locks its memory. */
Test(pool, trim_gives_locked_memory_back)
{
	char *a = pool_get(&pool);

	if (mlock2(pool.mem, NR * pool.size, MLOCK_ONFAULT))
		cr_skip_test("RLIMIT_MEMLOCK is too small");
	cr_assert_eq(resident(), 0, "what was not touched has memory: %u pages", resident());
	memset(a, 1, SIZE);
	cr_assert_eq(resident(), 3);
	pool_put(&pool, a);
	pool_trim(&pool);
	cr_assert_eq(resident(), 0, "%u pages are left", resident());
}

Test(pool, deinit_is_fine_twice)
{
	pool_deinit(&pool);
	pool_deinit(&pool);
}
