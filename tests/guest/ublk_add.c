// SPDX-License-Identifier: GPL-2.0
/*
 * Making a ublk device with zero copy: which sizes, flags and parameters it takes, and from
 * whom.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dev.h"
#include "proc.h"
#include "ublkraw.h"

#define LEN	16384
#define CONTROL	"/dev/ublk-control"

static struct raw r;

static void setup(void)
{
	raw_begin(&r);
}

TestSuite(ublk_add, .init = setup, .fini = raw_sweep, .timeout = 60);

static const struct raw_opt zc = { .flags = RAW_ZC };

/* A tool of mainline's takes a bit that it does not know for an error. */
Test(ublk_add, tells_features_beyond_mainlines_to_who_knows_them)
{
	u64 features = 0;
	struct ublksrv_ctrl_cmd cmd = {
		.dev_id = -1, .queue_id = -1, .addr = (uintptr_t)&features, .len = 8,
	};

	res_is(raw_ctl(UBLK_U_CMD_GET_FEATURES, &cmd, SOON_MS), 0, "GET_FEATURES");
	cr_assert_eq(features >> 32, 0, "features %#llx", (unsigned long long)features);
	cmd.data[0] = UBLK_F_STABLE_PAGES | 1ULL << 40;
	res_is(raw_ctl(UBLK_U_CMD_GET_FEATURES, &cmd, SOON_MS), 0, "GET_FEATURES");
	cr_assert_eq(features >> 32, UBLK_F_STABLE_PAGES >> 32, "features %#llx", (unsigned long long)features);
}

Test(ublk_add, is_a_feature_that_the_driver_tells)
{
	static const u64 told[] = {
		UBLK_F_SUPPORT_ZERO_COPY, UBLK_F_AUTO_BUF_REG, UBLK_F_BUF_REG_OFF_DAEMON,
	};
	u64 features = 0;
	const struct ublksrv_ctrl_cmd cmd = {
		.dev_id = -1, .queue_id = -1, .addr = (uintptr_t)&features, .len = 8,
	};
	struct ublksrv_ctrl_dev_info info = {
		.nr_hw_queues = 1, .queue_depth = 4, .max_io_buf_bytes = 65536, .dev_id = -1,
		.flags = RAW_ZC | UBLK_F_NEED_GET_DATA | 1ULL << 40,
	};

	res_is(raw_ctl(UBLK_U_CMD_GET_FEATURES, &cmd, SOON_MS), 0, "GET_FEATURES");
	for (unsigned int i = 0; i < 3; i++)
		cr_assert(features & told[i], "features %#llx", (unsigned long long)features);
	res_is(raw_add_info(&info), 0, "ADD_DEV");
	cr_assert(info.flags & UBLK_F_SUPPORT_ZERO_COPY, "flags %#llx", info.flags);
	cr_assert(!(info.flags & UBLK_F_NEED_GET_DATA), "flags %#llx", info.flags);
	cr_assert(!(info.flags & 1ULL << 40), "flags %#llx", info.flags);
	cr_assert(!(info.flags & UBLK_F_AUTO_BUF_REG), "flags %#llx", info.flags);
	res_is(raw_del(info.dev_id, SOON_MS), 0, "DEL_DEV");

	info.flags = UBLK_F_AUTO_BUF_REG | UBLK_F_NEED_GET_DATA;
	info.dev_id = -1;
	res_is(raw_add_info(&info), 0, "ADD_DEV");
	cr_assert(info.flags & UBLK_F_AUTO_BUF_REG, "flags %#llx", info.flags);
	cr_assert(!(info.flags & UBLK_F_NEED_GET_DATA), "flags %#llx", info.flags);
	cr_assert(!(info.flags & UBLK_F_SUPPORT_ZERO_COPY), "flags %#llx", info.flags);
	res_is(raw_del(info.dev_id, SOON_MS), 0, "DEL_DEV");
}

