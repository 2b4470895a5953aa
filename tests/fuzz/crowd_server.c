// SPDX-License-Identifier: GPL-2.0
/*
 * A server of the crowd's device: most of what it does is right, as else nothing would
 * come to it.  Its process has threads that borrow its requests, too, and a friend, a
 * process that has the device open and dies with it.
 */
#include <errno.h>
#include <stdio.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <signal.h>
#include <unistd.h>

#include "crowd.h"
#include "crowd_bytes.h"
#include "crowd_lender.h"
#include "crowd_owner.h"
#include "tmpfile.h"

#define IO_MAX	65536

/*
 * A request's way: came, is served by a chain of three, or by one if lent, is committed.  One that
 * is committed or handed off before its chain has ended may be followed by the tag's next one.
 */
struct tag {
	bool ours, lent;
	unsigned int op;
	u32 len;
	struct {
		bool runs, lent;
		bool owes;	/* the commit */
		unsigned int op;
		int moved;
	} chain;
};

static struct server {
	struct io_uring ring;
	struct rng rng;
	int cdev, source, sink;
	const struct ublksrv_io_desc *iods;
	unsigned int temper;	/* so many percent of what it does are wrong */
	struct tag tag[OWNER_DEPTH];
	u8 *bufs, *tmp;
} srv;

static struct io_uring_sqe *prep(enum crowd_kind kind, unsigned int tag)
{
	struct io_uring_sqe *sqe = ring_sqe(&srv.ring);

	sqe->user_data = (u64)kind << 32 | tag;
	crowd_began(crowd_kind_name(kind), 99, tag, 0);
	return sqe;
}

/* The slots of automatic loans are behind those of chains. */
static unsigned int auto_slot(unsigned int tag)
{
	return OWNER_DEPTH + tag % OWNER_DEPTH;
}

/* Where the command's next request is to be lent, or nonsense. */
static u64 auto_reg(unsigned int tag)
{
	struct ublk_auto_buf_reg reg = { .index = auto_slot(tag) };

	if (rng_chance(&srv.rng, 50))
		reg.flags = UBLK_AUTO_BUF_REG_FALLBACK;
	if (rng_chance(&srv.rng, srv.temper / 4))
		reg.index = rng_below(&srv.rng, 2 * OWNER_DEPTH + 2);
	return rng_chance(&srv.rng, srv.temper / 8) ? rng_next(&srv.rng) :
						      ublk_auto_buf_reg_to_sqe_addr(&reg);
}

static struct io_uring_sqe *cmd_at(enum crowd_kind kind, u32 cmd_op, unsigned int queue,
				   unsigned int tag, int result, u64 addr)
{
	const struct ublksrv_io_cmd cmd = {
		.q_id = queue, .tag = tag, .result = result, .addr = addr,
	};
	struct io_uring_sqe *sqe = prep(kind, tag);

	sqe->opcode = IORING_OP_URING_CMD;
	sqe->fd = srv.cdev;
	sqe->cmd_op = cmd_op;
	if (rng_chance(&srv.rng, srv.temper / 4)) {
		sqe->uring_cmd_flags = IORING_URING_CMD_FIXED;
		sqe->buf_index = rng_below(&srv.rng, OWNER_DEPTH + 2);
	}
	memcpy(sqe->cmd, &cmd, sizeof(cmd));
	return sqe;
}

static void io_cmd(enum crowd_kind kind, u32 cmd_op, unsigned int queue, unsigned int tag,
		   int result)
{
	bool copy = crowd_device()->flags & UBLK_F_NEED_GET_DATA;
	/* reads are to find the source's bytes, and not those of writes */
	u64 addr = !copy || tag >= OWNER_DEPTH ? 0 :
		   (uintptr_t)(kind == C_GET_DATA ? srv.tmp : srv.bufs + tag * IO_MAX);

	cmd_at(kind, cmd_op, queue, tag, result, addr)->addr = auto_reg(tag);
}

