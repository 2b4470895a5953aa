/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Lent buffers: a driver's pages in io_uring's registered buffer table.
 *
 * A driver that wants its pages to be used by fixed-buffer requests implements
 * ->export_buf() in its file operations, and lends a &struct io_lent_buf that
 * it owns.  io_uring knows nothing of the driver, the driver nothing of what the
 * buffer is used for.
 *
 * Why not a registered buffer as user space makes them: those belong to io_uring,
 * which pins, accounts, allocates and frees them.  Here the driver keeps the
 * memory, of the pages and of the description, so that lending takes neither an
 * allocation nor a copy of the bio_vec table.  The price is that the driver has
 * to keep both alive until ->release().
 */
#ifndef _LINUX_IO_URING_LEND_H
#define _LINUX_IO_URING_LEND_H

#include <linux/bits.h>
#include <linux/rcupdate.h>
#include <linux/refcount.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/uio.h>

struct bio_vec;
struct file;
struct io_uring_cmd;

/* What a borrower may do with the bytes: &io_lent_buf.dir */
#define IO_LENT_SOURCE	BIT(ITER_SOURCE)	/* read from them */
#define IO_LENT_DEST	BIT(ITER_DEST)		/* write to them */

/**
 * struct io_lent_sum - what was done with a buffer while it was lent
 * @nr_full: users that moved all the bytes that they were asked to
 * @nr_short: users that did not, or of which io_uring cannot know
 * @error: negative errno of the first one that failed; 0 if none has
 * @len: bytes that there are; 0: nobody wants to know what is filled
 * @lock: guards all below, until the last loan that tells it has come back
 * @filled: of @len, how many from the first one on have been written to
 * @shift: a bit of @map stands for 1 << @shift bytes; the last one for what is left
 * @ahead: a bit of @map is set
 * @map: room for what is written behind @filled, before the gap is; or NULL
 *
 * A user is a request that has found the buffer in its slot: it tells once, when it
 * lets go, however often it was tried.  One that has not found it, because it was
 * cancelled or came too late, tells nothing.  So who wants to know whether all went
 * well has to know how many there should be: silence says nothing.
 *
 * What is in @filled has been written to, as far as the file that the bytes come from
 * says so.  The other way round does not hold: a range that begins or ends inside of a
 * unit of @map, behind a gap, counts for the whole units in it only; without @map it
 * does not count.  Commands of drivers (URING_CMD) do not tell how much they moved:
 * they are in @nr_short, and fill nothing.
 *
 * Owner: the driver, as of &struct io_lent_buf, of which several may refer to one
 * sum.  Set up by io_lent_sum_init(), before any of them is lent, and not touched until
 * @release of the last of them, where it is read without the lock.
 *
 * A user that has done all may tell at the end of its I/O, in a hard interrupt, and so
 * may @release of a buffer with a sum be called there, under another driver's lock: see
 * @in_task.
 */
struct io_lent_sum {
	atomic_t		nr_full;
	atomic_t		nr_short;
	int			error;
	unsigned int		len;
	spinlock_t		lock;
	unsigned int		filled;
	u8			shift;
	bool			ahead;
	unsigned long		*map;
};

/**
 * struct io_lent_buf - one lent buffer
 * @bvec: @nr_bvecs segments of any length, covering at least @offset + @len
 *	bytes
 * @nr_bvecs: number of segments, none behind the one with the last byte
 * @offset: first byte of the buffer, inside @bvec[0]
 * @len: bytes, 1 to %INT_MAX
 * @dir: %IO_LENT_SOURCE, %IO_LENT_DEST or both
 * @in_task: with @sum: @release wants task context, and to come behind the CQEs of all
 * @sum: what is to learn what becomes of the buffer, or NULL: nobody wants to know
 * @sum_pos: the buffer's first byte, counted in that
 * @refs: references that the driver has handed out, one for each time that it
 *	lent the buffer, and one for each request that uses it.  The driver sets
 *	it to 1, with all else filled in, when it lends a buffer that is not lent;
 *	io_uring counts from then on.
 * @release: called exactly once, when the last of @refs is gone
 *
 * Owner: the driver, which fills it in, may embed this in a structure of its own,
 * and must not touch it or the memory it refers to from the return of
 * ->export_buf() until @release.  The fields do not change in between, so they
 * are read without a lock.  A driver that is asked for the same bytes meanwhile
 * may lend the same buffer once more: if refcount_inc_not_zero() of @refs says
 * that it is still lent, it stays so, and there will be one @release for all.
 *
 * @release runs in task context, with or without the ring's lock, from whichever
 * task drops the last reference: one that submits or reaps, a kworker at ring
 * exit, an io_uring worker; of a buffer that has a @sum also in interrupts, unless it
 * says @in_task.  It is an RCU reader, and must not sleep, nor call back into io_uring,
 * but to add task work.
 * When it is called io_uring has forgotten the buffer, which may then be freed or
 * lent again.  The buffer keeps nothing of the driver alive, neither file nor
 * module: whoever lends must hold what @release will need.
 */
