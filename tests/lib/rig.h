/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A mirror's record at work, with files in memory as legs: made, served, killed, and looked at
 * while it is served.
 *
 * Order is seen from inside wake() and dropped(), where a test may read the legs.  These run in
 * the record's thread: they note what they see, and assert nothing.
 */
#ifndef TESTS_RIG_H
#define TESTS_RIG_H

#include "targets/mirror/record.h"
#include "tmpfile.h"

#define RIG_LEGS	3
#define RIG_CHUNK	(1ULL << 20)
#define RIG_CHUNKS	100

/*
 * struct rig - a set and its record
 * @files: the legs
 * @fds: their numbers for the record, which rig_fail() and rig_mend() make other files
 * @degraded: legs may be missing
 * @dropped, @told, @err: as dropped() was told: who, how often, the last error
 * @at_drop: called in dropped(); @seen is for it
 */
struct rig {
	unsigned int nr;
	int files[FORMAT_LEGS], fds[FORMAT_LEGS];
	bool degraded;
	struct assembly assembly;
	struct candidate candidates[RIG_LEGS];
	struct record r;
	_Atomic u32 dropped, told;
	_Atomic int err;
	void (*at_drop)(struct rig *g);
	bool seen;
};

/* Making it. */

/* Legs in sync, stopped, with an empty bitmap; @chunks of RIG_CHUNK; the last leg is @last. */
void rig_create(struct rig *g, unsigned int nr, u64 chunks);
void rig_create_with(struct rig *g, unsigned int nr, u64 chunks, enum format_state last);

/* The legs of @of as they are, with no server: as after a kill. */
void rig_kill(struct rig *g, const struct rig *of);

/* What assemble() says of those in @present: g->assembly. */
void rig_assemble(struct rig *g, u32 present);

/* What an owner does before it forks; then record_begin() with two queues; both, of a new set. */
void rig_prepare(struct rig *g, u32 present);
void rig_begin(struct rig *g, u32 present);
void rig_serve(struct rig *g, unsigned int nr);

/* As the two before, and a pass of ageing is due after @age_ms. */
void rig_begin_ageing(struct rig *g, u32 present, unsigned int age_ms);
void rig_serve_ageing(struct rig *g, unsigned int nr, unsigned int age_ms);

/* The files stay. */
void rig_end(struct rig *g);

/* The legs' faults. */

/* Writes are errors, as to what is open for reading only; a flush succeeds. */
void rig_fail(struct rig *g, u32 legs);

/* Writes seem to succeed, and a flush is an error. */
void rig_fail_flush(struct rig *g, unsigned int leg);

void rig_mend(struct rig *g, u32 legs);

/* What is on the legs, at any time, from any thread. */

u64 rig_copy_at(unsigned int copy);

/* 0, or what super_read() and super_decode() say. */
int rig_read(const struct rig *g, unsigned int leg, struct super *s);
int rig_read_copy(const struct rig *g, unsigned int leg, unsigned int copy, struct super *s);

/* 0 or 1; -1: the sector is damaged. */
int rig_bit(const struct rig *g, unsigned int leg, u32 chunk);
bool rig_bit_on(const struct rig *g, u32 legs, u32 chunk);
bool rig_bits_off(const struct rig *g, u32 legs);

/* What the leg's record says of @slot. */
enum format_state rig_says(const struct rig *g, unsigned int leg, unsigned int slot);

/* Requests, of the first queue. */

/* struct rig_waiter - one that waits; @look is called in wake(), its answer is @seen */
struct rig_waiter {
	struct record_wait w;
	struct rig *g;
	sem_t woken;
	bool (*look)(struct rig *g);
	bool seen;
};

void rig_waiter(struct rig_waiter *wt, struct rig *g, bool (*look)(struct rig *g));

/* Until it is woken. */
void rig_wait(struct rig_waiter *wt);

/* record_write() to @chunk, once. */
int rig_try(struct rig *g, struct rig_waiter *wt, u32 chunk, u32 *epoch);

/*
 * record_write_slow() with @n, if it is not to go ahead at once.  What that asks to be written is written
 * to those of @legs that work; returns which of n->slots have it.
 */
int rig_ask(struct rig *g, struct rig_waiter *wt, struct record_note *n, u64 off, u32 len, u32 *epoch);
u32 rig_note(struct rig *g, const struct record_note *n, u32 legs);

/* How many blocks of the bitmap were written so far. */
u64 rig_blocks(struct rig *g);

/* record_write(), until it is not parked; its end.  record_may_end(), until it is not parked. */
int rig_write(struct rig *g, u32 chunk, u32 *epoch);
void rig_wrote(struct rig *g, u32 epoch);
int rig_may_end(struct rig *g);

/*
 * The record's thread is held in a wake(), of a write to one of the last chunks, so that what
 * comes meanwhile is all there when it goes on.
 */
void rig_hold(struct rig *g);
void rig_let_go(void);

/* For wait_until(); @arg is the rig. */

/* No bit is set, and the thread has nothing to look for. */
bool rig_all_aged(void *arg);
bool rig_ageing_rests(void *arg);
bool rig_is_mended(void *arg);

/* Both copies of every leg are of one event. */
bool rig_copies_agree(void *arg);
/* The same, and every other thread sleeps: the record's has seen that its writes are done. */
bool rig_rests(void *arg);

#endif
