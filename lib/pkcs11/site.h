/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TOKMUX_SITE_H
#define TOKMUX_SITE_H

#include <stdatomic.h>
#include <stdint.h>

/* Where a thread is inside a backend; @function is NULL where it isn't. */
struct site {
	_Atomic(const char *) backend;	/* its name, where it is configured */
	_Atomic(const char *) function;
	_Atomic(int64_t) since_ms;
	atomic_bool taken;		/* by a thread that lives */
};

/* What site_enter() found, for site_leave(): a backend may call back. */
struct site_before {
	struct site *site;
	const char *backend, *function;
	int64_t since_ms;
};

struct site_before site_enter(const char *backend, const char *function);
void site_leave(const struct site_before *before);
const struct site *site_here(void);
void site_name_hung(const char *backend, int64_t ms);
void site_names_go(void);
void site_forked(void);

#endif /* TOKMUX_SITE_H */
