// SPDX-License-Identifier: GPL-2.0
/*
 * /dev/lend_test: lends pages of its own, see uapi/linux/lend_test.h.
 *
 * The tests of io_uring's lent buffers need an exporter whose every property they
 * choose, and that tells how often it got back what it lent.  A block driver gives
 * neither, and this shows on the way that the core knows nothing of block drivers.
 */
#include <linux/bitmap.h>
#include <linux/bvec.h>
#include <linux/fs.h>
#include <linux/io_uring/cmd.h>
#include <linux/io_uring/lend.h>
#include <linux/kref.h>
#include <linux/log2.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/nospec.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/uaccess.h>
#include <linux/uio.h>
#include <linux/workqueue.h>
#include <uapi/linux/lend_test.h>

/*
 * One buffer.  Made by LEND_TEST_SETUP; what changes afterwards is @loans, and @sum, of
 * the loans that have come back, under @lock.  References: its place in the file, each
 * loan, each command that is under way.
 */
struct lend_buf {
	struct kref	ref;
	atomic_t	loans;
	u32		dir;
	u32		error;
	u32		skip;
	u32		fault;		/* LEND_TEST_FAULT_* */
	u32		learn;
	spinlock_t	lock;
	struct lend_test_sum sum;
	size_t		len;		/* without skip */
	unsigned int	nr_bvecs;
	struct bio_vec	bvec[] __counted_by(nr_bvecs);
};

/* One open file.  References: struct file, each loan.  @lock is for @bufs. */
struct lend_file {
	struct kref	ref;
	struct mutex	lock;
	struct lend_buf	*bufs[LEND_TEST_BUFS];
	atomic64_t	lent[LEND_TEST_BUFS];
	atomic64_t	released[LEND_TEST_BUFS];
};

/* A buffer, or a part of one, that is lent.  Freed by its ->release(). */
struct lend_loan {
	struct io_lent_buf	out;
	struct io_lent_sum	sum;
	struct lend_file	*file;
	struct lend_buf		*buf;
	unsigned int		index;
};

/* A command that is to move its bytes later.  Freed by its work. */
struct lend_work {
	struct delayed_work	work;
	struct io_uring_cmd	*cmd;
	struct lend_buf		*buf;
	struct iov_iter		iter;
	u32			offset;
	bool			fill;
};

static void lend_buf_free(struct kref *ref)
{
	struct lend_buf *buf = container_of(ref, struct lend_buf, ref);
	unsigned int i;

	for (i = 0; i < buf->nr_bvecs; i++) {
		struct bio_vec *bv = &buf->bvec[i];

		__free_pages(bv->bv_page, get_order(bv->bv_offset + bv->bv_len));
	}
	kfree(buf);
}

static void lend_buf_put(struct lend_buf *buf)
{
	if (buf)
		kref_put(&buf->ref, lend_buf_free);
}

static void lend_file_free(struct kref *ref)
{
	kfree(container_of(ref, struct lend_file, ref));
}

static bool lend_seg_valid(const struct lend_test_seg *seg)
{
	return seg->offset < PAGE_SIZE && seg->len &&
	       seg->len <= LEND_TEST_SEG_MAX - seg->offset;
}

/* Do loans of @buf learn what is filled out of order? */
static bool lend_maps(const struct lend_buf *buf)
{
	return buf->learn && buf->learn != LEND_TEST_NO_MAP;
}

static bool lend_learn_valid(u32 learn)
{
	return !learn || learn == LEND_TEST_NO_MAP ||
	       (is_power_of_2(learn) && learn <= LEND_TEST_SEG_MAX);
}

