// SPDX-License-Identifier: GPL-2.0
/*
 * Why not getopt_long(): its table has no place for types, ranges and help, and
 * it reports "invalid option" where we want to say what would be right.
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "log.h"
#include "opts.h"

int opts_choice(const char *const *choices, const char *name)
{
	for (unsigned int i = 0; choices[i]; i++)
		if (!strcmp(choices[i], name))
			return i;
	return -1;
}

int opts_size(const char *text, u64 *value)
{
	static const char suffixes[] = "KMGT";
	const char *s;
	char *end;
	u64 v;

	if (!isdigit((unsigned char)*text))
		return -EINVAL;
	errno = 0;
	v = strtoull(text, &end, 10);
	if (errno)
		return -ERANGE;
	if (*end) {
		unsigned int shift;

		s = strchr(suffixes, toupper((unsigned char)*end));
		if (!s || end[1])
			return -EINVAL;
		shift = 10 * (s - suffixes + 1);
		if (v > UINT64_MAX >> shift)
			return -ERANGE;
		v <<= shift;
	}
	*value = v;
	return 0;
}

static int opt_bad(const char *cmd, const struct opt *o, const char *value)
{
	char want[160] = "a number";
	size_t used = 0;

	switch (o->type) {
	case OPT_CHOICE:
		for (const char *const *c = o->choices; *c; c++)
			used += snprintf(want + used, sizeof(want) - used, "%s%s",
					 used ? ", " : "one of ", *c);
		break;
	case OPT_SIZE:
	case OPT_SIZE32:
		used = snprintf(want, sizeof(want), "bytes, or with K, M, G, T");
		if (o->align > 1)
			snprintf(want + used, sizeof(want) - used,
				 ", a multiple of %" PRIu64, o->align);
		used = strlen(want);
		/* fall through */
	default:
		if (o->max)
			snprintf(want + used, sizeof(want) - used,
				 "%sfrom %" PRIu64 " to %" PRIu64,
				 used ? ", " : "a number ", o->min, o->max);
		else if (o->min)
			snprintf(want + used, sizeof(want) - used,
				 "%sat least %" PRIu64,
				 used ? ", " : "a number, ", o->min);
	}
	log_err("%s: --%s %s: wrong value; right is %s", cmd, o->name, value, want);
	return -EINVAL;
}

static int opt_number(const char *cmd, const struct opt *o, void *dst, const char *value)
{
	u64 v;

	if (o->type == OPT_UINT && *value && !isdigit((unsigned char)value[strlen(value) - 1]))
		return opt_bad(cmd, o, value);
	if (opts_size(value, &v) || v < o->min || (o->max && v > o->max) ||
	    (o->align && v % o->align))
		return opt_bad(cmd, o, value);
	if (o->type == OPT_SIZE)
		*(u64 *)dst = v;
	else if (v > UINT32_MAX)
		return opt_bad(cmd, o, value);
	else
		*(unsigned int *)dst = v;
	return 0;
}

static int opt_store(const char *cmd, const struct opt *o, void *base, const char *value)
{
	void *dst = (char *)base + o->offset;
	struct strlist *list = dst;

	switch (o->type) {
	case OPT_FLAG:
		*(bool *)dst = true;
		return 0;
	case OPT_UINT:
	case OPT_SIZE:
	case OPT_SIZE32:
		return opt_number(cmd, o, dst, value);
	case OPT_CHOICE:
		if (opts_choice(o->choices, value) < 0)
			return opt_bad(cmd, o, value);
		/* fall through */
	case OPT_STR:
		*(const char **)dst = value;
		return 0;
	case OPT_LIST:
		if (list->nr == MAX_LEGS) {
			log_err("%s: --%s %s: too many, at most %u", cmd, o->name, value, MAX_LEGS);
			return -EINVAL;
		}
		list->v[list->nr++] = value;
		return 0;
	}
	return -EINVAL;
}

/*
 * Does @word spell @o?  *value becomes the part after '=' or after the letter,
 * or NULL.
 */
