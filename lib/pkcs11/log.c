// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * log: what the module says on stderr, one whole line a write
 *
 * Never a PIN, a key, or what is encrypted or signed with one: no function here
 * takes a buffer, and nobody may format one.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "log.h"

atomic_int log_chosen = LOG_ERROR;

void log_set_level(enum log_level level)
{
	atomic_store_explicit(&log_chosen, level, memory_order_relaxed);
}

static void log_line(enum log_level level, const char *format, va_list args)
{
	static const char prefix[] = "tokmux-pkcs11: ";
	const size_t start = sizeof(prefix) - 1;
	char line[512];
	int saved = errno;
	size_t length;
	int n;

	if (!log_wants(level))
		return;

	memcpy(line, prefix, start);
	n = vsnprintf(line + start, sizeof(line) - start - 1, format, args);
	length = start + (n < 0 ? 0 : (size_t)n);
	if (length > sizeof(line) - 2)
		length = sizeof(line) - 2;
	line[length++] = '\n';
	if (write(STDERR_FILENO, line, length) < 0) {
		/* There is nobody left to tell. */
	}
	errno = saved;
}

static void log_call_line(const char *format, ...)
	__attribute__((format(printf, 1, 2)));

static void log_call_line(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	log_line(LOG_CALLS, format, args);
	va_end(args);
}

void log_error(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	log_line(LOG_ERROR, format, args);
	va_end(args);
}

void log_info(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	log_line(LOG_INFO, format, args);
	va_end(args);
}

/* ---- log = calls ------------------------------------------------------------ */

/* A number that may be missing, as text. */
static const char *number(char *text, size_t size, const char *format,
			  unsigned long value, bool given)
{
	snprintf(text, size, given ? format : "-", value);
	return text;
}

/* For log_call_end(). */
void log_call_say(const struct log_call *call, unsigned int caller,
		  unsigned long session, unsigned long rv)
{
	char who[16], where[24];
	int64_t us;

	if (!log_wants(LOG_CALLS))
		return;
	us = (now_ns() - call->since_ns) / 1000;
	log_call_line("call: %s caller %s session %s: 0x%lx, %lld us",
		      call->function,
		      number(who, sizeof(who), "%lu", caller, caller != NOBODY),
		      number(where, sizeof(where), "0x%lx", session, session),
		      rv, (long long)us);
}
