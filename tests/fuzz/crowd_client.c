// SPDX-License-Identifier: GPL-2.0
/* Direct reads and writes of the crowd's disk, and a look at what was read. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "crowd.h"
#include "crowd_bytes.h"
#include "crowd_owner.h"
#include "tmpfile.h"

#define LANES	4
#define LEN	32768

struct lane {
	bool write;
	u64 pos;
	u32 len;
	u8 *buf;
};

static struct lane lanes[LANES];
static struct io_uring ring;

static void lane_send(struct lane *l, struct rng *r, int fd)
{
	struct io_uring_sqe *sqe = ring_sqe(&ring);

	l->write = rng_chance(r, 60);
	l->len = 4096 * rng_range(r, 1, LEN / 4096);
	l->pos = 4096 * rng_below(r, (OWNER_SIZE - l->len) / 4096 + 1);
	if (l->write)
		bytes_client(l->buf, l->len, l->pos);
	else
		bytes_poison(l->buf, l->len, l->pos);
	/* @buf is the lane's, which waits for the completion */
	io_uring_prep_rw(l->write ? IORING_OP_WRITE : IORING_OP_READ, sqe, fd, l->buf, l->len,
			 l->pos);
	sqe->user_data = l - lanes;
	crowd_began(crowd_kind_name(l->write ? C_DISK_WRITE : C_DISK_READ), 0, l->pos, l->len);
}

static void look(const struct lane *l, int res)
{
	enum crowd_kind kind = l->write ? C_DISK_WRITE : C_DISK_READ;

	crowd_ended(crowd_kind_name(kind), 0, l->pos, res);
	if (!crowd_legal(kind, l->len, res, crowd->wrong))
		crowd_fail("%s, %u bytes at %llu: %s, which is not legal", crowd_kind_name(kind),
			   l->len, (unsigned long long)l->pos, res_str(res));
	if (!l->write && res > 0 && !bytes_of_disk(l->buf, res, l->pos))
		crowd_fail("the disk's %d bytes at %llu are nobody's; the first: %#llx", res,
			   (unsigned long long)l->pos, *(unsigned long long *)l->buf);
}

/* All lanes at once.  The owner ends what the server leaves lying. */
static void round_of(struct rng *r, int fd)
{
	unsigned int left = 0;
	struct done done;

	for (; left < LANES; left++)
		lane_send(&lanes[left], r, fd);
	ring_submit(&ring);
	while (left) {
		if (!ring_next(&ring, &done, 100))
			continue;
		look(&lanes[done.data], done.res);
		left--;
	}
}

static int open_disk(int id)
{
	char path[32];

	snprintf(path, sizeof(path), "/dev/ublkb%d", id);
	return id < 0 ? -1 : open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
}

void crowd_client(void *arg)
{
	const struct crowd_start *start = arg;
	struct rng r;
	int fd;

	crowd_join(start->member, 0);
	crowd_rng(&r, start->member, 0, start->incarnation);
	ring_init(&ring, 16, 0);
	for (unsigned int i = 0; i < LANES; i++)
		lanes[i].buf = page_alloc(LEN);
	while (!crowd->stop) {
		crowd_beat();
		fd = open_disk(crowd->id);
		if (fd < 0) {
			sleep_ms(5);
			continue;
		}
		for (unsigned int n = rng_range(&r, 1, 40); n && !crowd->stop; n--)
			round_of(&r, fd);
		crowd_began("close of the disk", 0, 0, 0);
		close(fd);
	}
	crowd->voice[start->member][0].beat = 0;
}
