// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "signals.h"
#include "types.h"

/* srv/regbuf.8 lists the same. */
static const struct {
	int nr;
	const char *name;	/* of those that remove the device */
} signals[] = {
	{ SIGTERM,	"SIGTERM" },
	{ SIGINT,	"SIGINT" },

	/* end a program by default */
	{ SIGHUP,	NULL },
	{ SIGPIPE,	NULL },
	{ SIGALRM,	NULL },
	{ SIGVTALRM,	NULL },
	{ SIGPROF,	NULL },
	{ SIGUSR1,	NULL },
	{ SIGUSR2,	NULL },
	{ SIGIO,	NULL },
	{ SIGPWR,	NULL },
	{ SIGSTKFLT,	NULL },
	{ SIGXCPU,	NULL },
	{ SIGXFSZ,	NULL },

	/* stop it by default */
	{ SIGTSTP,	NULL },
	{ SIGTTIN,	NULL },
	{ SIGTTOU,	NULL },
};

void signals_hear_of_children(void)
{
	signal(SIGCHLD, SIG_DFL);
}

void signals_ignore_pipe(void)
{
	signal(SIGPIPE, SIG_IGN);
}

int signals_init(void)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	for (unsigned int i = 0; i < ARRAY_SIZE(signals); i++) {
		if (signals[i].name)
			sigaddset(&set, signals[i].nr);
		else
			signal(signals[i].nr, SIG_IGN);
	}
	/* They end a program by default, too. */
	for (int nr = SIGRTMIN; nr <= SIGRTMAX; nr++)
		signal(nr, SIG_IGN);
	/* Threads that are made later inherit the mask. */
	sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

const char *signals_read(int fd, int *sender)
{
	struct signalfd_siginfo si;

	if (read(fd, &si, sizeof(si)) != sizeof(si))
		return NULL;
	*sender = si.ssi_pid;
	for (unsigned int i = 0; i < ARRAY_SIZE(signals); i++)
		if ((int)si.ssi_signo == signals[i].nr)
			return signals[i].name;
	return NULL;
}
