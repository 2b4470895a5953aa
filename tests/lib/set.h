/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A mirror's set whose legs are those of tleg.h: what the record on each says, of a set that is
 * served as well as of one that is not.
 */
#ifndef TESTS_SET_H
#define TESTS_SET_H

#include "check.h"
#include "targets/mirror/leginfo.h"

/* The leg's record, or the test fails. */
void set_leg(unsigned int leg, struct leginfo *l);
/* How many bits its bitmap has, no sector of which is damaged, or the test fails. */
u64 set_bits(unsigned int leg);
/* The server of device @id is killed.  The device is removed, if it is not gone by itself. */
void set_kill_server(int id);

#endif
