// SPDX-License-Identifier: GPL-2.0
/*
 * mirror create: records on the legs of a new set.  The legs are taken exclusively, and what
 * is on them is looked at first: nothing that somebody keeps is overwritten without --force.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cmd.h"
#include "cmd_mirror.h"
#include "leg.h"
#include "log.h"
#include "targets/mirror/fresh.h"
#include "targets/mirror/mirror.h"
#include "targets/mirror/occupied.h"
#include "targets/targets.h"
#include "uuid.h"

/* A server that was stopped a moment ago lets go of its legs at once. */
#define CREATE_PATIENCE_MS	1000

/*
 * struct create - the options' values, and what becomes of them
 * On the stack of cmd_mirror_create().
 * @chunk: 0: by the set's size
 * @marked: the legs that @write_mostly names
 * @legs: open from create_open() on
 * @set: complete when it is written
 */
struct create {
	const char *cmd;
	struct strlist paths, write_mostly;
	u64 size, chunk, block;
	bool assume_clean, from_raw, force, no_start, no_record;
	struct mirror_serving serving;
	u32 marked;

	struct leg legs[MAX_LEGS];
	struct limits lim;
	struct super_set set;
};

#define CREATE_OPT(member)	.offset = offsetof(struct create, member)

static const struct opt create_opts[] = {
	{ .name = "leg", .letter = 'l', .type = OPT_LIST, .arg = "PATH",
	  CREATE_OPT(paths), .help = "a file or block device; give two or more" },
	{ .name = "write-mostly", .type = OPT_LIST, .arg = "PATH", CREATE_OPT(write_mostly),
	  .help = "one of the legs: read it only if no other one can be" },
	{ .name = "size", .letter = 's', .type = OPT_SIZE, .arg = "SIZE", .min = 512, .align = 512, .max = 1ULL << 62,
	  CREATE_OPT(size), .help = "bytes of the set [as many as the smallest leg takes]" },
	{ .name = "block", .letter = 'b', .type = OPT_SIZE, .arg = "SIZE", .min = 1,
	  CREATE_OPT(block), .help = "bytes of a block: 512 to 4096 [the least that every leg takes]" },
	{ .name = "chunk", .letter = 'c', .type = OPT_SIZE, .arg = "SIZE",
	  .min = 1ULL << FORMAT_CHUNK_MIN, .max = 1ULL << FORMAT_CHUNK_MAX, CREATE_OPT(chunk),
	  .help = "bytes that a bit of the bitmap stands for, a power of two [by the size]" },
	{ .name = "assume-clean", .type = OPT_FLAG, CREATE_OPT(assume_clean),
	  .help = "the legs have the same data already: do not copy" },
	{ .name = "from-raw", .type = OPT_FLAG, CREATE_OPT(from_raw),
	  .help = "keep the data at byte 0 of the legs; needs --size" },
	{ .name = "force", .type = OPT_FLAG, CREATE_OPT(force),
	  .help = "overwrite what is on the legs" },
	{ .name = "no-record", .type = OPT_FLAG, CREATE_OPT(no_record),
	  .help = "write nothing to the legs, as 'add -t mirror' does: for experiments" },
	{ .name = "no-start", .type = OPT_FLAG, CREATE_OPT(no_start),
	  .help = "do not serve the set; print its UUID" },
	{ 0 }
};

static void create_help(void)
{
	printf("usage: regbuf mirror create NAME --leg PATH --leg PATH... [OPTIONS]\n"
	       "       regbuf mirror create NAME --leg PATH --leg PATH... --from-raw --size SIZE\n"
	       "       regbuf mirror create NAME --leg PATH --leg PATH... --no-record\n\n"
	       "Makes a set of legs, writes a record to each, serves it, and prints the device.\n"
	       "1 MiB at the start of each leg is for the record, and 1 MiB at its end stays unused.\n"
	       "With --from-raw the record is in the last 1 MiB, and the data stays where it is.\n"
	       "Where legs may differ, the first one counts.\n\n");
	opts_help(stdout, create_opts);
	opts_help(stdout, mirror_limit_opts);
	opts_help(stdout, serving_opts);
	serving_help_modes();
}

