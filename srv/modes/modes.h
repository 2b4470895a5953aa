/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The modes, each a line: mode_NAME is its table.  In the order of the help.
 */
#ifndef SRV_MODES_H
#define SRV_MODES_H

#include "../mode.h"

#define MODES(mode) \
	mode(copy) \
	mode(user_copy) \
	mode(get_data) \
	mode(register) \
	mode(register_cmd) \
	mode(auto) \
	mode(handoff) \
	mode(register_chain) \
	mode(fused) \
	mode(fused_n) \
	/* end */

#define MODE_DECLARE(mode)	extern const struct mode_ops mode_##mode;
MODES(MODE_DECLARE)
#undef MODE_DECLARE

#endif
