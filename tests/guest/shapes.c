// SPDX-License-Identifier: GPL-2.0
/*
 * Direct I/O of all shapes, over modes and kinds of legs: a device takes what it
 * announces, refuses the rest by itself, and no leg is lost over either.
 *
 * Shape: how many pieces of memory, how long, how far apart, beginning where.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "cli.h"
#include "dev.h"
#include "mode.h"
#include "pattern.h"
#include "tleg.h"
#include "tmpfile.h"
#include "ublkraw.h"

#define MB		4
#define SIZE		(MB << 20)
#define MAX_VECS	320

/* Of the device; the others are for one whose blocks change. */
static const char *legs[2];
enum { FINE = 2, COARSE, SWITCH };

static u8 *model, *mem, *buf;

static void setup(void)
{
	raw_need();
	tlegs_sweep();
	model = page_alloc(SIZE);
	mem = page_alloc(SIZE);
	buf = page_alloc(SIZE);
}

TestSuite(shapes, .init = setup, .fini = tlegs_sweep, .timeout = 240);

/* One request. */
struct shape {
	unsigned int vecs;	/* pieces */
	u32 len, stride;	/* of each, bytes; from one to the next */
	u32 at;			/* of the first one in memory, behind a page's start */
	u32 pos;		/* on the device */
};

static const struct shape shapes[] = {
	{ 320, 512, 1024, 0, 0 },	/* more pieces than a bio has, or a disk takes */
	{ 320, 512, 1024, 512, 512 },
	{ 128, 512, 4096, 3584, 8192 },
	{ 8, 512, 1024, 0, 4096 },
	{ 8, 512, 512, 512, 4096 },
	{ 7, 512, 8192, 1024, 1024 },
	{ 40, 1536, 2048, 0, 65536 },
	{ 33, 2048, 4096, 2048, 2048 },
	{ 40, 4096, 8192, 0, 0 },
	{ 40, 4096, 8192, 512, 4096 },	/* each piece is cut by a page's end */
	{ 40, 4096, 4096, 2048, 4096 },
	{ 3, 65536, 131072, 512, 65536 },
	{ 1, 262144, 262144, 512, 0 },
	{ 1, 512, 512, 0, 512 },
	{ 1, 4096, 4096, 4, 4096 },	/* as some disks take */
	{ 1, 4096, 4096, 1, 0 },
	{ 2, 4095, 4096, 0, 0 },
	{ 1, 1048576, 1048576, 0, 1048576 },
};

static size_t shape_iov(const struct shape *s, u8 *from, struct iovec *iov)
{
	for (unsigned int i = 0; i < s->vecs; i++)
		iov[i] = (struct iovec){ from + s->at + (size_t)i * s->stride, s->len };
	return (size_t)s->vecs * s->len;
}

/*
 * Does it fit what the device says of itself?  Pieces that are no whole blocks, of a
 * request that is, are for the kernel to take or to refuse.
 */
enum fit { REFUSED, EITHER, TAKEN };

static enum fit shape_fits(const struct shape *s, u32 block, u32 align_mask)
{
	u32 starts = s->at | (s->vecs > 1 ? s->stride : 0);

	if ((s->pos | s->vecs * s->len) & (block - 1) || starts & align_mask)
		return REFUSED;
	return s->len & (block - 1) ? EITHER : TAKEN;
}

/* What a request got is what it may get; true if it is the data. */
static bool shape_ended(const struct shape *s, enum fit fit, ssize_t ret, const char *what)
{
	ssize_t len = (ssize_t)s->vecs * s->len;
	bool taken = ret == len, refused = ret == -1 && errno == EINVAL;

	must((taken && fit != REFUSED) || (refused && fit != TAKEN),
	     "%s: %u x %u, %u apart, at %u in memory and %u on the disk: %zd (%s)", what, s->vecs, s->len,
	     s->stride, s->at, s->pos, ret, ret < 0 ? strerror(errno) : "bytes");
	return taken;
}

/* Both ways; what was taken is in the model. */
static void shape_try(int dev, const struct shape *s, enum fit fit, u32 seed, const char *what)
{
	struct iovec iov[MAX_VECS];
	size_t len = shape_iov(s, mem, iov);

	for (unsigned int i = 0; i < s->vecs; i++)
		pat_fill(iov[i].iov_base, s->len, seed, s->pos + (size_t)i * s->len);
	if (shape_ended(s, fit, pwritev(dev, iov, s->vecs, s->pos), what))
		pat_fill(model + s->pos, len, seed, s->pos);

	memset(mem, 0, SIZE);
	if (!shape_ended(s, fit, preadv(dev, iov, s->vecs, s->pos), what))
		return;
	for (unsigned int i = 0; i < s->vecs; i++)
		mem_is(iov[i].iov_base, model + s->pos + (size_t)i * s->len, s->len,
		       "%s: piece %u of %u x %u, %u apart, at %u", what, i, s->vecs, s->len, s->stride,
		       s->at);
}

