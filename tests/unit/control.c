// SPDX-License-Identifier: GPL-2.0
/*
 * Commands over a server's socket: what is asked and answered, and that no client holds up the
 * server, whatever it sends, or does not.  The server is this test's, and runs when it is told to.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "clock.h"
#include "control.h"
#include "control_ask.h"

#define CLIENT_MS	1000	/* that a client has, instead of CONTROL_MS */
#define LONG_ANSWER	(4 << 20)

static char dir[] = "/tmp/control.XXXXXX", why[CONTROL_WHY_MAX];
static struct sockaddr_un sa = { .sun_family = AF_UNIX };
static struct control control;
static int listener;
static _Atomic bool ended;

/* The commands. */

static int cmd_words(void *arg, int argc, char **argv, FILE *out)
{
	fprintf(out, "%s:", (const char *)arg);
	for (int i = 0; i < argc; i++)
		fprintf(out, " <%s>", argv[i]);
	return 0;
}

static int cmd_fail(void *arg, int argc, char **argv, FILE *out)
{
	fprintf(out, "leg %s is not there", argv[1]);
	return -ENODEV;
}

static int cmd_silent(void *arg, int argc, char **argv, FILE *out)
{
	return -ENOSPC;
}

static int cmd_long(void *arg, int argc, char **argv, FILE *out)
{
	for (unsigned int i = 0; i < LONG_ANSWER; i++)
		fputc('a' + i % 26, out);
	return 0;
}

static const struct control_cmd own[] = {
	{ .name = "words", .args = "[A [B]]", .max_args = 2, .run = cmd_words },
	{ .name = "long", .run = cmd_long },
	{ 0 }
};

static const struct control_cmd targets[] = {
	{ .name = "words", .run = cmd_fail },
	{ .name = "fail", .args = "PATH", .min_args = 1, .max_args = 1, .run = cmd_fail },
	{ .name = "silent", .run = cmd_silent },
	{ 0 }
};

static const struct control_table tables[] = { { own, "own" }, { NULL, NULL }, { targets, "target" } };

/* The server. */

static void setup(void)
{
	cr_assert_not_null(mkdtemp(dir));
	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s/sock", dir);
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	cr_assert_eq(bind(listener, (struct sockaddr *)&sa, sizeof(sa)), 0);
	cr_assert_eq(listen(listener, 64), 0);
	cr_assert_eq(control_init(&control, listener, tables, 3), 0);
	control.client_ms = CLIENT_MS;
}

static void teardown(void)
{
	control_deinit(&control);
	close(listener);
	unlink(sa.sun_path);
	rmdir(dir);
}

TestSuite(control, .init = setup, .fini = teardown, .timeout = 60);

/* As the server's main thread does, for @ms. */
static void serve(unsigned int ms)
{
	u64 end = clock_ms() + ms, now;

	while ((now = clock_ms()) < end) {
		struct pollfd pfd = { .fd = control.fd, .events = POLLIN };
		int next = control_next(&control, now), left = end - now;

		poll(&pfd, 1, next < 0 || next > left ? left : next);
		control_run(&control);
	}
}

static void *serve_thread(void *arg)
{
	while (!ended)
		serve(10);
	return NULL;
}

/* The client. */

static int client(void)
{
	int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct timeval tv = { .tv_sec = 5 };

	setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	cr_assert_eq(connect(sock, (struct sockaddr *)&sa, sizeof(sa)), 0, "connect: %s", strerror(errno));
	return sock;
}

#define ASK(...)	((const char *const[]){ __VA_ARGS__, NULL })

static struct control_answer asked_of(int sock, const char *const *words)
{
	struct control_answer a = { 0 };
	pthread_t thread;
	int ret;

	ended = false;
	cr_assert_eq(pthread_create(&thread, NULL, serve_thread, NULL), 0);
	ret = control_exchange(sock, words, &a, why);
	ended = true;
	pthread_join(thread, NULL);
	cr_assert_eq(ret, 0, "%s: %s", words[0], why);
	return a;
}

static void answers(const char *const *words, int err, const char *text)
{
	int sock = client();
	struct control_answer a = asked_of(sock, words);

	cr_assert_eq(a.err, err, "%s: %d", words[0], a.err);
	cr_assert_str_eq(a.text, text);
	cr_assert_eq(a.len, strlen(text));
	free(a.text);
	close(sock);
}

