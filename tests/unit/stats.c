// SPDX-License-Identifier: GPL-2.0
/* What is counted of what goes through a ring, which is not submitted. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "queue.h"
#include "stats.h"

#define DEPTH		4
#define LEGS		2
#define ENTRIES		16
#define KIB		1024U

static struct target target = { .nr_legs = LEGS, .max_steps = LEGS, .legs_leave = true };
static const struct device device = { .depth = DEPTH, .target = &target };
static struct queue q;
static struct io_uring_sqe sqes[ENTRIES];
static struct io_uring_cqe cqes[ENTRIES];
static unsigned int head;
static struct ublksrv_io_desc descs[DEPTH];
static struct io ios[2 * DEPTH];
static struct step steps[2 * DEPTH][LEGS];

static void setup(void)
{
	q = (struct queue){ .device = &device, .target = &target, .descs = descs, .ios = (char *)ios, .io_stride = sizeof(ios[0]) };
	q.ring.sq.sqes = sqes;
	q.ring.cq.cqes = cqes;
	q.ring.sq.ring_mask = q.ring.cq.ring_mask = ENTRIES - 1;
	q.sqe_end = ENTRIES;
	for (unsigned int i = 0; i < 2 * DEPTH; i++) {
		ios[i].tag = ios[i].index = i;
		ios[i].steps = steps[i];
	}
	cr_assert_eq(stats_want(&q, clock_ms()), 0);
}

static void teardown(void)
{
	stats_free(&q);
}

TestSuite(stats, .init = setup, .fini = teardown, .timeout = 30);

static const struct stats_part *own(void)
{
	return &q.kept_stats->own;
}

static const struct stats_part *leg(unsigned int i)
{
	return &q.kept_stats->legs[i];
}

/* A batch with one CQE, and what is sent because of it. */
static void comes(u64 user_data, s32 res)
{
	cqes[head % ENTRIES] = (struct io_uring_cqe){ .user_data = user_data, .res = res };
	stats_came(&q, head, head + 1);
	head++;
}

static void request_comes(unsigned int tag, u8 op, u32 bytes)
{
	descs[tag] = (struct ublksrv_io_desc){ .op_flags = op, .nr_sectors = bytes >> SECTOR_SHIFT };
	comes(udata(UD_FETCH, tag, 0), UBLK_IO_RES_OK);
}

static void step_is_sent(unsigned int index, unsigned int i, enum step_op op, int file)
{
	struct io_uring_sqe *sqe = queue_sqe(&q);

	steps[index][i].op = op;
	io_uring_prep_rw(IORING_OP_READ, sqe, file, NULL, 0, 0);
	sqe->flags = IOSQE_FIXED_FILE;
	sqe->user_data = udata(UD_STEP, index, i);
}

/* The driver's command on the tag of request @index. */
static void command_is_sent(unsigned int index, u32 op, s32 result)
{
	struct io_uring_sqe *sqe = queue_sqe(&q);

	queue_prep_cmd(&q, &ios[index], sqe, 0, op, result, 0);
	sqe->user_data = udata(UD_FETCH, index, 0);
}

static void commit_is_sent(unsigned int index, s32 result)
{
	command_is_sent(index, UBLK_U_IO_COMMIT_AND_FETCH_REQ, result);
	stats_sent(&q);
}

Test(stats, a_request_is_one_from_its_coming_to_its_commit)
{
	request_comes(2, UBLK_IO_OP_WRITE, 64 * KIB);
	step_is_sent(2, 0, STEP_WRITE, FILE_LEG(0));
	step_is_sent(2, 1, STEP_WRITE, FILE_LEG(1));
	stats_sent(&q);
	cr_expect_eq(own()->in_flight, 1);
	cr_expect_eq(leg(0)->in_flight, 1);
	cr_expect_eq(leg(1)->in_flight, 1);
	comes(udata(UD_STEP, 2, 1), 64 * KIB);
	stats_sent(&q);
	cr_expect_eq(leg(1)->in_flight, 0);
	cr_expect_eq(leg(0)->in_flight, 1);
	comes(udata(UD_STEP, 2, 0), 64 * KIB);
	commit_is_sent(2, 64 * KIB);
	cr_expect_eq(own()->in_flight, 0);
	cr_expect_eq(own()->kinds[STATS_WRITE].nr, 1);
	cr_expect_eq(own()->kinds[STATS_WRITE].bytes, 64 * KIB);
	cr_expect_eq(own()->kinds[STATS_WRITE].errors, 0);
	cr_expect_eq(own()->kinds[STATS_READ].nr, 0);
	for (unsigned int i = 0; i < LEGS; i++) {
		cr_expect_eq(leg(i)->kinds[STATS_WRITE].nr, 1, "leg %u", i);
		cr_expect_eq(leg(i)->kinds[STATS_WRITE].bytes, 64 * KIB, "leg %u", i);
	}
}

