// SPDX-License-Identifier: GPL-2.0
/* Files of devices: what words a command gets from them, and what is wrong with the others. */
#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config.h"
#include "resume.h"

static char path[] = "/tmp/config-XXXXXX";
static struct config c;

static void setup(void)
{
	int fd = mkstemp(path);

	cr_assert_geq(fd, 0);
	close(fd);
	cr_redirect_stderr();
}

static void teardown(void)
{
	config_free(&c);
	unlink(path);
}

TestSuite(config, .init = setup, .fini = teardown, .timeout = 30);

static int read_of(const char *text, size_t len)
{
	FILE *f = fopen(path, "w");

	cr_assert_eq(fwrite(text, 1, len, f), len);
	fclose(f);
	return config_read(path, &c);
}

static int read_text(const char *text)
{
	return read_of(text, strlen(text));
}

static void words_are(const char *const *words)
{
	int nr = 0;

	for (; words[nr]; nr++) {
		cr_assert_lt(nr, c.argc, "'%s' is missing", words[nr]);
		cr_assert_str_eq(c.argv[nr], words[nr]);
	}
	cr_assert_eq(c.argc, nr);
	cr_assert_null(c.argv[nr]);
}

#define WORDS_ARE(...) words_are((const char *const[]){ __VA_ARGS__, NULL })

Test(config, is_a_command_and_its_options)
{
	cr_assert_eq(read_text("# two\n\nadd\n  type mirror\nleg\t/dev/a b \r\n#leg /dev/c\nleg #d\nrecovery"), 0);
	cr_assert_eq(c.cmd, CONFIG_ADD);
	WORDS_ARE("add", "--type=mirror", "--leg=/dev/a b", "--leg=#d", "--recovery");
}

Test(config, of_a_set_names_it)
{
	cr_assert_eq(read_text("mirror assemble  home \nleg x\n"), 0);
	cr_assert_eq(c.cmd, CONFIG_ASSEMBLE);
	WORDS_ARE("mirror assemble", "home", "--leg=x");
	config_free(&c);
	cr_assert_eq(read_text("mirror assemble"), 0);
	WORDS_ARE("mirror assemble");
}

Test(config, takes_more_words)
{
	cr_assert_eq(read_text("add\n"), 0);
	cr_assert_eq(config_append(&c, "--name", "a"), 0);
	cr_assert_eq(config_append(&c, "--foreground", NULL), 0);
	WORDS_ARE("add", "--name=a", "--foreground");
}

/* Each is refused, with the line and what would be right. */
static const struct wrong {
	const char *text, *why;
} wrongs[] = {
	{ "# nothing\n\n", ": it says nothing; right are 'add'" },
	{ "\nadder\n", ":2: adder: no such command" },
	{ "add -t null\n", ":1: -t null: options of 'add' have lines of their own" },
	{ "mirror assemble a b\n", ":1: a b: options of 'mirror assemble' have lines of their own" },
	{ "add\n--type null\n", ":2: --type: right is an option's long name" },
	{ "add\ntype=null\n", ":2: type=null: right is an option's long name" },
	{ "add\ntype null\nforeground\n", ":3: foreground: no option of a file" },
	{ "mirror assemble a\ndegraded\n", ":2: degraded: no option of a file" },
};

Test(config, that_is_wrong_is_refused_with_the_line)
{
	for (const struct wrong *w = wrongs; w < wrongs + ARRAY_SIZE(wrongs); w++) {
		char said[1024] = "";
		FILE *f;

		cr_assert_eq(read_text(w->text), -EINVAL, "%s", w->text);
		cr_assert_eq(c.argc, 0);
		fflush(stderr);
		f = cr_get_redirected_stderr();
		said[fread(said, 1, sizeof(said) - 1, f)] = '\0';
		cr_assert(strstr(said, w->why), "stderr is '%s', without '%s'", said, w->why);
	}
}

Test(config, has_no_zeroes)
{
	cr_assert_eq(read_of("add\n\0type null\n", 15), -EILSEQ);
}

Test(config, is_not_endless)
{
	cr_assert_eq(config_read("/dev/zero", &c), -EFBIG);
	cr_assert_eq(config_read("/", &c), -EISDIR);
	cr_assert_eq(config_read("/nowhere/at/all", &c), -ENOENT);
}

Test(config, has_so_many_options_and_no_more)
{
	static char text[16 * CONFIG_WORDS_MAX];
	char *end = stpcpy(text, "add\n");

	for (unsigned int i = 0; i < CONFIG_WORDS_MAX - 1; i++)
		end = stpcpy(end, "leg x\n");
	cr_assert_eq(read_text(text), 0);
	cr_assert_eq(c.argc, CONFIG_WORDS_MAX);
	for (unsigned int i = 0; i < CONFIG_WORDS_MORE; i++)
		cr_assert_eq(config_append(&c, "--more", NULL), 0);
	config_free(&c);
	stpcpy(end, "leg x\n");
	cr_assert_eq(read_text(text), -E2BIG);
}

Test(config, is_found_by_a_name_or_a_path)
{
	static char file[CONFIG_PATH_MAX], name[CONFIG_PATH_MAX], longest[CONFIG_PATH_MAX + 1];

	cr_assert_eq(config_path("home", file, name), 0);
	cr_assert_str_eq(file, "/etc/regbuf/home.conf");
	cr_assert_str_eq(name, "home");
	cr_assert_eq(config_path("./home.conf", file, name), 0);
	cr_assert_str_eq(file, "./home.conf");
	cr_assert_str_eq(name, "home");
	cr_assert_eq(config_path("/x/home", file, name), 0);
	cr_assert_str_eq(name, "home");
	cr_assert_eq(config_path("/x/.conf", file, name), 0);
	cr_assert_not(resume_name_is_good(name));
	memset(longest, 'x', CONFIG_PATH_MAX);
	cr_assert_eq(config_path(longest, file, name), -ENAMETOOLONG);
}

Test(config, names_can_stand_in_paths_and_units)
{
	static const char *const good[] = { "a", "home", "A.b_c-9" }, *const bad[] = {
		"", ".", "..", "-a", "_a", "a b", "a/b", "a@b", "a\n", "\xc3\xa4",
		"1234567890123456789012345678901234567890123456789012345678901234",
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(good); i++)
		cr_expect(resume_name_is_good(good[i]), "%s", good[i]);
	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++)
		cr_expect_not(resume_name_is_good(bad[i]), "%s", bad[i]);
}
