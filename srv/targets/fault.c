// SPDX-License-Identifier: GPL-2.0
/*
 * Target fault: another target, which goes wrong on purpose.
 *
 * It wraps --inner and lets its requests through, but for every Nth of a kind:
 * that one is delayed, fails on one leg or on all, is done in part only, or
 * kills the server.  It is the inner target that sees the failure of a leg, so
 * `--inner mirror --fault error --fault-leg 1` is a mirror with a bad leg.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../log.h"
#include "targets.h"

enum fault_kind { FAULT_NONE, FAULT_DELAY, FAULT_ERROR, FAULT_SHORT, FAULT_DIE };
enum fault_moment { MOMENT_ARRIVE, MOMENT_INFLIGHT, MOMENT_DONE };

#define ANY_LEG	UINT32_MAX

struct fault_conf {
	const char *inner;
	const char *kind, *op, *moment;
	unsigned int every, after, leg, err, delay_ms;
	u64 from, to;		/* bytes, to 0: the end */
};

/*
 * struct fault_queue - the state of one queue
 * fault_start() to fault_close(); written by the queue's thread.
 */
struct fault_queue {
	void *inner;		/* the inner target's own */
	u64 seen;		/* requests of the kind */
	bool armed;		/* MOMENT_INFLIGHT: die at the next event */
};

/* struct fault_io - of one request, behind the inner target's; @faulty: it was chosen */
struct fault_io {
	bool faulty;
};

/*
 * struct fault - the options, as numbers
 * fault_open() to fault_close(); read-only once the queues run, but for hits.
 */
struct fault {
	enum fault_kind kind;
	enum fault_moment moment;
	int op;			/* UBLK_IO_OP_*, or -1 for any */
	size_t io_at;		/* bytes in io->tio before our own */
	struct fault_queue *queues;
	_Atomic u64 hits;
};

static const char *const kind_names[] = {
	[FAULT_NONE]	= "none",
	[FAULT_DELAY]	= "delay",
	[FAULT_ERROR]	= "error",
	[FAULT_SHORT]	= "short",
	[FAULT_DIE]	= "die",
	NULL
};

static const char *const moment_names[] = {
	[MOMENT_ARRIVE]		= "arrive",
	[MOMENT_INFLIGHT]	= "inflight",
	[MOMENT_DONE]		= "done",
	NULL
};

static const char *const op_names[] = {
	[UBLK_IO_OP_READ]		= "read",
	[UBLK_IO_OP_WRITE]		= "write",
	[UBLK_IO_OP_FLUSH]		= "flush",
	[UBLK_IO_OP_DISCARD]		= "discard",
	[UBLK_IO_OP_WRITE_SAME]		= "any",
	[UBLK_IO_OP_WRITE_ZEROES]	= "write-zeroes",
	NULL
};

#define FAULT_OPT(field)	.offset = offsetof(struct fault_conf, field)

static const struct opt fault_opts[] = {
	{ .name = "inner", .letter = 'i', .type = OPT_STR, .arg = "TYPE", FAULT_OPT(inner),
	  .help = "the target to wrap, whose options are taken too" },
	{ .name = "fault", .type = OPT_CHOICE, .arg = "KIND", .choices = kind_names, FAULT_OPT(kind),
	  .help = "none, delay, error, short or die [none]" },
	{ .name = "fault-op", .type = OPT_CHOICE, .arg = "OP", .choices = op_names, FAULT_OPT(op),
	  .help = "read, write, flush, discard, write-zeroes or any [any]" },
	{ .name = "fault-every", .type = OPT_UINT, .arg = "N", .min = 1, FAULT_OPT(every),
	  .help = "every Nth of them, in each queue [1]" },
	{ .name = "fault-after", .type = OPT_UINT, .arg = "N", FAULT_OPT(after),
	  .help = "but not the first N [0]" },
	{ .name = "fault-from", .type = OPT_SIZE, .arg = "BYTE", FAULT_OPT(from),
	  .help = "only what begins there or behind [0]" },
	{ .name = "fault-to", .type = OPT_SIZE, .arg = "BYTE", FAULT_OPT(to),
	  .help = "only what begins before [the end]" },
	{ .name = "fault-leg", .type = OPT_UINT, .arg = "LEG", .max = MAX_LEGS - 1, FAULT_OPT(leg),
	  .help = "error: on this leg [all]" },
	{ .name = "fault-errno", .type = OPT_UINT, .arg = "ERRNO", .min = 1, .max = 4095, FAULT_OPT(err),
	  .help = "error: which [5]" },
	{ .name = "fault-delay", .type = OPT_UINT, .arg = "MS", .min = 1, FAULT_OPT(delay_ms),
	  .help = "delay: how long [100]" },
	{ .name = "fault-moment", .type = OPT_CHOICE, .arg = "WHEN", .choices = moment_names, FAULT_OPT(moment),
	  .help = "die: arrive, inflight or done, before COMMIT [arrive]" },
	{ 0 }
};

