// SPDX-License-Identifier: GPL-2.0
/*
 * Target mirror: two legs or more with the same data.
 *
 * What changes goes to every live leg in parallel; a read goes to one.  The
 * decisions are plan.c's, this file carries them out.
 *
 * With a record (record.h), a write waits until it is durable which region may differ, and its
 * end until it is durable which leg has missed it.  A leg's number is its slot then.  Writes to a
 * region that is being copied wait as well (region.h, resync.h).
 *
 * Without one, which legs are live is in memory only: a set that was served with a dropped
 * leg must not be served with that leg again until its owner has copied it.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "../../clock.h"
#include "../../log.h"
#include "../targets.h"
#include "leginfo.h"
#include "mirror.h"
#include "ops.h"
#include "state.h"

/* So many more legs than at its start a set may have at once. */
#define MIRROR_MORE_LEGS	2

struct mirror_conf {
	struct strlist legs, write_mostly;
	u32 marked;	/* the legs that @write_mostly names: mirror_check(), or who has none of the options */
	u64 size;
	u64 block;
	const struct mirror_set *set;	/* mirror_use_set(), then the others are not used */
};

static const struct opt mirror_opts[] = {
	{ .name = "leg", .letter = 'l', .type = OPT_LIST, .arg = "PATH",
	  .offset = offsetof(struct mirror_conf, legs),
	  .help = "a file or block device; give it twice or more" },
	{ .name = "write-mostly", .type = OPT_LIST, .arg = "PATH",
	  .offset = offsetof(struct mirror_conf, write_mostly),
	  .help = "one of the legs: read it only if no other one can be" },
	{ .name = "size", .letter = 's', .type = OPT_SIZE, .arg = "SIZE",
	  .offset = offsetof(struct mirror_conf, size), .min = SECTOR_SIZE, .align = SECTOR_SIZE,
	  .help = "use the first SIZE bytes of each leg [all; legs are equal]" },
	{ .name = "block", .letter = 'b', .type = OPT_SIZE, .arg = "SIZE",
	  .offset = offsetof(struct mirror_conf, block), .min = SECTOR_SIZE, .max = LIMITS_MAX_LBS,
	  .help = "bytes of a block, 512 to 4096 [the least that every leg takes]" },
	{ 0 }
};

void mirror_use_set(struct target *t, const struct mirror_set *set)
{
	struct mirror_conf *conf = t->conf;

	conf->set = set;
}

void mirror_use_legs(struct target *t, const struct strlist *legs, u32 write_mostly, u64 size, u64 block)
{
	struct mirror_conf *conf = t->conf;

	conf->legs = *legs;
	conf->marked = write_mostly;
	conf->size = size;
	conf->block = block;
}

static const u8 *mirror_uuid(const struct target *t)
{
	const struct mirror *m = t->priv;

	return m->record ? m->record->set.uuid : NULL;
}

static int mirror_check(const struct target *t)
{
	struct mirror_conf *conf = t->conf;
	int ret = legs_check_several(t->ops->name, &conf->legs, conf->block);

	return ret ? ret : legs_named("write-mostly", &conf->legs, &conf->write_mostly, &conf->marked);
}

/*
 * The leg of a slot, as its record says.  Its blocks may be larger than they were when the set was
 * made (it was copied to another disk, say): clients know the set's.
 */
static int mirror_open_slot(struct target *t, const struct mirror_set *set, unsigned int slot,
			    const struct patience *p)
{
	const struct super_set *s = &set->assembly.set;
	struct leg *leg = &t->legs[slot];
	u64 end = set->own[slot].data_offset + s->size;
	int ret = leg_open(leg, set->paths[slot], 1U << s->lbs_shift, p);

	if (ret)
		return ret;
	if (leg->lim.size < end) {
		log_err("leg %s: too small: it has %" PRIu64 " bytes, the set needs %" PRIu64,
			leg->path, leg->lim.size, end);
		return -ENOSPC;
	}
	limits_merge(&t->lim, &leg->lim);
	return 0;
}

/*
 * The legs were read before they were taken.  Has somebody else served them since?  A record that
 * was written is another one by its number.
 */
