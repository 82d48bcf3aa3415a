/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TOKMUX_ORIGIN_H
#define TOKMUX_ORIGIN_H

#include <stdbool.h>
#include <stdint.h>

struct mark;

/* A shared object as it was loaded that one time. */
struct origin {
	const char *base;		/* where it is; NULL: not known */
	char *room, *room_end;		/* for marks; none if it isn't unmapped */
	struct mark *mark;		/* ours; NULL: it stays for good */
	uint64_t serial;		/* what is written there */
	char name[128];			/* its file */
};

void origin_of(const void *address, struct origin *origin);
void origin_keep(const struct origin *origin);

/* with the lock of the pool of callers held: that of the marks */
bool origin_claim(struct origin *origin);
bool origin_same(const struct origin *known, const struct origin *now);
unsigned long long origin_unloads(void);
void origin_each(void (*see)(const struct origin *now));

void origin_before_fork(void);
void origin_after_fork(void);

#endif /* TOKMUX_ORIGIN_H */
