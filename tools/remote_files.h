/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is written so that other hosts, containers and sandboxes reach a token: on the
 * host that owns it, and on a client.
 */
#ifndef TOKMUX_REMOTE_FILES_H
#define TOKMUX_REMOTE_FILES_H

#include <stdbool.h>
#include <stddef.h>

#define REMOTE_FILES	2

struct remote_file {
	char *path;
	char *text;		/* that it gets; NULL: it isn't asked for */
	bool shared;		/* other lines of it are somebody else's */
};

struct remote_role {
	const char *name;
	/* What it is told beside the name: none may be missing for enable. */
	const char *who, *what;
	/*
	 * Fills in the files, for remote_files_free(). @what is NULL for disable. Return:
	 * an exit status; it has complained.
	 */
	int (*files)(struct remote_file *files, const char *who, const char *what);
	/* What is left to do, for the person who enables it. */
	const char *next;
};

/* The last one has no name. */
extern const struct remote_role remote_roles[];

void remote_files_free(struct remote_file *files);

#endif /* TOKMUX_REMOTE_FILES_H */