static int mirror_read_again(const struct target *t, const struct mirror_set *set, unsigned int slot)
{
	const struct super_own *own = &set->own[slot];
	struct leginfo l;

	leginfo_read_fd(&l, set->paths[slot], t->legs[slot].fd);
	if (!l.err && l.super.own.seq == own->seq && l.super.own.self == slot &&
	    !memcmp(l.super.set.uuid, set->assembly.set.uuid, sizeof(l.super.set.uuid)))
		return 0;
	log_err("leg %s: its record was changed just now, by whoever had it; try again", set->paths[slot]);
	return -EAGAIN;
}

static int mirror_open_slots(struct target *t, const struct mirror_set *set)
{
	const struct super_set *s = &set->assembly.set;
	struct patience p;
	int ret = 0;

	limits_init(&t->lim);
	patience_init(&p, t->patience_ms);
	for (unsigned int slot = 0; slot < FORMAT_LEGS; slot++)
		t->legs[slot].fd = -1;
	for (u32 left = mirror_set_uses(&set->assembly); left && !ret; left &= left - 1)
		ret = mirror_open_slot(t, set, __builtin_ctz(left), &p);
	for (u32 left = mirror_set_uses(&set->assembly); left && !ret; left &= left - 1)
		ret = mirror_read_again(t, set, __builtin_ctz(left));
	if (!ret) {
		t->lim.size = s->size;
		t->lim.lbs = max_u64(t->lim.lbs, 1U << s->lbs_shift);
		ret = limits_finish(&t->lim);
	}
	if (!ret && t->lim.lbs != 1U << s->lbs_shift) {
		log_err("set %s: a leg takes blocks of %u bytes at least, the set has %u; use another leg",
			s->name, t->lim.lbs, 1U << s->lbs_shift);
		ret = -EINVAL;
	}
	if (ret)
		legs_close(t->legs, s->nr);
	return ret;
}

/* A queue tells the record of a write that has ended when it knows of that itself. */
static void mirror_queue_looks(void *arg, unsigned int qid)
{
	const struct target *t = arg;
	struct mirror *m = t->priv;
	struct mirror_queue *mq = &m->queues[qid];

	if (t->silent)
		inbox_ask(mq->inbox, &mq->look);
}

static int mirror_init_record(struct target *t, struct mirror *m, const struct mirror_set *set)
{
	int fds[FORMAT_LEGS], ret;

	m->record = calloc(1, sizeof(*m->record));
	if (!m->record)
		return -ENOMEM;
	for (unsigned int slot = 0; slot < FORMAT_LEGS; slot++) {
		fds[slot] = m->fds[slot] = mirror_set_uses(&set->assembly) >> slot & 1 ? t->legs[slot].fd : -1;
		m->at[slot] = set->own[slot].data_offset;
	}
	m->record->dropped = mirror_dropped;
	m->record->look = mirror_queue_looks;
	m->record->arg = t;
	ret = record_init(m->record, &set->assembly, set->own, fds);
	if (ret) {
		free(m->record);
		m->record = NULL;
	}
	return ret;
}

static int mirror_open_set(struct target *t, struct mirror *m, const struct mirror_set *set)
{
	int ret = mirror_open_slots(t, set);

	if (ret)
		return ret;
	t->nr_legs = set->assembly.set.nr;
	m->live = mirror_set_uses(&set->assembly);
	m->sync = set->assembly.serve;
	for (unsigned int slot = 0; slot < t->nr_legs; slot++)
		m->write_mostly |= (u32)set->assembly.set.legs[slot].write_mostly << slot;
	m->limits = set->limits;
	ret = mirror_init_record(t, m, set);
	if (ret)
		legs_close(t->legs, t->nr_legs);
	return ret;
}

static int mirror_open_plain(struct target *t, struct mirror *m)
{
	const struct mirror_conf *conf = t->conf;
	int ret = legs_open(t->legs, &conf->legs, conf->size, conf->block, t->patience_ms, &t->lim);

	if (ret)
		return ret;
	t->nr_legs = conf->legs.nr;
	m->live = m->sync = (1U << t->nr_legs) - 1;
	m->write_mostly = conf->marked;
	return 0;
}

