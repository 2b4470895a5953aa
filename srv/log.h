/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One line per event.  An error is logged once, where its cause is known;
 * callers only pass the number on.
 *
 * At first a line goes straight to stderr.  After log_defer() it goes through a
 * pipe to the thread that calls log_forward(): a queue's thread must never wait
 * for a terminal or for syslogd, whose log may be on the device that it serves.
 */
#ifndef SRV_LOG_H
#define SRV_LOG_H

#include <stdbool.h>

enum log_level { LOG_LVL_ERR, LOG_LVL_WARN, LOG_LVL_INFO };

void log_msg(enum log_level level, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/*
 * Before the threads exist.  Returns the descriptor to poll, -1 when there is
 * none and lines go on straight.
 */
int log_defer(void);

/* Write out what is there, to stderr or to syslog. */
void log_forward(bool use_syslog);

#define log_err(...)	log_msg(LOG_LVL_ERR, __VA_ARGS__)
#define log_warn(...)	log_msg(LOG_LVL_WARN, __VA_ARGS__)
#define log_info(...)	log_msg(LOG_LVL_INFO, __VA_ARGS__)

#endif
