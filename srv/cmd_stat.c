// SPDX-License-Identifier: GPL-2.0
/*
 * stat: what devices do, as iostat tells it of disks.  A server begins to count when it is asked, so
 * the first answer has nothing yet, and what is shown is between one answer and the next.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"
#include "control_ask.h"
#include "ctrl.h"
#include "ids.h"
#include "log.h"
#include "opts.h"
#include "stats_show.h"

/* A headline again after so many rounds. */
#define STAT_HEAD_EVERY	20
#define STAT_MAX_S	86400
/* Well below STATS_KEEP_MS. */
#define STAT_ASK_S	60

/* struct stat_conf - what was asked for, on the stack of cmd_stat() */
struct stat_conf {
	const char *cmd;
	unsigned int id;
	unsigned int interval, count;	/* s, rounds; 0: no end */
	struct stats_form form;
	bool json, prometheus;
};

static const struct opt stat_opts[] = {
	{ .name = "id", .letter = 'n', .type = OPT_UINT, .arg = "ID", .max = ID_MAX,
	  .offset = offsetof(struct stat_conf, id), .help = "this device only [all]" },
	{ .name = "legs", .type = OPT_FLAG, .offset = offsetof(struct stat_conf, form.legs),
	  .help = "a line for each leg, too" },
	{ .name = "queues", .type = OPT_FLAG, .offset = offsetof(struct stat_conf, form.queues),
	  .help = "a line for each queue, too" },
	{ .name = "json", .letter = 'j', .type = OPT_FLAG, .offset = offsetof(struct stat_conf, json),
	  .help = "as JSON: an array for each interval, in a line of its own" },
	{ .name = "prometheus", .type = OPT_FLAG, .offset = offsetof(struct stat_conf, prometheus),
	  .help = "all counters, once, for node_exporter's textfile collector" },
	{ 0 }
};

/* struct stat_round - all devices that have answered, at one time; stat_round_free() frees it */
struct stat_round {
	struct stats_device *v;
	unsigned int nr;
};

static void stat_round_free(struct stat_round *r)
{
	for (unsigned int i = 0; i < r->nr; i++)
		stats_sample_free(&r->v[i].now);
	free(r->v);
	*r = (struct stat_round){ 0 };
}

/* What it is called, where the driver tells of it. */
static void stat_name(struct ctrl *c, struct stats_device *d)
{
	struct ublksrv_ctrl_dev_info info;
	char why[CONTROL_WHY_MAX];
	struct resume_name n;

	if (!ctrl_get_info(c, d->id, &info) && resume_name_of(d->id, info.ublksrv_flags, &n, why) == 1)
		snprintf(d->name, sizeof(d->name), "%s", n.name);
}

/* 0, or -errno and the cause in @why. */
static int stat_ask(u32 id, struct stats_sample *s, char *why)
{
	struct control_answer a;
	int ret = control_ask(id, 0, (const char *[]){ "stat", NULL }, &a, why);

	if (ret)
		return ret;
	ret = a.err ? a.err : stats_sample_read(s, a.text);
	if (ret == -EOPNOTSUPP)
		snprintf(why, CONTROL_WHY_MAX, "its server is of a version that does not count");
	else if (a.err)
		snprintf(why, CONTROL_WHY_MAX, "%s", a.text);
	else if (ret)
		snprintf(why, CONTROL_WHY_MAX, "the server's answer is not understood: is it of this version?");
	free(a.text);
	return ret;
}

/* @first: a device that is asked for has to be there; later its server may be about to be replaced. */
static int stat_round_ask(struct stat_round *r, const struct stat_conf *conf, struct ctrl *c, bool first)
{
	char why[CONTROL_WHY_MAX];
	u32 *ids;
	int nr = control_servers(&ids, why), ret = nr < 0 ? nr : 0;

	*r = (struct stat_round){ 0 };
	if (nr < 0)
		log_err("%s: the sockets of servers: %s", conf->cmd, why);
	r->v = nr > 0 ? calloc(nr, sizeof(*r->v)) : NULL;
	if (nr > 0 && !r->v)
		ret = -ENOMEM;
	for (int i = 0; !ret && i < nr; i++) {
		struct stats_device *d = &r->v[r->nr];
		int err;

		if (conf->id != ID_ANY && conf->id != ids[i])
			continue;
		err = stat_ask(ids[i], &d->now, why);
		if (err && !control_is_nobody(err))
			log_warn("%s: device %u: %s", conf->cmd, ids[i], why);
		if (err)
			continue;
		d->id = ids[i];
		stat_name(c, d);
		r->nr++;
	}
	free(ids);
	if (!ret && first && !r->nr && conf->id != ID_ANY) {
		log_err("%s: device %u has no server of this user that answers; 'regbuf list' shows what there is", conf->cmd,
			conf->id);
		ret = -ENODEV;
	}
	if (ret)
		stat_round_free(r);
	return ret;
}

/* @d becomes what was done until @now.  False: that is another one, or its server is. */
static bool stat_since(struct stats_device *d, const struct stats_device *now)
{
	struct stats_sample *s = &d->now;
	const struct stats_sample *n = &now->now;

	if (n->pid != s->pid || n->nr_queues != s->nr_queues || n->ns <= s->ns)
		return false;
	d->ns = n->ns - s->ns;
	for (unsigned int i = 0; i < s->nr_queues; i++)
		stats_part_since(&s->queues[i], &n->queues[i]);
	s->nr_legs = n->nr_legs;
	for (unsigned int i = 0; i < s->nr_legs; i++)
		stats_part_since(&s->legs[i], &n->legs[i]);
	return true;
}

