/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Resource limits (getrlimit(2)) that a server may run into long after it began, so
 * they are looked at before.  What may be raised is, the rest is an error that names
 * the limit.
 */
#ifndef SRV_RLIMITS_H
#define SRV_RLIMITS_H

#include "types.h"

/* Descriptors of a server: a ring and an inbox for each queue, the legs, clients, pipes, libraries. */
#define RLIMITS_FILES(nr_queues)	(96 + MAX_LEGS + 2 * (nr_queues))

/* Room for @nr descriptors.  0, or -EMFILE after a message. */
int rlimits_files(unsigned int nr);

/*
 * Files may be written up to @size bytes.  Behind the limit a server gets errors, as
 * it ignores SIGXFSZ; anybody else is killed.  0, or -EFBIG after a message.
 */
int rlimits_file_size(u64 size);

#endif
