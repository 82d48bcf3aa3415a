// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What all verbs of tokmux(8) use: complaints, exit statuses, numbers in arguments.
 */
#include <ctype.h>
#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <math.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
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
	fprintf(stderr, "usage: tokmux %s %s; see tokmux help %s\n",
		the_verb->name, the_verb->synopsis, the_verb->name);
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

/* ---- what to do about an error ------------------------------------------------ */

/* The first character that a token's name can't have, or else its length. */
static void bad_name(const char *name)
{
	char one[2] = "";
	size_t at = 0;

	if (strlen(name) >= TOKMUX_NAME_SIZE) {
		complain("%s: a token's name has at most %d characters, this one has %zu",
			 name, TOKMUX_NAME_SIZE - 1, strlen(name));
		return;
	}
	if (!*name) {
		complain("'': a token's name has at least one character");
		return;
	}
	/* A name that is good so far, and one more character. */
	for (at = 0; name[at]; at++) {
		char so_far[] = { '_', name[at], '\0' };

		one[0] = name[at];
		if (tokmux_check_name(at ? so_far : one))
			break;
	}
	if (!at && !isalnum((unsigned char)*name) &&
	    strchr(TOKMUX_NAME_PUNCTUATION, *name))
		complain("%s: a token's name begins with a letter, a digit or _, not with '%c'",
			 name, *name);
	else if (isascii((unsigned char)name[at]) && isprint((unsigned char)name[at]))
		complain("%s: '%c' can't be in a token's name: that has letters, digits and %s",
			 name, name[at], TOKMUX_NAME_PUNCTUATION);
	else
		complain("%s: character %zu can't be in a token's name: that has ASCII letters, digits and %s",
			 name, at + 1, TOKMUX_NAME_PUNCTUATION);
}

/* The device that could not be opened; false if it isn't known. */
static bool closed_device(const char *what, char *path, size_t size)
{
	struct tokmux_token *token;

	if (*what == '/') {
		snprintf(path, size, "%s", what);
	} else if (!tokmux_token_find(what, &token)) {
		snprintf(path, size, "%s", tokmux_token_devnode(token));
		tokmux_token_free(token);
	} else {
		snprintf(path, size, "/dev/tokmux-control");
	}
	return !access(path, F_OK) && access(path, R_OK | W_OK);
}

/* Names the group that may open it, and how to join that. */
static void no_access(const char *what)
{
	struct passwd *user = getpwuid(geteuid());
	struct group *group;
	struct stat st;
	char path[256];

	if (!closed_device(what, path, sizeof(path)) || stat(path, &st)) {
		complain("%s: %s", what, tokmux_strerror(-EACCES));
		return;
	}
	group = getgrgid(st.st_gid);
	if ((st.st_mode & 0060) != 0060 || !st.st_gid || !group)
		complain("%s: no permission to open %s: only root may; tokmux check says why",
			 what, path);
	else
		complain("%s: no permission to open %s: it is for the group %s; as root: usermod -aG %s %s, then log in again",
			 what, path, group->gr_name, group->gr_name,
			 user ? user->pw_name : "USER");
}

/* What @err means here, where the library's sentence would leave it open. */
int failed(const char *what, int err)
{
	int status = status_of(err);

	if (status == STATUS_NOTOKEN && !tokmux_present())
		status = STATUS_NOMODULE;
	switch (status) {
	case STATUS_NOTOKEN:
		complain("%s: %s", what, err == -ENXIO ? tokmux_strerror(err) :
			 "there is no such token, or none of yours");
		break;
	case STATUS_NOMODULE:
		complain("%s: the kernel module tokmux is not loaded; as root: modprobe tokmux",
			 what);
		break;
	case STATUS_GONE:
		complain("%s: the token is gone", what);
		break;
	case STATUS_USAGE:
		if (*what == '/')
			complain("%s: this is no token's device", what);
		else if (tokmux_check_name(what))
			bad_name(what);
		else
			complain("%s: %s", what, tokmux_strerror(err));
		break;
	case STATUS_NOPERM:
		if (err == -EACCES)
			no_access(what);
		else if (geteuid())
			complain("%s: not permitted; root may: sudo tokmux %s",
				 what, the_verb->name);
		else
			complain("%s: %s", what, tokmux_strerror(err));
		break;
	default:
		complain("%s: %s", what, tokmux_strerror(err));
		break;
	}
	return status;
}

int cannot_write(void)
{
	complain("cannot write to standard output: %s", strerror(errno));
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
