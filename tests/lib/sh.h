/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Commands of the shell, for what is set up in one line there and in thirty here.
 * $REGBUF is the regbuf command.
 */
#ifndef TESTS_SH_H
#define TESTS_SH_H

#include <sys/types.h>

#include "check.h"

/* Runs a command.  Returns its exit status, or 128 + the signal that ended it. */
int sh(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* What it printed, to stdout and stderr; valid until the next call. */
const char *sh_out(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Starts it, as a child of the test.  proc_gone() waits for it. */
pid_t sh_start(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
