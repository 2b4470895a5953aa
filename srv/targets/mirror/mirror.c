// SPDX-License-Identifier: GPL-2.0
/*
 * Target mirror: two legs or more with the same data.
 *
 * What changes goes to every live leg in parallel; a read goes to one.  The
 * decisions are plan.c's, this file carries them out.
 *
 * Which legs are live is in memory only: a set that was served with a dropped
 * leg must not be served with that leg again until its owner has copied it.
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../../burst.h"
#include "../../clock.h"
#include "../../log.h"
#include "plan.h"
#include "../targets.h"

struct mirror_conf {
	struct strlist legs;
	u64 size;
	u64 block;
};

/*
 * struct mirror_leg - what happened to a leg
 * In struct mirror.  The dropped_* fields are written once, under the lock,
 * before the leg's bit in live goes; read under the lock.  So are the read errors,
 * and written.
 */
struct mirror_leg {
	u64 read_errors;
	struct burst read_burst;
	u64 read_sector;	/* of the latest error */
	int read_err;
	int dropped_err;	/* -errno, 0: it is live */
	u8 dropped_op;		/* enum step_op */
	u64 dropped_sector;
	time_t dropped_at;
};

/*
 * struct mirror - the state of the set
 * mirror_open() to mirror_close().
 * @live: the legs that have all the data.  Any queue reads it; bits are only
 *	cleared, under @lock, and never the last one.  A queue clears a bit before
 *	it commits the request that the leg has missed: a client that knows of
 *	the data cannot be given the leg that has it not.
 * @readers: one per queue
 */
struct mirror {
	_Atomic u32 live;
	pthread_mutex_t lock;
	struct mirror_leg legs[MAX_LEGS];
	struct mirror_reader *readers;
};

/* struct mirror_io - of one request; @tried: the legs that have failed to read it */
struct mirror_io {
	u32 tried;
};

static const struct opt mirror_opts[] = {
	{ .name = "leg", .letter = 'l', .type = OPT_LIST, .arg = "PATH",
	  .offset = offsetof(struct mirror_conf, legs),
	  .help = "a file or block device; give it twice or more" },
	{ .name = "size", .letter = 's', .type = OPT_SIZE, .arg = "SIZE",
	  .offset = offsetof(struct mirror_conf, size), .min = SECTOR_SIZE, .align = SECTOR_SIZE,
	  .help = "use the first SIZE bytes of each leg [all; legs are equal]" },
	{ .name = "block", .letter = 'b', .type = OPT_SIZE, .arg = "SIZE",
	  .offset = offsetof(struct mirror_conf, block), .min = SECTOR_SIZE, .max = LIMITS_MAX_LBS,
	  .help = "bytes of a block, 512 to 4096 [the least that every leg takes]" },
	{ 0 }
};

static const char *const mirror_op_names[] = {
	[STEP_READ]	= "read",
	[STEP_WRITE]	= "write",
	[STEP_SYNC]	= "flush",
	[STEP_DISCARD]	= "discard",
	[STEP_ZERO]	= "write-zeroes",
};

static int mirror_check(const struct target *t)
{
	const struct mirror_conf *conf = t->conf;

	return legs_check_several(t->ops->name, &conf->legs, conf->block);
}

static int mirror_open(struct target *t)
{
	const struct mirror_conf *conf = t->conf;
	struct mirror *m = calloc(1, sizeof(*m));
	int ret;

	if (!m)
		return -ENOMEM;
	ret = legs_open(t->legs, &conf->legs, conf->size, conf->block, t->patience_ms, &t->lim);
	if (ret) {
		free(m);
		return ret;
	}
	t->nr_legs = conf->legs.nr;
	t->max_steps = t->nr_legs;
	t->priv = m;
	m->live = (1U << t->nr_legs) - 1;
	pthread_mutex_init(&m->lock, NULL);
	return 0;
}

static void mirror_close(struct target *t)
{
	struct mirror *m = t->priv;

	if (!m)
		return;
	legs_close(t->legs, t->nr_legs);
	free(m->readers);
	free(m);
}

static int mirror_start(struct target *t, unsigned int nr_queues)
{
	struct mirror *m = t->priv;

	m->readers = calloc(nr_queues, sizeof(*m->readers));
	if (!m->readers)
		return -ENOMEM;
	for (unsigned int i = 0; i < nr_queues; i++) {
		m->readers[i].nr = t->nr_legs;
		m->readers[i].seek = t->lim.rotational;
	}
	return 0;
}

