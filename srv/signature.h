/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What is on a disk already: a short list of well-known signatures, so that nobody loses a
 * file system by a slip.
 *
 * Why not libblkid, which knows some 80: a library more to install.  The price: what is
 * not in the list is not seen.
 */
#ifndef SRV_SIGNATURE_H
#define SRV_SIGNATURE_H

#include "types.h"

/* So many bytes at the start, and at the end, are looked at. */
#define SIGNATURE_SPAN	(132U << 10)

/*
 * The name of the first one at the start, or at the end, of a disk of @bytes; NULL: none.
 * @data: @len bytes from byte @at of the disk on.
 */
const char *signature_at_begin(const void *data, size_t len);
const char *signature_at_end(const void *data, size_t len, u64 at, u64 bytes);

#endif
