/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The clients of "p11-kit remote": each has a process here, which sshd or systemd has
 * started for it (R20).
 */
#ifndef TOKMUX_TOOL_REMOTE_CLIENT_H
#define TOKMUX_TOOL_REMOTE_CLIENT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct remote_client {
	struct remote_client *next;
	pid_t pid;		/* the process that serves it */
	/* The host, or the process at the other end of the socket; else "". */
	char from[144];
	/* What authorized_keys calls the key that ssh was let in with; else "". */
	char key[128];
	/* The inodes of its socket's two ends, or 0. */
	uint32_t near_end, far_end;
};

/* Does a process of this command serve a remote client? */
bool remote_client_serves(const char *command);

/* Fills in from and key of each, as far as this user may know them. */
void remote_clients_find(struct remote_client *clients);

#endif /* TOKMUX_TOOL_REMOTE_CLIENT_H */