static int mirror_open(struct target *t)
{
	const struct mirror_conf *conf = t->conf;
	struct mirror *m = calloc(1, sizeof(*m));
	int ret;

	if (!m)
		return -ENOMEM;
	ret = conf->set ? mirror_open_set(t, m, conf->set) : mirror_open_plain(t, m);
	if (ret) {
		free(m);
		return ret;
	}
	/* Done as zeroes, mirror_op(): where these are not offered, neither are discards. */
	t->lim.discard_max = min_u64(t->lim.discard_max, t->lim.zeroes_max);
	t->max_steps = t->nr_legs;
	/* Room for legs that join while others are there. */
	if (m->record) {
		t->max_steps = min_u64(t->nr_legs + MIRROR_MORE_LEGS, FORMAT_LEGS);
		t->note_bytes = m->record->bits.block_bytes;
	}
	t->legs_leave = true;
	t->priv = m;
	m->read = m->sync;
	for (unsigned int i = 0; i < t->nr_legs; i++)
		if (m->live >> i & 1 && !t->legs[i].is_blk)
			m->files |= 1U << i;
	pthread_mutex_init(&m->lock, NULL);
	return 0;
}

static void mirror_close(struct target *t)
{
	struct mirror *m = t->priv;

	if (!m)
		return;
	/* A device that never was usable. */
	if (m->resyncs)
		resync_stop(&m->resync);
	if (m->record)
		record_deinit(m->record);
	free(m->record);
	legs_close(t->legs, t->nr_legs);
	/* Queues have ended: what they had not taken up yet nobody takes. */
	for (unsigned int i = 0; i < t->nr_legs; i++) {
		free(m->legs[i].leaving);
		free(m->legs[i].hurry);
		free(m->legs[i].arriving);
	}
	free(m->queues);
	free(m);
}

void mirror_pace(struct mirror *m)
{
	resync_limits(&m->resync, &(struct resync_conf){ .min = m->limits.resync_min, .max = m->limits.resync_max });
	m->record->timeout_ms = m->limits.leg_timeout * 1000;
}

static int mirror_start_set(struct target *t)
{
	struct mirror *m = t->priv;
	const struct resync_legs legs = {
		.fds = m->fds, .at = m->at, .size = t->lim.size, .arg = t,
		.failed = mirror_copy_failed, .rebuilt = mirror_rebuilt,
	};
	int ret = record_begin(m->record, m->nr_queues);

	if (ret)
		return ret;
	regions_init(&m->regions);
	/* For tests, of what is there between two crashes. */
	m->resync.hold = getenv("REGBUF_RESYNC_HOLD");
	ret = resync_start(&m->resync, m->record, &m->regions, &legs);
	if (ret)
		record_end(m->record);
	else
		mirror_pace(m);
	m->resyncs = !ret;
	return ret;
}

static int mirror_start(struct target *t, unsigned int nr_queues)
{
	struct mirror *m = t->priv;

	m->nr_queues = nr_queues;
	m->queues = calloc(nr_queues, sizeof(*m->queues));
	if (!m->queues)
		return -ENOMEM;
	/* Streams of different queues, which know nothing of each other, begin on different legs. */
	for (unsigned int i = 0; i < nr_queues; i++)
		reader_init(&m->queues[i].reader, i % t->nr_legs);
	t->batches = m->record || m->files;
	return m->record ? mirror_start_set(t) : 0;
}

/* The last act of a set that was served to its end. */
static void mirror_stop(struct target *t)
{
	struct mirror *m = t->priv;

	if (!m->record)
		return;
	resync_stop(&m->resync);
	m->resyncs = false;
	record_end(m->record);
}

static void *mirror_queue(struct target *t, unsigned int qid, struct inbox *inbox)
{
	struct mirror *m = t->priv;
	struct mirror_queue *mq = &m->queues[qid];

	mq->inbox = inbox;
	if (m->record)
		mq->record = &m->record->queues[qid];
	return mq;
}

static void mirror_enter(struct target *t, void *tq, bool alone)
{
	const struct mirror *m = t->priv;
	struct mirror_queue *mq = tq;

	mq->looked = false;
	mq->alone = alone;
	if (m->record)
		record_enter(m->record, mq->record);
}

