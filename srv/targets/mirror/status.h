/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What is told of a set, between a server and the commands: words, each with a 0 behind it, in
 * pairs of a key and a value.  The key "leg" begins a leg, its value is the leg's slot; what
 * follows is of that leg.  A value that there is not has no key, and keys that are not known
 * are left out, so that a server may be of another version.
 *
 * Why not JSON: paths can have any bytes, and the commands would need a parser.  They print the
 * JSON, of a set that is served as of one that is not.
 */
#ifndef SRV_MIRROR_STATUS_H
#define SRV_MIRROR_STATUS_H

#include <stdio.h>

#include "format.h"

/*
 * struct mirror_leg_status - one leg
 * @path: NULL: it is not here
 * @state: "in-sync" and so on, leginfo_state_name(), or "missing"
 * @error: NULL, or why it is not used
 * @write_mostly: it is read only if no other leg can be
 * @oldest_ms: how long its oldest step has been under way, 0: none is
 */
struct mirror_leg_status {
	u64 slot;
	const char *path;
	const char *uuid;
	const char *state;
	const char *error;
	u64 read_errors;
	u64 write_mostly;
	u64 oldest_ms;
};

/*
 * struct mirror_status - a set
 * Plain data; the strings are those of who filled it, or of what was read.
 * @state: "clean", "dirty", "resync", "degraded", or "stopped"
 * @whole: every leg is in sync
 * @work: what goes through the set now: "resync", "check", "repair"; NULL: nothing
 * @done, @total: bytes of it
 * @eta_s: -1: nobody knows
 * @mismatches: found by the latest check
 * @resync_min to @max_read_errors: as struct mirror_limits
 */
struct mirror_status {
	const char *name;
	const char *uuid;
	const char *device;	/* of who asked: a server does not send it */
	const char *state;
	u64 whole;
	const char *work;
	u64 done, total, kib_s;
	s64 eta_s;
	u64 mismatches;
	u64 resync_min, resync_max, leg_timeout, max_read_errors;
	unsigned int nr_legs;
	struct mirror_leg_status legs[FORMAT_LEGS];
};

void mirror_status_write(const struct mirror_status *s, FILE *out);

/* Of @len bytes and a 0 behind them.  0, or -EPROTO: it is no status, or not whole. */
int mirror_status_read(struct mirror_status *s, const char *text, size_t len);

#endif
