/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What can be told to use our libpcsclite.so.1, by a configuration of its own.
 */
#ifndef TOKMUX_PCSC_USERS_H
#define TOKMUX_PCSC_USERS_H

#include <stddef.h>

struct pcsc_user {
	const char *name;
	/* Its file, for free(); NULL and a complaint if there is none. */
	char *(*file)(void);
	/* What the file says then, with the library's directory. */
	const char *lines;
	/* The line behind which it is said, or NULL for the file's end. */
	const char *after;
	/* What stands for @after where there is no such line. */
	const char *before_it, *behind_it;
	/* A line that says something else. */
	const char *rival;
	/* What has to be done then: an exit status. */
	int (*take_up)(void);
};

/* The last one has no name. */
extern const struct pcsc_user pcsc_users[];

#endif /* TOKMUX_PCSC_USERS_H */
