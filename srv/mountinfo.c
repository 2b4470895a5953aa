// SPDX-License-Identifier: GPL-2.0
#include <linux/limits.h>
#include <stdlib.h>
#include <string.h>

#include "mountinfo.h"

void mountinfo_of(struct mountinfo *m, FILE *f)
{
	memset(m, 0, sizeof(*m));
	m->f = f;
}

void mountinfo_open(struct mountinfo *m, const char *root)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/proc/self/mountinfo", root);
	mountinfo_of(m, fopen(path, "re"));
}

void mountinfo_close(struct mountinfo *m)
{
	free(m->line);
	if (m->f)
		fclose(m->f);
}

static bool is_octal(const char *s)
{
	return s[0] >= '0' && s[0] <= '3' && s[1] >= '0' && s[1] <= '7' && s[2] >= '0' && s[2] <= '7';
}

/* \040 and the like, as the kernel writes them */
static void unescape(char *s)
{
	char *to = s;

	while (*s) {
		if (*s == '\\' && is_octal(s + 1)) {
			*to++ = (s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0');
			s += 4;
		} else {
			*to++ = *s++;
		}
	}
	*to = '\0';
}

/* The next word, which may be empty: a source is.  NULL: there is none. */
static char *mountinfo_word(char **rest)
{
	return strsep(rest, " \n");
}

/* 36 35 98:0 /root /point options optional-fields - type source options */
bool mountinfo_parse(struct mountinfo *m, char *line)
{
	char *rest = strstr(line, " - "), *number, *root, *point, *type, *options;
	unsigned int major, minor;

	if (!rest)
		return false;
	*rest = '\0';
	rest += strlen(" - ");
	mountinfo_word(&line);
	mountinfo_word(&line);
	number = mountinfo_word(&line);
	root = mountinfo_word(&line);
	point = mountinfo_word(&line);
	type = mountinfo_word(&rest);
	mountinfo_word(&rest);
	options = mountinfo_word(&rest);
	if (!point || !options || !*options || sscanf(number, "%u:%u", &major, &minor) != 2)
		return false;
	unescape(root);
	unescape(point);
	if (*point != '/')
		return false;
	m->major = major;
	m->minor = minor;
	m->root = root;
	m->point = point;
	m->type = type;
	m->options = options;
	return true;
}

bool mountinfo_next(struct mountinfo *m)
{
	while (m->f && getline(&m->line, &m->size, m->f) > 0)
		if (mountinfo_parse(m, m->line))
			return true;
	return false;
}
