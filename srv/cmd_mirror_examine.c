// SPDX-License-Identifier: GPL-2.0
/*
 * mirror examine: what the record on a leg says, in one look, and of a leg in use as well.  A
 * record that is damaged, of a newer program, or of nobody is an answer too.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cmd.h"
#include "cmd_mirror.h"
#include "log.h"
#include "uuid.h"

/* struct examine_conf - the options' values, on the stack of cmd_mirror_examine() */
struct examine_conf {
	bool json;
};

static const struct opt examine_opts[] = {
	{ .name = "json", .letter = 'j', .type = OPT_FLAG, .offset = offsetof(struct examine_conf, json),
	  .help = "as JSON" },
	{ 0 }
};

/* One word for a program: what kind of record it is. */
static const char *examine_kind(const struct leginfo *l)
{
	switch (l->err) {
	case 0: return "readable";
	case -ENOENT: return "none";
	case -EPROTONOSUPPORT: return "newer";
	case -EIO: return "unread";
	default: return l->elsewhere ? "elsewhere" : "damaged";
	}
}

static const char *examine_time(u64 seconds, char text[32])
{
	time_t t = seconds;
	struct tm tm;

	if (!localtime_r(&t, &tm) || !strftime(text, 32, "%Y-%m-%d %H:%M:%S", &tm))
		snprintf(text, 32, "%" PRIu64, seconds);
	return text;
}

/* JSON. */

static void examine_json_event(struct json *j, const char *key, struct super_event e)
{
	char tag[20];

	snprintf(tag, sizeof(tag), "%016" PRIx64, e.tag);
	json_open(j, key, '{');
	json_u64(j, "number", e.nr);
	json_str(j, "tag", tag);
	json_close(j, '}');
}

static void examine_json_set(struct json *j, const struct super_set *s)
{
	json_open(j, "set", '{');
	json_str(j, "name", s->name);
	mirror_json_uuid(j, "uuid", s->uuid);
	examine_json_event(j, "event", s->event);
	json_u64(j, "created", s->created);
	json_u64(j, "size", s->size);
	json_u64(j, "block", 1U << s->lbs_shift);
	json_u64(j, "chunk", 1ULL << s->chunk_shift);
	json_bool(j, "clean", s->clean);
	mirror_json_source(j, s->source);
	json_close(j, '}');
}

static void examine_json_legs(struct json *j, const struct super_set *s)
{
	json_open(j, "legs", '[');
	for (unsigned int i = 0; i < s->nr; i++) {
		const struct super_leg *leg = &s->legs[i];

		if (leg->state == FORMAT_EMPTY)
			continue;
		json_open(j, NULL, '{');
		json_u64(j, "slot", i);
		mirror_json_uuid(j, "uuid", leg->uuid);
		json_str(j, "state", leginfo_state_name(leg->state));
		json_bool(j, "write_mostly", leg->write_mostly);
		examine_json_event(j, "kept", leg->held);
		examine_json_event(j, "sent", leg->sent);
		json_close(j, '}');
	}
	json_close(j, ']');
}

static void examine_json_own(struct json *j, const struct leginfo *l)
{
	const struct super_own *own = &l->super.own;

	json_open(j, "leg", '{');
	json_u64(j, "slot", own->self);
	mirror_json_uuid(j, "uuid", l->super.set.legs[own->self].uuid);
	json_u64(j, "written", own->written);
	json_u64(j, "data_offset", own->data_offset);
	json_u64(j, "area_offset", own->area_offset);
	json_u64(j, "copy", own->copy);
	json_u64(j, "seq", own->seq);
	json_close(j, '}');
}

static void examine_json_bits(struct json *j, const struct leginfo *l)
{
	struct leginfo_bits b;

	if (leginfo_read_bits(l, &b)) {
		json_null(j, "bitmap");
		return;
	}
	json_open(j, "bitmap", '{');
	json_u64(j, "chunks", b.chunks);
	json_u64(j, "set", b.set);
	json_u64(j, "damaged_sectors", b.damaged);
	json_close(j, '}');
}

static void examine_json_copies(struct json *j, const struct leginfo *l)
{
	json_open(j, "copies", '[');
	for (unsigned int i = 0; i < 2; i++) {
		json_open(j, NULL, '{');
		json_bool(j, "readable", !l->copies[i].err);
		if (l->copies[i].err)
			json_str(j, "why", l->copies[i].why.text);
		json_close(j, '}');
	}
	json_close(j, ']');
}

static void examine_json(struct json *j, const struct leginfo *l)
{
	json_open(j, NULL, '{');
	json_name(j, "path", l->path);
	json_str(j, "record", examine_kind(l));
	if (l->err)
		json_str(j, "why", l->why.text);
	if (l->err != -EIO) {
		json_u64(j, "bytes", l->bytes);
		examine_json_copies(j, l);
	}
	if (!l->err) {
		examine_json_own(j, l);
		examine_json_set(j, &l->super.set);
		examine_json_legs(j, &l->super.set);
		examine_json_bits(j, l);
	}
	json_close(j, '}');
}

