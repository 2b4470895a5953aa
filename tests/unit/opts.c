// SPDX-License-Identifier: GPL-2.0
#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <errno.h>

#include "opts.h"

struct conf {
	bool flag;
	unsigned int number;
	u64 size;
	struct {
		unsigned int size;
		unsigned int behind;
	} small;
	const char *string;
	const char *choice;
	struct strlist list;
};

static const char *const colours[] = { "red", "green", NULL };

static const struct opt table[] = {
	{ .name = "flag", .letter = 'f', .type = OPT_FLAG, .offset = offsetof(struct conf, flag) },
	{ .name = "number", .letter = 'n', .type = OPT_UINT, .arg = "N", .min = 1, .max = 4096,
	  .offset = offsetof(struct conf, number) },
	{ .name = "size", .type = OPT_SIZE, .arg = "SIZE", .min = 512, .align = 512,
	  .offset = offsetof(struct conf, size) },
	{ .name = "small", .type = OPT_SIZE32, .arg = "SIZE", .min = 4096, .align = 4096,
	  .offset = offsetof(struct conf, small.size) },
	{ .name = "string", .letter = 's', .type = OPT_STR, .arg = "TEXT",
	  .offset = offsetof(struct conf, string) },
	{ .name = "choice", .letter = 'c', .type = OPT_CHOICE, .arg = "COLOUR", .choices = colours,
	  .offset = offsetof(struct conf, choice) },
	{ .name = "list", .letter = 'l', .type = OPT_LIST, .arg = "PATH",
	  .offset = offsetof(struct conf, list) },
	{ 0 }
};

static int parse(struct conf *conf, char **argv)
{
	struct opt_group group = { table, conf };
	int argc = 0;

	while (argv[argc])
		argc++;
	return opts_parse(argc, argv, &group, 1);
}

#define PARSE(conf, ...) parse(conf, (char *[]){ "cmd", __VA_ARGS__, NULL })

static void expect_error(const char *want)
{
	char text[512] = "";
	FILE *err;

	fflush(stderr);
	err = cr_get_redirected_stderr();
	text[fread(text, 1, sizeof(text) - 1, err)] = '\0';
	cr_assert(strstr(text, want), "stderr is '%s', without '%s'", text, want);
}

Test(opts, every_type_is_stored)
{
	struct conf c = { 0 };

	cr_assert_eq(PARSE(&c, "-f", "--number", "7", "--size", "64K", "-s", "x", "-c", "green",
			   "-l", "a", "-l", "b"), 0);
	cr_assert(c.flag);
	cr_assert_eq(c.number, 7);
	cr_assert_eq(c.size, 65536);
	cr_assert_str_eq(c.string, "x");
	cr_assert_str_eq(c.choice, "green");
	cr_assert_eq(c.list.nr, 2);
	cr_assert_str_eq(c.list.v[1], "b");
}

Test(opts, a_small_size_leaves_alone_what_is_behind_it)
{
	struct conf c = { .small.behind = 7 };

	cr_assert_eq(PARSE(&c, "--small", "2M"), 0);
	cr_assert_eq(c.small.size, 2 << 20);
	cr_assert_eq(c.small.behind, 7);
}

Test(opts, a_small_size_must_fit, .init = cr_redirect_stderr)
{
	struct conf c = { .small.size = 5 };

	cr_assert_eq(PARSE(&c, "--small", "4G"), -EINVAL);
	expect_error("--small 4G: wrong value; right is bytes, or with K, M, G, T, a multiple of 4096, at least 4096");
	cr_assert_eq(c.small.size, 5);
}

Test(opts, values_may_be_attached)
{
	struct conf c = { 0 };

	cr_assert_eq(PARSE(&c, "-n12", "--string=a=b"), 0);
	cr_assert_eq(c.number, 12);
	cr_assert_str_eq(c.string, "a=b");
}

Test(opts, absent_options_keep_their_defaults)
{
	struct conf c = { .number = 128, .choice = "red" };

	cr_assert_eq(PARSE(&c, "-f"), 0);
	cr_assert_eq(c.number, 128);
	cr_assert_str_eq(c.choice, "red");
}

Test(opts, a_prefix_of_a_name_is_no_option, .init = cr_redirect_stderr)
{
	struct conf c = { 0 };

	cr_assert_eq(PARSE(&c, "--num", "3"), -EINVAL);
	expect_error("--num: no such option");
}

Test(opts, unknown_option_is_named, .init = cr_redirect_stderr)
{
	struct conf c = { 0 };

	cr_assert_eq(PARSE(&c, "--colour", "red"), -EINVAL);
	expect_error("--colour: no such option");
}

Test(opts, a_stray_word_is_refused, .init = cr_redirect_stderr)
{
	struct conf c = { 0 };

	cr_assert_eq(PARSE(&c, "stray"), -EINVAL);
	expect_error("stray: no option, and nothing else is expected");
}

/* Else a file named so is served, and the option is not heard. */
Test(opts, an_option_is_no_value, .init = cr_redirect_stderr)
{
	struct conf c = { 0 };

	cr_assert_eq(PARSE(&c, "--string", "--flag"), -EINVAL);
	expect_error("--string: TEXT is missing");
	cr_assert_null(c.string);
}

Test(opts, what_looks_like_an_option_is_a_value_in_the_same_word)
{
	struct conf c = { 0 };

	cr_assert_eq(PARSE(&c, "--string=--flag", "-s", "-"), 0);
	cr_assert_not(c.flag);
	cr_assert_str_eq(c.string, "-");
}

Test(opts, missing_value_is_named, .init = cr_redirect_stderr)
{
	struct conf c = { 0 };

	cr_assert_eq(PARSE(&c, "--number"), -EINVAL);
	expect_error("--number: N is missing");
}