struct io_lent_buf {
	const struct bio_vec	*bvec;
	unsigned int		nr_bvecs;
	unsigned int		offset;
	unsigned int		len;
	u8			dir;
	bool			in_task;
	refcount_t		refs;
	unsigned int		sum_pos;
	struct io_lent_sum	*sum;
	void			(*release)(struct io_lent_buf *buf);
};

/**
 * struct io_export_args - what is asked of ->export_buf()
 * @cookie: which buffer, and from which byte of it; a matter between the driver
 *	and user space, who chose it
 * @len: bytes wanted, 0 for all from @cookie on
 *
 * ->export_buf() returns a buffer of @len bytes, with a reference for the caller,
 * or an ERR_PTR, whose error goes to user space as it is, but for -EAGAIN, which
 * becomes -EBUSY.  It is called in task context, with or without the ring's lock,
 * and by several tasks at once, also for one cookie.  It may sleep, and must not
 * wait for anything that needs a request of the same ring to make progress.
 *
 * The file must be open for what @dir of the buffer allows: for reading with
 * %IO_LENT_SOURCE, for writing with %IO_LENT_DEST.  Otherwise the buffer is given
 * back, and user space gets -EBADF.  The driver need not look, nor for security
 * modules: they are asked as for read(2) and write(2) of the file.
 *
 * Whatever else it returns is a bug of the driver: NULL, an error that is none for
 * user space, or a buffer that is longer than asked for or not as &struct
 * io_lent_buf says.  The log names the driver, the buffer is given back, and user
 * space gets -EIO.
 */
struct io_export_args {
	u64	cookie;
	u32	len;
};

/**
 * io_lent_sum_init - nothing was done yet
 * @sum: what to set up
 * @len: bytes that there are, at most %INT_MAX, or 0
 * @map: zeroed, of DIV_ROUND_UP(@len, 1 << @shift) bits, the caller's to free; or NULL
 * @shift: see &struct io_lent_sum, 0 to 30
 */
static inline void io_lent_sum_init(struct io_lent_sum *sum, unsigned int len,
				    unsigned long *map, u8 shift)
{
	*sum = (struct io_lent_sum) {
		.len	= len,
		.map	= map,
		.shift	= shift,
	};
	spin_lock_init(&sum->lock);
}

/**
 * io_lent_buf_put - drop a reference to a lent buffer
 * @buf: the buffer; @release is called if it was the last reference
 *
 * A module that is removed is not freed before all RCU readers of that moment are
 * done, so the last instructions of @release run also when what it has dropped was
 * the last that kept its module.
 */
static inline void io_lent_buf_put(struct io_lent_buf *buf)
{
	if (refcount_dec_and_test(&buf->refs)) {
		rcu_read_lock();
		buf->release(buf);
		rcu_read_unlock();
	}
}

/*
 * For a driver that lends by itself, or by commands of its own, into the table of
 * the ring that one of its commands came through.  The command is the driver's to
 * complete, @issue_flags are those that the driver was called with for this command,
 * or for another one of the same ring.  The ring's lock is taken, unless they say that
 * it is held: call with no lock that the cancelling of a command takes.
 */

/**
 * io_uring_cmd_lend - put a lent buffer into a slot
 * @cmd: a command of the ring
 * @buf: the buffer, as from ->export_buf(); one reference goes to the slot
 * @index: the slot
 * @issue_flags: see above
 *
 * Return: 0, or an error, with the reference still the caller's: -EINVAL for a slot
 * that is not there or a table that is being unregistered, -EBUSY for a slot that is
 * occupied, -ECANCELED for a ring that is being closed, -EBADF for a file that is not
 * open for what @dir of the buffer allows, a security module's error, -EIO for a
 * buffer that is not as &struct io_lent_buf says.
 */
int io_uring_cmd_lend(struct io_uring_cmd *cmd, struct io_lent_buf *buf,
		      unsigned int index, unsigned int issue_flags);

/**
 * io_uring_cmd_take_back - take a buffer out of a slot, if it is still there
 * @cmd: a command of the ring
 * @buf: the buffer; compared, not looked into
 * @index: the slot
 * @issue_flags: see above
 *
 * Return: true if the slot has held this very buffer; its reference is the caller's
 * then.  Requests that use the buffer keep theirs.
 */
bool io_uring_cmd_take_back(struct io_uring_cmd *cmd, struct io_lent_buf *buf,
			    unsigned int index, unsigned int issue_flags);

/**
 * io_uring_cmd_unlend - empty a slot that holds a lent buffer, whatever it is
 * @cmd: a command of the ring
 * @index: the slot
 * @issue_flags: see above
 *
 * Return: 0, -EINVAL for a slot that is empty or not there, -EBUSY for one that holds
 * a buffer of user space.  May call @release of the buffer.
 */
int io_uring_cmd_unlend(struct io_uring_cmd *cmd, unsigned int index,
			unsigned int issue_flags);

#endif
