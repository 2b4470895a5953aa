/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Zeroing is the one operation that a leg may not know, or know in part.  It is done in the
 * first of these ways that the leg takes:
 *
 *   free	blocks may go: a hole is punched.  Not when the client wants them kept
 *		(UBLK_IO_F_NOUNMAP): it has allocated them to be sure of them
 *   keep	the range is told to be zero and stays allocated; a block device
 *		writes zeroes itself when it must
 *   write	zeroes are written; for file systems that know neither
 *
 * So a client that asks for zeroes gets zeroes, whatever the file system says once
 * the device is made.  Which way comes next is decided here, nodata.c takes it.
 */
#ifndef SRV_ZERO_H
#define SRV_ZERO_H

#include "step.h"

/* step->how of STEP_ZERO */
enum zero_how {
	ZERO_FREE,
	ZERO_KEEP,
	ZERO_WRITE,
};

/*
 * Step @s got @res, which is not what it wanted.  True: it is to go on, unless s->done
 * is all of it now.  @lbs: the device's block, of which s->done is a multiple.
 */
bool zero_goes_on(struct step *s, int res, u32 lbs);

#endif
