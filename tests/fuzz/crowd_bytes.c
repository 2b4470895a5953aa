// SPDX-License-Identifier: GPL-2.0
/* See crowd_bytes.h. */
#include <errno.h>
#include <string.h>
#include <stdlib.h>

#include "crowd.h"
#include "crowd_bytes.h"
#include "lender.h"
#include "pattern.h"

enum { SEED_BUF = 1, SEED_SOURCE = 100, SEED_CLIENT, SEED_POISON };
#define PAGE	4096U

/* Patterns are made once: to compare with them is all that is done here. */
static u8 source[BUF_LEN + PAGE];
static u8 (*own)[BUF_LEN];

static void init(void)
{
	if (own)
		return;
	own = malloc((size_t)NR_BUFS * BUF_LEN);
	must(own, "no memory");
	for (unsigned int b = 0; b < NR_BUFS; b++)
		pat_fill(own[b], BUF_LEN, SEED_BUF + b, 0);
	for (unsigned int i = 0; i < sizeof(source); i += PAGE)
		pat_fill(source + i, PAGE, SEED_SOURCE, 0);
}

void bytes_source(void *buf, size_t len, u64 pos)
{
	u8 *p = buf;
	size_t n;

	init();
	for (; len; len -= n, p += n, pos += n) {
		n = len < BUF_LEN ? len : BUF_LEN;
		memcpy(p, source + pos % PAGE, n);
	}
}

void bytes_client(void *buf, size_t len, u64 pos)
{
	pat_fill(buf, len, SEED_CLIENT, pos);
}

void bytes_poison(void *buf, size_t len, u64 pos)
{
	pat_fill(buf, len, SEED_POISON, pos);
}

/* One segment, sixteen pages, or some of odd lengths at odd places in a page. */
static unsigned int shape(unsigned int b, struct lend_test_seg *seg)
{
	u32 left = BUF_LEN, unit = b % 3 == 1 ? PAGE : 8 * (500 + 37 * b);
	unsigned int nr = 0;

	if (b % 3 == 0)
		unit = BUF_LEN;
	for (; left; left -= seg[nr++].len) {
		seg[nr].offset = b % 3 == 2 ? 8 * (nr * 61 % 512) : 0;
		seg[nr].len = left < unit ? left : unit;
	}
	return nr;
}

void bytes_setup(int lender)
{
	struct lend_test_seg seg[64];

	init();
	for (unsigned int b = 0; b < NR_BUFS; b++) {
		const struct lend_spec spec = {
			.segs = seg, .nr_segs = shape(b, seg),
			.dir = b < BUF_MUTABLE ? LEND_TEST_SOURCE :
			       b < BUF_DEST ? LEND_BOTH : LEND_TEST_DEST,
			.error = b == BUF_ERROR ? EIO : 0,
		};

		lender_setup(lender, b, &spec);
		lender_write(lender, b, 0, b >= BUF_SOURCE ? source : own[b], BUF_LEN);
	}
}

/* @mutable: each byte may be the source's, too. */
static bool match(const u8 *p, u32 len, const u8 *want, u32 pos, bool mutable)
{
	const u8 *src = source + pos % PAGE;

	if (!memcmp(p, want, len))
		return true;
	for (u32 i = 0; mutable && i < len; i++)
		if (p[i] != want[i] && p[i] != src[i])
			return false;
	return mutable;
}

int bytes_damaged(int lender)
{
	static u8 now[BUF_LEN];

	for (unsigned int b = 0; b < BUF_SINK; b++) {
		lender_read(lender, b, 0, now, BUF_LEN);
		if (!match(now, BUF_LEN, own[b], 0, b >= BUF_MUTABLE))
			return b;
	}
	return -1;
}

static bool of_buf(const u8 *p, u32 len, unsigned int b, u64 addr)
{
	/* on purpose: 1 for 0 */
	unsigned int is = crowd->wrong == CROWD_WRONG_DATA && b < 8 ? b ^ 1 : b;

	/* a loan begins on a page, and nobody knows any more on which */
	for (u64 pos = addr; pos + len <= BUF_LEN; pos += PAGE)
		if (match(p, len, own[is] + pos, pos, b >= BUF_MUTABLE))
			return true;
	return false;
}

static bool of_client(const u8 *p, u32 len)
{
	const u64 inverse = 0xf1de83e19937733dULL;	/* of pattern.c's multiplier */
	u64 word;

	if (len < 8)
		return true;
	memcpy(&word, p, 8);
	word *= inverse;
	return word >> 40 == SEED_CLIENT &&
	       pat_diff(p, len, SEED_CLIENT, (word & 0xffffffffffULL) * 8) < 0;
}

bool bytes_of_slot(const u8 *p, u32 len, u64 held, u64 addr)
{
	init();
	__atomic_fetch_add(&crowd->bytes, len, __ATOMIC_RELAXED);
	if (!len || !memcmp(p, source + addr % PAGE, len))
		return true;
	if ((held & HELD_UBLK) && of_client(p, len))
		return true;
	for (unsigned int b = 0; b < BUF_DEST; b++)
		if ((held & 1ULL << b) && of_buf(p, len, b, addr))
			return true;
	return false;
}

bool bytes_of_disk(const u8 *p, u32 len, u64 pos)
{
	u8 *poison = malloc(len + 1);
	bool ok;

	init();
	must(poison, "no memory");
	bytes_poison(poison, len, pos);
	__atomic_fetch_add(&crowd->bytes, len, __ATOMIC_RELAXED);
	ok = match(p, len, poison, 0, crowd->wrong != CROWD_WRONG_READ);
	free(poison);
	return ok;
}
