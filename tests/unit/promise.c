// SPDX-License-Identifier: GPL-2.0
/* What a disk may hold after a power cut, by tests/lib/promise.h: each thing that is wrong is told. */
#include <criterion/criterion.h>
#include <string.h>

#include "promise.h"

#define SECTORS	8
#define SIZE	(SECTORS * PROMISE_SECTOR)

static struct promise *p;
static u8 disk[SIZE];
static char why[256];

static void setup(void)
{
	p = promise_alloc(SIZE);
}

TestSuite(promise, .init = setup, .timeout = 60);

static u8 *sector(u32 at)
{
	return disk + at * PROMISE_SECTOR;
}

static void holds(u32 at, u32 nr)
{
	promise_fill(sector(at), PROMISE_SECTOR, nr, at * PROMISE_SECTOR);
}

static bool is_kept(void)
{
	return promise_kept(p, disk, why, sizeof(why));
}

Test(promise, a_sector_says_the_write_that_it_is_of)
{
	cr_assert_eq(promise_found(sector(3), 3 * PROMISE_SECTOR), 0, "zeroes");
	holds(3, 77);
	cr_assert_eq(promise_found(sector(3), 3 * PROMISE_SECTOR), 77);
	cr_assert_eq(promise_found(sector(3), 4 * PROMISE_SECTOR), PROMISE_BAD, "in another place");
}

Test(promise, a_sector_that_is_torn_inside_is_none)
{
	u8 older[PROMISE_SECTOR];

	holds(3, 77);
	memcpy(older, sector(3), PROMISE_SECTOR);
	for (u32 at = 1; at < PROMISE_SECTOR; at++) {
		holds(3, 78);
		memcpy(sector(3) + at, older + at, PROMISE_SECTOR - at);
		cr_assert_eq(promise_found(sector(3), 3 * PROMISE_SECTOR), PROMISE_BAD, "at byte %u", at);
	}
	memset(sector(3), 0, PROMISE_SECTOR);
	sector(3)[PROMISE_SECTOR - 1] = 1;
	cr_assert_eq(promise_found(sector(3), 3 * PROMISE_SECTOR), PROMISE_BAD, "zeroes but for a byte");
}

Test(promise, what_is_safe_or_newer_is_kept)
{
	p->sectors[2] = (struct promise_sector){ .safe = 5, .acked = 6, .sent = 8 };
	for (u32 nr = 5; nr <= 8; nr++) {
		holds(2, nr);
		cr_assert(is_kept(), "write %u: %s", nr, why);
	}
	holds(2, 4);
	cr_assert(!is_kept(), "an older one");
	cr_assert(strstr(why, "sector 2 holds write 4; safe was 5"), "%s", why);
	holds(2, 9);
	cr_assert(!is_kept(), "one that was not sent");
	memset(sector(2), 0, PROMISE_SECTOR);
	cr_assert(!is_kept(), "none");
	memset(sector(2), 1, PROMISE_SECTOR);
	cr_assert(!is_kept(), "rubbish");
	cr_assert(strstr(why, "sector 2 holds nothing"), "%s", why);
}

Test(promise, a_flush_makes_safe_what_was_acknowledged)
{
	p->sectors[1] = (struct promise_sector){ .safe = 1, .acked = 3, .sent = 4 };
	holds(1, 2);
	cr_assert(is_kept(), "%s", why);
	promise_flushed(p);
	cr_assert(!is_kept(), "it was flushed, and is lost");
	holds(1, 4);
	cr_assert(is_kept(), "%s", why);
}

Test(promise, what_was_seen_stays)
{
	p->sectors[1] = (struct promise_sector){ .safe = 1, .acked = 3, .sent = 4 };
	holds(1, 2);
	promise_settle(p, disk);
	cr_assert(is_kept(), "%s", why);
	holds(1, 4);
	cr_assert(!is_kept(), "it was another one when it was read");
}
