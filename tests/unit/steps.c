// SPDX-License-Identifier: GPL-2.0
/*
 * What becomes of a request's steps that a leg refuses, and of zeroes.
 */
#include "steps.h"

TestSuite(steps, .init = setup, .fini = teardown, .timeout = 30);

Test(steps, a_write_that_a_leg_refuses_arrives)
{
	serve(paths[0], NULL);
	refusing = 1;
	cr_assert_eq(request(UBLK_IO_OP_WRITE, 0), LEN);
	cr_assert(refused);
	leg_has(0, 'n');
}

Test(steps, a_read_that_a_leg_refuses_arrives)
{
	serve(paths[0], NULL);
	refusing = 1;
	cr_assert_eq(request(UBLK_IO_OP_READ, 0), LEN);
	cr_assert(refused);
	request_has('o');
}

Test(steps, a_read_that_one_leg_refuses_brings_the_same)
{
	serve(paths[0], paths[1]);
	for (unsigned int i = 0; i < 8; i++) {
		refusing = i & 3;
		cr_assert_eq(request(UBLK_IO_OP_READ, 0), LEN);
	}
	cr_assert(refused);
	all_are_live();
}

/* What the driver says of a write, and whether it is copied. */
static bool copies(enum stable_policy stable, const struct mode_ops *mode, u32 op, u32 flags)
{
	const struct device some = { .depth = 1, .max_io = LEN, .stable = stable };
	u64 before = asked;

	q.device = &some;
	q.mode = mode;
	q.copy_mask = 0;
	queue_rules_init(&q);
	cr_assert_eq(request(op, flags), LEN);
	return asked != before;
}

Test(steps, of_writes_that_may_change_a_copy_is_taken)
{
	serve(paths[0], paths[1]);
	cr_assert(copies(STABLE_ALWAYS, &fake, UBLK_IO_OP_WRITE, 0));
	cr_assert(copies(STABLE_ALWAYS, &fake, UBLK_IO_OP_WRITE, UBLK_IO_F_FUA));
	leg_has(0, 'n');
	leg_has(1, 'n');
	cr_assert_not(copies(STABLE_ALWAYS, &fake, UBLK_IO_OP_WRITE, UBLK_IO_F_STABLE_PAGES));
	cr_assert_not(copies(STABLE_ALWAYS, &fake, UBLK_IO_OP_READ, 0));
	cr_assert_not(copies(STABLE_ALWAYS, &fake_copy, UBLK_IO_OP_WRITE, 0));
	cr_assert_not(copies(STABLE_CACHE, &fake, UBLK_IO_OP_WRITE, 0));
	cr_assert_not(copies(STABLE_OFF, &fake, UBLK_IO_OP_WRITE, 0));
	all_are_live();
}

/* That a leg was written behind another one is not seen in what they have. */
Test(steps, a_copy_is_taken_once_for_all_legs)
{
	serve(paths[0], paths[1]);
	copies(STABLE_ALWAYS, &fake, UBLK_IO_OP_WRITE, 0);
	cr_assert_eq(asked, LEN, "%lu bytes", (unsigned long)asked);
}

Test(steps, a_write_that_one_leg_refuses_is_on_both)
{
	for (unsigned int bad = 0; bad < 2; bad++) {
		serve(paths[0], paths[1]);
		refusing = 1 << bad;
		cr_assert_eq(request(UBLK_IO_OP_WRITE, 0), LEN);
		cr_assert(refused);
		all_are_live();
		leg_has(0, 'n');
		leg_has(1, 'n');
		target_destroy(q.target);
		io_uring_unregister_files(&q.ring);
	}
}

/* Something else than its shape is wrong then: it has to go, it has missed a write. */
Test(steps, a_leg_that_refuses_the_copy_too_is_dropped)
{
	char *text = NULL;
	size_t len;
	FILE *out;

	serve(paths[0], paths[1]);
	refusing = 1;
	/* unseekable, and not for writing */
	cr_assert_eq(io_uring_register_files_update(&q.ring, FILE_LEG(0), (int[]){ eventfd(0, 0) }, 1), 1);
	cr_assert_eq(request(UBLK_IO_OP_WRITE, 0), LEN);
	leg_has(1, 'n');
	out = open_memstream(&text, &len);
	q.target->ops->status_text(q.target, out);
	fclose(out);
	cr_assert_not_null(strstr(text, "dropped"), "%s", text);
	free(text);
}