/* What can be said without a look at the legs.  0, or -EINVAL after a message. */
static int create_check(struct create *c, unsigned int nr_words, const char *name)
{
	if (nr_words != 1)
		log_err("%s: right is one NAME for the set, here are %u", c->cmd, nr_words);
	else if (!mirror_name_is_good(name))
		log_err("%s: name '%s': right are 1 to %u bytes of UTF-8 without blanks and '/', and no UUID",
			c->cmd, name, FORMAT_NAME_BYTES - 1);
	else if (c->paths.nr < 2)
		log_err("%s: right are two --leg PATH or more, here are %u", c->cmd, c->paths.nr);
	else if (c->chunk && !is_pow2(c->chunk))
		log_err("%s: --chunk %" PRIu64 ": right is a power of two from 64K to 4G", c->cmd, c->chunk);
	else if (c->from_raw && !c->size)
		log_err("%s: --from-raw: --size SIZE is missing: the bytes that the legs have of data, which leave 1 MiB at each leg's end",
			c->cmd);
	else if (c->no_record && (c->chunk || c->assume_clean || c->from_raw || c->force || c->no_start))
		log_err("%s: --no-record: nothing is written to the legs; leave out --chunk, --assume-clean, --from-raw, --force and --no-start",
			c->cmd);
	else if (!legs_named("write-mostly", &c->paths, &c->write_mostly, &c->marked))
		return legs_check_block(c->block);
	return -EINVAL;
}

/* What is on a leg. */

/* The record that was there.  0: none, or the user wants it overwritten. */
static int create_look_for_record(const struct create *c, const struct leg *leg)
{
	struct leginfo l;
	bool in_data;

	leginfo_read_fd(&l, leg->path, leg->fd);
	/* It would stay, and two records on one leg contradict each other. */
	in_data = c->from_raw && !l.area_offset;
	if (l.err == -ENOENT || (l.err != -EIO && c->force && !in_data))
		return 0;
	if (l.err)
		log_err("%s: %s", c->cmd, l.why.text);
	if (l.err != -EIO)
		log_err("%s: leg %s has the record of a set%s%s: %s", c->cmd, leg->path, l.err ? "" : ", ",
			l.err ? "" : l.super.set.name,
			in_data ? "it lies in the data that --from-raw keeps; leave out --from-raw, or erase it"
				: "leave the leg out, or overwrite it with --force");
	return -EEXIST;
}

static int create_look(const struct create *c, const struct leg *leg)
{
	int ret = create_look_for_record(c, leg);
	const char *what;

	if (ret)
		return ret;
	ret = occupied_by(leg->fd, leg->lim.size, !c->from_raw, &what);
	if (ret)
		log_err("%s: leg %s cannot be read: %s", c->cmd, leg->path, strerror(-ret));
	else if (what && !c->force) {
		log_err("%s: leg %s has %s: leave the leg out, or overwrite it with --force%s", c->cmd,
			leg->path, what, c->from_raw ? "" : "; a raw mirror's data is kept with --from-raw");
		ret = -EEXIST;
	}
	return ret;
}

/* The set. */

static u64 create_room(const struct create *c, unsigned int leg)
{
	return round_down_u64(fresh_room(c->legs[leg].lim.size, c->from_raw), c->lim.lbs);
}

