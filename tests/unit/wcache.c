// SPDX-License-Identifier: GPL-2.0
/*
 * What a power cut leaves of a disk with a volatile write cache, by the model of tests/lib/wcache.h:
 * the proof of power cuts (guest/powercut.c) is as good as that.
 */
#include <criterion/criterion.h>
#include <string.h>
#include <unistd.h>

#include "proc.h"
#include "wcache.h"

#define SIZE		65536
#define SECTOR		WCACHE_SECTOR
#define CUTS		200

static struct wcache *c;
static u8 image[SIZE], data[WCACHE_WRITE_MAX];
static u32 seed;

static void setup(void)
{
	c = wcache_alloc(SIZE);
	seed = 1;
}

TestSuite(wcache, .init = setup, .timeout = 60);

/* @nr sectors at sector @at, all bytes @byte. */
static unsigned int takes(u32 at, u32 nr, u8 byte, bool fua)
{
	memset(data, byte, nr * SECTOR);
	return wcache_write(c, at * SECTOR, nr * SECTOR, fua, data);
}

static void writes(u32 at, u32 nr, u8 byte)
{
	wcache_answer(c, takes(at, nr, byte, false));
}

static void flushes(void)
{
	wcache_flushed(c, wcache_flush(c));
}

static void cut(unsigned int lost, unsigned int torn)
{
	wcache_cut(c, &(struct wcache_cut){ lost, torn, &seed }, image);
}

/* Each sector is whole, in every case. */
static u8 left_at(u32 at)
{
	const u8 *p = image + at * SECTOR;

	cr_assert(!memcmp(p, p + 1, SECTOR - 1), "sector %u is torn inside", at);
	return *p;
}

/* Of a number of cuts of all kinds, how many leave @byte in sector @at. */
static unsigned int leave(u32 at, u8 byte)
{
	unsigned int nr = 0;

	for (unsigned int i = 0; i < CUTS; i++) {
		cut(i % 5 * 25, i % 3 * 50);
		nr += left_at(at) == byte;
	}
	return nr;
}

static void is_durable(u32 at, u8 byte, const char *what)
{
	unsigned int nr = leave(at, byte);

	cr_assert_eq(nr, CUTS, "%s: sector %u holds it after %u of %u cuts", what, at, nr, CUTS);
}

static void may_be_lost(u32 at, u8 byte, const char *what)
{
	unsigned int nr = leave(at, byte);

	cr_assert(nr && nr < CUTS, "%s: sector %u holds it after %u of %u cuts", what, at, nr, CUTS);
}

Test(wcache, what_is_written_is_read_at_once)
{
	u8 buf[SECTOR];

	takes(3, 1, 7, false);
	wcache_read(c, 3 * SECTOR, SECTOR, buf);
	cr_assert_eq(buf[0], 7);
	cr_assert_eq(buf[SECTOR - 1], 7);
	cr_assert_eq(wcache_durable(c)[3 * SECTOR], 0, "it is durable already");
}

Test(wcache, a_write_may_be_lost_in_flight_and_answered)
{
	unsigned int nr = takes(0, 1, 1, false);

	may_be_lost(0, 1, "in flight");
	wcache_answer(c, nr);
	may_be_lost(0, 1, "answered");
}

Test(wcache, a_flushed_write_is_never_lost)
{
	writes(0, 4, 1);
	flushes();
	for (u32 i = 0; i < 4; i++)
		is_durable(i, 1, "flushed");
}

Test(wcache, a_flush_covers_what_was_answered_before_it_came)
{
	unsigned int in_flight = takes(1, 1, 2, false);
	u32 flush;

	writes(0, 1, 1);
	flush = wcache_flush(c);
	wcache_answer(c, in_flight);
	writes(2, 1, 3);
	may_be_lost(0, 1, "before the flush is answered");
	wcache_flushed(c, flush);
	is_durable(0, 1, "answered before");
	may_be_lost(1, 2, "in flight when it came");
	may_be_lost(2, 3, "came behind it");
}

Test(wcache, a_fua_write_is_durable_when_answered_and_takes_nothing_along)
{
	unsigned int nr;

	writes(0, 1, 1);
	nr = takes(1, 1, 2, true);
	may_be_lost(1, 2, "FUA, in flight");
	wcache_answer(c, nr);
	is_durable(1, 2, "FUA");
	may_be_lost(0, 1, "before a FUA");
}

