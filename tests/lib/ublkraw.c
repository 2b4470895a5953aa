// SPDX-License-Identifier: GPL-2.0
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "proc.h"
#include "tmpfile.h"
#include "ublkraw.h"

#define DEV_MAGIC	0x7465737472617721ULL	/* in ublksrv_flags: made here */
#define OP_SYNC		(RAW_OPS - 1)	/* of raw_lend() and the like */
#define TAG_DATA	(1ULL << 32)	/* user_data of a tag's command, beside the tag */

/* Control commands: a ring for each, so that any process can send one at any time. */

static int ctl_send(struct io_uring *ring, int *fd, u32 cmd_op, const struct ublksrv_ctrl_cmd *cmd)
{
	struct io_uring_sqe *sqe;

	*fd = open("/dev/ublk-control", O_RDWR | O_CLOEXEC);
	if (*fd < 0)
		return -errno;
	ring_init(ring, 4, IORING_SETUP_SQE128);
	/* the whole of a large one, the ring's first */
	memset(ring->sq.sqes, 0, 2 * sizeof(*sqe));
	sqe = io_uring_get_sqe(ring);
	sqe->opcode = IORING_OP_URING_CMD;
	sqe->fd = *fd;
	sqe->cmd_op = cmd_op;
	memcpy(sqe->cmd, cmd, sizeof(*cmd));
	ring_submit(ring);
	return 0;
}

static void ctl_end(struct io_uring *ring, int fd)
{
	io_uring_queue_exit(ring);
	close(fd);
}

int raw_ctl(u32 cmd_op, const struct ublksrv_ctrl_cmd *cmd, unsigned int ms)
{
	struct io_uring ring;
	struct done done;
	int fd, ret = ctl_send(&ring, &fd, cmd_op, cmd);

	if (ret)
		return ret;
	/* a command that hangs is left where it is */
	if (!ring_next(&ring, &done, ms))
		return -ETIME;
	ctl_end(&ring, fd);
	return done.res;
}

int raw_ctl_data(u32 cmd_op, int id, u64 data, unsigned int ms)
{
	const struct ublksrv_ctrl_cmd cmd = {
		.dev_id = id, .queue_id = -1, .data[0] = data,
	};

	return raw_ctl(cmd_op, &cmd, ms);
}

static int ctl_buf(u32 cmd_op, int id, void *buf, size_t len)
{
	const struct ublksrv_ctrl_cmd cmd = {
		.dev_id = id, .queue_id = -1, .addr = (uintptr_t)buf, .len = len,
	};

	return raw_ctl(cmd_op, &cmd, SOON_MS);
}

int raw_add_info(struct ublksrv_ctrl_dev_info *info)
{
	return ctl_buf(UBLK_U_CMD_ADD_DEV, info->dev_id, info, sizeof(*info));
}

int raw_set_params(struct raw *r)
{
	const struct raw_opt *o = &r->opt;
	struct ublk_params p = {
		.len = sizeof(p),
		.types = UBLK_PARAM_TYPE_BASIC,
		.basic = {
			.attrs = o->attrs,
			.logical_bs_shift = o->bs_shift,
			.physical_bs_shift = 12,
			.io_opt_shift = 12,
			.io_min_shift = o->bs_shift,
			.max_sectors = o->max_io >> 9,
			.dev_sectors = o->size >> 9,
		},
	};

	if (o->discard) {
		p.types |= UBLK_PARAM_TYPE_DISCARD;
		p.discard.discard_granularity = 4096;
		p.discard.max_discard_sectors = o->max_io >> 9;
		p.discard.max_write_zeroes_sectors = o->max_io >> 9;
		p.discard.max_discard_segments = 1;
	}
	return ctl_buf(UBLK_U_CMD_SET_PARAMS, r->id, &p, sizeof(p));
}

