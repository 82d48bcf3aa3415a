// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * log: what the module says, one whole line at a time (R16)
 *
 * Standard error is the program's, not ours: a daemon's may be its client's
 * connection, or whatever file it opened next. So errors go to the system's log,
 * and to standard error only where that is the process's own terminal, or where
 * the configuration asks for it.
 *
 * Never a PIN, a key, or what is encrypted or signed with one: no function here
 * takes a buffer, and nobody may format one.
 */
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include "log.h"

#define SYSTEM_LOG	"/dev/log"
#define USER_ERROR	"<11>"	/* facility user, severity error */

atomic_int log_chosen = LOG_ERROR;
static atomic_bool asked_for;	/* by the configuration */

/**
 * log_choose() - what is said, and where
 * @level: what
 * @asked: the configuration says so: all of it goes to standard error
 */
void log_choose(enum log_level level, bool asked)
{
	atomic_store_explicit(&log_chosen, level, memory_order_relaxed);
	atomic_store(&asked_for, asked);
}

/* A terminal that a program has opened is not its own one. */
static bool on_stderr(void)
{
	return atomic_load(&asked_for) || tcgetpgrp(STDERR_FILENO) >= 0;
}

/*
 * As syslog(3) does, but that keeps a descriptor: one that the program closes and
 * opens again as another file would have our line written to that. Nor is there a
 * lock to be found held after a fork. Where nobody listens, the line is lost.
 */
static void tell_system(const char *line, size_t length)
{
	struct sockaddr_un address = {
		.sun_family = AF_UNIX,
		.sun_path = SYSTEM_LOG,
	};
	struct iovec parts[] = {
		{ USER_ERROR, sizeof(USER_ERROR) - 1 },
		{ program_invocation_short_name,
		  strlen(program_invocation_short_name) },
		{ ": ", 2 },
		{ (char *)line, length },
	};
	struct msghdr message = {
		.msg_name = &address,
		.msg_namelen = sizeof(address),
		.msg_iov = parts,
		.msg_iovlen = sizeof(parts) / sizeof(*parts),
	};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return;
	sendmsg(fd, &message, MSG_NOSIGNAL);
	close(fd);
}

/**
 * log_put() - a whole line, as it is
 * @line: ends with a newline
 * @length: with the newline
 *
 * Also for a signal's handler: it neither locks nor allocates.
 */
void log_put(const char *line, size_t length)
{
	if (!on_stderr()) {
		tell_system(line, length - 1);
	} else if (write(STDERR_FILENO, line, length) < 0) {
		/* There is nobody left to tell. */
	}
}

static void log_line(enum log_level level, const char *format, va_list args)
{
	const size_t start = sizeof(LOG_PREFIX) - 1;
	int saved = errno, cancel;
	char line[512];
	size_t length;
	int n;

	if (!log_wants(level))
		return;

	memcpy(line, LOG_PREFIX, start);
	n = vsnprintf(line + start, sizeof(line) - start - 1, format, args);
	length = start + (n < 0 ? 0 : (size_t)n);
	if (length > sizeof(line) - 2)
		length = sizeof(line) - 2;
	line[length++] = '\n';
	/* The thread that writes to the log may have a lock. */
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	log_put(line, length);
	pthread_setcancelstate(cancel, NULL);
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