/* In parts that end in the middle of a block. */
Test(steps, a_copy_that_is_moved_in_parts_arrives)
{
	serve(paths[0], paths[1]);
	cut = 3 * 4096 + 100;
	refusing = 3;
	cr_assert_eq(request(UBLK_IO_OP_READ, 0), LEN);
	cr_assert(refused);
	cr_assert_eq(pread(chardev, found, LEN, POS), LEN);
	cr_assert(!memcmp(found, found + 1, LEN - 1) && (*found == 'o' || *found == 'p'));
	for (refusing = 1; refusing <= 2; refusing++) {
		cr_assert_eq(pwrite(chardev, data, LEN, POS), LEN);
		cr_assert_eq(request(UBLK_IO_OP_WRITE, 0), LEN);
		all_are_live();
	}
	leg_has(0, 'n');
	leg_has(1, 'n');
}

Test(steps, a_copy_that_does_not_move_is_an_error)
{
	serve(paths[0], NULL);
	cut = 100;
	refusing = 1;
	cr_assert_eq(request(UBLK_IO_OP_WRITE, 0), -EIO);
	cr_assert_eq(request(UBLK_IO_OP_READ, 0), -EIO);
}

/* The first leg ends in the middle of a block that the request has. */
static void cut_first_leg(void)
{
	cr_assert_eq(truncate(paths[0], OFF + 3 * 4096 + 100), 0);
}

Test(steps, a_read_behind_the_end_of_a_leg_is_an_error)
{
	static const struct mode_ops *const modes[] = { &fake_copy, &fake };

	for (unsigned int i = 0; i < 2; i++) {
		cr_assert_eq(truncate(paths[0], SIZE), 0);
		serve(paths[0], NULL);
		cut_first_leg();
		q.mode = modes[i];
		queue_rules_init(&q);
		cr_assert_eq(request(UBLK_IO_OP_READ, 0), -EIO, "mode %s", modes[i]->name);
		target_destroy(q.target);
		io_uring_unregister_files(&q.ring);
	}
}

Test(steps, a_read_behind_the_end_of_a_leg_is_done_on_another)
{
	serve(paths[0], paths[1]);
	cut_first_leg();
	q.mode = &fake_copy;
	queue_rules_init(&q);
	for (unsigned int i = 0; i < 8; i++) {
		cr_assert_eq(request(UBLK_IO_OP_READ, 0), LEN);
		for (unsigned int n = 0; n < LEN; n++)
			cr_assert_eq(data[n], 'p', "read %u: byte %u is %#x", i, n, data[n]);
	}
}

/* A target whose requests are four parts: the first and third on leg 0, the others on leg 1. */
#define PART	(LEN / 4)

static enum verdict parts_plan(struct target *t, void *tq, struct io *i)
{
	for (unsigned int n = 0; n < 4; n++)
		io_add_part(i, io_step_op(i->op), n & 1, OFF + n / 2 * PART, PART, n * PART);
	return VERDICT_STEPS;
}

static enum verdict parts_settle(struct target *t, void *tq, struct io *i)
{
	i->result = io_success(i);
	for (unsigned int n = 0; n < i->nr_steps; n++)
		if (i->steps[n].res)
			i->result = i->steps[n].res;
	return VERDICT_DONE;
}

static const struct target_ops parts = { .name = "parts", .plan = parts_plan, .settle = parts_settle };

/* No two sectors of a request are the same. */
static void fill_data(void)
{
	for (unsigned int n = 0; n < LEN / 512; n++)
		memset(data + n * 512, n & 1 ? n : -n, 512);
	cr_assert_eq(pwrite(chardev, data, LEN, POS), LEN);
}

static void serve_parts(const struct mode_ops *mode)
{
	serve(paths[0], paths[1]);
	q.target->ops = &parts;
	q.mode = mode;
	queue_rules_init(&q);
	fill_data();
}

static void parts_are(const char *where, unsigned int n, const char *what)
{
	int fd = open(paths[n & 1], O_RDONLY | O_CLOEXEC);

	cr_assert_eq(pread(fd, found, PART, OFF + n / 2 * PART), PART);
	close(fd);
	cr_assert_eq(memcmp(found, where + n * PART, PART), 0, "%s: part %u", what, n);
}