static void mirror_leave(struct target *t, void *tq)
{
	const struct mirror_queue *mq = tq;

	if (mq->record)
		record_leave(mq->record);
}

/*
 * Before the first write of a batch.  Why so late, and each time: a write that comes after the
 * cut makes the file as long as it was.  What is left is the time between the look and the write.
 */
static void mirror_look_at_files(struct target *t, struct mirror_queue *mq)
{
	struct mirror *m = t->priv;
	struct stat st;

	mq->looked = true;
	for (u32 left = m->files & m->live; left; left &= left - 1) {
		unsigned int leg = __builtin_ctz(left);

		if (!fstat(t->legs[leg].fd, &st) && (u64)st.st_size < m->at[leg] + t->lim.size)
			mirror_drop_shrunk(t, leg);
	}
}

/* By the record's thread, the one that copies, or a queue's. */
static void mirror_wake(struct record_wait *w)
{
	struct mirror_io *mio = (struct mirror_io *)((char *)w - offsetof(struct mirror_io, wait));

	inbox_post(mio->inbox, &mio->item);
}

static struct record_wait *mirror_wait(struct mirror_queue *mq, struct io *io)
{
	struct mirror_io *mio = io->tio;

	mio->wait.wake = mirror_wake;
	mio->item.kind = INBOX_IO;
	mio->item.io = io;
	mio->inbox = mq->inbox;
	return &mio->wait;
}

static void mirror_add_step(const struct mirror *m, struct io *io, enum step_op op, unsigned int leg)
{
	io_add_part(io, op, leg, io->off + m->at[leg], io->len, 0);
}

/* Seldom, and so out of the way of those that are not timed. */
static __attribute__((noinline)) void mirror_begin_timed(struct mirror_io *mio)
{
	mio->began = clock_ns();
}

static __attribute__((noinline)) void mirror_end_timed(const struct mirror *m, struct mirror_queue *mq,
						       const struct io *io)
{
	const struct mirror_io *mio = io->tio;
	u32 legs = mirror_preferred(m->read, m->write_mostly);

	for (u32 left = atomic_exchange(&mq->new_legs, 0); left; left &= left - 1)
		reader_forget(&mq->reader, __builtin_ctz(left));
	reader_timed(&mq->reader, legs, io->steps[0].leg, io->len, clock_ns() - mio->began);
}

static void mirror_plan_read(const struct mirror *m, struct reader *r, struct io *io, u32 candidates)
{
	u32 legs = mirror_preferred(candidates, atomic_load_explicit(&m->write_mostly, memory_order_relaxed));
	unsigned int leg = reader_pick(r, legs, io->off);
	struct mirror_io *mio = io->tio;

	mio->began = 0;
	if (unlikely(reader_start(r, leg, io->off + io->len)))
		mirror_begin_timed(mio);
	mirror_add_step(m, io, STEP_READ, leg);
}

/*
 * Where legs may differ, a read goes to the source.  One that was dropped is followed by another one: what
 * that has is told when it is durable that it is the source.  True: the request waits for it.
 */
static __attribute__((noinline)) bool mirror_source_waits(const struct mirror *m, struct mirror_queue *mq,
							  struct io *io, u32 *candidates)
{
	struct mirror_io *mio = io->tio;
	int source = record_source(m->record, io->off, io->len);

	if (source < 0)
		return false;
	*candidates = 1U << source;
	mio->sent = false;
	/* Behind the look for who is the source. */
	return record_may_end(m->record, mirror_wait(mq, io)) == RECORD_PARKED;
}

/* The legs that a read may go to, in *candidates.  True: it waits for the source, and they are not to be used. */
static inline bool mirror_read_waits(const struct mirror *m, struct mirror_queue *mq, struct io *io, u32 *candidates)
{
	*candidates = atomic_load_explicit(&m->read, memory_order_acquire);
	return unlikely(m->record && atomic_load_explicit(&m->record->differs, memory_order_acquire)) &&
	       mirror_source_waits(m, mq, io, candidates);
}