/* A leg is too small for the data and the record. */
static int create_is_small(const struct create *c, const struct leg *leg, u64 room)
{
	if (!c->size)
		log_err("%s: leg %s is too small: it has %" PRIu64 " bytes; 2 MiB of a leg are not for data",
			c->cmd, leg->path, leg->lim.size);
	else if (c->from_raw)
		log_err("%s: leg %s is too small: it has %" PRIu64 " bytes, --size %" PRIu64
			" and 1 MiB for the record behind it need %" PRIu64 "; right is a larger leg, or data that was shrunk to %" PRIu64,
			c->cmd, leg->path, leg->lim.size, c->size,
			round_up_u64(c->size, FORMAT_ALIGN) + (u64)FORMAT_AREA_BYTES, room);
	else
		log_err("%s: leg %s is too small: it has %" PRIu64 " bytes, of which %" PRIu64
			" can be data; --size %" PRIu64 " is more", c->cmd, leg->path, leg->lim.size, room, c->size);
	return -ENOSPC;
}

/* Legs need not be equal; who has more is told what stays unused. */
static void create_tell_unused(const struct create *c, unsigned int smallest)
{
	u64 unused = 0;

	for (unsigned int i = 0; i < c->paths.nr; i++)
		unused = max_u64(unused, create_room(c, i) - c->set.size);
	if (unused)
		log_warn("%s: the set has %" PRIu64 " bytes, as leg %s is the smallest; up to %" PRIu64 " bytes of others stay unused",
			 c->cmd, c->set.size, c->legs[smallest].path, unused);
}

static int create_size(struct create *c)
{
	unsigned int smallest = 0;

	if (c->size % c->lim.lbs) {
		log_err("%s: --size %" PRIu64 ": right is a multiple of %u, the set's block", c->cmd, c->size,
			c->lim.lbs);
		return -EINVAL;
	}
	for (unsigned int i = 0; i < c->paths.nr; i++) {
		u64 room = create_room(c, i);

		if (!room || room < c->size)
			return create_is_small(c, &c->legs[i], room);
		if (room < create_room(c, smallest))
			smallest = i;
	}
	c->set.size = c->size ? c->size : create_room(c, smallest);
	if (!c->size)
		create_tell_unused(c, smallest);
	return 0;
}

static int create_chunk(struct create *c)
{
	struct super_set *s = &c->set;
	u8 least = FORMAT_CHUNK_MIN;

	s->chunk_shift = c->chunk ? ilog2_u64(c->chunk) : super_chunk_shift(s->size);
	if (super_bitmap_bytes(s) <= FORMAT_BITMAP_ROOM)
		return 0;
	for (struct super_set with = *s; least <= FORMAT_CHUNK_MAX; least++) {
		with.chunk_shift = least;
		if (super_bitmap_bytes(&with) <= FORMAT_BITMAP_ROOM)
			break;
	}
	if (least > FORMAT_CHUNK_MAX)
		log_err("%s: a set of %" PRIu64 " bytes is too large for its bitmap; right is a smaller --size",
			c->cmd, s->size);
	else
		log_err("%s: --chunk %" PRIu64 ": the bitmap of %" PRIu64 " bytes in such chunks does not fit; right is %llu or more",
			c->cmd, c->chunk, s->size, 1ULL << least);
	return -EINVAL;
}

/*
 * All legs are in sync; where they may differ, which is everywhere, the first one is read.
 * That is a set that was not stopped, with all bits set: assemble() answers ASSEMBLE_RESYNC.
 */
static int create_set(struct create *c, const char *name)
{
	struct super_set *s = &c->set;
	int ret = uuid_make(s->uuid);

	snprintf(s->name, sizeof(s->name), "%s", name);
	s->event = (struct super_event){ .nr = 1, .tag = super_tag() };
	s->created = time(NULL);
	s->lbs_shift = ilog2_u64(c->lim.lbs);
	s->clean = c->assume_clean;
	s->source = c->assume_clean ? FORMAT_NO_SOURCE : 0;
	s->nr = c->paths.nr;
	for (unsigned int i = 0; i < s->nr && !ret; i++) {
		s->legs[i] = (struct super_leg){ .state = FORMAT_IN_SYNC, .write_mostly = c->marked >> i & 1,
						 .held = s->event, .sent = s->event };
		ret = uuid_make(s->legs[i].uuid);
	}
	return ret;
}