Test(stats, a_request_takes_as_long_as_it_was_here)
{
	const struct stats_line *l = &own()->kinds[STATS_READ];

	request_comes(1, UBLK_IO_OP_READ, 4 * KIB);
	q.kept_stats->requests[1] -= 5000000;
	commit_is_sent(1, 4 * KIB);
	cr_expect_geq(l->ns, 5000000);
	cr_expect_geq(stats_line_within(l, 500), 5000000);
}

Test(stats, what_was_under_way_before_is_not_counted)
{
	comes(udata(UD_STEP, 1, 0), 4 * KIB);
	commit_is_sent(1, 4 * KIB);
	cr_expect_eq(own()->kinds[STATS_READ].nr, 0);
	cr_expect_eq(own()->in_flight, 0);
	cr_expect_eq(leg(0)->kinds[STATS_READ].nr, 0);
	cr_expect_eq(leg(0)->in_flight, 0);
}

Test(stats, a_write_whose_data_is_asked_for_is_one)
{
	request_comes(0, UBLK_IO_OP_WRITE, 4 * KIB);
	command_is_sent(0, UBLK_U_IO_NEED_GET_DATA, 0);
	stats_sent(&q);
	cr_expect_eq(own()->in_flight, 1);
	cr_expect_eq(own()->kinds[STATS_WRITE].nr, 0);
	request_comes(0, UBLK_IO_OP_WRITE, 4 * KIB);
	cr_expect_eq(own()->in_flight, 1);
	commit_is_sent(0, 4 * KIB);
	cr_expect_eq(own()->in_flight, 0);
	cr_expect_eq(own()->kinds[STATS_WRITE].nr, 1);
}

Test(stats, who_stands_in_ends_the_request_of_its_tag)
{
	request_comes(3, UBLK_IO_OP_READ, 4 * KIB);
	step_is_sent(3, 0, STEP_READ, FILE_LEG(0));
	stats_sent(&q);
	ios[DEPTH + 1].tag = 3;
	commit_is_sent(DEPTH + 1, 4 * KIB);
	cr_expect_eq(own()->kinds[STATS_READ].nr, 1);
	cr_expect_eq(own()->in_flight, 0);
	cr_expect_eq(leg(0)->in_flight, 1, "what was left behind is under way");
}

Test(stats, errors_are_counted_and_have_no_bytes)
{
	request_comes(1, UBLK_IO_OP_READ, 4 * KIB);
	step_is_sent(1, 1, STEP_READ, FILE_LEG(1));
	stats_sent(&q);
	comes(udata(UD_STEP, 1, 1), -EIO);
	commit_is_sent(1, -EIO);
	cr_expect_eq(own()->kinds[STATS_READ].errors, 1);
	cr_expect_eq(own()->kinds[STATS_READ].bytes, 0);
	cr_expect_eq(leg(1)->kinds[STATS_READ].errors, 1);
	cr_expect_eq(leg(1)->kinds[STATS_READ].bytes, 0);
}

Test(stats, what_a_disk_did_that_was_there_before_is_not_the_legs)
{
	request_comes(1, UBLK_IO_OP_READ, 4 * KIB);
	step_is_sent(1, 1, STEP_READ, FILE_LEG(1));
	stats_sent(&q);
	steps[1][1].old = true;
	comes(udata(UD_STEP, 1, 1), 4 * KIB);
	cr_expect_eq(leg(1)->kinds[STATS_READ].nr, 0);
	cr_expect_eq(leg(1)->in_flight, 0);
}

Test(stats, what_is_no_operation_on_a_leg_is_not_one)
{
	request_comes(1, UBLK_IO_OP_WRITE, 4 * KIB);
	step_is_sent(1, 0, STEP_DELAY, -1);
	step_is_sent(1, 1, STEP_WRITE, FILE_UBLKC);
	stats_sent(&q);
	step_is_sent(1, 1, STEP_NOTE, FILE_LEG(1));
	stats_sent(&q);
	comes(udata(UD_STEP, 1, 1), 512);
	comes(udata(UD_BOUNCE, 1, 0x80), 4 * KIB);
	comes(udata(UD_MODE, 1, 0), 0);
	comes(udata(UD_INBOX, 0, 0), 8);
	for (unsigned int i = 0; i < LEGS; i++) {
		cr_expect_eq(leg(i)->in_flight, 0);
		cr_expect_eq(leg(i)->kinds[STATS_OTHER].nr + leg(i)->kinds[STATS_WRITE].nr, 0);
	}
	cr_expect_eq(own()->in_flight, 1);
}

