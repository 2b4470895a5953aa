// SPDX-License-Identifier: GPL-2.0
#include <criterion/criterion.h>
#include <stdlib.h>

#include "json.h"

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
	json_close(&j, '}');
	fclose(f);
	cr_assert_str_eq(text, "{\"n\": 18446744073709551615, \"list\": [-1, true, {}], \"raw\": null}");
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
