/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * /etc/tokmux/readers.conf, as udev's rules read it.
 */
#ifndef TOKMUX_TOOL_READERS_CONF_H
#define TOKMUX_TOOL_READERS_CONF_H

#include <stddef.h>

#define READERS_CONF	"/etc/tokmux/readers.conf"

/* What it says of enforce. Where it says nothing that is understood, it stays as is. */
enum enforce { ENFORCE_UNKNOWN, ENFORCE_NO, ENFORCE_YES };

struct readers_conf {
	enum enforce enforce;
	/* 0, or why it can't be read: ENOENT if there is none. */
	int error;
	/* The first line that isn't understood, from 1; 0 for none. */
	unsigned int line;
	char text[80];
};

void readers_conf_read(struct readers_conf *conf);

#endif /* TOKMUX_TOOL_READERS_CONF_H */