/* Whichever legs refuse them, and however little moves at once. */
static void parts_arrive(const struct mode_ops *mode, bool copies)
{
	static char fetched[LEN];

	serve_parts(mode);
	for (unsigned int bad = 0; bad < (copies ? 1 : 4); bad++) {
		refusing = bad;
		cut = bad & 1 ? 3 * 4096 + 100 : 0;
		cr_assert_eq(request(UBLK_IO_OP_WRITE, 0), LEN);
		for (unsigned int n = 0; n < 4; n++)
			parts_are(data, n, mode->name);
		memset(fetched, 0, LEN);
		cr_assert_eq(pwrite(chardev, fetched, LEN, POS), LEN);
		memset(found, 0, LEN);
		memcpy(fetched, data, LEN);
		memset(data, 0, LEN);
		cr_assert_eq(request(UBLK_IO_OP_READ, 0), LEN);
		cr_assert_eq(pread(chardev, found, LEN, POS), LEN);
		for (unsigned int n = 0; n < LEN; n++) {
			/* what went without a copy came into the client's own memory */
			char got = n / PART & 1 ? (bad & 2 ? found[n] : data[n]) : (bad & 1 ? found[n] : data[n]);

			cr_assert_eq(got, fetched[n], "%s: refusing %u: byte %u", mode->name, bad, n);
		}
		memcpy(data, fetched, LEN);
		cr_assert_eq(pwrite(chardev, data, LEN, POS), LEN);
	}
}

Test(steps, parts_of_a_request_have_their_own_data)
{
	parts_arrive(&fake_copy, true);
}

Test(steps, parts_that_legs_refuse_arrive)
{
	parts_arrive(&fake, false);
	cr_assert(refused);
}

Test(steps, a_part_behind_the_end_of_a_leg_is_an_error)
{
	serve_parts(&fake);
	cr_assert_eq(truncate(paths[1], OFF + PART + 4096), 0);
	cr_assert_eq(request(UBLK_IO_OP_READ, 0), -EIO);
	refusing = 3;
	cr_assert_eq(request(UBLK_IO_OP_READ, 0), -EIO);
}

/* Of two legs, more chunks than there are steps at once. */
static void chunks_are_on_their_legs(unsigned int chunk)
{
	for (unsigned int n = 0; n < LEN / chunk; n++) {
		unsigned int k = OFF / chunk + n;
		int fd = open(paths[k & 1], O_RDONLY | O_CLOEXEC);

		cr_assert_eq(pread(fd, found, chunk, k / 2 * chunk), chunk);
		close(fd);
		cr_assert_eq(memcmp(found, data + n * chunk, chunk), 0, "chunk %u", n);
	}
}

Test(steps, a_stripe_in_rounds_has_each_chunk_in_its_place)
{
	char *argv[] = { "test", "-l", paths[0], "-l", paths[1], "--chunk", "4K", NULL };
	static char written[LEN];

	serve_as(&target_stripe, 7, argv);
	cr_assert_gt(LEN / 4096, q.target->max_steps);
	for (refusing = 0; refusing < 4; refusing++) {
		fill_data();
		cr_assert_eq(request(UBLK_IO_OP_WRITE, 0), LEN);
		chunks_are_on_their_legs(4096);
	}
	refusing = 0;
	memcpy(written, data, LEN);
	memset(data, 0, LEN);
	cr_assert_eq(request(UBLK_IO_OP_READ, 0), LEN);
	cr_assert_eq(memcmp(data, written, LEN), 0);
}

Test(steps, a_stripe_that_is_refused_in_each_round_is_copied_once)
{
	char *argv[] = { "test", "-l", paths[0], "-l", paths[1], "--chunk", "512", NULL };

	serve_as(&target_stripe, 7, argv);
	fill_data();
	refusing = 3;
	cr_assert_eq(request(UBLK_IO_OP_WRITE, 0), LEN);
	chunks_are_on_their_legs(512);
	cr_assert_eq(asked, LEN, "%lu bytes", (unsigned long)asked);
}

/* As a mode that lends has it: the client's pages, whatever way the data comes. */
static void lend_data(void)
{
	cr_assert_eq(mmap(data, LEN, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, chardev, POS), data);
}

static void is_whole_though_spoilt(const struct mode_ops *mode, char *chunk)
{
	char *argv[] = { "test", "-l", paths[0], "-l", paths[1], "--chunk", chunk, NULL };
	static char written[LEN];

	serve_as(&target_stripe, 7, argv);
	q.mode = mode;
	queue_rules_init(&q);
	lend_data();
	for (unsigned int i = 0; i < 20; i++) {
		fill_data();
		memset(data, i, 512 * (i + 1));
		memcpy(written, data, LEN);
		cr_assert_eq(request(UBLK_IO_OP_WRITE, 0), LEN);
		chunks_are_on_their_legs(atoi(chunk));
		memset(data, 0, LEN);
		cr_assert_eq(request(UBLK_IO_OP_READ, 0), LEN);
		cr_assert_eq(memcmp(data, written, LEN), 0, "%s, chunks of %s", mode->name, chunk);
	}
	target_destroy(q.target);
	io_uring_unregister_files(&q.ring);
	close(chardev);
}

