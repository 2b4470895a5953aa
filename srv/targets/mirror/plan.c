// SPDX-License-Identifier: GPL-2.0
#include <errno.h>

#include "plan.h"

bool mirror_leg_fault(int err)
{
	switch (err) {
	case 0:
	case -EFAULT:
	case -EINVAL:
	case -ENOMEM:
	case -EAGAIN:
	case -EINTR:
	case -EOPNOTSUPP:
		return false;
	}
	return true;
}

void mirror_count(struct mirror_tally *t, enum step_op op, unsigned int leg, int res)
{
	u32 bit = 1U << leg;

	if (!res) {
		t->ok |= bit;
	} else if (res == -EOPNOTSUPP && (op == STEP_DISCARD || op == STEP_ZERO)) {
		t->refused |= bit;
	} else {
		t->failed |= bit;
		if (mirror_leg_fault(res))
			t->fault |= bit;
		if (res == -ENOSPC || res == -EDQUOT)
			t->full |= bit;
		if (!t->err)
			t->err = res;
	}
}

int mirror_outcome(const struct mirror_tally *t, enum step_op op, u32 live, u32 *drop,
		   bool *differ)
{
	u32 good = live & (t->ok | t->refused);

	*differ = false;
	if (good) {
		*drop = live & t->failed;
		if (op == STEP_ZERO)
			return live & t->refused ? -EOPNOTSUPP : 0;
		return live & t->ok ? 0 : -EOPNOTSUPP;
	}
	*drop = live & t->fault;
	if (*drop == (live & t->full)) {
		*differ = *drop && live & (live - 1);
		*drop = 0;
	}
	if (*drop == live)
		*drop &= *drop - 1;
	return t->err ? t->err : -EIO;
}

int mirror_outcome_rebuilding(const struct mirror_tally *t, enum step_op op, u32 rebuilding, int err,
			      u32 *drop, bool *differ)
{
	if (!rebuilding)
		return err;
	*drop |= rebuilding & t->failed;
	if (!err && op == STEP_ZERO && rebuilding & t->refused)
		return -EOPNOTSUPP;
	/* Those that stay may have what the client takes for not written. */
	if (err && err != -EOPNOTSUPP && op != STEP_SYNC)
		*differ |= rebuilding & ~*drop;
	return err;
}
