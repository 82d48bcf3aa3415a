/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TOKMUX_ORIGIN_H
#define TOKMUX_ORIGIN_H

#include <stdbool.h>

/* A shared object. */
struct origin {
	const char *base;		/* where it is loaded; NULL: in none */
	const char *file;		/* the loader's copy of its name, compared only */
	char name[128];			/* its file, for the log */
};

void origin_of(const void *address, struct origin *origin);
bool origin_same(const struct origin *one, const struct origin *other);
bool origin_loaded(const struct origin *origin);
unsigned long long origin_unloads(void);

void origin_before_fork(void);
void origin_after_fork(void);

#endif /* TOKMUX_ORIGIN_H */
