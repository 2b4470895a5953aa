/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A device's file: the command line that makes it, one option a line.
 *
 *	# a mirror of two disks
 *	mirror assemble home
 *	leg /dev/disk/by-id/ata-one
 *	leg /dev/disk/by-id/ata-two
 *	recovery
 *
 * The first line is the command.  Each other one is an option by its long name, without dashes, and
 * what stands behind the blanks is its value, up to the end of the line.  Lines that are empty or
 * begin with "#" do not count.
 */
#ifndef SRV_CONFIG_H
#define SRV_CONFIG_H

#include "types.h"

#define CONFIG_DIR		"/etc/regbuf"
#define CONFIG_SUFFIX		".conf"
#define CONFIG_BYTES_MAX	65536
#define CONFIG_WORDS_MAX	256
#define CONFIG_WORDS_MORE	4	/* what the caller may append */
#define CONFIG_PATH_MAX		4096	/* bytes, with the 0 behind it */

enum config_cmd { CONFIG_ADD, CONFIG_ASSEMBLE };

/*
 * struct config - what a file says
 * config_read() to config_free(); its user's.
 * @argv: argc words as a command gets them, NULL behind them; argv[0] is its name
 */
struct config {
	enum config_cmd cmd;
	int argc;
	char *argv[CONFIG_WORDS_MAX + CONFIG_WORDS_MORE + 1];
};

/* 0, or -errno after a message with the file and the line.  Whether the options are right is the command's to say. */
int config_read(const char *path, struct config *c);

void config_free(struct config *c);

/* Append @option, or "@option=@value"; at most CONFIG_WORDS_MORE times.  0, or -ENOMEM after a message. */
int config_append(struct config *c, const char *option, const char *value);

/*
 * The file of what a user names, in @path, and the device's name, in @name, of CONFIG_PATH_MAX bytes each: a
 * word with a "/" is a path, another one a name, of a file in CONFIG_DIR.  0, or -ENAMETOOLONG.
 */
int config_path(const char *word, char *path, char *name);

#endif