Test(ublk_add, add_refuses_nonsense)
{
	static const struct { const char *name; u32 queues, depth; u64 flags; } cases[] = {
		{ "no queue", 0, 4, RAW_ZC },
		{ "no depth", 1, 0, RAW_ZC },
		{ "depth of 4097", 1, 4097, RAW_ZC },
		{ "depth of 65535", 1, 65535, RAW_ZC },
		{ "4097 queues", 4097, 4, RAW_ZC },
		{ "no queue, copying", 0, 4, UBLK_F_CMD_IOCTL_ENCODE },
		{ "depth of 4097, copying", 1, 4097, UBLK_F_CMD_IOCTL_ENCODE },
	};

	for (unsigned int i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct ublksrv_ctrl_dev_info info = {
			.nr_hw_queues = cases[i].queues, .queue_depth = cases[i].depth,
			.max_io_buf_bytes = 65536, .dev_id = -1, .flags = cases[i].flags,
		};

		res_is(raw_add_info(&info), -EINVAL, "%s", cases[i].name);
	}
}

static const struct ublk_params good_params = {
	.len = sizeof(struct ublk_params),
	.types = UBLK_PARAM_TYPE_BASIC,
	.basic = { .logical_bs_shift = 9, .physical_bs_shift = 12, .io_opt_shift = 12,
		   .io_min_shift = 9, .max_sectors = 128, .dev_sectors = 2048 },
};

static int set_params(const struct ublk_params *p)
{
	const struct ublksrv_ctrl_cmd cmd = {
		.dev_id = r.id, .queue_id = -1, .addr = (uintptr_t)p, .len = sizeof(*p),
	};

	return raw_ctl(UBLK_U_CMD_SET_PARAMS, &cmd, SOON_MS);
}

static int set_dma_align(u32 mask)
{
	struct ublk_params p = good_params;

	p.types |= UBLK_PARAM_TYPE_DMA_ALIGN;
	p.dma.alignment = mask;
	return set_params(&p);
}