/* Text. */

static void examine_text_state(const struct super_set *s)
{
	printf("  state    %s", s->clean ? "stopped by its owner" : "not stopped, or in use");
	if (s->source != FORMAT_NO_SOURCE)
		printf("; legs may differ, slot %u is read there", s->source);
	printf("\n");
}

static void examine_text_bits(const struct leginfo *l)
{
	struct leginfo_bits b;
	int ret = leginfo_read_bits(l, &b);

	if (ret) {
		printf("  bitmap   cannot be read: %s\n", strerror(-ret));
		return;
	}
	printf("  bitmap   %" PRIu64 " of %" PRIu64 " chunks of %llu bytes are set", b.set, b.chunks,
	       1ULL << l->super.set.chunk_shift);
	if (b.damaged)
		printf(", all of %u damaged sectors among them", b.damaged);
	printf("\n");
}

static void examine_text_legs(const struct leginfo *l)
{
	const struct super_set *s = &l->super.set;
	char uuid[UUID_TEXT];

	for (unsigned int i = 0; i < s->nr; i++) {
		const struct super_leg *leg = &s->legs[i];

		if (leg->state == FORMAT_EMPTY)
			continue;
		uuid_text(leg->uuid, uuid);
		printf("  slot %-2u  %-10s  %s  kept event %" PRIu64 ", sent %" PRIu64 "%s%s\n", i,
		       leginfo_state_name(leg->state), uuid, leg->held.nr, leg->sent.nr,
		       leg->write_mostly ? ", write-mostly" : "", i == l->super.own.self ? ", this leg" : "");
	}
}

static void examine_text_record(const struct leginfo *l)
{
	const struct super_set *s = &l->super.set;
	const struct super_own *own = &l->super.own;
	char uuid[UUID_TEXT], when[32];

	uuid_text(s->uuid, uuid);
	printf("%s: a leg of set %s\n", l->path, s->name);
	printf("  set      %s, made %s\n", uuid, examine_time(s->created, when));
	uuid_text(s->legs[own->self].uuid, uuid);
	printf("  leg      %s, slot %u\n", uuid, own->self);
	printf("  event    %" PRIu64 ", tag %016" PRIx64 ", written %s\n", s->event.nr, s->event.tag,
	       examine_time(own->written, when));
	examine_text_state(s);
	printf("  data     %" PRIu64 " bytes in blocks of %u, from byte %" PRIu64 " on\n", s->size,
	       1U << s->lbs_shift, own->data_offset);
	printf("  record   at byte %" PRIu64 ", copy %u, write %" PRIu64 "\n", own->area_offset, own->copy,
	       own->seq);
	for (unsigned int i = 0; i < 2; i++)
		if (l->copies[i].err)
			printf("  damaged  %s\n", l->copies[i].why.text);
	examine_text_bits(l);
	examine_text_legs(l);
}

static void examine_text(const struct leginfo *l)
{
	if (!l->err)
		examine_text_record(l);
	else if (l->err == -ENOENT)
		printf("%s: no record\n", l->path);
	else
		printf("%s: %s: %s\n", l->path, examine_kind(l), l->why.text);
}

static int examine_run(char **paths, unsigned int nr, bool as_json)
{
	struct leginfo l;
	struct json j;
	int ret = 0;

	json_init(&j, stdout);
	if (as_json)
		json_open(&j, NULL, '[');
	for (unsigned int i = 0; i < nr; i++) {
		leginfo_read(&l, paths[i]);
		if (as_json)
			examine_json(&j, &l);
		else
			examine_text(&l);
		ret |= !!l.err;
	}
	if (as_json) {
		json_close(&j, ']');
		putchar('\n');
	}
	return ret;
}

int cmd_mirror_examine(int argc, char **argv)
{
	struct examine_conf conf = { 0 };
	const struct opt_group group = { examine_opts, &conf };
	unsigned int nr;
	int ret = opts_parse_words(argc, argv, &group, 1, &nr);

	if (ret == OPTS_HELP) {
		printf("usage: regbuf mirror examine PATH... [--json]\n\n"
		       "Shows the record on each leg.  Only reads, also of a leg in use.\n"
		       "The exit status is 0 if every PATH has a record that can be read.\n\n");
		opts_help(stdout, examine_opts);
		return 0;
	}
	if (!ret && !nr) {
		log_err("%s: PATH is missing: a leg, or several", argv[0]);
		ret = -EINVAL;
	}
	return ret ? EXIT_USAGE : examine_run(argv + 1, nr, conf.json);
}
