// SPDX-License-Identifier: GPL-2.0
#include <criterion/criterion.h>
#include <errno.h>

#include "limits.h"

#define MIB	(1ULL << 20)

static struct limits ssd(void)
{
	return (struct limits){
		.size = 64 * MIB, .lbs = 512, .pbs = 4096, .dma_align = 4,
		.io_min = 4096, .discard_max = 2 * MIB, .discard_gran = 4096, .zeroes_max = 2 * MIB,
	};
}

static struct limits disk(void)
{
	return (struct limits){
		.size = 128 * MIB, .lbs = 4096, .pbs = 4096, .dma_align = 512,
		.io_opt = 65536, .rotational = true, .volatile_cache = true,
	};
}

static struct limits merged(const struct limits *a, const struct limits *b)
{
	struct limits l;

	limits_init(&l);
	limits_merge(&l, a);
	limits_merge(&l, b);
	return l;
}

Test(limits, one_leg_is_taken_as_it_is)
{
	struct limits a = ssd(), l;

	limits_init(&l);
	limits_merge(&l, &a);
	cr_assert_eq(limits_finish(&l), 0);
	cr_assert_eq(l.size, a.size);
	cr_assert_eq(l.lbs, 512);
	cr_assert_eq(l.pbs, 4096);
	cr_assert_eq(l.discard_max, 2 * MIB);
	cr_assert(!l.rotational);
}

Test(limits, two_legs_meet_at_the_stricter_one)
{
	struct limits a = ssd(), b = disk();
	struct limits l = merged(&a, &b);

	cr_assert_eq(l.size, 64 * MIB);
	cr_assert_eq(l.lbs, 4096);
	cr_assert_eq(l.dma_align, 512);
	cr_assert_eq(l.io_opt, 65536);
	cr_assert(l.rotational);
	cr_assert(l.volatile_cache);
}

Test(limits, what_one_leg_cannot_do_the_device_cannot)
{
	struct limits a = ssd(), b = disk();
	struct limits l = merged(&a, &b);

	cr_assert_eq(l.discard_max, 0);
	cr_assert_eq(l.zeroes_max, 0);
}

Test(limits, the_order_of_legs_makes_no_difference)
{
	struct limits a = ssd(), b = disk();
	struct limits ab = merged(&a, &b), ba = merged(&b, &a);

	cr_assert_eq(memcmp(&ab, &ba, sizeof(ab)), 0);
}

Test(limits, blocks_cover_the_memory_alignment)
{
	struct limits a = ssd(), l;

	a.dma_align = 2048;
	limits_init(&l);
	limits_merge(&l, &a);
	cr_assert_eq(limits_finish(&l), 0);
	cr_assert_eq(l.lbs, 2048);
}

Test(limits, size_is_whole_blocks)
{
	struct limits a = disk(), l;

	a.size += 512;
	limits_init(&l);
	limits_merge(&l, &a);
	cr_assert_eq(limits_finish(&l), 0);
	cr_assert_eq(l.size, 128 * MIB);
}

Test(limits, less_than_a_block_is_nothing)
{
	struct limits a = disk(), l;

	a.size = 4095;
	limits_init(&l);
	limits_merge(&l, &a);
	cr_assert_eq(limits_finish(&l), -ENOSPC);
}

Test(limits, larger_blocks_than_ublk_takes)
{
	struct limits a = disk(), l;

	a.lbs = 8192;
	limits_init(&l);
	limits_merge(&l, &a);
	cr_assert_eq(limits_finish(&l), -EINVAL);
}

Test(limits, parameters_of_an_ssd)
{
	struct limits l = ssd();
	struct ublk_params p;

	limits_to_params(&l, 512 << 10, false, &p);
	cr_assert_eq(p.len, sizeof(p));
	cr_assert_eq(p.types, UBLK_PARAM_TYPE_BASIC | UBLK_PARAM_TYPE_DISCARD);
	cr_assert_eq(p.basic.logical_bs_shift, 9);
	cr_assert_eq(p.basic.physical_bs_shift, 12);
	cr_assert_eq(p.basic.max_sectors, 1024);
	cr_assert_eq(p.basic.dev_sectors, 64 * MIB / 512);
	cr_assert_eq(p.basic.attrs, 0);
	cr_assert_eq(p.discard.max_discard_sectors, 2 * MIB / 512);
	cr_assert_eq(p.discard.max_discard_segments, 1);
	cr_assert_eq(p.discard.discard_granularity, 4096);
}

