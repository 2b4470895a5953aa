/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a client is told when its request has failed.
 *
 * An error of a leg or of io_uring becomes the client's: errno_to_blk_status() of
 * the kernel gives many of them a meaning.  Some of these say something of the
 * server only: try again, no memory, interrupted.  A client that believes them waits
 * or retries without end, or takes its own memory for short.
 */
#ifndef SRV_RESULT_H
#define SRV_RESULT_H

#include "types.h"

/* @err: -errno, of the last try.  Returns -EIO, or @err if it says something of the request. */
s32 result_for_client(s32 err);

#endif
