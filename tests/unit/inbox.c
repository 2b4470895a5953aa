// SPDX-License-Identifier: GPL-2.0
#include <criterion/criterion.h>
#include <poll.h>
#include <stdatomic.h>
#include <unistd.h>

#include "inbox.h"

#define POSTERS	4U
#define EACH	20000U

static struct inbox in;
static struct inbox_item items[POSTERS][EACH];

static void setup(void)
{
	cr_assert_eq(inbox_init(&in), 0);
}

static void teardown(void)
{
	inbox_deinit(&in);
}

TestSuite(inbox, .init = setup, .fini = teardown, .timeout = 60);

static bool is_told(void)
{
	struct pollfd pfd = { .fd = in.fd, .events = POLLIN };

	return poll(&pfd, 1, 0) == 1;
}

static void told_is_read(void)
{
	u64 count;

	cr_assert_eq(read(in.fd, &count, sizeof(count)), sizeof(count));
}

Test(inbox, an_empty_one_tells_nothing)
{
	cr_assert(!is_told());
	cr_assert_null(inbox_take(&in));
}

Test(inbox, what_is_posted_comes_in_order_and_once)
{
	struct inbox_item *item;

	for (unsigned int i = 0; i < 3; i++)
		inbox_post(&in, &items[0][i]);
	cr_assert(is_told());
	item = inbox_take(&in);
	for (unsigned int i = 0; i < 3; i++, item = item->next)
		cr_assert_eq(item, &items[0][i]);
	cr_assert_null(item);
	cr_assert_null(inbox_take(&in));
}

Test(inbox, it_tells_again_of_what_comes_after_a_look)
{
	inbox_post(&in, &items[0][0]);
	told_is_read();
	cr_assert_eq(inbox_take(&in), &items[0][0]);
	cr_assert(!is_told());
	inbox_post(&in, &items[0][0]);
	cr_assert(is_told());
	cr_assert_eq(inbox_take(&in), &items[0][0]);
}

Test(inbox, who_owns_it_needs_no_telling)
{
	inbox_own(&in);
	cr_assert_not(inbox_has_own(&in));
	inbox_post(&in, &items[0][0]);
	inbox_post(&in, &items[0][1]);
	cr_assert(!is_told());
	cr_assert(inbox_has_own(&in));
	cr_assert_eq(inbox_take(&in), &items[0][0]);
	cr_assert_not(inbox_has_own(&in));
}

static void *post_one(void *arg)
{
	inbox_post(&in, arg);
	return NULL;
}

static void another_posts(struct inbox_item *item)
{
	pthread_t thread;

	cr_assert_eq(pthread_create(&thread, NULL, post_one, item), 0);
	pthread_join(thread, NULL);
}

Test(inbox, what_others_post_beside_the_owner_is_not_lost)
{
	struct inbox_item *item;

	inbox_own(&in);
	inbox_post(&in, &items[0][0]);
	another_posts(&items[0][1]);
	item = inbox_take(&in);
	cr_assert(item == &items[0][0] && item->next == &items[0][1]);
	another_posts(&items[0][0]);
	cr_assert(is_told());
	cr_assert_not(inbox_has_own(&in));
	inbox_post(&in, &items[0][1]);
	cr_assert(inbox_has_own(&in));
	item = inbox_take(&in);
	cr_assert(item == &items[0][0] && item->next == &items[0][1]);
}

static void *post_all(void *arg)
{
	struct inbox_item *mine = arg;

	for (unsigned int i = 0; i < EACH; i++)
		inbox_post(&in, &mine[i]);
	return NULL;
}

/* The order of each poster's own, and nothing lost, though the reader sleeps whenever it can. */
Test(inbox, many_threads_post)
{
	unsigned int next[POSTERS] = { 0 }, left = POSTERS * EACH;
	pthread_t threads[POSTERS];

	for (unsigned int i = 0; i < POSTERS; i++)
		cr_assert_eq(pthread_create(&threads[i], NULL, post_all, items[i]), 0);
	while (left) {
		told_is_read();
		for (struct inbox_item *item = inbox_take(&in); item; item = item->next) {
			unsigned int who = (item - items[0]) / EACH;

			cr_assert_eq(item, &items[who][next[who]], "poster %u, item %u", who, next[who]);
			next[who]++;
			left--;
		}
	}
	for (unsigned int i = 0; i < POSTERS; i++)
		pthread_join(threads[i], NULL);
	cr_assert_null(inbox_take(&in));
}