static struct lend_buf *lend_buf_new(const struct lend_test_setup *setup,
				     const struct lend_test_seg *segs)
{
	struct lend_buf *buf;
	unsigned int i;
	int ret = -EINVAL;

	buf = kzalloc(struct_size(buf, bvec, setup->nr_segs), GFP_KERNEL);
	if (!buf)
		return ERR_PTR(-ENOMEM);
	kref_init(&buf->ref);
	buf->dir = setup->dir;
	buf->error = setup->error;
	buf->skip = setup->skip;
	buf->fault = setup->fault;
	buf->learn = setup->learn;
	spin_lock_init(&buf->lock);

	for (i = 0; i < setup->nr_segs; i++) {
		const struct lend_test_seg *seg = &segs[i];
		struct page *page;

		if (!lend_seg_valid(seg))
			goto fail;
		page = alloc_pages(GFP_KERNEL | __GFP_ZERO | __GFP_COMP,
				   get_order(seg->offset + seg->len));
		if (!page) {
			ret = -ENOMEM;
			goto fail;
		}
		buf->nr_bvecs = i + 1;
		bvec_set_page(&buf->bvec[i], page, seg->len, seg->offset);
		buf->len += seg->len;
	}
	if (buf->skip >= buf->bvec[0].bv_len)
		goto fail;
	buf->len -= buf->skip;
	if (lend_maps(buf) && DIV_ROUND_UP(buf->len, buf->learn) > LEND_TEST_UNITS)
		goto fail;
	return buf;
fail:
	lend_buf_put(buf);
	return ERR_PTR(ret);
}

/* The segment with byte *@off of the buffer; sets *@off to where in it that is. */
static const struct bio_vec *lend_buf_find(const struct lend_buf *buf, size_t *off)
{
	const struct bio_vec *bv = buf->bvec;

	for (*off += buf->skip; *off >= bv->bv_len; bv++)
		*off -= bv->bv_len;
	return bv;
}

/* Moves bytes between @buf, from @off on, and @iter.  Returns how many. */
static ssize_t lend_buf_copy(struct lend_buf *buf, size_t off,
			     struct iov_iter *iter, bool to_iter)
{
	ssize_t done = 0;

	while (off < buf->len && iov_iter_count(iter)) {
		size_t in = off, want, got;
		const struct bio_vec *bv = lend_buf_find(buf, &in);

		want = min(bv->bv_len - in, iov_iter_count(iter));
		in += bv->bv_offset;
		got = to_iter ? copy_page_to_iter(bv->bv_page, in, want, iter) :
				copy_page_from_iter(bv->bv_page, in, want, iter);
		done += got;
		off += got;
		if (got != want)
			return done ?: -EFAULT;
	}
	return done;
}

/* Returns buffer @index with a reference, or ERR_PTR(-EINVAL). */
static struct lend_buf *lend_file_get(struct lend_file *file, u32 index)
{
	struct lend_buf *buf;

	if (index >= LEND_TEST_BUFS)
		return ERR_PTR(-EINVAL);
	index = array_index_nospec(index, LEND_TEST_BUFS);

	mutex_lock(&file->lock);
	buf = file->bufs[index];
	if (buf)
		kref_get(&buf->ref);
	mutex_unlock(&file->lock);
	return buf ?: ERR_PTR(-EINVAL);
}

/* Nobody uses the loan any more. */
static void lend_add_sum(struct lend_buf *buf, const struct io_lent_sum *sum)
{
	struct lend_test_sum *all = &buf->sum;
	unsigned long flags;

	spin_lock_irqsave(&buf->lock, flags);
	all->nr_full += atomic_read(&sum->nr_full);
	all->nr_short += atomic_read(&sum->nr_short);
	all->error = sum->error ?: all->error;
	all->filled = sum->filled;
	all->units = sum->map ? bitmap_weight(sum->map,
			DIV_ROUND_UP(sum->len, 1U << sum->shift)) : 0;
	spin_unlock_irqrestore(&buf->lock, flags);
}

static void lend_release(struct io_lent_buf *out)
{
	struct lend_loan *loan = container_of(out, struct lend_loan, out);

	if (out->sum) {
		lend_add_sum(loan->buf, out->sum);
		bitmap_free(loan->sum.map);
	}
	atomic64_inc(&loan->file->released[loan->index]);
	atomic_dec(&loan->buf->loans);
	lend_buf_put(loan->buf);
	kref_put(&loan->file->ref, lend_file_free);
	kfree(loan);
}