/* A disk knows which of two is newer. */
Test(wcache, an_older_write_does_not_come_back)
{
	writes(0, 3, 1);
	wcache_answer(c, takes(1, 1, 2, true));
	is_durable(1, 2, "FUA over a cached write");
	may_be_lost(0, 1, "beside it");
	flushes();
	is_durable(1, 2, "then flushed");
	is_durable(2, 1, "then flushed");
}

/* One that came later, and is not durable yet, does. */
Test(wcache, a_newer_write_stays_in_the_cache)
{
	unsigned int older = takes(0, 1, 1, true);

	writes(0, 1, 2);
	wcache_answer(c, older);
	may_be_lost(0, 2, "newer than a FUA");
	cut(100, 0);
	cr_assert_eq(left_at(0), 1, "the FUA write is lost");
}

Test(wcache, any_of_several_writes_may_survive)
{
	bool seen[4] = { false };

	writes(0, 1, 1);
	writes(1, 1, 2);
	for (unsigned int i = 0; i < CUTS; i++) {
		cut(50, 0);
		seen[(left_at(0) == 1) + 2 * (left_at(1) == 2)] = true;
	}
	for (unsigned int i = 0; i < 4; i++)
		cr_assert(seen[i], "no cut leaves combination %u", i);
}

Test(wcache, a_torn_write_is_torn_at_any_sector)
{
	bool seen[1 << 3] = { false };

	writes(0, 3, 1);
	for (unsigned int i = 0; i < CUTS; i++) {
		unsigned int is = 0;

		cut(0, 100);
		for (u32 at = 0; at < 3; at++)
			is |= (unsigned int)left_at(at) << at;
		seen[is] = true;
	}
	for (unsigned int i = 0; i < 1 << 3; i++)
		cr_assert(seen[i], "no cut leaves sectors %#x", i);
	cut(0, 0);
	for (u32 at = 0; at < 3; at++)
		cr_assert_eq(left_at(at), 1, "torn without a word");
}

Test(wcache, what_is_behind_a_write_is_left_alone)
{
	writes(0, 8, 1);
	flushes();
	writes(2, 3, 2);
	for (unsigned int i = 0; i < CUTS; i++) {
		cut(i % 5 * 25, 50);
		for (u32 at = 0; at < 8; at++)
			cr_assert(left_at(at) == 1 || (at >= 2 && at < 5), "sector %u", at);
	}
}

Test(wcache, a_cache_that_is_full_writes_what_is_oldest)
{
	unsigned int in_flight = takes(1, 1, 9, false);

	for (unsigned int i = 0; i < 2 * WCACHE_WRITES; i++)
		writes(i == 0 ? 0 : 2 + i % 8, 1, 1 + i % 8);
	is_durable(0, 1, "the oldest");
	may_be_lost(1, 9, "in flight");
	wcache_answer(c, in_flight);
}

Test(wcache, the_same_seed_cuts_in_the_same_way)
{
	static u8 again[SIZE];

	for (u32 i = 0; i < 64; i++)
		writes(i, 1, 1 + i);
	seed = 5;
	cut(50, 50);
	memcpy(again, image, SIZE);
	cut(50, 50);
	cr_assert(memcmp(again, image, SIZE), "another number, the same cut");
	seed = 5;
	cut(50, 50);
	cr_assert(!memcmp(again, image, SIZE));
}

Test(wcache, after_the_cut_all_that_is_there_is_durable)
{
	writes(0, 2, 1);
	cut(0, 0);
	writes(0, 1, 2);
	wcache_load(c, image);
	is_durable(0, 1, "loaded");
	is_durable(1, 1, "loaded");
}

static int write_outside(void *arg)
{
	close(2);
	wcache_write(c, SIZE - SECTOR, 2 * SECTOR, false, data);
	return 0;
}

static int answer_twice(void *arg)
{
	unsigned int nr = takes(0, 1, 1, false);

	close(2);
	wcache_answer(c, nr);
	wcache_answer(c, nr);
	return 0;
}

static int load_in_flight(void *arg)
{
	close(2);
	takes(0, 1, 1, false);
	wcache_load(c, image);
	return 0;
}

Test(wcache, what_makes_no_sense_ends_the_test)
{
	cr_assert_eq(proc_run(write_outside, NULL), 99, "a write outside of the disk");
	cr_assert_eq(proc_run(answer_twice, NULL), 99, "a second answer");
	cr_assert_eq(proc_run(load_in_flight, NULL), 99, "a cut with writes in flight");
}
