// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * sigpipe: a backend's lost connection doesn't end the program (R15, R20)
 *
 * A backend that talks to another process writes to a pipe or a socket. If the other end
 * is gone, the kernel sends SIGPIPE to the thread that writes. By default that ends the
 * program, which has never heard of the pipe. So the signal is blocked while the thread
 * is in the backend, and one that came meanwhile is taken away. A SIGPIPE of the
 * program's own stays pending, and the program's handler and mask stay as they are.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <time.h>

#include "sigpipe.h"

static __thread struct {
	unsigned int depth;		/* a backend may call back */
	bool pending;			/* already before */
	bool blocked;
} held;

static void only_sigpipe(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGPIPE);
}

/* From here on, for this thread, until sigpipe_release(). */
void sigpipe_hold(void)
{
	sigset_t set, old;

	if (held.depth++)
		return;
	sigpending(&set);
	held.pending = sigismember(&set, SIGPIPE) == 1;
	only_sigpipe(&set);
	pthread_sigmask(SIG_BLOCK, &set, &old);
	held.blocked = sigismember(&old, SIGPIPE) == 1;
}

void sigpipe_release(void)
{
	static const struct timespec now;
	sigset_t set;

	if (--held.depth)
		return;
	only_sigpipe(&set);
	if (!held.pending)
		while (sigtimedwait(&set, NULL, &now) < 0 && errno == EINTR)
			;
	if (!held.blocked)
		pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}
