/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A ublk server of one queue that does only what a test tells it, right or wrong, and
 * at the moment that the test chooses; and clients of its disk.
 *
 * The project's own server is built not to make mistakes, so it can not be used to
 * show what the driver makes of them.  This one has no threads: the test calls
 * raw_pump(), directly or through what waits, and in between nothing is served.
 */
#ifndef TESTS_UBLKRAW_H
#define TESTS_UBLKRAW_H

#include <linux/ublk_cmd.h>
#include <sys/types.h>

#include "check.h"
#include "ring.h"

#define RAW_DEPTH_MAX	64
#define RAW_OPS		256	/* requests of the test's own, in flight */
#define RAW_SLOTS	64
#define RAW_ZC		(UBLK_F_SUPPORT_ZERO_COPY | UBLK_F_CMD_IOCTL_ENCODE)

/* What a device is made with; 0 is the default. */
struct raw_opt {
	u64 flags;		/* UBLK_F_* [RAW_ZC] */
	unsigned int depth;	/* [4] */
	unsigned int queues;	/* [1]; only queue 0 is served */
	u64 size;		/* bytes [1 MiB] */
	u32 max_io;		/* bytes of a request [64 KiB] */
	u32 attrs;		/* UBLK_ATTR_* */
	u32 bs_shift;		/* logical block [9] */
	u32 ring_flags;		/* IORING_SETUP_* */
	bool discard;		/* takes discard and write zeroes */
	bool fixed_file;	/* commands go to a registered file */
	u8 auto_flags;		/* UBLK_AUTO_BUF_REG_*, of devices with UBLK_F_AUTO_BUF_REG */
	/* the char device is open for one of both; without reading there are no iods */
	bool read_only, write_only;
};

/*
 * struct raw - one device and its server
 * In the test's memory; raw_add() to raw_del().  May be used in a child when it was
 * added in the parent, and then lives there.
 */
struct raw {
	struct raw_opt opt;
	int id;
	u8 *mem;	/* the disk's contents, shared with children */

	/* from raw_open() to raw_close() */
	struct io_uring ring;
	int cdev;
	const struct ublksrv_io_desc *iods;
	size_t iods_size;
	u8 *bufs;	/* max_io bytes per tag, of devices that copy */

	/* tags that came and were not handed out yet, oldest first */
	u16 fifo[RAW_DEPTH_MAX];
	unsigned int nr_fifo;
	int ended[RAW_DEPTH_MAX];	/* what a fetch ended with, or RING_TIMEOUT */
	bool back[RAW_DEPTH_MAX];	/* the tag's request was handed off, and has come back */

	/* what the next FETCH or COMMIT of a tag asks for [slot = tag, opt.auto_flags] */
	struct ublk_auto_buf_reg auto_reg[RAW_DEPTH_MAX];

	int res[RAW_OPS];	/* of the test's own requests, or RING_TIMEOUT */
};

/* Control commands.  Each returns 0 or -errno; -ETIME if it takes longer than @ms. */
int raw_ctl(u32 cmd_op, const struct ublksrv_ctrl_cmd *cmd, unsigned int ms);
int raw_ctl_data(u32 cmd_op, int id, u64 data, unsigned int ms);
int raw_add_info(struct ublksrv_ctrl_dev_info *info);
int raw_add(struct raw *r, const struct raw_opt *opt);
int raw_set_params(struct raw *r);
int raw_del(int id, unsigned int ms);
int raw_info(int id, struct ublksrv_ctrl_dev_info *info);
/* UBLK_S_DEV_*, or -errno. */
int raw_dev_state(int id);
/* Nothing of device @id is left in /dev and /sys, within @ms. */
void raw_is_gone(int id, unsigned int ms);
/* There is a ublk driver, and we may use it; or the test is skipped. */
void raw_need(void);
/* Closes the server of this process, and deletes whatever failed tests left. */
void raw_sweep(void);

/* For a suite's .init: both, and *r is of no device yet. */
void raw_begin(struct raw *r);

/* The server's side.  raw_open() does not fetch. */
void raw_open(struct raw *r);
/* Each of these does nothing the second time. */
void raw_close(struct raw *r);
void raw_close_file(struct raw *r);
void raw_close_ring(struct raw *r);
void raw_fetch(struct raw *r, unsigned int tag);
void raw_fetch_all(struct raw *r);
/* START_DEV, serving meanwhile whoever looks for partitions. */
int raw_start(struct raw *r);
/* The same, by @server in a process of its own, which opens and fetches.  Returns the process. */
pid_t raw_start_in(struct raw *r, void (*server)(void *arg));
/* All from raw_add() to raw_start(). */
void raw_up(struct raw *r, const struct raw_opt *opt);
/* Serves until all is idle, stops, closes, deletes; nothing may be left. */
void raw_down(struct raw *r);

