// SPDX-License-Identifier: GPL-2.0
/*
 * mirror stop: the device of a set goes, and its record says that it was stopped cleanly.  Other
 * than `del`, it refuses a device that is mounted: what is not written yet would be lost.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "cmd.h"
#include "cmd_mirror.h"
#include "log.h"
#include "mirror_find.h"
#include "mountinfo.h"
#include "remove.h"

/* struct stop_conf - the options' values, on the stack of cmd_mirror_stop() */
struct stop_conf {
	bool json;
};

static const struct opt stop_opts[] = {
	{ .name = "json", .letter = 'j', .type = OPT_FLAG, .offset = offsetof(struct stop_conf, json),
	  .help = "print what was stopped as JSON" },
	{ 0 }
};

/* Where the device is mounted, as far as this process sees. */
static bool stop_mount_point(const char *device, char *point, size_t len)
{
	struct mountinfo m;
	struct stat st;
	bool found = false;

	if (stat(device, &st))
		return false;
	mountinfo_open(&m, "");
	while (!found && mountinfo_next(&m)) {
		found = m.major == major(st.st_rdev) && m.minor == minor(st.st_rdev);
		if (found)
			snprintf(point, len, "%s", m.point);
	}
	mountinfo_close(&m);
	return found;
}

/*
 * Take the device for ourselves: nobody can mount it until it is stopped.  A file system, swap, and
 * device-mapper take it in the same way.  A descriptor, or -errno after a message.
 */
static int stop_take(const char *cmd, const struct mirror_status *s)
{
	int fd = open(s->device, O_RDONLY | O_EXCL | O_CLOEXEC), err = errno;
	char point[256];

	if (fd >= 0)
		return fd;
	if (err != EBUSY)
		log_err("%s: set %s: %s: %s", cmd, s->name, s->device, strerror(err));
	else if (stop_mount_point(s->device, point, sizeof(point)))
		log_err("%s: set %s: %s is mounted at %s: unmount it first", cmd, s->name, s->device, point);
	else
		log_err("%s: set %s: %s is in use: a partition or another device of it, swap, or a mount that is not seen from here; end that first ('lsblk %s' may show it)",
			cmd, s->name, s->device, s->device);
	return -err;
}

static int stop_device(struct ctrl *c, const char *cmd, const struct mirror_found *f, bool *removed)
{
	int fd = stop_take(cmd, &f->status), ret;

	if (fd < 0)
		return fd;
	ret = remove_stop(c, cmd, f->id);
	close(fd);
	if (!ret)
		return remove_device(c, cmd, f->id, removed);
	log_err("%s: set %s: device %u: %s", cmd, f->status.name, f->id, strerror(-ret));
	return ret;
}

static void stop_json(const struct mirror_status *s, bool removed)
{
	struct json j;

	json_init(&j, stdout);
	json_open(&j, NULL, '{');
	json_str(&j, "name", s->name);
	json_str(&j, "uuid", s->uuid);
	json_str(&j, "device", s->device);
	json_bool(&j, "removed", removed);
	json_close(&j, '}');
	putchar('\n');
}

static int stop_found(const char *cmd, const struct mirror_found *f, bool json)
{
	struct ctrl c;
	bool removed;
	int ret = ctrl_init(&c);

	if (ret)
		return ret;
	ret = stop_device(&c, cmd, f, &removed);
	ctrl_deinit(&c);
	if (!ret && json)
		stop_json(&f->status, removed);
	return ret;
}

static int stop_run(const char *cmd, const char *name, bool json)
{
	const struct mirror_found *f;
	struct mirror_sets s = { 0 };
	int ret = mirror_sets_served(&s, cmd, name, &f);

	if (!ret)
		ret = stop_found(cmd, f, json);
	mirror_sets_free(&s);
	return ret ? 1 : 0;
}

int cmd_mirror_stop(int argc, char **argv)
{
	struct stop_conf conf = { 0 };
	const struct opt_group group = { stop_opts, &conf };
	unsigned int nr_words;
	const char *name;
	int ret = opts_parse_words(argc, argv, &group, 1, &nr_words);

	if (ret == OPTS_HELP) {
		printf("usage: regbuf mirror stop NAME [--json]\n\n"
		       "Removes the device of a set, and records that it was stopped cleanly.  A device that is\n"
		       "mounted, or used in another way, is left alone.\n\n");
		opts_help(stdout, stop_opts);
		return 0;
	}
	name = ret ? NULL : mirror_name_of(argv, nr_words);
	return name ? stop_run(argv[0], name, conf.json) : EXIT_USAGE;
}
