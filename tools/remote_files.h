/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is written so that other hosts, containers and sandboxes reach a token: on the
 * host that owns it, and on a client.
 */
#ifndef TOKMUX_REMOTE_FILES_H
#define TOKMUX_REMOTE_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define REMOTE_FILES	2

struct remote_file {
	char *path;
	char *text;		/* for enable to write; NULL: nothing */
	bool shared;		/* the file may have other lines than these */
	/* Whose it is if root makes it. */
	uid_t uid;
	gid_t gid;
};

struct remote_role {
	const char *name;
	/* The arguments of enable, for a complaint: a user or a host, and a file or NULL. */
	const char *peer_is, *keys_are;
	/* A host has one: disable needs no argument. */
	bool one_only;
	/*
	 * Fills in the files, for remote_files_free(). @keys is NULL for disable, and so
	 * may be @peer if @one_only. Return: an exit status, after a complaint.
	 */
	int (*files)(struct remote_file *files, const char *peer, const char *keys);
	/* The administrator's or the user's next step after enable. */
	const char *next;
};

/* The last one has no name. */
extern const struct remote_role remote_roles[];

void remote_files_free(struct remote_file *files);

#endif /* TOKMUX_REMOTE_FILES_H */