Test(stats, end_when_nobody_asks_and_go_on_when_somebody_does)
{
	request_comes(1, UBLK_IO_OP_FLUSH, 0);
	step_is_sent(1, 0, STEP_SYNC, FILE_LEG(0));
	commit_is_sent(1, 0);
	request_comes(1, UBLK_IO_OP_FLUSH, 0);
	q.kept_stats->until = clock_ms() - 1;
	comes(udata(UD_STEP, 1, 0), 0);
	cr_expect_null(q.stats);
	cr_expect_eq(own()->in_flight + leg(0)->in_flight, 0, "what ends unseen");
	cr_assert_eq(stats_want(&q, clock_ms()), 0);
	cr_expect_eq(q.stats, q.kept_stats);
	comes(udata(UD_INBOX, 0, 0), 8);
	commit_is_sent(1, 0);
	request_comes(1, UBLK_IO_OP_FLUSH, 0);
	commit_is_sent(1, 0);
	cr_expect_eq(own()->kinds[STATS_OTHER].nr, 2);
}

/* Of each power of two its ends, and what is next to them. */
Test(stats, a_time_is_an_eighth_too_long_at_most)
{
	for (unsigned int shift = STATS_SHIFT; shift < 37; shift++) {
		for (int i = -1; i <= 1; i++) {
			struct stats_line l = { 0 };
			u64 ns = (1ULL << shift) + i, told;

			stats_line_add(&l, ns, 0, 0);
			told = stats_line_within(&l, 500);
			cr_expect(told > ns && told <= ns + ns / 8 + (1 << STATS_SHIFT), "%llu ns: %llu", (unsigned long long)ns,
				  (unsigned long long)told);
			cr_expect_eq(stats_line_below(&l, shift), i < 0, "%llu ns, below 2^%u", (unsigned long long)ns, shift);
		}
	}
}

Test(stats, of_a_thousand_so_many_are_within)
{
	struct stats_line l = { 0 };

	cr_expect_eq(stats_line_within(&l, 990), 0, "of none");
	for (unsigned int i = 0; i < 989; i++)
		stats_line_add(&l, 2000, 0, 0);
	for (unsigned int i = 0; i < 11; i++)
		stats_line_add(&l, 1000000, 0, 0);
	cr_expect_lt(stats_line_within(&l, 989), 3000);
	cr_expect_gt(stats_line_within(&l, 990), 1000000);
	stats_line_add(&l, UINT64_MAX, 0, 0);
	cr_expect_gt(stats_line_within(&l, 1000), 1ULL << 36, "what takes longer than all buckets is in the last one");
}

/* A server's answer, as it is sent. */
static char *answer(void)
{
	static struct stats_part p;
	char *text;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	stats_line_add(&p.kinds[STATS_READ], 77777, 4 * KIB, 4 * KIB);
	stats_line_add(&p.kinds[STATS_OTHER], 1, 0, -EIO);
	p.in_flight = 5;
	fprintf(out, "stats 1 123456789 2 1 77\n");
	stats_part_write(out, "queue", 1, &p);
	stats_part_write(out, "leg", 0, &p);
	fclose(out);
	return text;
}

Test(stats, an_answer_is_read_as_it_was_written)
{
	struct stats_sample s;
	struct stats_part sum;
	char *text = answer();

	cr_assert_eq(stats_sample_read(&s, text), 0);
	cr_expect_eq(s.ns, 123456789);
	cr_expect_eq(s.nr_queues, 2);
	cr_expect_eq(s.nr_legs, 1);
	cr_expect_eq(s.pid, 77);
	cr_expect_eq(s.legs[0].in_flight, 5);
	cr_expect_eq(s.legs[0].kinds[STATS_OTHER].errors, 1);
	stats_sample_sum(&s, &sum);
	cr_expect_eq(sum.kinds[STATS_READ].bytes, 4 * KIB);
	cr_expect_eq(sum.kinds[STATS_READ].ns, 77777);
	cr_expect(memcmp(sum.kinds, s.queues[1].kinds, sizeof(sum.kinds)) == 0);
	stats_sample_free(&s);
	free(text);
}

/* Also at each place where it may end. */
Test(stats, an_answer_that_is_wrong_is_refused)
{
	static const char *const wrong[] = {
		"", "stats", "stats 2 1 1 1 1\n", "stats 1 1 1 1\n", "stats 1 1 9999999 1 1\n", "stats 1 1 1 99 1\n",
		"stats 1 1 1 1 1\nqueue 1 0\n", "stats 1 1 1 1 1\nqueue 0 0\nread 1 1 1 1 9999:1\n",
		"stats 1 1 1 1 1\nleg 0 0\nwrite 1 1 1 1\n",
	};
	struct stats_sample s;
	char *text = answer();
	size_t len = strlen(text);

	for (unsigned int i = 0; i < ARRAY_SIZE(wrong); i++) {
		char *copy = strdup(wrong[i]);

		cr_expect_eq(stats_sample_read(&s, copy), -EPROTO, "'%s'", wrong[i]);
		free(copy);
	}
	for (size_t cut = 0; cut < len; cut++) {
		char *copy = strndup(text, cut);

		if (!stats_sample_read(&s, copy))
			stats_sample_free(&s);
		free(copy);
	}
	free(text);
}
