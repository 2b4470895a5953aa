/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Which results each operation may have, whatever others do at the same time.
 * Pure logic.
 */
#ifndef FUZZ_CROWD_LEGAL_H
#define FUZZ_CROWD_LEGAL_H

#include "check.h"

enum crowd_kind {
	/* of a ring's requests */
	C_REGISTER, C_REGISTER_BAD, C_REGISTER_ERROR, C_REGISTER_NOBODY, C_REGISTER_UBLK,
	C_UNREGISTER, C_READ, C_WRITE, C_SEND, C_COPY, C_NOP, C_FILL, C_DRAIN, C_PARK, C_PARK_TIMEOUT, C_CANCEL,
	C_FUSED, C_FUSED_BAD, C_FUSED_UBLK,
	/* of a ring's table */
	C_UPDATE, C_TABLE_DROP, C_TABLE_NEW, C_CLONE,
	/* of a ublk server */
	C_FETCH, C_COMMIT, C_HANDOFF, C_GET_DATA, C_REGISTER_CMD, C_UNREGISTER_CMD, C_OTHER_CMD, C_NOT_DAEMON,
	/* of a ublk disk */
	C_DISK_READ, C_DISK_WRITE,
	/* of /dev/ublk-control */
	C_ADD, C_ADD_BAD, C_START, C_STOP, C_DEL, C_GET_INFO, C_GET_PARAMS, C_SET_PARAMS,
	C_AFFINITY, C_FEATURES, C_START_RECOVERY, C_END_RECOVERY, C_NO_CTL,
	NR_CROWD_KINDS,
};

/*
 * @len: of the request: what the largest result is counted from.
 * @wrong: a result that often comes is taken for illegal (1), or full lengths are (2).
 */
bool crowd_legal(enum crowd_kind kind, u32 len, int res, int wrong);
const char *crowd_kind_name(enum crowd_kind kind);

#endif
