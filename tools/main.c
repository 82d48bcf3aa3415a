// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * tokmux(8): the table of verbs, and what they have in common.
 */
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <locale.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "tool.h"

static const struct verb *const verbs[] = {
	&list_verb, &status_verb, &who_verb, &lock_verb, &monitor_verb,
	&top_verb, &eject_verb, &atr_verb, &apdu_verb, &register_verb,
	&unregister_verb, &check_verb,
};

const struct verb *the_verb;

static const struct verb *find_verb(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(verbs); i++)
		if (!strcmp(verbs[i]->name, name))
			return verbs[i];
	return NULL;
}

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

static int status_of(int err)
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

static int help(int argc, char **argv)
{
	const struct verb *verb;
	size_t i;

	if (argc > 1) {
		verb = find_verb(argv[1]);
		if (!verb)
			return bad_usage("there is no verb '%s'", argv[1]);
		return print_help(verb, stdout);
	}
	puts("usage: tokmux VERB [OPTION…] [ARGUMENT…]\n\n"
	     "See and steer who uses a token that is shared through the kernel module\n"
	     "tokmux.\n");
	for (i = 0; i < ARRAY_SIZE(verbs); i++)
		printf("  %-12s %s\n", verbs[i]->name, verbs[i]->summary);
	puts("  help [VERB]  this, or a verb's options\n\n"
	     "A TOKEN is a system token's name, its device or an RFC 7512 URI, or the name\n"
	     "of a token of yours. See tokmux(8).");
	return STATUS_OK;
}

int main(int argc, char **argv)
{
	static char title[32];
	int status;

	setlocale(LC_CTYPE, "");
	if (argc < 2)
		return bad_usage("which verb?");
	argv++;
	argc--;
	if (!strcmp(argv[0], "help") || !strcmp(argv[0], "--help") ||
	    !strcmp(argv[0], "-h")) {
		status = help(argc, argv);
	} else if (!strcmp(argv[0], "--version") || !strcmp(argv[0], "-V")) {
		puts("tokmux " VERSION);
		status = STATUS_OK;
	} else {
		the_verb = find_verb(argv[0]);
		if (!the_verb)
			return bad_usage("there is no verb '%s'", argv[0]);
		/* As what getopt complains. */
		snprintf(title, sizeof(title), "tokmux %s", the_verb->name);
		argv[0] = title;
		status = the_verb->run(argc, argv);
	}
	/* A no that nobody could read is none. */
	if (status <= STATUS_NO && (fflush(stdout) || ferror(stdout)))
		status = cannot_write();
	return status;
}