static void lend_fill(struct io_lent_buf *out, const struct lend_buf *buf,
		      size_t off, size_t len)
{
	const struct bio_vec *bv = lend_buf_find(buf, &off);

	if (buf->dir & LEND_TEST_SOURCE)
		out->dir |= IO_LENT_SOURCE;
	if (buf->dir & LEND_TEST_DEST)
		out->dir |= IO_LENT_DEST;
	out->bvec = bv;
	out->offset = off;
	out->len = len;
	out->release = lend_release;
	for (len += off; len > bv->bv_len; bv++)
		len -= bv->bv_len;
	out->nr_bvecs = bv - out->bvec + 1;
	refcount_set(&out->refs, 1);
}

/* Makes @loan, of @len bytes, learn.  Returns 0 or -ENOMEM. */
static int lend_learn(struct lend_loan *loan, const struct lend_buf *buf, size_t len)
{
	unsigned long *map = NULL;

	if (lend_maps(buf)) {
		map = bitmap_zalloc(DIV_ROUND_UP(len, buf->learn), GFP_KERNEL);
		if (!map)
			return -ENOMEM;
	}
	io_lent_sum_init(&loan->sum, len, map, map ? ilog2(buf->learn) : 0);
	loan->out.sum = &loan->sum;
	return 0;
}

/* Makes of @out what a broken driver would lend. */
static void lend_break(struct io_lent_buf *out, u32 fault)
{
	switch (fault) {
	case LEND_TEST_FAULT_EMPTY:
		out->len = 0;
		break;
	case LEND_TEST_FAULT_HUGE:
		out->len = INT_MAX + 1U;
		break;
	case LEND_TEST_FAULT_LONGER:
		out->len++;
		break;
	case LEND_TEST_FAULT_NO_BVEC:
		out->bvec = NULL;
		break;
	case LEND_TEST_FAULT_NO_SEGS:
		out->nr_bvecs = 0;
		break;
	case LEND_TEST_FAULT_OFFSET:
		out->offset = out->bvec->bv_len;
		break;
	case LEND_TEST_FAULT_NO_DIR:
		out->dir = 0;
		break;
	case LEND_TEST_FAULT_DIR:
		out->dir |= 0x80;
		break;
	}
}

static struct io_lent_buf *lend_test_export(struct file *filp,
					    const struct io_export_args *args)
{
	struct lend_file *file = filp->private_data;
	u32 index = args->cookie >> 32, off = args->cookie;
	struct lend_loan *loan;
	struct lend_buf *buf;
	size_t len;
	int ret;

	buf = lend_file_get(file, index);
	if (IS_ERR(buf))
		return ERR_CAST(buf);

	ret = -(int)buf->error;
	if (ret || buf->fault == LEND_TEST_FAULT_NULL)
		goto fail;
	ret = -EINVAL;
	if (off >= buf->len || args->len > buf->len - off)
		goto fail;
	ret = -ENOMEM;
	loan = kzalloc(sizeof(*loan), GFP_KERNEL);
	if (!loan)
		goto fail;

	len = args->len ?: buf->len - off;
	lend_fill(&loan->out, buf, off, len);
	if (buf->learn && lend_learn(loan, buf, len)) {
		kfree(loan);
		goto fail;
	}
	lend_break(&loan->out, buf->fault);
	loan->index = index;
	loan->buf = buf;
	loan->file = file;
	kref_get(&file->ref);
	atomic_inc(&buf->loans);
	atomic64_inc(&file->lent[index]);
	return &loan->out;
fail:
	lend_buf_put(buf);
	return ERR_PTR(ret);
}

static int lend_file_replace(struct lend_file *file, u32 index, struct lend_buf *buf)
{
	struct lend_buf *old;
	int ret = -EBUSY;

	mutex_lock(&file->lock);
	old = file->bufs[index];
	if (!old || !atomic_read(&old->loans)) {
		file->bufs[index] = buf;
		buf = old;
		ret = 0;
	}
	mutex_unlock(&file->lock);
	lend_buf_put(buf);
	return ret;
}

