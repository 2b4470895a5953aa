// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "log.h"
#include "probe.h"
#include "sysfs.h"

int probe_blk(struct leg *leg)
{
	struct limits *l = &leg->lim;
	unsigned int pbs = 0, io_min = 0, io_opt = 0;
	unsigned short rotational = 0;
	int lbs = 0;

	if (ioctl(leg->fd, BLKGETSIZE64, &l->size) || ioctl(leg->fd, BLKSSZGET, &lbs)) {
		log_err("leg %s: its size cannot be read: %s", leg->path, strerror(errno));
		return -errno;
	}
	/* Hints: what cannot be read stays 0. */
	ioctl(leg->fd, BLKPBSZGET, &pbs);
	ioctl(leg->fd, BLKIOMIN, &io_min);
	ioctl(leg->fd, BLKIOOPT, &io_opt);
	ioctl(leg->fd, BLKROTATIONAL, &rotational);
	l->lbs = lbs;
	l->pbs = pbs > l->lbs ? pbs : l->lbs;
	l->io_min = io_min;
	l->io_opt = io_opt;
	l->rotational = rotational;
	/* The attribute is a mask; without it, what every driver can do. */
	l->dma_align = sysfs_queue_u64(leg->dev, "dma_alignment", SECTOR_SIZE - 1) + 1;
	l->virt_boundary = sysfs_queue_u64(leg->dev, "virt_boundary_mask", 0);
	l->volatile_cache = sysfs_queue_is(leg->dev, "write_cache", "write back");
	l->stable = sysfs_queue_u64(leg->dev, "stable_writes", 0);
	l->discard_max = sysfs_queue_u64(leg->dev, "discard_max_bytes", 0);
	l->discard_gran = sysfs_queue_u64(leg->dev, "discard_granularity", 0);
	l->zeroes_max = sysfs_queue_u64(leg->dev, "write_zeroes_max_bytes", 0);
	return 0;
}

/*
 * Must the pages of direct I/O hold still?  The file system's disk wants it (its
 * number is in leg->dev), or the file system keeps checksums of its own.
 */
static bool probe_file_is_stable(const struct leg *leg)
{
	struct statfs fs;

	return leg->direct && (sysfs_queue_u64(leg->dev, "stable_writes", 0) ||
			       (!fstatfs(leg->fd, &fs) && fs.f_type == BTRFS_SUPER_MAGIC));
}

/* Can the file system punch holes?  Asked behind the end, where there is nothing. */
static bool probe_can_punch(int fd, u64 size)
{
	return !fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			  round_up_u64(size, 4096), 4096);
}

int probe_file(struct leg *leg, const struct stat *st)
{
	struct limits *l = &leg->lim;
	struct statx sx = { 0 };
	u32 offset_align = 0;

	l->size = st->st_size;
	l->volatile_cache = true;
	l->lbs = SECTOR_SIZE;
	l->dma_align = 1;
	l->stable = probe_file_is_stable(leg);
	if (leg->direct) {
		if (!statx(leg->fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &sx) &&
		    sx.stx_mask & STATX_DIOALIGN && sx.stx_dio_offset_align) {
			offset_align = sx.stx_dio_offset_align;
			l->dma_align = sx.stx_dio_mem_align;
		} else {
			/* It does not say: the block that every file system has. */
			offset_align = l->dma_align = 4096;
		}
	}
	l->lbs = max_u64(l->lbs, offset_align);
	l->pbs = max_u64(l->lbs, st->st_blksize <= 4096 ? st->st_blksize : 4096);
	if (probe_can_punch(leg->fd, l->size)) {
		l->discard_max = l->zeroes_max = 1U << 30;
		l->discard_gran = st->st_blksize;
	}
	return 0;
}