/*
 * Of a request that goes well nothing is to be told but what a queue counts, with two exceptions.  A leg that it
 * passes by was dropped, and no event says so yet: the look for that is behind the one at the legs, as who misses
 * a leg there sees it here (record_state.h).  And a leg that hangs is to be found, which those are not that have
 * done their step without a word.
 */
static inline enum verdict mirror_all_verdict(const struct mirror *m)
{
	const struct record *r = m->record;

	return likely(!r || (record_nothing_changes(r) && !atomic_load_explicit(&r->timeout_ms, memory_order_relaxed))) ?
	       VERDICT_LAST_STEPS : VERDICT_STEPS;
}

/* What changes data, to every leg that is live. */
static enum verdict mirror_plan_all(const struct mirror *m, struct io *io, enum step_op op)
{
	struct mirror_io *mio = io->tio;
	u32 live = atomic_load_explicit(&m->live, memory_order_acquire);

	mio->sent = true;
	for (; live; live &= live - 1)
		mirror_add_step(m, io, op, __builtin_ctz(live));
	return mirror_all_verdict(m);
}

/* A block of the bitmap, before the data. */
static enum verdict mirror_plan_note(const struct mirror *m, struct io *io)
{
	const struct mirror_io *mio = io->tio;
	const struct record_note *n = &mio->note;
	u32 bytes = m->record->bits.block_bytes;

	for (u32 slots = n->slots; slots; slots &= slots - 1) {
		unsigned int slot = __builtin_ctz(slots);

		io_add_part(io, STEP_NOTE, slot, m->record->bitmap_at[slot] + (u64)n->block * bytes, bytes, 0);
	}
	return VERDICT_STEPS;
}

/* The write's bit is not set yet, or its queue does not know. */
static __attribute__((noinline)) enum verdict mirror_plan_slow(struct mirror *m, struct mirror_queue *mq,
							       struct io *io, enum step_op op)
{
	struct mirror_io *mio = io->tio;
	struct record_wait *w = mirror_wait(mq, io);
	int ret;

	mio->note = (struct record_note){ .files = m->live, .last = mq->again || mq->alone, .buf = io->note };
	ret = record_write_slow(m->record, mq->record, w, &mio->note, io->off, io->len);
	switch (ret) {
	case 0:
		return mirror_plan_all(m, io, op);
	case RECORD_NOTE:
		return mirror_plan_note(m, io);
	case RECORD_LATER:
		inbox_post(mq->inbox, &mio->item);
		return VERDICT_WAIT;
	case RECORD_PARKED:
		return VERDICT_WAIT;
	}
	io->result = ret;
	return VERDICT_DONE;
}

/* The same, when the record knows of it. */
static enum verdict mirror_plan_recorded(struct mirror *m, struct mirror_queue *mq, struct io *io,
					 enum step_op op)
{
	struct mirror_io *mio = io->tio;

	if (op == STEP_SYNC)
		return mirror_plan_all(m, io, op);
	mio->sent = false;
	while (unlikely(!region_free(&m->regions, io->off, io->len)))
		if (region_wait(&m->regions, mirror_wait(mq, io), io->off, io->len) == RECORD_PARKED)
			return VERDICT_WAIT;
	if (likely(record_write_now(m->record, mq->record, io->off, io->len, &mio->epoch)))
		return mirror_plan_all(m, io, op);
	return mirror_plan_slow(m, mq, io, op);
}

/*
 * What a disk returns after a discard is its own affair, and legs would differ.  Zeroes may free the
 * room as well, and are the same on every leg.
 */
static int mirror_op(const struct io *io)
{
	int op = io_step_op(io->op);

	return op == STEP_DISCARD ? STEP_ZERO : op;
}

static enum verdict mirror_plan_change(struct target *t, struct mirror_queue *mq, struct io *io)
{
	struct mirror *m = t->priv;
	int op = mirror_op(io);

	if (unlikely(op < 0)) {
		io->result = op;
		return VERDICT_DONE;
	}
	if (unlikely(m->files) && !mq->looked)
		mirror_look_at_files(t, mq);
	return likely(!m->record) ? mirror_plan_all(m, io, op) : mirror_plan_recorded(m, mq, io, op);
}

