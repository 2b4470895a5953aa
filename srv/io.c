// SPDX-License-Identifier: GPL-2.0
#include <errno.h>

#include "io.h"
#include "zero.h"

int io_step_op(u8 ublk_op)
{
	static const u8 map[] = {
		[UBLK_IO_OP_READ]		= STEP_READ + 1,
		[UBLK_IO_OP_WRITE]		= STEP_WRITE + 1,
		[UBLK_IO_OP_FLUSH]		= STEP_SYNC + 1,
		[UBLK_IO_OP_DISCARD]		= STEP_DISCARD + 1,
		[UBLK_IO_OP_WRITE_ZEROES]	= STEP_ZERO + 1,
	};

	if (unlikely(ublk_op >= ARRAY_SIZE(map) || !map[ublk_op]))
		return -EOPNOTSUPP;
	return map[ublk_op] - 1;
}

static void io_step_done(struct step *s, int res)
{
	s->state = STEP_DONE;
	s->res = res;
}

/* Was the failure not the leg's?  Then the same once more. */
static bool io_step_passes(int res, const struct step_rules *rules)
{
	return res == -EAGAIN || res == -EINTR || (res < 0 && res == rules->lost_errno);
}

/* Behind a short result, in whole blocks.  False: no block came too often. */
static bool io_step_rest(struct step *s, int res, const struct step_rules *rules)
{
	u32 whole = round_down_u64(res, rules->block);

	s->done += whole;
	s->want -= whole;
	return whole || ++s->tries <= STEP_TRIES;
}

static bool io_step_goes_on(struct step *s, int res, const struct step_rules *rules)
{
	/* Its target has another way. */
	if (s->op == STEP_NOTE)
		return false;
	if (res == -EINVAL && rules->lends && step_op_has_data(s->op)) {
		s->how = HOW_COPY;
		return true;
	}
	if (io_step_passes(res, rules) && s->tries < STEP_TRIES) {
		s->tries++;
		return true;
	}
	return res > 0 && step_op_has_data(s->op) && io_step_rest(s, res, rules);
}

void io_step_odd(struct step *s, int res, const struct step_rules *rules)
{
	s->state = STEP_TODO;
	if (zero_goes_on(s, res, rules->block)) {
		if (s->done == s->len)
			io_step_done(s, 0);
	} else if (!io_step_goes_on(s, res, rules)) {
		/* Nothing at all: the end of the leg came too early. */
		io_step_done(s, res < 0 ? res : -EIO);
	}
}