static const struct stats_device *stat_find(const struct stat_round *r, u32 id)
{
	for (unsigned int i = 0; i < r->nr; i++)
		if (r->v[i].id == id)
			return &r->v[i];
	return NULL;
}

/* Each device that was there at both times; @last is not the counters any more then. */
static void stat_show(const struct stat_conf *conf, struct stat_round *last, const struct stat_round *now)
{
	struct json j;

	json_init(&j, stdout);
	if (conf->json)
		json_open(&j, NULL, '[');
	for (unsigned int i = 0; i < last->nr; i++) {
		struct stats_device *d = &last->v[i];
		const struct stats_device *at = stat_find(now, d->id);

		if (!at || !stat_since(d, at))
			continue;
		if (conf->json)
			stats_show_json(&j, d);
		else
			stats_show_text(stdout, d, conf->form);
	}
	if (conf->json) {
		json_close(&j, ']');
		putchar('\n');
	}
}

/* Servers are asked meanwhile, so that they go on counting. */
static int stat_sleep(const struct stat_conf *conf, struct ctrl *c)
{
	unsigned int left = conf->interval;
	int ret = 0;

	for (; left > STAT_ASK_S && !ret; left -= STAT_ASK_S) {
		struct stat_round r;

		sleep(STAT_ASK_S);
		ret = stat_round_ask(&r, conf, c, false);
		if (!ret)
			stat_round_free(&r);
	}
	sleep(left);
	return ret;
}

/* From the second answer on there is something to show: what was done since the one before. */
static int stat_rounds(const struct stat_conf *conf, struct ctrl *c)
{
	struct stat_round last, now;
	int ret = stat_round_ask(&last, conf, c, true);

	for (unsigned int i = 0; !ret && (!conf->count || i < conf->count); i++) {
		ret = stat_sleep(conf, c);
		if (!ret)
			ret = stat_round_ask(&now, conf, c, false);
		if (ret)
			break;
		if (!conf->json && i % STAT_HEAD_EVERY == 0)
			stats_show_head(stdout);
		stat_show(conf, &last, &now);
		stat_round_free(&last);
		last = now;
		/* Nobody reads it any more. */
		if (fflush(stdout))
			ret = -EPIPE;
	}
	stat_round_free(&last);
	return ret;
}

static int stat_once(const struct stat_conf *conf, struct ctrl *c)
{
	struct stat_round now;
	int ret = stat_round_ask(&now, conf, c, true);

	if (ret)
		return ret;
	stats_show_prometheus(stdout, now.v, now.nr);
	stat_round_free(&now);
	if (!fflush(stdout))
		return 0;
	log_err("%s: writing: %s", conf->cmd, strerror(errno));
	return -EIO;
}

/* A word that is a number of seconds, or of rounds. */
static bool stat_number(const char *cmd, const char *what, const char *word, unsigned int *nr)
{
	char *end;
	unsigned long v = strtoul(word, &end, 10);

	if (*word >= '0' && *word <= '9' && !*end && v >= 1 && v <= STAT_MAX_S) {
		*nr = v;
		return true;
	}
	log_err("%s: %s '%s': right is 1 to %u", cmd, what, word, STAT_MAX_S);
	return false;
}

/* 0, or -EINVAL after a message. */
static int stat_words(struct stat_conf *conf, char **argv, unsigned int nr)
{
	conf->interval = 1;
	conf->count = 0;
	if (nr > 2) {
		log_err("%s: %s: right are two words at most, INTERVAL and COUNT", conf->cmd, argv[3]);
		return -EINVAL;
	}
	if (conf->prometheus && (nr || conf->json)) {
		log_err("%s: --prometheus tells all counters at once: right is neither INTERVAL nor --json with it", conf->cmd);
		return -EINVAL;
	}
	if ((nr > 0 && !stat_number(conf->cmd, "INTERVAL", argv[1], &conf->interval)) ||
	    (nr > 1 && !stat_number(conf->cmd, "COUNT", argv[2], &conf->count)))
		return -EINVAL;
	return 0;
}

int cmd_stat(int argc, char **argv)
{
	struct stat_conf conf = { .cmd = argv[0], .id = ID_ANY };
	const struct opt_group group = { stat_opts, &conf };
	unsigned int nr_words;
	int ret = opts_parse_words(argc, argv, &group, 1, &nr_words);
	struct ctrl c;

	if (ret == OPTS_HELP) {
		printf("usage: regbuf stat [INTERVAL [COUNT]] [-n ID] [--legs] [--queues] [--json]\n"
		       "       regbuf stat --prometheus [-n ID]\n\n"
		       "Shows what devices do: each INTERVAL seconds [1], COUNT times [without end].  A server counts from\n"
		       "when it is first asked until it has not been asked for five minutes.\n\n");
		opts_help(stdout, stat_opts);
		return 0;
	}
	if (ret || stat_words(&conf, argv, nr_words))
		return EXIT_USAGE;
	if (ctrl_init(&c))
		return 1;
	ret = conf.prometheus ? stat_once(&conf, &c) : stat_rounds(&conf, &c);
	ctrl_deinit(&c);
	return ret ? 1 : 0;
}
