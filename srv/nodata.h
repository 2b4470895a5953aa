/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Steps that move no data of the client's: the same in every mode.
 */
#ifndef SRV_NODATA_H
#define SRV_NODATA_H

#include "queue.h"

/* Queue the steps of a request, which were just planned. */
void nodata_start(struct queue *q, struct io *io);

/* Queue those that went back to TODO. */
void nodata_again(struct queue *q, struct io *io);

#endif