static void fetch(unsigned int tag)
{
	io_cmd(C_FETCH, UBLK_U_IO_FETCH_REQ, 0, tag, 0);
}

static void commit(unsigned int tag, int result)
{
	io_cmd(C_COMMIT, UBLK_U_IO_COMMIT_AND_FETCH_REQ, 0, tag, result);
}

/* To the driver: one request of the chain uses the pages, or so it is told. */
static void hand_off(unsigned int tag)
{
	io_cmd(C_HANDOFF, UBLK_U_IO_HANDOFF_AND_FETCH_REQ, 0, tag,
	       rng_chance(&srv.rng, srv.temper) ? rng_range(&srv.rng, 1, 3) : 1);
}

/* READ_FIXED or WRITE_FIXED of all of the request. */
static struct io_uring_sqe *move(unsigned int tag, const struct tag *t, unsigned int slot)
{
	bool read = t->op == UBLK_IO_OP_READ;
	struct io_uring_sqe *sqe = prep(read ? C_READ : C_WRITE, tag);

	prep_rw_fixed(sqe, read ? IORING_OP_READ_FIXED : IORING_OP_WRITE_FIXED,
		      read ? srv.source : srv.sink, 0, t->len, read ? 0 : tag * IO_MAX, slot);
	return sqe;
}

/* To the tag's slot, or out of it again, by either way to ask. */
static struct io_uring_sqe *lend(unsigned int tag)
{
	struct io_uring_sqe *sqe;

	if (rng_chance(&srv.rng, 50))
		return cmd_at(C_REGISTER_CMD, UBLK_U_IO_REGISTER_IO_BUF, 0, tag, 0, tag);
	sqe = prep(C_REGISTER_UBLK, tag);
	lent_prep_register(sqe, srv.cdev, raw_pos(0, tag, 0), 0, tag, 0);
	return sqe;
}

static void unlend(unsigned int tag)
{
	if (rng_chance(&srv.rng, 50))
		cmd_at(C_UNREGISTER_CMD, UBLK_U_IO_UNREGISTER_IO_BUF, 0, tag, 0, tag);
	else
		lent_prep_unregister(prep(C_UNREGISTER, tag), tag);
}

/*
 * REGISTER, READ_FIXED or WRITE_FIXED, UNREGISTER; or what is between, if it is lent.  That says
 * nothing of a success with @flags IOSQE_CQE_SKIP_SUCCESS: if it is alone, its end is the request's.
 */
static void chain(unsigned int tag, struct tag *t, unsigned int flags)
{
	t->chain.runs = !t->lent || !flags;
	t->chain.owes = true;
	t->chain.lent = t->lent;
	t->chain.op = t->op;
	t->chain.moved = flags ? t->len : 0;
	if (t->lent) {
		move(tag, t, auto_slot(tag))->flags = flags;
		return;
	}
	lend(tag)->flags = IOSQE_IO_LINK;
	/* else one that fails would leave the slot in use */
	move(tag, t, tag)->flags = IOSQE_IO_HARDLINK | flags;
	unlend(tag);
}

/* Too much, too little, no errno at all.  Parts are whole pages, see crowd_bytes.h. */
static int nonsense(void)
{
	static const int results[] = {
		0, 1, 4096, 4097, 8192, 1 << 20, INT_MAX, INT_MIN, -1, -EIO, -ENOSPC, -EINVAL,
		-EAGAIN, -ENOMEM, -4096, -512,
	};

	return rng_pick(&srv.rng, results);
}