/* Within the time of a few round trips, far below what a client is given. */
static void still_answers(const char *what)
{
	u64 begin = clock_ms();

	answers(ASK("words"), 0, "own: <words>");
	cr_assert_lt(clock_ms() - begin, CLIENT_MS / 2, "%s: an answer took %d ms", what,
		     (int)(clock_ms() - begin));
}

static void sends(int sock, const void *bytes, size_t len)
{
	cr_assert_eq(send(sock, bytes, len, MSG_NOSIGNAL), (ssize_t)len, "send: %s", strerror(errno));
}

/* The server has ended the connection, after @bytes of answer or any number for -1. */
static void is_cut_off(int sock, long bytes, const char *what)
{
	char buf[65536];
	long got = 0;
	ssize_t n;

	while ((n = recv(sock, buf, sizeof(buf), MSG_DONTWAIT)) > 0)
		got += n;
	cr_assert(!n || errno == ECONNRESET, "%s: the connection is still there: %s", what, strerror(errno));
	cr_assert(bytes < 0 || got == bytes, "%s: %ld bytes came, not %ld", what, got, bytes);
	close(sock);
}

static void says(int sock, const char *text)
{
	char buf[256] = "";
	ssize_t n;

	serve(20);
	n = recv(sock, buf, sizeof(buf) - 1, MSG_DONTWAIT);
	cr_assert_gt(n, 0, "no answer: %s", strerror(errno));
	cr_assert(strstr(buf, text), "no \"%s\" in: %s", text, buf);
	close(sock);
}

/* What is asked and answered. */

Test(control, a_command_gets_its_words_and_its_answer_comes_back)
{
	answers(ASK("words"), 0, "own: <words>");
	answers(ASK("words", "/dev/a b\n", "\xff"), 0, "own: <words> </dev/a b\n> <\xff>");
}

Test(control, a_command_that_fails_says_why)
{
	answers(ASK("fail", "/dev/a"), -ENODEV, "leg /dev/a is not there");
	answers(ASK("silent"), -ENOSPC, "No space left on device");
}

Test(control, a_request_that_is_wrong_is_told_what_is_right)
{
	answers(ASK("melt"), -EOPNOTSUPP, "melt: this server knows no such command");
	answers(ASK("fail"), -EINVAL, "fail: 0 arguments: right is 'fail PATH'");
	answers(ASK("words", "1", "2", "3"), -EINVAL, "words: 3 arguments: right is 'words [A [B]]'");
	answers(ASK("words", "1", "2", "3", "4", "5", "6", "7", "8"), -E2BIG, "right are 8 words at most");
}

Test(control, an_answer_larger_than_a_socket_takes_is_whole)
{
	int sock = client();
	struct control_answer a = asked_of(sock, ASK("long"));

	cr_assert_eq(a.len, LONG_ANSWER);
	for (unsigned int i = 0; i < LONG_ANSWER; i++)
		cr_assert_eq(a.text[i], 'a' + i % 26, "byte %u", i);
	free(a.text);
	close(sock);
}

Test(control, words_that_no_request_has_room_for_are_not_sent)
{
	static char word[CONTROL_REQUEST_MAX];
	struct control_answer a;
	int sock = client();

	memset(word, 'x', sizeof(word) - 1);
	cr_assert_eq(control_exchange(sock, ASK("words", word), &a, why), -E2BIG);
	cr_assert_eq(control_exchange(sock, ASK("words", ""), &a, why), -EINVAL);
	close(sock);
}

/* A server that is of another version, or dies. */
static void gets(const char *answer, size_t len, int want, const char *text)
{
	struct control_answer a;
	int socks[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, socks), 0);
	sends(socks[1], answer, len);
	shutdown(socks[1], SHUT_WR);
	cr_assert_eq(control_exchange(socks[0], ASK("words"), &a, why), want, "%.*s", (int)len, answer);
	cr_assert_null(a.text);
	cr_assert(strstr(why, text), "it says: %s", why);
	close(socks[0]);
	close(socks[1]);
}

Test(control, an_answer_that_breaks_off_or_is_none_is_told)
{
	static const char endless[64] = "00000000000000000000000000000000000000000000000000000000000000";

	gets("", 0, -ECONNRESET, "does not answer");
	gets("0 1", 3, -ENODATA, "not whole");
	gets("0 5\nabcd", 8, -ENODATA, "not whole");
	gets("{\"target\"\n", 10, -EPROTO, "is it of this version");
	gets("0 5 \nabcde", 10, -EPROTO, "is it of this version");
	gets("1 5\nabcde", 9, -EPROTO, "is it of this version");
	gets("0 99999999999\na", 15, -EPROTO, "is it of this version");
	gets(endless, sizeof(endless), -EPROTO, "is it of this version");
}

