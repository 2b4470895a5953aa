/* SPDX-License-Identifier: GPL-2.0 */
/* All that the crowd does, from its first process to the count of what is left. */
#ifndef FUZZ_CROWD_KEEPER_H
#define FUZZ_CROWD_KEEPER_H

struct crowd_opts {
	unsigned int seed, ops, threads, minutes;
	const char *wrong;
};

/* Ends the program with status 1 if something is found. */
void keeper_run(const struct crowd_opts *o);

#endif
