// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <string.h>

#include "limits.h"

void limits_init(struct limits *l)
{
	*l = (struct limits){
		.size = UINT64_MAX,
		.lbs = SECTOR_SIZE,
		.pbs = SECTOR_SIZE,
		.dma_align = 1,
		.max_segs = LIMITS_MAX_SEGS,
		.max_seg_size = UINT32_MAX,
		.discard_max = UINT64_MAX,
		.zeroes_max = UINT64_MAX,
	};
}

void limits_merge(struct limits *l, const struct limits *leg)
{
	l->size = min_u64(l->size, leg->size);
	l->lbs = max_u64(l->lbs, leg->lbs);
	l->pbs = max_u64(l->pbs, leg->pbs);
	l->dma_align = max_u64(l->dma_align, leg->dma_align);
	l->virt_boundary |= leg->virt_boundary;
	l->max_segs = min_u64(l->max_segs, leg->max_segs);
	l->max_seg_size = min_u64(l->max_seg_size, leg->max_seg_size);
	l->io_min = max_u64(l->io_min, leg->io_min);
	l->io_opt = max_u64(l->io_opt, leg->io_opt);
	l->discard_max = min_u64(l->discard_max, leg->discard_max);
	l->discard_gran = max_u64(l->discard_gran, leg->discard_gran);
	l->zeroes_max = min_u64(l->zeroes_max, leg->zeroes_max);
	l->rotational |= leg->rotational;
	l->volatile_cache |= leg->volatile_cache;
	l->stable |= leg->stable;
}

int limits_finish(struct limits *l)
{
	l->lbs = max_u64(l->lbs, l->dma_align);
	if (l->lbs > LIMITS_MAX_LBS || !is_pow2(l->lbs))
		return -EINVAL;
	if (l->pbs < l->lbs || !is_pow2(l->pbs))
		l->pbs = l->lbs;
	l->size = round_down_u64(l->size, l->lbs);
	if (!l->size)
		return -ENOSPC;
	l->discard_max = round_down_u64(l->discard_max, l->lbs);
	l->zeroes_max = round_down_u64(l->zeroes_max, l->lbs);
	if (l->discard_gran < l->lbs)
		l->discard_gran = l->lbs;
	return 0;
}

/* log2 of a hint that need not be a power of two, and at least @least. */
static u8 hint_shift(u32 hint, u32 least)
{
	return ilog2_u64(is_pow2(hint) && hint > least ? hint : least);
}

/* Requests count sectors in 32 bits and bytes in 32 bits. */
static u32 to_sectors(u64 bytes)
{
	return min_u64(bytes, 1U << 31) >> SECTOR_SHIFT;
}

void limits_to_params(const struct limits *l, u32 max_io, bool lends, struct ublk_params *p)
{
	memset(p, 0, sizeof(*p));
	p->len = sizeof(*p);
	p->types = UBLK_PARAM_TYPE_BASIC;
	p->basic.logical_bs_shift = ilog2_u64(l->lbs);
	p->basic.physical_bs_shift = ilog2_u64(l->pbs);
	p->basic.io_min_shift = hint_shift(l->io_min, l->pbs);
	p->basic.io_opt_shift = hint_shift(l->io_opt, l->pbs);
	p->basic.max_sectors = max_io >> SECTOR_SHIFT;
	p->basic.dev_sectors = l->size >> SECTOR_SHIFT;
	if (l->volatile_cache)
		p->basic.attrs |= UBLK_ATTR_VOLATILE_CACHE | UBLK_ATTR_FUA;
	if (l->rotational)
		p->basic.attrs |= UBLK_ATTR_ROTATIONAL;
	if (lends) {
		p->types |= UBLK_PARAM_TYPE_DMA_ALIGN;
		p->dma.alignment = max_u64(l->lbs, l->dma_align) - 1;
		p->basic.virt_boundary_mask = l->virt_boundary;
		p->types |= UBLK_PARAM_TYPE_SEGMENT;
		p->seg.seg_boundary_mask = UINT32_MAX;	/* the block layer's own */
		p->seg.max_segments = l->max_segs;
		p->seg.max_segment_size = l->max_seg_size;
	}

	if (!l->discard_max && !l->zeroes_max)
		return;
	p->types |= UBLK_PARAM_TYPE_DISCARD;
	p->discard.discard_granularity = l->discard_gran;
	p->discard.max_discard_sectors = to_sectors(l->discard_max);
	p->discard.max_write_zeroes_sectors = to_sectors(l->zeroes_max);
	p->discard.max_discard_segments = 1;
}
