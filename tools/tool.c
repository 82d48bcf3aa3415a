// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What all verbs of tokmux(8) use: complaints, exit statuses, numbers in arguments.
 */
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include "text.h"
#include "tool.h"

const struct verb *the_verb;

static void say(const char *format, va_list args)
{
	fflush(stdout);
	if (the_verb)
		fprintf(stderr, "tokmux %s: ", the_verb->name);
	else
		fputs("tokmux: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
}

/* A user who runs this by hand may not write to the kernel's log, and sees stderr. */
static void log_it(const char *format, va_list args)
{
	char text[512];
	FILE *log;

	vsnprintf(text, sizeof(text), format, args);
	text_make_printable(text);
	log = fopen("/dev/kmsg", "we");
	if (!log)
		return;
	fprintf(log, "<4>tokmux %s: %s\n", the_verb->name, text);
	fclose(log);
}

void complain_in_log(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(format, args);
	va_end(args);
	va_start(args, format);
	log_it(format, args);
	va_end(args);
}

void complain(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(format, args);
	va_end(args);
}

int bad_usage(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(format, args);
	va_end(args);
	if (the_verb)
		fprintf(stderr, "usage: tokmux %s %s\n", the_verb->name,
			the_verb->synopsis);
	else
		fputs("usage: tokmux VERB [OPTION…] [ARGUMENT…]; see tokmux help\n",
		      stderr);
	return STATUS_USAGE;
}

int print_help(const struct verb *verb, FILE *to)
{
	fprintf(to, "usage: tokmux %s %s\n\n%s\n\n%s", verb->name,
		verb->synopsis, verb->summary, verb->options);
	fputs("  -h, --help            this\n", to);
	return STATUS_OK;
}

int option_status(int option)
{
	if (option == 'h')
		return print_help(the_verb, stdout);
	/* getopt has named it. */
	return STATUS_USAGE;
}

int status_of(int err)
{
	switch (-err) {
	case ENOENT:
	case ENXIO:
		return STATUS_NOTOKEN;
	case ENODEV:
		return tokmux_present() ? STATUS_GONE : STATUS_NOMODULE;
	case EACCES:
	case EPERM:
		return STATUS_NOPERM;
	case EAGAIN:
	case ETIMEDOUT:
		return STATUS_NO;
	case EINVAL:
	case ENAMETOOLONG:
		return STATUS_USAGE;
	default:
		return STATUS_FAILED;
	}
}

/* What @err means here, where the library's sentence would leave it open. */
int failed(const char *what, int err)
{
	int status = status_of(err);

	if (status == STATUS_NOTOKEN && !tokmux_present())
		status = STATUS_NOMODULE;
	switch (status) {
	case STATUS_NOTOKEN:
		complain("%s: there is no such token, or none of yours", what);
		break;
	case STATUS_NOMODULE:
		complain("%s: the kernel module tokmux is not loaded; as root: modprobe tokmux",
			 what);
		break;
	case STATUS_GONE:
		complain("%s: the token is gone", what);
		break;
	default:
		complain("%s: %s", what, tokmux_strerror(err));
		break;
	}
	return status;
}

int cannot_write(void)
{
	complain("cannot write: %s", strerror(errno));
	return STATUS_FAILED;
}

bool parse_number(const char *text, unsigned long most, unsigned long *value)
{
	char *end;

	errno = 0;
	*value = strtoul(text, &end, 10);
	return !errno && isdigit((unsigned char)*text) && !*end && *value <= most;
}

int parse_seconds(const char *text)
{
	double seconds;
	char *end;

	if (!isdigit((unsigned char)*text) && *text != '.')
		return -1;
	seconds = strtod(text, &end);
	if (*end || !isfinite(seconds) || seconds > INT_MAX / 1000)
		return -1;
	return ceil(seconds * 1000);
}
