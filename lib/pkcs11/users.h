/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TOKMUX_USERS_H
#define TOKMUX_USERS_H

#include <stdatomic.h>
#include "p11.h"

/* in users_count */
#define USERS_OPEN	1ul	/* callers are initialized, new users may come */
#define USERS_ONE	2ul	/* one user */

extern atomic_ulong users_count;

/* for module.c */
void users_begin(void (*last_out)(void));
bool users_resume(void);
void users_end(void);
bool users_open(void);
void users_forked(void);

void users_last_out(void);
void users_cancelled(void *nothing);

/* Keep the module from being stopped, until users_put(). */
static inline CK_RV users_get(void)
{
	unsigned long now = atomic_load(&users_count);

	do {
		if (!(now & USERS_OPEN))
			return CKR_CRYPTOKI_NOT_INITIALIZED;
	} while (!atomic_compare_exchange_weak(&users_count, &now,
					       now + USERS_ONE));
	return CKR_OK;
}

/* Another one, while the calling thread has one already. */
static inline void users_hold(void)
{
	atomic_fetch_add(&users_count, USERS_ONE);
}

static inline void users_put(void)
{
	if (atomic_fetch_sub(&users_count, USERS_ONE) == USERS_ONE)
		users_last_out();
}

#endif /* TOKMUX_USERS_H */
