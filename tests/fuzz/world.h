/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The files and the memory that random operations work on.
 *
 * Every byte tells where it belongs: each of the exporter's buffers and each area of
 * user space holds a pattern of its own, and so does what reads read.  What an operation
 * moved is compared with the pattern of where it should have come from, and if that went
 * into a buffer, the buffer gets its own pattern back.
 */
#ifndef FUZZ_WORLD_H
#define FUZZ_WORLD_H

#include "model.h"
#include "tmpfile.h"

struct world {
	int lender;
	int disk, poll_disk;	/* the second one can be polled */
	int mem, null;
	struct tcp_pair tcp;
	int pipe[MODEL_PARKED][2];
	u64 piped;		/* bytes that went through the pipes */
	u8 *area[MODEL_AREAS];
	u8 *tmp;		/* for comparing */
	bool wrong;		/* two patterns are taken for each other, WRONG_DATA */
};

#define WORLD_SINK	(1U << 20)	/* where writes go, in each file */
#define WORLD_STRIDE	MODEL_LEN_MAX

void world_init(struct world *w, struct model *m);
/* Gives buffer @index the model's shape; returns what the ioctl does. */
int world_setup(const struct world *w, const struct model *m, unsigned int index);
/* The registered files of a ring: as enum op_file, but for FILE_BAD. */
int world_files(const struct world *w, const struct model *m, int *fds);
/* The bytes at @dst are @len bytes of @src; otherwise returns the first that is not, or -1. */
long world_differs(struct world *w, const struct model *m, const struct move *mv);
/* Gives a buffer that was moved to its pattern back. */
void world_refill(const struct world *w, const struct place *p, u32 len);
/* The first of the exporter's buffers or of the areas that has wrong bytes, or PLACE_NONE. */
struct place world_damage(struct world *w, const struct model *m);
/* Puts @len bytes into pipe @index; *@src is where they come from. */
void world_feed(struct world *w, unsigned int index, u32 len, struct place *src);
/* What the first bytes of what world_differs() saw last are a pattern of, in words. */
const char *world_found(const struct world *w, long at);

#endif