/* The index of a name that the option parser has let through, or @absent. */
static int fault_index(const char *const *names, const char *name, int absent)
{
	for (int i = 0; name && (names[i] || !i); i++)
		if (names[i] && !strcmp(names[i], name))
			return i;
	return absent;
}

static void fault_defaults(void *conf)
{
	struct fault_conf *c = conf;

	c->every = 1;
	c->leg = ANY_LEG;
	c->err = EIO;
	c->delay_ms = 100;
}

static int fault_check(const struct target *t)
{
	const struct target *inner = t->inner;

	return inner->ops->check ? inner->ops->check(inner) : 0;
}

static int fault_open(struct target *t)
{
	const struct fault_conf *conf = t->conf;
	struct target *inner = t->inner;
	struct fault *f = calloc(1, sizeof(*f));
	int ret;

	if (!f)
		return -ENOMEM;
	ret = inner->ops->open(inner);
	if (ret) {
		free(f);
		return ret;
	}
	f->kind = fault_index(kind_names, conf->kind, FAULT_NONE);
	f->moment = fault_index(moment_names, conf->moment, MOMENT_ARRIVE);
	f->op = fault_index(op_names, conf->op, UBLK_IO_OP_WRITE_SAME);
	if (f->op == UBLK_IO_OP_WRITE_SAME)
		f->op = -1;
	f->io_at = target_io_size(inner);
	t->priv = f;
	t->legs = inner->legs;
	t->nr_legs = inner->nr_legs;
	t->max_steps = inner->max_steps ? inner->max_steps : 1;
	t->lim = inner->lim;
	t->legs_leave = inner->legs_leave;
	t->note_bytes = inner->note_bytes;
	t->delay.tv_sec = conf->delay_ms / 1000;
	t->delay.tv_nsec = conf->delay_ms % 1000 * 1000000LL;
	return 0;
}

static void fault_close(struct target *t)
{
	struct fault *f = t->priv;

	/* The legs are the inner target's, which is closed by itself. */
	if (f)
		free(f->queues);
	free(f);
}

static int fault_start(struct target *t, unsigned int nr_queues)
{
	struct target *inner = t->inner;
	struct fault *f = t->priv;
	int ret = inner->ops->start ? inner->ops->start(inner, nr_queues) : 0;

	if (ret)
		return ret;
	t->batches = inner->batches;
	f->queues = calloc(nr_queues, sizeof(*f->queues));
	return f->queues ? 0 : -ENOMEM;
}

static void *fault_queue(struct target *t, unsigned int qid, struct inbox *inbox)
{
	struct target *inner = t->inner;
	struct fault *f = t->priv;
	struct fault_queue *fq = &f->queues[qid];

	if (inner->ops->queue)
		fq->inner = inner->ops->queue(inner, qid, inbox);
	return fq;
}

static void fault_enter(struct target *t, void *tq, bool alone)
{
	struct fault_queue *fq = tq;

	t->inner->ops->enter(t->inner, fq->inner, alone);
}

static void fault_leave(struct target *t, void *tq)
{
	struct fault_queue *fq = tq;

	t->inner->ops->leave(t->inner, fq->inner);
}

static struct fault_io *fault_io(const struct target *t, const struct io *io)
{
	const struct fault *f = t->priv;

	return (struct fault_io *)((char *)io->tio + f->io_at);
}

static bool fault_hit(struct target *t, struct fault_queue *fq, const struct io *io)
{
	const struct fault_conf *conf = t->conf;
	struct fault *f = t->priv;

	if (f->kind == FAULT_NONE || (f->op >= 0 && f->op != io->op) ||
	    io->off < conf->from || (conf->to && io->off >= conf->to))
		return false;
	fq->seen++;
	if (fq->seen <= conf->after || (fq->seen - conf->after) % conf->every)
		return false;
	atomic_fetch_add(&f->hits, 1);
	return true;
}

static void fault_die(void)
{
	kill(getpid(), SIGKILL);
}

/* The fault may come when the steps have been done. */
static enum verdict fault_verdict(enum verdict inner)
{
	return inner == VERDICT_LAST_STEPS ? VERDICT_STEPS : inner;
}

static enum verdict fault_plan_inner(struct target *t, struct fault_queue *fq, struct io *io)
{
	const struct fault_conf *conf = t->conf;
	struct fault *f = t->priv;
	enum verdict verdict = fault_verdict(t->inner->ops->plan(t->inner, fq->inner, io));

	/* An inner target without legs has nothing else that could fail. */
	if (fault_io(t, io)->faulty && f->kind == FAULT_ERROR && verdict == VERDICT_DONE)
		io->result = -(int)conf->err;
	return verdict;
}

static enum verdict fault_plan(struct target *t, void *tq, struct io *io)
{
	struct fault_queue *fq = tq;
	struct fault *f = t->priv;
	bool hit;