static void *mirror_queue(struct target *t, unsigned int qid, struct inbox *inbox)
{
	struct mirror *m = t->priv;

	return &m->readers[qid];
}

static void mirror_plan_read(struct mirror_reader *r, struct io *io, u32 candidates)
{
	unsigned int leg = mirror_pick(r, candidates, io->off);

	mirror_read_start(r, leg, io->off + io->len);
	io_add_step(io, STEP_READ, leg);
}

static enum verdict mirror_plan(struct target *t, void *tq, struct io *io)
{
	struct mirror *m = t->priv;
	struct mirror_io *mio = io->tio;
	u32 live = atomic_load_explicit(&m->live, memory_order_acquire);
	int op = io_step_op(io->op);

	if (op == STEP_READ) {
		mio->tried = 0;
		mirror_plan_read(tq, io, live);
	} else if (likely(op >= 0)) {
		for (; live; live &= live - 1)
			io_add_step(io, op, __builtin_ctz(live));
	} else {
		io->result = op;
		return VERDICT_DONE;
	}
	return VERDICT_STEPS;
}

/* Called with the lock held, and another leg live. */
static void mirror_drop(struct target *t, unsigned int leg, const struct io *io,
			const struct step *s)
{
	struct mirror *m = t->priv;
	struct mirror_leg *ml = &m->legs[leg];

	ml->dropped_err = s->res;
	ml->dropped_op = s->op;
	ml->dropped_sector = io->off >> SECTOR_SHIFT;
	ml->dropped_at = time(NULL);
	atomic_fetch_and_explicit(&m->live, ~(1U << leg), memory_order_acq_rel);
	log_warn("mirror: leg %s is dropped: %s of %u bytes at sector %" PRIu64 ": %s",
		 t->legs[leg].absolute, mirror_op_names[s->op], io->len, ml->dropped_sector,
		 strerror(-s->res));
}

/* Some leg has it not. */
static void mirror_settle_failed(struct target *t, struct io *io)
{
	struct mirror *m = t->priv;
	struct mirror_tally tally = { 0 };
	enum step_op op = io->steps[0].op;
	u32 drop;
	int err;

	for (unsigned int i = 0; i < io->nr_steps; i++)
		mirror_count(&tally, op, io->steps[i].leg, io->steps[i].res);

	pthread_mutex_lock(&m->lock);
	err = mirror_outcome(&tally, op, m->live, &drop);
	for (unsigned int i = 0; i < io->nr_steps; i++)
		if (drop >> io->steps[i].leg & 1)
			mirror_drop(t, io->steps[i].leg, io, &io->steps[i]);
	pthread_mutex_unlock(&m->lock);
	io->result = err ? err : io_success(io);
}

/* A leg could not give what another one may. */
static void mirror_read_failed(struct target *t, const struct io *io, const struct step *s)
{
	struct mirror *m = t->priv;
	struct mirror_leg *ml = &m->legs[s->leg];

	pthread_mutex_lock(&m->lock);
	ml->read_errors++;
	ml->read_sector = io->off >> SECTOR_SHIFT;
	ml->read_err = s->res;
	if (burst_event(&ml->read_burst, clock_ms()))
		log_warn("mirror: leg %s: read of %u bytes at sector %" PRIu64 ": %s",
			 t->legs[s->leg].absolute, io->len, ml->read_sector, strerror(-s->res));
	pthread_mutex_unlock(&m->lock);
}

static enum verdict mirror_settle_read(struct target *t, struct mirror_reader *r, struct io *io)
{
	struct mirror *m = t->priv;
	struct mirror_io *mio = io->tio;
	struct step *s = &io->steps[0];
	int res = s->res;
	u32 rest;

	mirror_read_end(r, s->leg);
	if (likely(!res)) {
		io->result = io_success(io);
		return VERDICT_DONE;
	}
	if (mirror_leg_fault(res))
		mirror_read_failed(t, io, s);
	mio->tried |= 1U << s->leg;
	rest = atomic_load_explicit(&m->live, memory_order_acquire) & ~mio->tried;
	if (!rest) {
		io->result = res;
		return VERDICT_DONE;
	}
	/* From the start: what the failed leg gave may be wrong. */
	io->nr_steps = 0;
	mirror_plan_read(r, io, rest);
	return VERDICT_STEPS;
}

