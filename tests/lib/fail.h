/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Memory that runs out: the kernel's fault injection for its small allocations, for
 * those of this thread only.  Debug kernels have it.
 */
#ifndef TESTS_FAIL_H
#define TESTS_FAIL_H

#include "check.h"

/* From here on @percent of all allocations fail.  False if this kernel cannot. */
bool failslab_start(unsigned int percent);
void failslab_stop(void);

#endif