static void legs_are_live(int id, const char *what)
{
	static struct cli c;

	cli_list(&c, id);
	must(!strstr(c.out, "\"state\":\"dropped\""), "%s: a leg is lost: %s", what, c.out);
}

/* One leg, or a mirror of two. */
static int add(const char *mode, unsigned int nr)
{
	return nr == 1 ? cli_add(CLI("add", "-t", "loop", "-m", mode, "-l", legs[0])) :
			 cli_add(CLI("add", "-t", "mirror", "-m", mode, "-l", legs[0], "-l", legs[1]));
}

static void make_legs(unsigned int nr, const struct null_disk *opts)
{
	for (unsigned int i = 0; i < nr; i++) {
		struct null_disk o = opts[i];

		o.mb = MB;
		legs[i] = tleg_null(i, &o);
	}
	memset(model, 0, SIZE);
}

static void shapes_on(const char *mode, unsigned int nr, const struct null_disk *opts, const char *kind)
{
	char what[96];
	u32 block, mask;
	int id, dev;

	snprintf(what, sizeof(what), "%s, %s", mode, kind);
	make_legs(nr, opts);
	id = add(mode, nr);
	dev = dev_open(id, "", O_RDWR | O_DIRECT);
	block = dev_attr(id, "queue/logical_block_size");
	mask = dev_attr(id, "queue/dma_alignment");
	for (unsigned int i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
		shape_try(dev, &shapes[i], shape_fits(&shapes[i], block, mask), 100 + i, what);
	legs_are_live(id, what);
	close(dev);
	cli_del(id);
	for (unsigned int i = 0; i < nr; i++) {
		int fd = file_open(legs[i], O_RDWR | O_DIRECT);

		file_read(fd, buf, SIZE, 0);
		mem_is(buf, model, SIZE, "%s: leg %u", what, i);
		close(fd);
	}
}

static void shapes_in_all_modes(unsigned int nr, const struct null_disk *opts, const char *kind)
{
	for (unsigned int m = 0; m < cli_modes(); m++)
		shapes_on(cli_mode(m), nr, opts, kind);
}

Test(shapes, of_all_kinds_on_blocks_of_512)
{
	shapes_in_all_modes(1, (struct null_disk[]){ { .block = 512 } }, "512");
}

Test(shapes, of_all_kinds_on_blocks_of_4096)
{
	shapes_in_all_modes(1, (struct null_disk[]){ { .block = 4096 } }, "4096");
}

Test(shapes, of_all_kinds_on_legs_of_different_blocks)
{
	shapes_in_all_modes(2, (struct null_disk[]){ { .block = 512 }, { .block = 4096 } }, "512 and 4096");
	shapes_in_all_modes(2, (struct null_disk[]){ { .block = 4096 }, { .block = 512 } }, "4096 and 512");
}

Test(shapes, of_all_kinds_on_legs_with_a_boundary)
{
	shapes_in_all_modes(2, (struct null_disk[]){ { .block = 512 }, { .block = 512, .virt_boundary = true } },
			    "512, and one with a boundary");
}

Test(shapes, of_all_kinds_on_a_leg_of_few_sectors)
{
	shapes_in_all_modes(2, (struct null_disk[]){ { .block = 512, .max_sectors = 16 }, { .block = 4096 } },
			    "512 with few sectors, and 4096");
}

/* Whatever mode lends the client's pages, it says the same of them. */
Test(shapes, are_announced_in_every_mode_that_lends)
{
	static const struct null_disk opts[2] = { { .block = 512, .virt_boundary = true }, { .block = 4096 } };

	for (unsigned int m = 0; m < cli_modes(); m++) {
		bool lends = mode_find(cli_mode(m))->lends;
		int id;

		make_legs(2, opts);
		id = add(cli_mode(m), 1);
		cr_assert_eq(dev_attr(id, "queue/dma_alignment"), lends ? 511 : 3, "%s: one leg", cli_mode(m));
		cr_assert_eq(dev_attr(id, "queue/virt_boundary_mask"), lends ? 4095 : 0, "%s: one leg",
			     cli_mode(m));
		cli_del(id);
		id = add(cli_mode(m), 2);
		cr_assert_eq(dev_attr(id, "queue/dma_alignment"), lends ? 4095 : 3, "%s: two legs", cli_mode(m));
		cli_del(id);
	}
}

/* The driver's own limit is 65535, and no leg of these tests has that many. */
Test(shapes, have_the_segments_of_the_legs_in_every_mode_that_lends)
{
	static const struct null_disk opt = { .block = 512 };

	for (unsigned int m = 0; m < cli_modes(); m++) {
		bool lends = mode_find(cli_mode(m))->lends;
		unsigned long segs, size;
		int id;

		make_legs(1, &opt);
		segs = disk_attr(legs[0], "queue/max_segments");
		size = disk_attr(legs[0], "queue/max_segment_size");
		cr_assert(segs < 65535 && size < UINT32_MAX, "%lu segments of %lu bytes", segs, size);
		id = add(cli_mode(m), 1);
		cr_assert_eq(dev_attr(id, "queue/max_segments"), lends ? segs : 65535, "%s", cli_mode(m));
		cr_assert_eq(dev_attr(id, "queue/max_segment_size"), lends ? size : UINT32_MAX, "%s",
			     cli_mode(m));
		cli_del(id);
	}
}

/* Targets whose legs are given as here; chunks that a request crosses. */
static const struct over {
	const char *target;
	unsigned int nr;
} overs[] = { { "loop", 1 }, { "mirror", 2 }, { "stripe", 2 } };

#define CHUNK	16384

static int add_over(const struct over *o, const char *mode)
{
	if (!strcmp(o->target, "stripe"))
		return cli_add(CLI("add", "-t", "stripe", "-m", mode, "--chunk", "16K", "-l", legs[0], "-l",
				   legs[1]));
	return add(mode, o->nr);
}

/* Where byte @off of the device, the first of a chunk, is on leg @i; false: not there. */
static bool over_has(const struct over *o, unsigned int i, u32 off, u32 *at)
{
	bool stripe = !strcmp(o->target, "stripe");

	*at = stripe ? off / CHUNK / o->nr * CHUNK : off;
	return !stripe || off / CHUNK % o->nr == i;
}

static void legs_have_the_model(const struct over *o, const char *what)
{
	for (unsigned int i = 0; i < o->nr; i++) {
		int fd = file_open(legs[i], O_RDWR | O_DIRECT);
		u32 at;

		file_read(fd, buf, SIZE, 0);
		for (u32 off = 0; off < SIZE; off += CHUNK)
			if (over_has(o, i, off, &at))
				mem_is(buf + at, model + off, CHUNK, "%s: leg %u, at %u", what, i, at);
		close(fd);
	}
}

/* Pieces of a block of 512 each, which are together some of 4096; many times. */
static void pieces_on_a_leg_that_has_changed(const char *mode, const struct over *o, unsigned int bad)
{
	static const struct shape kinds[] = { { 8, 512, 1024, 512, 0 }, { 320, 512, 1024, 0, 0 } };
	char what[96];
	int id, dev;

	snprintf(what, sizeof(what), "%s, %s, leg %u", mode, o->target, bad);
	tleg_null(FINE, &(struct null_disk){ .mb = MB, .block = 512 });
	tleg_null(COARSE, &(struct null_disk){ .mb = MB, .block = 4096 });
	make_legs(2, (struct null_disk[2]){ { .block = 512 }, { .block = 512 } });
	legs[bad] = tleg_over(SWITCH, tleg_path(FINE));
	id = add_over(o, mode);
	tleg_switch(SWITCH, tleg_path(COARSE));
	dev = dev_open(id, "", O_RDWR | O_DIRECT);
	for (unsigned int i = 0; i < 16; i++) {
		struct shape at = kinds[i & 1];

		/* at all places in a chunk */
		at.pos = i / 2 * (at.vecs == 8 ? 4096 : 5 * 4096);
		shape_try(dev, &at, TAKEN, i, what);
		/* the other leg's turn to be read */
		shape_try(dev, &at, TAKEN, 100 + i, what);
	}
	legs_are_live(id, what);
	close(dev);
	cli_del(id);
	legs_have_the_model(o, what);
	tleg_remove(SWITCH);
}

/*
 * Its blocks were others when the device was made: what it refuses now is its shape.  The leg
 * is another one from mode to mode.
 */
static void pieces_over(const char *target, bool copying_too)
{
	for (unsigned int i = 0; i < sizeof(overs) / sizeof(overs[0]); i++) {
		if (strcmp(overs[i].target, target))
			continue;
		for (unsigned int m = 0; m < cli_modes(); m++)
			if (copying_too || mode_find(cli_mode(m))->lends)
				pieces_on_a_leg_that_has_changed(cli_mode(m), &overs[i], m % overs[i].nr);
	}
}

Test(shapes, that_a_leg_refuses_arrive_and_the_leg_stays)
{
	pieces_over("mirror", true);
}

Test(shapes, that_the_only_leg_refuses_arrive)
{
	pieces_over("loop", false);
}

Test(shapes, that_a_leg_of_a_stripe_refuses_arrive)
{
	pieces_over("stripe", false);
}