	if (unlikely(fq->armed))
		fault_die();
	hit = fault_hit(t, fq, io);
	fault_io(t, io)->faulty = hit;
	if (hit && f->kind == FAULT_DIE && f->moment == MOMENT_ARRIVE)
		fault_die();
	fq->armed = hit && f->kind == FAULT_DIE && f->moment == MOMENT_INFLIGHT;
	if (hit && f->kind == FAULT_DELAY) {
		io_add_step(io, STEP_DELAY, 0);
		io->steps[0].want = -ETIME;
		return VERDICT_STEPS;
	}
	return fault_plan_inner(t, fq, io);
}

static void fault_fail_legs(struct target *t, struct io *io)
{
	const struct fault_conf *conf = t->conf;

	for (unsigned int i = 0; i < io->nr_steps; i++)
		if (conf->leg == ANY_LEG || io->steps[i].leg == conf->leg)
			io->steps[i].res = -(int)conf->err;
}

/* What a fault does at the end of a request, which may have taken rounds. */
static void fault_end(struct target *t, struct io *io)
{
	struct fault *f = t->priv;

	if (f->kind == FAULT_DIE && f->moment == MOMENT_DONE)
		fault_die();
	if (f->kind == FAULT_SHORT && io->result > (int)t->lim.lbs)
		io->result = round_down_u64(io->result / 2, t->lim.lbs);
}

static enum verdict fault_settle_faulty(struct target *t, struct fault_queue *fq, struct io *io)
{
	struct fault *f = t->priv;
	enum verdict verdict;

	if (f->kind == FAULT_DELAY) {
		fault_io(t, io)->faulty = false;
		io->nr_steps = 0;
		return fault_plan_inner(t, fq, io);
	}
	if (f->kind == FAULT_ERROR) {
		/* Once only: what the inner target does about it goes well. */
		fault_io(t, io)->faulty = false;
		fault_fail_legs(t, io);
	}
	verdict = fault_verdict(t->inner->ops->settle(t->inner, fq->inner, io));
	if (verdict == VERDICT_DONE)
		fault_end(t, io);
	return verdict;
}

static enum verdict fault_settle(struct target *t, void *tq, struct io *io)
{
	struct fault_queue *fq = tq;

	/* What the inner target notes first is no data of the request's. */
	if (unlikely(io->nr_steps && io->steps[0].op == STEP_NOTE))
		return fault_verdict(t->inner->ops->settle(t->inner, fq->inner, io));
	if (unlikely(fq->armed))
		fault_die();
	if (unlikely(fault_io(t, io)->faulty))
		return fault_settle_faulty(t, fq, io);
	return fault_verdict(t->inner->ops->settle(t->inner, fq->inner, io));
}

static enum verdict fault_resume(struct target *t, void *tq, struct io *io)
{
	struct fault_queue *fq = tq;
	enum verdict verdict = fault_verdict(t->inner->ops->resume(t->inner, fq->inner, io));

	if (verdict == VERDICT_DONE && fault_io(t, io)->faulty)
		fault_end(t, io);
	return verdict;
}

static void fault_stop(struct target *t)
{
	if (t->inner->ops->stop)
		t->inner->ops->stop(t->inner);
}

static int fault_tick(struct target *t, u64 now)
{
	struct target *inner = t->inner;

	return inner->ops->tick ? inner->ops->tick(inner, now) : -1;
}

static void fault_watch(struct target *t, const struct watch_ages *ages)
{
	if (t->inner->ops->watch)
		t->inner->ops->watch(t->inner, ages);
}

static void fault_status_json(struct target *t, struct json *j)
{
	struct fault *f = t->priv;

	json_str(j, "fault", kind_names[f->kind]);
	json_u64(j, "faults", f->hits);
	json_str(j, "inner", t->inner->ops->name);
	if (t->inner->ops->status_json)
		t->inner->ops->status_json(t->inner, j);
}

static void fault_status_text(struct target *t, FILE *out)
{
	struct fault *f = t->priv;

	fprintf(out, "  fault %s: %" PRIu64 " times, around %s\n", kind_names[f->kind],
		(u64)f->hits, t->inner->ops->name);
	if (t->inner->ops->status_text)
		t->inner->ops->status_text(t->inner, out);
}

const struct target_ops target_fault = {
	.name		= "fault",
	.summary	= "another target, which goes wrong on purpose; for tests",
	.opts		= fault_opts,
	.conf_size	= sizeof(struct fault_conf),
	.wraps		= true,
	.wants_stable_data = true,
	.io_size	= sizeof(struct fault_io),
	.defaults	= fault_defaults,
	.check		= fault_check,
	.open		= fault_open,
	.close		= fault_close,
	.start		= fault_start,
	.queue		= fault_queue,
	.enter		= fault_enter,
	.leave		= fault_leave,
	.plan		= fault_plan,
	.settle		= fault_settle,
	.resume		= fault_resume,
	.stop		= fault_stop,
	.tick		= fault_tick,
	.watch		= fault_watch,
	.status_json	= fault_status_json,
	.status_text	= fault_status_text,
};