/* Nobody holds up the server. */

Test(control, a_client_that_sends_nothing_holds_up_nobody_and_is_cut_off)
{
	int sock = client();

	serve(10);
	still_answers("a silent client");
	serve(CLIENT_MS);
	is_cut_off(sock, 0, "a silent client");
}

Test(control, a_client_that_sends_half_a_request_holds_up_nobody_and_is_cut_off)
{
	int sock = client();

	sends(sock, "words\0hal", 9);
	serve(10);
	still_answers("half a request");
	serve(CLIENT_MS);
	is_cut_off(sock, 0, "half a request");
}

/* It sends all the time, so no limit for one read would ever end it. */
Test(control, a_client_that_sends_byte_by_byte_has_no_more_time)
{
	u64 begin = clock_ms();
	int sock = client();

	while (clock_ms() - begin < 2 * CLIENT_MS && send(sock, "x", 1, MSG_NOSIGNAL) == 1)
		serve(CLIENT_MS / 20);
	cr_assert_lt(clock_ms() - begin, 2 * CLIENT_MS, "it was not cut off");
	close(sock);
}

Test(control, a_client_that_goes_in_the_middle_is_forgotten)
{
	for (unsigned int i = 0; i < 4 * CONTROL_CLIENTS; i++) {
		int sock = client();

		sends(sock, "words", i % 6);
		serve(1);
		close(sock);
	}
	still_answers("clients that went");
}

Test(control, garbage_is_answered_and_ends_the_connection)
{
	static char much[CONTROL_REQUEST_MAX];
	int sock = client();

	sends(sock, "\0", 1);
	says(sock, "-22 19\nthere is no command");
	sock = client();
	sends(sock, "words\0\0words\0\0", 14);
	says(sock, "-22 29\nsomething follows the request");
	sock = client();
	memset(much, 'j', sizeof(much));
	sends(sock, much, sizeof(much));
	says(sock, "-7 24\nthe request does not end");
	still_answers("garbage");
}

Test(control, a_client_that_does_not_read_its_answer_holds_up_nobody_and_is_cut_off)
{
	int sock = client();

	sends(sock, "long\0", 6);
	serve(10);
	still_answers("an answer that is not read");
	serve(CLIENT_MS);
	is_cut_off(sock, -1, "an answer that is not read");
}

Test(control, more_clients_than_there_is_room_for_wait_for_those_before_them)
{
	int socks[CONTROL_CLIENTS];
	u64 begin;

	for (unsigned int i = 0; i < CONTROL_CLIENTS; i++)
		socks[i] = client();
	serve(20);
	begin = clock_ms();
	answers(ASK("words"), 0, "own: <words>");
	cr_assert_lt(clock_ms() - begin, 3 * CLIENT_MS, "it took %d ms", (int)(clock_ms() - begin));
	for (unsigned int i = 0; i < CONTROL_CLIENTS; i++)
		is_cut_off(socks[i], 0, "one of many");
}

/* With no room the listener is readable all the time: the server must not run round and round. */
Test(control, waits_for_nothing_when_nobody_can_be_served)
{
	int socks[2 * CONTROL_CLIENTS];
	struct pollfd pfd = { .events = POLLIN };

	for (unsigned int i = 0; i < 2 * CONTROL_CLIENTS; i++)
		socks[i] = client();
	serve(20);
	pfd.fd = control.fd;
	cr_assert_eq(poll(&pfd, 1, 0), 0, "there is something to do");
	cr_assert_gt(control_next(&control, clock_ms()), 0);
	for (unsigned int i = 0; i < 2 * CONTROL_CLIENTS; i++)
		close(socks[i]);
	serve(20);
	cr_assert_eq(control_next(&control, clock_ms()), -1, "a client is left");
}

Test(control, a_user_that_is_not_trusted_gets_no_answer)
{
	int sock;

	if (geteuid())
		cr_skip_test("needs root, to be another user for a moment");
	cr_assert_eq(chmod(dir, 0755) | chmod(sa.sun_path, 0666), 0);
	cr_assert_eq(seteuid(65534), 0);
	sock = client();
	cr_assert_eq(seteuid(0), 0);
	send(sock, "words\0", 7, MSG_NOSIGNAL);
	serve(20);
	is_cut_off(sock, 0, "a stranger");
}