Test(ublk_add, parameters_out_of_range_are_refused)
{
	struct ublk_params p;

	res_is(raw_add(&r, &zc), 0, "ADD_DEV");
#define WITH(field, value) \
	p = good_params; \
	p.basic.field = (value); \
	res_is(set_params(&p), -EINVAL, #field " of %u", (unsigned int)(value))

	WITH(logical_bs_shift, 0);
	WITH(logical_bs_shift, 8);
	WITH(logical_bs_shift, 13);
	WITH(logical_bs_shift, 255);
	WITH(physical_bs_shift, 8);
	WITH(physical_bs_shift, 31);
	WITH(physical_bs_shift, 255);
	WITH(io_min_shift, 31);
	WITH(io_min_shift, 255);
	WITH(io_opt_shift, 31);
	WITH(io_opt_shift, 255);
	WITH(max_sectors, 0);
	WITH(max_sectors, 7);
	WITH(max_sectors, 129);
	WITH(max_sectors, 0xffffffff);
#undef WITH
	/* a chunk of blocks of 4096: the rest of a block would never be split off */
	p = good_params;
	p.basic.logical_bs_shift = p.basic.io_min_shift = 12;
	p.basic.chunk_sectors = 1;
	res_is(set_params(&p), -EINVAL, "chunk_sectors of 1");
	p.basic.chunk_sectors = 17;
	res_is(set_params(&p), -EINVAL, "chunk_sectors of 17");
	p.basic.chunk_sectors = 16;
	res_is(set_params(&p), 0, "chunk_sectors of 16");
	p = good_params;
	p.types = 0;
	res_is(set_params(&p), -EINVAL, "no types");
	p.types = UBLK_PARAM_TYPE_BASIC | UBLK_PARAM_TYPE_DEVT;
	res_is(set_params(&p), -EINVAL, "read-only parameters");
	res_is(set_params(&good_params), 0, "good ones");
	res_is(raw_del(r.id, SOON_MS), 0, "DEL_DEV");
}

Test(ublk_add, the_server_says_how_pages_are_aligned)
{
	res_is(raw_add(&r, &zc), 0, "ADD_DEV");
	res_is(set_dma_align(4096), -EINVAL, "a page and more");
	res_is(set_dma_align(~0), -EINVAL, "all ones");
	res_is(set_dma_align(510), -EINVAL, "not a mask");
	res_is(set_dma_align(0), 0, "any");
	res_is(set_dma_align(511), 0, "a sector");
	raw_open(&r);
	raw_fetch_all(&r);
	res_is(raw_start(&r), 0, "START_DEV");
	cr_assert_eq(dev_attr(r.id, "queue/dma_alignment"), 511);
	raw_down(&r);
}

static int set_segment(u64 boundary, u32 size, u16 nr)
{
	struct ublk_params p = good_params;

	p.types |= UBLK_PARAM_TYPE_SEGMENT;
	p.seg.seg_boundary_mask = boundary;
	p.seg.max_segment_size = size;
	p.seg.max_segments = nr;
	return set_params(&p);
}

Test(ublk_add, the_server_says_what_segments_there_are)
{
	res_is(raw_add(&r, &zc), 0, "ADD_DEV");
	res_is(set_segment(0, 4096, 0), -EINVAL, "no boundary, which is said by its size");
	res_is(set_segment(~0ULL, 4096, 0), -EINVAL, "the same");
	res_is(set_segment(2047, 4096, 0), -EINVAL, "a boundary inside of a page");
	res_is(set_segment(12287, 4096, 0), -EINVAL, "a boundary that is no power of two");
	res_is(set_segment(65535, 0, 0), -EINVAL, "segments of nothing");
	res_is(set_segment(65535, 4095, 0), -EINVAL, "less than a page");
	res_is(set_segment(~0ULL >> 1, UINT32_MAX, 0), 0, "the most");
	res_is(set_segment(4095, 4096, 1), 0, "a page");
	res_is(set_segment(65535, 8192, 7), 0, "some");
	raw_open(&r);
	raw_fetch_all(&r);
	res_is(raw_start(&r), 0, "START_DEV");
	cr_assert_eq(dev_attr(r.id, "queue/max_segments"), 7);
	cr_assert_eq(dev_attr(r.id, "queue/max_segment_size"), 8192);
	raw_down(&r);
}

/* In a child: what the rights of the process are looked at for. */
struct rights {
	int add;
	int fetch;
	int lend, lend_cmd;
	bool lent, needs_buf;	/* what came as root, and what came after */
	volatile int ready;
	int id;
};

static void drop_rights(void)
{
	must(!setresgid(65534, 65534, 65534) && !setresuid(65534, 65534, 65534), "setresuid: %s",
	     strerror(errno));
}

/* So that not the file's mode refuses; returns the mode that it had. */
static mode_t control_for_all(void)
{
	struct stat st;

	must(!stat(CONTROL, &st) && !chmod(CONTROL, 0666), "chmod: %s", strerror(errno));
	return st.st_mode;
}

static int add_without_rights(void *arg)
{
	struct ublksrv_ctrl_dev_info info = {
		.nr_hw_queues = 1, .queue_depth = 4, .max_io_buf_bytes = 65536, .dev_id = -1,
		.flags = RAW_ZC,
	};

	drop_rights();
	((struct rights *)arg)->add = raw_add_info(&info);
	return 0;
}

/* A device that an ordinary user asks for; also when it is root who asks. */
struct unpriv {
	u64 flags;	/* what it is to have beside; what it has */
	int id;
	int add;
};

static int unpriv_add(void *arg)
{
	struct unpriv *u = arg;
	struct ublksrv_ctrl_dev_info info = {
		.nr_hw_queues = 1, .queue_depth = 4, .max_io_buf_bytes = 65536, .dev_id = -1,
		.flags = u->flags | UBLK_F_UNPRIVILEGED_DEV,
	};

	u->add = raw_add_info(&info);
	u->flags = info.flags;
	u->id = info.dev_id;
	return 0;
}

static int unpriv_add_as_user(void *arg)
{
	drop_rights();
	return unpriv_add(arg);
}

static int fetch_without_rights(void *arg)
{
	raw_open(&r);
	drop_rights();
	((struct rights *)arg)->fetch = raw_run_cmd(&r, UBLK_U_IO_FETCH_REQ, 0, 0, 0, 0);
	return 0;
}

static bool needs_buf(unsigned int tag)
{
	return r.iods[tag].op_flags & UBLK_IO_F_NEED_REG_BUF;
}

/* Fetches as root, and lends when it is root no more. */
static void lend_without_rights(void *arg)
{
	struct rights *s = arg;
	unsigned int tag;

	raw_open(&r);
	raw_fetch_all(&r);
	res_is(raw_start(&r), 0, "START_DEV");
	s->ready = 1;
	tag = raw_expect(&r, UBLK_IO_OP_WRITE, LEN);
	s->lent = !needs_buf(tag);
	drop_rights();
	s->lend = raw_lend(&r, tag, 0, 0, 8);
	s->lend_cmd = raw_lend_cmd(&r, tag, 9);
	raw_commit(&r, tag, LEN);
	tag = raw_expect(&r, UBLK_IO_OP_WRITE, LEN);
	s->needs_buf = needs_buf(tag);
	raw_commit(&r, tag, LEN);
	s->ready = 2;
}

static bool ready(void *arg)
{
	return ((struct rights *)arg)->ready;
}

Test(ublk_add, root_has_no_unprivileged_device)
{
	struct unpriv u = { .flags = RAW_ZC };

	unpriv_add(&u);
	res_is(u.add, 0, "ADD_DEV");
	cr_assert(u.flags & UBLK_F_SUPPORT_ZERO_COPY, "flags %#llx", (unsigned long long)u.flags);
	cr_assert(!(u.flags & UBLK_F_UNPRIVILEGED_DEV), "flags %#llx", (unsigned long long)u.flags);
	res_is(raw_del(u.id, SOON_MS), 0, "DEL_DEV");
}

Test(ublk_add, an_unprivileged_device_copies)
{
	struct unpriv *zero = shared_alloc(sizeof(*zero));
	struct unpriv *automatic = shared_alloc(sizeof(*automatic));
	struct unpriv *copying = shared_alloc(sizeof(*copying));
	mode_t mode = control_for_all();

	zero->flags = RAW_ZC;
	automatic->flags = UBLK_F_AUTO_BUF_REG;
	copying->flags = UBLK_F_CMD_IOCTL_ENCODE;
	cr_assert_eq(proc_run(unpriv_add_as_user, zero), 0);
	cr_assert_eq(proc_run(unpriv_add_as_user, automatic), 0);
	cr_assert_eq(proc_run(unpriv_add_as_user, copying), 0);
	chmod(CONTROL, mode);
	res_is(zero->add, -EINVAL, "ADD_DEV, zero copy");
	res_is(automatic->add, -EINVAL, "ADD_DEV, automatic lending");
	res_is(copying->add, 0, "ADD_DEV, copying");
	cr_assert(copying->flags & UBLK_F_UNPRIVILEGED_DEV, "flags %#llx",
		  (unsigned long long)copying->flags);
	res_is(raw_del(copying->id, SOON_MS), 0, "DEL_DEV");
}

Test(ublk_add, is_for_root_only)
{
	struct rights *s = shared_alloc(sizeof(*s));
	mode_t mode = control_for_all();
	struct client *c;
	pid_t pid;

	cr_assert_eq(proc_run(add_without_rights, s), 0);
	chmod(CONTROL, mode);
	res_is(s->add, -EPERM, "ADD_DEV");

	res_is(raw_add(&r, &zc), 0, "ADD_DEV");
	cr_assert_eq(proc_run(fetch_without_rights, s), 0);
	res_is(s->fetch, -EPERM, "FETCH");
	res_is(raw_del(r.id, SOON_MS), 0, "DEL_DEV");

	/* another: a device is for one process only, until it is recovered */
	res_is(raw_add(&r, &(struct raw_opt){ .flags = RAW_ZC | UBLK_F_AUTO_BUF_REG,
					      .auto_flags = UBLK_AUTO_BUF_REG_FALLBACK }), 0,
	       "ADD_DEV");
	pid = proc_start(lend_without_rights, s);
	must(wait_until(ready, s, SOON_MS), "the server is not ready");
	for (unsigned int i = 0; i < 2; i++) {
		c = client_start(&(struct client_job){ .id = r.id, .op = CLIENT_WRITE, .len = LEN });
		res_is(client_wait(c), LEN, "write %u itself", i);
	}
	res_is(s->lend, -EPERM, "REGISTER");
	res_is(s->lend_cmd, -EPERM, "REGISTER_IO_BUF");
	must(s->lent && s->needs_buf, "lent automatically: as root %d, then %d", s->lent,
	     !s->needs_buf);
	proc_kill(pid);
	res_is(raw_del(r.id, SOON_MS), 0, "DEL_DEV");
}
