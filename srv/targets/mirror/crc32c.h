/* SPDX-License-Identifier: GPL-2.0 */
#ifndef SRV_CRC32C_H
#define SRV_CRC32C_H

#include "../../types.h"

/*
 * CRC-32C (Castagnoli) of @len bytes, going on from @crc, which is 0 for the first ones.
 * Half a byte at a time: some 10 us for 4 KiB, which only records and bitmaps pay.
 */
u32 crc32c(u32 crc, const void *data, size_t len);

#endif
