/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TOKMUX_LOG_H
#define TOKMUX_LOG_H

#include <stdbool.h>
#include <stdint.h>

enum log_level {
	LOG_NONE,
	LOG_ERROR,
	LOG_INFO,
	LOG_CALLS,
};

void log_set_level(enum log_level level);
bool log_wants(enum log_level level);

void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* ---- log = calls ------------------------------------------------------------ */

#define NOBODY	(~0u)

/* A function of PKCS#11 on its way: what is said of it when it is through. */
struct log_call {
	const char *function;
	int64_t since_ns;		/* 0: nothing will be said */
};

void log_call_begin(struct log_call *call, const char *function);
void log_call_begin_first(struct log_call *call, const char *function);
unsigned long log_call_end(const struct log_call *call, unsigned int caller,
			   unsigned long session, unsigned long rv);

#endif /* TOKMUX_LOG_H */
