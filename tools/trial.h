/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A trial: something is tried in a child, since it may crash, hang, or leave
 * processes behind.
 */
#ifndef TOKMUX_TOOL_TRIAL_H
#define TOKMUX_TOOL_TRIAL_H

#include "tool.h"

struct trial {
	/* As wait() has it, unless it was late. */
	int status;
	bool late;
	/* The last line of the result, and of stderr. */
	char result[1024], said[1024];
};

/*
 * Calls @try in a child, for @seconds at most. It returns the child's exit
 * status and writes its result to @result; what is written to stderr is what it
 * said. Stdout is nobody's.
 *
 * Returns 0 or a negative errno.
 */
int trial_run(struct trial *trial, int (*try)(FILE *result, const void *data),
	      const void *data, unsigned int seconds);

#endif /* TOKMUX_TOOL_TRIAL_H */