int raw_add(struct raw *r, const struct raw_opt *opt)
{
	struct ublksrv_ctrl_dev_info info;
	int ret;

	memset(r, 0, sizeof(*r));
	r->opt = *opt;
	r->opt.flags = opt->flags ?: RAW_ZC;
	r->opt.depth = opt->depth ?: 4;
	r->opt.queues = opt->queues ?: 1;
	r->opt.size = opt->size ?: 1 << 20;
	r->opt.max_io = opt->max_io ?: 65536;
	r->opt.bs_shift = opt->bs_shift ?: 9;
	r->id = r->cdev = -1;
	must(r->opt.depth <= RAW_DEPTH_MAX, "depth %u", r->opt.depth);

	info = (struct ublksrv_ctrl_dev_info){
		.nr_hw_queues = r->opt.queues,
		.queue_depth = r->opt.depth,
		.max_io_buf_bytes = r->opt.max_io,
		.dev_id = -1,
		.flags = r->opt.flags,
		.ublksrv_flags = DEV_MAGIC,
	};
	ret = raw_add_info(&info);
	if (ret)
		return ret;
	r->id = info.dev_id;
	r->mem = shared_alloc(r->opt.size);
	return raw_set_params(r);
}

/* With the path of the char device, without which an unprivileged one is not deleted. */
static int del(u32 cmd_op, int id, unsigned int ms)
{
	char path[32];
	int len = snprintf(path, sizeof(path), "/dev/ublkc%d", id);
	const struct ublksrv_ctrl_cmd cmd = {
		.dev_id = id, .queue_id = -1, .addr = (uintptr_t)path, .len = len,
		.dev_path_len = len,
	};

	return raw_ctl(cmd_op, &cmd, ms);
}

int raw_del(int id, unsigned int ms)
{
	return del(UBLK_U_CMD_DEL_DEV, id, ms);
}

int raw_info(int id, struct ublksrv_ctrl_dev_info *info)
{
	memset(info, 0, sizeof(*info));
	return ctl_buf(UBLK_U_CMD_GET_DEV_INFO, id, info, sizeof(*info));
}

int raw_dev_state(int id)
{
	struct ublksrv_ctrl_dev_info info;
	int ret = raw_info(id, &info);

	return ret ?: info.state;
}

static bool nothing_left(void *arg)
{
	static const char *const paths[] = {
		"/dev/ublkc%d",
		"/dev/ublkb%d", "/sys/block/ublkb%d", "/sys/class/ublk-char/ublkc%d",
	};
	char path[64];

	for (unsigned int i = 0; i < 4; i++) {
		snprintf(path, sizeof(path), paths[i], *(int *)arg);
		if (!access(path, F_OK))
			return false;
	}
	return true;
}

void raw_is_gone(int id, unsigned int ms)
{
	must(wait_until(nothing_left, &id, ms), "device %d is still there", id);
}

void raw_need(void)
{
	need(!access("/dev/ublk-control", R_OK | W_OK), "/dev/ublk-control: %s", strerror(errno));
}

/* The server that this process is, if it is one. */
static struct raw *live;

static bool may_delete(int id)
{
	struct ublksrv_ctrl_dev_info info;

	if (in_guest())
		return true;
	return !raw_info(id, &info) &&
	       info.ublksrv_flags == DEV_MAGIC;
}

static int sweep(void *arg)
{
	DIR *dir = opendir("/sys/class/ublk-char");
	struct dirent *e;
	int id, ret = 0;

	while (dir && (e = readdir(dir))) {
		/* async: the number stays in use while the failed test has the disk open */
		if (sscanf(e->d_name, "ublkc%d", &id) == 1 && may_delete(id) &&
		    del(UBLK_U_CMD_DEL_DEV_ASYNC, id, SOON_MS))
			ret = 1;
	}
	return ret;
}

/*
 * First the server goes, and the deleting is done by another process: one that waits
 * for its own requests to end, in a worker of its own, could never be ended itself.
 */
void raw_sweep(void)
{
	if (live)
		raw_close(live);
	if (access("/sys/class/ublk-char/.", F_OK))
		return;
	must(!proc_run(sweep, NULL), "a device was left and cannot be deleted");
}

void raw_begin(struct raw *r)
{
	raw_need();
	raw_sweep();
	memset(r, 0, sizeof(*r));
	r->id = -1;
}

/* The server. */

static bool moves_data(const struct raw *r)
{
	return !(r->opt.flags &
		 (UBLK_F_SUPPORT_ZERO_COPY | UBLK_F_AUTO_BUF_REG | UBLK_F_USER_COPY));
}

static bool can_open(void *arg)
{
	struct raw *r = arg;
	char path[32];
	int access = r->opt.read_only ? O_RDONLY : r->opt.write_only ? O_WRONLY : O_RDWR;

	snprintf(path, sizeof(path), "/dev/ublkc%d", r->id);
	r->cdev = open(path, access | O_CLOEXEC);
	return r->cdev >= 0;
}

