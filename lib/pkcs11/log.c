// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * log: what the module says on stderr, one whole line a write
 *
 * Never a PIN, a key, or what is encrypted or signed with one: no function here
 * takes a buffer, and nobody may format one.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "log.h"

static atomic_int log_level = LOG_ERROR;

void log_set_level(enum log_level level)
{
	atomic_store_explicit(&log_level, level, memory_order_relaxed);
}

static void log_line(enum log_level level, const char *format, va_list args)
{
	static const char prefix[] = "tokmux-pkcs11: ";
	const size_t start = sizeof(prefix) - 1;
	char line[512];
	int saved = errno;
	size_t length;
	int n;

	if ((int)level > atomic_load_explicit(&log_level, memory_order_relaxed))
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