static long lend_test_setup(struct lend_file *file, void __user *arg)
{
	struct lend_test_setup setup;
	struct lend_test_seg *segs;
	struct lend_buf *buf;

	if (copy_from_user(&setup, arg, sizeof(setup)))
		return -EFAULT;
	if (setup.index >= LEND_TEST_BUFS || setup.nr_segs > LEND_TEST_SEGS ||
	    setup.fault >= LEND_TEST_FAULTS || setup.error > MAX_ERRNO ||
	    !lend_learn_valid(setup.learn) || setup.resv ||
	    setup.dir & ~(LEND_TEST_SOURCE | LEND_TEST_DEST))
		return -EINVAL;
	setup.index = array_index_nospec(setup.index, LEND_TEST_BUFS);
	if (!setup.nr_segs)
		return lend_file_replace(file, setup.index, NULL);
	if (!setup.dir)
		return -EINVAL;

	segs = memdup_array_user(u64_to_user_ptr(setup.segs), setup.nr_segs,
				 sizeof(*segs));
	if (IS_ERR(segs))
		return PTR_ERR(segs);
	buf = lend_buf_new(&setup, segs);
	kfree(segs);
	if (IS_ERR(buf))
		return PTR_ERR(buf);
	return lend_file_replace(file, setup.index, buf);
}

static long lend_test_stats(struct lend_file *file, void __user *arg)
{
	struct lend_test_stats stats;
	u32 index;

	if (copy_from_user(&stats, arg, sizeof(stats)))
		return -EFAULT;
	if (stats.index >= LEND_TEST_BUFS || stats.resv)
		return -EINVAL;
	index = array_index_nospec(stats.index, LEND_TEST_BUFS);
	stats.released = atomic64_read(&file->released[index]);
	/* released is read first, so that it is never above lent */
	smp_rmb();
	stats.lent = atomic64_read(&file->lent[index]);
	return copy_to_user(arg, &stats, sizeof(stats)) ? -EFAULT : 0;
}

static long lend_test_sum(struct lend_file *file, void __user *arg)
{
	struct lend_test_sum sum;
	struct lend_buf *buf;
	u32 index;

	if (copy_from_user(&sum, arg, sizeof(sum)))
		return -EFAULT;
	if (sum.resv)
		return -EINVAL;
	index = sum.index;
	buf = lend_file_get(file, index);
	if (IS_ERR(buf))
		return PTR_ERR(buf);
	spin_lock_irq(&buf->lock);
	sum = buf->sum;
	spin_unlock_irq(&buf->lock);
	lend_buf_put(buf);
	sum.index = index;
	return copy_to_user(arg, &sum, sizeof(sum)) ? -EFAULT : 0;
}

static long lend_test_ioctl(struct file *filp, unsigned int cmd, unsigned long arg)
{
	void __user *argp = (void __user *)arg;

	switch (cmd) {
	case LEND_TEST_SETUP:
		return lend_test_setup(filp->private_data, argp);
	case LEND_TEST_STATS:
		return lend_test_stats(filp->private_data, argp);
	case LEND_TEST_SUM:
		return lend_test_sum(filp->private_data, argp);
	}
	return -ENOTTY;
}

static ssize_t lend_test_rw(struct file *filp, char __user *ubuf, size_t len,
			    loff_t *pos, bool read)
{
	struct lend_file *file = filp->private_data;
	struct lend_buf *buf;
	struct iov_iter iter;
	ssize_t ret;

	buf = lend_file_get(file, (u64)*pos >> 32);
	if (IS_ERR(buf))
		return PTR_ERR(buf);
	ret = import_ubuf(read ? ITER_DEST : ITER_SOURCE, ubuf, len, &iter);
	if (!ret)
		ret = lend_buf_copy(buf, (u32)*pos, &iter, read);
	if (ret > 0)
		*pos += ret;
	lend_buf_put(buf);
	return ret;
}

static ssize_t lend_test_read(struct file *filp, char __user *ubuf, size_t len,
			      loff_t *pos)
{
	return lend_test_rw(filp, ubuf, len, pos, true);
}

static ssize_t lend_test_write(struct file *filp, const char __user *ubuf,
			       size_t len, loff_t *pos)
{
	return lend_test_rw(filp, (char __user *)ubuf, len, pos, false);
}

