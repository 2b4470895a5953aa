// SPDX-License-Identifier: GPL-2.0
/*
 * Mode copy: the driver copies a write's data into the server's buffer before
 * it hands the request over, and a read's data out of it at COMMIT.
 */
#include "../queue.h"
#include "bufs.h"
#include "modes.h"

static int copy_init(struct queue *q)
{
	int ret = bufs_init(q);

	for (unsigned int tag = 0; !ret && tag < q->device->depth; tag++)
		queue_io(q, tag)->cmd_addr = (uintptr_t)bufs_of(q, queue_io(q, tag));
	return ret;
}

static void copy_stand_in(struct queue *q, struct io *io, const struct io *from)
{
	bufs_stand_in(q, io, from);
	io->cmd_addr = (uintptr_t)bufs_of(q, io);
}

const struct mode_ops mode_copy = {
	.name		= "copy",
	.summary	= "the kernel copies every byte into and out of the server",
	.has_bufs	= true,
	.queue_size	= sizeof(struct bufs),
	.init		= copy_init,
	.deinit		= bufs_deinit,
	.issue		= bufs_issue,
	.stand_in	= copy_stand_in,
};