static bool opt_matches(const struct opt *o, const char *word, const char **value)
{
	size_t n = strlen(o->name);

	*value = NULL;
	if (word[0] != '-')
		return false;
	if (word[1] != '-') {
		if (!o->letter || word[1] != o->letter)
			return false;
		if (word[2])
			*value = word + 2;
		return o->type != OPT_FLAG || !word[2];
	}
	if (strncmp(word + 2, o->name, n))
		return false;
	if (word[2 + n] == '=')
		*value = word + 3 + n;
	return word[2 + n] == '\0' || word[2 + n] == '=';
}

static const struct opt *opt_find(const struct opt_group *groups, unsigned int nr,
				  const char *word, void **base, const char **value)
{
	for (unsigned int i = 0; i < nr; i++) {
		for (const struct opt *o = groups[i].opts; o && o->name; o++) {
			if (opt_matches(o, word, value)) {
				*base = groups[i].base;
				return o;
			}
		}
	}
	return NULL;
}

/* The value of the option at @i; NULL: it has none, as another option follows, or nothing. */
static const char *opt_next_word(int argc, char **argv, int i)
{
	return i + 1 < argc && strncmp(argv[i + 1], "--", 2) ? argv[i + 1] : NULL;
}

bool opts_is_help(const char *word)
{
	return !strcmp(word, "--help") || !strcmp(word, "-h");
}

/* @nr_words: NULL: the command takes none. */
static int opts_parse_all(int argc, char **argv, const struct opt_group *groups, unsigned int nr,
			  unsigned int *nr_words)
{
	const char *cmd = argv[0];

	for (int i = 1; i < argc; i++) {
		const struct opt *o;
		const char *value;
		void *base;
		int ret;

		if (opts_is_help(argv[i]))
			return OPTS_HELP;
		if (nr_words && argv[i][0] != '-') {
			argv[++*nr_words] = argv[i];
			continue;
		}
		o = opt_find(groups, nr, argv[i], &base, &value);
		if (!o) {
			log_err("%s: %s: %s; 'regbuf %s --help' lists what there is", cmd, argv[i],
				argv[i][0] == '-' ? "no such option here" : "no option, and nothing else is expected", cmd);
			return -EINVAL;
		}
		if (o->type == OPT_FLAG && value) {
			log_err("%s: --%s takes no value", cmd, o->name);
			return -EINVAL;
		}
		if (o->type != OPT_FLAG && !value) {
			value = opt_next_word(argc, argv, i);
			if (!value) {
				log_err("%s: --%s: %s is missing", cmd, o->name, o->arg);
				return -EINVAL;
			}
			i++;
		}
		ret = opt_store(cmd, o, base, value);
		if (ret)
			return ret;
	}
	return 0;
}

int opts_parse(int argc, char **argv, const struct opt_group *groups, unsigned int nr)
{
	return opts_parse_all(argc, argv, groups, nr, NULL);
}

int opts_parse_words(int argc, char **argv, const struct opt_group *groups, unsigned int nr,
		     unsigned int *nr_words)
{
	*nr_words = 0;
	return opts_parse_all(argc, argv, groups, nr, nr_words);
}

int opts_words(int argc, char **argv, const char *help, unsigned int *nr_words)
{
	static const struct opt none[] = { { 0 } };
	const struct opt_group group = { none, NULL };

	switch (opts_parse_words(argc, argv, &group, 1, nr_words)) {
	case OPTS_HELP:
		fputs(help, stdout);
		return 0;
	case 0:
		return -1;
	}
	return EXIT_USAGE;
}

const char *opts_peek(int argc, char **argv, const struct opt *opt)
{
	const char *value, *found = NULL;

	for (int i = 1; i < argc; i++) {
		if (!opt_matches(opt, argv[i], &value))
			continue;
		if (!value)
			value = opt_next_word(argc, argv, i);
		if (value)
			found = value;
	}
	return found;
}

void opts_help(FILE *out, const struct opt *opts)
{
	for (const struct opt *o = opts; o && o->name; o++) {
		char left[64], letter[8] = "    ";

		if (o->letter)
			snprintf(letter, sizeof(letter), "-%c, ", o->letter);
		snprintf(left, sizeof(left), "%s--%s%s%s", letter, o->name,
			 o->arg ? " " : "", o->arg ? o->arg : "");
		fprintf(out, "  %-26s %s\n", left, o->help);
	}
}
