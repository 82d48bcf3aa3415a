/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TOKMUX_LOG_H
#define TOKMUX_LOG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "now.h"

enum log_level {
	LOG_NONE,
	LOG_ERROR,
	LOG_INFO,
	LOG_CALLS,
};

/* enum log_level */
extern atomic_int log_chosen __attribute__((visibility("hidden")));

#define LOG_PREFIX	"tokmux-pkcs11: "

void log_choose(enum log_level level, bool asked);
void log_put(const char *line, size_t length);

static inline bool log_wants(enum log_level level)
{
	return (int)level <=
	       atomic_load_explicit(&log_chosen, memory_order_relaxed);
}

void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* ---- log = calls ------------------------------------------------------------ */

#define NOBODY	(~0u)

/* A function of PKCS#11 on its way: what is said of it when it is through. */
struct log_call {
	const char *function;
	int64_t since_ns;		/* 0: nothing will be said */
};

void log_call_say(const struct log_call *call, unsigned int caller,
		  unsigned long session, unsigned long rv);

/* Inline, as it is on the way of every call and nearly never has to do. */
static inline void log_call_begin(struct log_call *call, const char *function)
{
	call->function = function;
	call->since_ns = log_wants(LOG_CALLS) ? now_ns() : 0;
}

/* For C_Initialize, which may be what switches the log on. */
static inline void log_call_begin_first(struct log_call *call,
					const char *function)
{
	call->function = function;
	call->since_ns = now_ns();
}

/**
 * log_call_end() - say what became of a call, if calls are logged
 * @call: from log_call_begin()
 * @caller: its number, or NOBODY where no caller is known
 * @session: the caller's handle, 0 for none
 * @rv: the result; nothing else that a caller gave or got is ever said
 *
 * Return: @rv
 */
static inline unsigned long log_call_end(const struct log_call *call,
					 unsigned int caller,
					 unsigned long session,
					 unsigned long rv)
{
	if (call->since_ns)
		log_call_say(call, caller, session, rv);
	return rv;
}

#endif /* TOKMUX_LOG_H */
