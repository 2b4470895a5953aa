// SPDX-License-Identifier: GPL-2.0
/* Regions that are being copied: which writes wait, and when they go on. */
#include <criterion/criterion.h>

#include "check.h"
#include "targets/mirror/record.h"
#include "targets/mirror/region.h"

#define MIB	(1ULL << 20)

struct waiter {
	struct record_wait w;
	_Atomic unsigned int woken;
	bool free;		/* seen in wake() */
};

static struct regions g;

static void setup(void)
{
	regions_init(&g);
}

static void teardown(void)
{
	regions_deinit(&g);
}

TestSuite(mirror_region, .init = setup, .fini = teardown, .timeout = 60);

static void woken(struct record_wait *w)
{
	struct waiter *wt = (struct waiter *)w;

	wt->free = region_free(&g, MIB, 4096);
	wt->woken++;
}

Test(mirror_region, only_what_overlaps_is_not_free)
{
	int i = region_lock(&g, MIB, MIB);

	cr_assert_geq(i, 0);
	cr_assert(region_free(&g, MIB - 4096, 4096), "it ends where the region begins");
	cr_assert(region_free(&g, 2 * MIB, 4096), "it begins where the region ends");
	cr_assert(region_free(&g, 0, 512));
	cr_assert_not(region_free(&g, MIB - 4096, 4096 + 512), "its last sector");
	cr_assert_not(region_free(&g, 2 * MIB - 512, 4096), "its first sector");
	cr_assert_not(region_free(&g, 0, 8 * MIB), "all around it");
	cr_assert_not(region_free(&g, MIB + 4096, 512), "inside");
	region_unlock(&g, i);
	cr_assert(region_free(&g, MIB, MIB));
}

Test(mirror_region, regions_that_overlap_or_are_too_many_are_refused)
{
	int index[REGIONS];

	for (unsigned int i = 0; i < REGIONS; i++) {
		index[i] = region_lock(&g, 2 * i * MIB, MIB);
		cr_assert_geq(index[i], 0);
		cr_assert_eq(region_lock(&g, 2 * i * MIB + 512, 512), -EBUSY);
	}
	cr_assert_eq(region_lock(&g, 100 * MIB, MIB), -EBUSY);
	region_unlock(&g, index[2]);
	cr_assert_geq(region_lock(&g, 100 * MIB, MIB), 0);
	for (unsigned int i = 0; i < REGIONS; i++)
		cr_assert_eq(region_free(&g, 2 * i * MIB, 512), i == 2, "region %u", i);
}

Test(mirror_region, what_waits_is_woken_once_when_the_region_is_free)
{
	struct waiter a = { .w.wake = woken }, b = { .w.wake = woken };
	int i = region_lock(&g, MIB, MIB), j = region_lock(&g, 8 * MIB, MIB);

	cr_assert_eq(region_wait(&g, &a.w, 0, 512), 0, "it is free after all");
	cr_assert_eq(region_wait(&g, &a.w, MIB, 512), RECORD_PARKED);
	cr_assert_eq(region_wait(&g, &b.w, 8 * MIB, 512), RECORD_PARKED);
	region_unlock(&g, i);
	cr_assert_eq(a.woken, 1);
	cr_assert(a.free, "it asks again, and would wait for ever");
	cr_assert_eq(b.woken, 0);
	region_unlock(&g, j);
	cr_assert_eq(b.woken, 1);
	cr_assert_eq(a.woken, 1);
}

/* Without the lock: a request that asks again in wake() is parked on another region. */
static void park_again(struct record_wait *w)
{
	struct waiter *wt = (struct waiter *)w;

	wt->woken++;
	cr_assert_eq(region_wait(&g, w, 8 * MIB, 512), RECORD_PARKED);
}

Test(mirror_region, what_is_woken_may_wait_again)
{
	struct waiter a = { .w.wake = park_again };
	int i = region_lock(&g, MIB, MIB), j = region_lock(&g, 8 * MIB, MIB);

	cr_assert_eq(region_wait(&g, &a.w, MIB, 512), RECORD_PARKED);
	region_unlock(&g, i);
	cr_assert_eq(a.woken, 1);
	a.w.wake = woken;
	region_unlock(&g, j);
	cr_assert_eq(a.woken, 2);
}
