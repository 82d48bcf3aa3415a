/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A region of ours in another program's configuration file: put in, found again
 * by its first and last line, and taken out.
 */
#ifndef TOKMUX_CONF_REGION_H
#define TOKMUX_CONF_REGION_H

struct conf {
	char *path;		/* where the file really is */
	char *text;
};

/* Negative errnos. A file that isn't there is an empty one. */
int conf_read(struct conf *conf, const char *path);
void conf_free(struct conf *conf);

/* The number of the first line that begins with @what behind blanks, or 0. */
unsigned int conf_find(const struct conf *conf, const char *what);

/* Puts @lines behind that line as a region, or at the end if it is 0. */
int conf_insert(struct conf *conf, unsigned int line, const char *lines);
/* Takes the region out. *@old gets it, for free(), or NULL. */
int conf_remove(struct conf *conf, char **old);

/* With the permissions that it had. Without text it is removed. */
int conf_write(const struct conf *conf);

#endif /* TOKMUX_CONF_REGION_H */