static enum verdict mirror_plan(struct target *t, void *tq, struct io *io)
{
	struct mirror_io *mio = io->tio;
	struct mirror_queue *mq = tq;
	u32 candidates;

	if (io->op != UBLK_IO_OP_READ)
		return mirror_plan_change(t, mq, io);
	mio->tried = mio->faulty = 0;
	if (unlikely(mirror_read_waits(t->priv, mq, io, &candidates)))
		return VERDICT_WAIT;
	mirror_plan_read(t->priv, &mq->reader, io, candidates);
	/* One that is timed has something to tell, and one that is planned again may have sent a step before. */
	return unlikely(mio->began || mq->again) ? VERDICT_STEPS : VERDICT_LAST_STEPS;
}

static enum verdict mirror_plan_again(struct target *t, struct mirror_queue *mq, struct io *io)
{
	enum verdict verdict;

	mq->again = true;
	verdict = mirror_plan(t, mq, io);
	mq->again = false;
	return verdict;
}

/* May it be told now, for all that the record says? */
static enum verdict mirror_end_recorded(struct mirror *m, struct mirror_queue *mq, struct io *io)
{
	int ret = record_may_end(m->record, mirror_wait(mq, io));

	if (unlikely(ret == RECORD_PARKED))
		return VERDICT_WAIT;
	if (unlikely(ret))
		io->result = ret;
	return VERDICT_DONE;
}

static enum verdict mirror_settle_recorded(struct mirror *m, struct mirror_queue *mq, struct io *io,
					   bool differ)
{
	struct mirror_io *mio = io->tio;
	int ret = 0;

	if (unlikely(differ) && io->len) {
		ret = record_differ(m->record, mirror_wait(mq, io), io->off, io->len);
		resync_kick(&m->resync);
	}
	/* Not before: the bit would be cleared of a region that may differ. */
	if (io->op != UBLK_IO_OP_FLUSH)
		record_wrote(mq->record, mio->epoch);
	if (unlikely(ret == RECORD_PARKED))
		return VERDICT_WAIT;
	return mirror_end_recorded(m, mq, io);
}

/* The block is on the legs, or not: the record says what is next. */
static __attribute__((noinline)) enum verdict mirror_settle_note(struct target *t, struct mirror_queue *mq,
								 struct io *io)
{
	struct mirror *m = t->priv;
	const struct mirror_io *mio = io->tio;
	u32 ok = 0;

	for (unsigned int i = 0; i < io->nr_steps; i++)
		if (!io->steps[i].res && !io->steps[i].old)
			ok |= 1U << io->steps[i].leg;
	record_noted(m->record, &mio->note, ok);
	io->nr_steps = 0;
	return mirror_plan_again(t, mq, io);
}

static enum verdict mirror_settle_all(struct target *t, struct mirror_queue *mq, struct io *io)
{
	struct mirror *m = t->priv;
	bool differ = false;
	int bad = 0, err = 0;

	if (unlikely(io->steps[0].op == STEP_NOTE))
		return mirror_settle_note(t, mq, io);
	for (unsigned int i = 0; i < io->nr_steps; i++)
		bad |= io->steps[i].res;
	if (unlikely(bad))
		differ = mirror_drop_failed(t, io, &err);
	io->result = err ? err : io_success(io);
	return likely(!m->record) ? VERDICT_DONE : mirror_settle_recorded(m, mq, io, differ);
}

/* What was waited for has come, or the record is broken. */
static enum verdict mirror_resume(struct target *t, void *tq, struct io *io)
{
	const struct mirror_io *mio = io->tio;

	return mio->sent ? mirror_end_recorded(t->priv, tq, io) : mirror_plan_again(t, tq, io);
}

/* A disk may have a better place for the sectors once they are written. */
static __attribute__((noinline)) void mirror_rewrite(struct mirror *m, const struct io *io)
{
	const struct mirror_io *mio = io->tio;

	for (u32 left = m->record ? mio->faulty : 0; left; left &= left - 1)
		resync_rewrite(&m->resync, __builtin_ctz(left), io->off, io->len);
}