static void map_iods(struct raw *r)
{
	r->iods = mmap(NULL, r->iods_size, PROT_READ, MAP_SHARED | MAP_POPULATE, r->cdev,
		       UBLKSRV_CMD_BUF_OFFSET);
	must(r->iods != MAP_FAILED, "mapping the requests of %d: %s", r->id, strerror(errno));
	/* a child's mapping would keep the device open */
	madvise((void *)r->iods, r->iods_size, MADV_DONTFORK);
}

void raw_open(struct raw *r)
{
	size_t size = r->opt.depth * sizeof(struct ublksrv_io_desc);

	must(wait_until(can_open, r, SOON_MS), "/dev/ublkc%d: %s", r->id, strerror(errno));
	r->iods_size = (size + 4095) / 4096 * 4096;
	r->iods = NULL;
	if (!r->opt.write_only)
		map_iods(r);
	r->bufs = page_alloc((size_t)r->opt.depth * r->opt.max_io);
	ring_init(&r->ring, 256, r->opt.ring_flags);
	live = r;
	ring_table(&r->ring, RAW_SLOTS);
	if (r->opt.fixed_file)
		must(!io_uring_register_files(&r->ring, &r->cdev, 1), "registering the file");
	r->nr_fifo = 0;
	for (unsigned int i = 0; i < RAW_DEPTH_MAX; i++) {
		r->ended[i] = RING_TIMEOUT;
		r->auto_reg[i] = (struct ublk_auto_buf_reg){
			.index = i, .flags = r->opt.auto_flags,
		};
	}
	for (unsigned int i = 0; i < RAW_OPS; i++)
		r->res[i] = RING_TIMEOUT;
}

void raw_close_file(struct raw *r)
{
	if (r->cdev < 0)
		return;
	if (r->iods)
		munmap((void *)r->iods, r->iods_size);
	close(r->cdev);
	r->cdev = -1;
}

void raw_close_ring(struct raw *r)
{
	if (live == r)
		io_uring_queue_exit(&r->ring);
	live = NULL;
}

void raw_close(struct raw *r)
{
	raw_close_ring(r);
	raw_close_file(r);
}

void raw_prep_cmd(struct raw *r, struct io_uring_sqe *sqe, u32 cmd_op, unsigned int queue,
		  unsigned int tag, int32_t result, u64 addr)
{
	const struct ublksrv_io_cmd cmd = {
		.q_id = queue, .tag = tag, .result = result, .addr = addr,
	};

	sqe->opcode = IORING_OP_URING_CMD;
	sqe->fd = r->opt.fixed_file ? 0 : r->cdev;
	sqe->flags = r->opt.fixed_file ? IOSQE_FIXED_FILE : 0;
	sqe->cmd_op = cmd_op;
	memcpy(sqe->cmd, &cmd, sizeof(cmd));
}

static void tag_cmd(struct raw *r, u32 cmd_op, unsigned int tag, int32_t result)
{
	u64 addr = moves_data(r) ? (uintptr_t)(r->bufs + (size_t)tag * r->opt.max_io) : 0;
	struct io_uring_sqe *sqe = ring_sqe(&r->ring);

	raw_prep_cmd(r, sqe, cmd_op, 0, tag, result, addr);
	if (r->opt.flags & UBLK_F_AUTO_BUF_REG)
		sqe->addr = ublk_auto_buf_reg_to_sqe_addr(&r->auto_reg[tag]);
	sqe->user_data = TAG_DATA | tag;
	ring_submit(&r->ring);
}

void raw_fetch(struct raw *r, unsigned int tag)
{
	tag_cmd(r, UBLK_U_IO_FETCH_REQ, tag, 0);
}

void raw_fetch_all(struct raw *r)
{
	for (unsigned int i = 0; i < r->opt.depth; i++)
		raw_fetch(r, i);
}

void raw_commit(struct raw *r, unsigned int tag, int32_t result)
{
	tag_cmd(r, UBLK_U_IO_COMMIT_AND_FETCH_REQ, tag, result);
}

void raw_hand_off(struct raw *r, unsigned int tag, int32_t nr)
{
	tag_cmd(r, UBLK_U_IO_HANDOFF_AND_FETCH_REQ, tag, nr);
}