static void create_json(const struct create *c)
{
	struct json j;

	json_init(&j, stdout);
	json_open(&j, NULL, '{');
	json_str(&j, "name", c->set.name);
	mirror_json_uuid(&j, "uuid", c->set.uuid);
	json_u64(&j, "size", c->set.size);
	json_u64(&j, "block", 1U << c->set.lbs_shift);
	json_u64(&j, "chunk", 1ULL << c->set.chunk_shift);
	json_bool(&j, "clean", c->set.clean);
	json_open(&j, "legs", '[');
	for (unsigned int i = 0; i < c->set.nr; i++) {
		json_open(&j, NULL, '{');
		json_name(&j, "path", c->paths.v[i]);
		mirror_json_uuid(&j, "uuid", c->set.legs[i].uuid);
		json_close(&j, '}');
	}
	json_close(&j, ']');
	json_close(&j, '}');
	putchar('\n');
}

static void create_tell(const struct create *c)
{
	char text[UUID_TEXT];

	if (c->serving.serving.launch.json) {
		create_json(c);
		return;
	}
	uuid_text(c->set.uuid, text);
	printf("%s\n", text);
}

/* With the legs open. */
static int create_write(struct create *c, const char *name)
{
	int ret = 0;

	for (unsigned int i = 0; i < c->paths.nr && !ret; i++)
		ret = create_look(c, &c->legs[i]);
	if (!ret)
		ret = create_size(c);
	if (!ret)
		ret = create_set(c, name);
	if (!ret)
		ret = create_chunk(c);
	return ret ? ret : fresh_write(&c->set, c->legs, c->from_raw, !c->assume_clean);
}

/* The legs are free again on return: so the set can be assembled. */
static int create_run(struct create *c, const char *name)
{
	int ret = legs_open_any(c->legs, &c->paths, 0, c->block, CREATE_PATIENCE_MS, &c->lim);

	if (ret)
		return ret;
	ret = create_write(c, name);
	legs_close(c->legs, c->paths.nr);
	return ret;
}

/* As `mirror assemble` does with the same legs. */
static int create_start(struct create *c)
{
	struct candidate cand[MAX_LEGS];
	struct leginfo info;
	int ret;

	for (unsigned int i = 0; i < c->paths.nr; i++) {
		leginfo_read(&info, c->paths.v[i]);
		cand[i] = leginfo_candidate(&info);
	}
	ret = mirror_assemble(c->cmd, cand, c->paths.nr, NULL, &c->serving);
	if (ret)
		log_err("%s: set %s is made, and not served: 'regbuf mirror assemble %s' serves it", c->cmd, c->set.name,
			c->set.name);
	return ret;
}

/* A mirror that nobody can assemble again: which legs are in sync its server knows only. */
static int create_plain(struct create *c)
{
	struct target *t = target_create(&target_mirror);
	int ret;

	if (!t)
		return 1;
	mirror_use_legs(t, &c->paths, c->marked, c->size, c->block);
	ret = serving_run(c->cmd, &c->serving.serving, t);
	target_destroy(t);
	return ret;
}

int cmd_mirror_create(int argc, char **argv)
{
	struct create c = { .cmd = argv[0], .serving = MIRROR_SERVING_DEFAULTS };
	const struct opt_group groups[] = {
		{ create_opts, &c }, { mirror_limit_opts, &c.serving.limits },
		{ serving_opts, &c.serving.serving },
	};
	unsigned int nr_words;
	int ret = opts_parse_words(argc, argv, groups, ARRAY_SIZE(groups), &nr_words);

	if (ret == OPTS_HELP) {
		create_help();
		return 0;
	}
	if (ret || create_check(&c, nr_words, nr_words ? argv[1] : NULL) ||
	    !mirror_limits_are_right(c.cmd, &c.serving.limits))
		return EXIT_USAGE;
	if (c.no_record)
		return create_plain(&c);
	if (create_run(&c, argv[1]))
		return 1;
	if (!c.no_start)
		return create_start(&c);
	create_tell(&c);
	return 0;
}
