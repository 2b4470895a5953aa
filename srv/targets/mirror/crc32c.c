// SPDX-License-Identifier: GPL-2.0
#include "crc32c.h"

/* What half a byte does to the polynomial 0x1edc6f41, bits reversed. */
static const u32 crc32c_table[16] = {
	0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1,
	0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
	0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
	0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
};

u32 crc32c(u32 crc, const void *data, size_t len)
{
	const u8 *byte = data;

	for (crc = ~crc; len--; byte++) {
		crc = crc32c_table[(crc ^ *byte) & 15] ^ crc >> 4;
		crc = crc32c_table[(crc ^ *byte >> 4) & 15] ^ crc >> 4;
	}
	return ~crc;
}