int raw_start(struct raw *r)
{
	const struct ublksrv_ctrl_cmd cmd = {
		.dev_id = r->id, .queue_id = -1, .data[0] = getpid(),
	};
	struct io_uring ring;
	u64 end = now_ms() + SOON_MS;
	struct done done;
	int fd, ret;

	ret = ctl_send(&ring, &fd, UBLK_U_CMD_START_DEV, &cmd);
	if (ret)
		return ret;
	while (!ring_next(&ring, &done, 1)) {
		must(now_ms() < end, "START_DEV does not end");
		raw_serve_all(r, 1);
	}
	ctl_end(&ring, fd);
	return done.res;
}

pid_t raw_start_in(struct raw *r, void (*server)(void *arg))
{
	pid_t pid = proc_start(server, NULL);

	res_is(raw_ctl_data(UBLK_U_CMD_START_DEV, r->id, pid, SOON_MS), 0, "START_DEV");
	return pid;
}

void raw_up(struct raw *r, const struct raw_opt *opt)
{
	res_is(raw_add(r, opt), 0, "adding a device, flags %#llx", (unsigned long long)opt->flags);
	raw_open(r);
	raw_fetch_all(r);
	res_is(raw_start(r), 0, "starting device %d", r->id);
}

void raw_down(struct raw *r)
{
	raw_serve_all(r, 20);
	res_is(raw_ctl_data(UBLK_U_CMD_STOP_DEV, r->id, 0, SOON_MS), 0, "stopping device %d",
	       r->id);
	raw_close(r);
	res_is(raw_del(r->id, SOON_MS), 0, "deleting device %d", r->id);
	raw_is_gone(r->id, SOON_MS);
}

bool raw_pump(struct raw *r, unsigned int ms)
{
	struct done done;
	unsigned int tag;

	if (!ring_next(&r->ring, &done, ms))
		return false;
	if (done.data & TAG_DATA) {
		tag = (u32)done.data;
		r->back[tag] = done.res == UBLK_IO_RES_HANDED_BACK;
		if (done.res == UBLK_IO_RES_OK || r->back[tag])
			r->fifo[r->nr_fifo++] = tag;
		else if (done.res == UBLK_IO_RES_NEED_GET_DATA)
			tag_cmd(r, UBLK_U_IO_NEED_GET_DATA, tag, 0);
		else
			r->ended[tag] = done.res;
	} else if (!(done.data & RING_NOTIF)) {
		must(done.data < RAW_OPS, "completion of %llu", (unsigned long long)done.data);
		r->res[done.data] = done.res;
	}
	return true;
}

int raw_request(struct raw *r, unsigned int ms)
{
	u64 end = now_ms() + ms;
	unsigned int tag;

	while (!r->nr_fifo) {
		u64 now = now_ms();

		if (!raw_pump(r, now < end ? end - now : 0) && now_ms() >= end)
			return -ETIME;
	}
	tag = r->fifo[0];
	memmove(r->fifo, r->fifo + 1, --r->nr_fifo * sizeof(r->fifo[0]));
	return tag;
}

unsigned int raw_expect(struct raw *r, unsigned int op, u32 len)
{
	int tag = raw_request(r, SOON_MS);

	must(tag >= 0, "no request came");
	must(raw_op(r, tag) == op && raw_len(r, tag) == len,
	     "operation %u of %u bytes came, not %u of %u", raw_op(r, tag), raw_len(r,
										    tag), op, len);
	return tag;
}

unsigned int raw_op(const struct raw *r, unsigned int tag)
{
	return ublksrv_get_op(&r->iods[tag]);
}

u32 raw_len(const struct raw *r, unsigned int tag)
{
	return r->iods[tag].nr_sectors << 9;
}

u64 raw_off(const struct raw *r, unsigned int tag)
{
	return r->iods[tag].start_sector << 9;
}

u64 raw_pos(unsigned int queue, unsigned int tag, u64 off)
{
	return UBLKSRV_IO_BUF_OFFSET +
	       ((u64)queue << UBLK_QID_OFF | (u64)tag << UBLK_TAG_OFF | off);
}

struct io_uring_sqe *raw_sqe(struct raw *r, unsigned int op)
{
	struct io_uring_sqe *sqe = ring_sqe(&r->ring);

