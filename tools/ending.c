// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The signals that end a process from outside.
 */
#include <signal.h>
#include <stddef.h>
#include "ending.h"
#include "tool.h"

static void (*the_clean_up)(void);

static void end(int signal)
{
	the_clean_up();
	/* Reset by then, see below. */
	raise(signal);
}

/* What is ignored, as by nohup, stays so. */
void ending_catch(void (*clean_up)(void))
{
	static const int ending[] = { SIGTERM, SIGHUP, SIGINT, SIGQUIT };
	struct sigaction action = {
		.sa_handler = end,
		.sa_flags = SA_RESETHAND | SA_NODEFER,
	};
	struct sigaction before;
	size_t i;

	the_clean_up = clean_up;
	for (i = 0; i < ARRAY_SIZE(ending); i++)
		if (!sigaction(ending[i], NULL, &before) &&
		    before.sa_handler != SIG_IGN)
			sigaction(ending[i], &action, NULL);
}
