/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The use of tokens as it happens, from the kernel module's tracepoints. They
 * are for root: they tell of every user.
 */
#ifndef TOKMUX_TOOL_TRACE_H
#define TOKMUX_TOOL_TRACE_H

#include <sys/types.h>
#include "tool.h"

/*
 * @event: the tracepoint without "tokmux_", see kmod/trace.h; or "lost": @arg
 *	events came faster than they were read, 0 if it isn't known how many
 * @pid: the caller's, in the initial pid namespace
 * @system: of a system token, tokmux@index
 */
struct use {
	char event[16];
	char name[TOKMUX_NAME_SIZE];
	bool system;
	unsigned int index;
	pid_t pid;
	unsigned int waiters, arg;
};

struct trace;

/*
 * 0 or a negative errno: -EACCES, -EPERM for others than root, -ENOENT without
 * tracefs.
 */
int trace_open(struct trace **trace);
/* Also in a signal's handler. */
void trace_close(struct trace *trace);
/* For poll(): then all that there is can be read. */
int trace_fd(const struct trace *trace);
/* false if there is no more now. */
bool trace_next(struct trace *trace, struct use *use);

#endif /* TOKMUX_TOOL_TRACE_H */