static void serve(unsigned int tag, struct tag *t)
{
	bool data = t->op == UBLK_IO_OP_READ || t->op == UBLK_IO_OP_WRITE;
	bool off = (crowd_device()->flags & UBLK_F_HANDOFF) && rng_chance(&srv.rng, 70);

	if (rng_chance(&srv.rng, srv.temper)) {
		/* without its data, or never */
		if (rng_chance(&srv.rng, 90))
			commit(tag, nonsense());
		t->ours = false;
	} else if (!data || crowd_device()->flags & UBLK_F_NEED_GET_DATA) {
		commit(tag, data ? t->len : 0);
		t->ours = false;
	} else {
		chain(tag, t, off && rng_chance(&srv.rng, 50) ? IOSQE_CQE_SKIP_SUCCESS : 0);
		/*
		 * Before its data is there; the request ends after both.  A chain's results may come
		 * behind a request that is handed back: that waits until the chain has ended.
		 */
		if (off)
			hand_off(tag);
		else if (rng_chance(&srv.rng, 20))
			commit(tag, t->len);
		else
			return;
		t->ours = t->chain.owes = false;
	}
}

static void mischief(void)
{
	static const u32 ops[] = { 0, 0x7520, 0x20, 0x21, 0x22, UBLK_U_CMD_GET_FEATURES, ~0U };
	unsigned int tag = rng_below(&srv.rng, OWNER_DEPTH);

	switch (rng_below(&srv.rng, 7)) {
	case 0:
		fetch(tag);
		break;
	case 1:
		commit(tag, nonsense());
		break;
	case 2:
		commit(OWNER_DEPTH + rng_below(&srv.rng, 65536 - OWNER_DEPTH), nonsense());
		break;
	case 3:
		io_cmd(C_COMMIT, UBLK_U_IO_COMMIT_AND_FETCH_REQ, rng_range(&srv.rng, 1, 65535),
		       tag, 0);
		break;
	case 4:
		io_cmd(C_GET_DATA, UBLK_U_IO_NEED_GET_DATA, 0, tag, 0);
		break;
	case 5:
		io_cmd(C_HANDOFF, UBLK_U_IO_HANDOFF_AND_FETCH_REQ, 0, tag, nonsense());
		break;
	default:
		io_cmd(C_OTHER_CMD, rng_pick(&srv.rng, ops), 0, tag, 0);
	}
}

static void came(unsigned int tag)
{
	const struct ublksrv_io_desc *iod = &srv.iods[tag];
	struct tag *t = &srv.tag[tag];

	t->ours = true;
	t->op = ublksrv_get_op(iod);
	t->len = iod->nr_sectors << 9;
	t->lent = (crowd_device()->flags & UBLK_F_AUTO_BUF_REG) &&
		  !(iod->op_flags & UBLK_IO_F_NEED_REG_BUF);
	if (t->len > IO_MAX && (t->op == UBLK_IO_OP_READ || t->op == UBLK_IO_OP_WRITE))
		crowd_fail("tag %u came with %u bytes", tag, t->len);
}

static void chain_done(unsigned int tag, struct tag *t)
{
	int moved = t->chain.moved;

	t->chain.runs = false;
	if (t->chain.op == UBLK_IO_OP_WRITE && moved > 0) {
		file_read(srv.sink, srv.tmp, moved, tag * IO_MAX);
		if (!bytes_of_slot(srv.tmp, moved, HELD_UBLK, 0))
			crowd_fail("%d bytes of tag %u, a write, were written by no client; the first: %#llx",
				   moved, tag, *(unsigned long long *)srv.tmp);
	}
	if (!t->chain.owes)
		return;
	commit(tag, moved);
	t->ours = false;
}

static void took(enum crowd_kind kind, unsigned int tag, int res)
{
	struct tag *t = tag < OWNER_DEPTH ? &srv.tag[tag] : NULL;

	crowd_ended(crowd_kind_name(kind), 99, tag, res);
	if (!crowd_legal(kind, IO_MAX, res, crowd->wrong))
		crowd_fail("%s of tag %u: %s, which is not legal", crowd_kind_name(kind), tag,
			   res_str(res));
	if (!t)
		return;
	if (kind == C_FETCH || kind == C_COMMIT || kind == C_GET_DATA || kind == C_HANDOFF) {
		if (kind == C_HANDOFF && res >= 0)
			crowd->handed_off++;
		if (res == UBLK_IO_RES_HANDED_BACK)
			crowd->handed_back++;
		if (res == UBLK_IO_RES_OK || res == UBLK_IO_RES_HANDED_BACK)
			came(tag);
		else if (res == UBLK_IO_RES_NEED_GET_DATA)
			io_cmd(C_GET_DATA, UBLK_U_IO_NEED_GET_DATA, 0, tag, 0);
	} else if (kind == C_READ || kind == C_WRITE) {
		t->chain.moved = res;
		if (t->chain.lent)
			chain_done(tag, t);
	} else if (kind == C_UNREGISTER || kind == C_UNREGISTER_CMD) {
		chain_done(tag, t);
	}
}

