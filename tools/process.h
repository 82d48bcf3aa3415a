/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Processes, as /proc shows them: what they are called, whose they are, and
 * what they have open.
 */
#ifndef TOKMUX_TOOL_PROCESS_H
#define TOKMUX_TOOL_PROCESS_H

#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>
#include "tool.h"

#define PROCESS_NAME_SIZE	32

/* A file in the process' directory, for reading; NULL if it can't be opened. */
FILE *process_file(pid_t pid, const char *name);
/* What can't be printed is '?'. false, and "", if there is none. */
bool process_command(pid_t pid, char *name, size_t size);
/* Its effective user and group. */
bool process_uid(pid_t pid, uid_t *uid);
bool process_gid(pid_t pid, gid_t *gid);
/* The user's name, or the uid as a number. */
void user_name(uid_t uid, char *name, size_t size);
/* "firefox[812]", as whom we wait for. */
void process_title(pid_t pid, char *title, size_t size);

/*
 * An open file of a process: its device, if it is one, or its socket, and where
 * fdinfo tells of a caller on a token, what it tells.
 */
struct open_file {
	pid_t pid;
	dev_t rdev;
	/* A socket's, else 0. */
	ino_t socket;
	bool is_caller;
	char token[TOKMUX_NAME_SIZE];
	pid_t owner;
	bool exclusive, shared;
	/* It has a lease that is not idle. */
	bool uses;
	unsigned int waiting, sessions;
	char login[8];
	/* -1 if the kernel doesn't say. */
	int64_t held_ms;
};

/* Calls @see with each open file that we may see, of devices and sockets. */
void for_each_open_file(void (*see)(const struct open_file *file, void *data),
			void *data);

#endif /* TOKMUX_TOOL_PROCESS_H */
