// SPDX-License-Identifier: GPL-2.0
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../sysfs.h"
#include "leginfo.h"

/*
 * struct leginfo_place - one of the two places, as it was read
 * On the stack of who compares them.
 */
struct leginfo_place {
	u64 area_offset;
	void *bufs[2];
	struct super copies[2], super;
	struct super_why whys[2], why;
	int errs[2], err;
};

static __attribute__((format(printf, 2, 3)))
void leginfo_fail(struct leginfo *l, const char *fmt, ...)
{
	int n = snprintf(l->why.text, sizeof(l->why.text), "leg %s: ", l->path);
	va_list args;

	l->err = -EIO;
	if (n < 0 || (size_t)n >= sizeof(l->why.text))
		return;
	va_start(args, fmt);
	vsnprintf(l->why.text + n, sizeof(l->why.text) - n, fmt, args);
	va_end(args);
}

int leginfo_open(const char *path)
{
	/* Without waiting, as for a drive without a medium; on disks and files it says no more. */
	int flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK;
	int fd = open(path, flags | O_DIRECT);

	if (fd < 0 && errno == EINVAL)
		fd = open(path, flags);
	return fd < 0 ? -errno : fd;
}

/* Direct I/O of the file wants larger blocks than ours, or other memory. */
static bool leginfo_go_buffered(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	return flags >= 0 && flags & O_DIRECT && !fcntl(fd, F_SETFL, flags & ~O_DIRECT);
}

int leginfo_pread(int fd, void *buf, size_t len, u64 off)
{
	size_t done = 0;

	/* There are disks that report a read and fill nothing: null_blk's would have the record of before. */
	memset(buf, 0, len);
	while (done < len) {
		ssize_t n = pread(fd, (u8 *)buf + done, len - done, off + done);

		if (n < 0 && (errno == EINTR || (errno == EINVAL && leginfo_go_buffered(fd))))
			continue;
		if (n < 0)
			return -errno;
		done += n;
		/* The rest of a block at the end of a file: nothing is behind it. */
		if (!n || n % FORMAT_ALIGN)
			break;
	}
	return 0;
}

/* Size and blocks.  false after leginfo_fail(). */
static bool leginfo_measure(struct leginfo *l, int fd)
{
	struct stat st;
	int lbs = 0;

	if (fstat(fd, &st)) {
		leginfo_fail(l, "%s", strerror(errno));
		return false;
	}
	if (S_ISREG(st.st_mode)) {
		l->bytes = st.st_size;
		l->lbs = SECTOR_SIZE;
		return true;
	}
	if (!S_ISBLK(st.st_mode)) {
		leginfo_fail(l, "neither a file nor a block device");
		return false;
	}
	if (ioctl(fd, BLKGETSIZE64, &l->bytes) || ioctl(fd, BLKSSZGET, &lbs)) {
		leginfo_fail(l, "its size cannot be read: %s", strerror(errno));
		return false;
	}
	/* As for the device made of it, see probe_blk(). */
	l->lbs = max_u64(lbs, sysfs_queue_u64(st.st_rdev, "dma_alignment", SECTOR_SIZE - 1) + 1);
	return true;
}

/* The copies at one place.  -errno of reading them; what they say is in *p. */
static int leginfo_read_place(const struct leginfo *l, int fd, bool at_end, struct leginfo_place *p)
{
	struct super_place place = { .leg = l->path };

	if (super_area(l->bytes, at_end, &p->area_offset)) {
		p->area_offset = 0;
		/* Too short for a leg now; at the start may be what it was. */
		if (at_end) {
			p->err = p->errs[0] = p->errs[1] = -ENOENT;
			return 0;
		}
	}
	place.area_offset = p->area_offset;
	for (unsigned int i = 0; i < 2; i++) {
		int ret = leginfo_pread(fd, p->bufs[i], FORMAT_COPY_BYTES, super_copy_offset(p->area_offset, i));

		if (ret)
			return ret;
		place.copy = i;
		p->errs[i] = super_decode(&p->copies[i], p->bufs[i], &place, &p->whys[i]);
	}
	p->err = super_read(&p->super, (const void *const *)p->bufs, l->path, p->area_offset, &p->why);
	return 0;
}

/* What the copies of the place that counts say. */
static void leginfo_take(struct leginfo *l, const struct leginfo_place *p)
{
	l->err = p->err;
	l->why = p->why;
	if (!p->err)
		l->super = p->super;
	l->area_offset = p->area_offset;
	for (unsigned int i = 0; i < 2; i++) {
		const struct format_copy *c = p->bufs[i];

		l->copies[i].err = p->errs[i];
		l->copies[i].why = p->whys[i];
		if (p->errs[i] == -ENOENT || l->claims)
			continue;
		l->claims = true;
		memcpy(l->claimed_uuid, c->set_uuid, sizeof(l->claimed_uuid));
		l->elsewhere = p->errs[i] == -EINVAL && le64toh(c->area_offset) != p->area_offset;
	}
}

