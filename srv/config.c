// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config.h"
#include "log.h"

#define BLANKS	" \t"

/* Commands that a file may have; @words: so many may stand behind it. */
static const struct {
	const char *name;
	unsigned int words;
} config_cmds[] = {
	[CONFIG_ADD]		= { "add", 0 },
	[CONFIG_ASSEMBLE]	= { "mirror assemble", 1 },
};

/* What is to be said by who starts the device, not by its file. */
static const char *const config_refused[] = {
	"degraded", "dry-run", "foreground", "help", "json", "name", "recover",
};

/* Where it is being read. */
struct config_line {
	const char *path;
	unsigned int nr;
};

#define line_err(line, fmt, ...)	log_err("%s:%u: " fmt, (line)->path, (line)->nr, __VA_ARGS__)

int config_append(struct config *c, const char *option, const char *value)
{
	char *word;

	if (asprintf(&word, "%s%s%s", option, value ? "=" : "", value ? value : "") < 0) {
		log_err("%s: %s", option, strerror(ENOMEM));
		return -ENOMEM;
	}
	c->argv[c->argc++] = word;
	c->argv[c->argc] = NULL;
	return 0;
}

/* The command.  Words that belong to it are cut off and become its own. */
static int config_set_cmd(const struct config_line *line, struct config *c, char *text)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(config_cmds); i++) {
		size_t n = strlen(config_cmds[i].name);
		char *words = text + n;
		int ret;

		if (strncmp(text, config_cmds[i].name, n) || !strchr(BLANKS, *words))
			continue;
		words += strspn(words, BLANKS);
		if (*words && (!config_cmds[i].words || *words == '-' || strpbrk(words, BLANKS))) {
			line_err(line, "%s: options of '%s' have lines of their own, without dashes", words,
				 config_cmds[i].name);
			return -EINVAL;
		}
		c->cmd = i;
		ret = config_append(c, config_cmds[i].name, NULL);
		return ret || !*words ? ret : config_append(c, words, NULL);
	}
	line_err(line, "%s: no such command; right are 'add' and 'mirror assemble NAME', and then options, one a line",
		 text);
	return -EINVAL;
}

static bool config_is_refused(const char *option)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(config_refused); i++)
		if (!strcmp(option, config_refused[i]))
			return true;
	return false;
}

/* "NAME VALUE" becomes --NAME=VALUE. */
static int config_add_option(const struct config_line *line, struct config *c, char *text)
{
	char *value = text + strcspn(text, BLANKS), option[64];

	if (*value) {
		*value++ = '\0';
		value += strspn(value, BLANKS);
	}
	if (*text == '-' || strchr(text, '=') || strlen(text) > sizeof(option) - sizeof("--")) {
		line_err(line, "%s: right is an option's long name without dashes, a blank, and its value", text);
		return -EINVAL;
	}
	if (config_is_refused(text)) {
		line_err(line, "%s: no option of a file; who starts the device may give it", text);
		return -EINVAL;
	}
	if (c->argc == CONFIG_WORDS_MAX) {
		line_err(line, "%s: too many options; right are at most %u", text, CONFIG_WORDS_MAX - 2);
		return -E2BIG;
	}
	snprintf(option, sizeof(option), "--%s", text);
	return config_append(c, option, *value ? value : NULL);
}

/* One line, without its end. */
static int config_take(const struct config_line *line, struct config *c, char *text)
{
	size_t n;

	text += strspn(text, BLANKS);
	n = strlen(text);
	while (n && strchr(BLANKS "\r", text[n - 1]))
		text[--n] = '\0';
	if (!n || *text == '#')
		return 0;
	return c->argc ? config_add_option(line, c, text) : config_set_cmd(line, c, text);
}

/* All of a file, with a 0 behind it, to be freed.  0 or -errno. */
static int config_load(const char *path, char **text)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), ret = 0;
	size_t len = 0;
	ssize_t n;

	if (fd < 0)
		return -errno;
	*text = malloc(CONFIG_BYTES_MAX + 1);
	if (!*text)
		ret = -ENOMEM;
	while (!ret && (n = read(fd, *text + len, CONFIG_BYTES_MAX + 1 - len)) != 0) {
		if (n < 0)
			ret = -errno;
		else if ((len += n) > CONFIG_BYTES_MAX)
			ret = -EFBIG;
	}
	close(fd);
	if (!ret && memchr(*text, '\0', len))
		ret = -EILSEQ;
	if (ret)
		free(*text);
	else
		(*text)[len] = '\0';
	return ret;
}

static int config_parse(const char *path, struct config *c, char *rest)
{
	struct config_line line = { .path = path };
	char *text;
	int ret = 0;

	while (!ret && (text = strsep(&rest, "\n"))) {
		line.nr++;
		ret = config_take(&line, c, text);
	}
	if (!ret && !c->argc) {
		log_err("%s: it says nothing; right are 'add' or 'mirror assemble NAME', and then options, one a line",
			path);
		ret = -EINVAL;
	}
	return ret;
}

int config_read(const char *path, struct config *c)
{
	char *text = NULL;
	int ret;

	*c = (struct config){ 0 };
	ret = config_load(path, &text);
	if (ret) {
		log_err("%s: %s", path, ret == -EILSEQ ? "it has a zero byte; right is text" : strerror(-ret));
		return ret;
	}
	ret = config_parse(path, c, text);
	free(text);
	if (ret)
		config_free(c);
	return ret;
}

void config_free(struct config *c)
{
	for (int i = 0; i < c->argc; i++)
		free(c->argv[i]);
	*c = (struct config){ 0 };
}

int config_path(const char *word, char *path, char *name)
{
	const char *base = strrchr(word, '/');
	size_t n;

	if (base)
		n = snprintf(path, CONFIG_PATH_MAX, "%s", word);
	else
		n = snprintf(path, CONFIG_PATH_MAX, CONFIG_DIR "/%s" CONFIG_SUFFIX, word);
	if (n >= CONFIG_PATH_MAX)
		return -ENAMETOOLONG;
	snprintf(name, CONFIG_PATH_MAX, "%s", base ? base + 1 : word);
	n = strlen(name);
	if (base && n > strlen(CONFIG_SUFFIX) && !strcmp(name + n - strlen(CONFIG_SUFFIX), CONFIG_SUFFIX))
		name[n - strlen(CONFIG_SUFFIX)] = '\0';
	return 0;
}