Test(limits, a_cache_needs_flush_and_fua)
{
	struct limits l = disk();
	struct ublk_params p;

	limits_to_params(&l, 512 << 10, false, &p);
	cr_assert_eq(p.basic.attrs, UBLK_ATTR_VOLATILE_CACHE | UBLK_ATTR_FUA | UBLK_ATTR_ROTATIONAL);
	cr_assert_eq(p.types, UBLK_PARAM_TYPE_BASIC);
}

Test(limits, hints_that_are_no_power_of_two_are_left_out)
{
	struct limits l = disk();
	struct ublk_params p;

	l.io_opt = 33553920;
	limits_to_params(&l, 512 << 10, false, &p);
	cr_assert_eq(p.basic.io_opt_shift, 12);
	l.io_opt = 65536;
	limits_to_params(&l, 512 << 10, false, &p);
	cr_assert_eq(p.basic.io_opt_shift, 16);
}

Test(limits, a_discard_counts_bytes_in_32_bits)
{
	struct limits l = ssd();
	struct ublk_params p;

	l.discard_max = 1ULL << 40;
	limits_to_params(&l, 512 << 10, false, &p);
	cr_assert_leq((u64)p.discard.max_discard_sectors << 9, UINT32_MAX);
}

/* a page's end cuts a piece of memory: what is left must be whole blocks of every leg */
Test(limits, only_a_mode_that_lends_asks_for_pieces_of_whole_blocks)
{
	struct limits l = disk();
	struct ublk_params p;

	l.virt_boundary = 4095;
	limits_to_params(&l, 512 << 10, false, &p);
	cr_assert_eq(p.types & UBLK_PARAM_TYPE_DMA_ALIGN, 0);
	cr_assert_eq(p.basic.virt_boundary_mask, 0);
	limits_to_params(&l, 512 << 10, true, &p);
	cr_assert(p.types & UBLK_PARAM_TYPE_DMA_ALIGN);
	cr_assert_eq(p.dma.alignment, 4095);
	cr_assert_eq(p.basic.virt_boundary_mask, 4095);
	l = ssd();
	limits_to_params(&l, 512 << 10, true, &p);
	cr_assert_eq(p.dma.alignment, 511);
}

Test(limits, pages_that_one_leg_wants_stable_are_stable)
{
	struct limits a = ssd(), b = disk(), l = merged(&a, &b);

	cr_assert(!l.stable);
	b.stable = true;
	l = merged(&a, &b);
	cr_assert(l.stable);
}

Test(limits, segments_are_as_the_narrowest_leg_has_them)
{
	struct limits a = ssd(), b = disk(), l;
	struct ublk_params p;

	a.max_segs = 33;
	a.max_seg_size = 1 << 20;
	b.max_segs = 128;
	b.max_seg_size = 65536;
	l = merged(&a, &b);
	limits_to_params(&l, 512 << 10, false, &p);
	cr_assert_eq(p.types & UBLK_PARAM_TYPE_SEGMENT, 0);
	limits_to_params(&l, 512 << 10, true, &p);
	cr_assert(p.types & UBLK_PARAM_TYPE_SEGMENT);
	cr_assert_eq(p.seg.max_segments, 33);
	cr_assert_eq(p.seg.max_segment_size, 65536);
	cr_assert_eq(p.seg.seg_boundary_mask, UINT32_MAX);
}

Test(limits, without_a_leg_that_limits_segments_there_is_no_limit)
{
	struct ublk_params p;
	struct limits l;

	limits_init(&l);
	l.size = 1 << 20;
	limits_to_params(&l, 512 << 10, true, &p);
	cr_assert_eq(p.seg.max_segments, 65535);
	cr_assert_eq(p.seg.max_segment_size, UINT32_MAX);
}

Test(limits, the_boundary_of_one_leg_is_everybodys)
{
	struct limits a = ssd(), b = disk(), l;

	b.virt_boundary = 4095;
	l = merged(&a, &b);
	cr_assert_eq(l.virt_boundary, 4095);
}
