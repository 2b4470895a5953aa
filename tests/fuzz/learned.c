// SPDX-License-Identifier: GPL-2.0
#include <stdio.h>
#include <string.h>

#include "learned.h"

/* Of a byte: it was written to.  Of a unit's first one: the loan knows so; one user has written to all of it. */
#define WRITTEN	1
#define AHEAD	2
#define ALONE	4

static bool has_units(const struct learned *l)
{
	return l->unit && l->unit != LEND_TEST_NO_MAP;
}

static u32 unit_end(const struct learned *l, u32 from)
{
	return l->len - from < l->unit ? l->len : from + l->unit;
}

void learned_init(struct learned *l, u32 unit, u32 len)
{
	memset(l, 0, offsetof(struct learned, bytes));
	l->unit = unit;
	l->len = len;
	memset(l->bytes, 0, len);
}

static void add_error(struct learned_errors *e, int error)
{
	for (unsigned int i = 0; i < e->nr && i < LEARNED_ERRORS; i++)
		if (e->v[i] == error)
			return;
	if (e->nr < LEARNED_ERRORS)
		e->v[e->nr] = error;
	e->nr++;
}

static bool is_one_of(const struct learned_errors *e, int error)
{
	for (unsigned int i = 0; i < e->nr && i < LEARNED_ERRORS; i++)
		if (e->v[i] == error)
			return true;
	return e->nr > LEARNED_ERRORS;
}

void learned_used(struct learned *l, u64 asked, int res)
{
	if (!l->unit)
		return;
	if (res >= 0 && (u64)res == asked) {
		l->full++;
		return;
	}
	l->not_full++;
	if (res < 0)
		add_error(&l->errors, res);
}

/* From the unit that @filled is in on: how far units with @flag go. */
static u32 go_on(const struct learned *l, u32 filled, u8 flag)
{
	u32 at = has_units(l) ? filled / l->unit * l->unit : l->len;

	while (at < l->len && (l->bytes[at] & flag)) {
		at = unit_end(l, at);
		if (at > filled)
			filled = at;
	}
	return filled;
}

void learned_fill(struct learned *l, u32 from, u32 len, u64 batch)
{
	u32 end = from + len;

	if (!l->unit || !len)
		return;
	l->together |= l->batch == batch;
	l->batch = batch;
	for (u32 i = from; i < end; i++)
		l->bytes[i] |= WRITTEN;
	for (u32 i = has_units(l) ? (from + l->unit - 1) / l->unit * l->unit : end; i < end && unit_end(l, i) <= end; i += l->unit)
		l->bytes[i] |= ALONE | (from > l->filled ? AHEAD : 0);
	if (from <= l->filled && end > l->filled)
		l->filled = go_on(l, end, AHEAD);
}

/* Whatever the order was. */
static struct learned_range filled_range(const struct learned *l)
{
	struct learned_range r = { l->filled, l->filled };

	if (!l->together)
		return r;
	r.max = 0;
	while (r.max < l->len && (l->bytes[r.max] & WRITTEN))
		r.max++;
	r.min = go_on(l, 0, ALONE);
	return r;
}

static struct learned_range units_range(const struct learned *l)
{
	struct learned_range r = { 0, 0 };

	for (u32 i = 0; has_units(l) && i < l->len; i = unit_end(l, i)) {
		r.min += !!(l->bytes[i] & AHEAD);
		r.max += !!(l->bytes[i] & ALONE);
	}
	if (l->together)
		r.min = 0;
	else
		r.max = r.min;
	return r;
}

static void widen(struct learned_range *all, const struct learned_range *r)
{
	if (r->min < all->min)
		all->min = r->min;
	if (r->max > all->max)
		all->max = r->max;
}

void learned_back(struct learned_all *all, const struct learned *l)
{
	struct learned_range filled = filled_range(l), units = units_range(l);

	if (!l->unit)
		return;
	all->full += l->full;
	all->not_full += l->not_full;
	if (!all->back++) {
		all->filled = filled;
		all->units = units;
		all->errors.nr = 0;
	}
	widen(&all->filled, &filled);
	widen(&all->units, &units);
	for (unsigned int i = 0; i < l->errors.nr && i < LEARNED_ERRORS; i++)
		add_error(&all->errors, l->errors.v[i]);
	if (l->errors.nr > LEARNED_ERRORS)
		all->errors.nr = l->errors.nr;
}

static bool is_in(const struct learned_range *r, u32 n)
{
	return n >= r->min && n <= r->max;
}

bool learned_is(struct learned_all *all, const struct lend_test_sum *sum, char *why, size_t size)
{
	/* loans without an error leave the one of those before */
	bool error = all->back && all->errors.nr ? is_one_of(&all->errors, sum->error) :
						   sum->error == all->error;
	bool right = error && sum->nr_full == (u32)all->full && sum->nr_short == (u32)all->not_full &&
		     is_in(&all->filled, sum->filled) && is_in(&all->units, sum->units);

	if (!right)
		snprintf(why, size, "%u full, %u not, error %d%s, %u bytes filled, %u units; not %llu, %llu, %u to %u, %u to %u",
			 sum->nr_full, sum->nr_short, sum->error, error ? "" : ", which nobody had", sum->filled, sum->units,
			 (unsigned long long)all->full, (unsigned long long)all->not_full,
			 all->filled.min, all->filled.max, all->units.min, all->units.max);
	all->error = sum->error;
	all->back = 0;
	return right;
}
