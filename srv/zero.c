// SPDX-License-Identifier: GPL-2.0
#include <errno.h>

#include "zero.h"

bool zero_goes_on(struct step *s, int res, u32 lbs)
{
	if (s->op != STEP_ZERO)
		return false;
	if (res == -EOPNOTSUPP && s->how != ZERO_WRITE) {
		s->how++;
		return true;
	}
	if (res <= 0)
		return false;
	res = round_down_u64(res, lbs);
	s->done += res;
	return res || s->tries++ < STEP_TRIES;
}