	must(op < RAW_OPS, "operation %u", op);
	sqe->user_data = op;
	r->res[op] = RING_TIMEOUT;
	return sqe;
}

int raw_wait(struct raw *r, unsigned int op, unsigned int ms)
{
	u64 end = now_ms() + ms;

	while (r->res[op] == RING_TIMEOUT) {
		u64 now = now_ms();

		if (!raw_pump(r, now < end ? end - now : 0) && now_ms() >= end)
			break;
	}
	return r->res[op];
}

static int run_sync(struct raw *r)
{
	ring_submit(&r->ring);
	must(raw_wait(r, OP_SYNC, SOON_MS) != RING_TIMEOUT, "the request does not complete");
	return r->res[OP_SYNC];
}

int raw_run_cmd(struct raw *r, u32 cmd_op, unsigned int queue, unsigned int tag, int32_t result,
		u64 addr)
{
	raw_prep_cmd(r, raw_sqe(r, OP_SYNC), cmd_op, queue, tag, result, addr);
	return run_sync(r);
}

int raw_lend_at(struct raw *r, u64 cookie, u32 len, unsigned int slot)
{
	struct io_uring_sqe *sqe = raw_sqe(r, OP_SYNC);

	lent_prep_register(sqe, r->opt.fixed_file ? 0 : r->cdev, cookie, len, slot, 0);
	sqe->flags = r->opt.fixed_file ? IOSQE_FIXED_FILE : 0;
	return run_sync(r);
}

int raw_lend(struct raw *r, unsigned int tag, u32 off, u32 len, unsigned int slot)
{
	return raw_lend_at(r, raw_pos(0, tag, off), len, slot);
}

int raw_unlend(struct raw *r, unsigned int slot)
{
	lent_prep_unregister(raw_sqe(r, OP_SYNC), slot);
	return run_sync(r);
}

int raw_lend_cmd(struct raw *r, unsigned int tag, u64 slot)
{
	return raw_run_cmd(r, UBLK_U_IO_REGISTER_IO_BUF, 0, tag, 0, slot);
}

int raw_unlend_cmd(struct raw *r, unsigned int tag, u64 slot)
{
	return raw_run_cmd(r, UBLK_U_IO_UNREGISTER_IO_BUF, 0, tag, 0, slot);
}

int raw_rw(struct raw *r, int op, int fd, u64 addr, u32 len, u64 pos, unsigned int slot)
{
	prep_rw_fixed(raw_sqe(r, OP_SYNC), op, fd, addr, len, pos, slot);
	return run_sync(r);
}

/* To or from the request's pages, whatever way the device has. */
static void move_data(struct raw *r, unsigned int tag)
{
	u8 *mem = r->mem + raw_off(r, tag), *buf = r->bufs + (size_t)tag * r->opt.max_io;
	bool read = raw_op(r, tag) == UBLK_IO_OP_READ;
	u32 len = raw_len(r, tag);
	ssize_t ret = len;

	if (moves_data(r))
		memcpy(read ? buf : mem, read ? mem : buf, len);
	else if (read)
		ret = pwrite(r->cdev, mem, len, raw_pos(0, tag, 0));
	else
		ret = pread(r->cdev, mem, len, raw_pos(0, tag, 0));
	must(ret == len, "moving %u bytes of tag %u: %zd (%s)", len, tag, ret, strerror(errno));
}

void raw_serve(struct raw *r, unsigned int tag)
{
	u32 len;

	/* half of what is to be done it is not allowed to do */
	if (r->opt.read_only || r->opt.write_only) {
		raw_commit(r, tag, -EIO);
		return;
	}
	len = raw_len(r, tag);
	switch (raw_op(r, tag)) {
	case UBLK_IO_OP_READ:
	case UBLK_IO_OP_WRITE:
		move_data(r, tag);
		raw_commit(r, tag, len);
		break;
	case UBLK_IO_OP_DISCARD:
	case UBLK_IO_OP_WRITE_ZEROES:
		memset(r->mem + raw_off(r, tag), 0, len);
		/* fallthrough */
	default:
		raw_commit(r, tag, 0);
	}
}

void raw_serve_all(struct raw *r, unsigned int ms)
{
	int tag;

	while ((tag = raw_request(r, ms)) >= 0)
		raw_serve(r, tag);
}
