/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A set on disks that fail, beside its model: whatever is done, is done to both, and the answers
 * are compared.  Clients write and read meanwhile what is verified.
 *
 * The disks are legs 0 to SET_WORLD_DISKS - 1 of tleg.h.  The first SET_WORLD_LEGS are of the set
 * at the start, the others are empty.
 *
 * What a function is not to be called for it says; it does not look.  All of them end the test
 * when the answer is wrong.
 */
#ifndef TESTS_SET_WORLD_H
#define TESTS_SET_WORLD_H

#include "set_model.h"
#include "tleg.h"
#include "uuid.h"
#include "verify.h"

#define SET_WORLD_ID	7
#define SET_WORLD_DISKS	5
#define SET_WORLD_LEGS	3
#define SET_WORLD_MB	16
#define SET_WORLD_SIZE	((u64)SET_WORLD_MB << 20)

/*
 * struct set_world - all of it
 * In the test's memory, from set_world_init() on.
 * @uuid: of the disks that are of the set
 * @dead: that cannot be read, as bits; @slow: that are slow
 * @mode, @recovery: of the server, or of the latest one
 * @load: while it is served
 * @unclear: the server was killed while something changed, and legs may know different things
 * @refusals: how often something was refused, and had to be
 * @what: what is done now, for messages
 */
struct set_world {
	struct set_model model;
	char uuid[SET_WORLD_DISKS][UUID_TEXT];
	u32 dead, slow;
	const char *mode;
	bool served, recovery, crashed, unclear;
	struct verify *load;
	struct disk_model *data;
	unsigned int kills, assemblies, refusals;
	u64 ops;
	char what[160];
};

/* Makes the disks and the set, which is not served yet. */
void set_world_init(struct set_world *w);

/* Questions. */

/* Those that are of the set; those of them that get what is written; those that are broken. */
u32 set_world_members(const struct set_world *w);
u32 set_world_writers(const struct set_world *w);
u32 set_world_broken(const struct set_world *w);
/* Nothing changes by itself: no leg is copied to, or broken. */
bool set_world_is_calm(const struct set_world *w);
/* Without @disk a good leg is left, or the set would refuse to let it go. */
bool set_world_may_lose(const struct set_world *w, unsigned int disk);

/* A set that is served. */

/* What status says becomes the model's, if that allows it.  True: no copy is under way or due. */
bool set_world_look(struct set_world *w);

/* The command succeeds or is refused, as it has to.  True: it has succeeded. */
bool set_world_fail(struct set_world *w, unsigned int disk);
bool set_world_remove(struct set_world *w, unsigned int disk);
bool set_world_add(struct set_world *w, unsigned int disk);
bool set_world_replace(struct set_world *w, unsigned int disk, unsigned int with);
/* Two commands at once, one of which only succeeds: of the last two in sync; of a leg that is away. */
void set_world_fail_both(struct set_world *w, unsigned int disk, unsigned int other);
void set_world_add_twice(struct set_world *w, unsigned int disk);
/* With --wait: the legs do not differ.  Nothing is broken. */
void set_world_check(struct set_world *w, bool repair);

/* What was let go of becomes empty. */
void set_world_wipe(struct set_world *w, unsigned int disk);
/* The server drops a disk that is broken, and gets writes. */
void set_world_is_dropped(struct set_world *w, unsigned int disk);
/* Clients get on. */
void set_world_runs(struct set_world *w);

/* Every leg in sync, SET_WORLD_LEGS or more, nothing broken, no difference found. */
void set_world_settle(struct set_world *w);
/* Its clients end, and the device holds what they wrote; then they go on with @seed. */
void set_world_verify(struct set_world *w, u32 seed);

/* Disks, at any time. */

/* TLEG_ERROR or TLEG_WRITE_ERROR. */
void set_world_break(struct set_world *w, unsigned int disk, enum tleg_fault fault);
void set_world_mend(struct set_world *w, unsigned int disk);
void set_world_slow(struct set_world *w, unsigned int disk);

/* Ends and begins. */

/* Stopped, under I/O.  Legs that agree hold the same bytes. */
void set_world_stop(struct set_world *w);
/* SIGKILL.  The device goes. */
void set_world_kill(struct set_world *w);
/* The same @us after `mirror @command --leg` of @disk has begun: "fail", "remove" or "add". */
void set_world_kill_during(struct set_world *w, const char *command, unsigned int disk, unsigned int us);
/*
 * Of a set that is not served: those of @disks that can be read.  Without --degraded first, if
 * legs are missing.  Reads agree before clients go on, with @seed.
 */
void set_world_assemble(struct set_world *w, u32 disks, const char *mode, bool recovery, u32 seed);
/* SIGKILL of a server with --recovery, and another one: clients see no error. */
void set_world_recover(struct set_world *w, u32 disks);
/* Is @disks answered as the model says?  Changes nothing.  Of a set that is not served. */
void set_world_try(struct set_world *w, u32 disks);

/* The end: whole, stopped, each leg with all that was written, nothing left. */
void set_world_end(struct set_world *w);

#endif
