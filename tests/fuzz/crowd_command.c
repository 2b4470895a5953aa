// SPDX-License-Identifier: GPL-2.0
/* Control commands that may take as long as others let them. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "crowd.h"
#include "crowd_owner.h"

#define COMMAND	1
#define CANCEL	2

/* SQEs of a ring for large ones take two places. */
static struct io_uring_sqe *large_sqe(struct io_uring *ring)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

	must(sqe, "the submission queue is full");
	memset(sqe, 0, 2 * sizeof(*sqe));
	return sqe;
}

static void command_send(struct io_uring *ring, int fd, u32 cmd_op, const struct ublksrv_ctrl_cmd *cmd)
{
	struct io_uring_sqe *sqe = large_sqe(ring);

	sqe->opcode = IORING_OP_URING_CMD;
	sqe->fd = fd;
	sqe->cmd_op = cmd_op;
	sqe->user_data = COMMAND;
	memcpy(sqe->cmd, cmd, sizeof(*cmd));
	ring_submit(ring);
}

/* Interrupts the worker. */
static void command_cancel(struct io_uring *ring)
{
	struct io_uring_sqe *sqe = large_sqe(ring);

	sqe->opcode = IORING_OP_ASYNC_CANCEL;
	sqe->fd = -1;
	sqe->addr = COMMAND;
	sqe->user_data = CANCEL;
	ring_submit(ring);
}

static bool ended(struct io_uring *ring, unsigned int ms, int *res)
{
	u64 end = now_ms() + ms;
	struct done done;

	do {
		if (!ring_next(ring, &done, 20) || done.data != COMMAND)
			continue;
		*res = done.res;
		return true;
	} while (now_ms() < end);
	return false;
}

int ctl_command(enum crowd_kind kind, u32 cmd_op, const struct ublksrv_ctrl_cmd *cmd,
		unsigned int ms, void (*impatient)(void))
{
	int fd = open("/dev/ublk-control", O_RDWR | O_CLOEXEC), res = 0;
	u64 end = now_ms() + CROWD_HANG_MS;
	bool again = false;
	struct io_uring ring;

	must(fd >= 0, "/dev/ublk-control: %s", strerror(errno));
	ring_init(&ring, 8, IORING_SETUP_SQE128);
	crowd_began(crowd_kind_name(kind), 0, cmd->dev_id, cmd->data[0]);
	command_send(&ring, fd, cmd_op, cmd);
	for (; !ended(&ring, ms, &res); ms = 500, again = true) {
		if (now_ms() > end)
			crowd_fail("%s of device %u does not end", crowd_kind_name(kind),
				   cmd->dev_id);
		/* each time: what it waits for may have begun after the last */
		if (impatient)
			impatient();
		if (again || !impatient)
			command_cancel(&ring);
	}
	io_uring_queue_exit(&ring);
	close(fd);
	crowd_ended(crowd_kind_name(kind), 0, cmd->dev_id, res);
	if (!crowd_legal(kind, 0, res, crowd->wrong))
		crowd_fail("%s of device %u, queue %u, data %#llx: %s, which is not legal",
			   crowd_kind_name(kind), cmd->dev_id, cmd->queue_id,
			   (unsigned long long)cmd->data[0], res_str(res));
	return res;
}

int ctl_simple(enum crowd_kind kind, u32 cmd_op, int id, u64 data, unsigned int ms,
	       void (*impatient)(void))
{
	const struct ublksrv_ctrl_cmd cmd = { .dev_id = id, .queue_id = -1, .data[0] = data };

	return ctl_command(kind, cmd_op, &cmd, ms, impatient);
}
