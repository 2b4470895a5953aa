/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A kernel of ours that waits to be booted.
 */
#ifndef SRV_INSTALLED_H
#define SRV_INSTALLED_H

#include "types.h"

/* What scripts/deb.config puts behind the release of a kernel of ours. */
#define KERNEL_OURS	"-regbuf"

/* @release: of the newest in @boot, which is /boot but for tests; false: there is none. */
bool installed_kernel(const char *boot, char *release, size_t len);

#endif