static bool opens(void)
{
	size_t size = OWNER_DEPTH * sizeof(struct ublksrv_io_desc);
	u64 end = now_ms() + 3000;
	char path[32];

	snprintf(path, sizeof(path), "/dev/ublkc%d", crowd->id);
	do {
		srv.cdev = open(path, O_RDWR | O_CLOEXEC);
	} while (srv.cdev < 0 && now_ms() < end && !usleep(2000));
	if (srv.cdev < 0)
		return false;
	srv.iods = mmap(NULL, (size + 4095) & ~4095UL, PROT_READ, MAP_SHARED | MAP_POPULATE,
			srv.cdev, UBLKSRV_CMD_BUF_OFFSET);
	return srv.iods != MAP_FAILED && !madvise((void *)srv.iods, 4096, MADV_DONTFORK);
}

/* Its file is the server's: the device is open until both are gone. */
static void friend(const struct crowd_start *start)
{
	const struct crowd_start me = { MEMBER_FRIEND, start->incarnation };
	pid_t parent = getpid();

	if (fork())
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() == parent) {
		crowd_join(MEMBER_FRIEND, 0);
		crew_init(&me, srv.cdev);
		crew_thread(0);
	}
	_exit(0);
}

static void init(const struct crowd_start *start)
{
	static const unsigned int tempers[] = { 0, 0, 2, 8, 30 };

	crowd_join(start->member, 0);
	crowd_rng(&srv.rng, start->member, 0, start->incarnation);
	srv.temper = rng_pick(&srv.rng, tempers);
	/* what is wrong with reads on purpose is not noticed before there is a disk to be read */
	if (crowd->wrong == CROWD_WRONG_READ)
		srv.temper = 0;
	srv.source = file_mem(IO_MAX);
	srv.sink = file_mem(OWNER_DEPTH * IO_MAX);
	srv.bufs = page_alloc(OWNER_DEPTH * IO_MAX);
	srv.tmp = page_alloc(IO_MAX);
	bytes_source(srv.bufs, OWNER_DEPTH * IO_MAX, 0);
	file_write(srv.source, srv.bufs, IO_MAX, 0);
}

void crowd_server(void *arg)
{
	const struct crowd_start *start = arg;
	struct done done;

	init(start);
	if (!opens())
		return;
	if (rng_chance(&srv.rng, 50))
		friend(start);
	ring_init(&srv.ring, 256, rng_chance(&srv.rng, 50) ?
		  IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN : 0);
	ring_table(&srv.ring, 2 * OWNER_DEPTH);
	for (unsigned int i = 0; i < OWNER_DEPTH; i++)
		fetch(i);
	ring_submit(&srv.ring);
	crew_init(start, srv.cdev);
	crew_start_threads(1, crowd->threads);
	while (!crowd->stop) {
		for (unsigned int n = 0; n < 32 && ring_next(&srv.ring, &done, n ? 0 : 5); n++)
			took(done.data >> 32, (u32)done.data, done.res);
		for (unsigned int i = 0; i < OWNER_DEPTH; i++)
			if (srv.tag[i].ours && !srv.tag[i].chain.runs)
				serve(i, &srv.tag[i]);
		if (rng_chance(&srv.rng, srv.temper))
			mischief();
		ring_submit(&srv.ring);
		crowd_beat();
	}
	crowd->voice[start->member][0].beat = 0;
}
