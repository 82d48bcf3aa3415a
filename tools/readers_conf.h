/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * /etc/tokmux/readers.conf, as udev's rules read it.
 */
#ifndef TOKMUX_TOOL_READERS_CONF_H
#define TOKMUX_TOOL_READERS_CONF_H

#include <stdbool.h>
#include <stddef.h>

#define READERS_CONF	"/etc/tokmux/readers.conf"

/*
 * A holder that keeps others waiting for longer loses the lease. A program that was
 * stopped in the middle of a transaction must not keep a card for ever. But entering
 * a PIN at the reader, touching a key and making a key of RSA count as well, and the
 * last may take minutes.
 */
#define HOLD_LIMIT_MS		300000
#define HOLD_LIMIT_LEAST_MS	10000
#define HOLD_LIMIT_MOST_MS	86400000

/* What it says of enforce. Where it says nothing that is understood, it stays as is. */
enum enforce { ENFORCE_UNKNOWN, ENFORCE_NO, ENFORCE_YES };

struct readers_conf {
	enum enforce enforce;
	/* Of each reader's token, see HOLD_LIMIT_MS. */
	unsigned int hold_limit_ms;
	/* Are two PC/SC programs of one user kept apart? */
	bool isolate;
	/* 0, or why it can't be read: ENOENT if there is none. */
	int error;
	/* The first line that isn't understood, from 1; 0 for none. */
	unsigned int line;
	char text[80];
};

void readers_conf_read(struct readers_conf *conf);

#endif /* TOKMUX_TOOL_READERS_CONF_H */
