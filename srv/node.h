/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The device nodes /dev/ublkcN and /dev/ublkbN: made by devtmpfs, or by udev where
 * /dev is something else.  Neither replaces what stands there already, and neither
 * says so: whoever wrote to a device that was gone left a regular file.
 */
#ifndef SRV_NODE_H
#define SRV_NODE_H

#include <sys/types.h>

#include "types.h"

enum node_kind {
	NODE_CHAR,	/* ublkcN */
	NODE_BLOCK,	/* ublkbN */
};

/*
 * Before device @id is made: can its nodes be?  @root: "", or what stands for / in
 * a test.  0, or -EEXIST after a message: something else has one of their names.
 */
int node_check_names(const char *root, u32 id);

/*
 * Wait until the node of a device that was just made is there, and is @dev; 0 is any
 * number.  It is not opened: that could wait for the partition table, and so for the
 * server.  0; -EEXIST or -ETIMEDOUT after a message.
 */
int node_wait(enum node_kind kind, u32 id, dev_t dev);

/* The type of the file system that @path is the mount point of, or "" if nobody says. */
void node_fs_type(const char *root, const char *path, char *type, size_t len);

#endif
