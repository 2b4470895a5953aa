// SPDX-License-Identifier: GPL-2.0
#include <criterion/criterion.h>
#include <iconv.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"

/* What a name becomes; valid until the next call. */
static const char *name_json(const char *name)
{
	static char text[4096];
	FILE *f = fmemopen(text, sizeof(text), "w");
	struct json j;

	json_init(&j, f);
	json_open(&j, NULL, '{');
	json_name(&j, "n", name);
	json_close(&j, '}');
	fclose(f);
	return text;
}

/* libc's opinion. */
static bool iconv_takes(const char *text)
{
	char out[4 * 4096], *to = out, *from = (char *)text;
	size_t left = strlen(text), room = sizeof(out);
	iconv_t cd = iconv_open("UTF-32LE", "UTF-8");
	bool ok = iconv(cd, &from, &left, &to, &room) != (size_t)-1;

	iconv_close(cd);
	return ok;
}

Test(json, nesting_and_commas)
{
	char *text;
	size_t len;
	FILE *f = open_memstream(&text, &len);
	struct json j;

	json_init(&j, f);
	json_open(&j, NULL, '{');
	json_u64(&j, "n", UINT64_MAX);
	json_open(&j, "list", '[');
	json_s64(&j, NULL, -1);
	json_bool(&j, NULL, true);
	json_open(&j, NULL, '{');
	json_close(&j, '}');
	json_close(&j, ']');
	json_raw(&j, "raw", NULL);
	json_str(&j, "str", NULL);
	json_name(&j, "name", NULL);
	json_null(&j, "nothing");
	json_close(&j, '}');
	fclose(f);
	cr_assert_str_eq(text, "{\"n\": 18446744073709551615, \"list\": [-1, true, {}], \"raw\": null, "
			 "\"str\": null, \"name\": null, \"nothing\": null}");
	free(text);
}

Test(json, strings_are_quoted)
{
	char *text;
	size_t len;
	FILE *f = open_memstream(&text, &len);
	struct json j;

	json_init(&j, f);
	json_str(&j, NULL, "a\"b\\c\n\x01");
	fclose(f);
	cr_assert_str_eq(text, "\"a\\\"b\\\\c\\u000a\\u0001\"");
	free(text);
}

#define FFFD	"\xef\xbf\xbd"

/* The counts are those of Python's decode("utf-8", "replace"). */
Test(json, bytes_that_are_no_character_are_replaced)
{
	static const char *const cases[][2] = {
		{ "\xff",		"{\"n\": \"" FFFD "\", \"n_hex\": \"ff\"}" },
		{ "a\x80z",		"{\"n\": \"a" FFFD "z\", \"n_hex\": \"61807a\"}" },
		{ "\xc0\xaf",		"{\"n\": \"" FFFD FFFD "\", \"n_hex\": \"c0af\"}" },
		{ "\xe0\x80\xaf",	"{\"n\": \"" FFFD FFFD FFFD "\", \"n_hex\": \"e080af\"}" },
		{ "\xed\xa0\x80",	"{\"n\": \"" FFFD FFFD FFFD "\", \"n_hex\": \"eda080\"}" },
		{ "\xf4\x90\x80\x80",	"{\"n\": \"" FFFD FFFD FFFD FFFD "\", \"n_hex\": \"f4908080\"}" },
		{ "\xe2\x82",		"{\"n\": \"" FFFD "\", \"n_hex\": \"e282\"}" },
		{ "\xe2\x82\"",		"{\"n\": \"" FFFD "\\\"\", \"n_hex\": \"e28222\"}" },
	};

	for (unsigned int i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		cr_assert_str_eq(name_json(cases[i][0]), cases[i][1]);
}

Test(json, characters_of_every_length_stay)
{
	cr_assert_str_eq(name_json("z\xc3\xa4\xe2\x82\xac\xf0\x9f\x92\xbe"),
			 "{\"n\": \"z\xc3\xa4\xe2\x82\xac\xf0\x9f\x92\xbe\"}");
	cr_assert_str_eq(name_json("\x7f\t"), "{\"n\": \"\\u007f\\u0009\"}");
}

Test(json, any_bytes_become_utf8)
{
	static const char heads[] = "\x7f\x80\xbf\xc1\xc2\xdf\xe0\xec\xed\xef\xf0\xf3\xf4\xf5\xff";

	srandom(1);
	for (unsigned int i = 0; i < 20000; i++) {
		char name[8] = "";

		for (unsigned int n = random() % 7; n; n--)
			name[n - 1] = random() % 3 ? heads[random() % (sizeof(heads) - 1)] :
				      0x80 + random() % 0x40;
		cr_assert_eq(json_is_utf8(name), iconv_takes(name), "%s", name_json(name));
		cr_assert(iconv_takes(name_json(name)), "%s", name_json(name));
	}
}

/* What a server that was killed has said of itself is no JSON. */
Test(json, half_a_text_of_others_is_null)
{
	static const char *const halves[] = {
		"", "{", "{\"a\": [1, 2}", "{\"a\": \"}", "{\"a\": \"b\\\"}", "{}}", "x", "{\"a\": \"\xff\"}",
	};
	char text[64];

	for (unsigned int i = 0; i < sizeof(halves) / sizeof(halves[0]); i++) {
		FILE *f = fmemopen(text, sizeof(text), "w");
		struct json j;

		json_init(&j, f);
		json_raw(&j, NULL, halves[i]);
		fclose(f);
		cr_assert(!strcmp(text, "null"), "%s became %s", halves[i], text);
	}
}