/*
 * Where legs may differ, only the source is read.  One that cannot be is dropped, and the read is done
 * again on the next source when that is durable: what was read before a crash is read behind it.
 */
static enum verdict mirror_read_elsewhere(struct target *t, struct mirror_queue *mq, struct io *io, u32 candidates)
{
	struct mirror *m = t->priv;
	struct mirror_io *mio = io->tio;
	struct step *s = &io->steps[0];
	int ret = s->res;

	if (m->record && mirror_leg_fault(s->res) && !s->old && candidates == 1U << s->leg &&
	    mirror_drop_source(t, io, s))
		ret = record_may_end(m->record, mirror_wait(mq, io));
	if (ret && ret != RECORD_PARKED) {
		io->result = ret;
		return VERDICT_DONE;
	}
	io->nr_steps = 0;
	mio->sent = false;
	return ret ? VERDICT_WAIT : mirror_plan_again(t, mq, io);
}

/* The read's leg did not give it: another one is asked, if there is one. */
static __attribute__((noinline)) enum verdict mirror_read_other_leg(struct target *t, struct mirror_queue *mq,
								    struct io *io)
{
	struct mirror *m = t->priv;
	struct mirror_io *mio = io->tio;
	struct step *s = &io->steps[0];
	u32 candidates, rest;

	if (mirror_leg_fault(s->res) && !s->old) {
		mirror_read_failed(t, io, s);
		mio->faulty |= 1U << s->leg;
	}
	if (!s->old)
		mio->tried |= 1U << s->leg;
	if (unlikely(mirror_read_waits(m, mq, io, &candidates))) {
		io->nr_steps = 0;
		return VERDICT_WAIT;
	}
	rest = candidates & ~mio->tried;
	if (!rest)
		return mirror_read_elsewhere(t, mq, io, candidates);
	/* From the start: what the failed leg gave may be wrong. */
	io->nr_steps = 0;
	mirror_plan_read(m, &mq->reader, io, rest);
	return VERDICT_STEPS;
}

static enum verdict mirror_settle_read(struct target *t, struct mirror_queue *mq, struct io *io)
{
	const struct mirror_io *mio = io->tio;
	const struct step *s = &io->steps[0];

	reader_end(&mq->reader, s->leg);
	if (unlikely(s->res))
		return mirror_read_other_leg(t, mq, io);
	io->result = io_success(io);
	if (unlikely(mio->began))
		mirror_end_timed(t->priv, mq, io);
	if (unlikely(mio->faulty))
		mirror_rewrite(t->priv, io);
	return VERDICT_DONE;
}

static enum verdict mirror_settle(struct target *t, void *tq, struct io *io)
{
	struct mirror_queue *mq = tq;

	return io->op == UBLK_IO_OP_READ ? mirror_settle_read(t, mq, io) : mirror_settle_all(t, mq, io);
}

static void mirror_ended(struct target *t, void *tq, const struct io *io)
{
	const struct mirror_io *mio = io->tio;
	struct mirror_queue *mq = tq;

	(void)t;
	if (io->op == UBLK_IO_OP_READ)
		reader_end(&mq->reader, io->steps[0].leg);
	else if (mq->record)
		record_wrote(mq->record, mio->epoch);
}

const struct target_ops target_mirror = {
	.name		= "mirror",
	.summary	= "two legs or more with the same data",
	.opts		= mirror_opts,
	.conf_size	= sizeof(struct mirror_conf),
	.wants_stable_data = true,
	.io_size	= sizeof(struct mirror_io),
	.check		= mirror_check,
	.uuid		= mirror_uuid,
	.open		= mirror_open,
	.close		= mirror_close,
	.start		= mirror_start,
	.queue		= mirror_queue,
	.enter		= mirror_enter,
	.leave		= mirror_leave,
	.plan		= mirror_plan,
	.settle		= mirror_settle,
	.ended		= mirror_ended,
	.resume		= mirror_resume,
	.stop		= mirror_stop,
	.tick		= mirror_tick,
	.watch		= mirror_watch,
	.status_json	= mirror_status_json,
	.status_text	= mirror_status_text,
	.commands	= mirror_cmds,
};
