/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A ublk device as its clients and the machine see it, whoever serves it.
 */
#ifndef TESTS_DEV_H
#define TESTS_DEV_H

#include <sys/types.h>

#include "check.h"

/* Opens /dev/ublkb@id, or its partition: @part is "" or "p1". */
int dev_open(int id, const char *part, int flags);
/* The number that /sys/block/ublkb@id/@attr has. */
u64 dev_attr(int id, const char *attr);
void dev_set(int id, const char *attr, const char *value);
/* Sectors that clients have written, by /sys/block/ublkb@id/stat; zeroes are writes, discards are none. */
u64 dev_sectors_written(int id);
/* The server's process, as the driver says. */
pid_t dev_server(int id);

/*
 * A disk or controller that is there for tests: the first whose file in sysfs begins with @text.  @attribute is the
 * pattern of such files, with one *; the part of the path that has it is the @name, of @len bytes.  False: none has.
 */
bool dev_find(const char *attribute, const char *text, char *name, size_t len);

#endif
