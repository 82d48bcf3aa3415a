/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TOKMUX_ORIGIN_H
#define TOKMUX_ORIGIN_H

#include <stdbool.h>

/* A shared object. */
struct origin {
	const char *base;		/* where it is loaded; NULL: in none */
	char name[128];			/* its file, for the log */
};

void origin_of(const void *address, struct origin *origin);
bool origin_loaded(const struct origin *origin);

/* keep it from being unloaded; NULL where that can't be done, or needn't be */
void *origin_hold(const struct origin *origin);
void origin_release(void *object);

enum origin_thread {
	THREAD_UNSEEN,
	THREAD_SEEN,
	THREAD_ENDS,
};

extern __thread enum origin_thread origin_thread;

void origin_see_first(void);

/* Of a thread that may call origin_release() some day. */
static inline void origin_see_thread(void)
{
	if (origin_thread == THREAD_UNSEEN)
		origin_see_first();
}

void origin_before_fork(void);
void origin_after_fork(void);

#endif /* TOKMUX_ORIGIN_H */