static enum verdict mirror_settle(struct target *t, void *tq, struct io *io)
{
	int bad = 0;

	if (io->op == UBLK_IO_OP_READ)
		return mirror_settle_read(t, tq, io);
	for (unsigned int i = 0; i < io->nr_steps; i++)
		bad |= io->steps[i].res;
	if (likely(!bad))
		io->result = io_success(io);
	else
		mirror_settle_failed(t, io);
	return VERDICT_DONE;
}

/* The rest of a burst of read errors, when it is over or takes long. */
static int mirror_leg_tick(const struct leg *leg, struct mirror_leg *ml, u64 now)
{
	u64 nr = now == UINT64_MAX ? burst_end(&ml->read_burst) : burst_sum(&ml->read_burst, now);

	if (nr)
		log_warn("mirror: leg %s: %" PRIu64 " more reads failed, the last one at sector %" PRIu64 ": %s",
			 leg->absolute, nr, ml->read_sector, strerror(-ml->read_err));
	return burst_due(&ml->read_burst, now);
}

static int mirror_tick(struct target *t, u64 now)
{
	struct mirror *m = t->priv;
	int next = -1;

	pthread_mutex_lock(&m->lock);
	for (unsigned int i = 0; i < t->nr_legs; i++) {
		int ms = mirror_leg_tick(&t->legs[i], &m->legs[i], now);

		if (ms >= 0 && (next < 0 || ms < next))
			next = ms;
	}
	pthread_mutex_unlock(&m->lock);
	return next;
}

static void mirror_status_json(struct target *t, struct json *j)
{
	struct mirror *m = t->priv;

	pthread_mutex_lock(&m->lock);
	json_bool(j, "degraded", m->live != (1U << t->nr_legs) - 1);
	json_open(j, "legs", '[');
	for (unsigned int i = 0; i < t->nr_legs; i++) {
		struct mirror_leg *ml = &m->legs[i];

		json_open(j, NULL, '{');
		target_leg_json(&t->legs[i], j);
		json_str(j, "state", ml->dropped_err ? "dropped" : "live");
		json_u64(j, "read_errors", ml->read_errors);
		if (ml->dropped_err) {
			json_str(j, "dropped_by", mirror_op_names[ml->dropped_op]);
			json_s64(j, "errno", -ml->dropped_err);
			json_str(j, "error", strerror(-ml->dropped_err));
			json_u64(j, "sector", ml->dropped_sector);
			json_s64(j, "when", ml->dropped_at);
		}
		json_close(j, '}');
	}
	json_close(j, ']');
	pthread_mutex_unlock(&m->lock);
}

static void mirror_leg_text(const struct leg *leg, const struct mirror_leg *ml, FILE *out)
{
	char when[32] = "";
	struct tm tm;

	if (ml->dropped_err) {
		localtime_r(&ml->dropped_at, &tm);
		strftime(when, sizeof(when), "%F %T", &tm);
		fprintf(out, "dropped  %s at sector %" PRIu64 ": %s, %s",
			mirror_op_names[ml->dropped_op], ml->dropped_sector,
			strerror(-ml->dropped_err), when);
	} else {
		fprintf(out, "live");
	}
	if (ml->read_errors)
		fprintf(out, "  %" PRIu64 " read errors", ml->read_errors);
	if (!leg->direct)
		fprintf(out, "  (through the page cache)");
	fputc('\n', out);
}

static void mirror_status_text(struct target *t, FILE *out)
{
	struct mirror *m = t->priv;

	pthread_mutex_lock(&m->lock);
	for (unsigned int i = 0; i < t->nr_legs; i++) {
		fprintf(out, "  leg %u  %s  ", i, t->legs[i].absolute);
		mirror_leg_text(&t->legs[i], &m->legs[i], out);
	}
	pthread_mutex_unlock(&m->lock);
}

const struct target_ops target_mirror = {
	.name		= "mirror",
	.summary	= "two legs or more with the same data",
	.opts		= mirror_opts,
	.conf_size	= sizeof(struct mirror_conf),
	.wants_stable_data = true,
	.io_size	= sizeof(struct mirror_io),
	.check		= mirror_check,
	.open		= mirror_open,
	.close		= mirror_close,
	.start		= mirror_start,
	.queue		= mirror_queue,
	.plan		= mirror_plan,
	.settle		= mirror_settle,
	.tick		= mirror_tick,
	.status_json	= mirror_status_json,
	.status_text	= mirror_status_text,
};
