// SPDX-License-Identifier: GPL-2.0
#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "scan.h"
#include "uuid.h"

static int scan_no_memory(void)
{
	log_err("memory for a list of devices: %s", strerror(ENOMEM));
	return -ENOMEM;
}

/* Takes over @path, which is malloc'ed; NULL: there was no memory for it. */
static int scan_add(struct scan *s, char *path)
{
	char **paths = path ? realloc(s->paths, (s->nr + 1) * sizeof(*paths)) : NULL;

	if (!paths) {
		free(path);
		return scan_no_memory();
	}
	s->paths = paths;
	s->paths[s->nr++] = path;
	return 0;
}

static int scan_read(struct scan *s)
{
	s->legs = calloc(s->nr ? s->nr : 1, sizeof(*s->legs));
	if (!s->legs)
		return scan_no_memory();
	for (unsigned int i = 0; i < s->nr; i++)
		leginfo_read(&s->legs[i], s->paths[i]);
	return 0;
}

int scan_named(struct scan *s, const struct strlist *paths)
{
	int ret = 0;

	for (unsigned int i = 0; i < paths->nr && !ret; i++)
		ret = scan_add(s, strdup(paths->v[i]));
	return ret ? ret : scan_read(s);
}

void scan_free(struct scan *s)
{
	for (unsigned int i = 0; i < s->nr; i++)
		free(s->paths[i]);
	free(s->paths);
	free(s->legs);
	memset(s, 0, sizeof(*s));
}

/* The block devices. */

/* The first line of a device's attribute; false: it has none. */
static bool scan_attribute(const char *dir, const char *name, char *text, size_t len)
{
	char path[1100];
	FILE *f;
	bool ok;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "re");
	if (!f)
		return false;
	ok = fgets(text, len, f);
	fclose(f);
	if (ok)
		text[strcspn(text, "\n")] = '\0';
	return ok && *text;
}

static bool scan_attribute_is_set(const char *dir, const char *name)
{
	char text[32];

	return scan_attribute(dir, name, text, sizeof(text)) && strcmp(text, "0");
}

static bool scan_has_holders(const char *dir)
{
	char path[1100];
	struct dirent *e;
	bool found = false;
	DIR *d;

	snprintf(path, sizeof(path), "%s/holders", dir);
	d = opendir(path);
	while (d && !found && (e = readdir(d)))
		found = e->d_name[0] != '.';
	if (d)
		closedir(d);
	return found;
}

static bool scan_is_wanted(const char *dir, const char *name)
{
	return strncmp(name, "ublkb", 5) && scan_attribute_is_set(dir, "size") &&
	       !scan_attribute_is_set(dir, "hidden") && !scan_attribute_is_set(dir, "dm/suspended") &&
	       !scan_has_holders(dir);
}

/* The name that people use, malloc'ed. */
static char *scan_path(const char *root, const char *dir, const char *name)
{
	char mapped[256], *path;
	int n;

	if (scan_attribute(dir, "dm/name", mapped, sizeof(mapped))) {
		n = asprintf(&path, "%s/dev/mapper/%s", root, mapped);
		if (n < 0)
			return NULL;
		if (!access(path, F_OK))
			return path;
		free(path);
	}
	n = asprintf(&path, "%s/dev/%s", root, name);
	if (n < 0)
		return NULL;
	/* sysfs has ! for the / of names like cciss/c0d0 */
	for (char *c = path + strlen(root) + strlen("/dev/"); *c; c++)
		if (*c == '!')
			*c = '/';
	return path;
}

static int scan_not_hidden(const struct dirent *e)
{
	return e->d_name[0] != '.';
}

int scan_list(struct scan *s, const char *root)
{
	char path[512], dir[1024];
	struct dirent **names;
	int nr, ret = 0;

	snprintf(path, sizeof(path), "%s/sys/class/block", root);
	nr = scandir(path, &names, scan_not_hidden, versionsort);
	if (nr < 0) {
		ret = -errno;
		log_err("%s: which block devices there are cannot be read: %s; right is a sysfs at /sys, or --leg PATH for each leg",
			path, strerror(errno));
		return ret;
	}
	for (int i = 0; i < nr; i++) {
		snprintf(dir, sizeof(dir), "%s/%s", path, names[i]->d_name);
		if (!ret && scan_is_wanted(dir, names[i]->d_name))
			ret = scan_add(s, scan_path(root, dir, names[i]->d_name));
		free(names[i]);
	}
	free(names);
	return ret;
}

int scan_devices(struct scan *s)
{
	int ret = scan_list(s, "");

	if (ret)
		return ret;
	ret = scan_read(s);
	for (unsigned int i = 0; i < s->nr && !ret; i++)
		if (access(s->paths[i], R_OK) && errno == EACCES)
			s->denied++;
	return ret;
}

/* Which set. */

static bool scan_same_set(const struct leginfo *a, const struct leginfo *b)
{
	return !memcmp(a->super.set.uuid, b->super.set.uuid, UUID_BYTES);
}

static bool scan_is_named(const struct leginfo *l, const char *name)
{
	const struct super_set *set = &l->super.set;

	return !l->err && (!name || !strcmp(set->name, name) || uuid_is(name, set->uuid));
}

static __attribute__((format(printf, 2, 3)))
void scan_say(struct scan_why *why, const char *fmt, ...)
{
	size_t len = strlen(why->text);
	va_list args;

	va_start(args, fmt);
	vsnprintf(why->text + len, sizeof(why->text) - len, fmt, args);
	va_end(args);
}

/* The sets that @name may mean, each once. */
static void scan_say_sets(const struct leginfo *legs, unsigned int nr, const char *name,
			  struct scan_why *why)
{
	char text[UUID_TEXT];

	for (unsigned int i = 0; i < nr; i++) {
		bool said = !scan_is_named(&legs[i], name);

		for (unsigned int j = 0; j < i && !said; j++)
			said = scan_is_named(&legs[j], name) && scan_same_set(&legs[i], &legs[j]);
		if (said)
			continue;
		uuid_text(legs[i].super.set.uuid, text);
		scan_say(why, "%s (%s, on %s), ", legs[i].super.set.name, text, legs[i].path);
	}
	if (strlen(why->text) >= 2)
		why->text[strlen(why->text) - 2] = '\0';
}

int scan_choose(const struct leginfo *legs, unsigned int nr, const char *name, u8 uuid[16],
		struct scan_why *why)
{
	const struct leginfo *first = NULL;
	bool several = false;

	why->text[0] = '\0';
	for (unsigned int i = 0; i < nr; i++) {
		if (!scan_is_named(&legs[i], name))
			continue;
		if (!first)
			first = &legs[i];
		several |= !scan_same_set(first, &legs[i]);
	}
	if (!first) {
		scan_say(why, "no leg of %s%s is found; regbuf mirror examine PATH tells what is on a device",
			 name ? "set " : "any set", name ? name : "");
		return -ENOENT;
	}
	if (several) {
		if (name)
			scan_say(why, "several sets have the name %s; give the UUID of one: ", name);
		else
			scan_say(why, "there are several sets; give the name or the UUID of one: ");
		scan_say_sets(legs, nr, name, why);
		return -ENOTUNIQ;
	}
	memcpy(uuid, first->super.set.uuid, UUID_BYTES);
	return 0;
}

bool scan_is_of(const struct leginfo *l, const u8 uuid[16])
{
	if (!l->err)
		return !memcmp(l->super.set.uuid, uuid, UUID_BYTES);
	return l->claims && !l->elsewhere && !memcmp(l->claimed_uuid, uuid, UUID_BYTES);
}
