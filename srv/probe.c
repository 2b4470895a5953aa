// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "log.h"
#include "probe.h"
#include "sysfs.h"

/* The block of a device made of such a leg, see limits_finish(). */
static u32 probe_block(const struct limits *l)
{
	return max_u64(l->lbs, l->dma_align);
}

int probe_blk(struct leg *leg, u32 block)
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
	l->max_segs = sysfs_queue_u64(leg->dev, "max_segments", LIMITS_MAX_SEGS);
	l->max_seg_size = sysfs_queue_u64(leg->dev, "max_segment_size", UINT32_MAX);
	l->volatile_cache = sysfs_queue_is(leg->dev, "write_cache", "write back");
	l->stable = sysfs_queue_u64(leg->dev, "stable_writes", 0);
	l->discard_max = sysfs_queue_u64(leg->dev, "discard_max_bytes", 0);
	l->discard_gran = sysfs_queue_u64(leg->dev, "discard_granularity", 0);
	l->zeroes_max = sysfs_queue_u64(leg->dev, "write_zeroes_max_bytes", 0);
	if (!block || probe_block(l) <= block)
		return 0;
	log_err("leg %s: --block %u is less than it takes; right is %u or more", leg->path, block,
		probe_block(l));
	return -EINVAL;
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

/*
 * Does direct I/O take whole multiples of @align bytes, also in memory?  Reads are
 * tried.  That writes are taken too follows from reads on no file system that hides
 * its rules, so they are tried as well: from memory that cannot be read.  What is
 * wrong with the request is told first (EINVAL), and otherwise that there is no
 * data (EFAULT), before anything is written.
 */
static bool probe_direct_takes(const struct leg *leg, u32 align, char *good, char *bad)
{
	off_t off = leg->lim.size >= 2 * align ? align : 0;

	return pread(leg->fd, good + align, align, off) >= 0 &&
	       pwrite(leg->fd, bad + align, align, off) < 0 && errno == EFAULT;
}

/* The least of the block sizes that there are which direct I/O takes; 0: none. */
static u32 probe_direct_by_trying(const struct leg *leg)
{
	const size_t size = 2 * LIMITS_MAX_LBS;
	char *good = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *bad = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	u32 align = 0, found = 0;

	if (good != MAP_FAILED && bad != MAP_FAILED)
		for (align = SECTOR_SIZE; align <= LIMITS_MAX_LBS && !found; align *= 2)
			if (probe_direct_takes(leg, align, good, bad))
				found = align;
	if (good != MAP_FAILED)
		munmap(good, size);
	if (bad != MAP_FAILED)
		munmap(bad, size);
	return found;
}

/* Fills the alignment of direct I/O.  False: there is none, or none that ublk takes. */
static bool probe_direct(struct leg *leg)
{
	struct limits *l = &leg->lim;
	struct statx sx = { 0 };

	if (!statx(leg->fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &sx) && sx.stx_mask & STATX_DIOALIGN) {
		l->lbs = max_u64(SECTOR_SIZE, sx.stx_dio_offset_align);
		l->dma_align = sx.stx_dio_mem_align;
		return sx.stx_dio_offset_align && probe_block(l) <= LIMITS_MAX_LBS;
	}
	l->lbs = l->dma_align = probe_direct_by_trying(leg);
	return l->lbs;
}

/* What the page cache takes: anything.  Also when the file has been opened for direct I/O. */
static int probe_go_buffered(struct leg *leg)
{
	int flags = fcntl(leg->fd, F_GETFL);

	if (flags < 0 || fcntl(leg->fd, F_SETFL, flags & ~O_DIRECT)) {
		log_err("leg %s: %s", leg->path, strerror(errno));
		return -errno;
	}
	leg->direct = false;
	leg->lim.lbs = SECTOR_SIZE;
	leg->lim.dma_align = 1;
	return 0;
}

/*
 * Direct I/O, when it takes blocks that are as small as the user wants them; any
 * size is right when nothing is said.
 */
static int probe_file_blocks(struct leg *leg, u32 block)
{
	if (!leg->direct || !probe_direct(leg) || (block && probe_block(&leg->lim) > block))
		return probe_go_buffered(leg);
	if (!block && probe_block(&leg->lim) > SECTOR_SIZE)
		log_warn("leg %s: direct I/O takes blocks of %u bytes there, and so will the device; an image with blocks of 512 needs --block 512, which goes through the page cache",
			 leg->path, probe_block(&leg->lim));
	return 0;
}

int probe_file(struct leg *leg, const struct stat *st, u32 block)
{
	struct limits *l = &leg->lim;
	int ret;

	l->size = st->st_size;
	/* the file system cuts what its disk cannot take */
	l->max_segs = LIMITS_MAX_SEGS;
	l->max_seg_size = UINT32_MAX;
	l->volatile_cache = true;
	ret = probe_file_blocks(leg, block);
	if (ret)
		return ret;
	l->stable = probe_file_is_stable(leg);
	l->pbs = max_u64(l->lbs, st->st_blksize <= 4096 ? st->st_blksize : 4096);
	if (probe_can_punch(leg->fd, l->size)) {
		l->discard_max = l->zeroes_max = 1U << 30;
		l->discard_gran = st->st_blksize;
	}
	return 0;
}

static int probe_is_not_writable(const struct leg *leg, int err, const char *why)
{
	log_err("leg %s: %s; a leg must be writable", leg->path, why);
	return -err;
}

static int probe_writable_blk(const struct leg *leg)
{
	int read_only = 0;

	if (!ioctl(leg->fd, BLKROGET, &read_only) && read_only)
		return probe_is_not_writable(leg, EROFS, "it is read-only (blockdev --getro tells, --setrw may change it)");
	return 0;
}

static int probe_writable_file(const struct leg *leg)
{
	int seals = fcntl(leg->fd, F_GET_SEALS);

	if (seals >= 0 && seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE))
		return probe_is_not_writable(leg, EPERM, "it is sealed against writing");
	return 0;
}

int probe_writable(const struct leg *leg)
{
	int ret = leg->is_blk ? probe_writable_blk(leg) : probe_writable_file(leg);

	if (ret)
		return ret;
	/* Of no bytes: what is looked at before them is looked at, and nothing else happens. */
	if (!pwrite(leg->fd, "", 0, 0))
		return 0;
	ret = errno;
	return probe_is_not_writable(leg, ret, ret == ETXTBSY ? "it is in use as swap" : strerror(ret));
}

const char *probe_attributes(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), attrs = 0;

	if (fd < 0)
		return NULL;
	ioctl(fd, FS_IOC_GETFLAGS, &attrs);
	close(fd);
	if (attrs & FS_IMMUTABLE_FL)
		return "it is immutable (lsattr tells, chattr -i changes it)";
	if (attrs & FS_APPEND_FL)
		return "it can only be appended to (lsattr tells, chattr -a changes it)";
	if (attrs & FS_VERITY_FL)
		return "it is protected by fs-verity";
	return NULL;
}
