/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A crew: threads of one process that do random things to a ring of their own each,
 * and to one that they share.
 */
#ifndef FUZZ_CROWD_LENDER_H
#define FUZZ_CROWD_LENDER_H

#include "crowd.h"
#include "crowd_ring.h"

/* @cdev: an open ublk char device, or -1.  Called once, by a thread with a voice. */
void crew_init(const struct crowd_start *start, int cdev);
/* Threads @first to @nr - 1. */
void crew_start_threads(unsigned int first, unsigned int nr);
/* Runs in this thread until all is over. */
void crew_thread(unsigned int thread);

#endif
