// SPDX-License-Identifier: GPL-2.0
#include <stdbool.h>
#include <string.h>

#include "crc32c.h"

/* What half a byte does to the polynomial 0x1edc6f41, bits reversed. */
static const u32 crc32c_table[16] = {
	0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1,
	0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
	0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
	0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
};

static u32 crc32c_bytes(u32 crc, const u8 *byte, size_t nr)
{
	for (; nr; nr--, byte++) {
		crc = crc32c_table[(crc ^ *byte) & 15] ^ crc >> 4;
		crc = crc32c_table[(crc ^ *byte >> 4) & 15] ^ crc >> 4;
	}
	return crc;
}

/* By the processor, where it can: a write waits for its bit while a block of the bitmap is summed up. */
#ifdef __x86_64__
static bool crc32c_has_words(void)
{
	return __builtin_cpu_supports("sse4.2");
}

__attribute__((target("sse4.2")))
static u32 crc32c_words(u32 crc, const u8 *at, size_t nr)
{
	for (; nr; nr--, at += sizeof(u64)) {
		u64 word;

		memcpy(&word, at, sizeof(word));
		crc = __builtin_ia32_crc32di(crc, word);
	}
	return crc;
}
#else
static bool crc32c_has_words(void)
{
	return false;
}

static u32 crc32c_words(u32 crc, const u8 *at, size_t nr)
{
	return crc;
}
#endif

u32 crc32c(u32 crc, const void *data, size_t len)
{
	size_t words = crc32c_has_words() ? len / sizeof(u64) : 0, done = words * sizeof(u64);

	crc = crc32c_words(~crc, data, words);
	return ~crc32c_bytes(crc, (const u8 *)data + done, len - done);
}
