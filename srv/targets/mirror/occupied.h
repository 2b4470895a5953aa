/* SPDX-License-Identifier: GPL-2.0 */
#ifndef SRV_OCCUPIED_H
#define SRV_OCCUPIED_H

#include "../../types.h"

/*
 * Is there something on an open leg of @bytes that somebody may keep (signature.h)?  Looks at its end,
 * and with @begin at its begin.  0, and *what is its name or NULL; or -errno.
 */
int occupied_by(int fd, u64 bytes, bool begin, const char **what);

#endif