/* Some steps of a round short, others refused or not now, and so in each round. */
Test(steps, a_stripe_is_whole_however_its_steps_go)
{
	static const struct mode_ops *const modes[] = { &fake, &fake_copy };

	srandom(1);
	spoiling = true;
	for (unsigned int i = 0; i < 2; i++) {
		is_whole_though_spoilt(modes[i], "512");
		is_whole_though_spoilt(modes[i], "4096");
		is_whole_though_spoilt(modes[i], "65536");
	}
}

static u64 allocated(int fd)
{
	struct stat st;

	cr_assert_eq(fstat(fd, &st), 0);
	return (u64)st.st_blocks * 512;
}

/* A file in memory can free a range, but not tell it to be zero. */
static int serve_memory(void)
{
	int fd = memfd_create("leg", MFD_CLOEXEC);
	char path[64];

	memset(found, 'o', SIZE);
	cr_assert_eq(write(fd, found, SIZE), SIZE);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	serve(path, NULL);
	return fd;
}

static void is_zeroed(int fd)
{
	cr_assert_eq(pread(fd, found, SIZE, 0), SIZE);
	for (unsigned int n = 0; n < SIZE; n++)
		cr_assert_eq(found[n], n >= OFF && n < OFF + LEN ? 0 : 'o', "byte %u is %#x", n, found[n]);
}

Test(steps, zeroes_free_memory_that_may_go)
{
	int fd = serve_memory();
	u64 before = allocated(fd);

	cr_assert_eq(request(UBLK_IO_OP_WRITE_ZEROES, 0), 0);
	is_zeroed(fd);
	cr_assert_leq(allocated(fd), before - LEN);
}

Test(steps, zeroes_keep_memory_that_must_stay)
{
	int fd = serve_memory();
	u64 before = allocated(fd);

	cr_assert_eq(request(UBLK_IO_OP_WRITE_ZEROES, UBLK_IO_F_NOUNMAP), 0);
	is_zeroed(fd);
	cr_assert_eq(allocated(fd), before);
}

Test(steps, zeroes_keep_blocks_of_all_legs_that_must_stay)
{
	u64 before[2];

	serve(paths[0], paths[1]);
	for (unsigned int i = 0; i < 2; i++)
		before[i] = allocated(q.target->legs[i].fd);
	cr_assert_eq(request(UBLK_IO_OP_WRITE_ZEROES, UBLK_IO_F_NOUNMAP), 0);
	for (unsigned int i = 0; i < 2; i++) {
		leg_has(i, 0);
		cr_assert_geq(allocated(q.target->legs[i].fd), before[i]);
	}
	all_are_live();
}

static char note[LEN] __attribute__((aligned(4096)));

static void note_is_written(void)
{
	struct io_uring_cqe *cqe;

	memset(note, 'N', LEN);
	io.note = note;
	io_add_part(&io, STEP_NOTE, 1, OFF, LEN, 0);
	nodata_start(&q, &io);
	cr_assert_eq(q.ring.sq.sqes[0].rw_flags, RWF_DSYNC);
	cr_assert_eq(io_uring_submit_and_wait(&q.ring, 1), 1);
	cr_assert_eq(io_uring_peek_cqe(&q.ring, &cqe), 0);
	cr_assert_eq(cqe->res, (int)LEN);
	cr_assert_eq(io.steps[0].want, (int)LEN, "that is all of it");
	leg_has(1, 'N');
	leg_has(0, 'o');
}

Test(steps, a_note_is_written_durably_to_its_place)
{
	serve(paths[0], paths[1]);
	note_is_written();
	cr_assert_eq(q.ring.sq.sqes[0].opcode, IORING_OP_WRITE);
}

/* In the slot behind those of the mode, which are empty. */
Test(steps, a_note_that_is_registered_is_written_the_same_way)
{
	static const struct device small = { .depth = 1 };

	serve(paths[0], paths[1]);
	q.device = &small;
	q.notes = note;
	q.target->note_bytes = 64 << 10;
	cr_assert_eq(queue_slots_init(&q, NULL, 3), 0);
	cr_assert(q.fixed_notes == 1 && q.note_slot == 3);
	io_uring_unregister_buffers(&q.ring);
	q.target->note_bytes = LEN;
	cr_assert_eq(io_uring_register_buffers(&q.ring, &(struct iovec){ note, LEN }, 1), 0);
	q.note_slot = 0;
	note_is_written();
	cr_assert_eq(q.ring.sq.sqes[0].opcode, IORING_OP_WRITE_FIXED);
}
