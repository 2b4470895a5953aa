/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The regbuf command, as a user runs it.
 */
#ifndef TESTS_CLI_H
#define TESTS_CLI_H

#include <sys/types.h>

#include "check.h"

#define CLI_ARGS_MAX	48

/* Where it is. */
const char *cli_program(void);

/* What a run of it left.  @status: exit status, or 128 + the signal. */
struct cli {
	int status;
	char out[32768];
	char err[4096];
};

/* A run that is under way. */
struct cli_job {
	pid_t pid;
	int out, err;
	const char *name;	/* @args[0] */
};

/* Starts regbuf with @args, which it copies. */
void cli_start(struct cli_job *job, const char *const *args);
/* The same, with @prepare called in its process before it becomes regbuf. */
void cli_start_in(struct cli_job *job, const char *const *args, void (*prepare)(void));
/* True if it ends within @ms: then *c is what it left, and @job is over. */
bool cli_ended(struct cli_job *job, struct cli *c, unsigned int ms);
/* It has printed @text, to stdout or stderr, within @ms. */
bool cli_says(struct cli_job *job, const char *text, unsigned int ms);
/* The process that @pid, a launcher, has started to serve, or 0. */
pid_t cli_child(pid_t pid);

/* Runs regbuf with @args, NULL-terminated.  Ends the test if it takes longer than 30 s. */
void cli_run(struct cli *c, const char *const *args);
/* The same without CAP_SYS_ADMIN; after @prepare, as above. */
void cli_run_weak(struct cli *c, const char *const *args);
void cli_run_in(struct cli *c, const char *const *args, void (*prepare)(void));
#define CLI(...)	((const char *const[]){ __VA_ARGS__, NULL })

/*
 * Is mode @i of mode_list tried on @kernel?  All are, unless the run is a slice, which is then a number, TURN of
 * tests/run.  In a slice each of our kernels has a third of them, and `register`, `auto` and `handoff`.
 */
bool cli_mode_is_tried(unsigned int i, const char *kernel, const char *slice);
/* The modes that this kernel can do, or a slice of them: how many, and the name of each. */
unsigned int cli_modes(void);
const char *cli_mode(unsigned int i);

/* For what has no mode of its own: "register" where the kernel lends, else "copy". */
const char *cli_best(void);

/* @id as an argument; valid until the next call. */
const char *cli_id(int id);
/* Must succeed.  Returns the id of the device that it made. */
int cli_add(const char *const *args);
void cli_del(int id);
/* What `list --json` says of device @id. */
void cli_list(struct cli *c, int id);
/* The server of device @id. */
int cli_pid(int id);

/*
 * Kills the servers and removes the devices that failed tests left.  Elsewhere than in
 * the guest they may be somebody's: there the test is skipped.
 */
void cli_sweep(void);
/* No device, no server is there, within SOON_MS. */
void cli_nothing_left(const char *what);

#endif
