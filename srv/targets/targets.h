/* SPDX-License-Identifier: GPL-2.0 */
#ifndef SRV_TARGETS_H
#define SRV_TARGETS_H

#include "../target.h"

extern const struct target_ops target_null;
extern const struct target_ops target_loop;
extern const struct target_ops target_mirror;
extern const struct target_ops target_stripe;
extern const struct target_ops target_fault;

#endif
