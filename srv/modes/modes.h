/* SPDX-License-Identifier: GPL-2.0 */
#ifndef SRV_MODES_H
#define SRV_MODES_H

#include "../mode.h"

extern const struct mode_ops mode_copy;
extern const struct mode_ops mode_user_copy;
extern const struct mode_ops mode_get_data;
extern const struct mode_ops mode_register;
extern const struct mode_ops mode_register_chain;
extern const struct mode_ops mode_fused;
extern const struct mode_ops mode_fused_n;

#endif
