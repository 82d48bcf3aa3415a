// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * crash: a backend that takes the process with it is named first (R15)
 *
 * Only where nobody else takes the signal, and only to say in which call of
 * which backend it came: the process dies of it as it would have, with the same
 * core. What a program installs later replaces ours; one that has a handler
 * already keeps it.
 */
#include <signal.h>
#include <string.h>

#include "crash.h"
#include "log.h"
#include "site.h"

static const int signals[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT };

#define SIGNALS	(sizeof(signals) / sizeof(*signals))

static char *add(char *at, const char *end, const char *text)
{
	while (*text && at < end)
		*at++ = *text++;
	return at;
}

/* Nothing in here may lock or allocate. */
static void name_it(int signal, siginfo_t *info, void *context)
{
	static const char *const names[] = {
		[SIGSEGV] = "SIGSEGV", [SIGBUS] = "SIGBUS",
		[SIGILL] = "SIGILL", [SIGFPE] = "SIGFPE",
		[SIGABRT] = "SIGABRT",
	};
	static const struct sigaction by_default = { .sa_handler = SIG_DFL };
	char line[256];
	const char *end = line + sizeof(line) - 1;
	const struct site *site = site_here();
	char *at = line;

	if (site && log_wants(LOG_ERROR)) {
		at = add(at, end, LOG_PREFIX "backend ");
		at = add(at, end, atomic_load(&site->backend));
		at = add(at, end, " crashes in ");
		at = add(at, end, atomic_load(&site->function));
		at = add(at, end, ": ");
		at = add(at, end, names[signal]);
		*at++ = '\n';
		log_put(line, (size_t)(at - line));
	}
	/*
	 * Also where ours is called by one that was installed later, as a
	 * function: then nothing has put the default back. A fault comes again by
	 * itself, in the place where it belongs.
	 */
	sigaction(signal, &by_default, NULL);
	if (info->si_code <= 0)
		raise(signal);
}

/* When the backends are loaded. */
void crash_watch(void)
{
	struct sigaction ours = {
		.sa_sigaction = name_it,
		.sa_flags = SA_SIGINFO | SA_RESETHAND | SA_NODEFER | SA_ONSTACK,
	};
	struct sigaction now;
	size_t i;

	for (i = 0; i < SIGNALS; i++)
		if (!sigaction(signals[i], NULL, &now) &&
		    !(now.sa_flags & SA_SIGINFO) && now.sa_handler == SIG_DFL)
			sigaction(signals[i], &ours, NULL);
}

/* When they have been finalized. */
void crash_unwatch(void)
{
	struct sigaction now;
	size_t i;

	for (i = 0; i < SIGNALS; i++)
		if (!sigaction(signals[i], NULL, &now) &&
		    now.sa_flags & SA_SIGINFO && now.sa_sigaction == name_it)
			signal(signals[i], SIG_DFL);
}
