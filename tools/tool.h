/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the files of tokmux(8) share: verbs, exit statuses, complaints.
 */
#ifndef TOKMUX_TOOL_H
#define TOKMUX_TOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <tokmux.h>

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

/*
 * The exit status, as sysexits(3) has them where it does. Documented in
 * Documentation/man/tokmux.8.rst.
 */
enum status {
	STATUS_OK	= 0,
	STATUS_NO	= 1,	/* the answer is no */
	STATUS_REFUSED	= 2,	/* apdu: the card answers that it won't */
	STATUS_USAGE	= 64,	/* wrong arguments */
	STATUS_NOTOKEN	= 66,	/* there is no such token */
	STATUS_NOMODULE	= 69,	/* the kernel module is not loaded */
	STATUS_FAILED	= 71,	/* something else failed */
	STATUS_GONE	= 74,	/* the token went away meanwhile */
	STATUS_NOPERM	= 77,	/* permission denied */
	STATUS_NOEXEC	= 126,	/* lock, run: the command can't be run */
	STATUS_NOCMD	= 127,	/* lock, run: there is no such command */
};

/*
 * @run: gets the verb as argv[0], and returns the exit status
 * @synopsis: what follows the verb
 * @options: a line each, for --help
 */
struct verb {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *synopsis;
	const char *summary;
	const char *options;
};

/* Each is at the end of the file of its name, and in main.c's table. */
extern const struct verb list_verb, status_verb, who_verb, lock_verb,
	monitor_verb, top_verb, eject_verb, register_verb, unregister_verb,
	check_verb, atr_verb, apdu_verb, run_verb, pcsc_verb, scrub_verb,
	remote_verb;

/* The verb that runs; complaints begin with its name. */
extern const struct verb *the_verb;

/* "tokmux VERB: …" on stderr. */
void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));
/*
 * The same, and in the kernel's log: for what udev runs, whose stderr nobody sees.
 */
void complain_in_log(const char *format, ...)
	__attribute__((format(printf, 1, 2)));
/* The same, for wrong arguments. Returns STATUS_USAGE. */
int bad_usage(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* What an unknown option, or -h, comes to. */
int option_status(int option);
int print_help(const struct verb *verb, FILE *to);
/* The exit status for libtokmux's error. */
int status_of(int err);
/* Says what libtokmux's error means for @what, and returns the exit status. */
int failed(const char *what, int err);

/* That stdout doesn't take any more, by errno; returns STATUS_FAILED. */
int cannot_write(void);

/* A number with nothing after it, in [0, @most]. */
bool parse_number(const char *text, unsigned long most, unsigned long *value);
/* Seconds, as "1.5"; out: milliseconds, -1 if it is none. */
int parse_seconds(const char *text);

#endif /* TOKMUX_TOOL_H */