/* Takes one completion.  False if none came within @ms. */
bool raw_pump(struct raw *r, unsigned int ms);
/* The tag of the next request, or -ETIME. */
int raw_request(struct raw *r, unsigned int ms);
/* raw_request() of the operation and size that the test expects. */
unsigned int raw_expect(struct raw *r, unsigned int op, u32 len);
unsigned int raw_op(const struct raw *r, unsigned int tag);
u32 raw_len(const struct raw *r, unsigned int tag);
u64 raw_off(const struct raw *r, unsigned int tag);
/* The position of a byte of a request in the char device, and its cookie. */
u64 raw_pos(unsigned int queue, unsigned int tag, u64 off);

/* An SQE of the test's own; raw_wait() returns what it completed with. */
struct io_uring_sqe *raw_sqe(struct raw *r, unsigned int op);
int raw_wait(struct raw *r, unsigned int op, unsigned int ms);
/* FETCH_REQ or COMMIT_AND_FETCH_REQ as the test wants it. */
void raw_prep_cmd(struct raw *r, struct io_uring_sqe *sqe, u32 cmd_op, unsigned int queue,
		  unsigned int tag, int32_t result, u64 addr);
int raw_run_cmd(struct raw *r, u32 cmd_op, unsigned int queue, unsigned int tag, int32_t result,
		u64 addr);
int raw_lend(struct raw *r, unsigned int tag, u32 off, u32 len, unsigned int slot);
int raw_lend_at(struct raw *r, u64 cookie, u32 len, unsigned int slot);
int raw_unlend(struct raw *r, unsigned int slot);
/* The same by ublk's commands: UBLK_U_IO_REGISTER_IO_BUF and UNREGISTER_IO_BUF. */
int raw_lend_cmd(struct raw *r, unsigned int tag, u64 slot);
int raw_unlend_cmd(struct raw *r, unsigned int tag, u64 slot);
/* READ_FIXED or WRITE_FIXED, while requests may come. */
int raw_rw(struct raw *r, int op, int fd, u64 addr, u32 len, u64 pos, unsigned int slot);
void raw_commit(struct raw *r, unsigned int tag, int32_t result);
/* HANDOFF_AND_FETCH_REQ: @nr requests have to have used its pages in full. */
void raw_hand_off(struct raw *r, unsigned int tag, int32_t nr);
/* Copies between the request and @mem, and commits; read_only and write_only: an error. */
void raw_serve(struct raw *r, unsigned int tag);
/* The same for all that come, until none has come for @ms. */
void raw_serve_all(struct raw *r, unsigned int ms);

enum client_op { CLIENT_READ, CLIENT_WRITE, CLIENT_FLUSH, CLIENT_DISCARD, CLIENT_ZERO };

/* What a client does with a disk. */
struct client_job {
	int id;
	enum client_op op;
	u64 off;
	u32 len;
	u32 seed;	/* of the pattern that is written, at position off */
	u32 nr;		/* so many requests of equal length in one submission [1] */
	u32 iovs;	/* so many segments of unequal length each [1] */
	bool buffered;	/* not O_DIRECT; a write is followed by fsync */
};

/* One that is under way, in a process of its own.  Shared with that. */
struct client {
	struct client_job job;
	pid_t pid;
	u8 *buf;
	volatile int done;
	volatile long res;	/* bytes, or -errno of the first that failed */
	volatile u64 done_at;	/* now_ms() */
};

struct client *client_start(const struct client_job *job);
/* The same for one request of a read or a write, which has come to the server as *@tag. */
struct client *client_comes(struct raw *r, const struct client_job *job, unsigned int *tag);
/*
 * A flush, a discard and a write of zeroes, one after the other: @look is called while the
 * server has each, which ends as it should.  The device takes them, see raw_opt.
 */
void client_without_data(struct raw *r, void (*look)(unsigned int tag, const char *name));
/* True if it is done within @ms. */
bool client_done(struct client *c, unsigned int ms);
/* Waits, serving the disk with raw_serve().  Returns res. */
long client_serve(struct client *c, struct raw *r);
/*
 * The same with the server waiting in its ring for what comes: what a worker has done
 * for a ring with DEFER_TASKRUN is cleaned up only there.
 */
long client_wait_in_ring(struct client *c, struct raw *r);
/* client_done() in SOON_MS, or the test fails.  Returns res. */
long client_wait(struct client *c);

#endif