Test(opts, a_flag_takes_no_value, .init = cr_redirect_stderr)
{
	struct conf c = { 0 };

	cr_assert_eq(PARSE(&c, "--flag=1"), -EINVAL);
	expect_error("takes no value");
}

Test(opts, wrong_choice_tells_the_right_ones, .init = cr_redirect_stderr)
{
	struct conf c = { 0 };

	cr_assert_eq(PARSE(&c, "-c", "blue"), -EINVAL);
	expect_error("blue: wrong value; right is one of red, green");
}

Test(opts, a_choice_is_found_by_its_name_only)
{
	static const char *const choices[] = { "one", "two", NULL };

	cr_assert_eq(opts_choice(choices, "one"), 0);
	cr_assert_eq(opts_choice(choices, "two"), 1);
	cr_assert_eq(opts_choice(choices, "tw"), -1);
	cr_assert_eq(opts_choice(choices + 2, "one"), -1);
}

Test(opts, numbers_outside_the_range_are_refused)
{
	static char *const bad[] = { "0", "4097", "-1", "1K", "0x10", "", "7seven", "99999999999999999999" };

	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
		struct conf c = { .number = 5 };

		cr_expect_eq(PARSE(&c, "--number", bad[i]), -EINVAL, "'%s' was taken", bad[i]);
		cr_expect_eq(c.number, 5, "'%s' was stored", bad[i]);
	}
}

Test(opts, number_error_tells_the_range, .init = cr_redirect_stderr)
{
	struct conf c = { 0 };

	cr_assert_eq(PARSE(&c, "-n", "4097"), -EINVAL);
	expect_error("--number 4097: wrong value; right is a number from 1 to 4096");
}

Test(opts, sizes_that_are_not_aligned_are_refused)
{
	struct conf c = { 0 };

	cr_assert_eq(PARSE(&c, "--size", "1000"), -EINVAL);
	cr_assert_eq(PARSE(&c, "--size", "0"), -EINVAL);
	cr_assert_eq(PARSE(&c, "--size", "512"), 0);
}

Test(opts, a_list_is_limited, .init = cr_redirect_stderr)
{
	char *argv[2 * MAX_LEGS + 4] = { "cmd" };
	struct conf c = { 0 };

	for (unsigned int i = 0; i <= MAX_LEGS; i++) {
		argv[1 + 2 * i] = "-l";
		argv[2 + 2 * i] = "x";
	}
	cr_assert_eq(parse(&c, argv), -EINVAL);
	cr_assert_eq(c.list.nr, MAX_LEGS);
	expect_error("at most 16");
}

Test(opts, help_is_told_apart)
{
	struct conf c = { 0 };

	cr_assert_eq(PARSE(&c, "--help"), OPTS_HELP);
	cr_assert_eq(PARSE(&c, "-f", "-h"), OPTS_HELP);
}

Test(opts, peek_finds_every_spelling)
{
	const struct opt *o = &table[4];

	cr_assert_str_eq(opts_peek(3, (char *[]){ "cmd", "-s", "v" }, o), "v");
	cr_assert_str_eq(opts_peek(2, (char *[]){ "cmd", "-sv" }, o), "v");
	cr_assert_str_eq(opts_peek(2, (char *[]){ "cmd", "--string=v" }, o), "v");
	cr_assert_null(opts_peek(2, (char *[]){ "cmd", "-s" }, o));
	cr_assert_null(opts_peek(3, (char *[]){ "cmd", "-s", "--flag" }, o));
	cr_assert_null(opts_peek(1, (char *[]){ "cmd" }, o));
}

Test(opts, sizes_with_suffixes)
{
	static const struct { const char *text; int ret; u64 value; } cases[] = {
		{ "0", 0, 0 },
		{ "1", 0, 1 },
		{ "4k", 0, 4096 },
		{ "4K", 0, 4096 },
		{ "1M", 0, 1 << 20 },
		{ "3G", 0, 3ULL << 30 },
		{ "2T", 0, 2ULL << 40 },
		{ "16777215T", 0, 16777215ULL << 40 },
		{ "16777216T", -ERANGE, 0 },
		{ "18446744073709551616", -ERANGE, 0 },
		{ "K", -EINVAL, 0 },
		{ "", -EINVAL, 0 },
		{ "4KB", -EINVAL, 0 },
		{ "4X", -EINVAL, 0 },
		{ " 4", -EINVAL, 0 },
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++) {
		u64 v = 0;

		cr_expect_eq(opts_size(cases[i].text, &v), cases[i].ret, "'%s'", cases[i].text);
		cr_expect_eq(v, cases[i].value, "'%s' gave %lu", cases[i].text, (unsigned long)v);
	}
}

Test(opts, words_are_put_before_options)
{
	char *argv[] = { "cmd", "one", "-f", "two", "--string", "text", "three", NULL };
	struct conf conf = { 0 };
	struct opt_group group = { table, &conf };
	unsigned int nr;

	cr_assert_eq(opts_parse_words(7, argv, &group, 1, &nr), 0);
	cr_assert_eq(nr, 3);
	cr_assert_str_eq(argv[1], "one");
	cr_assert_str_eq(argv[2], "two");
	cr_assert_str_eq(argv[3], "three");
	cr_assert(conf.flag);
	cr_assert_str_eq(conf.string, "text");
}

Test(opts, words_that_begin_with_a_dash_are_options, .init = cr_redirect_stderr)
{
	char *argv[] = { "cmd", "one", "-x", NULL };
	struct conf conf = { 0 };
	struct opt_group group = { table, &conf };
	unsigned int nr;

	cr_assert_eq(opts_parse_words(3, argv, &group, 1, &nr), -EINVAL);
	expect_error("-x: no such option here");
}
