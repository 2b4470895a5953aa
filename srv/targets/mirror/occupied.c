// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdlib.h>

#include "../../signature.h"
#include "format.h"
#include "leginfo.h"
#include "occupied.h"

int occupied_by(int fd, u64 bytes, bool begin, const char **what)
{
	u64 at = bytes < SIGNATURE_SPAN ? 0 : round_down_u64(bytes - (128U << 10), FORMAT_ALIGN);
	u8 *mem = aligned_alloc(FORMAT_ALIGN, SIGNATURE_SPAN);
	int ret = 0;

	*what = NULL;
	if (!mem)
		return -ENOMEM;
	if (begin) {
		ret = leginfo_pread(fd, mem, SIGNATURE_SPAN, 0);
		if (!ret)
			*what = signature_at_begin(mem, SIGNATURE_SPAN);
	}
	if (!ret && !*what) {
		ret = leginfo_pread(fd, mem, SIGNATURE_SPAN, at);
		if (!ret)
			*what = signature_at_end(mem, SIGNATURE_SPAN, at, bytes);
	}
	free(mem);
	return ret;
}
