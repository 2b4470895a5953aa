/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Numbers of devices, as a directory has them.
 */
#ifndef SRV_IDS_H
#define SRV_IDS_H

#include "types.h"

/* The greatest that the driver gives (its UBLK_MINORS, less one). */
#define ID_MAX	((1U << 20) - 1)
/* No device's: whichever is free, or all. */
#define ID_ANY	UINT32_MAX

/*
 * The numbers N of all names @prefix N @suffix in @dir, ascending, in *ids, which the caller
 * frees, also after an error.  Returns how many, or -errno.
 */
int ids_list(const char *dir, const char *prefix, const char *suffix, u32 **ids);

#endif
