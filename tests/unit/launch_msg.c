// SPDX-License-Identifier: GPL-2.0
/* What launcher and server tell each other, and that each sees the other's end. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ids.h"
#include "launch_msg.h"

static int socks[2];

static void setup(void)
{
	cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, socks), 0);
}

static void teardown(void)
{
	close(socks[0]);
	close(socks[1]);
}

TestSuite(launch_msg, .init = setup, .fini = teardown, .timeout = 10);

Test(launch_msg, bring_the_drivers_answer)
{
	const struct device told = { .id = 3, .nr_queues = 2, .depth = 17, .max_io = 1 << 20,
				     .stable = STABLE_ALWAYS, .identity = 9 };
	struct device d = { .id = ID_ANY, .nr_queues = 8, .depth = 128, .max_io = 4096 };
	struct launch_msg msg;

	cr_assert_eq(launch_msg_send(socks[0], LAUNCH_DEVICE, &told), 0);
	cr_assert_eq(launch_msg_recv(socks[1], &msg), 0);
	cr_assert_eq(msg.type, LAUNCH_DEVICE);
	launch_msg_device(&msg, &d);
	cr_assert_eq(d.id, 3);
	cr_assert_eq(d.nr_queues, 2);
	cr_assert_eq(d.depth, 17);
	cr_assert_eq(d.max_io, 1 << 20);
	cr_assert_eq(d.stable, STABLE_ALWAYS);
	cr_assert_eq(d.identity, 9);
}

/* What the options said and no driver answers is the server's own. */
Test(launch_msg, leave_the_rest_of_a_device_alone)
{
	const struct launch_msg msg = { .type = LAUNCH_DEVICE };
	struct device d = { .pace = PACE_BATCH, .flags = 5, .name = "seven" };

	launch_msg_device(&msg, &d);
	cr_assert_eq(d.pace, PACE_BATCH);
	cr_assert_eq(d.flags, 5);
	cr_assert_str_eq(d.name, "seven");
}

Test(launch_msg, arrive_one_by_one_and_whole)
{
	struct launch_msg msg;

	cr_assert_eq(launch_msg_send(socks[0], LAUNCH_LIVE, NULL), 0);
	cr_assert_eq(launch_msg_send(socks[0], LAUNCH_TOLD, NULL), 0);
	cr_assert_eq(launch_msg_recv(socks[1], &msg), 0);
	cr_assert_eq(msg.type, LAUNCH_LIVE);
	cr_assert_eq(launch_msg_recv(socks[1], &msg), 0);
	cr_assert_eq(msg.type, LAUNCH_TOLD);
}

Test(launch_msg, the_end_of_the_other_is_told_to_who_listens)
{
	struct launch_msg msg = { .type = LAUNCH_GONE };

	close(socks[0]);
	cr_assert_eq(launch_msg_recv(socks[1], &msg), -ECONNRESET);
	cr_assert_eq(msg.type, LAUNCH_GONE, "something was written");
}

Test(launch_msg, the_end_of_the_other_is_told_to_who_speaks)
{
	close(socks[0]);
	cr_assert_eq(launch_msg_send(socks[1], LAUNCH_READY, NULL), -ECONNRESET);
}

/* The last words come before the end. */
Test(launch_msg, what_was_said_is_heard_after_the_end)
{
	struct launch_msg msg;

	cr_assert_eq(launch_msg_send(socks[0], LAUNCH_FAILED, NULL), 0);
	close(socks[0]);
	cr_assert_eq(launch_msg_recv(socks[1], &msg), 0);
	cr_assert_eq(msg.type, LAUNCH_FAILED);
	cr_assert_eq(launch_msg_recv(socks[1], &msg), -ECONNRESET);
}

Test(launch_msg, a_piece_is_none)
{
	struct launch_msg msg = { .type = LAUNCH_LIVE };

	cr_assert_eq(send(socks[0], &msg, sizeof(msg) - 1, 0), (ssize_t)sizeof(msg) - 1);
	cr_assert_eq(launch_msg_recv(socks[1], &msg), -ECONNRESET);
}

Test(launch_msg, an_end_is_seen_without_waiting)
{
	cr_assert_not(launch_msg_is_over(socks[1]));
	close(socks[0]);
	cr_assert(launch_msg_is_over(socks[1]));
}