/* Can a client of the set at the start have written what is at the end? */
static bool leginfo_is_data(const struct leginfo_place *begin, const struct leginfo_place *end)
{
	const struct super *s = &begin->super;

	return !begin->err && s->own.data_offset + s->set.size > end->area_offset;
}

static void leginfo_choose(struct leginfo *l, const struct leginfo_place *begin,
			   const struct leginfo_place *end)
{
	if (end->err == -ENOENT || (end->err && leginfo_is_data(begin, end))) {
		leginfo_take(l, begin);
		return;
	}
	leginfo_take(l, end);
	if (!end->err && leginfo_is_data(begin, end)) {
		l->err = -EUCLEAN;
		snprintf(l->why.text, sizeof(l->why.text),
			 "leg %s: one record at its start, of set %s, and one at its end, of set %s, each in the other's data: erase the one that is wrong",
			 l->path, begin->super.set.name, end->super.set.name);
	}
}

static void leginfo_read_places(struct leginfo *l, int fd, u8 *mem)
{
	struct leginfo_place begin = { .bufs = { mem, mem + FORMAT_COPY_BYTES } };
	struct leginfo_place end = { .bufs = { mem + 2 * FORMAT_COPY_BYTES, mem + 3 * FORMAT_COPY_BYTES } };
	int ret = leginfo_read_place(l, fd, false, &begin);

	if (!ret)
		ret = leginfo_read_place(l, fd, true, &end);
	if (ret)
		leginfo_fail(l, "its record cannot be read: %s", strerror(-ret));
	else
		leginfo_choose(l, &begin, &end);
}

void leginfo_read_fd(struct leginfo *l, const char *path, int fd)
{
	u8 *mem;

	memset(l, 0, sizeof(*l));
	l->path = path;
	if (!leginfo_measure(l, fd))
		return;
	mem = aligned_alloc(FORMAT_ALIGN, 4 * FORMAT_COPY_BYTES);
	if (!mem) {
		leginfo_fail(l, "%s", strerror(ENOMEM));
		return;
	}
	leginfo_read_places(l, fd, mem);
	free(mem);
}

void leginfo_read(struct leginfo *l, const char *path)
{
	int fd = leginfo_open(path);

	if (fd >= 0) {
		leginfo_read_fd(l, path, fd);
		close(fd);
		return;
	}
	memset(l, 0, sizeof(*l));
	l->path = path;
	leginfo_fail(l, "%s", strerror(-fd));
}

/* Bits of a sector, of which only those of chunks count. */
static void leginfo_count_bits(const struct leginfo *l, u32 index, const void *sector,
			       struct leginfo_bits *b)
{
	u64 first = (u64)index * FORMAT_SECTOR_BITS;
	u8 bits[FORMAT_SECTOR_BITS / 8];

	if (first >= b->chunks)
		return;
	if (super_bits_decode(l->super.set.uuid, index, sector, bits)) {
		b->damaged++;
		memset(bits, 0xff, sizeof(bits));
	}
	for (u32 i = 0; i < FORMAT_SECTOR_BITS && first + i < b->chunks; i++)
		b->set += bits[i / 8] >> (i % 8) & 1;
}

int leginfo_read_bits(const struct leginfo *l, struct leginfo_bits *bits)
{
	const struct super_own *own = &l->super.own;
	u8 *mem = aligned_alloc(FORMAT_ALIGN, own->bitmap_bytes);
	int fd = leginfo_open(l->path), ret = mem ? 0 : -ENOMEM;

	*bits = (struct leginfo_bits){ .chunks = super_chunks(&l->super.set) };
	if (fd < 0)
		ret = fd;
	if (!ret)
		ret = leginfo_pread(fd, mem, own->bitmap_bytes, own->bitmap_offset);
	for (u32 i = 0; !ret && i < own->bitmap_bytes / SECTOR_SIZE; i++)
		leginfo_count_bits(l, i, mem + i * SECTOR_SIZE, bits);
	if (fd >= 0)
		close(fd);
	free(mem);
	return ret;
}

struct candidate leginfo_candidate(const struct leginfo *l)
{
	return (struct candidate){ .path = l->path, .err = l->err, .super = l->super,
				   .bytes = l->bytes, .lbs = l->lbs };
}

const char *leginfo_state_name(enum format_state state)
{
	static const char *const names[FORMAT_STATES] = {
		[FORMAT_EMPTY]		= "empty",
		[FORMAT_IN_SYNC]	= "in-sync",
		[FORMAT_STALE]		= "stale",
		[FORMAT_FAILED]		= "failed",
		[FORMAT_REBUILDING]	= "rebuilding",
		[FORMAT_SPARE]		= "spare",
		[FORMAT_REMOVED]	= "removed",
	};

	return names[state];
}