static void lend_work_fn(struct work_struct *work)
{
	struct lend_work *lw = container_of(to_delayed_work(work),
					    struct lend_work, work);
	ssize_t ret;

	ret = lend_buf_copy(lw->buf, lw->offset, &lw->iter, lw->fill);
	io_uring_cmd_done(lw->cmd, ret, 0, IO_URING_F_UNLOCKED);
	lend_buf_put(lw->buf);
	kfree(lw);
}

static int lend_cmd_delay(struct io_uring_cmd *cmd, struct lend_buf *buf,
			  const struct iov_iter *iter,
			  const struct lend_test_cmd *tc, bool fill)
{
	struct lend_work *lw = kzalloc(sizeof(*lw), GFP_KERNEL);

	if (!lw)
		return -ENOMEM;
	INIT_DELAYED_WORK(&lw->work, lend_work_fn);
	lw->cmd = cmd;
	lw->buf = buf;
	lw->iter = *iter;
	lw->offset = tc->offset;
	lw->fill = fill;
	schedule_delayed_work(&lw->work, msecs_to_jiffies(tc->delay_ms));
	return -EIOCBQUEUED;
}

static int lend_test_uring_cmd(struct io_uring_cmd *cmd, unsigned int issue_flags)
{
	const struct lend_test_cmd *src = io_uring_sqe_cmd(cmd->sqe);
	const struct lend_test_cmd tc = {
		.index		= READ_ONCE(src->index),
		.offset		= READ_ONCE(src->offset),
		.delay_ms	= READ_ONCE(src->delay_ms),
		.resv		= READ_ONCE(src->resv),
	};
	bool fill = cmd->cmd_op == LEND_TEST_CMD_FILL;
	struct lend_buf *buf;
	struct iov_iter iter;
	int ret;

	if (!fill && cmd->cmd_op != LEND_TEST_CMD_DRAIN)
		return -EINVAL;
	if (!(cmd->flags & IORING_URING_CMD_FIXED) || tc.resv ||
	    tc.delay_ms > LEND_TEST_DELAY_MAX)
		return -EINVAL;

	buf = lend_file_get(cmd->file->private_data, tc.index);
	if (IS_ERR(buf))
		return PTR_ERR(buf);
	ret = io_uring_cmd_import_fixed(READ_ONCE(cmd->sqe->addr),
					READ_ONCE(cmd->sqe->len),
					fill ? ITER_DEST : ITER_SOURCE, &iter, cmd);
	if (!ret && tc.delay_ms)
		ret = lend_cmd_delay(cmd, buf, &iter, &tc, fill);
	else if (!ret)
		ret = lend_buf_copy(buf, tc.offset, &iter, fill);
	if (ret != -EIOCBQUEUED)
		lend_buf_put(buf);
	return ret;
}

static int lend_test_open(struct inode *inode, struct file *filp)
{
	struct lend_file *file = kzalloc(sizeof(*file), GFP_KERNEL);

	if (!file)
		return -ENOMEM;
	kref_init(&file->ref);
	mutex_init(&file->lock);
	filp->private_data = file;
	return 0;
}

static int lend_test_release(struct inode *inode, struct file *filp)
{
	struct lend_file *file = filp->private_data;
	unsigned int i;

	for (i = 0; i < LEND_TEST_BUFS; i++)
		lend_buf_put(file->bufs[i]);
	kref_put(&file->ref, lend_file_free);
	return 0;
}

static const struct file_operations lend_test_fops = {
	.owner		= THIS_MODULE,
	.open		= lend_test_open,
	.release	= lend_test_release,
	.read		= lend_test_read,
	.write		= lend_test_write,
	.unlocked_ioctl	= lend_test_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
	.uring_cmd	= lend_test_uring_cmd,
	.export_buf	= lend_test_export,
};

static struct miscdevice lend_test_misc = {
	.minor	= MISC_DYNAMIC_MINOR,
	.name	= "lend_test",
	.mode	= 0600,
	.fops	= &lend_test_fops,
};
builtin_misc_device(lend_test_misc);
